// What the operator's cache keeps of the objects it watches: what decisions are made from, and no more.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <variant>

#include "codeexec/api/json.hpp"
#include "codeexec/kube_core/projection.hpp"

namespace codeexec::reconciler {

/// What the informers ask for: of metadata neither managedFields nor annotations of Pods, and of executions only those
/// of their trace; of labels
/// only the one that leads from a Pod to its execution. A Pod has six more, which cost as much as its status.
kube::projection const& execution_fields();
kube::projection const& job_fields();
kube::projection const& pod_fields();

/// As api::decode_code_execution(), but a finished one comes without its code, files, input and output: its result
/// stands, so that nothing reads them, and they are nearly all of its size. One whose newest generation is seen as well
/// (observedGeneration) is not written again as it is: of it only what cleaning up goes by is kept, a few hundred bytes
/// beside the structs themselves. A cluster keeps finished executions for days, and each may hold a megabyte.
std::variant<api::CodeExecution, api::decode_error> decode_cached_execution(nlohmann::json const& object);

}  // namespace codeexec::reconciler
