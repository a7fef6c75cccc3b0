#include "codeexec/telemetry/operator_metrics.hpp"

#include <string_view>

#include "codeexec/api/names.hpp"
#include "codeexec/telemetry/exposition.hpp"
#include "codeexec/version/version.hpp"

namespace codeexec::telemetry {
namespace {

template <class N>
double number(N n) {
  return static_cast<double>(n);
}

double seconds(std::chrono::steady_clock::duration d) {
  return std::chrono::duration<double>(d).count();
}

void add_executions(exposition& out, operator_counters const& c) {
  auto const& e = c.executions;
  out.add(metrics::executions_started, number(e.started));
  // Each reason from the first scrape on: a rate has something to begin with.
  for (std::size_t i = 0; i < e.by_reason.size(); ++i) {
    auto const reason = api::reasons::final_ones[i];
    auto const* const outcome = reason == api::reasons::completed ? "succeeded" : "failed";
    out.add(metrics::executions_finished, {{"outcome", outcome}, {"reason", reason}}, number(e.by_reason[i]));
  }
  auto const step = [&](std::string_view name, reconciler::step_histogram const& times) {
    out.add(metrics::execution_step_duration, {{"step", name}}, to_value(times));
  };
  step("queue", e.steps.queue);
  step("schedule", e.steps.schedule);
  step("start", e.steps.start);
  step("run", e.steps.run);
  step("capture", e.steps.capture);
  out.add(metrics::execution_duration, {}, to_value(e.steps.whole));
  for (std::size_t i = 0; i < c.classes.size(); ++i) {
    auto const& name = c.classes[i];
    auto const slots = i < c.slots.size() ? c.slots[i] : execution::admission_queue::depth();
    out.add(metrics::executions_running, {{"class", name}}, number(slots.running));
    out.add(metrics::executions_waiting, {{"bound", "cluster"}, {"class", name}}, number(slots.for_all));
    out.add(metrics::executions_waiting, {{"bound", "namespace"}, {"class", name}}, number(slots.for_namespace));
    out.add(metrics::executions_oldest_waiting, {{"class", name}},
            i < c.oldest_waiting.size() ? seconds(c.oldest_waiting[i]) : 0);
    auto const& waits = e.queue_by_class;
    if (i < waits.size()) out.add(metrics::execution_queue_duration, {{"class", name}}, to_value(waits[i]));
  }
  out.add(metrics::executions_tracked, number(c.tracked));
}

void add_passes(exposition& out, operator_counters const& c) {
  auto const& p = c.passes;
  auto const ended = [&](std::string_view how, std::uint64_t count) {
    out.add(metrics::reconcile_passes, {{"result", how}}, number(count));
  };
  ended("done", p.passes - p.requeues - p.retries);
  ended("requeue", p.requeues);
  ended("retry", p.retries - p.exceptions - p.overruns);
  ended("exception", p.exceptions);
  ended("timeout", p.overruns);
  out.add(metrics::reconcile_duration, {}, to_value(c.queue.work));
  out.add(metrics::reconcile_in_flight, number(c.in_flight));
  out.add(metrics::reconcile_workers, number(c.workers));
  out.add(metrics::reconcile_oldest_pass, seconds(c.oldest_pass));

  out.add(metrics::workqueue_ready, {{"priority", "high"}}, number(c.ready_high));
  out.add(metrics::workqueue_ready, {{"priority", "normal"}}, number(c.ready_normal));
  out.add(metrics::workqueue_delayed, number(c.delayed));
  auto const wait = [&](std::string_view name, runtime::priority p_of) {
    out.add(metrics::workqueue_wait, {{"priority", name}}, to_value(c.queue.wait[static_cast<std::size_t>(p_of)]));
  };
  wait("high", runtime::priority::high);
  wait("normal", runtime::priority::normal);
  out.add(metrics::workqueue_adds, number(c.queue.adds));
  out.add(metrics::workqueue_retries, number(c.queue.retries));
}

void add_api(exposition& out, kube::client_counters const& api) {
  for (auto const& [kind, seen] : api.requests) {
    std::string resource(kind.resource.empty() ? "other" : kind.resource);
    if (!kind.subresource.empty()) resource += "/" + std::string(kind.subresource);
    for (auto const& [code, count] : seen.codes) {
      auto const status = code == 0 ? std::string("none") : std::to_string(code);
      out.add(metrics::api_requests, {{"verb", kind.verb}, {"resource", resource}, {"code", status}}, number(count));
    }
    exposition::labels const of{{"verb", kind.verb}, {"resource", resource}};
    out.add(metrics::api_request_duration, of, to_value(seen.latency));
    out.add(metrics::api_sent_bytes, of, number(seen.sent_bytes));
    out.add(metrics::api_received_bytes, of, number(seen.received_bytes));
  }
  out.add(metrics::api_throttled, number(api.throttled));
  out.add(metrics::api_throttled_seconds, seconds(api.throttled_time));
  out.add(metrics::api_retries, number(api.refusals_retried));
  out.add(metrics::api_connections_opened, number(api.connections_opened));
  out.add(metrics::api_connections_reused, number(api.connections_reused));
  out.add(metrics::api_connections_stale, number(api.connections_stale));
}

void add_caches(exposition& out, std::vector<operator_counters::cache> const& caches) {
  for (auto const& one : caches) {
    exposition::labels const of{{"resource", one.resource}};
    out.add(metrics::watch_opens, of, number(one.watches.watches));
    out.add(metrics::watch_lists, of, number(one.watches.lists));
    out.add(metrics::watch_events, of, number(one.watches.events));
    out.add(metrics::watch_expirations, of, number(one.watches.expired));
    out.add(metrics::watch_failures, of, number(one.watches.failures));
    out.add(metrics::watch_malformed, of, number(one.malformed));
    out.add(metrics::cache_objects, of, number(one.objects));
    out.add(metrics::cache_synced, of, one.synced ? 1 : 0);
  }
}

void add_rest(exposition& out, operator_counters const& c) {
  out.add(metrics::log_readers, number(c.log_readers));
  out.add(metrics::log_followers_limit, number(c.log_followers_limit));
  out.add(metrics::log_readings, {{"mode", "follow"}}, number(c.executions.logs_followed));
  out.add(metrics::log_readings, {{"mode", "once"}}, number(c.executions.logs_read));
  out.add(metrics::events_recorded, number(c.events.recorded));
  out.add(metrics::events_folded, number(c.events.folded));
  out.add(metrics::events_written, number(c.events.written));
  out.add(metrics::events_dropped, number(c.events.dropped));
  out.add(metrics::events_waiting, number(c.events_waiting));
  out.add(metrics::leader, c.leading ? 1 : 0);
  out.add(metrics::lease_writes, number(c.lease.writes));
  out.add(metrics::lease_failures, number(c.lease.failures));
  out.add(metrics::sweeps, number(c.sweeps.rounds));
  out.add(metrics::swept_objects, number(c.sweeps.removed));
  out.add(metrics::loop_lag, {}, to_value(c.loop_lag));
}

void add_program(exposition& out, process_usage const& used, std::chrono::steady_clock::duration silence) {
  out.add(metrics::loop_silence, seconds(silence));
  out.add(metrics::build_info, {{"version", version()}, {"commit", commit()}}, 1);
  out.add(metrics::process_cpu, used.cpu_seconds);
  out.add(metrics::process_resident, number(used.resident_bytes));
  out.add(metrics::process_virtual, number(used.virtual_bytes));
  out.add(metrics::process_open_fds, number(used.open_descriptors));
  if (used.most_descriptors) out.add(metrics::process_max_fds, number(*used.most_descriptors));
  out.add(metrics::process_start_time, used.start_time);
  out.add(metrics::process_threads, number(used.threads));
}

}  // namespace

std::string render_metrics(operator_counters const* counted, process_usage const& used,
                           std::chrono::steady_clock::duration silence) {
  exposition out(counted == nullptr);
  if (counted != nullptr) {
    add_executions(out, *counted);
    add_passes(out, *counted);
    add_api(out, counted->api);
    add_caches(out, counted->caches);
    add_rest(out, *counted);
  }
  add_program(out, used, silence);
  return out.text();
}

}  // namespace codeexec::telemetry
