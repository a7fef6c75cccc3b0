#include "codeexec/api/duration.hpp"

#include <gtest/gtest.h>

namespace codeexec::api {
namespace {

TEST(format_duration, reads_like_a_stopwatch_and_never_claims_more_than_has_passed) {
  EXPECT_EQ(format_duration(0), "0ms");
  EXPECT_EQ(format_duration(87), "87ms");
  EXPECT_EQ(format_duration(999), "999ms");
  EXPECT_EQ(format_duration(1000), "1.0s");
  EXPECT_EQ(format_duration(1299), "1.2s");
  EXPECT_EQ(format_duration(59'999), "59.9s");
  EXPECT_EQ(format_duration(60'000), "1m0s");
  EXPECT_EQ(format_duration(125'900), "2m5s");
  EXPECT_EQ(format_duration(3'599'999), "59m59s");
  EXPECT_EQ(format_duration(3'607'000), "1h0m7s");
  EXPECT_EQ(format_duration(7LL * 24 * 3600 * 1000), "168h0m0s");
}

TEST(format_duration, a_clock_that_went_backwards_is_no_time) {
  EXPECT_EQ(format_duration(-5), "0ms");
}

}  // namespace
}  // namespace codeexec::api
