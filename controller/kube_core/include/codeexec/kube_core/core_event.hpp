// Events as the cluster's controllers write them: the only place where the Job controller says why no Pod came
// (quota, admission, a missing RuntimeClass).
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <variant>

#include "codeexec/api/json.hpp"
#include "codeexec/api/meta.hpp"
#include "codeexec/base/time.hpp"

namespace codeexec::kube {

struct ObjectReference {
  std::string apiVersion;
  std::string kind;
  std::string namespace_;  ///< "namespace" on the wire
  std::string name;
  std::string uid;
};

/// An Event in the spelling of core/v1. Read from events.k8s.io/v1 too, where the same things have other names
/// (regarding, note, deprecatedCount, series).
struct CoreEvent {
  api::ObjectMeta metadata;
  ObjectReference involvedObject;
  std::string type;  ///< "Normal" or "Warning"
  std::string reason;
  std::string message;
  std::int64_t count = 0;  ///< how often it happened; 1 where the writer did not count
  std::optional<base::wall_time> firstTimestamp;
  std::optional<base::wall_time> lastTimestamp;
  std::optional<base::wall_time> eventTime;
  std::string reportingComponent;  ///< "job-controller", "default-scheduler", "kubelet"

  bool is_warning() const { return type == "Warning"; }
  /// The newest time that the event names.
  std::optional<base::wall_time> last_seen() const;
};

/// Unknown fields are ignored, null is absent, a field of the wrong type is an error that names it.
std::variant<CoreEvent, api::decode_error> decode_core_event(nlohmann::json const& object);

}  // namespace codeexec::kube
