#include "codeexec/local/node/quantity.hpp"

#include <array>
#include <limits>
#include <utility>

namespace codeexec::local {
namespace {

// 128 bits hold every product below before the range is checked.
__extension__ using wide = __int128;

struct scale {
  wide numerator = 1;
  wide denominator = 1;
};

wide power(wide base, int exponent) {
  wide result = 1;
  for (int i = 0; i < exponent; ++i) {
    result *= base;
  }
  return result;
}

std::optional<scale> suffix_scale(std::string_view suffix) {
  static constexpr std::array<std::pair<std::string_view, int>, 6> binary{
      {{"Ki", 1}, {"Mi", 2}, {"Gi", 3}, {"Ti", 4}, {"Pi", 5}, {"Ei", 6}}};
  static constexpr std::array<std::pair<std::string_view, int>, 10> decimal{
      {{"n", -9}, {"u", -6}, {"m", -3}, {"", 0}, {"k", 3}, {"M", 6}, {"G", 9}, {"T", 12}, {"P", 15}, {"E", 18}}};
  for (auto const& [name, exponent] : binary) {
    if (name == suffix) {
      return scale{power(1024, exponent), 1};
    }
  }
  for (auto const& [name, exponent] : decimal) {
    if (name == suffix) {
      return exponent >= 0 ? scale{power(10, exponent), 1} : scale{1, power(10, -exponent)};
    }
  }
  if (suffix.size() >= 2 && (suffix[0] == 'e' || suffix[0] == 'E')) {
    auto digits = suffix.substr(1);
    bool const negative = digits.front() == '-';
    if (digits.front() == '-' || digits.front() == '+') {
      digits.remove_prefix(1);
    }
    if (digits.empty() || digits.size() > 2) {
      return std::nullopt;
    }
    int exponent = 0;
    for (char const c : digits) {
      if (c < '0' || c > '9') {
        return std::nullopt;
      }
      exponent = exponent * 10 + (c - '0');
    }
    if (exponent > 18) {
      return std::nullopt;
    }
    return negative ? scale{1, power(10, exponent)} : scale{power(10, exponent), 1};
  }
  return std::nullopt;
}

std::optional<std::int64_t> parse(std::string_view text, wide unit) {
  bool negative = false;
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  wide digits = 0;
  wide divisor = 1;
  bool fraction = false;
  bool any = false;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    char const c = text[at];
    if (c == '.' && !fraction) {
      fraction = true;
      continue;
    }
    if (c < '0' || c > '9') {
      break;
    }
    any = true;
    // 18 digits are exact; more whole digits leave the range anyway, and more fractional ones change nothing but the
    // rounding of a value nobody writes.
    if (digits > power(10, 18)) {
      if (!fraction) {
        return std::nullopt;
      }
      continue;
    }
    digits = digits * 10 + (c - '0');
    if (fraction) {
      divisor *= 10;
    }
  }
  auto const factor = suffix_scale(text.substr(at));
  if (!any || !factor) {
    return std::nullopt;
  }
  if (digits != 0 && factor->numerator > power(10, 36) / digits / unit) {
    return std::nullopt;
  }
  wide const numerator = digits * factor->numerator * unit;
  wide const denominator = divisor * factor->denominator;
  wide const rounded = (numerator + denominator - 1) / denominator;
  if (rounded > std::numeric_limits<std::int64_t>::max()) {
    return std::nullopt;
  }
  auto const value = static_cast<std::int64_t>(rounded);
  return negative ? -value : value;
}

}  // namespace

std::optional<std::int64_t> parse_millis(std::string_view text) {
  return parse(text, 1000);
}

std::optional<std::int64_t> parse_units(std::string_view text) {
  return parse(text, 1);
}

}  // namespace codeexec::local
