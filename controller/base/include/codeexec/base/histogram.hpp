// Counts of durations in fixed buckets, as Prometheus wants them: a few additions per observation, no allocation.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace codeexec::base {

/// `Bounds`: a constexpr std::array<double, N> of upper bounds in seconds, ascending; what is longer than the last only
/// shows in count(). Thread: one; not synchronised.
template <auto const& Bounds>
class histogram {
 public:
  using duration = std::chrono::steady_clock::duration;
  static constexpr auto const& bounds = Bounds;

  /// A negative one (of two machines' clocks) counts as zero.
  void record(duration d) {
    d = std::max(d, duration::zero());
    auto const seconds = std::chrono::duration<double>(d).count();
    std::size_t bucket = 0;
    while (bucket < Bounds.size() && seconds > Bounds[bucket])
      ++bucket;
    ++counts_[bucket];
    ++count_;
    sum_ += d;
    max_ = std::max(max_, d);
  }

  std::uint64_t count() const { return count_; }
  duration sum() const { return sum_; }
  duration max() const { return max_; }
  /// How many were not longer than bounds[i].
  std::uint64_t at_most(std::size_t i) const {
    std::uint64_t total = 0;
    for (std::size_t bucket = 0; bucket <= i; ++bucket)
      total += counts_.at(bucket);
    return total;
  }

  histogram& operator+=(histogram const& more) {
    for (std::size_t i = 0; i < counts_.size(); ++i)
      counts_[i] += more.counts_[i];
    count_ += more.count_;
    sum_ += more.sum_;
    max_ = std::max(max_, more.max_);
    return *this;
  }

 private:
  std::array<std::uint64_t, std::size_t{std::remove_cvref_t<decltype(Bounds)>{}.size()} + 1> counts_{};
  std::uint64_t count_ = 0;
  duration sum_{};
  duration max_{};
};

}  // namespace codeexec::base
