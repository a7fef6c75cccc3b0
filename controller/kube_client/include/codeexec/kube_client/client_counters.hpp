// What a client has done so far, for metrics: plain numbers, read by whoever publishes them.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace codeexec::kube {

/// Requests of one kind. The resources are those of kube_core/resource.hpp, so the set is bounded.
struct request_kind {
  std::string verb;      ///< the HTTP method, or WATCH for a stream
  std::string resource;  ///< "pods", "pods/log"; empty where the request names none
  auto operator<=>(request_kind const&) const = default;
};

/// Counts per bucket, not cumulative; the last bucket has no bound.
struct latency_histogram {
  static constexpr std::array<double, 12> bounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
  std::array<std::uint64_t, bounds.size() + 1> counts{};
  std::uint64_t count = 0;
  double sum = 0;  ///< seconds

  void observe(std::chrono::steady_clock::duration took);
};

struct client_counters {
  struct per_kind {
    /// By HTTP status; 0: no answer came (no connection, broken, timeout, cancelled).
    std::map<int, std::uint64_t> codes;
    /// Until the whole answer was there; of a stream, until its headers were.
    latency_histogram latency;
  };
  std::map<request_kind, per_kind> requests;

  std::uint64_t refusals_retried = 0;  ///< sent again after a 429, or a 503 with Retry-After
  std::uint64_t throttled = 0;         ///< requests that waited for the client's own limit
  std::chrono::steady_clock::duration throttled_time{0};
  std::uint64_t connections_opened = 0;
  std::uint64_t connections_reused = 0;
  std::uint64_t connections_stale = 0;  ///< kept ones that turned out dead; the request was sent again

  void observe(request_kind kind, int code, std::chrono::steady_clock::duration took);
};

}  // namespace codeexec::kube
