// What the operator's cache keeps of the objects it watches: what decisions are made from, and no more.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <variant>

#include "codeexec/api/json.hpp"
#include "codeexec/kube_core/projection.hpp"

namespace codeexec::reconciler {

/// What the informers ask for: of metadata neither managedFields nor annotations of Pods, and of executions only those
/// of their trace; of labels only the one that leads from a Pod to its execution, of conditions those that decide()
/// reads. A Pod has six more labels and four more conditions, which cost as much as the rest of its status.
kube::projection const& execution_fields();
kube::projection const& job_fields();
kube::projection const& pod_fields();
/// Of a finished execution decode_cached_execution() reads no more than this.
kube::lighter_state finished_execution();

/// What is read of the answer to a write of ours: the spec that it repeats is known, but for what may have changed.
kube::projection const& answer_fields();

/// As api::decode_code_execution(), but a finished one comes without its code, files, input and output: its result
/// stands, so that nothing reads them, and they are nearly all of its size. One whose newest generation is seen as well
/// (observedGeneration) is not written again as it is: of it only what cleaning up goes by is kept, a few hundred bytes
/// beside the structs themselves. A cluster keeps finished executions for days, and each may hold a megabyte.
std::variant<api::CodeExecution, api::decode_error> decode_cached_execution(nlohmann::json const& object);

}  // namespace codeexec::reconciler
