#include "codeexec/api/quantity.hpp"

#include <gtest/gtest.h>
#include <limits>
#include <random>
#include <string>

namespace codeexec::api {
namespace {

std::optional<std::int64_t> units(std::string_view text) {
  auto const parsed = quantity::parse(text);
  return parsed ? parsed->units() : std::nullopt;
}

std::optional<std::int64_t> millis(std::string_view text) {
  auto const parsed = quantity::parse(text);
  return parsed ? parsed->millis() : std::nullopt;
}

quantity of(std::string_view text) {
  auto parsed = quantity::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(quantity());
}

TEST(quantity, every_suffix_means_what_kubernetes_says) {
  EXPECT_EQ(units("1"), 1);
  EXPECT_EQ(units("1k"), 1000);
  EXPECT_EQ(units("1M"), 1'000'000);
  EXPECT_EQ(units("1G"), 1'000'000'000);
  EXPECT_EQ(units("1T"), 1'000'000'000'000);
  EXPECT_EQ(units("1P"), 1'000'000'000'000'000);
  EXPECT_EQ(units("1E"), 1'000'000'000'000'000'000);
  EXPECT_EQ(units("1Ki"), 1LL << 10);
  EXPECT_EQ(units("1Mi"), 1LL << 20);
  EXPECT_EQ(units("1Gi"), 1LL << 30);
  EXPECT_EQ(units("1Ti"), 1LL << 40);
  EXPECT_EQ(units("1Pi"), 1LL << 50);
  EXPECT_EQ(units("1Ei"), 1LL << 60);
  EXPECT_EQ(millis("1m"), 1);
  EXPECT_EQ(units("1000000u"), 1);
  EXPECT_EQ(units("1000000000n"), 1);
}

TEST(quantity, an_exponent_is_a_power_of_ten_and_a_lone_E_is_exa) {
  EXPECT_EQ(units("1e3"), 1000);
  EXPECT_EQ(units("1E3"), 1000);
  EXPECT_EQ(units("12e+2"), 1200);
  EXPECT_EQ(millis("5e-1"), 500);
  EXPECT_EQ(units("2E"), 2'000'000'000'000'000'000);
}

TEST(quantity, fractions_are_exact) {
  EXPECT_EQ(units("1.5Gi"), 1610612736);
  EXPECT_EQ(millis("0.1"), 100);
  EXPECT_EQ(millis(".5"), 500);
  EXPECT_EQ(units("5."), 5);
  EXPECT_EQ(units("0.5Ki"), 512);
  EXPECT_EQ(units("1.0000000000000000000000001Ei"), (1LL << 60) + 1);  // what a double could not tell apart
}

TEST(quantity, rounding_is_up) {
  EXPECT_EQ(units("1m"), 1);
  EXPECT_EQ(units("1001m"), 2);
  EXPECT_EQ(units("0.1Ki"), 103);
  EXPECT_EQ(millis("1n"), 1);
  EXPECT_EQ(millis("1500100u"), 1501);
  EXPECT_EQ(units("1e-400"), 1);
  EXPECT_EQ(units("-1.5"), -1);
}

TEST(quantity, zero_is_zero_however_it_is_written) {
  for (auto const* text : {"0", "-0", "+0", "0.000", "0Ei", "0e300", "00"}) {
    EXPECT_TRUE(of(text).is_zero()) << text;
    EXPECT_FALSE(of(text).is_negative()) << text;
    EXPECT_EQ(of(text), quantity()) << text;
  }
}

TEST(quantity, what_is_not_one_is_refused) {
  for (auto const* text :
       {"",    " ",   "1 ",  " 1",  "abc", "Mi", "1K", "1mi", "1kk",   "1.2.3", "1e",  "1e+", "e3", "1ki",
        "--1", "+-1", "0x1", "1,5", ".",   "-",  "+",  "1iK", "1e1.5", "1e3Mi", "NaN", "1m1", "١"}) {
    EXPECT_FALSE(quantity::parse(text)) << '"' << text << '"';
  }
  EXPECT_FALSE(quantity::parse(std::string("1\0", 2)));
}

TEST(quantity, what_no_integer_holds_is_still_a_quantity_that_compares) {
  EXPECT_EQ(units("8Ei"), std::nullopt);
  EXPECT_EQ(units("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(units("9223372036854775808"), std::nullopt);
  EXPECT_EQ(units("1e999999999999"), std::nullopt);
  EXPECT_EQ(millis("8Pi"), 9007199254740992000);
  EXPECT_EQ(millis("9.3P"), std::nullopt);
  EXPECT_LT(of("7Ei"), of("8Ei"));
}

TEST(quantity, an_absurdly_long_number_is_refused_rather_than_computed) {
  EXPECT_FALSE(quantity::parse(std::string(100'000, '9')));
}

TEST(quantity, equality_and_order_are_those_of_the_values) {
  EXPECT_EQ(of("1"), of("1000m"));
  EXPECT_EQ(of("1Ki"), of("1.024k"));
  EXPECT_EQ(of("1e3"), of("1k"));
  EXPECT_LT(of("999m"), of("1"));
  EXPECT_GT(of("1Gi"), of("1G"));
  EXPECT_LT(of("-2"), of("-1"));
  EXPECT_LT(of("-1"), of("0"));
  EXPECT_LT(of("-1m"), of("1m"));
}

TEST(quantity, whole_means_no_fraction_of_a_unit) {
  EXPECT_TRUE(of("2000m").is_whole());
  EXPECT_TRUE(of("0.5Ki").is_whole());
  EXPECT_TRUE(of("0").is_whole());
  EXPECT_FALSE(of("512m").is_whole());
  EXPECT_FALSE(of("0.1Ki").is_whole());
}

TEST(quantity, agrees_with_integer_arithmetic_on_random_values) {
  std::mt19937_64 random(20260131);
  for (int i = 0; i < 20'000; ++i) {
    auto const thousandths = static_cast<std::int64_t>(random() % 1'000'000'000'000);
    auto const whole = std::to_string(thousandths / 1000);
    auto fraction = std::to_string(thousandths % 1000);
    fraction.insert(0, 3 - fraction.size(), '0');
    auto const expected_units = (thousandths + 999) / 1000;
    auto const expected_bytes = (thousandths * 1024 + 999) / 1000;
    ASSERT_EQ(millis(whole + "." + fraction), thousandths);
    ASSERT_EQ(units(whole + "." + fraction), expected_units);
    ASSERT_EQ(units(std::to_string(thousandths) + "m"), expected_units);
    ASSERT_EQ(units(whole + "." + fraction + "Ki"), expected_bytes);
  }
}

}  // namespace
}  // namespace codeexec::api
