#include "codeexec/base/time.hpp"

#include <cstdio>

namespace codeexec::base {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_days;

std::string format(wall_time t, bool with_micros) {
  auto const day = floor<days>(t);
  std::chrono::year_month_day const date{day};
  auto const rest = t - day;
  auto const whole = floor<seconds>(rest);
  auto const of_day = whole.count();
  char text[40];
  auto const length =
      std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                    static_cast<int>(of_day / 3600), static_cast<int>(of_day / 60 % 60), static_cast<int>(of_day % 60));
  std::string out(text, static_cast<std::size_t>(length));
  if (with_micros) {
    auto const micros = (rest - whole).count();
    auto const more = std::snprintf(text, sizeof text, ".%06d", static_cast<int>(micros));
    out.append(text, static_cast<std::size_t>(more));
  }
  out += 'Z';
  return out;
}

/// Reads exactly `digits` digits at `at` and moves on; -1 where there are not as many.
int take_number(std::string_view text, std::size_t& at, std::size_t digits) {
  if (at + digits > text.size()) return -1;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    char const c = text[at + i];
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  at += digits;
  return value;
}

bool take(std::string_view text, std::size_t& at, char expected) {
  if (at >= text.size() || text[at] != expected) return false;
  ++at;
  return true;
}

class real_clock final : public clock {
 public:
  wall_time wall_now() const override { return floor<microseconds>(std::chrono::system_clock::now()); }
  steady_time steady_now() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace

std::string format_micro_time(wall_time t) {
  return format(t, true);
}
std::string format_time(wall_time t) {
  return format(t, false);
}

std::optional<wall_time> parse_time(std::string_view text) {
  std::size_t at = 0;
  int const year = take_number(text, at, 4);
  if (year < 0 || !take(text, at, '-')) return std::nullopt;
  int const month = take_number(text, at, 2);
  if (month < 0 || !take(text, at, '-')) return std::nullopt;
  int const day = take_number(text, at, 2);
  if (day < 0) return std::nullopt;
  if (!take(text, at, 'T') && !take(text, at, 't')) return std::nullopt;
  int const hour = take_number(text, at, 2);
  if (hour < 0 || hour > 23 || !take(text, at, ':')) return std::nullopt;
  int const minute = take_number(text, at, 2);
  if (minute < 0 || minute > 59 || !take(text, at, ':')) return std::nullopt;
  int const second = take_number(text, at, 2);
  if (second < 0 || second > 60) return std::nullopt;

  int micros = 0;
  if (take(text, at, '.')) {
    int scale = 100'000;
    auto const first = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
      micros += (text[at] - '0') * scale;  // past six digits the scale is 0: finer than we keep
      scale /= 10;
      ++at;
    }
    if (at == first) return std::nullopt;
  }

  int offset_minutes = 0;
  if (!take(text, at, 'Z') && !take(text, at, 'z')) {
    bool const behind = at < text.size() && text[at] == '-';
    if (!take(text, at, behind ? '-' : '+')) return std::nullopt;
    int const offset_hours = take_number(text, at, 2);
    if (offset_hours < 0 || offset_hours > 23 || !take(text, at, ':')) return std::nullopt;
    int const rest = take_number(text, at, 2);
    if (rest < 0 || rest > 59) return std::nullopt;
    offset_minutes = (offset_hours * 60 + rest) * (behind ? -1 : 1);
  }
  if (at != text.size()) return std::nullopt;

  std::chrono::year_month_day const date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  return wall_time(sys_days(date)) + hours(hour) + minutes(minute) + seconds(second) + microseconds(micros) -
         minutes(offset_minutes);
}

clock const& system_clock() {
  static real_clock const instance;
  return instance;
}

}  // namespace codeexec::base
