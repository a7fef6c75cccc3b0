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
  auto metadata = read_metadata(object);
  if (auto* const failure = std::get_if<api::decode_error>(&metadata)) return std::move(*failure);
  Job job;
  job.metadata = std::move(std::get<api::ObjectMeta>(metadata));

  std::optional<api::decode_error> failure;
  field_reader root(object, "", failure);
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
  if (failure) return std::move(*failure);
  return job;
}

}  // namespace codeexec::kube
