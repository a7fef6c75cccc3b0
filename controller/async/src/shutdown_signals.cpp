#include "codeexec/async/shutdown_signals.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

namespace codeexec::async {
namespace asio = boost::asio;

shutdown_signals::shutdown_signals(asio::any_io_executor const& executor) : signals_(executor, SIGINT, SIGTERM) {}

asio::awaitable<int> shutdown_signals::next() {
  auto const [ec, number] = co_await signals_.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return ec ? 0 : number;
}

}  // namespace codeexec::async
