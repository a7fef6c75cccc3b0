// The operator's configuration: what `--config FILE` may say, and what holds where it says nothing.
//
// The file is YAML; config/operator.yaml is the same content as the defaults here, with every key commented. Unknown
// keys and wrong types are errors that name line and column.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/base/result.hpp"

namespace codeexec::execution {

/// How a language is run: `command... /workspace/<file> args...` in `image`. One entry under `runtimes`.
struct runtime {
  std::string image;
  std::vector<std::string> command;
  std::string file;                   ///< the name the code gets in /workspace
  std::vector<api::EnvVar> env = {};  ///< set before the execution's own, which win
};

/// What an execution gets that does not say otherwise. Under `defaults`.
struct execution_defaults {
  std::string language = "python";
  std::chrono::seconds timeout{api::limits::default_timeout_seconds};                  ///< timeoutSeconds
  std::chrono::seconds startup_timeout{api::limits::default_startup_timeout_seconds};  ///< startupTimeoutSeconds
  /// Each quantity that an execution names replaces the one here; the others stay.
  api::ResourceRequirements resources{
      {{"cpu", "200m"}, {"memory", "256Mi"}},
      {{"cpu", "500m"}, {"memory", "512Mi"}, {"ephemeral-storage", "1Gi"}},
  };
  std::string runtime_class_name = "gvisor";  ///< runtimeClassName; empty: the cluster's default runtime
  std::string network = "Deny";
  std::int64_t max_output_bytes = api::limits::default_output_bytes;  ///< output.maxBytes, per stream
  std::string cleanup_policy = "Delete";                              ///< cleanupPolicy
};

struct config {
  std::map<std::string, runtime> runtimes = built_in_runtimes();
  execution_defaults defaults;

  bool require_sandbox = true;  ///< requireSandbox: the code is not started where the runner does not see gVisor
  std::chrono::seconds grace_period{5};  ///< gracePeriodSeconds: between SIGTERM and SIGKILL
  /// maxProcesses: RLIMIT_NPROC of the code; 0 leaves it alone. Set only with require_sandbox: gVisor counts per
  /// sandbox, while a bare node counts every pod of the same user together.
  std::int64_t max_processes = 256;
  std::string workspace_size_limit = "1Gi";       ///< workspaceSizeLimit: of the emptyDir /workspace
  std::string tmp_size_limit = "256Mi";           ///< tmpSizeLimit: of the emptyDir /tmp
  bool user_namespaces = false;                   ///< userNamespaces: hostUsers: false on the pods
  std::chrono::seconds job_ttl{86400};            ///< jobTTLSeconds: the last net, where the operator is gone for good
  std::chrono::milliseconds status_settle{1000};  ///< statusSettleMillis: how long a state lasts before it is written
  int max_log_followers = 100;                    ///< maxLogFollowers: logs followed at the same time

  /// python, bash, node, ruby and perl.
  static std::map<std::string, runtime> built_in_runtimes();
};

/// Reads the YAML text of a configuration file. Runtimes in it replace the built-in one of the same name (null removes
/// it); everything else replaces the default. The error is one line: "line 3, column 5: runtimes.python.imgae: unknown
/// key (known: command, env, file, image)".
base::result<config> parse_config(std::string_view yaml);

}  // namespace codeexec::execution
