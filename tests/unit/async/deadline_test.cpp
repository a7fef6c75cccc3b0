#include "codeexec/async/deadline.hpp"

#include <boost/asio/io_context.hpp>
#include <csignal>
#include <gtest/gtest.h>

#include "codeexec/async/shutdown_signals.hpp"
#include "codeexec/async/task_group.hpp"
#include "codeexec/testing/run_coro.hpp"

namespace {
namespace asio = boost::asio;
using codeexec::async::sleep_for;
using codeexec::async::sleep_until;
using codeexec::async::task_group;
using codeexec::async::with_deadline;
using codeexec::base::deadline;
using codeexec::testing::run_coro;
using namespace std::chrono_literals;

asio::awaitable<std::string> answer_after(std::chrono::milliseconds time, std::string text) {
  co_await sleep_for(time);
  co_return text;
}

asio::awaitable<std::string> answer_never(bool* was_cancelled) {
  auto const slept = co_await sleep_until(deadline::never());
  *was_cancelled = !slept;
  co_return "cancelled, not answered";
}

asio::awaitable<std::string> fail_at_once() {
  co_await sleep_for(0ms);
  throw std::runtime_error("broken");
}

asio::awaitable<void> never() {
  co_await sleep_until(deadline::never());
}

TEST(Sleep, EndsAfterItsTime) {
  auto const begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(run_coro(sleep_for(5ms)));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 5ms);
}

TEST(WithDeadline, GivesTheAnswerThatCameInTime) {
  EXPECT_EQ(run_coro(with_deadline(answer_after(1ms, "yes"), deadline::after(10s))), "yes");
  EXPECT_EQ(run_coro(with_deadline(answer_after(1ms, "yes"), deadline::never())), "yes");
}

TEST(WithDeadline, CancelsWhatTakesTooLongAndGivesNothing) {
  bool was_cancelled = false;
  EXPECT_EQ(run_coro(with_deadline(answer_never(&was_cancelled), deadline::after(5ms))), std::nullopt);
  EXPECT_TRUE(was_cancelled);
  EXPECT_FALSE(run_coro(with_deadline(never(), deadline::after(1ms))));
}

TEST(WithDeadline, PassesTheOperationsExceptionOn) {
  EXPECT_THROW(run_coro(with_deadline(fail_at_once(), deadline::after(10s))), std::runtime_error);
}

TEST(WithDeadline, CancellingTheCallerCancelsTheOperation) {
  struct task {
    static asio::awaitable<void> run(bool* was_cancelled) {
      auto operation = answer_never(was_cancelled);
      co_await with_deadline(std::move(operation), deadline::never());
    }
  };
  asio::io_context io;
  task_group group(io.get_executor());
  bool was_cancelled = false;
  group.spawn("caller", task::run(&was_cancelled));
  io.poll();
  group.stop();
  run_coro(io, group.join());
  EXPECT_TRUE(was_cancelled);
}

TEST(ShutdownSignals, FirstAndSecondSignalAreBothSeen) {
  asio::io_context io;
  codeexec::async::shutdown_signals signals(io.get_executor());
  std::raise(SIGTERM);
  EXPECT_EQ(run_coro(io, signals.next()), SIGTERM);
  std::raise(SIGINT);
  EXPECT_EQ(run_coro(io, signals.next()), SIGINT);
}

}  // namespace
