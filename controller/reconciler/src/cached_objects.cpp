#include "codeexec/reconciler/cached_objects.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "codeexec/api/names.hpp"
#include "codeexec/execution/build.hpp"
#include "codeexec/kube_core/job.hpp"
#include "codeexec/kube_core/pod.hpp"

namespace codeexec::reconciler {

namespace {

kube::kept_field& field(kube::projection& in, std::string_view name) {
  return *std::find_if(in.begin(), in.end(), [name](kube::kept_field const& one) { return one.name == name; });
}

/// Of the labels only `label`; without one, none.
kube::projection with_label(kube::projection fields, char const* label) {
  auto& metadata = field(fields, "metadata").below;
  if (label != nullptr) {
    field(metadata, "labels").below = {label};
  } else {
    std::erase_if(metadata, [](kube::kept_field const& one) { return one.name == "labels"; });
  }
  return fields;
}

/// Of the conditions in the status those of `types`.
kube::projection with_conditions(kube::projection fields, std::vector<std::string_view> types) {
  field(field(fields, "status").below, "conditions").types = std::move(types);
  return fields;
}

/// Nobody will write its status again before a newer generation comes, and then as a new state.
bool is_seen(api::CodeExecution const& e) {
  return e.status.observedGeneration == e.metadata.generation && !e.metadata.being_deleted();
}

api::CodeExecution what_cleaning_up_needs(api::CodeExecution from) {
  api::CodeExecution kept;
  kept.metadata = std::move(from.metadata);
  kept.metadata.annotations.clear();
  kept.spec.cleanupPolicy = std::move(from.spec.cleanupPolicy);
  kept.spec.ttlSecondsAfterFinished = from.spec.ttlSecondsAfterFinished;
  kept.spec.cancel = from.spec.cancel;
  kept.spec.suspend = from.spec.suspend;
  kept.status.observedGeneration = from.status.observedGeneration;
  kept.status.phase = std::move(from.status.phase);
  kept.status.reason = std::move(from.status.reason);
  if (kept.spec.ttlSecondsAfterFinished && from.status.timeline)
    kept.status.timeline.emplace().captured = std::move(from.status.timeline->captured);
  return kept;
}

}  // namespace

kube::projection const& execution_fields() {
  static auto const kept = [] {
    auto fields = with_label({kube::kept_metadata(), "spec", "status"}, nullptr);
    field(fields, "metadata")
        .below.push_back({"annotations", {api::annotations::traceparent.data(), api::annotations::tracestate.data()}});
    return fields;
  }();
  return kept;
}

kube::lighter_state finished_execution() {
  auto fields = execution_fields();
  field(fields, "spec").below = {"cleanupPolicy", "ttlSecondsAfterFinished", "cancel", "suspend"};
  // All that a status is written with again once its object has a newer generation.
  field(fields, "status").below = {"observedGeneration",      "phase", "reason", "message", "jobName", "conditions",
                                   {"timeline", {"captured"}}};
  return {{"status", "phase"}, {api::phases::succeeded, api::phases::failed}, std::move(fields)};
}

kube::projection const& answer_fields() {
  static auto const kept = [] {
    auto fields = execution_fields();
    field(fields, "spec").below = {"cancel"};
    return fields;
  }();
  return kept;
}

kube::projection const& job_fields() {
  static auto const kept =
      with_conditions(with_label(kube::job_fields(), nullptr), {"Complete", "Failed", "FailureTarget"});
  return kept;
}

kube::projection const& pod_fields() {
  static auto const kept = [] {
    auto fields = with_conditions(with_label(kube::pod_fields(), api::labels::execution_uid.data()),
                                  {"PodScheduled", "DisruptionTarget"});
    field(fields, "metadata").below.push_back({"annotations", {execution::token_annotation.data()}});
    return fields;
  }();
  return kept;
}

std::variant<api::CodeExecution, api::decode_error> decode_cached_execution(nlohmann::json const& object) {
  auto decoded = api::decode_code_execution(object);
  auto* const execution = std::get_if<api::CodeExecution>(&decoded);
  if (execution == nullptr || !execution->status.is_final()) return decoded;
  if (is_seen(*execution)) return what_cleaning_up_needs(std::move(*execution));
  execution->spec.code.reset();
  execution->spec.files.clear();
  execution->spec.files.shrink_to_fit();
  execution->spec.stdin_.reset();
  execution->status.stdout_.reset();
  execution->status.stderr_.reset();
  return decoded;
}

}  // namespace codeexec::reconciler
