#include "codeexec/async/task_group.hpp"

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codeexec/async/cancellation.hpp"
#include "codeexec/async/deadline.hpp"
#include "codeexec/testing/run_coro.hpp"

namespace {
namespace asio = boost::asio;
using codeexec::async::task_group;
using codeexec::testing::run_coro;
using namespace std::chrono_literals;

asio::awaitable<void> count_to(int* counter, int steps) {
  for (int i = 0; i < steps; ++i) {
    co_await codeexec::async::sleep_for(0ms);
    ++*counter;
  }
}

asio::awaitable<void> wait_for_ever(int* cleaned_up) {
  auto const slept = co_await codeexec::async::sleep_until(codeexec::base::deadline::never());
  if (!slept) ++*cleaned_up;
  // A task that goes on after its cancellation is stopped by the next await.
  co_await codeexec::async::sleep_for(1ms);
  *cleaned_up += 100;
}

asio::awaitable<void> fail_with(std::string message) {
  co_await codeexec::async::sleep_for(0ms);
  throw std::runtime_error(message);
}

TEST(TaskGroup, JoinReturnsOnceEveryTaskHasEnded) {
  asio::io_context io;
  task_group group(io.get_executor());
  int first = 0;
  int second = 0;
  group.spawn("first", count_to(&first, 3));
  group.spawn("second", count_to(&second, 7));
  EXPECT_THAT(group.running(), testing::ElementsAre("first", "second"));
  run_coro(io, group.join());
  EXPECT_EQ(first, 3);
  EXPECT_EQ(second, 7);
  EXPECT_EQ(group.size(), 0U);
}

TEST(TaskGroup, JoinOfAnEmptyGroupReturnsAtOnce) {
  asio::io_context io;
  task_group group(io.get_executor());
  run_coro(io, group.join());
}

TEST(TaskGroup, StopEndsEveryTaskAndIsNotAFailure) {
  asio::io_context io;
  int failures = 0;
  task_group group(io.get_executor(), [&](std::string_view, std::exception_ptr const&) { ++failures; });
  int cleaned_up = 0;
  group.spawn("one", wait_for_ever(&cleaned_up));
  group.spawn("two", wait_for_ever(&cleaned_up));
  io.poll();
  group.stop();
  run_coro(io, group.join());
  EXPECT_EQ(cleaned_up, 2);
  EXPECT_EQ(failures, 0);
}

TEST(TaskGroup, TaskStoppedBeforeItsFirstStepNeverRuns) {
  asio::io_context io;
  task_group group(io.get_executor());
  int counter = 0;
  group.spawn("late", count_to(&counter, 1));
  group.stop();
  run_coro(io, group.join());
  EXPECT_EQ(counter, 0);
}

TEST(TaskGroup, NothingStartsAfterStop) {
  asio::io_context io;
  task_group group(io.get_executor());
  group.stop();
  int counter = 0;
  EXPECT_FALSE(group.spawn("late", count_to(&counter, 1)));
  run_coro(io, group.join());
  EXPECT_EQ(counter, 0);
}

TEST(TaskGroup, FailureIsReportedWithTheTasksNameAndTheOthersGoOn) {
  asio::io_context io;
  std::vector<std::string> failed;
  task_group group(io.get_executor(), [&](std::string_view name, std::exception_ptr const& failure) {
    failed.push_back(std::string(name) + ": " + codeexec::async::describe(failure));
  });
  int counter = 0;
  group.spawn("broken", fail_with("no more ink"));
  group.spawn("healthy", count_to(&counter, 5));
  run_coro(io, group.join());
  EXPECT_THAT(failed, testing::ElementsAre("broken: no more ink"));
  EXPECT_EQ(counter, 5);
}

TEST(TaskGroup, FailureHandlerMayStopTheGroup) {
  asio::io_context io;
  task_group* self = nullptr;
  task_group group(io.get_executor(), [&](std::string_view, std::exception_ptr const&) { self->stop(); });
  self = &group;
  int cleaned_up = 0;
  group.spawn("sibling", wait_for_ever(&cleaned_up));
  group.spawn("broken", fail_with("x"));
  run_coro(io, group.join());
  EXPECT_EQ(cleaned_up, 1);
}

TEST(TaskGroup, AbortedOperationWithoutAStopIsAFailure) {
  asio::io_context io;
  int failures = 0;
  task_group group(io.get_executor(), [&](std::string_view, std::exception_ptr const&) { ++failures; });
  struct task {
    static asio::awaitable<void> run() {
      co_await codeexec::async::sleep_for(0ms);
      throw boost::system::system_error(asio::error::operation_aborted);
    }
  };
  group.spawn("aborts", task::run());
  run_coro(io, group.join());
  EXPECT_EQ(failures, 1);
}

asio::awaitable<void> spawn_more(task_group* group, int* counter) {
  group->spawn("grandchild", count_to(counter, 2));
  co_await codeexec::async::sleep_for(0ms);
}

TEST(TaskGroup, TasksMaySpawnTasksAndJoinWaitsForThoseToo) {
  asio::io_context io;
  task_group group(io.get_executor());
  int counter = 0;
  group.spawn("child", spawn_more(&group, &counter));
  run_coro(io, group.join());
  EXPECT_EQ(counter, 2);
}

asio::awaitable<void> stop_own_group(task_group* group) {
  group->stop();
  co_return;
}

TEST(TaskGroup, TaskThatStopsItsOwnGroupWithoutEverWaitingEndsQuietly) {
  asio::io_context io;
  int failures = 0;
  task_group group(io.get_executor(), [&](std::string_view, std::exception_ptr const&) { ++failures; });
  int cleaned_up = 0;
  group.spawn("sibling", wait_for_ever(&cleaned_up));
  group.spawn("stops all", stop_own_group(&group));
  run_coro(io, group.join());
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(cleaned_up, 1);
}

}  // namespace
