#include "codeexec/async/event.hpp"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "codeexec/async/task_group.hpp"
#include "codeexec/testing/run_coro.hpp"

namespace {
namespace asio = boost::asio;
using codeexec::async::event;
using codeexec::async::task_group;
using codeexec::base::deadline;
using codeexec::testing::run_coro;
using namespace std::chrono_literals;

asio::awaitable<void> wait_into(event* e, int* woken, int* cancelled) {
  auto const set = co_await e->wait();
  ++*(set ? woken : cancelled);
}

struct waiters {
  asio::io_context io;
  event e{io.get_executor()};
  task_group group{io.get_executor()};
  int woken = 0;
  int cancelled = 0;

  void start(int count) {
    for (int i = 0; i < count; ++i)
      group.spawn("waiter", wait_into(&e, &woken, &cancelled));
    io.poll();
    io.restart();
  }
};

TEST(Event, SetWakesEveryWaiterAndStaysSet) {
  waiters w;
  w.start(3);
  EXPECT_EQ(w.woken, 0);
  w.e.set();
  run_coro(w.io, w.group.join());
  EXPECT_EQ(w.woken, 3);
  EXPECT_TRUE(run_coro(w.io, w.e.wait()));
}

TEST(Event, SetThenResetInOneStepStillWakesThoseWhoWaited) {
  waiters w;
  w.start(2);
  w.e.set();
  w.e.reset();
  run_coro(w.io, w.group.join());
  EXPECT_EQ(w.woken, 2);
  EXPECT_FALSE(w.e.is_set());
}

TEST(Event, PulseWakesOnlyThoseWhoWaitNow) {
  waiters w;
  w.start(1);
  w.e.pulse();
  run_coro(w.io, w.group.join());
  EXPECT_EQ(w.woken, 1);
  EXPECT_FALSE(run_coro(w.io, w.e.wait_until(deadline::after(1ms))));
}

TEST(Event, WaitEndsAtItsDeadline) {
  asio::io_context io;
  event e(io.get_executor());
  EXPECT_FALSE(run_coro(io, e.wait_until(deadline::after(2ms))));
  EXPECT_FALSE(run_coro(io, e.wait_until(deadline(std::chrono::steady_clock::now() - 1s))));
}

TEST(Event, CancelledWaitSaysSo) {
  waiters w;
  w.start(2);
  w.group.stop();
  run_coro(w.io, w.group.join());
  EXPECT_EQ(w.cancelled, 2);
  EXPECT_EQ(w.woken, 0);
}

TEST(Event, MayGoAwayWhileSomebodyWaits) {
  asio::io_context io;
  auto e = std::make_unique<event>(io.get_executor());
  task_group group(io.get_executor());
  int woken = 0;
  int cancelled = 0;
  group.spawn("waiter", wait_into(e.get(), &woken, &cancelled));
  io.poll();
  e.reset();
  group.stop();
  run_coro(io, group.join());
  EXPECT_EQ(cancelled, 1);
}

}  // namespace
