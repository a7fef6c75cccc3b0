#include "codeexec/base/time.hpp"

#include <gtest/gtest.h>
#include <random>

namespace codeexec::base {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::seconds;

wall_time at_micros(std::int64_t since_epoch) {
  return wall_time(microseconds(since_epoch));
}

TEST(format_time, writes_the_two_forms_of_kubernetes) {
  auto const t = at_micros(1769853600'123456);
  EXPECT_EQ(format_micro_time(t), "2026-01-31T10:00:00.123456Z");
  EXPECT_EQ(format_time(t), "2026-01-31T10:00:00Z");
}

TEST(format_time, keeps_leading_zeros) {
  EXPECT_EQ(format_micro_time(at_micros(0)), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(format_micro_time(at_micros(7)), "1970-01-01T00:00:00.000007Z");
}

TEST(format_time, before_the_epoch_fractions_still_count_upwards) {
  EXPECT_EQ(format_micro_time(at_micros(-1)), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(format_time(at_micros(-1)), "1969-12-31T23:59:59Z");
  EXPECT_EQ(format_micro_time(at_micros(-86'400'000'000)), "1969-12-31T00:00:00.000000Z");
}

TEST(format_time, knows_leap_years) {
  EXPECT_EQ(format_time(at_micros(951'782'400'000'000)), "2000-02-29T00:00:00Z");
  EXPECT_EQ(format_time(at_micros(1'709'164'800'000'000)), "2024-02-29T00:00:00Z");
}

TEST(parse_time, reads_what_servers_and_runners_write) {
  auto const t = at_micros(1769853600'000000);
  EXPECT_EQ(parse_time("2026-01-31T10:00:00Z"), t);
  EXPECT_EQ(parse_time("2026-01-31T10:00:00.123456Z"), t + microseconds(123456));
  EXPECT_EQ(parse_time("2026-01-31T10:00:00.1Z"), t + microseconds(100000));
  EXPECT_EQ(parse_time("2026-01-31T10:00:00.123456789Z"), t + microseconds(123456));  // the kubelet's nanoseconds
  EXPECT_EQ(parse_time("2026-01-31t10:00:00z"), t);
}

TEST(parse_time, offsets_are_taken_off) {
  auto const t = at_micros(1769853600'000000);
  EXPECT_EQ(parse_time("2026-01-31T12:00:00+02:00"), t);
  EXPECT_EQ(parse_time("2026-01-31T04:30:00-05:30"), t);
  EXPECT_EQ(parse_time("2026-01-31T10:00:00+00:00"), t);
  EXPECT_EQ(parse_time("2026-01-31T10:00:00-00:00"), t);
  EXPECT_EQ(parse_time("2026-02-01T01:00:00.5+15:00"), t + microseconds(500000));
}

TEST(parse_time, a_leap_second_is_the_next_minute) {
  EXPECT_EQ(parse_time("2016-12-31T23:59:60Z"), parse_time("2017-01-01T00:00:00Z"));
}

TEST(parse_time, what_is_not_a_time_is_nothing) {
  for (auto const* text : {"",
                           "2026",
                           "2026-01-31",
                           "2026-01-31T10:00Z",
                           "2026-01-31T10:00:00",
                           "2026-01-31 10:00:00Z",
                           "2026-01-31T10:00:00.Z",
                           "2026-01-31T10:00:00,5Z",
                           "2026-1-31T10:00:00Z",
                           "2026-13-01T10:00:00Z",
                           "2026-00-01T10:00:00Z",
                           "2026-02-29T10:00:00Z",
                           "2026-04-31T10:00:00Z",
                           "2026-01-00T10:00:00Z",
                           "2026-01-31T24:00:00Z",
                           "2026-01-31T10:60:00Z",
                           "2026-01-31T10:00:61Z",
                           "2026-01-31T10:00:00+2:00",
                           "2026-01-31T10:00:00+0200",
                           "2026-01-31T10:00:00+24:00",
                           "2026-01-31T10:00:00+02:60",
                           "2026-01-31T10:00:00ZZ",
                           "2026-01-31T10:00:00Z ",
                           " 2026-01-31T10:00:00Z",
                           "-026-01-31T10:00:00Z",
                           "+026-01-31T10:00:00Z",
                           "2026-01-31T10:00:00.5",
                           "now",
                           "<time>"}) {
    EXPECT_EQ(parse_time(text), std::nullopt) << text;
  }
}

TEST(parse_time, reads_back_every_time_that_is_written) {
  std::mt19937_64 random(20260131);
  auto const last = parse_time("9999-12-31T23:59:59.999999Z").value();
  auto const first = parse_time("0001-01-01T00:00:00Z").value();
  auto const span = static_cast<std::uint64_t>((last - first).count());
  for (int i = 0; i < 20'000; ++i) {
    auto const t = first + microseconds(static_cast<std::int64_t>(random() % span));
    ASSERT_EQ(parse_time(format_micro_time(t)), t);
    ASSERT_EQ(parse_time(format_time(t)), std::chrono::floor<seconds>(t));
  }
  EXPECT_EQ(format_micro_time(last), "9999-12-31T23:59:59.999999Z");
}

TEST(parse_time, order_of_texts_and_of_times_is_the_same) {
  EXPECT_LT(parse_time("2026-01-31T23:59:59.999999Z").value(), parse_time("2026-02-01T00:00:00Z").value());
  EXPECT_EQ(parse_time("2026-03-01T00:00:00Z").value() - parse_time("2026-02-28T00:00:00Z").value(), hours(24));
}

TEST(system_clock, is_the_time_of_day_in_microseconds_and_a_clock_that_never_goes_back) {
  auto const& clock = system_clock();
  auto const before = std::chrono::system_clock::now() - seconds(1);
  EXPECT_GT(clock.wall_now(), before);
  auto const first = clock.steady_now();
  EXPECT_GE(clock.steady_now(), first);
}

}  // namespace
}  // namespace codeexec::base
