// The operator's command line and environment.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "codeexec/base/log.hpp"
#include "codeexec/execution/occurrences.hpp"
#include "codeexec/kube_client/cluster_config.hpp"
#include "codeexec/runtime/lease_fsm.hpp"
#include "codeexec/telemetry/listen_address.hpp"

namespace codeexec::app {

struct leader_election {
  bool wanted = false;
  runtime::lease_timing timing;
  std::string name = "codeexec-controller";
  std::string ns;        ///< empty: the pod's own, or the kubeconfig context's
  std::string identity;  ///< empty: the host's name
};

struct options {
  kube::config_flags cluster;
  std::vector<std::string> namespaces;  ///< none: all
  std::string config_file;
  std::string ready_file;
  std::optional<telemetry::listen_address> health_bind_address;   ///< /healthz, /readyz; none: off
  std::optional<telemetry::listen_address> metrics_bind_address;  ///< /metrics; none: off
  base::log::level log_level = base::log::level::info;
  base::log::format log_format = base::log::format::text;
  int workers = 64;
  leader_election leader;
  std::chrono::milliseconds stop_grace{20'000};  ///< for what is under way when a signal asks to stop
  execution::event_policy events = execution::event_policy::warnings;
  double event_qps = 10;
  /// One execution costs six requests: this is what a flood of some thirty executions a second needs.
  double kube_api_qps = 200;
  int kube_api_burst = 400;
  std::chrono::milliseconds kube_api_timeout{30'000};  ///< for an answer, whatever was asked; watches and logs go on
};

/// Nothing to run: print `text` (help, version, or what is wrong) and end with `code`.
struct early_exit {
  int code = 0;
  std::string text;
};

/// Every flag may also stand in the environment (CODEEXEC_<FLAG>); a flag wins over it.
std::variant<options, early_exit> parse_options(int argc, char const* const* argv);

}  // namespace codeexec::app
