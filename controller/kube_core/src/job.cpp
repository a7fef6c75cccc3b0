#include "codeexec/kube_core/job.hpp"

#include "field_reader.hpp"

namespace codeexec::kube {
namespace {
bool is_true(api::Condition const* condition) {
  return condition != nullptr && condition->status == "True";
}
}  // namespace

api::Condition const* JobStatus::condition(std::string_view type) const {
  return find_condition(conditions, type);
}

bool JobStatus::is_complete() const {
  return is_true(condition("Complete"));
}

bool JobStatus::has_failed() const {
  return is_true(condition("Failed"));
}

std::variant<Job, api::decode_error> decode_job(nlohmann::json const& object) {
  return decode_object<Job>(object, [](field_reader& root, Job& job) {
    root.object("spec", [&](field_reader& spec) {
      spec.read("suspend", job.spec.suspend);
      spec.read("activeDeadlineSeconds", job.spec.activeDeadlineSeconds);
    });
    root.object("status", [&](field_reader& status) {
      status.read("active", job.status.active);
      status.read("succeeded", job.status.succeeded);
      status.read("failed", job.status.failed);
      status.read("terminating", job.status.terminating);
      status.read("startTime", job.status.startTime);
      status.read("completionTime", job.status.completionTime);
      read_conditions(status, job.status.conditions);
    });
  });
}

projection const& job_fields() {
  // Annotations too: ours say what a Job was made for, and nobody else writes many.
  static projection const kept = [] {
    auto metadata = kept_metadata();
    metadata.below.emplace_back("annotations");
    return projection{
        std::move(metadata),
        {"spec", {"suspend", "activeDeadlineSeconds"}},
        {"status", {"active", "succeeded", "failed", "terminating", "startTime", "completionTime", kept_conditions()}}};
  }();
  return kept;
}

}  // namespace codeexec::kube
