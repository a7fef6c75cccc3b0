// Wall-clock time as the API writes it, and the two clocks as one injectable value.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace codeexec::base {

using wall_time = std::chrono::sys_time<std::chrono::microseconds>;
using steady_time = std::chrono::steady_clock::time_point;

/// "2026-01-31T10:00:00.123456Z": the form of Kubernetes' MicroTime (timeline, leases, events).
std::string format_micro_time(wall_time t);

/// "2026-01-31T10:00:00Z": the form of Kubernetes' Time (startTime, lastTransitionTime); fractions are cut off.
std::string format_time(wall_time t);

/// Any RFC 3339 time, with or without fraction, with Z or an offset. Nothing where it is not one.
std::optional<wall_time> parse_time(std::string_view text);

/// The source of time for everything that decides by time. Tests pass a fake one; nobody else reads a clock.
/// Thread safety: const functions may be called from any thread.
class clock {
 public:
  clock() = default;
  clock(clock const&) = delete;
  clock& operator=(clock const&) = delete;
  virtual ~clock() = default;

  virtual wall_time wall_now() const = 0;
  virtual steady_time steady_now() const = 0;
};

/// The machine's own clocks.
clock const& system_clock();

}  // namespace codeexec::base
