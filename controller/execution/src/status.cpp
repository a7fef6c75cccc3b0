#include "codeexec/execution/status.hpp"

#include <algorithm>
#include <array>

#include "codeexec/api/duration.hpp"
#include "codeexec/api/json.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/base/encoding.hpp"
#include "codeexec/kube_core/stored_size.hpp"

namespace codeexec::execution {
namespace {

using api::CodeExecutionStatus;
using api::Condition;

/// What one condition is to be; an absent one is removed.
void set_condition(CodeExecutionStatus& status, std::string_view type, std::optional<std::string_view> value,
                   base::wall_time now) {
  auto const found = std::find_if(status.conditions.begin(), status.conditions.end(),
                                  [&](Condition const& c) { return c.type == type; });
  if (!value) {
    if (found != status.conditions.end()) status.conditions.erase(found);
    return;
  }
  Condition condition;
  condition.type = type;
  condition.status = *value;
  condition.observedGeneration = status.observedGeneration;
  condition.reason = status.reason;
  condition.message = status.message;
  condition.lastTransitionTime = base::format_time(now);
  if (found == status.conditions.end()) {
    status.conditions.push_back(std::move(condition));
    return;
  }
  if (found->status == condition.status) condition.lastTransitionTime = found->lastTransitionTime;
  *found = std::move(condition);
}

/// After kstatus: Reconciling while work is under way, Stalled when it ended badly, both absent otherwise. Complete and
/// Failed are Job's own words.
void set_conditions(CodeExecutionStatus& status, base::wall_time now) {
  bool const succeeded = status.phase == api::phases::succeeded;
  bool const failed = status.phase == api::phases::failed;
  std::optional<std::string_view> const yes = "True";
  std::optional<std::string_view> const absent;
  set_condition(status, api::conditions::ready, succeeded ? "True" : "False", now);
  set_condition(status, api::conditions::reconciling, succeeded || failed ? absent : yes, now);
  set_condition(status, api::conditions::stalled, failed ? yes : absent, now);
  set_condition(status, api::conditions::complete, succeeded ? yes : absent, now);
  set_condition(status, api::conditions::failed, failed ? yes : absent, now);
}

/// Names, places and times that the Job and the Pod tell, whatever the phase.
std::string image_of(observed const& seen) {
  if (seen.pod) {
    for (auto const& one : seen.pod->spec.containers) {
      if (one.name == container_name && !one.image.empty()) return one.image;
    }
  }
  if (seen.job && !seen.object.status.image.empty()) return seen.object.status.image;
  return seen.resolved ? seen.resolved->image : std::string();
}

std::string runtime_class_of(observed const& seen) {
  if (seen.pod && !seen.pod->spec.runtimeClassName.empty()) return seen.pod->spec.runtimeClassName;
  return seen.resolved ? seen.resolved->runtime_class_name : std::string();
}

/// The server tells whole seconds. A Job that is older than the acceptance by more than that was made by a predecessor,
/// who had accepted it by then and died before it could say so.
void note_job_created(api::Timeline& timeline, base::wall_time created) {
  auto const accepted = base::parse_time(timeline.accepted);
  if (accepted && created < *accepted) {
    if (*accepted - created < std::chrono::seconds(1)) {
      created = *accepted;
    } else {
      timeline.accepted = base::format_micro_time(created);
    }
  }
  timeline.jobCreated = base::format_micro_time(created);
}

void fill_in(CodeExecutionStatus& status, observed const& seen) {
  status.observedGeneration = seen.object.metadata.generation;
  auto timeline = status.timeline.value_or(api::Timeline{});
  if (timeline.accepted.empty()) timeline.accepted = base::format_micro_time(seen.known.accepted);
  if (status.codeSHA256.empty()) status.codeSHA256 = seen.known.source.sha256;
  if (seen.job) {
    status.jobName = seen.job->metadata.name;
    auto const hash = seen.job->metadata.annotations.find(std::string(code_annotation));
    if (hash != seen.job->metadata.annotations.end()) status.codeSHA256 = hash->second;
    if (timeline.jobCreated.empty()) {
      auto const created =
          seen.known.job_created ? seen.known.job_created : base::parse_time(seen.job->metadata.creationTimestamp);
      if (created) note_job_created(timeline, *created);
    }
  }
  if (seen.pod) {
    status.podName = seen.pod->metadata.name;
    status.nodeName = seen.pod->spec.nodeName;
    auto const* const scheduled = seen.pod->status.condition("PodScheduled");
    if (timeline.podScheduled.empty() && scheduled != nullptr && scheduled->status == "True") {
      auto const at = base::parse_time(scheduled->lastTransitionTime);
      if (at) timeline.podScheduled = base::format_micro_time(*at);
    }
    auto const* const container = seen.pod->status.container(container_name);
    if (container != nullptr && !container->imageID.empty()) status.imageID = container->imageID;
  }
  // What runs was decided when it began: the configuration may have changed since.
  if (auto const ran = image_of(seen); !ran.empty()) status.image = ran;
  status.timeline = std::move(timeline);
}

/// What nobody told us of the object, where it was never read whole: annotations, managedFields.
constexpr std::size_t unknown_metadata = 240 * 1024;
/// Even then the output has a chance: where it does not fit, the API server says so, and less is kept.
constexpr std::size_t least_output_json = 32 * 1024;

/// For both streams together, in JSON.
std::size_t output_budget(observed const& seen) {
  std::size_t rest = 0;
  std::size_t least = 0;
  if (seen.known.object_bytes) {
    rest = *seen.known.object_bytes + reserved_for_status;
  } else {
    auto object = seen.object;
    object.status = CodeExecutionStatus{};
    rest = kube::stored_length(api::encode(object)) + reserved_for_status + unknown_metadata;
    least = least_output_json;
  }
  auto const room = rest < kube::max_stored_bytes ? kube::max_stored_bytes - rest : 0;
  // Somebody's bound is lower than the one we know: an eighth of it, then an eighth of that.
  return std::max(room, least) >> std::min(3 * seen.known.status_refusals, 20);
}

std::optional<api::OmittedOutput> omitted(stream_text const& shown) {
  if (!shown.marker) return std::nullopt;
  auto const number = [](auto count) { return static_cast<std::int64_t>(count); };
  return api::OmittedOutput{number(shown.marker->omitted), number(shown.marker->offset), number(shown.marker->length)};
}

void set_output(CodeExecutionStatus& status, observed const& seen, conclusion const& end) {
  auto const& result = end.result;
  bool const from_frames = seen.log.frames != nullptr;
  bool const inline_output = result && result->has_output();
  if (!inline_output && !from_frames && !end.output_known) return;

  auto const limit = static_cast<std::size_t>(seen.resolved ? seen.resolved->max_output_bytes
                                                            : std::int64_t{api::limits::default_output_bytes});
  stream_capture const nothing(limit);
  auto const render_one = [&](bool is_out, std::size_t budget) {
    auto const* const name = is_out ? "stdout" : "stderr";
    if (inline_output) return render(is_out ? *result->stdout_text : *result->stderr_text, name, limit, budget);
    auto const& frames = seen.log.frames;
    auto const& captured = !from_frames ? nothing : is_out ? frames->out() : frames->err();
    auto const counted = !result ? captured.total() : is_out ? result->stdout_bytes : result->stderr_bytes;
    return render(captured, name, counted, budget, from_frames && frames->result());
  };
  // Each stream alone may fill the room; where both together do not fit, neither is left with less than half.
  auto const room = output_budget(seen);
  auto out = render_one(true, room);
  auto err = render_one(false, room);
  auto const out_length = kube::json_length(out.text);
  auto const err_length = kube::json_length(err.text);
  auto const [for_out, for_err] = share(room, out_length, err_length);
  if (out_length > for_out) out = render_one(true, for_out);
  if (err_length > for_err) err = render_one(false, for_err);

  api::OutputStatus totals;
  if (result) {
    totals.stdoutBytes = static_cast<std::int64_t>(result->stdout_bytes);
    totals.stderrBytes = static_cast<std::int64_t>(result->stderr_bytes);
  } else if (from_frames) {
    totals.stdoutBytes = static_cast<std::int64_t>(seen.log.frames->out().total());
    totals.stderrBytes = static_cast<std::int64_t>(seen.log.frames->err().total());
  }
  totals.stdoutTruncated = out.marker.has_value();
  totals.stderrTruncated = err.marker.has_value();
  totals.stdoutOmitted = omitted(out);
  totals.stderrOmitted = omitted(err);
  status.stdout_ = std::move(out.text);
  status.stderr_ = std::move(err.text);
  status.output = totals;
}

}  // namespace

std::string bounded_message(std::string_view message) {
  constexpr std::string_view more = " ...";
  if (kube::json_length(message) <= max_message_json) return std::string(message);
  return std::string(fitting_start(message, max_message_json - more.size())) += more;
}

CodeExecutionStatus make_progress_status(observed const& seen, std::string_view phase, std::string_view reason,
                                         std::string_view message, base::wall_time now) {
  CodeExecutionStatus status = seen.object.status;
  status.phase = phase;
  status.reason = reason;
  status.message = bounded_message(message);
  fill_in(status, seen);
  // The runner tells at the end when the code began; until then the kubelet says when the container did, to the second.
  status.startTime.clear();
  auto const* const container = seen.pod ? seen.pod->status.container(container_name) : nullptr;
  bool const runs = phase == api::phases::running && container != nullptr && container->state.running;
  if (runs && container->state.running->startedAt)
    status.startTime = base::format_micro_time(*container->state.running->startedAt);
  set_conditions(status, now);
  return status;
}

CodeExecutionStatus make_final_status(observed const& seen, conclusion const& end, base::wall_time now) {
  CodeExecutionStatus status = seen.object.status;
  status.phase = end.reason == api::reasons::completed ? api::phases::succeeded : api::phases::failed;
  status.reason = end.reason;
  status.message = bounded_message(end.message);
  fill_in(status, seen);

  auto& timeline = *status.timeline;
  timeline.captured = base::format_micro_time(now);
  if (end.result) {
    auto const& r = *end.result;
    if (r.exit_code && r.end != run_result::ending::not_started) status.exitCode = *r.exit_code;
    if (r.signal) status.signal = *r.signal;
    status.startTime.clear();
    if (r.started_at) {
      timeline.codeStarted = base::format_micro_time(*r.started_at);
      status.startTime = timeline.codeStarted;
    }
    if (r.finished_at) {
      timeline.codeFinished = base::format_micro_time(*r.finished_at);
      status.completionTime = timeline.codeFinished;
    }
    if (r.end != run_result::ending::not_started) {
      status.usage = api::Usage{r.wall_millis, r.cpu_millis, r.max_rss_bytes};
      status.duration = api::format_duration(r.wall_millis);
    }
    status.sandbox = api::SandboxStatus{runtime_class_of(seen), r.gvisor};
  } else if (seen.pod) {
    // Without the runner's word the kubelet's has to do; its clock counts whole seconds.
    auto const* const container = seen.pod->status.container(container_name);
    auto const* const terminated = container != nullptr ? container->ended() : nullptr;
    if (terminated != nullptr && terminated->startedAt && terminated->finishedAt) {
      status.startTime = base::format_micro_time(*terminated->startedAt);
      status.completionTime = base::format_micro_time(*terminated->finishedAt);
    }
  }
  if (seen.object.spec.code) status.codeSHA256 = base::sha256_hex(*seen.object.spec.code);
  set_output(status, seen, end);
  set_conditions(status, now);
  return status;
}

CodeExecutionStatus make_seen_status(api::CodeExecution const& finished) {
  CodeExecutionStatus status = finished.status;
  status.observedGeneration = finished.metadata.generation;
  for (auto& condition : status.conditions)
    condition.observedGeneration = status.observedGeneration;
  return status;
}

std::string signal_name(int number) {
  struct name {
    int number;
    char const* text;
  };
  // Linux's numbers, which are the same on every architecture that we run on.
  static constexpr std::array names{name{1, "SIGHUP"},   name{2, "SIGINT"},   name{3, "SIGQUIT"},  name{4, "SIGILL"},
                                    name{5, "SIGTRAP"},  name{6, "SIGABRT"},  name{7, "SIGBUS"},   name{8, "SIGFPE"},
                                    name{9, "SIGKILL"},  name{10, "SIGUSR1"}, name{11, "SIGSEGV"}, name{12, "SIGUSR2"},
                                    name{13, "SIGPIPE"}, name{14, "SIGALRM"}, name{15, "SIGTERM"}, name{24, "SIGXCPU"},
                                    name{25, "SIGXFSZ"}, name{31, "SIGSYS"}};
  for (auto const& known : names) {
    if (known.number == number) return known.text;
  }
  return "signal " + std::to_string(number);
}

nlohmann::json make_merge_patch(nlohmann::json const& from, nlohmann::json const& to) {
  if (!from.is_object() || !to.is_object()) return to;
  nlohmann::json patch = nlohmann::json::object();
  for (auto const& [key, value] : from.items()) {
    if (!to.contains(key)) patch[key] = nullptr;
  }
  for (auto const& [key, value] : to.items()) {
    auto const before = from.find(key);
    if (before == from.end()) {
      patch[key] = value;
    } else if (*before != value) {
      patch[key] = make_merge_patch(*before, value);
    }
  }
  return patch;
}

}  // namespace codeexec::execution
