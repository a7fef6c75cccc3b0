// What a client has done so far, for metrics: plain numbers, read by whoever publishes them.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>

#include "codeexec/base/histogram.hpp"

namespace codeexec::kube {

/// Requests of one kind. The resources are those of kube_core/resource.hpp, so the set is bounded.
struct request_kind {
  // Views into literals.
  std::string_view verb;         ///< the HTTP method, or WATCH for a stream
  std::string_view resource;     ///< "pods"; empty where the request names none
  std::string_view subresource;  ///< "log"
  auto operator<=>(request_kind const&) const = default;
};

inline constexpr std::array<double, 12> latency_bounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
using latency_histogram = base::histogram<latency_bounds>;

struct client_counters {
  struct per_kind {
    /// By HTTP status; 0: no answer came (no connection, broken, timeout, cancelled).
    std::map<int, std::uint64_t> codes;
    /// Until the whole answer was there; of a stream, until its headers were.
    latency_histogram latency;
    std::uint64_t sent_bytes = 0;      ///< of requests' bodies
    std::uint64_t received_bytes = 0;  ///< of answers' bodies, decompressed; of streams, what has come so far

    void observe(int code, std::chrono::steady_clock::duration took);
    per_kind& operator+=(per_kind const& more);
  };
  std::map<request_kind, per_kind> requests;  ///< entries never move and never go

  std::uint64_t refusals_retried = 0;  ///< sent again after a 429, or a 503 with Retry-After
  std::uint64_t throttled = 0;         ///< requests that waited for the client's own limit
  std::chrono::steady_clock::duration throttled_time{0};
  std::uint64_t connections_opened = 0;
  std::uint64_t connections_reused = 0;
  std::uint64_t connections_stale = 0;  ///< kept ones that turned out dead; the request was sent again

  /// Of two clients of one program.
  client_counters& operator+=(client_counters const& more);
};

}  // namespace codeexec::kube
