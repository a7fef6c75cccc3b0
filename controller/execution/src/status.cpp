#include "codeexec/execution/status.hpp"

#include <algorithm>
#include <array>

#include "codeexec/api/duration.hpp"
#include "codeexec/api/json.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/base/encoding.hpp"

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
void fill_in(CodeExecutionStatus& status, observed const& seen) {
  status.observedGeneration = seen.object.metadata.generation;
  auto timeline = status.timeline.value_or(api::Timeline{});
  if (timeline.accepted.empty()) timeline.accepted = base::format_micro_time(seen.known.accepted);
  if (seen.job) {
    status.jobName = seen.job->metadata.name;
    if (timeline.jobCreated.empty()) {
      auto const created =
          seen.known.job_created ? seen.known.job_created : base::parse_time(seen.job->metadata.creationTimestamp);
      if (created) timeline.jobCreated = base::format_micro_time(*created);
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
  if (seen.resolved) status.image = seen.resolved->image;
  status.timeline = std::move(timeline);
}

/// What one status write may take: etcd refuses 1.5 MiB, and managedFields, which we never see, want room too.
constexpr std::size_t max_object_json = 1'300'000;
constexpr std::size_t min_stream_json = 16 * 1024;

std::size_t output_budget(observed const& seen) {
  auto object = seen.object;
  object.status = CodeExecutionStatus{};
  auto const rest = json_length(api::encode(object).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  auto const room = rest < max_object_json ? (max_object_json - rest) / 2 : 0;
  // Somebody's bound is lower than the one we know: an eighth of it, then an eighth of that.
  return std::max(room, min_stream_json) >> std::min(3 * seen.known.status_refusals, 20);
}

void set_output(CodeExecutionStatus& status, observed const& seen, conclusion const& end) {
  auto const& result = end.result;
  bool const from_frames = seen.log.frames != nullptr;
  bool const inline_output = result && result->has_output();
  if (!inline_output && !from_frames && !end.output_known) return;

  std::size_t const budget = output_budget(seen);
  auto const limit = static_cast<std::size_t>(seen.resolved ? seen.resolved->max_output_bytes
                                                            : std::int64_t{api::limits::default_output_bytes});
  stream_text out;
  stream_text err;
  api::OutputStatus totals;
  if (inline_output) {
    out = render(*result->stdout_text, "stdout", limit, budget);
    err = render(*result->stderr_text, "stderr", limit, budget);
  } else if (from_frames) {
    auto const& frames = *seen.log.frames;
    out = render(frames.out(), "stdout", result ? result->stdout_bytes : frames.out().total(), budget);
    err = render(frames.err(), "stderr", result ? result->stderr_bytes : frames.err().total(), budget);
  } else if (result) {
    stream_capture const nothing(limit);
    out = render(nothing, "stdout", result->stdout_bytes, budget);
    err = render(nothing, "stderr", result->stderr_bytes, budget);
  }
  if (result) {
    totals.stdoutBytes = static_cast<std::int64_t>(result->stdout_bytes);
    totals.stderrBytes = static_cast<std::int64_t>(result->stderr_bytes);
  } else if (from_frames) {
    totals.stdoutBytes = static_cast<std::int64_t>(seen.log.frames->out().total());
    totals.stderrBytes = static_cast<std::int64_t>(seen.log.frames->err().total());
  }
  totals.stdoutTruncated = out.truncated;
  totals.stderrTruncated = err.truncated;
  status.stdout_ = std::move(out.text);
  status.stderr_ = std::move(err.text);
  status.output = totals;
}

}  // namespace

CodeExecutionStatus make_progress_status(observed const& seen, std::string_view phase, std::string_view reason,
                                         std::string_view message, base::wall_time now) {
  CodeExecutionStatus status = seen.object.status;
  status.phase = phase;
  status.reason = reason;
  status.message = message;
  fill_in(status, seen);
  set_conditions(status, now);
  return status;
}

CodeExecutionStatus make_final_status(observed const& seen, conclusion const& end, base::wall_time now) {
  CodeExecutionStatus status = seen.object.status;
  status.phase = end.reason == api::reasons::completed ? api::phases::succeeded : api::phases::failed;
  status.reason = end.reason;
  status.message = end.message;
  fill_in(status, seen);

  auto& timeline = *status.timeline;
  timeline.captured = base::format_micro_time(now);
  if (end.result) {
    auto const& r = *end.result;
    if (r.exit_code && r.end != run_result::ending::not_started) status.exitCode = *r.exit_code;
    if (r.signal) status.signal = *r.signal;
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
    status.sandbox = api::SandboxStatus{seen.resolved ? seen.resolved->runtime_class_name : "", r.gvisor};
  } else if (seen.pod) {
    // Without the runner's word the kubelet's has to do; its clock counts whole seconds.
    auto const* const container = seen.pod->status.container(container_name);
    auto const* const terminated =
        container != nullptr && container->state.terminated ? &*container->state.terminated : nullptr;
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
