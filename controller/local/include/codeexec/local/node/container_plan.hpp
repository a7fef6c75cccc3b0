// From a Pod's container, its image and the ConfigMaps it names to what the runtime is asked to run. Pure.
#pragma once

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

/// args, env, user, mounts and limits of a container; id, root and work_dir are the caller's. The failure is the
/// message of CreateContainerConfigError, in the kubelet's words. Volumes that cannot be mounted were found by
/// check_volumes().
base::result<container_spec> plan_container(nlohmann::json const& pod, nlohmann::json const& container,
                                            image_config const& image, config_map_lookup const& find_config_map,
                                            volume_places const& places, std::string const& node_name);

/// One file of a configMap volume.
struct projected_file {
  std::string path;  ///< relative, may be nested
  std::string bytes;
  unsigned mode = 0644;
};

/// The files of a configMap volume. The failure is what follows `MountVolume.SetUp failed for volume "x" : `.
base::result<std::vector<projected_file>> project_config_map(nlohmann::json const& volume,
                                                             config_map_lookup const& find_config_map);

/// True where the emptyDir can be the sandbox's own tmpfs, which alone enforces a size: one container mounts it, once,
/// whole.
bool is_private_empty_dir(nlohmann::json const& pod, std::string const& volume);

}  // namespace codeexec::local
