// A Pod's status from what the node knows, in the kubelet's order and words. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "codeexec/base/time.hpp"

namespace codeexec::local {

struct container_facts {
  enum class state { waiting, running, terminated };
  state now = state::waiting;
  std::string reason = "ContainerCreating";  ///< waiting and terminated
  std::string message;                       ///< waiting and terminated
  int exit_code = 0;
  std::optional<base::wall_time>
      started_at;  ///< absent with terminated: it never ran (1970 in the status, as the kubelet has it)
  std::optional<base::wall_time> finished_at;
  std::string image;  ///< as written until it is found, then canonical
  std::string image_id;
  bool ready = true;         ///< as its readiness probe says, while it runs
  bool begun = true;         ///< false: its startup probe has not been answered well yet
  int restarts = 0;          ///< how often it was started again
  nlohmann::json last;       ///< the state in which its last run ended; null: there was none
  std::string container_id;  ///< "containerd://<64 hex>"; empty before it was made
};

struct pod_facts {
  std::string host_ip = "127.0.0.1";
  std::string pod_ip;                         ///< empty before the sandbox has one
  std::optional<base::wall_time> start_time;  ///< when the node took it
  bool sandbox_ready = false;                 ///< PodReadyToStartContainers
  bool expired = false;                       ///< spec.activeDeadlineSeconds have passed
  bool settled =
      false;  ///< everything of it is cleared away: only then may the phase say how it ended, as the kubelet does it
  std::vector<container_facts> containers;  ///< in the order of spec.containers
};

/// What the kubelet says of a container that is not there when its pod has ended: lost, or never made. The latter has
/// neither an id nor an image.
constexpr char const* status_unknown = "ContainerStatusUnknown";
/// What it says of a Pod that was ended for its spec.activeDeadlineSeconds.
constexpr char const* past_deadline = "Pod was active on the node longer than the specified deadline";

/// {"terminated": {...}}, as a status shows it.
nlohmann::json container_state(container_facts const& facts);

/// The new status. Conditions that do not change keep their time. `pod` has the present one.
nlohmann::json compute_pod_status(nlohmann::json const& pod, pod_facts const& facts, base::wall_time now);

/// "Pending", "Running", "Succeeded", "Failed".
std::string pod_phase(pod_facts const& facts);

/// Whether a container that has ended is started again.
bool restarts_always(nlohmann::json const& pod);

}  // namespace codeexec::local
