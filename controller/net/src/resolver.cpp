#include "codeexec/net/resolver.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <netdb.h>
#include <netinet/in.h>
#include <optional>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include "codeexec/async/cancellation.hpp"
#include "codeexec/async/deadline.hpp"

namespace codeexec::net {
namespace asio = boost::asio;

namespace {

result<resolver::addresses> ask_the_machine(std::string const& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  auto const failed = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (failed != 0) return error(failure::connect, "cannot resolve " + host + ": " + ::gai_strerror(failed));
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> const owned(found, ::freeaddrinfo);
  resolver::addresses out;
  for (auto const* at = found; at != nullptr; at = at->ai_next) {
    if (at->ai_family == AF_INET && at->ai_addrlen >= sizeof(sockaddr_in)) {
      sockaddr_in v4{};
      std::memcpy(&v4, at->ai_addr, sizeof v4);
      out.push_back(asio::ip::address_v4(ntohl(v4.sin_addr.s_addr)));
    } else if (at->ai_family == AF_INET6 && at->ai_addrlen >= sizeof(sockaddr_in6)) {
      sockaddr_in6 v6{};
      std::memcpy(&v6, at->ai_addr, sizeof v6);
      asio::ip::address_v6::bytes_type bytes;
      std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
      out.push_back(asio::ip::address_v6(bytes, v6.sin6_scope_id));
    }
  }
  if (out.empty()) return error(failure::connect, "cannot resolve " + host + ": it has no address");
  return out;
}

}  // namespace

/// Shared by the thread that looks up and those who wait. The thread touches nothing of the loop: it leaves its answer
/// and makes the descriptor readable, whether anybody is still there or not.
struct resolver::question {
  explicit question(int descriptor) : signal(descriptor) {}
  question(question const&) = delete;
  question& operator=(question const&) = delete;
  ~question() { ::close(signal); }

  void settle(result<addresses> found) {
    {
      std::lock_guard const lock(mutex);
      answer.emplace(std::move(found));
    }
    std::uint64_t const one = 1;
    static_cast<void>(!::write(signal, &one, sizeof one));  // it has room for 2^64 - 2 of these
  }
  std::optional<result<addresses>> settled() {
    std::lock_guard const lock(mutex);
    return answer;
  }

  static asio::awaitable<bool> answered(std::shared_ptr<question> self);

  int const signal;
  std::mutex mutex;
  std::optional<result<addresses>> answer;
};

resolver::resolver() : resolver(ask_the_machine) {}
resolver::resolver(lookup how) : how_(std::move(how)) {}
resolver::~resolver() = default;

std::shared_ptr<resolver::question> resolver::ask(std::string const& host) {
  auto& open = open_[host];
  // One that was answered while nobody waited is of unknown age.
  if (open && !open->settled()) return open;
  auto const descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (descriptor < 0) {
    open_.erase(host);
    return nullptr;
  }
  auto const fresh = std::make_shared<question>(descriptor);
  try {
    std::thread([fresh, how = how_, host] { fresh->settle(how(host)); }).detach();
  } catch (std::system_error const&) {
    open_.erase(host);
    return nullptr;
  }
  open = fresh;
  return fresh;
}

asio::awaitable<bool> resolver::question::answered(std::shared_ptr<question> self) {
  auto const executor = co_await asio::this_coro::executor;
  asio::posix::stream_descriptor readable(executor);
  auto const mine = ::dup(self->signal);  // epoll knows a descriptor once; here many may wait
  if (mine < 0) co_return false;
  boost::system::error_code unusable;
  readable.assign(mine, unusable);
  if (unusable) {
    ::close(mine);
    co_return false;
  }
  auto const [ec] =
      co_await readable.async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
  co_return !ec;
}

asio::awaitable<result<resolver::addresses>> resolver::resolve(std::string host, base::deadline by) {
  boost::system::error_code not_literal;
  auto const literal = asio::ip::make_address(host, not_literal);
  if (!not_literal) {
    addresses one(1, literal);
    co_return one;
  }

  auto const asked = ask(host);
  if (!asked) co_return error(failure::connect, "cannot resolve " + host + ": out of descriptors or threads");
  auto waiting = question::answered(asked);
  auto const told = co_await async::with_deadline(std::move(waiting), by);
  auto const cancellation = co_await asio::this_coro::cancellation_state;
  if (async::is_cancelled(cancellation)) co_return error(failure::cancelled, "resolving " + host);
  auto answer = asked->settled();
  if (!answer) {
    if (told) co_return error(failure::connect, "cannot resolve " + host + ": out of descriptors");
    co_return error(failure::timeout, "resolving " + host);
  }
  auto const at = open_.find(host);
  if (at != open_.end() && at->second == asked) open_.erase(at);
  co_return std::move(*answer);
}

}  // namespace codeexec::net
