#include "witness.hpp"

namespace codeexec::simulation {
namespace {

std::string text_at(json const& object, char const* field) {
  auto const found = object.find(field);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// A status without the generation that it was last held against, which alone may move on after the end.
json result_of(json status) {
  status.erase("observedGeneration");
  if (status.contains("conditions")) {
    for (auto& condition : status["conditions"])
      condition.erase("observedGeneration");
  }
  return status;
}

/// Reasons that say that the code never ran.
bool says_not_run(std::string const& reason) {
  static std::set<std::string> const reasons{"StartupTimedOut", "ImagePullFailed",     "Unschedulable",
                                             "QuotaExceeded",   "RuntimeClassMissing", "PodRejected",
                                             "InvalidSpec",     "PolicyViolation",     "SourceMissing"};
  return reasons.contains(reason);
}

}  // namespace

bool is_final(json const& status) {
  auto const phase = text_at(status, "phase");
  return phase == "Succeeded" || phase == "Failed";
}

void witness::violated(std::string const& what) {
  violations_.push_back("at " + std::to_string(static_cast<double>(time_.now().count()) / 1e6) + " s: " + what);
}

void witness::job_made(std::string const& uid) {
  auto& t = of(uid);
  ++t.jobs;
  if (t.jobs > 1 && one_job_only && !t.job_forgotten) violated(t.name + ": another Job was made for it");
}

/// The input is the starting signal: a second Job that is sent one runs the code again, if the first had a pod.
void witness::input_made(std::string const& uid, std::string const& job_uid) {
  auto& t = of(uid);
  t.jobs_with_input.insert(job_uid);
  if (t.jobs_with_input.size() > 1 && !t.job_forgotten) violated(t.name + ": another Job was sent the input");
}

void witness::deletion_asked(std::string const& uid) {
  auto& asked = of(uid).deletion_asked;
  if (!asked) asked = time_.now();
}

void witness::code_started(std::string const& uid) {
  auto& t = of(uid);
  ++t.runs;
  t.running = true;
  t.started = time_.now();
  if (t.runs > 1) violated(t.name + ": the code was run again");
  if (t.result)
    violated(t.name + ": the code was started after the result (" + text_at(*t.result, "reason") + ") was written");
  // Of two operators that do not know of each other one may let go while the other starts it: still one run.
  if (t.deleted && one_job_only) violated(t.name + ": the code was started after the execution was gone");
}

void witness::execution_changed(json const* before, json const& after) {
  auto& t = of(after["metadata"]["uid"].get_ref<std::string const&>());
  t.name = after["metadata"]["name"];
  if (after["spec"].value("cancel", false)) t.cancel_asked = true;
  static json const none = json::object();
  auto const find_status = [](json const& object) -> json const& {
    auto const found = object.find("status");
    return found == object.end() ? none : *found;
  };
  json const& status = find_status(after);
  if (before != nullptr) {
    json const& old = find_status(*before);
    if (is_final(old)) {
      if (result_of(status) != result_of(old))
        violated(t.name + ": its result was changed from " + old.dump() + " to " + status.dump());
      return;
    }
  }
  bool const has_output = status.contains("stdout") || status.contains("stderr") || status.contains("output");
  if (!is_final(status)) {
    t.waited_for = text_at(status, "reason");
    if (has_output) violated(t.name + ": output before the end: " + status.dump());
    return;
  }
  t.result = status;
  judge(t, status);
}

void witness::execution_gone(json const& last) {
  auto& t = of(last["metadata"]["uid"].get_ref<std::string const&>());
  t.deleted = true;
  if (t.running && one_job_only && !t.disasters.contains("node lost")) violated(t.name + ": its code runs on");
  if (!t.deletion_asked) return;
  auto const since = std::max(*t.deletion_asked, operator_since);
  if (time_.now() - since > longest_deletion) {
    violated(t.name + ": its deletion took " + std::to_string((time_.now() - since) / 1s) + " s");
  }
}

/// Is the final status what really happened?
void witness::judge(truth const& t, json const& status) {
  auto const reason = text_at(status, "reason");
  auto const message = text_at(status, "message");
  auto const wrong = [&](std::string const& why) {
    violated(t.name + ": the result is not what happened, " + why + " (" + reason + ": " + message +
             "); the code was run " + std::to_string(t.runs) + " times, end '" + t.end + "', status " + status.dump());
  };
  bool const unharmed = t.disasters.empty();
  bool const unseen = may_miss_a_run || t.disasters.contains("node lost");
  auto const out = text_at(status, "stdout");
  bool const whole = out == t.out && text_at(status, "stderr") == t.err;

  if (reason == "Completed" || reason == "NonZeroExit") {
    bool const right = t.runs >= 1 && t.end == "exited" && (t.exit_code == 0) == (reason == "Completed");
    if (!right) wrong("the code did not end so");
    if (!whole && unharmed) wrong("output is missing");
  }
  if (reason == "TimedOut" && t.end != "timedOut" && t.end != "terminated") wrong("the code did not time out");
  if (reason == "Signaled" && t.end != "signaled") wrong("no signal ended the code");
  if (reason == "OOMKilled" && !t.disasters.contains("out of memory")) wrong("there was memory enough");
  if (status.contains("exitCode")) {
    if (t.end != "exited" || status["exitCode"] != t.exit_code) wrong("the exit code is wrong");
  }
  if (!t.out.starts_with(out) && out.find("[codeexec: ") == std::string::npos) wrong("this is not what the code wrote");
  if (reason == "Cancelled") {
    if (!t.cancel_asked) wrong("nobody cancelled it");
    bool const says_before = message.find("before") != std::string::npos;
    if (says_before && t.runs > 0 && !unseen) wrong("the code had been started");
    if (t.runs > 0 && unharmed && t.reported && !whole) wrong("output is missing");
  }
  bool const admits = message.find("and was stopped") != std::string::npos;
  // Decided before the pod was told to stop, and found by a successor: the start may have come in between.
  bool const in_doubt = operator_died && t.waited_for == reason && message.find("cannot be told") != std::string::npos;
  if (says_not_run(reason) && t.runs > 0 && !admits && !unseen && !in_doubt) wrong("the code had been started");
  // What was stopped before it was seen to start keeps what it wrote all the same.
  if ((admits || in_doubt) && t.runs > 0 && unharmed && t.reported && !whole) wrong("output is missing");
  if ((reason == "OutputLost" || reason == "NodeLost" || reason == "Evicted" || reason == "InternalError") &&
      unharmed) {
    wrong("nothing was lost");
  }
  if (t.runs == 1 && t.running && unharmed && one_job_only && reason != "InternalError") wrong("the code still runs");
}

}  // namespace codeexec::simulation
