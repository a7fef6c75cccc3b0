// Runs one coroutine to its end on a loop of its own or the test's, and gives up loudly instead of hanging.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace codeexec::testing {

inline constexpr std::chrono::seconds default_watchdog{20};

/// Runs `io` until `task` has ended; its exception passes through. Other work of the loop goes on meanwhile and stays
/// where it was. After `watchdog` the task is cancelled and std::runtime_error thrown: the test fails, it never hangs.
inline void run_coro(boost::asio::io_context& io, boost::asio::awaitable<void> task,
                     std::chrono::milliseconds watchdog = default_watchdog) {
  struct outcome {
    bool done = false;
    std::exception_ptr failure;
    boost::asio::cancellation_signal cancel;
  };
  auto const state = std::make_shared<outcome>();
  auto on_end = [state](std::exception_ptr failure) {
    state->done = true;
    state->failure = failure;
  };
  boost::asio::co_spawn(io, std::move(task), boost::asio::bind_cancellation_slot(state->cancel.slot(), on_end));
  auto const run_for = [&](std::chrono::milliseconds time) {
    auto const end = std::chrono::steady_clock::now() + time;
    while (!state->done && std::chrono::steady_clock::now() < end) {
      io.restart();
      auto const ran = io.run_one_until(end);
      if (ran == 0 && io.stopped()) break;  // nothing is left that could ever end the task
    }
  };
  run_for(watchdog);
  if (!state->done) {
    state->cancel.emit(boost::asio::cancellation_type::terminal);
    run_for(std::chrono::seconds(1));
    throw std::runtime_error("run_coro: the coroutine did not end in time");
  }
  if (state->failure) std::rethrow_exception(state->failure);
}

template <class T>
requires(!std::is_void_v<T>) T run_coro(boost::asio::io_context& io, boost::asio::awaitable<T> task,
                                        std::chrono::milliseconds watchdog = default_watchdog) {
  struct into {
    static boost::asio::awaitable<void> run(boost::asio::awaitable<T> inner, std::shared_ptr<std::optional<T>> out) {
      auto value = co_await std::move(inner);
      out->emplace(std::move(value));
    }
  };
  auto const out = std::make_shared<std::optional<T>>();
  run_coro(io, into::run(std::move(task), out), watchdog);
  return std::move(**out);
}

/// On a loop of its own: for coroutines that take their executor from where they run.
template <class T>
T run_coro(boost::asio::awaitable<T> task, std::chrono::milliseconds watchdog = default_watchdog) {
  boost::asio::io_context io;
  return run_coro(io, std::move(task), watchdog);
}

}  // namespace codeexec::testing
