// A condition that coroutines of one thread wait for.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>

#include "codeexec/base/deadline.hpp"

namespace codeexec::async {

/// Manual-reset: once set, every wait ends at once until reset(). A set() followed by reset() in one step still wakes
/// everybody who waited: no wake-up is lost.
///
/// A condition over other state is written as a loop: `while (!predicate()) { co_await e.wait(); }` where whoever
/// changes the state calls pulse().
///
/// Thread: everything on the executor's thread. Lifetime: may be destroyed while coroutines wait; they then wait for
/// ever, unless cancelled.
class event {
 public:
  explicit event(boost::asio::any_io_executor executor);

  void set();
  void reset();
  /// Wakes those who wait now; the event stays as it is.
  void pulse();
  bool is_set() const;

  /// True: set or pulsed. False: the task was cancelled.
  boost::asio::awaitable<bool> wait();
  /// True: set or pulsed in time. False: the deadline passed, or the task was cancelled.
  boost::asio::awaitable<bool> wait_until(base::deadline by);

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace codeexec::async
