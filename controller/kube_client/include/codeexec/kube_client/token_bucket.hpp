// How fast requests may leave: so many a second over time, and so many at once after a quiet while.
#pragma once

#include <chrono>

#include "codeexec/base/time.hpp"

namespace codeexec::kube {

/// A value: no clock, no timer. Whoever takes a token is told how long to wait for it, so that callers go in the order
/// in which they asked.
class token_bucket {
 public:
  using duration = std::chrono::steady_clock::duration;

  /// Full at first. `per_second` 0 or less: no limit. A burst is at least one.
  token_bucket(double per_second, int burst, base::steady_time now);

  /// Takes one. What is returned is to be waited for before it is used; zero: now.
  duration take(base::steady_time now);
  /// As take(), but takes nothing, and returns what the wait would have been, where that is longer than `at_most`.
  duration take(base::steady_time now, duration at_most, bool& taken);
  /// For one that was taken and will not be used. Those who wait already keep their times.
  void give_back(base::steady_time now);

  bool unlimited() const { return per_second_ <= 0; }

 private:
  void refill(base::steady_time now);

  double per_second_;
  double burst_;
  double tokens_;  ///< negative: that many are promised
  base::steady_time at_;
};

}  // namespace codeexec::kube
