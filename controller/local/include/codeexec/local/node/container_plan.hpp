// From a Pod's container, its image and the ConfigMaps it names to what the runtime is asked to run. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "codeexec/base/result.hpp"
#include "codeexec/local/node/container_runtime.hpp"
#include "codeexec/local/node/images.hpp"

namespace codeexec::local {

/// The object of that name in the Pod's namespace; null where there is none.
using config_map_lookup = std::function<nlohmann::json const*(std::string const& name)>;

/// Where the kubelet put a Pod's volumes on the host.
struct volume_places {
  /// Folder of the volume, for those that are one (configMap; emptyDir that is mounted more than once).
  std::function<std::filesystem::path(std::string const& volume)> folder;
  std::filesystem::path termination_log;
};

/// What the downward API tells besides the Pod itself, and where the API server is for a pod that can reach it.
struct pod_surroundings {
  std::string node_name;
  std::string pod_ip = "127.0.0.1";
  std::string api_host;  ///< empty: it cannot
  unsigned short api_port = 0;

  pod_surroundings(std::string node) : node_name(std::move(node)) {}
  pod_surroundings(char const* node) : node_name(node) {}
};

/// args, env, user, mounts and limits of a container; id, root and work_dir are the caller's. The failure is the
/// message of CreateContainerConfigError, in the kubelet's words. Volumes that cannot be mounted were found by
/// check_volumes().
base::result<container_spec> plan_container(nlohmann::json const& pod, nlohmann::json const& container,
                                            image_config const& image, config_map_lookup const& find_config_map,
                                            volume_places const& places, pod_surroundings const& around);

/// One file of a configMap volume.
struct projected_file {
  std::string path;  ///< relative, may be nested
  std::string bytes;
  unsigned mode = 0644;
  bool secret = false;  ///< a token: for the container's user alone
};

/// The files of a configMap volume. The failure is what follows `MountVolume.SetUp failed for volume "x" : `.
base::result<std::vector<projected_file>> project_config_map(nlohmann::json const& volume,
                                                             config_map_lookup const& find_config_map);

/// The files of a projected or downwardAPI volume. `token`: a token of the Pod's account, good for so many seconds.
/// `around`: for fields of the Pod.
using token_source = std::function<base::result<std::string>(std::int64_t seconds)>;
base::result<std::vector<projected_file>> project_volume(nlohmann::json const& pod, nlohmann::json const& volume,
                                                         config_map_lookup const& find_config_map,
                                                         token_source const& token, pod_surroundings const& around);
/// The shortest life of a token in the Pod's volumes; nothing where there is none.
std::optional<std::chrono::seconds> shortest_token_life(nlohmann::json const& pod);

/// True where the emptyDir can be the sandbox's own tmpfs, which alone enforces a size: one container mounts it, once,
/// whole.
bool is_private_empty_dir(nlohmann::json const& pod, std::string const& volume);

}  // namespace codeexec::local
