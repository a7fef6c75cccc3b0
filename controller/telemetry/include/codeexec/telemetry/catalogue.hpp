// Every metric that the operator serves: name, type, labels and meaning. docs/metrics.md lists them, rules and
// dashboards use them; a test holds all of these together.
//
// Names and units by Prometheus' rules (prometheus.io/docs/practices/naming): base units, _total for counters. No label
// ever has a value that users choose: no names, namespaces, images or messages. `class` is the configuration's.
#pragma once

#include <span>
#include <string_view>

namespace codeexec::telemetry {

enum class metric_type { counter, gauge, histogram };
std::string_view name_of(metric_type t);

/// Who knows the numbers: the loop, or whoever asks (also while the loop hangs).
enum class metric_source { loop, anybody };

struct metric {
  std::string_view name;
  metric_type type;
  std::string_view labels;  ///< "verb, resource"; empty: none
  std::string_view help;
  metric_source source = metric_source::loop;
};

namespace metrics {

using enum metric_type;

// Executions
inline constexpr metric executions_started{"codeexec_executions_started_total", counter, "",
                                           "Jobs made for CodeExecutions."};
inline constexpr metric executions_finished{
    "codeexec_executions_finished_total", counter, "outcome, reason",
    "Final statuses written, by outcome (succeeded, failed) and the status' reason."};
inline constexpr metric execution_step_duration{
    "codeexec_execution_step_duration_seconds", histogram, "step",
    "Time between two points of a finished execution's timeline: queue (accepted to Job created), schedule (to Pod "
    "scheduled), start (to the code's first instruction), run (to its end), capture (to the result in the status)."};
inline constexpr metric execution_duration{"codeexec_execution_duration_seconds", histogram, "",
                                           "From an execution's acceptance to its result in the status."};
inline constexpr metric executions_running{
    "codeexec_executions_running", gauge, "class",
    "Executions that hold a slot: admitted, and neither finished nor gone (concurrency bounds these). The class is "
    "default, or the namespaceOverrides entry that holds in the namespace."};
inline constexpr metric executions_waiting{
    "codeexec_executions_waiting", gauge, "bound, class",
    "Executions that wait for a slot, by the bound that they wait for (cluster, namespace)."};
inline constexpr metric executions_oldest_waiting{
    "codeexec_executions_oldest_waiting_seconds", gauge, "class",
    "Age of the oldest execution that waits for a slot; 0 where none does."};
inline constexpr metric execution_queue_duration{
    "codeexec_execution_queue_duration_seconds", histogram, "class",
    "The step queue (accepted to Job created) of finished executions, by class of namespaces."};
inline constexpr metric executions_tracked{"codeexec_executions_tracked", gauge, "",
                                           "Unfinished executions that this process keeps a record of."};

// Passes and their queue
inline constexpr metric reconcile_passes{
    "codeexec_reconcile_passes_total", counter, "result",
    "Passes over CodeExecutions that ended: done, requeue (again later, nothing is wrong), retry (failed, again after "
    "a "
    "backoff), exception (a bug; retried), timeout (cancelled at the limit; retried)."};
inline constexpr metric reconcile_duration{"codeexec_reconcile_duration_seconds", histogram, "",
                                           "Duration of a pass, most of which is waiting for the API server."};
inline constexpr metric reconcile_in_flight{"codeexec_reconcile_in_flight", gauge, "", "Passes under way."};
inline constexpr metric reconcile_workers{"codeexec_reconcile_workers", gauge, "",
                                          "Passes that may be under way at once (--workers)."};
inline constexpr metric reconcile_oldest_pass{"codeexec_reconcile_oldest_pass_seconds", gauge, "",
                                              "Age of the pass under way that began first; 0 where there is none."};
inline constexpr metric workqueue_ready{
    "codeexec_workqueue_ready", gauge, "priority",
    "Keys that wait for a pass: high is what ends an execution, normal what starts one."};
inline constexpr metric workqueue_delayed{"codeexec_workqueue_delayed", gauge, "",
                                          "Keys to look at again at a later time (a timeout, a backoff)."};
inline constexpr metric workqueue_wait{"codeexec_workqueue_wait_seconds", histogram, "priority",
                                       "From a key's becoming ready to its pass."};
inline constexpr metric workqueue_adds{"codeexec_workqueue_adds_total", counter, "",
                                       "Keys that were added, also those that waited already."};
inline constexpr metric workqueue_retries{"codeexec_workqueue_retries_total", counter, "",
                                          "Keys that were added again after a failed pass."};

// Requests to the API server
inline constexpr metric api_requests{
    "codeexec_api_requests_total", counter, "verb, resource, code",
    "Requests to the API server by HTTP method (WATCH for a stream), resource and HTTP status (none: no answer came)."};
inline constexpr metric api_request_duration{
    "codeexec_api_request_duration_seconds", histogram, "verb, resource",
    "From sending a request to the end of its answer; for a stream, to its headers. Waiting for the client's own limit "
    "does not count."};
inline constexpr metric api_sent_bytes{"codeexec_api_sent_bytes_total", counter, "verb, resource",
                                       "Bytes of requests' bodies."};
inline constexpr metric api_received_bytes{"codeexec_api_received_bytes_total", counter, "verb, resource",
                                           "Bytes of answers' bodies, decompressed; streams as they come."};
inline constexpr metric api_throttled{"codeexec_api_throttled_requests_total", counter, "",
                                      "Requests that waited for the client's own limit (--kube-api-qps)."};
inline constexpr metric api_throttled_seconds{"codeexec_api_throttled_seconds_total", counter, "",
                                              "Time that requests waited for the client's own limit."};
inline constexpr metric api_retries{"codeexec_api_retries_total", counter, "",
                                    "Requests sent again because the server refused them for being busy (429, 503)."};
inline constexpr metric api_connections_opened{"codeexec_api_connections_opened_total", counter, "",
                                               "Connections opened to the API server."};
inline constexpr metric api_connections_reused{"codeexec_api_connections_reused_total", counter, "",
                                               "Requests that went over a connection kept from an earlier one."};
inline constexpr metric api_connections_stale{"codeexec_api_connections_stale_total", counter, "",
                                              "Kept connections that turned out dead."};

// Watches and caches
inline constexpr metric watch_opens{
    "codeexec_watch_opens_total", counter, "resource",
    "Watches opened: the first, and every restart (the server ends each after minutes)."};
inline constexpr metric watch_lists{"codeexec_watch_lists_total", counter, "resource",
                                    "Whole lists asked for: the first (one per watched namespace), and every relist."};
inline constexpr metric watch_events{"codeexec_watch_events_total", counter, "resource",
                                     "Changes of objects that watches told of."};
inline constexpr metric watch_expirations{"codeexec_watch_expirations_total", counter, "resource",
                                          "Watches or lists whose resourceVersion had expired (410)."};
inline constexpr metric watch_failures{"codeexec_watch_failures_total", counter, "resource",
                                       "Lists or watches that failed and were tried again after a wait."};
inline constexpr metric watch_malformed{"codeexec_watch_malformed_total", counter, "resource",
                                        "Objects and lines that could not be read and were skipped."};
inline constexpr metric cache_objects{"codeexec_cache_objects", gauge, "resource", "Objects in the cache."};
inline constexpr metric cache_synced{"codeexec_cache_synced", gauge, "resource",
                                     "1 once the cache has been filled, 0 before."};

// Logs that are read
inline constexpr metric log_readers{"codeexec_log_readers", gauge, "", "Container logs being read or followed."};
inline constexpr metric log_followers_limit{"codeexec_log_followers_limit", gauge, "",
                                            "Logs that may be followed at once (maxLogFollowers)."};
inline constexpr metric log_readings{"codeexec_log_readings_total", counter, "mode",
                                     "Container logs opened: follow (while the code runs), once (after its end)."};

// Kubernetes Events
inline constexpr metric events_recorded{"codeexec_events_recorded_total", counter, "",
                                        "Occurrences that are worth a Kubernetes Event."};
inline constexpr metric events_folded{"codeexec_events_folded_total", counter, "",
                                      "Of these, those that an Event which was there already counts."};
inline constexpr metric events_written{"codeexec_events_written_total", counter, "", "Events written."};
inline constexpr metric events_dropped{
    "codeexec_events_dropped_total", counter, "",
    "Occurrences that no Event tells of: no room, no right, too many (--event-qps)."};
inline constexpr metric events_waiting{"codeexec_events_waiting", gauge, "", "Events that wait to be written."};

// Who works
inline constexpr metric leader{"codeexec_leader", gauge, "",
                               "1 while this process works: it holds the Lease, or runs without leader election."};
inline constexpr metric lease_writes{"codeexec_lease_writes_total", counter, "",
                                     "The Lease taken, renewed or given back."};
inline constexpr metric lease_failures{"codeexec_lease_failures_total", counter, "",
                                       "Requests about the Lease that failed, lost races included."};

// Sweeping
inline constexpr metric sweeps{"codeexec_sweeps_total", counter, "", "Looks at what nothing needs any more."};
inline constexpr metric swept_objects{"codeexec_swept_objects_total", counter, "",
                                      "Objects removed because nothing needed them any more."};

// The program
inline constexpr metric loop_lag{"codeexec_loop_lag_seconds", histogram, "",
                                 "How late the loop came to a timer that asks twice a second."};
inline constexpr metric loop_silence{"codeexec_loop_silence_seconds", gauge, "",
                                     "Since the loop turned last. Where it does not answer a scrape, this and the "
                                     "process' metrics are all there is.",
                                     metric_source::anybody};
inline constexpr metric build_info{"codeexec_build_info", gauge, "version, commit", "1.", metric_source::anybody};
inline constexpr metric process_cpu{"process_cpu_seconds_total", counter, "", "User and system time of the process.",
                                    metric_source::anybody};
inline constexpr metric process_resident{"process_resident_memory_bytes", gauge, "", "Resident memory.",
                                         metric_source::anybody};
inline constexpr metric process_virtual{"process_virtual_memory_bytes", gauge, "", "Virtual memory.",
                                        metric_source::anybody};
inline constexpr metric process_open_fds{"process_open_fds", gauge, "", "Open file descriptors.",
                                         metric_source::anybody};
inline constexpr metric process_max_fds{"process_max_fds", gauge, "", "File descriptors that may be open.",
                                        metric_source::anybody};
inline constexpr metric process_start_time{"process_start_time_seconds", gauge, "",
                                           "When the process started, in seconds since 1970.", metric_source::anybody};
inline constexpr metric process_threads{"process_threads", gauge, "", "Threads.", metric_source::anybody};

}  // namespace metrics

/// In the order in which they are served and documented.
std::span<metric const* const> all_metrics();

}  // namespace codeexec::telemetry
