#include "codeexec/telemetry/catalogue.hpp"

#include <array>

namespace codeexec::telemetry {
namespace {

constexpr std::array<metric const*, 60> every_one{&metrics::executions_started,
                                                  &metrics::executions_finished,
                                                  &metrics::execution_step_duration,
                                                  &metrics::execution_duration,
                                                  &metrics::executions_running,
                                                  &metrics::executions_waiting,
                                                  &metrics::executions_oldest_waiting,
                                                  &metrics::execution_queue_duration,
                                                  &metrics::executions_tracked,
                                                  &metrics::reconcile_passes,
                                                  &metrics::reconcile_duration,
                                                  &metrics::reconcile_in_flight,
                                                  &metrics::reconcile_workers,
                                                  &metrics::reconcile_oldest_pass,
                                                  &metrics::workqueue_ready,
                                                  &metrics::workqueue_delayed,
                                                  &metrics::workqueue_wait,
                                                  &metrics::workqueue_adds,
                                                  &metrics::workqueue_retries,
                                                  &metrics::api_requests,
                                                  &metrics::api_request_duration,
                                                  &metrics::api_sent_bytes,
                                                  &metrics::api_received_bytes,
                                                  &metrics::api_throttled,
                                                  &metrics::api_throttled_seconds,
                                                  &metrics::api_retries,
                                                  &metrics::api_connections_opened,
                                                  &metrics::api_connections_reused,
                                                  &metrics::api_connections_stale,
                                                  &metrics::watch_opens,
                                                  &metrics::watch_lists,
                                                  &metrics::watch_events,
                                                  &metrics::watch_expirations,
                                                  &metrics::watch_failures,
                                                  &metrics::watch_malformed,
                                                  &metrics::cache_objects,
                                                  &metrics::cache_synced,
                                                  &metrics::log_readers,
                                                  &metrics::log_followers_limit,
                                                  &metrics::log_readings,
                                                  &metrics::events_recorded,
                                                  &metrics::events_folded,
                                                  &metrics::events_written,
                                                  &metrics::events_dropped,
                                                  &metrics::events_waiting,
                                                  &metrics::leader,
                                                  &metrics::lease_writes,
                                                  &metrics::lease_failures,
                                                  &metrics::sweeps,
                                                  &metrics::swept_objects,
                                                  &metrics::loop_lag,
                                                  &metrics::loop_silence,
                                                  &metrics::build_info,
                                                  &metrics::process_cpu,
                                                  &metrics::process_resident,
                                                  &metrics::process_virtual,
                                                  &metrics::process_open_fds,
                                                  &metrics::process_max_fds,
                                                  &metrics::process_start_time,
                                                  &metrics::process_threads};

}  // namespace

std::string_view name_of(metric_type t) {
  switch (t) {
    case metric_type::counter:
      return "counter";
    case metric_type::gauge:
      return "gauge";
    case metric_type::histogram:
      return "histogram";
  }
  return "untyped";
}

std::span<metric const* const> all_metrics() {
  return every_one;
}

}  // namespace codeexec::telemetry
