// Host names to addresses, without letting a slow name server hold anybody up.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "codeexec/base/deadline.hpp"
#include "codeexec/net/error.hpp"

namespace codeexec::net {

/// getaddrinfo blocks for as long as the machine's configuration says (30 s are common) and cannot be interrupted. It
/// runs on a thread of its own; the deadline and cancellation end the wait for it, never the thread. Asio's own
/// resolver has one thread for all names, and the loop cannot end while that one is stuck.
///
/// One lookup at a time for a name: whoever asks meanwhile waits for the same answer. Nothing is remembered after that.
/// Lifetime: must outlive its calls; not the threads of lookups that were given up. Thread: one executor.
class resolver {
 public:
  using addresses = std::vector<boost::asio::ip::address>;
  /// Called on another thread; must not throw. No address is an error too.
  using lookup = std::function<result<addresses>(std::string const& host)>;

  /// Asks the machine: /etc/hosts, DNS, whatever it is set up for.
  resolver();
  explicit resolver(lookup how);
  resolver(resolver const&) = delete;
  resolver& operator=(resolver const&) = delete;
  ~resolver();

  /// A literal address is its own answer. Errors: connect, timeout, cancelled. Cancellable (terminal).
  boost::asio::awaitable<result<addresses>> resolve(std::string host, base::deadline by);

 private:
  struct question;
  std::shared_ptr<question> ask(std::string const& host);

  lookup how_;
  std::map<std::string, std::shared_ptr<question>> open_;
};

}  // namespace codeexec::net
