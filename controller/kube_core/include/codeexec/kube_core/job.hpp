// The few fields of a Job that say how an execution fares. Spelled as the API spells them; absent is not the default.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "codeexec/api/json.hpp"
#include "codeexec/api/meta.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/kube_core/projection.hpp"

namespace codeexec::kube {

struct JobSpec {
  bool suspend = false;
  std::optional<std::int64_t> activeDeadlineSeconds;
};

struct JobStatus {
  std::int64_t active = 0;
  std::int64_t succeeded = 0;
  std::int64_t failed = 0;
  std::int64_t terminating = 0;
  std::optional<base::wall_time> startTime;
  std::optional<base::wall_time> completionTime;
  /// "Complete" and "Failed" are the ends; "SuccessCriteriaMet" and "FailureTarget" come before them, while Pods still
  /// terminate.
  std::vector<api::Condition> conditions;

  /// Null where there is none of that type.
  api::Condition const* condition(std::string_view type) const;
  bool is_complete() const;  ///< condition Complete is True
  bool has_failed() const;   ///< condition Failed is True
};

struct Job {
  api::ObjectMeta metadata;
  JobSpec spec;
  JobStatus status;
};

/// Unknown fields are ignored, null is absent, a field of the wrong type is an error that names it.
std::variant<Job, api::decode_error> decode_job(nlohmann::json const& object);

/// What decode_job() reads, and no more.
projection const& job_fields();

}  // namespace codeexec::kube
