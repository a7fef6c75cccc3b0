// What pods of the machine's own programs are given of the cluster: a token, the authority, the API on their network.
// And the way back: how the API server reaches a pod. The seams between the control plane and the node.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "codeexec/base/result.hpp"
#include "codeexec/local/object.hpp"
#include "codeexec/local/status_error.hpp"

namespace codeexec::local {

/// The address of the API server on a pod's network, as a cluster's `kubernetes` Service has it.
inline constexpr char api_service_address[] = "10.96.0.1";
inline constexpr unsigned short api_service_port = 443;

/// Thread: the loop's one.
class cluster_access {
 public:
  cluster_access() = default;
  cluster_access(cluster_access const&) = delete;
  cluster_access& operator=(cluster_access const&) = delete;
  virtual ~cluster_access() = default;

  /// For the ServiceAccount, which must be there. Where the server checks no tokens, any word.
  virtual base::result<std::string> account_token(std::string_view ns, std::string_view account,
                                                  std::chrono::seconds lifetime) = 0;
  /// PEM: whose certificate the server has.
  virtual std::string authority() = 0;
  /// Serves the API over TLS on this listening socket, which it owns from now on, until the last copy of what it
  /// returns is gone.
  virtual base::result<std::shared_ptr<void>> serve(int listening) = 0;
  /// Where a program on the host's network finds the API; nothing before it listens there, or where it does not speak
  /// TLS there.
  virtual base::result<boost::asio::ip::tcp::endpoint> host_endpoint() = 0;
};

/// Thread: the loop's one.
class pod_ports {
 public:
  pod_ports() = default;
  pod_ports(pod_ports const&) = delete;
  pod_ports& operator=(pod_ports const&) = delete;
  virtual ~pod_ports() = default;

  /// A socket on the pod's network, not yet connected, and the address to connect it to. The refusal says why the pod
  /// cannot be reached.
  struct way {
    boost::asio::ip::tcp::socket socket;
    boost::asio::ip::address address;
  };
  virtual result<way> open_way(object const& pod) = 0;
};

}  // namespace codeexec::local
