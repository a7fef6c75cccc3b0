#include "codeexec/kube_client/token_bucket.hpp"

#include <gtest/gtest.h>

namespace {
using namespace std::chrono_literals;
using codeexec::kube::token_bucket;

constexpr codeexec::base::steady_time begin{1h};

TEST(TokenBucket, BurstGoesAtOnceAndTheRestAtTheRate) {
  token_bucket bucket(10, 3, begin);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(bucket.take(begin), 0ms);
  EXPECT_EQ(bucket.take(begin), 100ms);
  EXPECT_EQ(bucket.take(begin), 200ms);
  EXPECT_EQ(bucket.take(begin + 50ms), 250ms);
}

TEST(TokenBucket, QuietWhileFillsItUpToTheBurstAndNoFurther) {
  token_bucket bucket(10, 3, begin);
  for (int i = 0; i < 3; ++i)
    bucket.take(begin);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(bucket.take(begin + 1h), 0ms);
  EXPECT_EQ(bucket.take(begin + 1h), 100ms);
}

TEST(TokenBucket, OverAMinuteNoMoreGoThanTheRateAndTheBurstAllow) {
  token_bucket bucket(50, 20, begin);
  int gone = 0;
  auto now = begin;
  while (now < begin + 1min) {
    auto const wait = bucket.take(now);
    now += wait;
    if (now < begin + 1min) ++gone;
  }
  EXPECT_GE(gone, 50 * 60 + 20 - 2);
  EXPECT_LE(gone, 50 * 60 + 20);
}

TEST(TokenBucket, WhoCannotWaitThatLongTakesNothing) {
  token_bucket bucket(1, 1, begin);
  bucket.take(begin);
  bool taken = true;
  EXPECT_EQ(bucket.take(begin, 500ms, taken), 1s);
  EXPECT_FALSE(taken);
  EXPECT_EQ(bucket.take(begin, 1s, taken), 1s);
  EXPECT_TRUE(taken);
}

TEST(TokenBucket, WhatIsGivenBackIsThereForTheNext) {
  token_bucket bucket(1, 2, begin);
  bucket.take(begin);
  bucket.take(begin);
  EXPECT_EQ(bucket.take(begin), 1s);
  bucket.give_back(begin);
  EXPECT_EQ(bucket.take(begin), 1s);
  for (int i = 0; i < 10; ++i)
    bucket.give_back(begin);
  EXPECT_EQ(bucket.take(begin), 0ms);
  EXPECT_EQ(bucket.take(begin), 0ms);
  EXPECT_EQ(bucket.take(begin), 1s);
}

TEST(TokenBucket, RateOfZeroIsNoLimit) {
  token_bucket bucket(0, 1, begin);
  EXPECT_TRUE(bucket.unlimited());
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(bucket.take(begin), 0ms);
}

TEST(TokenBucket, ClockThatStandsStillOrGoesBackGivesNothing) {
  token_bucket bucket(10, 1, begin);
  bucket.take(begin);
  EXPECT_EQ(bucket.take(begin - 1h), 100ms);
}

TEST(TokenBucket, BurstOfNothingIsABurstOfOne) {
  token_bucket bucket(10, 0, begin);
  EXPECT_EQ(bucket.take(begin), 0ms);
  EXPECT_EQ(bucket.take(begin), 100ms);
}

}  // namespace
