#include "codeexec/reconciler/code_execution_reconciler.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "codeexec/api/json.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/api/trace_context.hpp"
#include "codeexec/async/deadline.hpp"
#include "codeexec/base/encoding.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/execution/build.hpp"
#include "codeexec/execution/occurrences.hpp"
#include "codeexec/execution/status.hpp"
#include "codeexec/kube_core/core_event.hpp"
#include "codeexec/kube_core/json.hpp"
#include "codeexec/kube_core/list.hpp"
#include "codeexec/kube_core/managed_fields.hpp"
#include "codeexec/kube_core/projection.hpp"
#include "codeexec/kube_core/request.hpp"
#include "codeexec/kube_core/stored_size.hpp"
#include "codeexec/reconciler/cached_objects.hpp"

#include "metadata_alone.hpp"
#include "request_timeout.hpp"

namespace codeexec::reconciler {
namespace {

using nlohmann::json;
using runtime::object_key;
using runtime::outcome;
using std::chrono::seconds;

/// How long an answer of the server's is believed before the watch has shown it.
constexpr seconds watch_lag{5};
/// Made, run, stopped and gone again with its pod, by somebody else's hand: hardly in less.
constexpr seconds shortest_life_of_a_job{5};
/// Between two looks at Events, which only explain: in a flood all pods are late, and asking for each makes them later.
constexpr std::chrono::milliseconds events_distance{20};
/// Of logs whose result is known; more connections than that are not worth keeping.
constexpr std::size_t most_ends_read = 32;
constexpr char const* by_uid = "execution-uid";

std::string dump(json const& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

object_key job_key_of(api::ObjectMeta const& execution) {
  return object_key(execution.namespace_, execution::child_name(execution));
}

std::vector<std::string> execution_uid_label(api::ObjectMeta const& metadata) {
  auto const found = metadata.labels.find(std::string(api::labels::execution_uid));
  if (found == metadata.labels.end()) return {};
  return {found->second};
}

std::string version_of(std::shared_ptr<kube::Pod const> const& pod) {
  return pod ? pod->metadata.resourceVersion : std::string();
}

/// Whether a watch that shows this version has yet to come to that one. Versions are decimal numbers that grow, also by
/// contract since Kubernetes 1.35; of others nobody can tell.
bool is_older(std::string_view version, std::string_view other) {
  auto const is_number = [](std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos && text.front() != '0';
  };
  if (!is_number(version) || !is_number(other)) return false;
  return version.size() != other.size() ? version.size() < other.size() : version < other;
}

/// Counts a task out, however it ends.
struct leave {
  std::size_t& count;
  ~leave() { --count; }
};

/// Of a deletion with our uid as its precondition: what was to go is not there, or another one stands under its name.
/// A conflict while the watch still shows ours means that the server could not do it now.
template <class T>
bool says_gone(kube::error const& e, runtime::store<T> const& watched, object_key const& key, std::string_view uid) {
  auto const shown = watched.get(key);
  bool const still_ours = shown && shown->metadata.uid == uid;
  return e.is_not_found() || (e.is_conflict() && !still_ours);
}

bool is_controlled_by(api::ObjectMeta const& child, std::string_view kind, std::string_view uid) {
  auto const* const owner = child.controller_owner();
  return owner != nullptr && owner->kind == kind && owner->uid == uid;
}

}  // namespace

std::string children_selector() {
  return std::string(api::labels::managed_by) + "=" + std::string(api::field_manager);
}

void stores::add_indices() {
  executions.add_index(by_uid, [](api::CodeExecution const& e) { return std::vector<std::string>{e.metadata.uid}; });
  pods.add_index(by_uid, [](kube::Pod const& pod) { return execution_uid_label(pod.metadata); });
}

void stores::on_change(std::function<void(object_key const&, runtime::priority)> enqueue) {
  executions.on_change([enqueue](runtime::change<api::CodeExecution> const& c) {
    enqueue(c.key, c.is_added() ? runtime::priority::normal : runtime::priority::high);
  });
  jobs.on_change([enqueue](runtime::change<kube::Job> const& c) {
    auto const* const owner = c.newest().metadata.controller_owner();
    if (owner == nullptr || owner->kind != api::kind || !owner->apiVersion.starts_with(api::group)) return;
    enqueue(object_key(c.key.ns, owner->name), runtime::priority::high);
  });
  // A Pod names its Job only; the label leads to the execution. It is an index, no proof: reconcile() looks at owners.
  pods.on_change([enqueue, &known = executions](runtime::change<kube::Pod> const& c) {
    for (auto const& uid : execution_uid_label(c.newest().metadata)) {
      for (auto const& execution : known.find(by_uid, uid)) {
        enqueue(object_key(execution->metadata.namespace_, execution->metadata.name), runtime::priority::high);
      }
    }
  });
}

std::shared_ptr<api::CodeExecution const> stores::find_by_uid(std::string const& uid) const {
  auto const found = executions.find(by_uid, uid);
  return found.empty() ? nullptr : found.front();
}

struct code_execution_reconciler::record {
  object_key key;
  std::string uid;
  object_key job_key;        // its Job has, or would have, this name
  std::string reconcile_id;  // of the newest pass

  std::shared_ptr<api::CodeExecution const> stored;  // as the watch shows it
  // Metadata and status of the server's last answer to a write of ours, until the watch has caught up with it.
  std::optional<std::pair<api::ObjectMeta, api::CodeExecutionStatus>> answered;
  bool cancel_answered = false;  // spec.cancel of that answer: it never turns back
  base::steady_time answered_at{};

  std::optional<base::result<execution::resolved_spec>> resolved;
  std::shared_ptr<kube::Job const> job;
  bool job_watched = false;  // the watch has shown it
  bool job_gone = false;
  std::shared_ptr<kube::Pod const> pod;
  bool pod_gone = false;
  // The server's answer to a question of ours, until the watch has caught up with it.
  /// What the server answered when it was asked, and what the watch had shown by then: its version, empty for nothing.
  /// It holds until the watch shows what is not older.
  std::shared_ptr<kube::Pod const> found_pod;
  base::steady_time found_pod_at{};
  std::string found_pod_instead_of;

  execution::memory known;
  execution::log_state log;
  int readers = 0;      // ever started: the newest one's word counts
  bool closed = false;  // nobody is interested any more

  api::ObjectMeta const& metadata() const { return answered ? answered->first : stored->metadata; }
  api::CodeExecutionStatus const& status() const { return answered ? answered->second : stored->status; }
};

code_execution_reconciler::code_execution_reconciler(boost::asio::any_io_executor const& executor, kube::client& client,
                                                     stores what, execution::config const& with,
                                                     std::string_view runner, base::clock const& clock,
                                                     base::rng random, std::function<void(object_key const&)> enqueue)
    : client_(client),
      stores_(what),
      config_(with),
      clock_(clock),
      random_(random),
      enqueue_(std::move(enqueue)),
      admissions_(what.executions, what.jobs, with, [this](object_key const& key) { enqueue_(key); }),
      runner_(executor, client, clock, runner),
      network_(executor, client, clock),
      readers_(executor) {
  counters_.queue_by_class.resize(config_.namespace_overrides.size() + 1);
  stores_.pods.on_change([this](runtime::change<kube::Pod> const& c) { remember_last_state(c); });
}

code_execution_reconciler::~code_execution_reconciler() = default;

kube::task<void> code_execution_reconciler::stop() {
  readers_.stop();
  co_await readers_.join();
}

base::log::context code_execution_reconciler::about(record const& r) {
  base::log::context lines;
  lines.add("namespace", r.key.ns).add("name", r.key.name).add("uid", r.uid).add("reconcile_id", r.reconcile_id);
  if (r.job) lines.add("job", r.job->metadata.name);
  if (r.pod) lines.add("pod", r.pod->metadata.name);
  if (!r.stored) return lines;
  if (auto const trace = api::read_trace_context(r.stored->metadata.annotations)) {
    lines.add("trace_id", trace->trace_id()).add("span_id", trace->parent_id());
  }
  return lines;
}

kube::task<kube::result<std::string>> code_execution_reconciler::send(record const& r, kube::request what,
                                                                      base::deadline by) {
  // Only the client's debug line reads it.
  if (base::log::enabled(base::log::level::debug)) what.about = std::make_shared<base::log::context const>(about(r));
  return client_.send(std::move(what), by);
}

void step_times::record(api::Timeline const& of) {
  auto const accepted = base::parse_time(of.accepted);
  auto const created = base::parse_time(of.jobCreated);
  auto const scheduled = base::parse_time(of.podScheduled);
  auto const started = base::parse_time(of.codeStarted);
  auto const finished = base::parse_time(of.codeFinished);
  auto const captured = base::parse_time(of.captured);
  auto const step = [](step_histogram& of_step, auto const& from, auto const& to) {
    if (from && to) of_step.record(*to - *from);
  };
  record_queue(queue, of);
  step(schedule, created, scheduled);
  step(start, scheduled, started);
  step(run, started, finished);
  step(capture, finished, captured);
  step(whole, accepted, captured);
}

void step_times::record_queue(step_histogram& into, api::Timeline const& of) {
  auto const accepted = base::parse_time(of.accepted);
  auto const created = base::parse_time(of.jobCreated);
  if (accepted && created) into.record(*created - *accepted);
}

void code_execution_reconciler::count_end(std::string const& ns, api::CodeExecutionStatus const& status) {
  ++(status.phase == api::phases::succeeded ? counters_.succeeded : counters_.failed);
  auto const& all = api::reasons::final_ones;
  auto const reason = std::find(all.begin(), all.end(), status.reason);
  if (reason != all.end()) ++counters_.by_reason[static_cast<std::size_t>(reason - all.begin())];
  if (!status.timeline) return;
  counters_.steps.record(*status.timeline);
  step_times::record_queue(counters_.queue_by_class.at(config_.class_of(ns)), *status.timeline);
}

bool code_execution_reconciler::is_pod_of(record const& r, kube::Pod const& pod) {
  if (pod.metadata.namespace_ != r.key.ns) return false;
  auto const* const owner = pod.metadata.controller_owner();
  return owner != nullptr && owner->kind == "Job" &&
         (r.job ? owner->uid == r.job->metadata.uid : owner->name == r.job_key.name);
}

/// A pod's end and its disappearance may come before any pass has looked: its last state is all that tells the result.
void code_execution_reconciler::remember_last_state(runtime::change<kube::Pod> const& c) {
  if (!c.is_deleted()) return;
  for (auto const& uid : execution_uid_label(c.newest().metadata)) {
    for (auto const& execution : stores_.executions.find(by_uid, uid)) {
      auto const found = records_.find(object_key(execution->metadata.namespace_, execution->metadata.name));
      bool const is_known = found != records_.end() && found->second->stored && found->second->uid == uid;
      if (is_known && is_pod_of(*found->second, c.newest())) found->second->pod = c.before;
    }
  }
}

/// They were of the time before the Job, or before its end.
void code_execution_reconciler::forget_pod_answers(record& r) {
  r.known.pod_ruled_out = false;
  r.known.pod_asked.reset();
}

std::shared_ptr<kube::Pod const> code_execution_reconciler::watched_pod(record const& r) const {
  std::shared_ptr<kube::Pod const> newest;
  for (auto const& pod : stores_.pods.find(by_uid, r.uid)) {
    if (is_pod_of(r, *pod) && (!newest || newest->metadata.creationTimestamp < pod->metadata.creationTimestamp)) {
      newest = pod;
    }
  }
  return newest;
}

bool code_execution_reconciler::observe(record& r) {
  auto const now = clock_.wall_now();
  r.stored = stores_.executions.get(r.key);
  if (!r.stored || r.stored->metadata.uid != r.uid) return false;

  if (r.answered) {
    bool const shown = r.stored->metadata.resourceVersion == r.answered->first.resourceVersion;
    bool const overdue = clock_.steady_now() - r.answered_at > watch_lag;
    // A result stands for ever: no older state may hide it, however late the watch is.
    bool const hides_result = r.answered->second.is_final() && !r.stored->status.is_final();
    // Nor may an older answer hide a result that the watch shows (another operator's): the cache keeps of a finished
    // execution only what one needs that is known to be finished.
    bool const outdated = r.stored->status.is_final() && !r.answered->second.is_final();
    if (shown || outdated || r.stored->metadata.being_deleted() || (overdue && !hides_result)) r.answered.reset();
  }

  auto const job = stores_.jobs.get(r.job_key);
  bool const is_there = job && is_controlled_by(job->metadata, api::kind, r.uid);
  // A request that arrives long after it was sent may make another Job once the first is gone. It runs nothing, since
  // nobody sends it the input, and is cleaned up after the result.
  bool const is_stray = is_there && r.job && r.job->metadata.uid != job->metadata.uid;
  bool const is_ours = is_there && !is_stray;
  if (is_stray) r.job_gone = true;
  // Taken for gone while no watch had shown it: one that shows it will show its end too.
  if (is_ours && r.job && !r.job_watched) r.job_gone = false;
  if (is_ours && !r.job_gone) {
    if (!r.job) forget_pod_answers(r);
    r.job = job;
    r.job_watched = true;
    if (!r.known.job_created) r.known.job_created = base::parse_time(job->metadata.creationTimestamp).value_or(now);
  } else if (!is_ours && r.job_watched) {
    r.job_gone = true;
  }

  if (!r.resolved) r.resolved = execution::resolve(r.stored->spec, config_, r.key.ns);
  bool const was_started = r.job || !r.status().jobName.empty();
  if (!*r.resolved && was_started) r.resolved = execution::resolve_started(r.stored->spec, config_, r.key.ns);

  auto newest = watched_pod(r);
  if (r.found_pod && version_of(newest) != r.found_pod_instead_of &&
      !is_older(version_of(newest), version_of(r.found_pod))) {
    r.found_pod.reset();
  } else if (r.found_pod && !newest && clock_.steady_now() - r.found_pod_at > watch_lag) {
    // The watch has shown neither it nor its end: ask again.
    r.found_pod.reset();
    r.pod.reset();
    r.known.pod_ruled_out = false;
  }
  if (r.found_pod) newest = r.found_pod;
  if (newest) {
    r.pod = newest;
    r.pod_gone = false;
  } else if (r.pod) {
    r.pod_gone = true;
  }
  if (r.pod && !r.known.end_seen) {
    auto const* const container = r.pod->status.container(execution::container_name);
    bool const ended = container != nullptr && container->ended() != nullptr;
    if (ended || r.pod_gone) r.known.end_seen = now;
  }
  return true;
}

execution::observed code_execution_reconciler::snapshot(record const& r) const {
  execution::observed seen;
  seen.object.metadata = r.metadata();
  seen.object.spec = r.stored->spec;
  seen.object.status = r.status();
  seen.object.spec.cancel = seen.object.spec.cancel || r.cancel_answered;
  // Whoever told it first: it never turns back.
  if (r.stored->metadata.being_deleted()) seen.object.metadata.deletionTimestamp = r.stored->metadata.deletionTimestamp;
  seen.resolved = *r.resolved;
  seen.job = r.job;
  seen.job_gone = r.job_gone;
  seen.pod = r.pod;
  seen.pod_gone = r.pod_gone;
  seen.log = r.log;
  seen.known = r.known;
  if (!r.job) seen.queue = admissions_.look(r.uid);
  return seen;
}

/// Finished, cleaned up, and nothing left to wait for: most executions that a restarted operator finds.
bool code_execution_reconciler::is_settled(api::CodeExecution const& e) const {
  if (!e.status.is_final() || e.metadata.being_deleted() || e.spec.ttlSecondsAfterFinished) return false;
  if (e.status.observedGeneration != e.metadata.generation) return false;
  return stores_.jobs.get(job_key_of(e.metadata)) == nullptr;
}

kube::task<outcome> code_execution_reconciler::reconcile(object_key key, std::string reconcile_id) {
  if (!config_.serves(key.ns)) co_return outcome::done();
  // Passes begin once every store is filled.
  admissions_.open();
  auto const stored = stores_.executions.get(key);
  auto found = records_.find(key);
  if (found != records_.end() && (!stored || found->second->uid != stored->metadata.uid)) {
    found->second->closed = true;
    records_.erase(found);
    found = records_.end();
  }
  if (!stored) co_return outcome::done();
  if (found == records_.end() && is_settled(*stored)) co_return outcome::done();
  if (found == records_.end()) {
    auto fresh = std::make_shared<record>();
    fresh->key = key;
    fresh->uid = stored->metadata.uid;
    fresh->job_key = job_key_of(stored->metadata);
    found = records_.emplace(key, std::move(fresh)).first;
  }
  record_ptr const r = found->second;
  r->reconcile_id = std::move(reconcile_id);
  auto& known = r->known;
  if (known.token.empty()) {
    known.token = make_token();
    known.runner_config_map = runner_.name();
  }

  // Most passes need two or three rounds: make the Job, send the input, wait. The bound is for bugs.
  constexpr int most_rounds = 12;
  for (int round = 0; round < most_rounds; ++round) {
    auto const is_there = observe(*r);
    if (!is_there) co_return outcome::done();
    auto const now = clock_.wall_now();
    known.seen_suspended = known.seen_suspended || stored->spec.suspend;
    if (known.accepted == base::wall_time{} || (stored->spec.suspend && !r->job)) {
      auto const& before = r->status();
      bool const waited = before.timeline && before.reason != api::reasons::suspended;
      known.accepted = (waited ? base::parse_time(before.timeline->accepted) : std::nullopt).value_or(now);
    }

    execution::plan plan = [&] {
      auto const seen = snapshot(*r);
      return execution::decide(seen, now, config_);
    }();
    known.shown_phase = plan.shown_phase;
    known.shown_reason = plan.shown_reason;
    known.shown_message = plan.shown_message;
    known.shown_since = plan.shown_since;
    known.shown_position = plan.shown_position;
    known.position_since = plan.position_since;

    if (plan.actions.empty() && !plan.status) {
      // A Job that is retained is nothing to wait for.
      bool const job_goes = r->job && !r->job_gone && (plan.requeue_after || r->job->metadata.being_deleted());
      bool const finished = r->stored->status.is_final() && !job_goes;
      bool const untouched = !r->metadata().has_finalizer(std::string(api::cleanup_finalizer));
      if (finished || (r->stored->metadata.being_deleted() && untouched)) {
        r->closed = true;
        records_.erase(key);
        auto const left = stores_.jobs.get(r->job_key);
        bool const stray = left && r->job && left->metadata.uid != r->job->metadata.uid;
        if (stray) co_return outcome::requeue_after(std::chrono::milliseconds(10));
      }
      if (plan.requeue_after) co_return outcome::requeue_after(*plan.requeue_after);
      co_return outcome::done();
    }

    for (auto& one : plan.actions) {
      auto doing = carry_out(r, std::move(one));
      auto const end = co_await std::move(doing);
      if (end) co_return *end;
    }
    // What was done changes what is known: the status is written by a round that has nothing else to do.
    if (plan.actions.empty() && plan.status) {
      auto const status = std::make_shared<api::CodeExecutionStatus const>(std::move(*plan.status));
      auto writing = write_status(r, status);
      auto const end = co_await std::move(writing);
      if (end) co_return *end;
    }
  }
  base::log::error("a pass did not come to an end", about(*r));
  co_return outcome::retry("a pass did not come to an end");
}

kube::task<code_execution_reconciler::step> code_execution_reconciler::carry_out(record_ptr r, execution::action what) {
  if (std::holds_alternative<execution::add_finalizer>(what)) {
    auto doing = add_finalizer(r);
    co_return co_await std::move(doing);
  }
  if (auto* const a = std::get_if<execution::ensure_runner>(&what)) {
    auto doing = look_after(r, runner_.ensure(r->key.ns, a->max_age), &execution::memory::runner_checked);
    co_return co_await std::move(doing);
  }
  if (auto* const a = std::get_if<execution::ensure_network>(&what)) {
    auto doing = look_after(r, network_.ensure(r->key.ns, a->max_age), &execution::memory::network_checked);
    co_return co_await std::move(doing);
  }
  if (auto const* const a = std::get_if<execution::read_code_source>(&what)) {
    auto doing = read_code_source(r, a->only_hash);
    co_return co_await std::move(doing);
  }
  if (auto* const a = std::get_if<execution::create_job>(&what)) {
    auto const object = std::make_shared<json const>(std::move(a->object));
    {
      auto doing = create_job(r, object);
      co_return co_await std::move(doing);
    }
  }
  if (auto* const a = std::get_if<execution::create_input>(&what)) {
    auto const object = std::make_shared<json const>(std::move(a->object));
    {
      auto doing = create_input(r, object, a->sha256);
      co_return co_await std::move(doing);
    }
  }
  if (std::holds_alternative<execution::find_job>(what)) {
    auto doing = find_job(r);
    co_return co_await std::move(doing);
  }
  if (std::holds_alternative<execution::confirm_unfinished>(what)) {
    auto doing = confirm_unfinished(r);
    co_return co_await std::move(doing);
  }
  if (std::holds_alternative<execution::find_pod>(what)) {
    auto doing = find_pod(r);
    co_return co_await std::move(doing);
  }
  if (std::holds_alternative<execution::look_for_traces>(what)) {
    auto doing = look_for_traces(r);
    co_return co_await std::move(doing);
  }
  if (std::holds_alternative<execution::read_job_events>(what)) {
    auto doing = read_job_events(r);
    co_return co_await std::move(doing);
  }
  if (auto* const a = std::get_if<execution::end_pod>(&what)) {
    auto doing = end_pod(r, a->pod, a->uid);
    co_return co_await std::move(doing);
  }
  if (auto* const a = std::get_if<execution::delete_pod>(&what)) {
    auto doing = delete_pod(r, std::move(*a));
    co_return co_await std::move(doing);
  }
  if (auto* const a = std::get_if<execution::delete_job>(&what)) {
    auto doing = delete_job(r, a->uid);
    co_return co_await std::move(doing);
  }
  if (std::holds_alternative<execution::remove_finalizer>(what)) {
    auto doing = remove_finalizer(r);
    co_return co_await std::move(doing);
  }
  if (std::holds_alternative<execution::delete_execution>(what)) {
    auto doing = delete_execution(r);
    co_return co_await std::move(doing);
  }
  if (auto* const a = std::get_if<execution::follow_log>(&what)) {
    // Beyond the bound the Pod's status serves, a second later.
    bool const room = log_readers_ < static_cast<std::size_t>(std::max(config_.max_log_followers, 0));
    if (room) {
      start_log_reader(r, a->pod, true);
    } else {
      r->log.state = execution::log_state::progress::broken;
    }
  }
  if (auto* const a = std::get_if<execution::read_log>(&what)) {
    // Reading once is quick, and nothing else can give the output: it has its own room beside the followers.
    constexpr std::size_t readers_beside = 16;
    bool const room = log_readers_ < static_cast<std::size_t>(std::max(config_.max_log_followers, 0)) + readers_beside;
    if (!room) co_return outcome::requeue_after(std::chrono::milliseconds(200));
    start_log_reader(r, a->pod, false);
  }
  co_return std::nullopt;
}

void code_execution_reconciler::take_answer(record& r, std::string const& body) {
  auto const object = kube::parse_kept(body, answer_fields());
  if (object.is_discarded()) return;
  auto decoded = api::decode_code_execution(object);
  auto* const execution = std::get_if<api::CodeExecution>(&decoded);
  if (execution == nullptr || execution->metadata.uid != r.uid) return;
  // The answer is the whole object, the cache is not. After the result nobody asks for room any more.
  if (!execution->status.is_final()) {
    auto const whole = kube::stored_length_of_text(body);
    auto const status = object.find("status");
    auto const of_it = status == object.end() ? 0 : kube::stored_length(*status);
    r.known.object_bytes = whole - std::min(of_it, whole);
  }
  r.answered.emplace(std::move(execution->metadata), std::move(execution->status));
  r.cancel_answered = r.cancel_answered || execution->spec.cancel;
  r.answered_at = clock_.steady_now();
}

/// What a write met that was made against an older state: read the newest and decide again.
kube::task<code_execution_reconciler::step> code_execution_reconciler::refresh(record_ptr r) {
  auto const by = base::deadline::after(request_timeout);
  auto request = kube::make_get(kube::code_executions, r->key.ns, r->key.name);
  auto sending = send(*r, std::move(request), by);
  auto const answer = co_await std::move(sending);
  if (!answer) {
    if (answer.error().is_not_found()) co_return outcome::done();
    co_return outcome::retry(answer.error());
  }
  r->answered.reset();
  take_answer(*r, *answer);
  // No failure: the next pass sees what this one could not.
  co_return outcome::requeue_after(std::chrono::milliseconds(1));
}

kube::task<code_execution_reconciler::step> code_execution_reconciler::add_finalizer(record_ptr r) {
  auto const& metadata = r->metadata();
  auto finalizers = metadata.finalizers;
  finalizers.emplace_back(api::cleanup_finalizer);
  // The version makes it a claim: of two operators, or against a state that is long past, one wins.
  json const patch = {{"metadata", {{"resourceVersion", metadata.resourceVersion}, {"finalizers", finalizers}}}};
  // Not when the answer is read: this process may be stopped for a while meanwhile.
  auto const claimed = clock_.wall_now();
  auto const by = base::deadline::after(request_timeout);
  auto request = kube::make_patch(kube::code_executions, r->key.ns, r->key.name, kube::patch_type::merge, dump(patch),
                                  api::field_manager);
  auto sending = send(*r, std::move(request), by);
  auto const answer = co_await std::move(sending);
  if (!answer) {
    if (answer.error().is_not_found()) co_return outcome::done();
    if (answer.error().is_conflict()) {
      auto refreshing = refresh(r);
      co_return co_await std::move(refreshing);
    }
    co_return outcome::retry(answer.error());
  }
  r->known.claimed = claimed;
  take_answer(*r, *answer);
  if (r->known.object_bytes.value_or(0) > execution::max_startable_bytes) {
    // The plan was made without knowing that: what would be started could not say how it ended.
    co_return outcome::requeue_after(std::chrono::milliseconds(1));
  }
  co_return std::nullopt;
}

kube::task<code_execution_reconciler::step> code_execution_reconciler::look_after(
    record_ptr r, kube::task<kube::result<void>> ensuring, checked_at when) {
  auto const result = co_await std::move(ensuring);
  if (!result) {
    (r->known.*when).reset();
    co_return refused(*r, result.error());
  }
  r->known.*when = clock_.wall_now();
  co_return std::nullopt;
}

kube::task<code_execution_reconciler::step> code_execution_reconciler::read_code_source(record_ptr r, bool only_hash) {
  auto const from = r->stored->spec.codeFrom->configMapKeyRef;
  auto const by = base::deadline::after(request_timeout);
  auto request = kube::make_get(kube::config_maps, r->key.ns, from.name);
  auto sending = send(*r, std::move(request), by);
  auto const answer = co_await std::move(sending);
  auto& source = r->known.source;
  bool const said_no = !answer && answer.error().kind() == kube::error_kind::api && !answer.error().is_retryable();
  if (!answer && !said_no) co_return outcome::retry(answer.error());
  if (only_hash) {
    auto const code = answer ? execution::read_source(from, kube::parse_answer(*answer)) : base::error("not there");
    if (code) source.sha256 = base::sha256_hex(*code);
    source.noted = true;
    co_return std::nullopt;
  }
  source.asked = clock_.wall_now();
  if (answer) {
    auto code = execution::read_source(from, kube::parse_answer(*answer));
    if (code) {
      source.code = std::make_shared<std::string const>(std::move(*code));
      source.problem.clear();
      co_return std::nullopt;
    }
    source.problem = code.error().message;
  } else if (answer.error().is_not_found()) {
    source.problem = execution::missing_source_text(from, r->key.ns);
  } else {
    source.problem = execution::unreadable_source_text(from, answer.error().message());
  }
  if (!source.missing_since) source.missing_since = source.asked;
  co_return std::nullopt;
}

code_execution_reconciler::step code_execution_reconciler::refused(record& r, kube::error const& e) {
  if (e.is_namespace_terminating()) return outcome::requeue_after(seconds(5));
  bool const transport = e.kind() != kube::error_kind::api && e.kind() != kube::error_kind::config;
  if (transport || e.is_retryable()) return outcome::retry(e);
  execution::refusal why;
  why.message = e.message();
  why.at = clock_.wall_now();
  bool const too_large = e.http_status() == 413 || e.http_status() == 400;
  if (execution::is_admission_denial(why.message)) {
    why.what = execution::refusal::kind::denied;
  } else if (e.is_invalid() || too_large) {
    why.what = execution::refusal::kind::invalid;
  } else if (e.is_forbidden() && e.message().find("exceeded quota") != std::string::npos) {
    why.what = execution::refusal::kind::quota;
  } else {
    why.what = execution::refusal::kind::forbidden;
  }
  base::log::warn("creation refused", about(r), {base::log::kv("error", e.describe_for_log())});
  tell_(execution::child_refused(r.stored->metadata, why.message));
  r.known.refused = std::move(why);
  // Rounds go on: decide() says what a refusal means.
  return std::nullopt;
}

std::string code_execution_reconciler::make_token() {
  constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::uniform_int_distribution<std::size_t> any(0, digits.size() - 1);
  std::string token;
  for (int i = 0; i < 24; ++i)
    token += digits[any(random_)];
  return token;
}

kube::task<code_execution_reconciler::step> code_execution_reconciler::create_job(record_ptr r,
                                                                                  std::shared_ptr<json const> object) {
  // Without the runner's ConfigMap the pod could not start, and without the NetworkPolicy it must not; decide() says
  // what comes of that.
  bool const needs_policy = !(*r->resolved)->network_allowed && config_.network_policy;
  if (!r->known.runner_checked || (needs_policy && !r->known.network_checked)) co_return std::nullopt;
  r->known.refused.reset();
  r->known.job_tried = true;
  r->known.job_ruled_out = false;
  forget_pod_answers(*r);
  auto const by = base::deadline::after(request_timeout);
  auto request = kube::make_create(kube::jobs, r->key.ns, dump(*object), api::field_manager);
  auto sending = send(*r, std::move(request), by);
  auto const answer = co_await std::move(sending);
  if (!answer) {
    // The request may still arrive, when the Job of a later one is gone again: the pod of this one must not find an
    // input that was sent for another.
    r->known.token = make_token();
    if (!answer.error().is_already_exists()) co_return refused(*r, answer.error());
    auto finding = find_job(r);
    auto const end = co_await std::move(finding);
    // There was one and it is gone: it has run, or was stopped, and is not made again.
    if (r->known.job_ruled_out && !r->known.refused) r->job_gone = true;
    co_return end;
  }
  auto decoded = kube::decode_job(kube::parse_kept(*answer, job_fields()));
  auto* const job = std::get_if<kube::Job>(&decoded);
  if (job == nullptr) co_return outcome::retry("the answer to the Job's creation cannot be read");
  ++counters_.started;
  r->known.job_created = clock_.wall_now();
  r->known.job_made = job->metadata.uid;
  tell_(execution::job_created(r->stored->metadata, job->metadata.name));
  // The watch may have been quicker.
  if (!r->job) r->job = std::make_shared<kube::Job const>(std::move(*job));
  base::log::info("job made", about(*r));
  co_return std::nullopt;
}

kube::task<code_execution_reconciler::step> code_execution_reconciler::find_job(record_ptr r) {
  auto const& name = r->job_key.name;
  auto const by = base::deadline::after(request_timeout);
  auto request = kube::make_get(kube::jobs, r->key.ns, name);
  auto sending = send(*r, std::move(request), by);
  auto const answer = co_await std::move(sending);
  if (!answer) {
    if (!answer.error().is_not_found()) co_return outcome::retry(answer.error());
    r->known.job_ruled_out = true;
    co_return std::nullopt;
  }
  auto decoded = kube::decode_job(kube::parse_kept(*answer, job_fields()));
  auto* const job = std::get_if<kube::Job>(&decoded);
  if (job == nullptr) co_return outcome::retry("the Job cannot be read");
  if (!is_controlled_by(job->metadata, api::kind, r->uid)) {
    r->known.job_ruled_out = true;
    execution::refusal taken;
    taken.what = execution::refusal::kind::name_taken;
    taken.message = "A Job \"" + name +
                    "\" that does not belong to this CodeExecution stands in its place and is left alone. Delete that "
                    "Job and create the CodeExecution anew.";
    taken.at = clock_.wall_now();
    r->known.refused = std::move(taken);
    co_return std::nullopt;
  }
  r->known.job_created = base::parse_time(job->metadata.creationTimestamp).value_or(clock_.wall_now());
  r->known.job_adopted = true;
  if (!r->job) {
    forget_pod_answers(*r);
    r->job = std::make_shared<kube::Job const>(std::move(*job));
  }
  co_return std::nullopt;
}

kube::task<code_execution_reconciler::step> code_execution_reconciler::create_input(record_ptr r,
                                                                                    std::shared_ptr<json const> object,
                                                                                    std::string sha256) {
  r->known.refused.reset();
  auto const by = base::deadline::after(request_timeout);
  auto request = kube::make_create(kube::config_maps, r->key.ns, dump(*object), api::field_manager);
  auto sending = send(*r, std::move(request), by);
  auto const answer = co_await std::move(sending);
  if (answer) {
    r->known.input_ready = true;
    r->known.source.code.reset();
    co_return std::nullopt;
  }
  if (!answer.error().is_already_exists()) {
    // The Job is gone meanwhile, and its namespace or its owner with it: the watch will say so.
    co_return refused(*r, answer.error());
  }
  auto const name = (*object)["metadata"]["name"].get<std::string>();
  auto get = kube::make_get(kube::config_maps, r->key.ns, name);
  auto getting = send(*r, std::move(get), by);
  auto const found = co_await std::move(getting);
  if (!found) co_return outcome::retry(found.error());
  auto const existing = kube::parse_answer(*found);
  auto const metadata = existing.is_object() && existing.contains("metadata")
                            ? api::decode_object_meta(existing["metadata"])
                            : std::variant<api::ObjectMeta, api::decode_error>(api::decode_error{});
  auto const* const meta = std::get_if<api::ObjectMeta>(&metadata);
  if (meta == nullptr) co_return outcome::retry("the input ConfigMap cannot be read");
  auto const hash = meta->annotations.find(std::string(execution::input_annotation));
  bool const same = hash != meta->annotations.end() && hash->second == sha256;
  if (same && is_controlled_by(*meta, "Job", r->job->metadata.uid)) {
    r->known.input_ready = true;
    r->known.source.code.reset();
    co_return std::nullopt;
  }
  execution::refusal taken;
  taken.what = execution::refusal::kind::name_taken;
  taken.message = "A ConfigMap \"" + name +
                  "\" that does not belong to this CodeExecution stands in its place and is left alone. Delete it and "
                  "create the CodeExecution anew.";
  taken.at = clock_.wall_now();
  r->known.refused = std::move(taken);
  co_return std::nullopt;
}

kube::task<code_execution_reconciler::step> code_execution_reconciler::confirm_unfinished(record_ptr r) {
  auto refreshing = refresh(r);
  auto const end = co_await std::move(refreshing);
  // An answer that stands from before is not the newest state.
  bool const read = end && end->what() == outcome::kind::requeue && r->answered;
  if (!read) co_return end;
  auto looking = look_for_another_job(r);
  auto const failed = co_await std::move(looking);
  if (failed) co_return failed;
  r->known.confirmed = true;
  co_return std::nullopt;
}

/// What this Job's creation was decided by may be long past when it arrives: another may have come and gone under its
/// name. Now that it has the name, no third one comes. The Events tell longer than pods do, but a server that is asked
/// for those of one object reads all of the namespace: only where another can have gone again altogether.
kube::task<code_execution_reconciler::step> code_execution_reconciler::look_for_another_job(record_ptr r) {
  auto const own = r->job ? r->job->metadata.uid : std::string();
  // Others who see this Job say when the server made it. Who made another says when that was, by a clock of their own.
  bool const is_new = r->known.job_made && r->job && r->known.job_made == own;
  auto const& timeline = r->status().timeline;
  auto const shown = timeline ? base::parse_time(timeline->jobCreated) : std::nullopt;
  auto const made = r->job ? base::parse_time(r->job->metadata.creationTimestamp) : std::nullopt;
  bool another = is_new && !r->known.job_shown && shown && made && *shown < *made - seconds(1);
  auto listing = list_pods(r);
  auto const found = co_await std::move(listing);
  if (!found) co_return outcome::retry(found.error());
  for (auto const& pod : *found) {
    auto const* const owner = pod.metadata.controller_owner();
    another = another || (owner != nullptr && owner->name == r->job_key.name && owner->uid != own);
  }
  // The finalizer was put on an execution that had none, or its traces were looked for, the Events among them.
  auto const& traces = r->known.traces;
  auto const known_free = std::max(r->known.claimed, traces ? std::optional(traces->began) : std::nullopt);
  bool const made_at_once =
      is_new && known_free && r->known.job_created && *r->known.job_created - *known_free < shortest_life_of_a_job;
  if (!another && !made_at_once) {
    auto asking = list_events_of_job_name(r, 0);
    auto const told = co_await std::move(asking);
    if (!told) co_return outcome::retry(told.error());
    // Who may not read them goes without: what they are for here takes two accidents at once.
    for (auto const& item : told->page.items) {
      auto const decoded = kube::decode_core_event(item);
      auto const* const event = std::get_if<kube::CoreEvent>(&decoded);
      another = another || (event != nullptr && !event->involvedObject.uid.empty() && event->involvedObject.uid != own);
    }
  }
  r->known.another_job = another;
  co_return std::nullopt;
}

kube::task<kube::result<code_execution_reconciler::events_told>> code_execution_reconciler::list_events_of_job_name(
    record_ptr r, std::int64_t limit) {
  kube::list_options options;
  options.field_selector = "involvedObject.kind=Job,involvedObject.name=" + r->job_key.name;
  options.limit = limit;
  auto const by = base::deadline::after(request_timeout);
  auto request = kube::make_list(kube::core_events, r->key.ns, options);
  auto sending = send(*r, std::move(request), by);
  auto const answer = co_await std::move(sending);
  events_told told;
  told.blind = !answer && answer.error().is_forbidden();
  if (told.blind) co_return told;
  if (!answer) co_return answer.error();
  auto page = kube::decode_list(*answer);
  if (!page) co_return page.error();
  told.page = std::move(*page);
  co_return told;
}

kube::task<kube::result<std::vector<kube::Pod>>> code_execution_reconciler::list_pods(record_ptr r) {
  kube::list_options options;
  options.label_selector = std::string(api::labels::execution_uid) + "=" + r->uid;
  auto const by = base::deadline::after(request_timeout);
  auto request = kube::make_list(kube::pods, r->key.ns, options);
  auto sending = send(*r, std::move(request), by);
  auto const answer = co_await std::move(sending);
  if (!answer) co_return answer.error();
  auto const page = kube::decode_list(*answer);
  if (!page) co_return page.error();
  std::vector<kube::Pod> pods;
  for (auto const& item : page->items) {
    auto decoded = kube::decode_pod(item);
    if (auto* const pod = std::get_if<kube::Pod>(&decoded)) pods.push_back(std::move(*pod));
  }
  co_return pods;
}

kube::task<code_execution_reconciler::step> code_execution_reconciler::find_pod(record_ptr r) {
  auto const before = version_of(watched_pod(*r));
  auto listing = list_pods(r);
  auto found = co_await std::move(listing);
  if (!found) co_return outcome::retry(found.error());
  r->known.pod_asked = clock_.wall_now();
  for (auto& pod : *found) {
    if (!is_pod_of(*r, pod)) continue;
    r->found_pod = std::make_shared<kube::Pod const>(std::move(pod));
    r->found_pod_at = clock_.steady_now();
    r->found_pod_instead_of = before;
    co_return std::nullopt;
  }
  r->known.pod_ruled_out = true;
  co_return std::nullopt;
}

kube::task<code_execution_reconciler::step> code_execution_reconciler::look_for_traces(record_ptr r) {
  auto const by = base::deadline::after(request_timeout);
  execution::job_traces traces;
  traces.began = clock_.wall_now();
  auto get = kube::make_get(kube::code_executions, r->key.ns, r->key.name);
  auto getting = send(*r, std::move(get), by);
  auto const object = co_await std::move(getting);
  if (!object) {
    if (object.error().is_not_found()) co_return outcome::done();
    co_return outcome::retry(object.error());
  }
  // The newest state may tell more than the watch did: a result, a deletion.
  r->answered.reset();
  take_answer(*r, *object);
  traces.claimed = kube::last_written(*object, api::field_manager);

  auto listing_events = list_events_of_job_name(r, 1);
  auto const told = co_await std::move(listing_events);
  if (!told) co_return outcome::retry(told.error());
  traces.blind = told->blind;

  // Its name holds the runner's token, which went with the Job.
  kube::list_options of_execution;
  of_execution.label_selector = std::string(api::labels::execution_uid) + "=" + r->uid;
  auto list_inputs = kube::make_list(kube::config_maps, r->key.ns, of_execution);
  list_inputs.accept = metadata_alone;
  auto listing_inputs = send(*r, std::move(list_inputs), by);
  auto const inputs = co_await std::move(listing_inputs);
  if (!inputs && !inputs.error().is_forbidden()) co_return outcome::retry(inputs.error());
  auto const sent = inputs ? kube::decode_list(*inputs) : kube::result<kube::list_page>(kube::list_page());
  if (!sent) co_return outcome::retry(sent.error());

  traces.any = !told->page.items.empty() || !sent->items.empty();
  traces.looked = clock_.wall_now();
  r->known.traces = traces;
  co_return std::nullopt;
}

kube::task<code_execution_reconciler::step> code_execution_reconciler::read_job_events(record_ptr r) {
  auto const now = clock_.wall_now();
  if (!r->known.events_turn) {
    r->known.events_turn = std::max(now, next_events_turn_);
    next_events_turn_ = *r->known.events_turn + events_distance;
  }
  if (now < *r->known.events_turn) {
    co_return outcome::requeue_after(std::chrono::ceil<std::chrono::milliseconds>(*r->known.events_turn - now));
  }
  r->known.events_turn.reset();
  r->known.events_read = now;
  kube::list_options options;
  options.field_selector = "involvedObject.uid=" + r->job->metadata.uid;
  options.limit = 50;
  auto const by = base::deadline::after(request_timeout);
  auto request = kube::make_list(kube::core_events, r->key.ns, options);
  auto sending = send(*r, std::move(request), by);
  auto const answer = co_await std::move(sending);
  if (!answer) {
    // They only explain; a right that is missing must not stop anything.
    base::log::debug("events cannot be read", about(*r), {base::log::kv("error", answer.error().describe_for_log())});
    co_return std::nullopt;
  }
  auto const page = kube::decode_list(*answer);
  if (!page) co_return std::nullopt;
  std::optional<base::wall_time> newest;
  for (auto const& item : page->items) {
    auto const decoded = kube::decode_core_event(item);
    auto const* const event = std::get_if<kube::CoreEvent>(&decoded);
    if (event == nullptr || event->reason != "FailedCreate") continue;
    auto const seen = event->last_seen().value_or(base::wall_time{});
    if (newest && seen < *newest) continue;
    newest = seen;
    r->known.pod_refusal = event->message;
  }
  co_return std::nullopt;
}

kube::task<code_execution_reconciler::step> code_execution_reconciler::end_pod(record_ptr r, std::string pod,
                                                                               std::string uid) {
  if (!r->known.pod_end_tried) r->known.pod_end_tried = clock_.wall_now();
  // The shortest there is. The node counts from when it took the Pod, which is longer ago; the uid is a precondition.
  json const patch = {{"metadata", {{"uid", uid}}}, {"spec", {{"activeDeadlineSeconds", 1}}}};
  auto const by = base::deadline::after(request_timeout);
  auto request = kube::make_patch(kube::pods, r->key.ns, pod, kube::patch_type::merge, dump(patch), api::field_manager);
  auto sending = send(*r, std::move(request), by);
  auto const answer = co_await std::move(sending);
  if (!answer && !answer.error().is_not_found()) {
    auto const& e = answer.error();
    if (e.is_retryable() || e.is_cancelled()) co_return outcome::retry(e);
    base::log::warn("the pod cannot be told to end, its Job is deleted instead", about(*r),
                    {base::log::kv("error", e.describe_for_log())});
    r->known.pod_end_refused = true;
    co_return std::nullopt;
  }
  r->known.pod_ended = clock_.wall_now();
  co_return std::nullopt;
}

kube::task<code_execution_reconciler::step> code_execution_reconciler::delete_pod(record_ptr r,
                                                                                  execution::delete_pod what) {
  if (!r->known.pod_end_tried) r->known.pod_end_tried = clock_.wall_now();
  kube::delete_options options;
  options.uid = std::move(what.uid);
  options.resource_version = std::move(what.resource_version);
  options.policy = kube::propagation::background;
  auto const by = base::deadline::after(request_timeout);
  auto request = kube::make_delete(kube::pods, r->key.ns, what.pod, options);
  auto sending = send(*r, std::move(request), by);
  auto const answer = co_await std::move(sending);
  if (!answer && answer.error().is_conflict()) {
    // It has changed since it was looked at: perhaps a node has it.
    forget_pod_answers(*r);
    co_return std::nullopt;
  }
  if (!answer && !answer.error().is_not_found()) {
    auto const& e = answer.error();
    if (e.is_retryable() || e.is_cancelled()) co_return outcome::retry(e);
    base::log::warn("the pod cannot be deleted, its Job is instead", about(*r),
                    {base::log::kv("error", e.describe_for_log())});
    r->known.pod_end_refused = true;
    co_return std::nullopt;
  }
  // Where it is not found, somebody else was quicker, and nobody can tell whether a node had it by then.
  r->known.pod_removed = answer.has_value();
  r->known.pod_end_refused = !answer.has_value();
  co_return std::nullopt;
}

kube::task<code_execution_reconciler::step> code_execution_reconciler::delete_job(record_ptr r, std::string uid) {
  kube::delete_options options;
  options.uid = uid;
  options.policy = kube::propagation::background;
  auto const by = base::deadline::after(request_timeout);
  auto request = kube::make_delete(kube::jobs, r->key.ns, r->job_key.name, options);
  auto sending = send(*r, std::move(request), by);
  auto const answer = co_await std::move(sending);
  if (!answer) {
    if (!says_gone(answer.error(), stores_.jobs, r->job_key, uid)) co_return outcome::retry(answer.error());
    r->job_gone = true;
  }
  r->known.job_deleted = clock_.wall_now();
  if (!r->pod) forget_pod_answers(*r);
  // Where the watch has not shown the Job at all, it will not show its end either.
  if (!r->job_watched) r->job_gone = true;
  co_return std::nullopt;
}

kube::task<code_execution_reconciler::step> code_execution_reconciler::remove_finalizer(record_ptr r) {
  auto const& finalizers = r->metadata().finalizers;
  auto const found = std::find(finalizers.begin(), finalizers.end(), api::cleanup_finalizer);
  if (found == finalizers.end()) co_return outcome::done();
  auto const path = "/metadata/finalizers/" + std::to_string(found - finalizers.begin());
  json test = {{"op", "test"}, {"path", path}, {"value", api::cleanup_finalizer}};
  json remove = {{"op", "remove"}, {"path", path}};
  json patch = json::array();
  patch.push_back(std::move(test));
  patch.push_back(std::move(remove));
  auto const by = base::deadline::after(request_timeout);
  auto request = kube::make_patch(kube::code_executions, r->key.ns, r->key.name, kube::patch_type::json, dump(patch),
                                  api::field_manager);
  auto sending = send(*r, std::move(request), by);
  auto const answer = co_await std::move(sending);
  if (!answer) {
    if (answer.error().is_not_found()) co_return outcome::done();
    // The list of finalizers has changed: the index is not ours any more.
    if (answer.error().is_invalid() || answer.error().is_conflict()) {
      auto refreshing = refresh(r);
      co_return co_await std::move(refreshing);
    }
    co_return outcome::retry(answer.error());
  }
  base::log::info("let go", about(*r));
  take_answer(*r, *answer);
  co_return outcome::done();
}

kube::task<code_execution_reconciler::step> code_execution_reconciler::delete_execution(record_ptr r) {
  kube::delete_options options;
  options.uid = r->uid;
  auto const by = base::deadline::after(request_timeout);
  auto request = kube::make_delete(kube::code_executions, r->key.ns, r->key.name, options);
  auto sending = send(*r, std::move(request), by);
  auto const answer = co_await std::move(sending);
  if (!answer && !says_gone(answer.error(), stores_.executions, r->key, r->uid)) {
    co_return outcome::retry(answer.error());
  }
  base::log::info("time to live is over", about(*r));
  co_return outcome::done();
}

kube::task<code_execution_reconciler::step> code_execution_reconciler::write_status(
    record_ptr r, std::shared_ptr<api::CodeExecutionStatus const> status) {
  auto const from = api::encode(r->status());
  auto const to = api::encode(*status);
  auto changes = execution::make_merge_patch(from, to);
  if (changes.empty()) co_return std::nullopt;
  // The version guards a result that another operator may have written meanwhile.
  json const patch = {{"metadata", {{"resourceVersion", r->metadata().resourceVersion}}},
                      {"status", std::move(changes)}};
  auto const by = base::deadline::after(request_timeout);
  // Also where the answer is lost.
  if (!status->jobName.empty()) r->known.job_shown = true;
  auto request = kube::make_patch(kube::code_executions, r->key.ns, r->key.name, kube::patch_type::merge, dump(patch),
                                  api::field_manager, "status");
  auto sending = send(*r, std::move(request), by);
  auto const answer = co_await std::move(sending);
  if (!answer) {
    auto const& e = answer.error();
    if (e.is_not_found()) co_return outcome::done();
    if (e.is_conflict()) {
      auto refreshing = refresh(r);
      co_return co_await std::move(refreshing);
    }
    bool const too_large =
        e.is_invalid() || e.http_status() == 413 || e.message().find("too large") != std::string::npos;
    if (too_large) ++r->known.status_refusals;
    if (too_large || (!e.is_retryable() && !e.is_cancelled())) {
      base::log::error("status refused", about(*r), {base::log::kv("error", e.describe_for_log())});
    }
    co_return outcome::retry(e);
  }
  auto const told = execution::status_written(r->stored->metadata, r->status(), *status);
  if (told) tell_(*told);
  bool const is_the_end = status->is_final() && !r->status().is_final();
  take_answer(*r, *answer);
  if (is_the_end) {
    count_end(r->key.ns, *status);
    base::log::info("execution finished", about(*r),
                    {base::log::kv("phase", status->phase), base::log::kv("reason", status->reason)});
  }
  co_return std::nullopt;
}

void code_execution_reconciler::start_log_reader(record_ptr const& r, std::string pod, bool follow) {
  auto const& resolved = **r->resolved;
  auto const token = execution::runner_token(r->job.get(), r->pod.get(), r->known);
  log_request what;
  what.ns = r->key.ns;
  what.pod = std::move(pod);
  what.follow = follow;
  what.frames = std::make_shared<execution::log_capture>(static_cast<std::size_t>(resolved.max_output_bytes), token);
  what.time_limit = follow ? execution::active_deadline(resolved, config_) : seconds(60);
  if (!r->log.frames) r->log.frames = what.frames;
  r->log.state = execution::log_state::progress::following;
  if (!follow) r->log.read_anew = true;
  what.number = ++r->readers;
  if (base::log::enabled(base::log::level::debug)) what.about = std::make_shared<base::log::context const>(about(*r));
  ++(follow ? counters_.logs_followed : counters_.logs_read);
  ++log_readers_;
  bool const runs = readers_.spawn("log of " + r->key.describe(), run_log_reader(r, std::move(what)));
  if (!runs) --log_readers_;
}

/// At once, then at growing distances: decide() says whether, and for how long.
void code_execution_reconciler::read_later(record& r) const {
  auto const wait = std::chrono::milliseconds(200) * (1 << std::min(r.log.broken, 5));
  r.log.not_before = r.log.broken == 0 ? base::wall_time{} : clock_.wall_now() + wait;
  r.log.read_anew = false;
  ++r.log.broken;
}

kube::task<void> code_execution_reconciler::read_end(std::unique_ptr<kube::byte_stream> rest) {
  leave const at_end{ends_being_read_};
  auto reading = read_to_end(std::move(rest));
  co_await std::move(reading);
}

kube::task<void> code_execution_reconciler::run_log_reader(record_ptr r, log_request what) {
  using progress = execution::log_state::progress;
  leave const at_end{log_readers_};
  bool const follow = what.follow;
  auto const frames = what.frames;
  int const number = what.number;
  auto running = read_log(client_, std::move(what));
  auto reading = co_await std::move(running);
  if (reading.rest && ends_being_read_ < most_ends_read) {
    ++ends_being_read_;
    bool const runs = readers_.spawn("end of the log of " + r->key.describe(), read_end(std::move(reading.rest)));
    if (!runs) --ends_being_read_;
  }
  reading.rest.reset();
  if (reading.end == log_reading::ending::not_yet) {
    // The kubelet's word comes after its log: a moment, then again.
    auto const waited = co_await async::sleep_for(std::chrono::milliseconds(300));
    if (!waited) co_return;
  }
  if (r->closed) co_return;

  // Of two readings the fuller one counts: a second may find a log that was rotated meanwhile.
  bool const fuller = frames->result() || frames->frames() >= r->log.frames->frames();
  if (fuller) r->log.frames = frames;
  r->log.failure = reading.problem;
  if (frames->result() && !r->known.result_seen) r->known.result_seen = clock_.wall_now();
  if (number != r->readers && !frames->result()) co_return;  // another was asked instead
  switch (reading.end) {
    case log_reading::ending::complete:
      if (!frames->result()) read_later(*r);
      r->log.state = progress::ended;
      break;
    case log_reading::ending::not_yet:
      r->log.state = follow ? progress::none : progress::failed;
      break;
    case log_reading::ending::refused:
      r->log.state = progress::failed;
      break;
    case log_reading::ending::broken:
      read_later(*r);
      r->log.state = progress::broken;
      break;
  }
  if (r->log.state != progress::ended) {
    base::log::debug("log reading ended early", about(*r), {base::log::kv("problem", reading.problem)});
  }
  enqueue_(r->key);
}

}  // namespace codeexec::reconciler
