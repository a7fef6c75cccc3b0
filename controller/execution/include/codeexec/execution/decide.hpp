// What to do next about one CodeExecution, decided from what is known of it: no I/O, no clock, no memory of its own.
//
// The order of an execution's life, and why it is this one:
//
//   finalizer -> Job -> input ConfigMap -> (the pod runs) -> status, final -> Job deleted -> ... -> finalizer removed
//
// The Job is the claim: its name is deterministic, so that two operators, or one that was killed in between, make one.
// The ConfigMap is owned by the Job and is the starting signal: a pod without it cannot start. So it goes with the Job,
// whoever deletes that, and a Job that lost its operator before the signal has run nothing.
// A Job that was there and is gone is never made again. Where no status tells of it, its pod, its Events or its input
// do: they are looked for before a Job is made for an execution that somebody else accepted.
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/base/result.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/execution/admission_queue.hpp"
#include "codeexec/execution/build.hpp"
#include "codeexec/execution/config.hpp"
#include "codeexec/execution/log_frames.hpp"
#include "codeexec/execution/source.hpp"
#include "codeexec/kube_core/job.hpp"
#include "codeexec/kube_core/pod.hpp"

namespace codeexec::execution {

/// What became of reading the container's log.
struct log_state {
  enum class progress {
    none,       ///< never tried, or the try may be repeated
    following,  ///< a follower is at it
    broken,     ///< the follower lost the stream; the log is read once more at the end
    ended,      ///< read to an end in order; to its own where the result frame was there
    failed,     ///< cannot be had (any more): `failure` says why
  };
  progress state = progress::none;
  std::string failure;
  std::shared_ptr<log_capture const> frames;  ///< null where nothing was read; otherwise also what broke off
  int broken = 0;                             ///< readings that broke off
  bool read_anew = false;                     ///< a reading of what there is is under way, or was
  base::wall_time not_before{};               ///< of the next reading
};

/// The API server would not make the Job or the ConfigMap, and said why.
struct refusal {
  enum class kind {
    invalid,
    forbidden,
    denied,  ///< by somebody's admission: a webhook, a ValidatingAdmissionPolicy
    quota,
    name_taken,
  };
  kind what = kind::forbidden;
  std::string message;
  base::wall_time at{};
};

/// What tells of a Job that a predecessor made and that is gone before anything of it was written down.
struct job_traces {
  bool any = false;    ///< an Event about it, which outlives it, or its input, which the garbage collector takes later
  bool blind = false;  ///< the Events may not be read
  std::optional<base::wall_time> claimed;  ///< when the finalizer was put, as the object itself tells
  base::wall_time looked{};                ///< when all had answered
  base::wall_time began{};                 ///< before the first of them was asked for
};

/// What this process knows of an execution beyond the objects. Losing it (a restart) costs a request or two, never a
/// result and never a second run.
struct memory {
  base::wall_time accepted{};     ///< the startup clock's zero: first seen, and not suspended
  std::string token;              ///< for the runner, should this process make the Job
  std::string runner_config_map;  ///< name of the runner's ConfigMap
  /// When this process asked for the finalizer: a claim, since the request named the version that it was made against.
  std::optional<base::wall_time> claimed;
  /// spec.suspend was seen to be true, and it turns but once: nobody can have made a Job before that.
  bool seen_suspended = false;
  std::optional<job_traces> traces;
  bool job_tried = false;    ///< a Job's creation was asked for, and the answer may have been lost
  bool job_adopted = false;  ///< the Job was found, not made
  /// The newest state was read after the Job was made, and the execution had not ended: nobody else ran it.
  bool confirmed = false;
  bool another_job = false;                       ///< found then: a Job before this one, whose code may have run
  std::optional<std::string> job_made;            ///< uid of the Job that this process made
  bool job_shown = false;                         ///< this process has written a status that names the Job, or tried to
  std::optional<base::wall_time> runner_checked;  ///< when its ConfigMap was last known to stand in the namespace
  std::optional<base::wall_time> network_checked;  ///< the same of the NetworkPolicy
  source_state source;                             ///< where spec.codeFrom names the code
  bool job_ruled_out = false;                      ///< the server was asked and has no Job of the name
  bool pod_ruled_out = false;                      ///< the server was asked and has no Pod of the Job
  std::optional<base::wall_time> pod_asked;        ///< when the server last said which Pod there is, or that none is
  std::optional<base::wall_time> job_created;
  bool input_ready = false;                      ///< the input ConfigMap was made, or found to be ours
  std::optional<base::wall_time> job_deleted;    ///< when this process asked for it
  std::optional<base::wall_time> pod_end_tried;  ///< when this process first tried to have the node end the Pod
  std::optional<base::wall_time> pod_ended;      ///< when the node was told
  bool pod_end_refused = false;                  ///< it may not, or the server does not do it
  bool pod_removed = false;                      ///< deleted while no node had it: its code has not run, and never will
  std::optional<refusal> refused;                ///< of the Job's or the ConfigMap's creation
  std::string pod_refusal;                       ///< why the Job controller cannot make the pod: its Event's sentence
  std::optional<base::wall_time> events_read;
  std::optional<base::wall_time> events_turn;  ///< of many that ask at once: when this one may
  std::optional<base::wall_time> result_seen;  ///< the result frame came
  std::optional<base::wall_time> end_seen;     ///< the container was seen terminated, or its pod gone

  /// What the object takes in the store without its status, annotations and managedFields included: from the answer to
  /// the newest write or read of it. The cache keeps too little of it to tell.
  std::optional<std::size_t> object_bytes;
  int status_refusals = 0;  ///< how often a status was refused for its size: each time less output is kept

  /// The state that would be shown, and since when; what lasts less than `status_settle` is never written.
  std::string shown_phase;
  std::string shown_reason;
  std::string shown_message;
  base::wall_time shown_since{};
  /// Of the place in the queue that the status shows: which, and since when. 0: not written by this process.
  std::size_t shown_position = 0;
  std::optional<base::wall_time> position_since;
};

/// Everything that decide() looks at.
struct observed {
  api::CodeExecution object;  ///< with the newest status that this process knows of
  base::result<resolved_spec> resolved = base::error("not resolved");
  std::shared_ptr<kube::Job const> job;  ///< as last seen
  bool job_gone = false;                 ///< there was one, and it is no more
  std::shared_ptr<kube::Pod const> pod;  ///< the Job's newest, as last seen
  bool pod_gone = false;
  log_state log;
  memory known;
  admission queue;  ///< whether it may be started, as far as the bounds on how many run are concerned
};

// Actions, in the order in which they must be done. Each is safe to repeat.
struct add_finalizer {};
/// The runner's ConfigMap must stand in the namespace, with the right content; a look not older than `max_age` will do.
struct ensure_runner {
  std::chrono::seconds max_age;
};
/// The NetworkPolicy that network: Deny rests on must stand in the namespace; a look not older than `max_age` will do.
struct ensure_network {
  std::chrono::seconds max_age;
};
/// Ask the server for the ConfigMap that spec.codeFrom names.
struct read_code_source {
  bool only_hash = false;
};
struct create_job {
  nlohmann::json object;
};
struct create_input {
  nlohmann::json object;
  std::string sha256;
};
/// Ask the server for the Job: it should be there, or must be known not to be.
struct find_job {};
/// Read the CodeExecution itself, past every cache, and what is left of Jobs before this one: has another operator
/// brought it to its end meanwhile, or begun to?
struct confirm_unfinished {};
/// Ask the server for the Job's Pod: the Job has ended, or is to be stopped, and the watch may be behind.
struct find_pod {};
/// Ask the server for what is left of a Job that may have been: since when, its Events, its input.
struct look_for_traces {};
/// Ask for the Job's Events: why is there no pod?
struct read_job_events {};
struct follow_log {
  std::string pod;
};
struct read_log {
  std::string pod;
};
/// Lets the node end this very Pod (spec.activeDeadlineSeconds) as its deletion would, with SIGTERM and its grace
/// period. But the Pod stays with its log and its status, for whoever comes to store the result.
struct end_pod {
  std::string pod;
  std::string uid;
};
/// This very Pod, in this very state: one that no node has. The API server gives a Pod that is being deleted to none.
struct delete_pod {
  std::string pod;
  std::string uid;
  std::string resource_version;
};
/// Background propagation, this very Job only.
struct delete_job {
  std::string uid;
};
struct remove_finalizer {};
/// The CodeExecution itself: its ttlSecondsAfterFinished has passed.
struct delete_execution {};

using action = std::variant<add_finalizer, ensure_runner, ensure_network, read_code_source, create_job, create_input,
                            find_job, confirm_unfinished, find_pod, look_for_traces, read_job_events, follow_log,
                            read_log, end_pod, delete_pod, delete_job, remove_finalizer, delete_execution>;

struct plan {
  std::vector<action> actions;
  /// To be written after the actions, in one patch. Absent where what stands is right, or not worth a write yet.
  std::optional<api::CodeExecutionStatus> status;
  /// Look again then, though nothing may have happened.
  std::optional<std::chrono::milliseconds> requeue_after;
  // To be remembered for the next call.
  std::string shown_phase;
  std::string shown_reason;
  std::string shown_message;
  base::wall_time shown_since{};
  std::size_t shown_position = 0;
  std::optional<base::wall_time> position_since;
};

/// What the runner was given, by whomever: its word alone is a result. As the Job tells, or its Pod where that is gone.
std::string runner_token(kube::Job const* job, kube::Pod const* pod, memory const& known);

plan decide(observed const& seen, base::wall_time now, config const& with);

/// Reads the Job controller's FailedCreate sentence: the reason that it stands for, empty where waiting may help and
/// nothing is known; and whether waiting may help.
struct refusal_reading {
  std::string_view reason;
  bool may_heal = true;
};
/// Whether the API server refused in the name of a webhook or a ValidatingAdmissionPolicy. Its code tells nothing: they
/// choose it.
bool is_admission_denial(std::string_view message);
refusal_reading read_pod_refusal(std::string_view message);
/// The sentence without what changes from try to try (the name of the pod that was not made).
std::string_view pod_refusal_sentence(std::string_view message);

}  // namespace codeexec::execution
