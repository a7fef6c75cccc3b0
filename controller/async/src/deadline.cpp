#include "codeexec/async/deadline.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "codeexec/async/cancellation.hpp"

namespace codeexec::async {
namespace asio = boost::asio;

asio::awaitable<bool> sleep_for(std::chrono::steady_clock::duration time) {
  return sleep_until(base::deadline::after(time));
}

asio::awaitable<bool> sleep_until(base::deadline by) {
  auto const executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  timer.expires_at(by.at());
  auto const [ec] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  // A timer that fires at the moment of a cancellation may report either; the cancellation counts.
  auto const state = co_await asio::this_coro::cancellation_state;
  co_return !ec && !is_cancelled(state);
}

namespace detail {
namespace {
struct race {
  explicit race(asio::any_io_executor const& executor) : timer(executor) {}
  asio::steady_timer timer;
  asio::cancellation_signal cancel;
  bool expired = false;
  bool done = false;
};
}  // namespace

asio::awaitable<bool> run_until(asio::awaitable<void> operation, base::deadline by) {
  auto const executor = co_await asio::this_coro::executor;
  auto const state = co_await asio::this_coro::cancellation_state;
  auto const r = std::make_shared<race>(executor);

  if (!by.is_never()) {
    r->timer.expires_at(by.at());
    r->timer.async_wait([r](boost::system::error_code ec) {
      if (ec || r->done) return;
      r->expired = true;
      r->cancel.emit(asio::cancellation_type::terminal);
    });
  }
  // The operation runs as a coroutine of its own with its own signal, so the caller's cancellation must be passed on.
  auto parent = state.slot();
  if (parent.is_connected()) parent.assign([r](asio::cancellation_type type) { r->cancel.emit(type); });

  auto token = asio::bind_cancellation_slot(r->cancel.slot(), asio::as_tuple(asio::use_awaitable));
  auto const [failure] = co_await asio::co_spawn(executor, std::move(operation), token);
  r->done = true;
  r->timer.cancel();
  parent.clear();

  if (failure && !(r->expired && is_abort(failure))) std::rethrow_exception(failure);
  co_return !r->expired;
}
}  // namespace detail

}  // namespace codeexec::async
