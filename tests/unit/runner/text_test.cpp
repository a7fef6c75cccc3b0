#include "codeexec/runner/text.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <string>

namespace codeexec::runner {
namespace {

std::string text_of(text_writer const& writer) {
  return {writer.view().data, writer.size()};
}

std::string time_text(std::uint64_t micros) {
  text_buffer<64> out;
  append_rfc3339(out, micros);
  return text_of(out);
}

std::string json_text(std::string const& raw) {
  text_buffer<4096> out;
  out.append_json_string(bytes(raw.data(), raw.size()));
  return text_of(out);
}

TEST(Rfc3339, TimesAreUtcWithMicroseconds) {
  EXPECT_EQ(time_text(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(time_text(1769853600123456), "2026-01-31T10:00:00.123456Z");
  EXPECT_EQ(time_text(86399999999), "1970-01-01T23:59:59.999999Z");
}

TEST(Rfc3339, LeapDaysAreOnTheCalendar) {
  EXPECT_EQ(time_text(951782400ull * 1000000), "2000-02-29T00:00:00.000000Z");
  EXPECT_EQ(time_text(951868800ull * 1000000), "2000-03-01T00:00:00.000000Z");
  EXPECT_EQ(time_text(1709164800ull * 1000000), "2024-02-29T00:00:00.000000Z");
  EXPECT_EQ(time_text(4107542400ull * 1000000), "2100-03-01T00:00:00.000000Z");  // 2100 has no leap day
  EXPECT_EQ(time_text(4107456000ull * 1000000), "2100-02-28T00:00:00.000000Z");
}

TEST(Rfc3339, EveryDayOfFourCenturiesAgreesWithTheCLibrary) {
  for (std::int64_t day = 0; day < 146097; ++day) {
    std::time_t const seconds = day * 86400 + day % 86400;
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char expected[64];
    std::strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.000007Z", &parts);
    ASSERT_EQ(time_text(static_cast<std::uint64_t>(seconds) * 1000000 + 7), expected);
  }
}

TEST(JsonString, ValidTextComesThroughUnchanged) {
  std::string const text = "tab\t quote\" backslash\\ \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 \x7F";
  EXPECT_EQ(nlohmann::json::parse(json_text(text)).get<std::string>(), text);
}

TEST(JsonString, EveryControlCharacterSurvivesAParser) {
  std::string text;
  for (char c = 0; c < 0x20; ++c)
    text += c;
  EXPECT_EQ(nlohmann::json::parse(json_text(text)).get<std::string>(), text);
  EXPECT_EQ(json_text(std::string(1, '\0')), "\"\\u0000\"");
  EXPECT_EQ(json_text("\n"), "\"\\n\"");
}

TEST(JsonString, EachIllFormedSubsequenceBecomesOneReplacementCharacter) {
  std::string const replacement = "\xEF\xBF\xBD";
  EXPECT_EQ(json_text("a\xFFz"), "\"a" + replacement + "z\"");
  EXPECT_EQ(json_text("\xE2\x82"), "\"" + replacement + "\"");                // cut short: one, not two
  EXPECT_EQ(json_text("\xC0\x80"), "\"" + replacement + replacement + "\"");  // overlong
  EXPECT_EQ(json_text("\xED\xA0\x80"), "\"" + replacement + replacement + replacement + "\"");  // surrogate
  EXPECT_EQ(json_text("\xF0\x9F\x98x"), "\"" + replacement + "x\"");
}

TEST(TextBuffer, WhatDoesNotFitIsCutAndRemembered) {
  text_buffer<4> out;
  out.append("abc");
  EXPECT_FALSE(out.overflowed());
  out.append("def");
  EXPECT_TRUE(out.overflowed());
  EXPECT_EQ(text_of(out), "abcd");
  out.clear();
  EXPECT_FALSE(out.overflowed());
  EXPECT_EQ(out.size(), 0u);
}

TEST(TextBuffer, NumbersAtTheirBounds) {
  text_buffer<64> out;
  out.append_decimal(0);
  out.append(' ');
  out.append_decimal(UINT64_MAX);
  out.append(' ');
  out.append_padded(7, 3);
  EXPECT_EQ(text_of(out), "0 18446744073709551615 007");
}

}  // namespace
}  // namespace codeexec::runner
