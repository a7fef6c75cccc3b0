#include "codeexec/async/event.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdint>
#include <list>

#include "codeexec/async/cancellation.hpp"

namespace codeexec::async {
namespace asio = boost::asio;

struct event::state {
  explicit state(asio::any_io_executor ex) : executor(std::move(ex)) {}

  void wake() {
    ++wakes;
    for (auto* const timer : waiting)
      timer->cancel();
  }

  asio::any_io_executor executor;
  std::list<asio::steady_timer*> waiting;
  std::uint64_t wakes = 0;
  bool set = false;
};

namespace {
/// A wait's timer, known to the event for as long as the wait lasts, however it ends.
class registered_timer {
 public:
  registered_timer(asio::any_io_executor const& executor, std::list<asio::steady_timer*>& list)
      : timer(executor), list_(list), at_(list.insert(list.end(), &timer)) {}
  registered_timer(registered_timer const&) = delete;
  registered_timer& operator=(registered_timer const&) = delete;
  ~registered_timer() { list_.erase(at_); }

  asio::steady_timer timer;

 private:
  std::list<asio::steady_timer*>& list_;
  std::list<asio::steady_timer*>::iterator at_;
};
}  // namespace

event::event(asio::any_io_executor executor) : state_(std::make_shared<state>(std::move(executor))) {}

void event::set() {
  state_->set = true;
  state_->wake();
}

void event::reset() {
  state_->set = false;
}

void event::pulse() {
  state_->wake();
}

bool event::is_set() const {
  return state_->set;
}

asio::awaitable<bool> event::wait() {
  return wait_until(base::deadline::never());
}

asio::awaitable<bool> event::wait_until(base::deadline by) {
  auto const shared = state_;  // the event may go away while this frame waits
  auto const seen = shared->wakes;
  registered_timer registered(shared->executor, shared->waiting);
  while (!shared->set && shared->wakes == seen) {
    auto const cancellation = co_await asio::this_coro::cancellation_state;
    if (is_cancelled(cancellation) || by.passed()) co_return false;
    registered.timer.expires_at(by.at());
    // The code does not matter: a wake-up, an expiry and a cancellation may coincide, so the loop asks for each.
    co_await registered.timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  co_return true;
}

}  // namespace codeexec::async
