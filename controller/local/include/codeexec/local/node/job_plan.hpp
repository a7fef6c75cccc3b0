// What the Job controller does next about one Job: from the Job, its Pods and the time to writes. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "codeexec/base/time.hpp"

namespace codeexec::local {

struct job_event {
  bool warning = false;
  std::string reason;
  std::string message;
};

/// One step. Steps follow each other (each looks at the outcome of the one before) until a plan is empty; so a Job that
/// is interrupted between any two goes on where it was.
struct job_plan {
  std::optional<nlohmann::json> status;  ///< the new status, where it changes; written first
  std::vector<std::string> unfinalize;   ///< Pods (names) that lose the tracking finalizer
  std::vector<std::string> remove;       ///< Pods to be deleted, with their grace
  int create = 0;                        ///< Pods to be made
  std::vector<job_event> events;         ///< for the status that is written
  std::optional<base::wall_time> again;  ///< look again then, whatever happens
  bool delete_job = false;               ///< ttlSecondsAfterFinished has passed

  bool empty() const { return !status && unfinalize.empty() && remove.empty() && create == 0 && !delete_job; }
};

inline constexpr char job_tracking_finalizer[] = "batch.kubernetes.io/job-tracking";

/// `pods`: those whose controller owner is the Job, in any order.
job_plan plan_job(nlohmann::json const& job, std::vector<nlohmann::json const*> const& pods, base::wall_time now);

/// The Pod that the Job's template describes; its name is made of generateName.
nlohmann::json make_job_pod(nlohmann::json const& job);

/// True once the Job has a Complete or Failed condition.
bool job_finished(nlohmann::json const& job);

}  // namespace codeexec::local
