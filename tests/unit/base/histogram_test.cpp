#include "codeexec/base/histogram.hpp"

#include <array>
#include <gtest/gtest.h>

namespace {
using namespace std::chrono_literals;

constexpr std::array<double, 3> test_bounds{0.005, 0.01, 30};
using test_histogram = codeexec::base::histogram<test_bounds>;

TEST(Histogram, EachTimeFallsIntoTheFirstBucketThatHoldsIt) {
  test_histogram seen;
  seen.record(1ms);
  seen.record(5ms);
  seen.record(6ms);
  seen.record(30s);
  seen.record(31s);
  EXPECT_EQ(seen.at_most(0), 2U);
  EXPECT_EQ(seen.at_most(1), 3U);
  EXPECT_EQ(seen.at_most(2), 4U);
  EXPECT_EQ(seen.count(), 5U);
  EXPECT_EQ(seen.sum(), 61s + 12ms);
  EXPECT_EQ(seen.max(), 31s);
}

TEST(Histogram, ATimeThatRanBackwardsIsNone) {
  test_histogram seen;
  seen.record(-3s);
  EXPECT_EQ(seen.at_most(0), 1U);
  EXPECT_EQ(seen.sum(), 0s);
}

TEST(Histogram, SumsOfTwo) {
  test_histogram one;
  one.record(1ms);
  test_histogram other;
  other.record(1ms);
  other.record(31s);
  one += other;
  EXPECT_EQ(one.at_most(0), 2U);
  EXPECT_EQ(one.count(), 3U);
  EXPECT_EQ(one.max(), 31s);
}

}  // namespace
