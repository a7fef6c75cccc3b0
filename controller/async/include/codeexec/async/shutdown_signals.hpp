// SIGINT and SIGTERM as something a coroutine waits for.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/signal_set.hpp>

namespace codeexec::async {

/// From construction on the two signals no longer end the process: someone must wait for them.
/// Thread: the executor's. Lifetime: until destruction; then the default handling is back.
class shutdown_signals {
 public:
  explicit shutdown_signals(boost::asio::any_io_executor const& executor);

  /// The number of the next signal (one that came before the wait counts), or 0 when the task was cancelled. Callers
  /// stop in order after the first and leave at once after the second.
  boost::asio::awaitable<int> next();

 private:
  boost::asio::signal_set signals_;
};

}  // namespace codeexec::async
