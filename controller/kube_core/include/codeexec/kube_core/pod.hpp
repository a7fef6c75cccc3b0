// The few fields of a Pod that say how an execution fares. Spelled as the API spells them; absent is not the default.
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

struct ContainerStateWaiting {
  std::string reason;  ///< "ContainerCreating", "ErrImagePull", "ImagePullBackOff", "CreateContainerConfigError", ...
  std::string message;
};

struct ContainerStateRunning {
  std::optional<base::wall_time> startedAt;
};

struct ContainerStateTerminated {
  std::int64_t exitCode = 0;
  std::int64_t signal = 0;  ///< containerd leaves it 0 and reports 128 + n as the exit code
  std::string reason;       ///< "Completed", "Error", "OOMKilled", "ContainerCannotRun", "StartError", ...
  std::string message;      ///< the termination message, at most 4096 bytes
  std::optional<base::wall_time> startedAt;
  std::optional<base::wall_time> finishedAt;
};

/// At most one of the three is there.
struct ContainerState {
  std::optional<ContainerStateWaiting> waiting;
  std::optional<ContainerStateRunning> running;
  std::optional<ContainerStateTerminated> terminated;
};

struct ContainerStatus {
  std::string name;
  std::string image;
  std::string imageID;
  std::int64_t restartCount = 0;
  ContainerState state;

  /// How it ended; null where it has not, and where there never was one: of a pod that ends before its containers are
  /// made the kubelet says "terminated" as well (ContainerStatusUnknown, code 137, without an image and without times).
  ContainerStateTerminated const* ended() const;
};

struct ContainerSpec {
  std::string name;
  std::string image;  ///< as it was asked for; the status has the runtime's name of it
};

struct PodSpec {
  std::string nodeName;  ///< empty until scheduled
  std::string runtimeClassName;
  std::vector<ContainerSpec> containers;
};

struct PodStatus {
  std::string phase;   ///< "Pending", "Running", "Succeeded", "Failed", "Unknown"; follows `terminated` by about 1 s
  std::string reason;  ///< "Evicted", "NodeLost", "DeadlineExceeded", ...
  std::string message;
  std::optional<base::wall_time> startTime;
  std::vector<api::Condition> conditions;
  std::vector<ContainerStatus> containerStatuses;

  /// Null where there is none of that type.
  api::Condition const* condition(std::string_view type) const;
  ContainerStatus const* container(std::string_view name) const;
};

struct Pod {
  api::ObjectMeta metadata;
  PodSpec spec;
  PodStatus status;
};

/// Unknown fields are ignored, null is absent, a field of the wrong type is an error that names it.
std::variant<Pod, api::decode_error> decode_pod(nlohmann::json const& object);

/// What decode_pod() reads, and no more.
projection const& pod_fields();

}  // namespace codeexec::kube
