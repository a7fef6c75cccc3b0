#include "codeexec/reconciler/cached_objects.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

#include "codeexec/api/names.hpp"
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

}  // namespace

kube::projection const& execution_fields() {
  static auto const kept = with_label({kube::kept_metadata(), "spec", "status"}, nullptr);
  return kept;
}

kube::projection const& job_fields() {
  static auto const kept = with_label(kube::job_fields(), nullptr);
  return kept;
}

kube::projection const& pod_fields() {
  static auto const kept = with_label(kube::pod_fields(), api::labels::execution_uid.data());
  return kept;
}

std::variant<api::CodeExecution, api::decode_error> decode_cached_execution(nlohmann::json const& object) {
  auto decoded = api::decode_code_execution(object);
  auto* const execution = std::get_if<api::CodeExecution>(&decoded);
  if (execution == nullptr || !execution->status.is_final()) return decoded;
  execution->spec.code.reset();
  execution->spec.files.clear();
  execution->spec.files.shrink_to_fit();
  execution->spec.stdin_.reset();
  execution->status.stdout_.reset();
  execution->status.stderr_.reset();
  return decoded;
}

}  // namespace codeexec::reconciler
