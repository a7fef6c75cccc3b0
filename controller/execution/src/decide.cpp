#include "codeexec/execution/decide.hpp"

#include <algorithm>
#include <array>

#include "codeexec/api/names.hpp"
#include "codeexec/api/validate.hpp"
#include "codeexec/base/encoding.hpp"
#include "codeexec/execution/status.hpp"

namespace codeexec::execution {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

/// A container's log may end a little after its state says so; a result that is announced is worth this wait.
constexpr auto log_patience = 10s;
/// The way to a node's logs (its kubelet, a tunnel) comes back after a restart; the output is still there.
constexpr auto log_outage_patience = 5min;
/// The kubelet says why a container was killed 1 to 2 s after the runner's own report.
constexpr auto kill_reason_patience = 3s;
/// Watches of Jobs and Pods are two: news of one may come before older news of the other.
constexpr auto watch_skew = 3s;
/// The Job controller makes a pod within milliseconds, or says why it cannot.
constexpr auto pod_patience = 1s;
/// What the server said of the pod is old after this: nodes take pods and start them at any time.
constexpr auto pod_news = 200ms;
constexpr auto event_interval = 5s;
/// How long a look at the runner's ConfigMap, or at the NetworkPolicy, holds, and how long where a pod does not get
/// ahead.
constexpr auto runner_memory = 60s;
constexpr auto stuck_after = 5s;
/// No execution passes through another operator's hands, to its end, within this.
constexpr auto claim_memory = 500ms;
/// How long Events are kept (kube-apiserver's --event-ttl): after that nothing tells of a Job that is gone.
constexpr auto event_memory = 1h;
/// A ConfigMap that is applied together with the execution may come a moment later: how long, and how often is looked.
constexpr auto source_patience = 15s;
constexpr auto source_interval = 2s;
/// Before the place in the queue is written anew, at the front of it.
constexpr auto position_interval = 10s;
/// Before a refused creation is tried again.
constexpr auto refusal_interval = 5s;
/// How long the server may fail to tell a node that it shall end a pod (a webhook that is down, say): then the Job
/// goes.
constexpr auto end_patience = 30s;
/// What the kubelet needs beyond the grace period to report a stopped pod; after that its node is taken for lost.
constexpr auto stop_patience = 60s;
/// A Job that is deleted in the background goes at once, unless a finalizer of somebody's keeps it.
constexpr auto stuck_job_patience = 10s;

std::string seconds_text(std::chrono::seconds s) {
  return std::to_string(s.count()) + " s";
}

class decider {
 public:
  decider(observed const& seen, base::wall_time now, config const& with) : o_(seen), now_(now), with_(with) {
    if (o_.pod) container_ = o_.pod->status.container(container_name);
  }

  plan run() {
    plan_.shown_phase = o_.known.shown_phase;
    plan_.shown_reason = o_.known.shown_reason;
    plan_.shown_message = o_.known.shown_message;
    plan_.shown_since = o_.known.shown_since;
    plan_.shown_position = o_.known.shown_position;
    plan_.position_since = o_.known.position_since;

    if (o_.object.metadata.being_deleted()) {
      let_go();
    } else if (o_.object.status.is_final()) {
      clean_up();
    } else if (!o_.resolved) {
      finish({api::reasons::invalid_spec, o_.resolved.error().message, std::nullopt, false});
    } else {
      go_on();
    }
    return std::move(plan_);
  }

 private:
  // --- facts -------------------------------------------------------------------------------------------------------

  bool ours() const { return o_.object.metadata.has_finalizer(std::string(api::cleanup_finalizer)); }
  bool job_known() const { return o_.job != nullptr || o_.job_gone; }
  /// Nobody can have made a Job: not accepted yet, or accepted by this process and not tried, or the server says so.
  bool no_job_for_certain() const {
    if (o_.known.job_ruled_out) return true;
    if (!o_.object.status.jobName.empty() || o_.known.job_tried) return false;
    return !ours() || o_.known.claimed.has_value();
  }
  /// Accepted by somebody else, who may have made a Job that has come and gone.
  bool job_in_doubt() const { return ours() && !o_.known.claimed && !o_.known.job_tried && !o_.known.seen_suspended; }
  bool job_there() const { return o_.job != nullptr && !o_.job_gone; }
  bool cancelled() const { return o_.object.spec.cancel; }
  namespace_settings const& here() const { return with_.in(o_.object.metadata.namespace_); }

  kube::ContainerStateTerminated const* terminated() const {
    return container_ != nullptr ? container_->ended() : nullptr;
  }
  bool running() const { return container_ != nullptr && container_->state.running.has_value(); }
  bool code_may_have_run() const { return running() || terminated() != nullptr; }

  /// The Job controller ended it by the clock: the net under the runner's own.
  bool deadline_exceeded() const {
    if (!o_.job) return false;
    for (char const* type : {"FailureTarget", "Failed"}) {
      auto const* const c = o_.job->status.condition(type);
      if (c != nullptr && c->status == "True" && c->reason == "DeadlineExceeded") return true;
    }
    return false;
  }

  /// The Job controller may have acted on it, and no watch has shown its words yet.
  bool deadline_is_over() const {
    if (deadline_exceeded()) return true;
    bool const failed_before = o_.job && o_.job->status.condition("Failed") != nullptr;
    return o_.job && !failed_before && o_.job->status.startTime && o_.job->spec.activeDeadlineSeconds &&
           elapsed(*o_.job->status.startTime, std::chrono::seconds(*o_.job->spec.activeDeadlineSeconds));
  }

  /// Why the pod was taken away, where somebody says so; empty otherwise.
  std::string disruption() const {
    if (!o_.pod) return {};
    if (o_.pod->status.reason == "Evicted") {
      return o_.pod->status.message.empty() ? "the node was short of resources" : o_.pod->status.message;
    }
    auto const* const target = o_.pod->status.condition("DisruptionTarget");
    if (target != nullptr && target->status == "True") {
      return target->message.empty() ? target->reason : target->message;
    }
    return {};
  }

  /// The node is gone, and the control plane has ended the pod in its place: the pod garbage collector, or (of old) the
  /// node lifecycle controller.
  bool node_gone() const {
    if (!o_.pod) return false;
    auto const* const target = o_.pod->status.condition("DisruptionTarget");
    bool const collected = target != nullptr && target->status == "True" && target->reason == "DeletionByPodGC";
    return collected || o_.pod->status.reason == "NodeLost";
  }

  bool runner_checked_within(std::chrono::seconds span) const {
    return o_.known.runner_checked && !elapsed(*o_.known.runner_checked, span);
  }

  /// No pod whose network is denied starts before this is false.
  bool network_to_be_checked() const {
    if (o_.resolved->network_allowed || !with_.network_policy) return false;
    return !o_.known.network_checked || elapsed(*o_.known.network_checked, runner_memory);
  }

  bool elapsed(base::wall_time since, std::chrono::seconds span) const { return now_ - since >= span; }

  // --- plan building -----------------------------------------------------------------------------------------------

  void act(action a) { plan_.actions.push_back(std::move(a)); }

  void look_again_in(std::chrono::microseconds delay) {
    auto const ms = std::max(std::chrono::ceil<milliseconds>(delay), milliseconds(1));
    plan_.requeue_after = plan_.requeue_after ? std::min(*plan_.requeue_after, ms) : ms;
  }
  void look_again_at(base::wall_time then) { look_again_in(then > now_ ? then - now_ : 0us); }

  void finish(conclusion const& end) {
    plan_.status = make_final_status(o_, end, now_);
    plan_.requeue_after.reset();
  }

  /// What was decided about an execution whose code never started, while its pod is being stopped: it stands in the
  /// status, so that whoever takes over ends it so.
  std::optional<conclusion> verdict() const {
    auto const& status = o_.object.status;
    bool const waits = status.reason == api::reasons::queued || status.reason == api::reasons::suspended ||
                       status.reason == api::reasons::scheduling || status.reason == api::reasons::pulling_image ||
                       status.reason == api::reasons::starting;
    bool const pending = status.phase == api::phases::pending && !status.reason.empty();
    if (!pending || waits || status.jobName.empty()) return std::nullopt;
    return conclusion{status.reason, status.message, std::nullopt, false};
  }

  /// Ends an execution whose code has not started: only once it cannot start any more. The API server may know of a
  /// start that no watch has shown yet, and a pod starts whenever it can until it is gone.
  void give_up(conclusion const& end) {
    if (!job_known()) {
      finish(end);
      return;
    }
    if (!cancelled() && !verdict()) {
      plan_.status = make_progress_status(o_, api::phases::pending, end.reason, end.message, now_);
      return;
    }
    stop_code();
  }

  void delete_the_job() {
    bool const asked_not_long_ago = o_.known.job_deleted && !elapsed(*o_.known.job_deleted, 10s);
    if (job_there() && !asked_not_long_ago && !o_.job->metadata.being_deleted()) act(delete_job{o_.job->metadata.uid});
    look_again_in(1s);
  }

  /// Shows a state that is not final: written once it has lasted, so that what is over within a second costs no write.
  void show(std::string_view phase, std::string_view reason, std::string const& whole_message, bool at_once = false) {
    auto const message = bounded_message(whole_message);
    auto const& current = o_.object.status;
    bool const same = plan_.shown_phase == phase && plan_.shown_reason == reason && plan_.shown_message == message;
    if (!same) {
      plan_.shown_phase = phase;
      plan_.shown_reason = reason;
      plan_.shown_message = message;
      plan_.shown_since = now_;
    }
    bool const stands = current.phase == phase && current.reason == reason && current.message == message &&
                        current.observedGeneration == o_.object.metadata.generation;
    if (stands) return;
    auto const due = plan_.shown_since + with_.status_settle;
    if (at_once || now_ >= due) {
      plan_.status = make_progress_status(o_, phase, reason, message, now_);
    } else {
      look_again_at(due);
    }
  }

  // --- being deleted -----------------------------------------------------------------------------------------------

  /// From when what is being deleted has had its time: as the objects tell it, so that no restart begins anew.
  base::wall_time deletion_began() const {
    auto began = o_.known.job_deleted.value_or(base::wall_time{});
    auto const consider = [&](std::optional<std::string> const& timestamp, std::chrono::seconds ahead) {
      auto const at = timestamp ? base::parse_time(*timestamp) : std::nullopt;
      if (at) began = std::max(began, *at - ahead);
    };
    consider(o_.object.metadata.deletionTimestamp, 0s);
    if (o_.job) consider(o_.job->metadata.deletionTimestamp, 0s);
    // A pod's is the moment by which it has to be gone.
    if (o_.pod) consider(o_.pod->metadata.deletionTimestamp, pod_grace_period(with_));
    return began;
  }

  void let_go() {
    if (!ours()) return;
    if (!job_known() && !o_.object.status.is_final() && !no_job_for_certain()) {
      // A predecessor, or a request whose answer was lost, may have made one that no watch has shown yet.
      act(find_job{});
      return;
    }
    if (job_there()) {
      bool const asked_not_long_ago = o_.known.job_deleted && !elapsed(*o_.known.job_deleted, 10s);
      if (!asked_not_long_ago && !o_.job->metadata.being_deleted()) act(delete_job{o_.job->metadata.uid});
      look_again_in(10s);
    }
    if (job_known() && !job_there() && !o_.pod && !o_.known.pod_ruled_out) {
      act(find_pod{});  // there may be one that no watch has shown yet
      return;
    }
    bool const pod_stopped = !o_.pod || o_.pod_gone || terminated() != nullptr || o_.pod->status.phase == "Succeeded" ||
                             o_.pod->status.phase == "Failed";
    // A node that does not answer, or a finalizer of somebody's on the Job, must not keep the object for ever. A Job
    // that is being deleted makes no pod any more.
    bool const job_stays = job_there() && !o_.job->metadata.being_deleted();
    auto const until = deletion_began() + pod_grace_period(with_) + stop_patience;
    bool const waited_enough = now_ >= until;
    if (job_there() && !job_stays && !pod_stopped && !o_.pod->metadata.being_deleted() && !o_.known.pod_ended &&
        !o_.known.pod_end_refused && elapsed(deletion_began(), stuck_job_patience)) {
      // The garbage collector leaves the pod of a Job alone that does not go: its node can still end it.
      act(end_pod{o_.pod->metadata.name, o_.pod->metadata.uid});
    }
    if (!job_stays && (waited_enough || (pod_stopped && !job_there()))) {
      act(remove_finalizer{});
    } else if (!job_stays) {
      look_again_at(until);
    }
  }

  // --- final -------------------------------------------------------------------------------------------------------

  void clean_up() {
    // What may change after the end (ttlSecondsAfterFinished, cancel) changes nothing of the result. But a status that
    // speaks of an older generation means "not seen yet" to whoever waits.
    if (o_.object.status.observedGeneration != o_.object.metadata.generation)
      plan_.status = make_seen_status(o_.object);
    bool const retain = o_.object.spec.cleanupPolicy.value_or(here().defaults.cleanup_policy) == "Retain";
    if (job_there() && !retain && !o_.job->metadata.being_deleted()) {
      bool const asked_not_long_ago = o_.known.job_deleted && !elapsed(*o_.known.job_deleted, 10s);
      if (!asked_not_long_ago) act(delete_job{o_.job->metadata.uid});
      look_again_in(10s);
    }
    if (o_.object.spec.ttlSecondsAfterFinished) {
      auto const& timeline = o_.object.status.timeline;
      auto const finished = timeline ? base::parse_time(timeline->captured) : std::nullopt;
      auto const due = finished.value_or(now_) + std::chrono::seconds(*o_.object.spec.ttlSecondsAfterFinished);
      if (now_ >= due) {
        act(delete_execution{});
      } else {
        look_again_at(due);
      }
    }
  }

  // --- on the way --------------------------------------------------------------------------------------------------

  void go_on() {
    // A pod that has outlived its Job still tells how it ended.
    bool const only_pod_left = o_.known.job_ruled_out && o_.pod;
    if (!job_known() && !only_pod_left) {
      start();
      return;
    }
    if (conclude()) return;
    if (verdict() || cancelled()) {
      stop_code();
      return;
    }
    if (job_there() && !code_may_have_run() && !o_.known.input_ready && !o_.pod_gone) {
      if (!send_input()) return;
    }
    if (running()) {
      if (o_.log.state == log_state::progress::none && !o_.pod_gone) act(follow_log{o_.pod->metadata.name});
      show(api::phases::running, api::reasons::running, "The code is running.");
      return;
    }
    if (code_may_have_run()) return;  // ended; conclude() waits for its output
    wait_for_start();
  }

  void start() {
    auto const& status = o_.object.status;
    if (cancelled()) {
      // Only where it is certain that there is nothing to stop.
      if (!no_job_for_certain()) {
        act(find_job{});
        return;
      }
      // A predecessor may have deleted the Job already, and left the pod to end.
      bool const may_have_run = ours() && !o_.known.claimed;
      if (may_have_run && !o_.known.pod_ruled_out) {
        act(find_pod{});
        return;
      }
      finish({api::reasons::cancelled,
              may_have_run
                  ? "Cancelled (spec.cancel). The operator was restarted meanwhile: had the code been started, "
                    "what it wrote is lost."
                  : "Cancelled before it was started (spec.cancel).",
              std::nullopt, false});
      return;
    }
    if (!status.jobName.empty() || o_.pod || (o_.known.traces && o_.known.traces->any)) {
      if (!o_.known.job_ruled_out) {
        act(find_job{});
      } else if (!o_.known.pod_ruled_out) {
        act(find_pod{});
      } else if (auto end = verdict()) {
        // Whoever decided so has deleted the Job since, or died before that, and the Job was left to its own fate.
        end->message +=
            " (The operator was restarted meanwhile, and the Job is gone: whether the code started after "
            "that was decided cannot be told.)";
        finish(*end);
      } else {
        finish(
            {api::reasons::output_lost,
             "The Job " + child_name(o_.object.metadata) +
                 " was deleted before its result was stored. It is not made again: create a new CodeExecution to run "
                 "the code once more.",
             std::nullopt, false});
      }
      return;
    }
    if (job_in_doubt() && !job_was_never_made()) return;
    if (!o_.resolved->violations.empty()) {
      // A Job that was made before the policy became what it is goes on.
      if (!no_job_for_certain()) {
        act(find_job{});
      } else {
        finish({api::reasons::policy_violation,
                describe_policy_violations(o_.resolved->violations, o_.object.metadata.namespace_), std::nullopt,
                false});
      }
      return;
    }
    if (o_.object.spec.suspend) {
      if (!source_noted()) return;
      show(api::phases::pending, api::reasons::suspended, "Nothing is started while spec.suspend is true.", true);
      return;
    }
    if (!o_.queue.admitted) {
      wait_in_queue();
      return;
    }
    if (refused()) return;
    if (o_.known.object_bytes.value_or(0) > max_startable_bytes) {
      finish({api::reasons::invalid_spec,
              "spec: this object takes " + std::to_string(*o_.known.object_bytes) +
                  " bytes as the API server stores it; with more than " + std::to_string(max_startable_bytes) +
                  " there is no room for its result. Put code into a ConfigMap (spec.codeFrom), or make files smaller; "
                  "control characters and <, > and & take six bytes each.",
              std::nullopt, false});
      return;
    }
    if (!source_known()) return;
    if (source_differs_from(status.codeSHA256)) {
      finish(source_changed("while it waited for its turn"));
      return;
    }
    auto in = make_input(o_.object.spec, *o_.resolved, o_.known.source.code.get());
    if (!in) {
      finish({api::reasons::invalid_spec, in.error().message, std::nullopt, false});
      return;
    }
    if (!ours()) act(add_finalizer{});
    if (!runner_checked_within(runner_memory)) act(ensure_runner{runner_memory});
    if (network_to_be_checked()) act(ensure_network{runner_memory});
    act(create_job{make_job(o_.object, *o_.resolved, *in, {o_.known.runner_config_map, o_.known.token}, with_)});
    show(api::phases::pending, api::reasons::scheduling, "The Job is being made.");
  }

  /// Code that waits for its turn may be changed meanwhile: its hash is noted down with the state that says that it
  /// waits. Where it is not there yet, there is nothing to note down.
  bool source_noted() {
    bool const wanted = o_.object.spec.codeFrom && o_.object.status.codeSHA256.empty() && !o_.known.source.noted;
    if (wanted) act(read_code_source{true});
    return !wanted;
  }

  bool source_differs_from(std::string_view accepted) const {
    auto const& code = o_.known.source.code;
    return code && !accepted.empty() && accepted != base::sha256_hex(*code);
  }

  conclusion source_changed(std::string_view when) const {
    return {api::reasons::source_missing,
            "The ConfigMap \"" + o_.object.spec.codeFrom->configMapKeyRef.name +
                "\" was changed after this execution was accepted and before its code was copied, " +
                std::string(when) + ". The code was not started; create a new CodeExecution to run it as it is now.",
            std::nullopt, false};
  }

  /// Whether the code is at hand. Otherwise it is asked for, waited for, or given up.
  bool source_known() {
    auto const& source = o_.known.source;
    if (o_.object.spec.code || source.code || !o_.object.spec.codeFrom) return true;
    if (!source.asked) {
      act(read_code_source{});
      return false;
    }
    auto const since = source.missing_since.value_or(*source.asked);
    auto const patience = std::min<std::chrono::seconds>(source_patience, o_.resolved->startup_timeout);
    // The last word is an answer that came after the patience had ended.
    if (*source.asked - since >= patience) {
      give_up({api::reasons::source_missing,
               "Waited " + seconds_text(patience) + " for the code in vain. " + source.problem, std::nullopt, false});
      return false;
    }
    auto const next = std::min(*source.asked + source_interval, since + patience);
    if (now_ >= next) {
      act(read_code_source{});
      return false;
    }
    look_again_at(next);
    show(api::phases::pending, api::reasons::scheduling, "Waiting for the code. " + source.problem);
    return false;
  }

  /// The place in the queue changes with every execution that ends, and a write for each that waits, each time, would
  /// cost more than the executions themselves. So a place is written when the wait has lasted, and then as many seconds
  /// later as there are places before it: of those that wait, together, some five to ten a second.
  void wait_in_queue() {
    auto const& where = o_.queue;
    std::string const message = describe(where);
    if (startup_over()) {
      if (!no_job_for_certain()) {
        act(find_job{});
        return;
      }
      finish({api::reasons::startup_timed_out,
              "The code had not started when " + seconds_text(o_.resolved->startup_timeout) +
                  " (spec.startupTimeoutSeconds) had passed. Waited in the queue: " + message,
              std::nullopt, false});
      return;
    }
    look_again_at(o_.known.accepted + o_.resolved->startup_timeout);
    auto const& current = o_.object.status;
    bool const stands = current.phase == api::phases::pending && current.reason == api::reasons::queued &&
                        current.observedGeneration == o_.object.metadata.generation;
    bool const same = plan_.shown_reason == api::reasons::queued;
    plan_.shown_phase = api::phases::pending;
    plan_.shown_reason = api::reasons::queued;
    plan_.shown_message = message;
    if (!same) plan_.shown_since = now_;
    if (!stands && now_ < plan_.shown_since + with_.status_settle) {
      look_again_at(plan_.shown_since + with_.status_settle);
      return;
    }
    // After a restart nobody knows how old the written place is: it counts as new, so that not all are written at once.
    if (stands && !plan_.position_since) plan_.position_since = now_;
    std::chrono::seconds const interval =
        std::max<std::chrono::seconds>(position_interval, std::chrono::seconds(where.position));
    bool const due = !stands || now_ >= *plan_.position_since + interval;
    if (!due) {
      look_again_at(*plan_.position_since + interval);
      return;
    }
    if (!source_noted()) return;
    bool const moved = !stands || (plan_.shown_position != where.position && current.message != message);
    plan_.shown_position = where.position;
    plan_.position_since = now_;
    look_again_in(interval);
    if (moved) {
      plan_.status = make_progress_status(o_, api::phases::pending, api::reasons::queued, message, now_);
    }
  }

  /// Whether what is left of Jobs shows that none was made since the execution was accepted. Otherwise it is asked for,
  /// or the execution is given up: what would tell may be gone too.
  bool job_was_never_made() {
    if (!o_.known.pod_ruled_out) {
      act(find_pod{});
      return false;
    }
    if (!o_.known.traces) {
      act(look_for_traces{});
      return false;
    }
    auto const& traces = *o_.known.traces;
    auto const kept = std::min<std::chrono::seconds>(with_.job_ttl, event_memory);
    // Where the creator put the finalizer, nobody wrote down when the execution was accepted.
    auto const since = traces.claimed ? traces.claimed : base::parse_time(o_.object.metadata.creationTimestamp);
    bool const too_long_ago = since && traces.looked - *since >= kept;
    if (!traces.blind && !too_long_ago) return true;
    std::string const why = traces.blind
                                ? "The operator was restarted, and may not read the Events that tell of a Job"
                                : "It was accepted longer ago than the cluster remembers a Job that is gone (" +
                                      seconds_text(kept) + "), the operator was away";
    finish({api::reasons::output_lost,
            why + ", so nobody can tell whether the code has run. Create a new CodeExecution to run it.", std::nullopt,
            false});
    return false;
  }

  /// True where the creation of the Job or the ConfigMap was refused, and it is not yet time to ask again.
  bool refused() {
    if (!o_.known.refused) return false;
    auto const& why = *o_.known.refused;
    if (why.what == refusal::kind::invalid) {
      give_up({api::reasons::invalid_spec, "The API server refuses what the spec asks for: " + why.message,
               std::nullopt, false});
      return true;
    }
    if (why.what == refusal::kind::denied) {
      give_up({api::reasons::pod_rejected, why.message, std::nullopt, false});
      return true;
    }
    if (why.what == refusal::kind::name_taken) {
      give_up({api::reasons::internal_error, why.message, std::nullopt, false});
      return true;
    }
    if (startup_over()) {
      bool const quota = why.what == refusal::kind::quota;
      give_up({quota ? api::reasons::quota_exceeded : api::reasons::internal_error,
               "Waited " + seconds_text(o_.resolved->startup_timeout) +
                   " (spec.startupTimeoutSeconds) in vain: " + why.message,
               std::nullopt, false});
      return true;
    }
    if (elapsed(why.at, refusal_interval)) return false;
    look_again_at(std::min(why.at + refusal_interval, o_.known.accepted + o_.resolved->startup_timeout));
    show(api::phases::pending, api::reasons::scheduling, why.message);
    return true;
  }

  /// False where there is nothing more to wait for, or nothing to wait for yet.
  bool send_input() {
    if (refused()) return false;
    if (!source_known()) return false;
    auto in = make_input(o_.object.spec, *o_.resolved, o_.known.source.code.get());
    auto const& annotations = o_.job->metadata.annotations;
    auto const promised = annotations.find(std::string(input_annotation));
    auto const accepted = annotations.find(std::string(code_annotation));
    if (accepted != annotations.end() && source_differs_from(accepted->second)) {
      // The Job stands for the code that was accepted, which is nowhere any more.
      give_up(source_changed("while the operator was restarted"));
      return false;
    }
    bool const kept = in && (promised == annotations.end() || promised->second == in->sha256);
    if (!kept) {
      give_up({api::reasons::internal_error,
               "The input is not what the Job was made for; the code was not started. Create a new CodeExecution.",
               std::nullopt, false});
      return false;
    }
    // The claim shows that the execution had not ended when it was made. Where there is none, or much may have happened
    // since, only a fresh look shows that this is not a second run: the Job of a first one is gone by then, its result
    // stands.
    bool const claim_is_fresh = o_.known.claimed && o_.known.job_created && !o_.known.job_adopted &&
                                *o_.known.job_created - *o_.known.claimed < claim_memory;
    if (!claim_is_fresh && !o_.known.confirmed) act(confirm_unfinished{});
    if (o_.known.another_job) {
      give_up({api::reasons::output_lost,
               "Another Job of this name was there before and is gone, and its code may have run. It is not run again: "
               "create a new CodeExecution to run the code once more.",
               std::nullopt, false});
      return false;
    }
    // It stood when the Job was made, by whomever; what starts the pod is the input.
    if (network_to_be_checked()) act(ensure_network{runner_memory});
    std::string const sha256 = in->sha256;
    if (plan_.actions.empty())
      act(create_input{make_input_config_map(o_.object, *in, o_.job->metadata.uid, token()), sha256});
    return true;
  }

  bool startup_over() const { return elapsed(o_.known.accepted, o_.resolved->startup_timeout); }

  /// Also where it was not seen to start: it may have, and no watch has shown it yet.
  void stop_code() {
    // Whoever follows the log gets what was written so far, and the runner's report.
    if (running() && o_.log.state == log_state::progress::none && !o_.pod_gone) act(follow_log{o_.pod->metadata.name});
    // A Pod that is deleted takes its output along, and this process may die before it has stored that.
    if (pod_can_be_ended()) {
      if (!o_.known.pod_ended) act(end_pod{o_.pod->metadata.name, o_.pod->metadata.uid});
      look_again_at(o_.known.pod_ended.value_or(now_) + pod_grace_period(with_) + stop_patience);
      return;
    }
    if (start_may_be_unseen()) {
      bool const asked = o_.known.pod_asked && now_ - *o_.known.pod_asked < pod_news;
      if (!asked) {
        act(find_pod{});
        return;
      }
      auto const made_by = job_made() + pod_patience;
      if (!o_.pod && now_ < made_by) {
        look_again_at(made_by);
        return;
      }
      if (o_.pod) {
        // In the state in which it has no node: given one meanwhile, it may run, and is not deleted.
        act(delete_pod{o_.pod->metadata.name, o_.pod->metadata.uid, o_.pod->metadata.resourceVersion});
        return;
      }
    }
    delete_the_job();
  }

  /// No watch has shown a pod that has a node, which is not to say that none runs: with its Job deleted, what it wrote
  /// would be lost.
  bool start_may_be_unseen() const {
    if (!job_there() || o_.job->metadata.being_deleted() || o_.known.job_deleted) return false;
    bool const tried_enough = o_.known.pod_end_tried && elapsed(*o_.known.pod_end_tried, end_patience);
    if (o_.known.pod_removed || o_.known.pod_end_refused || tried_enough) return false;
    return !o_.pod_gone && (!o_.pod || (o_.pod->spec.nodeName.empty() && !o_.pod->metadata.being_deleted()));
  }

  base::wall_time job_made() const {
    return o_.known.job_created.value_or(
        base::parse_time(o_.job ? o_.job->metadata.creationTimestamp : "").value_or(now_));
  }

  /// There is a node to do it, and nobody has the Pod deleted already. Whether the code runs makes no difference: it
  /// may have started, and no watch has shown it yet.
  bool pod_can_be_ended() const {
    if (!o_.pod || o_.pod_gone || o_.pod->metadata.being_deleted() || terminated() != nullptr) return false;
    // Where it has been told to end, it has a node, though a watch that is behind shows none.
    if (o_.pod->spec.nodeName.empty() && !o_.known.pod_ended) return false;
    if (!job_there() || o_.job->metadata.being_deleted() || o_.known.job_deleted || o_.known.pod_end_refused)
      return false;
    if (!o_.known.pod_ended) return !o_.known.pod_end_tried || !elapsed(*o_.known.pod_end_tried, end_patience);
    return !elapsed(*o_.known.pod_ended, pod_grace_period(with_) + stop_patience);
  }

  // --- waiting for the code to start -------------------------------------------------------------------------------

  void wait_for_start() {
    std::string_view reason = api::reasons::scheduling;
    std::string_view failure = api::reasons::startup_timed_out;
    std::string message;
    bool hopeless = false;

    if (!o_.pod || o_.pod_gone) {
      message = "Waiting for the Job controller to make the pod.";
      auto const created = job_made();
      bool const asked_not_long_ago = o_.known.events_read && !elapsed(*o_.known.events_read, event_interval);
      if (!elapsed(created, pod_patience)) {
        look_again_at(created + pod_patience);
      } else if (!asked_not_long_ago) {
        act(read_job_events{});
      } else {
        look_again_at(*o_.known.events_read + event_interval);
      }
      if (!o_.known.pod_refusal.empty()) {
        auto const reading = read_pod_refusal(o_.known.pod_refusal);
        message = pod_refusal_sentence(o_.known.pod_refusal);
        if (!reading.reason.empty()) failure = reading.reason;
        hopeless = !reading.may_heal;
      }
    } else {
      auto const* const scheduled = o_.pod->status.condition("PodScheduled");
      bool const has_node = !o_.pod->spec.nodeName.empty() || (scheduled != nullptr && scheduled->status == "True");
      if (!has_node) {
        message = "Waiting for a node.";
        if (scheduled != nullptr && scheduled->status == "False") {
          message = scheduled->message;
          if (scheduled->reason == "Unschedulable") failure = api::reasons::unschedulable;
        }
      } else {
        reason = api::reasons::starting;
        message = "The node sets up the pod: image, volumes, sandbox.";
        bool const stuck = plan_.shown_reason == api::reasons::starting && elapsed(plan_.shown_since, stuck_after);
        if (stuck && !runner_checked_within(stuck_after)) act(ensure_runner{stuck_after});
        if (container_ != nullptr && container_->state.waiting) {
          auto const& waiting = *container_->state.waiting;
          static constexpr std::array<std::string_view, 5> of_pulls{"ErrImagePull", "ImagePullBackOff",
                                                                    "ImageInspectError", "RegistryUnavailable",
                                                                    "SignatureValidationFailed"};
          bool const pull = std::find(of_pulls.begin(), of_pulls.end(), waiting.reason) != of_pulls.end();
          bool const no_image = waiting.reason == "InvalidImageName" || waiting.reason == "ErrImageNeverPull";
          if (pull || no_image) {
            reason = api::reasons::pulling_image;
            failure = api::reasons::image_pull_failed;
            hopeless = no_image;
          }
          if (!waiting.message.empty()) message = waiting.message;
        }
      }
    }

    if (hopeless) {
      give_up({failure, hopeless_text(failure, message), std::nullopt, false});
      return;
    }
    if (startup_over() || deadline_exceeded()) {
      give_up({failure,
               "The code had not started when " + seconds_text(o_.resolved->startup_timeout) +
                   " (spec.startupTimeoutSeconds) had passed. Waited for: " + message,
               std::nullopt, false});
      return;
    }
    look_again_at(o_.known.accepted + o_.resolved->startup_timeout);
    show(api::phases::pending, reason, message);
  }

  std::string hopeless_text(std::string_view failure, std::string const& message) const {
    if (failure == api::reasons::runtime_class_missing) {
      return "The cluster has no RuntimeClass \"" + o_.resolved->runtime_class_name +
             "\": install the sandbox's runtime, or name another in spec.runtimeClassName. (" + message + ")";
    }
    if (failure == api::reasons::image_pull_failed) {
      return "The image \"" + o_.resolved->image + "\" cannot be pulled: " + message;
    }
    return message;
  }

  // --- the end -----------------------------------------------------------------------------------------------------

  /// True where the execution has ended: the plan finishes it, or waits for what is still to come of it.
  bool conclude() {
    std::optional<run_result> result;
    bool const by_frame = o_.log.frames && o_.log.frames->result();
    std::string unreadable;
    if (by_frame) {
      result = o_.log.frames->result();
    } else if (terminated() != nullptr) {
      auto parsed = parse_result(terminated()->message, token());
      if (parsed) {
        result = std::move(*parsed);
      } else {
        unreadable = parsed.error().message;
      }
    }
    if (result) {
      with_result(*result, by_frame);
      return true;
    }
    if (terminated() != nullptr) {
      without_result(unreadable);
      return true;
    }
    if (o_.pod && !o_.pod_gone && o_.pod->status.phase == "Failed") {
      // The kubelet ends containers before their pod. So they never started (evicted before, or refused by the kubelet:
      // "OutOfcpu", "NodeAffinity", ...), or there is no kubelet any more.
      finish(node_gone() ? lost_with_node() : running() ? stopped_from_outside(std::nullopt) : never_started());
      return true;
    }
    if (o_.pod_gone) {
      pod_vanished();
      return true;
    }
    if (o_.pod && o_.pod->metadata.being_deleted()) {
      auto const told = base::parse_time(*o_.pod->metadata.deletionTimestamp);
      auto const until = told.value_or(now_) + stop_patience;
      if (now_ < until) {
        look_again_at(until);
        return false;
      }
      if (o_.pod->spec.nodeName.empty()) {
        finish(never_started());
        return true;
      }
      finish({api::reasons::node_lost,
              "The node " + o_.pod->spec.nodeName + " does not report the end of the pod that it was told to stop. " +
                  fate_of_output(),
              std::nullopt, code_may_have_run()});
      return true;
    }
    if (!o_.pod) return job_ended_without_pod();
    return false;
  }

  std::string token() const { return runner_token(o_.job.get(), o_.pod.get(), o_.known); }

  /// The runner reported. What is missing may be the output, or the reason of a kill.
  void with_result(run_result const& r, bool by_frame) {
    // The frames of a whole log add up to the totals, whatever of the output was kept. Where the node has rotated the
    // log away, the result frame is there and the beginning is not.
    bool const frames_complete = o_.log.frames && o_.log.frames->out().total() >= r.stdout_bytes &&
                                 o_.log.frames->err().total() >= r.stderr_bytes;
    bool const nothing_written = r.stdout_bytes == 0 && r.stderr_bytes == 0;
    bool output_there = r.has_output() || frames_complete || nothing_written;
    if (!output_there && await_log(!by_frame)) return;

    // A SIGKILL from nowhere may be the kernel's for want of memory: only the kubelet knows.
    bool const killed = r.end == run_result::ending::signaled && r.signal == 9;
    if (killed && terminated() == nullptr && !o_.pod_gone) {
      auto const since = o_.known.result_seen.value_or(now_);
      if (!elapsed(since, kill_reason_patience)) {
        look_again_at(since + kill_reason_patience);
        return;
      }
    }
    conclusion end = explain(r);
    if (!output_there) {
      bool const partly = o_.log.frames && (o_.log.frames->out().total() > 0 || o_.log.frames->err().total() > 0);
      std::string const what = partly ? "Part of its output could not be had" : "Its output could not be had";
      std::string const why = !o_.log.failure.empty() ? o_.log.failure
                              : by_frame              ? "the node no longer has the beginning of the log"
                                                      : "";
      end.message += (end.message.empty() ? "" : " ") + what + (why.empty() ? "." : " (" + why + ").");
      if (!partly) {
        end.message = end_text(r) + end.message;
        end.reason = api::reasons::output_lost;
      }
    }
    finish(end);
  }

  /// "The code exited with code 0. ": what would otherwise go unsaid where a success lost its output.
  static std::string end_text(run_result const& r) {
    bool const success = r.end == run_result::ending::exited && r.exit_code == 0;
    return success ? "The code exited with code 0. " : "";
  }

  /// Sees to it that the log gets read where it can be. True: wait for it. False: there is no more to be had.
  /// `more_is_known`: the termination message tells of more than was read.
  bool await_log(bool more_is_known = false) {
    switch (o_.log.state) {
      case log_state::progress::following:
        if (await_follower()) return true;
        // A follower that hangs must not cost the output.
        if (o_.log.read_anew || !o_.pod || o_.pod_gone) return false;
        act(read_log{o_.pod->metadata.name});
        return true;
      case log_state::progress::none:
      case log_state::progress::broken:
        if (!o_.pod || o_.pod_gone) return false;
        if (o_.log.broken > 0 && elapsed(o_.known.end_seen.value_or(now_), log_outage_patience)) return false;
        read_log_when_due();
        return true;
      case log_state::progress::ended:
        // The runner's report ends its log. Where that is missing, a proxy, or a kubelet that stopped, may have made an
        // end in order of what broke off.
        if (!more_is_known || !o_.pod || o_.pod_gone) return false;
        if (elapsed(o_.known.end_seen.value_or(now_), log_patience)) return false;
        read_log_when_due();
        return true;
      case log_state::progress::failed:
        return false;
    }
    return false;
  }

  void read_log_when_due() {
    if (now_ < o_.log.not_before) {
      look_again_at(o_.log.not_before);
    } else {
      act(read_log{o_.pod->metadata.name});
    }
  }

  /// A follower gets to the log's end soon after the container's, or never. A second reading ends by itself, and is
  /// repeated.
  bool await_follower() {
    auto const since = o_.known.end_seen.value_or(now_);
    auto const until = since + (o_.log.read_anew ? log_outage_patience : log_patience);
    if (now_ >= until) return false;
    look_again_at(until);
    return true;
  }

  conclusion explain(run_result const& r) const {
    auto const oom = terminated() != nullptr && terminated()->reason == "OOMKilled";
    switch (r.end) {
      case run_result::ending::exited:
        if (r.exit_code == 0) return {api::reasons::completed, "", r, true};
        return {api::reasons::non_zero_exit,
                "The code exited with code " + std::to_string(r.exit_code.value_or(0)) + ".", r, true};
      case run_result::ending::signaled: {
        if (oom && r.signal == 9) return {api::reasons::oom_killed, oom_text(), r, true};
        auto const number = r.signal.value_or(0);
        auto const name = signal_name(number);
        std::string message = "The code was ended by " + name;
        if (name.starts_with("SIG")) message += " (signal " + std::to_string(number) + ")";
        return {api::reasons::signaled, message + ".", r, true};
      }
      case run_result::ending::timed_out:
        return {api::reasons::timed_out, timeout_text(), r, true};
      case run_result::ending::terminated:
        return stopped_from_outside(r);
      case run_result::ending::not_started:
        break;
    }
    switch (r.why) {
      case run_result::refusal::sandbox_unverified:
        return {api::reasons::sandbox_unverified,
                "The code was not started: the pod does not run in gVisor though RuntimeClass \"" +
                    o_.resolved->runtime_class_name + "\" was asked for. Check the node's runtime. (" + r.message + ")",
                r, false};
      case run_result::refusal::command_not_found:
      case run_result::refusal::command_not_executable:
        return {api::reasons::invalid_spec,
                "The image \"" + o_.resolved->image + "\" cannot run \"" + o_.resolved->command.front() +
                    "\" (spec.command, or what spec.language stands for): " + r.message,
                r, false};
      case run_result::refusal::none:
      case run_result::refusal::setup_failed:
        break;
    }
    return {api::reasons::internal_error, "The runner could not start the code: " + r.message, r, false};
  }

  std::string timeout_text() const {
    return "The code did not end within " + seconds_text(o_.resolved->timeout) +
           " (spec.timeoutSeconds) and was stopped; what it wrote until then is kept.";
  }

  std::string oom_text() const {
    auto const& limits = o_.resolved->resources.limits;
    auto const memory = limits.find("memory");
    return "The code used more memory than its limit" +
           (memory == limits.end() ? std::string() : " of " + memory->second) +
           " (spec.resources.limits.memory) and was killed.";
  }

  /// The pod was told to stop while the code ran. `r` where the runner could report.
  conclusion stopped_from_outside(std::optional<run_result> const& r) const {
    if (auto end = verdict()) {
      end->message += " It started at that very moment, and was stopped.";
      end->result = r;
      end->output_known = true;
      return *end;
    }
    bool const any_output = r || (o_.log.frames && o_.log.frames->frames() > 0);
    if (cancelled()) {
      return {api::reasons::cancelled,
              any_output ? "Cancelled (spec.cancel); what the code wrote until then is kept."
                         : "Cancelled (spec.cancel); what the code wrote is lost.",
              r, true};
    }
    if (deadline_exceeded()) {
      // It counts from the Job's start: code that started late had less than its timeout, or the runner kept no time.
      return {api::reasons::timed_out,
              "The code had not ended " + seconds_text(active_deadline(*o_.resolved, with_)) +
                  " after its Job was made (spec.startupTimeoutSeconds, spec.timeoutSeconds and a margin) and was "
                  "stopped; what it wrote until then is " +
                  (any_output ? "kept." : "lost."),
              r, true};
    }
    auto const why = disruption();
    if (!why.empty()) return {api::reasons::evicted, "The pod was taken away while the code ran: " + why, r, true};
    // The log told of the end: there need not be a pod that this process has seen.
    bool const pod_deleted = o_.pod_gone || (o_.pod && o_.pod->metadata.being_deleted());
    bool const deleted = pod_deleted || !job_there() || o_.job->metadata.being_deleted();
    return {api::reasons::evicted,
            std::string("The pod was stopped while the code ran") +
                (deleted ? ": it or its Job was deleted." : "; nothing tells by whom."),
            r, true};
  }

  /// Of a node that says no more: what is known of the code and what it wrote.
  std::string fate_of_output() const {
    if (!code_may_have_run()) return "The code was not seen to start.";
    bool const partly = o_.log.frames && o_.log.frames->frames() > 0;
    return partly ? "What was read of the code's output until then is kept."
                  : "What the code wrote is lost, and whether it came to its end is not known.";
  }

  conclusion lost_with_node() const {
    return {api::reasons::node_lost,
            "The node " + o_.pod->spec.nodeName + " is gone, and the pod with it (" + disruption_or_node_lost() +
                "). " + fate_of_output() + " Create a new CodeExecution to run the code once more.",
            std::nullopt, code_may_have_run()};
  }

  std::string disruption_or_node_lost() const {
    auto const why = disruption();
    return why.empty() ? o_.pod->status.reason : why;
  }

  /// The container ended and its runner could not report: killed, or never run.
  void without_result(std::string const& unreadable) {
    if (await_log()) return;
    auto const& t = *terminated();
    bool const partly = o_.log.frames && o_.log.frames->frames() > 0;
    std::string const kept = partly ? " What it wrote until then is kept." : "";
    if (t.reason == "OOMKilled") {
      finish({api::reasons::oom_killed, oom_text() + kept, std::nullopt, true});
    } else if (verdict() || cancelled() || deadline_exceeded() || !disruption().empty() ||
               o_.pod->metadata.being_deleted()) {
      finish(stopped_from_outside(std::nullopt));
    } else if (t.reason == "StartError" || t.reason == "ContainerCannotRun") {
      finish({api::reasons::internal_error, "The container could not be started: " + t.message, std::nullopt, false});
    } else {
      finish({api::reasons::output_lost,
              "The runner was killed before it could report (the container ended with code " +
                  std::to_string(t.exitCode) + (t.reason.empty() ? "" : ", " + t.reason) + "; " + unreadable + ")." +
                  kept,
              std::nullopt, true});
    }
  }

  conclusion never_started() const {
    if (auto const end = verdict()) return *end;
    if (cancelled()) return not_seen_to_start();
    std::string const why = o_.pod->status.message.empty() ? o_.pod->status.reason : o_.pod->status.message;
    auto const taken = disruption();
    if (!taken.empty())
      return {api::reasons::evicted, "The pod was taken away before the code started: " + taken, std::nullopt, false};
    bool const deleted = o_.pod->metadata.being_deleted();
    if (deadline_exceeded() || (deleted && deadline_is_over())) return not_started_in_time();
    if (deleted) return {api::reasons::evicted, "The pod was deleted before the code started.", std::nullopt, false};
    return {api::reasons::pod_rejected, "The node refused the pod: " + why, std::nullopt, false};
  }

  conclusion not_started_in_time() const {
    return {api::reasons::startup_timed_out,
            "The code had not started when " + seconds_text(o_.resolved->startup_timeout) +
                " (spec.startupTimeoutSeconds) had passed.",
            std::nullopt, false};
  }

  conclusion not_seen_to_start() const {
    bool const never_made = container_ != nullptr && container_->state.terminated && container_->ended() == nullptr;
    return {api::reasons::cancelled,
            o_.known.pod_removed || never_made
                ? "Cancelled before it was started (spec.cancel)."
                : "Cancelled (spec.cancel). The code was not seen to start; had it started, what it wrote is lost.",
            std::nullopt, false};
  }

  /// The Pod is gone and left no result in its status.
  void pod_vanished() {
    if (o_.log.state == log_state::progress::following && await_follower()) return;
    bool const partly = o_.log.frames && o_.log.frames->frames() > 0;
    if (!code_may_have_run()) {
      if (auto const end = verdict()) {
        finish(*end);
      } else if (cancelled()) {
        finish(not_seen_to_start());
      } else if (deadline_is_over()) {
        finish(not_started_in_time());
      } else {
        auto const why = disruption();
        finish({api::reasons::evicted, "The pod was deleted before the code started" + (why.empty() ? "." : ": " + why),
                std::nullopt, false});
      }
      return;
    }
    auto const why = disruption();
    if (node_gone()) {
      finish(lost_with_node());
      return;
    }
    if (verdict() || cancelled() || deadline_exceeded() || !why.empty()) {
      finish(stopped_from_outside(std::nullopt));
      return;
    }
    finish({api::reasons::output_lost,
            std::string("The pod was deleted before its result could be read. ") +
                (partly ? "What was read of its output until then is kept." : "Its output is lost."),
            std::nullopt, true});
  }

  /// No Pod was ever seen, and the Job is gone or says that it has ended.
  bool job_ended_without_pod() {
    if (o_.job_gone) {
      if (!o_.known.pod_ruled_out) {
        act(find_pod{});
        return true;
      }
      finish(stopped_or({api::reasons::output_lost,
                         "The Job was deleted before its result was stored. It is not made again: create a new "
                         "CodeExecution to run the code once more.",
                         std::nullopt, false}));
      return true;
    }
    for (char const* type : {"Complete", "Failed"}) {
      auto const* const c = o_.job->status.condition(type);
      if (c == nullptr || c->status != "True") continue;
      auto const since = base::parse_time(c->lastTransitionTime).value_or(now_ - watch_skew);
      if (!elapsed(since, watch_skew)) {
        look_again_at(since + watch_skew);
        return true;
      }
      // The watch of Pods may lag the one of Jobs by any time: a result must not be given up on its word.
      if (!o_.known.pod_ruled_out) {
        act(find_pod{});
        return true;
      }
      if (deadline_exceeded() && !verdict() && !cancelled()) return false;  // wait_for_start() knows for what it waited
      finish(stopped_or(
          {api::reasons::output_lost,
           "The Job ended and its pod is gone: its output could not be had. (" + c->reason + ": " + c->message + ")",
           std::nullopt, false}));
      return true;
    }
    return false;
  }

  /// Of a pod that nobody has seen: why it was stopped, where it was.
  conclusion stopped_or(conclusion const& otherwise) const {
    if (auto const end = verdict()) return *end;
    return cancelled() ? not_seen_to_start() : otherwise;
  }

  observed const& o_;
  base::wall_time now_;
  config const& with_;
  kube::ContainerStatus const* container_ = nullptr;
  plan plan_;
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

std::string runner_token(kube::Job const* job, kube::Pod const* pod, memory const& known) {
  for (auto const* metadata : {job != nullptr ? &job->metadata : nullptr, pod != nullptr ? &pod->metadata : nullptr}) {
    if (metadata == nullptr) continue;
    auto const found = metadata->annotations.find(std::string(token_annotation));
    if (found != metadata->annotations.end()) return found->second;
  }
  return known.token;
}

plan decide(observed const& seen, base::wall_time now, config const& with) {
  return decider(seen, now, with).run();
}

std::string_view pod_refusal_sentence(std::string_view message) {
  constexpr std::string_view prefix = "Error creating: ";
  if (message.starts_with(prefix)) message.remove_prefix(prefix.size());
  constexpr std::string_view forbidden = "\" is forbidden: ";
  auto const at = message.find(forbidden);
  bool const names_pod = message.starts_with("pods \"") && at != std::string_view::npos;
  return names_pod ? message.substr(at + forbidden.size()) : message;
}

bool is_admission_denial(std::string_view message) {
  bool const by_webhook = contains(message, "admission webhook") && contains(message, "denied the request");
  return by_webhook || (contains(message, "ValidatingAdmissionPolicy") && contains(message, "denied request"));
}

refusal_reading read_pod_refusal(std::string_view message) {
  // Texts of kube-controller-manager and kube-apiserver 1.36.
  if (contains(message, "RuntimeClass") && contains(message, "not found")) {
    return {api::reasons::runtime_class_missing, false};
  }
  if (contains(message, "exceeded quota")) return {api::reasons::quota_exceeded, true};
  if (contains(message, "failed quota") || contains(message, "must specify"))
    return {api::reasons::quota_exceeded, true};
  // A namespace or a quota just made: a controller fills in what is missing.
  if (contains(message, "status unknown for quota")) return {api::reasons::quota_exceeded, true};
  if (contains(message, "error looking up service account") && contains(message, "not found")) {
    return {api::reasons::pod_rejected, true};
  }
  if (contains(message, "violates PodSecurity") || is_admission_denial(message)) {
    return {api::reasons::pod_rejected, false};
  }
  if (contains(message, "is forbidden") || contains(message, "is invalid")) return {api::reasons::pod_rejected, false};
  return {};
}

}  // namespace codeexec::execution
