#include "codeexec/local/node/job_plan.hpp"

#include <algorithm>
#include <chrono>
#include <set>

#include "codeexec/local/object.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;
using std::chrono::seconds;

// kube-controller-manager: DefaultJobPodFailureBackOff and MaxJobPodFailureBackOff.
constexpr seconds first_failure_backoff{10};
constexpr seconds max_failure_backoff{600};

json const* find_condition(json const& status, std::string const& type) {
  auto const& all = at_path(status, "conditions");
  if (all.is_array()) {
    for (auto const& one : all) {
      if (string_at(one, "type") == type && string_at(one, "status") == "True") {
        return &one;
      }
    }
  }
  return nullptr;
}

json make_condition(std::string const& type, std::string const& reason, std::string const& message, base::wall_time now,
                    std::string const& status = "True") {
  return json{{"type", type},
              {"status", status},
              {"lastProbeTime", base::format_time(now)},
              {"lastTransitionTime", base::format_time(now)},
              {"reason", reason},
              {"message", message}};
}

void set_condition(json& status, json condition) {
  auto& all = status["conditions"];
  if (!all.is_array()) {
    all = json::array();
  }
  for (auto& one : all) {
    if (one.value("type", "") == condition["type"]) {
      if (one.value("status", "") != condition["status"]) {
        one = std::move(condition);
      }
      return;
    }
  }
  all.push_back(std::move(condition));
}

void drop_condition(json& status, std::string const& type) {
  auto& all = status["conditions"];
  if (all.is_array()) {
    all.erase(std::remove_if(all.begin(), all.end(), [&](json const& c) { return c.value("type", "") == type; }),
              all.end());
  }
  if (all.empty()) {
    status.erase("conditions");
  }
}

bool has_finalizer(json const& pod) {
  auto const& all = at_path(pod, "metadata.finalizers");
  return all.is_array() && std::find(all.begin(), all.end(), job_tracking_finalizer) != all.end();
}

bool being_deleted(json const& object) {
  return at_path(object, "metadata.deletionTimestamp").is_string();
}

bool is_ready(json const& pod) {
  auto const* const ready = find_condition(at_path(pod, "status"), "Ready");
  return ready != nullptr;
}

std::set<std::string> uncounted(json const& status, char const* which) {
  std::set<std::string> out;
  auto const& all = at_path(at_path(status, "uncountedTerminatedPods"), which);
  if (all.is_array()) {
    for (auto const& uid : all) {
      if (uid.is_string()) {
        out.insert(uid.get<std::string>());
      }
    }
  }
  return out;
}

void set_count(json& status, char const* name, std::int64_t value) {
  if (value == 0) {
    status.erase(name);
  } else {
    status[name] = value;
  }
}

struct pod_counts {
  int active = 0;
  int ready = 0;
  int terminating = 0;
  std::vector<json const*> active_pods;
};

}  // namespace

bool job_finished(json const& job) {
  auto const& status = at_path(job, "status");
  return find_condition(status, "Complete") != nullptr || find_condition(status, "Failed") != nullptr;
}

job_plan plan_job(json const& job, std::vector<json const*> const& pods, base::wall_time now) {
  job_plan plan;
  auto const& before = at_path(job, "status");
  json status = before.is_object() ? before : json::object();

  if (job_finished(job)) {
    for (auto const* const pod : pods) {
      if (has_finalizer(*pod)) {
        plan.unfinalize.push_back(string_at(*pod, "metadata.name"));
      }
    }
    auto const ttl = integer_at(job, "spec.ttlSecondsAfterFinished");
    if (ttl && !being_deleted(job)) {
      auto const* const end = find_condition(before, "Complete") != nullptr ? find_condition(before, "Complete")
                                                                            : find_condition(before, "Failed");
      auto const finished = base::parse_time(string_at(*end, "lastTransitionTime")).value_or(now);
      auto const due = finished + seconds(*ttl);
      if (now >= due) {
        plan.delete_job = true;
      } else {
        plan.again = due;
      }
    }
    return plan;
  }
  if (being_deleted(job)) {
    for (auto const* const pod : pods) {
      if (has_finalizer(*pod)) {
        plan.unfinalize.push_back(string_at(*pod, "metadata.name"));
      }
    }
    return plan;
  }

  bool const suspended = at_path(job, "spec.suspend") == json(true);
  auto const parallelism = integer_at(job, "spec.parallelism").value_or(1);
  auto const completions = integer_at(job, "spec.completions").value_or(1);
  auto const backoff_limit = integer_at(job, "spec.backoffLimit").value_or(6);

  pod_counts counts;
  auto succeeded = uncounted(status, "succeeded");
  auto failed = uncounted(status, "failed");
  std::optional<base::wall_time> last_failure;
  // What was announced as uncounted and has lost its finalizer since is counted now.
  auto done_succeeded = integer_at(status, "succeeded").value_or(0);
  auto done_failed = integer_at(status, "failed").value_or(0);
  std::set<std::string> tracked;
  for (auto const* const pod : pods) {
    if (has_finalizer(*pod)) {
      tracked.insert(string_at(*pod, "metadata.uid"));
    }
  }
  auto const settle = [&](std::set<std::string>& which, std::int64_t& count) {
    for (auto it = which.begin(); it != which.end();) {
      if (tracked.count(*it) == 0) {
        ++count;
        it = which.erase(it);
      } else {
        ++it;
      }
    }
  };
  settle(succeeded, done_succeeded);
  settle(failed, done_failed);

  for (auto const* const pod : pods) {
    auto const uid = string_at(*pod, "metadata.uid");
    auto const phase = string_at(*pod, "status.phase");
    bool const ended = phase == "Succeeded" || phase == "Failed";
    if (being_deleted(*pod) && !ended) {
      ++counts.terminating;
    }
    if (phase == "Failed" && at_path(*pod, "status.containerStatuses").is_array()) {
      for (auto const& container : at_path(*pod, "status.containerStatuses")) {
        auto const at = base::parse_time(string_at(container, "state.terminated.finishedAt"));
        last_failure = at ? std::max(last_failure.value_or(*at), *at) : last_failure;
      }
    }
    if (!ended && !being_deleted(*pod)) {
      ++counts.active;
      counts.ready += is_ready(*pod) ? 1 : 0;
      counts.active_pods.push_back(pod);
      continue;
    }
    if (tracked.count(uid) == 0) {
      continue;
    }
    // Ended, or on its way: from now on it is the Job's outcome, and the finalizer holds it until that is written.
    bool const announced = succeeded.count(uid) + failed.count(uid) > 0;
    if (!announced) {
      (phase == "Succeeded" ? succeeded : failed).insert(uid);
    }
    if (announced || suspended) {
      plan.unfinalize.push_back(string_at(*pod, "metadata.name"));
    }
  }

  auto const total_failed = done_failed + static_cast<std::int64_t>(failed.size());
  auto const total_succeeded = done_succeeded + static_cast<std::int64_t>(succeeded.size());

  if (suspended) {
    // Pods that suspending deletes are not failures.
    failed.clear();
    for (auto const* const pod : counts.active_pods) {
      plan.remove.push_back(string_at(*pod, "metadata.name"));
      counts.active = 0;
      counts.ready = 0;
    }
    if (find_condition(status, "Suspended") == nullptr) {
      set_condition(status, make_condition("Suspended", "JobSuspended", "Job suspended", now));
      plan.events.push_back(job_event{false, "Suspended", "Job suspended"});
    }
    status.erase("startTime");
  } else {
    if (find_condition(status, "Suspended") != nullptr) {
      drop_condition(status, "Suspended");
      set_condition(status, make_condition("Suspended", "JobResumed", "Job resumed", now, "False"));
      plan.events.push_back(job_event{false, "Resumed", "Job resumed"});
    }
    if (!status.contains("startTime")) {
      status["startTime"] = base::format_time(now);
    }
  }

  auto const* target = find_condition(status, "FailureTarget");
  auto const deadline = integer_at(job, "spec.activeDeadlineSeconds");
  bool const met = find_condition(status, "SuccessCriteriaMet") != nullptr;
  if (target == nullptr && !met && !suspended) {
    if (deadline) {
      auto const started = base::parse_time(status["startTime"].get<std::string>()).value_or(now);
      auto const due = started + seconds(*deadline);
      if (now >= due) {
        set_condition(status, make_condition("FailureTarget", "DeadlineExceeded",
                                             "Job was active longer than specified deadline", now));
      } else {
        plan.again = due;
      }
    }
    if (find_condition(status, "FailureTarget") == nullptr && total_failed > backoff_limit) {
      set_condition(status, make_condition("FailureTarget", "BackoffLimitExceeded",
                                           "Job has reached the specified backoff limit", now));
    }
    if (find_condition(status, "FailureTarget") == nullptr && total_succeeded >= completions) {
      set_condition(status, make_condition("SuccessCriteriaMet", "CompletionsReached",
                                           "Reached expected number of succeeded pods", now));
    }
    target = find_condition(status, "FailureTarget");
  }

  bool const deciding = target != nullptr || find_condition(status, "SuccessCriteriaMet") != nullptr;
  if (deciding) {
    // Whatever still runs is no longer wanted; its fate is the Job's.
    for (auto const* const pod : counts.active_pods) {
      plan.remove.push_back(string_at(*pod, "metadata.name"));
      ++counts.terminating;
      failed.insert(string_at(*pod, "metadata.uid"));
    }
    counts.active = 0;
    counts.ready = 0;
  } else if (!suspended) {
    auto const wanted = std::min(parallelism, completions - total_succeeded) - counts.active;
    if (wanted > 0) {
      bool wait = false;
      if (total_failed > 0 && last_failure) {
        auto delay = first_failure_backoff;
        for (std::int64_t i = 1; i < total_failed && delay < max_failure_backoff; ++i) {
          delay *= 2;
        }
        auto const due = *last_failure + std::min(delay, max_failure_backoff);
        wait = now < due;
        if (wait) {
          plan.again = std::min(plan.again.value_or(due), due);
        }
      }
      plan.create = wait ? 0 : static_cast<int>(wanted);
    }
  }

  set_count(status, "active", counts.active);
  set_count(status, "succeeded", done_succeeded);
  set_count(status, "failed", done_failed);
  status["ready"] = counts.ready;
  status["terminating"] = counts.terminating;
  json open = json::object();
  if (!succeeded.empty()) {
    open["succeeded"] = succeeded;
  }
  if (!failed.empty()) {
    open["failed"] = failed;
  }
  status["uncountedTerminatedPods"] = open;

  // The end is said once every Pod is counted and none is on its way out any more: only then is the outcome final. It
  // is a write of its own after the one that counts.
  bool const just_ended = integer_at(before, "terminating").value_or(0) > 0;
  if (deciding && open.empty() && counts.active == 0 && counts.terminating == 0 && !just_ended) {
    if (target != nullptr) {
      auto const reason = string_at(*target, "reason");
      auto const message = string_at(*target, "message");
      set_condition(status, make_condition("Failed", reason, message, now));
      plan.events.push_back(job_event{true, reason, message});
    } else {
      set_condition(status,
                    make_condition("Complete", "CompletionsReached", "Reached expected number of succeeded pods", now));
      status["completionTime"] = base::format_time(now);
      plan.events.push_back(job_event{false, "Completed", "Job completed"});
    }
  }
  if (status != before) {
    plan.status = std::move(status);
  }
  return plan;
}

json make_job_pod(json const& job) {
  auto const name = string_at(job, "metadata.name");
  auto const& pod_template = at_path(job, "spec.template");
  json metadata = json::object();
  for (char const* const field : {"labels", "annotations"}) {
    auto const& value = at_path(at_path(pod_template, "metadata"), field);
    if (value.is_object()) {
      metadata[field] = value;
    }
  }
  auto const uid = string_at(job, "metadata.uid");
  // The API server writes these into the template; a Job restored from elsewhere may lack them.
  for (auto const& [label, value] : {std::pair<char const*, std::string>("batch.kubernetes.io/controller-uid", uid),
                                     std::pair<char const*, std::string>("batch.kubernetes.io/job-name", name),
                                     std::pair<char const*, std::string>("controller-uid", uid),
                                     std::pair<char const*, std::string>("job-name", name)}) {
    metadata["labels"][label] = value;
  }
  metadata["namespace"] = string_at(job, "metadata.namespace");
  metadata["generateName"] = name.substr(0, 57) + "-";
  metadata["finalizers"] = json::array({job_tracking_finalizer});
  metadata["ownerReferences"] = json::array({json{{"apiVersion", "batch/v1"},
                                                  {"kind", "Job"},
                                                  {"name", name},
                                                  {"uid", uid},
                                                  {"controller", true},
                                                  {"blockOwnerDeletion", true}}});
  return json{{"apiVersion", "v1"},
              {"kind", "Pod"},
              {"metadata", std::move(metadata)},
              {"spec", at_path(pod_template, "spec")}};
}

}  // namespace codeexec::local
