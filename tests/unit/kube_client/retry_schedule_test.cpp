#include "codeexec/kube_client/retry_schedule.hpp"

#include <gtest/gtest.h>
#include <set>

namespace {
using namespace std::chrono_literals;
using codeexec::base::rng;
using codeexec::kube::retry_schedule;

TEST(RetrySchedule, OnlyWhatTheServerRefusedWithoutActingIsSentAgain) {
  rng random(1);
  for (int const status : {200, 400, 401, 403, 404, 409, 410, 422, 500, 502, 504}) {
    retry_schedule schedule(5);
    EXPECT_FALSE(schedule.next(status, 1s, 1h, random)) << status;
  }
  EXPECT_TRUE(retry_schedule(5).next(429, std::nullopt, 1h, random));
  EXPECT_TRUE(retry_schedule(5).next(429, 1s, 1h, random));
  EXPECT_TRUE(retry_schedule(5).next(503, 1s, 1h, random));
  EXPECT_FALSE(retry_schedule(5).next(503, std::nullopt, 1h, random));
}

TEST(RetrySchedule, ServersWishIsHonouredAndSpread) {
  rng random(1);
  std::set<std::chrono::milliseconds> waits;
  for (int i = 0; i < 100; ++i) {
    auto const wait = retry_schedule(5).next(429, 3s, 1h, random);
    ASSERT_TRUE(wait);
    EXPECT_GE(*wait, 3s);
    EXPECT_LE(*wait, 4s);
    waits.insert(*wait);
  }
  EXPECT_GT(waits.size(), 20U);
}

TEST(RetrySchedule, WaitsGrowWhereTheServerSaysNothing) {
  rng random(1);
  retry_schedule schedule(100);
  std::chrono::milliseconds last{0};
  for (int i = 0; i < 30; ++i) {
    auto const wait = schedule.next(429, std::nullopt, 1h, random);
    ASSERT_TRUE(wait);
    last = *wait;
    EXPECT_LE(last, 7500ms);
  }
  EXPECT_GE(last, 2500ms);
}

TEST(RetrySchedule, TriesAreCounted) {
  rng random(1);
  retry_schedule schedule(3);
  EXPECT_TRUE(schedule.next(429, 1s, 1h, random));
  EXPECT_TRUE(schedule.next(503, 1s, 1h, random));
  EXPECT_FALSE(schedule.next(429, 1s, 1h, random));
  EXPECT_FALSE(retry_schedule(1).next(429, 1s, 1h, random));
}

TEST(RetrySchedule, WaitThatOutlastsTheDeadlineIsNotBegun) {
  rng random(1);
  retry_schedule schedule(5);
  EXPECT_FALSE(schedule.next(429, 10s, 5s, random));
  EXPECT_TRUE(schedule.next(429, 1s, 5s, random));
}

}  // namespace
