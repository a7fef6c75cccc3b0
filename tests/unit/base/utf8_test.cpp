// UTF-8 repair against the examples of the Unicode standard and against a second, naive implementation of its text.
#include <array>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

#include "codeexec/base/encoding.hpp"

namespace codeexec::base {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (int const value : values)
    out += static_cast<char>(value);
  return out;
}

/// '?' stands for U+FFFD.
std::string with_replacements(std::string_view text) {
  std::string out;
  for (char const c : text) {
    if (c == '?') {
      out += "\xEF\xBF\xBD";
    } else {
      out += c;
    }
  }
  return out;
}

/// Table 3-7, "Well-Formed UTF-8 Byte Sequences", as it is printed.
struct row {
  std::vector<std::array<int, 2>> ranges;
};
std::vector<row> const& well_formed() {
  static std::vector<row> const rows = {
      {{{{0x00, 0x7F}}}},
      {{{{0xC2, 0xDF}}, {{0x80, 0xBF}}}},
      {{{{0xE0, 0xE0}}, {{0xA0, 0xBF}}, {{0x80, 0xBF}}}},
      {{{{0xE1, 0xEC}}, {{0x80, 0xBF}}, {{0x80, 0xBF}}}},
      {{{{0xED, 0xED}}, {{0x80, 0x9F}}, {{0x80, 0xBF}}}},
      {{{{0xEE, 0xEF}}, {{0x80, 0xBF}}, {{0x80, 0xBF}}}},
      {{{{0xF0, 0xF0}}, {{0x90, 0xBF}}, {{0x80, 0xBF}}, {{0x80, 0xBF}}}},
      {{{{0xF1, 0xF3}}, {{0x80, 0xBF}}, {{0x80, 0xBF}}, {{0x80, 0xBF}}}},
      {{{{0xF4, 0xF4}}, {{0x80, 0x8F}}, {{0x80, 0xBF}}, {{0x80, 0xBF}}}},
  };
  return rows;
}

/// How many bytes from `at` on agree with the row, and whether that is all of it.
std::size_t agreement(row const& r, std::string const& text, std::size_t at) {
  std::size_t length = 0;
  while (length < r.ranges.size() && at + length < text.size()) {
    int const byte = static_cast<unsigned char>(text[at + length]);
    if (byte < r.ranges[length][0] || byte > r.ranges[length][1]) break;
    ++length;
  }
  return length;
}

/// "Maximal subpart of an ill-formed subsequence": the longest initial part of a well-formed sequence, or one byte.
std::string naive_repair(std::string const& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t longest = 1;
    bool whole = false;
    for (auto const& r : well_formed()) {
      auto const length = agreement(r, text, at);
      if (length == r.ranges.size()) {
        longest = length;
        whole = true;
        break;
      }
      longest = std::max(longest, length);
    }
    out += whole ? text.substr(at, longest) : "\xEF\xBF\xBD";
    at += longest;
  }
  return out;
}

std::string encode_code_point(char32_t c) {
  auto const byte = [](char32_t value) { return static_cast<char>(static_cast<unsigned char>(value)); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xC0 | c >> 6), byte(0x80 | (c & 0x3F))};
  if (c < 0x10000) return {byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F))};
  return {byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 0x3F)), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F))};
}

TEST(repair_utf8, gives_what_the_examples_of_the_standard_give) {
  // The Unicode standard, section 3.9: maximal subparts, and its tables 3-8 to 3-11.
  EXPECT_EQ(repair_utf8(bytes({0x61, 0xF1, 0x80, 0x80, 0xE1, 0x80, 0xC2, 0x62, 0x80, 0x63, 0x80, 0xBF, 0x64})),
            with_replacements("a???b?c??d"));
  EXPECT_EQ(repair_utf8(bytes({0xC0, 0xAF, 0xE0, 0x80, 0xBF, 0xF0, 0x81, 0x82, 0x41})), with_replacements("????????A"));
  EXPECT_EQ(repair_utf8(bytes({0xED, 0xA0, 0x80, 0xED, 0xBF, 0xBF, 0xED, 0xAF, 0x41})), with_replacements("????????A"));
  EXPECT_EQ(repair_utf8(bytes({0xF4, 0x91, 0x92, 0x93, 0xFF, 0x41, 0x80, 0xBF, 0x42})), with_replacements("?????A??B"));
  EXPECT_EQ(repair_utf8(bytes({0xE1, 0x80, 0xE2, 0xF0, 0x91, 0x92, 0xF1, 0xBF, 0x41})), with_replacements("????A"));
}

TEST(repair_utf8, leaves_text_alone_nul_and_controls_too) {
  for (std::string const& text : {std::string(), std::string("plain"), std::string("a\0b\r\n\x1b[0m", 9),
                                  std::string("äöü 日本 \xF0\x9F\x98\x80"), std::string("\xEF\xBF\xBD")}) {
    EXPECT_TRUE(is_valid_utf8(text));
    EXPECT_EQ(repair_utf8(text), text);
  }
}

TEST(repair_utf8, a_character_cut_short_at_the_end_is_one_replacement) {
  EXPECT_EQ(repair_utf8(bytes({0x61, 0xE6, 0x97})), with_replacements("a?"));
  EXPECT_EQ(repair_utf8(bytes({0x61, 0xF0, 0x9F, 0x98})), with_replacements("a?"));
}

TEST(is_valid_utf8, takes_every_code_point_but_the_surrogates) {
  int valid = 0;
  for (char32_t c = 0; c < 0x120000; ++c)
    valid += is_valid_utf8(encode_code_point(c));
  EXPECT_EQ(valid, 0x110000 - 0x800);
}

TEST(is_valid_utf8, of_all_strings_of_two_and_three_bytes_exactly_the_encodings_are_valid) {
  int two = 0;
  for (int a = 0x80; a < 0x100; ++a) {
    for (int b = 0; b < 0x100; ++b)
      two += is_valid_utf8(bytes({a, b}));
  }
  EXPECT_EQ(two, 0x800 - 0x80);
  int three = 0;
  std::string text(3, '\0');
  for (int a = 0xE0; a < 0x100; ++a) {
    for (int b = 0x80; b < 0x100; ++b) {
      for (int c = 0x70; c < 0x100; ++c) {
        text[0] = static_cast<char>(a);
        text[1] = static_cast<char>(b);
        text[2] = static_cast<char>(c);
        three += is_valid_utf8(text);
      }
    }
  }
  EXPECT_EQ(three, 0x10000 - 0x800 - 0x800);
}

TEST(repair_utf8, agrees_with_a_naive_reading_of_the_standard_on_every_critical_combination) {
  // The bounds of every range of table 3-7, and their neighbours; all strings of up to five of a smaller choice.
  std::vector<int> const all = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0,
                                0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFE, 0xFF};
  for (int const a : all) {
    for (int const b : all) {
      for (int const c : all) {
        auto const text = bytes({a, b, c});
        ASSERT_EQ(repair_utf8(text), naive_repair(text));
      }
    }
  }
  std::vector<int> const few = {0x41, 0x80, 0x8F, 0x90, 0xA0, 0xED, 0xF0, 0xF4};
  for (std::size_t number = 0; number < 8 * 8 * 8 * 8 * 8; ++number) {
    std::string text;
    for (std::size_t rest = number, i = 0; i < 5; ++i, rest /= 8)
      text += static_cast<char>(few[rest % 8]);
    ASSERT_EQ(repair_utf8(text), naive_repair(text));
  }
}

TEST(repair_utf8, random_bytes_become_text_that_stays_as_it_is) {
  std::mt19937_64 random(20260131);
  for (int i = 0; i < 2000; ++i) {
    std::string text(random() % 60, '\0');
    for (auto& c : text)
      c = static_cast<char>(random() & 0xFF);
    auto const repaired = repair_utf8(text);
    ASSERT_TRUE(is_valid_utf8(repaired));
    ASSERT_EQ(repaired, naive_repair(text));
    ASSERT_EQ(repair_utf8(repaired), repaired);
    ASSERT_EQ(is_valid_utf8(text), text == repaired);
  }
}

}  // namespace
}  // namespace codeexec::base
