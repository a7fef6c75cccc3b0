// Simulated time: what will happen, in the order in which it will. Nobody waits for anything, an hour takes no longer
// than the events in it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "codeexec/base/backoff.hpp"
#include "codeexec/base/time.hpp"

namespace codeexec::simulation {

using namespace std::chrono_literals;
using duration = std::chrono::microseconds;

/// The clock of everything simulated. Events of one instant happen in the order in which they were noted down.
class agenda final : public base::clock {
 public:
  using event = std::function<void()>;

  base::wall_time wall_now() const override { return beginning_ + now_; }
  base::steady_time steady_now() const override { return base::steady_time(1h) + now_; }
  /// Since the beginning.
  duration now() const { return now_; }

  void after(duration delay, event what) {
    events_.emplace(std::pair(now_ + std::max(delay, duration(0)), ++count_), std::move(what));
  }
  std::optional<duration> next() const {
    return events_.empty() ? std::nullopt : std::optional(events_.begin()->first.first);
  }
  /// Moves on to the next event and lets it happen. There must be one.
  void step() {
    auto node = events_.extract(events_.begin());
    now_ = node.key().first;
    node.mapped()();
  }
  std::uint64_t noted_down() const { return count_; }

 private:
  base::wall_time beginning_ = *base::parse_time("2026-01-31T10:00:00.123456Z");
  duration now_{};
  std::uint64_t count_ = 0;
  std::map<std::pair<duration, std::uint64_t>, event> events_;
};

/// Everything random of one schedule, from its seed.
class dice {
 public:
  explicit dice(std::uint64_t seed) : random_(seed) {}

  duration between(duration least, duration most) {
    return duration(least.count() +
                    static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>((most - least).count() + 1)));
  }
  std::size_t below(std::size_t bound) { return random_() % bound; }
  bool chance(double probability) { return static_cast<double>(random_() >> 11U) * 0x1.0p-53 < probability; }
  std::uint64_t seed() { return random_(); }

 private:
  base::rng random_;
};

}  // namespace codeexec::simulation
