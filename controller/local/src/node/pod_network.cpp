#include "pod_network.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <net/if.h>
#include <netinet/in.h>
#include <optional>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <thread>

#include "codeexec/local/cluster_access.hpp"

namespace codeexec::local {
namespace {

sockaddr_in address_of(std::string const& text, unsigned short port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  inet_pton(AF_INET, text.c_str(), &out.sin_addr);
  return out;
}

base::error refused(std::string const& what) {
  return base::error(what + ": " + std::strerror(errno));
}

/// An address more on loopback, under a label of its own.
bool add_address(int control, char const* label, std::string const& address) {
  ifreq request{};
  std::strncpy(request.ifr_name, label, IFNAMSIZ - 1);
  auto const place = address_of(address, 0);
  std::memcpy(&request.ifr_addr, &place, sizeof place);
  if (ioctl(control, SIOCSIFADDR, &request) != 0) {
    return false;
  }
  auto const mask = address_of("255.255.255.255", 0);
  std::memcpy(&request.ifr_netmask, &mask, sizeof mask);
  return ioctl(control, SIOCSIFNETMASK, &request) == 0;
}

bool bring_up_loopback(int control) {
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  if (ioctl(control, SIOCGIFFLAGS, &request) != 0) {
    return false;
  }
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP | IFF_RUNNING);
  return ioctl(control, SIOCSIFFLAGS, &request) == 0;
}

/// On a thread of its own: namespaces belong to threads, and this one's must stay as it is.
void apart(std::function<void()> const& work) {
  std::thread(work).join();
}

}  // namespace

base::result<std::shared_ptr<pod_network>> pod_network::make(std::string const& pod_address) {
  std::shared_ptr<pod_network> made(new pod_network);
  std::optional<base::error> failure;
  apart([&] {
    if (unshare(CLONE_NEWNET) != 0) {
      failure = refused("cannot make a network namespace");
      return;
    }
    made->name_space_ = unique_fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    unique_fd const control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!made->name_space_ || !control || !bring_up_loopback(control.get()) ||
        !add_address(control.get(), "lo:0", api_service_address) || !add_address(control.get(), "lo:1", pod_address)) {
      failure = refused("cannot set up a network namespace");
      return;
    }
    made->listener_ = unique_fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    auto const place = address_of(api_service_address, api_service_port);
    if (!made->listener_ || bind(made->listener_.get(), reinterpret_cast<sockaddr const*>(&place), sizeof place) != 0 ||
        listen(made->listener_.get(), SOMAXCONN) != 0) {
      failure = refused("cannot listen in a network namespace");
    }
  });
  if (failure) {
    return *failure;
  }
  return made;
}

base::result<unique_fd> pod_network::open_socket() const {
  unique_fd made;
  std::optional<base::error> failure;
  apart([&] {
    if (setns(name_space_.get(), CLONE_NEWNET) == 0) {
      made = unique_fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    }
    if (!made) {
      failure = refused("cannot enter the pod's network");
    }
  });
  if (failure) {
    return *failure;
  }
  return made;
}

}  // namespace codeexec::local
