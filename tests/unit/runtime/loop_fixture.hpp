// A loop that a test turns until something it waits for has happened.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <gtest/gtest.h>
#include <string>

#include "codeexec/async/task_group.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/runtime/watch_fsm.hpp"
#include "codeexec/testing/run_coro.hpp"
#include "codeexec/testing/scripted_client.hpp"

namespace codeexec::runtime {

class loop_fixture : public ::testing::Test {
 protected:
  loop_fixture() = default;
  ~loop_fixture() override {
    group.stop();
    testing::run_coro(io, group.join());
  }
  loop_fixture(loop_fixture const&) = delete;
  loop_fixture& operator=(loop_fixture const&) = delete;

  /// Whether it happened within the watchdog's time.
  [[nodiscard]] bool until(std::function<bool()> const& happened) {
    auto const end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!happened()) {
      if (std::chrono::steady_clock::now() > end) return false;
      io.restart();
      io.run_one_for(std::chrono::milliseconds(20));
    }
    return true;
  }
  /// Whatever can happen without time passing has happened.
  void settle() {
    io.restart();
    io.poll();
  }

  /// Backoffs of about a millisecond, so that tests of what comes after them need not wait; lists in pages.
  static watch_policy quick() {
    watch_policy policy;
    policy.streaming_lists = false;
    policy.backoff_initial = std::chrono::milliseconds(1);
    policy.backoff_maximum = std::chrono::milliseconds(2);
    return policy;
  }

  boost::asio::io_context io{1};
  testing::scripted_client client{io.get_executor()};
  async::task_group group{io.get_executor()};
};

}  // namespace codeexec::runtime
