#include "codeexec/api/quantity.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace codeexec::api {
namespace {

constexpr int nano_digits = 9;
/// Far outside of what any resource can be; keeps the digits of "1e999999999" from being written out.
constexpr int max_exponent = 400;

struct scale {
  int power_of_ten = 0;
  int power_of_1024 = 0;
};

struct named_scale {
  std::string_view suffix;
  scale value;
};

constexpr std::array<named_scale, 16> named_scales{{
    {"", {0, 0}},
    {"n", {-9, 0}},
    {"u", {-6, 0}},
    {"m", {-3, 0}},
    {"k", {3, 0}},
    {"M", {6, 0}},
    {"G", {9, 0}},
    {"T", {12, 0}},
    {"P", {15, 0}},
    {"E", {18, 0}},
    {"Ki", {0, 1}},
    {"Mi", {0, 2}},
    {"Gi", {0, 3}},
    {"Ti", {0, 4}},
    {"Pi", {0, 5}},
    {"Ei", {0, 6}},
}};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::optional<scale> parse_suffix(std::string_view suffix) {
  for (auto const& named : named_scales) {
    if (named.suffix == suffix) return named.value;
  }
  if (suffix.size() < 2 || (suffix[0] != 'e' && suffix[0] != 'E')) return std::nullopt;
  auto digits = suffix.substr(1);
  bool const negative = digits[0] == '-';
  if (digits[0] == '-' || digits[0] == '+') digits.remove_prefix(1);
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), is_digit)) return std::nullopt;
  int exponent = 0;
  for (char const c : digits) {
    exponent = std::min(exponent * 10 + (c - '0'), max_exponent);
  }
  return scale{negative ? -exponent : exponent, 0};
}

/// A decimal number as its digits, most significant first.
void multiply(std::string& digits, int factor) {
  int carry = 0;
  for (auto at = digits.rbegin(); at != digits.rend(); ++at) {
    int const product = (*at - '0') * factor + carry;
    *at = static_cast<char>('0' + product % 10);
    carry = product / 10;
  }
  while (carry > 0) {
    digits.insert(digits.begin(), static_cast<char>('0' + carry % 10));
    carry /= 10;
  }
}

void add_one(std::string& digits) {
  for (auto at = digits.rbegin(); at != digits.rend(); ++at) {
    if (*at != '9') {
      ++*at;
      return;
    }
    *at = '0';
  }
  digits.insert(digits.begin(), '1');
}

void strip_leading_zeros(std::string& digits) {
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
}

/// Drops the last `count` digits; says whether any of them was not zero.
bool drop_last(std::string& digits, std::size_t count) {
  auto const kept = digits.size() > count ? digits.size() - count : 0;
  bool const inexact = digits.find_first_not_of('0', kept) != std::string::npos;
  digits.resize(kept);
  return inexact;
}

}  // namespace

std::optional<quantity> quantity::parse(std::string_view text) {
  quantity out;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    out.negative_ = text[0] == '-';
    text.remove_prefix(1);
  }

  std::string digits;
  int fraction_digits = 0;
  bool any_digit = false;
  bool in_fraction = false;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (is_digit(text[at])) {
      any_digit = true;
      digits += text[at];
      if (in_fraction) ++fraction_digits;
    } else if (text[at] == '.' && !in_fraction) {
      in_fraction = true;
    } else {
      break;
    }
    if (at > 256) return std::nullopt;
  }
  auto const scaled = parse_suffix(text.substr(at));
  if (!any_digit || !scaled) return std::nullopt;

  for (int i = 0; i < scaled->power_of_1024; ++i)
    multiply(digits, 1024);
  int const shift = scaled->power_of_ten - fraction_digits + nano_digits;
  if (shift >= 0) {
    digits.append(static_cast<std::size_t>(shift), '0');
  } else if (drop_last(digits, static_cast<std::size_t>(-shift))) {
    add_one(digits);
  }
  strip_leading_zeros(digits);
  out.nanos_ = std::move(digits);
  if (out.is_zero()) out.negative_ = false;
  return out;
}

bool quantity::is_whole() const {
  auto digits = nanos_;
  return !drop_last(digits, nano_digits);
}

std::optional<std::int64_t> quantity::rounded_up(std::size_t dropped_digits) const {
  auto digits = nanos_;
  bool const inexact = drop_last(digits, dropped_digits);
  if (inexact && !negative_) add_one(digits);  // below zero, dropping the fraction is rounding up already
  if (digits.empty()) return 0;
  std::int64_t magnitude = 0;
  auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude);
  if (error != std::errc{}) return std::nullopt;
  return negative_ ? -magnitude : magnitude;
}

std::strong_ordering operator<=>(quantity const& a, quantity const& b) {
  if (a.negative_ != b.negative_) return a.negative_ ? std::strong_ordering::less : std::strong_ordering::greater;
  auto const by_magnitude = [&] {
    if (auto const by_length = a.nanos_.size() <=> b.nanos_.size(); by_length != 0) return by_length;
    return a.nanos_.compare(b.nanos_) <=> 0;
  }();
  return a.negative_ ? 0 <=> by_magnitude : by_magnitude;
}

}  // namespace codeexec::api
