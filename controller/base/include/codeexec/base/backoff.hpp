// Exponential backoff with jitter, as a value: no clock, no timer.
#pragma once

#include <chrono>
#include <random>

namespace codeexec::base {

/// The randomness of everything that jitters; injected, so that tests repeat.
using rng = std::mt19937_64;

class backoff {
 public:
  using duration = std::chrono::milliseconds;

  /// Delays start at `initial`, grow by `factor` up to `maximum`; each is spread by +-`jitter` (0.2: 80 % to 120 %).
  backoff(duration initial, duration maximum, double factor = 2.0, double jitter = 0.2)
      : initial_(initial), maximum_(maximum), factor_(factor), jitter_(jitter), current_(initial) {}

  /// The delay to wait now; the next one is longer.
  duration next(rng& random);
  void reset() {
    current_ = initial_;
    failures_ = 0;
  }
  /// How often next() was asked since the last reset().
  int failures() const { return failures_; }

 private:
  duration initial_;
  duration maximum_;
  double factor_;
  double jitter_;
  duration current_;
  int failures_ = 0;
};

}  // namespace codeexec::base
