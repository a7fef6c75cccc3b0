// Waiting for time to pass, and bounding by time what has no timeout of its own.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "codeexec/base/deadline.hpp"

namespace codeexec::async {

/// True: the time has passed. False: the task was cancelled before.
boost::asio::awaitable<bool> sleep_for(std::chrono::steady_clock::duration time);
/// As sleep_for(). A deadline that never ends is waited for until cancellation.
boost::asio::awaitable<bool> sleep_until(base::deadline by);

namespace detail {
/// True: `operation` ended by itself (its exception, if any, passes through). False: it was cancelled at the deadline.
boost::asio::awaitable<bool> run_until(boost::asio::awaitable<void> operation, base::deadline by);

template <class T>
boost::asio::awaitable<void> run_into(boost::asio::awaitable<T> operation, std::shared_ptr<std::optional<T>> out) {
  auto value = co_await std::move(operation);
  out->emplace(std::move(value));
}
}  // namespace detail

/// Runs `operation` and cancels it (terminal) at the deadline. Nothing, or false, where that happened: whatever the
/// operation made of its cancellation is dropped. Cancelling the caller cancels the operation.
///
/// Always waits until the operation has ended: one that ignores cancellation delays the return beyond the deadline.
/// Errors: exceptions of the operation pass through.
template <class T>
requires(!std::is_void_v<T>) boost::asio::awaitable<std::optional<T>> with_deadline(boost::asio::awaitable<T> operation,
                                                                                    base::deadline by) {
  auto out = std::make_shared<std::optional<T>>();
  auto inner = detail::run_into(std::move(operation), out);
  auto const in_time = co_await detail::run_until(std::move(inner), by);
  if (!in_time) out->reset();
  co_return std::move(*out);
}

inline boost::asio::awaitable<bool> with_deadline(boost::asio::awaitable<void> operation, base::deadline by) {
  return detail::run_until(std::move(operation), by);
}

}  // namespace codeexec::async
