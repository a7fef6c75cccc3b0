// A point in time by which an operation must have ended; passed down instead of durations, so that steps share a
// budget.
#pragma once

#include <chrono>

namespace codeexec::base {

class deadline {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  /// Ends `budget` from now; never where that is later than the clock can say.
  static deadline after(std::chrono::steady_clock::duration budget) {
    auto const now = std::chrono::steady_clock::now();
    return budget >= time_point::max() - now ? never() : deadline(now + budget);
  }
  /// Never ends. For streams whose idle time is bounded otherwise.
  static deadline never() { return deadline(time_point::max()); }

  explicit deadline(time_point at) : at_(at) {}

  time_point at() const { return at_; }
  bool is_never() const { return at_ == time_point::max(); }
  bool passed() const { return !is_never() && std::chrono::steady_clock::now() >= at_; }
  /// The earlier of the two.
  deadline min(deadline other) const { return deadline(at_ < other.at_ ? at_ : other.at_); }

 private:
  time_point at_;
};

}  // namespace codeexec::base
