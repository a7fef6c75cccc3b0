#include "codeexec/base/backoff.hpp"

#include <gtest/gtest.h>
#include <limits>

namespace codeexec::base {
namespace {

using std::chrono::milliseconds;

std::vector<std::int64_t> delays(backoff& b, rng& random, int count) {
  std::vector<std::int64_t> out;
  for (int i = 0; i < count; ++i)
    out.push_back(b.next(random).count());
  return out;
}

TEST(backoff, without_jitter_doubles_up_to_the_maximum_and_stays_there) {
  rng random(1);
  backoff b(milliseconds(100), milliseconds(1000), 2.0, 0.0);
  EXPECT_EQ(delays(b, random, 6), (std::vector<std::int64_t>{100, 200, 400, 800, 1000, 1000}));
  EXPECT_EQ(b.failures(), 6);
}

TEST(backoff, starts_over_after_a_success) {
  rng random(1);
  backoff b(milliseconds(100), milliseconds(1000), 2.0, 0.0);
  delays(b, random, 4);
  b.reset();
  EXPECT_EQ(b.failures(), 0);
  EXPECT_EQ(b.next(random), milliseconds(100));
}

TEST(backoff, jitter_stays_within_its_share_and_does_spread) {
  rng random(7);
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  std::int64_t most = 0;
  for (int i = 0; i < 2000; ++i) {
    backoff b(milliseconds(1000), milliseconds(60'000), 2.0, 0.2);
    auto const delay = b.next(random).count();
    least = std::min(least, delay);
    most = std::max(most, delay);
  }
  EXPECT_GE(least, 800);
  EXPECT_LE(most, 1200);
  EXPECT_LT(least, 820);
  EXPECT_GT(most, 1180);
}

TEST(backoff, the_jitter_of_one_delay_does_not_carry_into_the_next) {
  rng random(7);
  backoff b(milliseconds(1000), milliseconds(1'000'000), 2.0, 0.2);
  for (std::int64_t base = 1000; base < 1'000'000; base *= 2) {
    auto const delay = b.next(random).count();
    EXPECT_GE(delay, base * 8 / 10);
    EXPECT_LE(delay, base * 12 / 10);
  }
}

TEST(backoff, the_same_seed_gives_the_same_delays) {
  rng one(42);
  rng other(42);
  backoff a(milliseconds(100), milliseconds(10'000));
  backoff b(milliseconds(100), milliseconds(10'000));
  EXPECT_EQ(delays(a, one, 20), delays(b, other, 20));
}

TEST(backoff, never_waits_longer_than_the_maximum_allows_even_the_first_time) {
  rng random(1);
  backoff b(milliseconds(5000), milliseconds(1000), 2.0, 0.0);
  EXPECT_EQ(delays(b, random, 2), (std::vector<std::int64_t>{1000, 1000}));
}

TEST(backoff, survives_any_number_of_failures_and_any_factor) {
  rng random(1);
  backoff b(milliseconds(1), milliseconds::max() / 2, 1e9, 0.0);
  for (int i = 0; i < 1000; ++i)
    EXPECT_GT(b.next(random).count(), 0);
}

}  // namespace
}  // namespace codeexec::base
