// The OCI runtime configuration that runsc reads, and runsc's command line. Pure.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/local/node/container_runtime.hpp"

namespace codeexec::local {

/// config.json of a bundle (OCI runtime specification 1.0.2).
nlohmann::json oci_config(container_spec const& spec);

/// What this runsc can do, as its start-up test found out.
struct runsc_features {
  std::string version;            ///< "0.0~20221219.0"
  std::string platform;           ///< "systrap", "ptrace"
  bool exclusive_mounts = false;  ///< --file-access-mounts
  bool overlay2 = false;          ///< --overlay2
};

/// From `runsc --version` and `runsc flags`; the platform is left empty.
runsc_features parse_runsc_features(std::string_view version_output, std::string_view flags_output);

/// The flags before the subcommand, for any call about this container.
std::vector<std::string> runsc_global_flags(runsc_features const& features, std::filesystem::path const& state_root);
/// The whole command line that runs it: state, log and pid file are in the container's work_dir.
std::vector<std::string> runsc_run_command(runsc_features const& features, container_spec const& spec);

}  // namespace codeexec::local
