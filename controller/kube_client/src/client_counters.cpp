#include "codeexec/kube_client/client_counters.hpp"

namespace codeexec::kube {

void client_counters::per_kind::observe(int code, std::chrono::steady_clock::duration took) {
  ++codes[code];
  latency.record(took);
}

client_counters::per_kind& client_counters::per_kind::operator+=(per_kind const& more) {
  for (auto const& [code, count] : more.codes)
    codes[code] += count;
  latency += more.latency;
  sent_bytes += more.sent_bytes;
  received_bytes += more.received_bytes;
  return *this;
}

client_counters& client_counters::operator+=(client_counters const& more) {
  for (auto const& [kind, seen] : more.requests)
    requests[kind] += seen;
  refusals_retried += more.refusals_retried;
  throttled += more.throttled;
  throttled_time += more.throttled_time;
  connections_opened += more.connections_opened;
  connections_reused += more.connections_reused;
  connections_stale += more.connections_stale;
  return *this;
}

}  // namespace codeexec::kube
