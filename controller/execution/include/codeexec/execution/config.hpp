// The operator's configuration: what `--config FILE` may say, and what holds where it says nothing.
//
// The file is YAML; config/operator.yaml is the same content as the defaults here, with every key commented. Unknown
// keys and wrong types are errors that name line and column.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/base/result.hpp"
#include "codeexec/execution/policy.hpp"

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

/// As in a Pod's spec. One entry of `pod.tolerations`.
struct toleration {
  std::string key;                        ///< empty, with Exists: every taint
  std::string operator_ = "Equal";        ///< "operator" in YAML: Equal or Exists
  std::string value;                      ///< with Equal
  std::string effect;                     ///< NoSchedule, PreferNoSchedule, NoExecute; empty: each of them
  std::optional<std::int64_t> seconds{};  ///< tolerationSeconds: with NoExecute
};

/// Where pods go, and what they carry besides what every one of them carries. Under `pod`.
struct pod_settings {
  std::map<std::string, std::string> node_selector;  ///< nodeSelector
  std::vector<toleration> tolerations;
  std::string priority_class_name;              ///< priorityClassName; empty: the cluster's default
  std::vector<std::string> image_pull_secrets;  ///< imagePullSecrets: names, of the execution's own namespace
  /// On the Job and the Pod. What would stand in the way of the operator's own is refused when they are read.
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
};

/// What may differ from namespace to namespace.
struct namespace_settings {
  execution_defaults defaults;
  execution_policy policy;
  pod_settings pod;
  /// concurrency.perNamespace: executions of one namespace that run at the same time; 0: no bound.
  std::int64_t max_running = 0;
};

/// One entry under `namespaceOverrides`: the settings that hold in the namespaces that match one of the patterns,
/// complete, whatever the entry itself says.
struct namespace_override {
  std::string name;  ///< the class of these namespaces in metrics; "override-2" where the second entry says none
  std::vector<std::string> namespaces;
  namespace_settings settings;
};

struct config : namespace_settings {
  std::map<std::string, runtime> runtimes = built_in_runtimes();

  /// namespaces.served and namespaces.excluded, patterns: what is not served, or is excluded, is left alone entirely.
  std::vector<std::string> served_namespaces{"*"};
  std::vector<std::string> excluded_namespaces;
  /// concurrency.global: executions that run at the same time, in all namespaces together; 0: no bound.
  std::int64_t max_running_in_all = 0;
  std::vector<namespace_override> namespace_overrides;

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
  /// networkPolicy: a NetworkPolicy in every namespace with an execution whose network is denied, and none is started
  /// without it. Off: whoever runs the cluster keeps the network from them by other means.
  bool network_policy = true;
  std::chrono::seconds sweep_interval{300};  ///< sweepIntervalSeconds: how often what nothing needs any more is removed

  /// What holds in this namespace: the first override that matches, else what is said for all.
  namespace_settings const& in(std::string_view ns) const;
  bool serves(std::string_view ns) const;
  /// Which of namespace_classes() the namespace is of. Their number is the configuration's, not the cluster's.
  std::size_t class_of(std::string_view ns) const;
  /// "default", and the names of the overrides.
  std::vector<std::string> namespace_classes() const;
  /// The served namespaces where they are known by name, so that no others need be watched; otherwise none.
  std::vector<std::string> named_namespaces() const;

  /// python, bash, node, ruby and perl.
  static std::map<std::string, runtime> built_in_runtimes();
};

/// Reads the YAML text of a configuration file. Runtimes in it replace the built-in one of the same name (null removes
/// it); lists and mappings of names to values replace the default whole, everything else replaces it key by key. Values
/// are checked as far as they can be without a cluster; so are the defaults against the policy, in each namespace
/// override too. The error is one line: "line 3, column 5: runtimes.python.imgae: unknown key (known: command, env,
/// file, image)".
base::result<config> parse_config(std::string_view yaml);

}  // namespace codeexec::execution
