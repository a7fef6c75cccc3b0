#include "codeexec/cli/duration.hpp"

#include <array>
#include <cstdio>
#include <limits>

namespace codeexec::cli {

std::optional<std::int64_t> parse_seconds(std::string_view text) {
  if (text.empty()) return std::nullopt;
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  std::int64_t total = 0;
  std::int64_t last_unit = std::numeric_limits<std::int64_t>::max();
  std::size_t i = 0;
  while (i < text.size()) {
    std::int64_t number = 0;
    auto const digits_from = i;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
      number = number * 10 + (text[i] - '0');
      if (number > most) return std::nullopt;
    }
    if (i == digits_from) return std::nullopt;
    std::int64_t unit = 1;
    if (i < text.size()) {
      switch (text[i]) {
        case 's':
          unit = 1;
          break;
        case 'm':
          unit = 60;
          break;
        case 'h':
          unit = 3600;
          break;
        case 'd':
          unit = 86400;
          break;
        default:
          return std::nullopt;
      }
      ++i;
    } else if (digits_from != 0) {
      return std::nullopt;  // "1m30": is it seconds? It is not said.
    }
    // From large to small, each once: "30s1h" and "1s1s" are more likely slips than meant.
    if (unit >= last_unit) return std::nullopt;
    last_unit = unit;
    total += number * unit;
    if (total > most) return std::nullopt;
  }
  if (total == 0) return std::nullopt;
  return total;
}

std::string format_age(std::chrono::seconds age) {
  auto const s = age.count();
  if (s < 0) return "0s";
  auto const two = [](std::int64_t big, char const* big_unit, std::int64_t small, char const* small_unit) {
    auto text = std::to_string(big) + big_unit;
    if (small != 0) text += std::to_string(small) + small_unit;
    return text;
  };
  auto const m = s / 60;
  auto const h = s / 3600;
  auto const d = s / 86400;
  if (s < 120) return std::to_string(s) + "s";
  if (m < 10) return two(m, "m", s % 60, "s");
  if (h < 3) return std::to_string(m) + "m";
  if (h < 8) return two(h, "h", m % 60, "m");
  if (h < 48) return std::to_string(h) + "h";
  if (d < 8) return two(d, "d", h % 24, "h");
  return std::to_string(d) + "d";
}

std::string format_run_time(std::chrono::milliseconds time) {
  auto const ms = time.count() < 0 ? 0 : time.count();
  if (ms >= 60'000) return format_age(std::chrono::seconds(ms / 1000));
  std::array<char, 32> text{};
  auto const seconds = static_cast<double>(ms) / 1000.0;
  std::snprintf(text.data(), text.size(), ms < 9'995 ? "%.2fs" : "%.1fs", seconds);
  return text.data();
}

}  // namespace codeexec::cli
