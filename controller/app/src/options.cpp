#include "options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "codeexec/kube_core/names.hpp"
#include "codeexec/version/version.hpp"

#include "parse.hpp"

namespace codeexec::app {
namespace {

constexpr char const* description =
    "Runs the code of CodeExecution objects, each in a Job of its own, sandboxed by gVisor, and writes what it printed "
    "and how it ended into the object's status.";

/// Exit codes, as --help and the README list them, stand in operator.hpp.
constexpr char const* footer =
    R"(Every flag may also be given as an environment variable: CODEEXEC_ and the flag's name in capitals with "_" for "-",
as in CODEEXEC_LOG_LEVEL=debug. A flag wins over its variable.

Which API server: --server; else --kubeconfig; else the files of $KUBECONFIG, merged as kubectl does; else
~/.kube/config; else the service account of the pod it runs in. The proxy: the kubeconfig's proxy-url; else HTTPS_PROXY
(HTTP_PROXY for http:// servers) and NO_PROXY, except for the pod's own service account.

It needs the CodeExecution CRD (crds/codeexecution.yaml) and the rights in config/rbac. Signals: SIGTERM and SIGINT let
what is under way finish (--stop-grace), write the Events that wait, give the lease back and exit 0; a second one exits
at once. Running executions are not disturbed: the next operator goes on where this one stopped.

SIGUSR1 sets the log level to debug, SIGUSR2 back to --log-level.

/healthz (--health-bind-address) fails while the program hangs, so that a restart helps; /readyz fails until it could
work or take over, and says whether it leads; both tell more with ?verbose. /metrics (--metrics-bind-address) is
for Prometheus (controller/docs/metrics.md).

With --leader-elect several may run: one works, the others keep their caches warm and take over at their next try after
a clean stop, or once the lease has run out after a crash. Who loses the lease stops at once.

"codeexec-controller check FILE" shows, without a cluster, what a CodeExecution would become with a configuration, or why
it would not run (codeexec-controller check --help).

  codeexec-controller --kubeconfig ~/.kube/config --namespace agents
  codeexec-controller --config /etc/codeexec/operator.yaml --log-format json

Exit codes: 0 stopped by a signal; 1 it failed; 2 wrong arguments or configuration; 3 it led and lost the lease;
128 + n a second signal n.)";

/// "15s", "1500ms", "1m30s": as Kubernetes' programs take durations.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::int64_t>, 4> units{
      {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
  constexpr std::int64_t most = 24 * 3'600'000;
  std::int64_t total = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    std::int64_t number = 0;
    auto const digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits == 0 || digits > 9) return std::nullopt;
    for (auto const c : text.substr(0, digits))
      number = number * 10 + (c - '0');
    text.remove_prefix(digits);
    auto const letters = std::min(text.find_first_of("0123456789"), text.size());
    auto const unit =
        std::find_if(units.begin(), units.end(), [&](auto const& one) { return one.first == text.substr(0, letters); });
    if (unit == units.end()) return std::nullopt;
    text.remove_prefix(letters);
    total += number * unit->second;
    if (total > most) return std::nullopt;
  }
  return std::chrono::milliseconds(total);
}

CLI::Option* add_duration(CLI::App& app, std::string const& flag, std::chrono::milliseconds& to,
                          std::string const& shown, std::string const& what) {
  auto const take = [&to](std::string const& text) {
    auto const value = parse_duration(text);
    if (value) to = *value;
    return value.has_value();
  };
  // CLI11 says "Could not convert" and names the flag where the function says no.
  return app
      .add_option_function<std::string>(
          flag,
          [flag, take](std::string const& text) {
            if (!take(text)) {
              throw CLI::ValidationError(flag, "'" + text + "' is no duration (15s, 1500ms, 1m30s; at most 24h)");
            }
          },
          what + " [" + shown + "]")
      ->type_name("TIME");
}

CLI::Option* add_listen_address(CLI::App& app, std::string const& flag, std::optional<telemetry::listen_address>& to,
                                std::string const& what) {
  return app
      .add_option_function<std::string>(
          flag,
          [flag, &to](std::string const& text) {
            auto const value = telemetry::parse_listen_address(text);
            if (!value) throw CLI::ValidationError(flag, value.error().message);
            to = *value;
          },
          what)
      ->type_name("ADDRESS");
}

}  // namespace

std::variant<options, early_exit> parse_options(int argc, char const* const* argv) {
  options to;
  CLI::App app(description, "codeexec-controller");
  app.footer(footer);
  app.get_formatter()->column_width(help_column);
  app.set_version_flag("--version", version_line("codeexec-controller"));

  app.add_option("--kubeconfig", to.cluster.kubeconfig, "Credentials file to use")
      ->envname("CODEEXEC_KUBECONFIG")
      ->type_name("FILE");
  app.add_option("--context", to.cluster.context, "Context of the kubeconfig (default: its current one)")
      ->envname("CODEEXEC_CONTEXT")
      ->type_name("NAME");
  app.add_option("--server", to.cluster.server, "URL of the API server, without any kubeconfig: http://127.0.0.1:8001")
      ->envname("CODEEXEC_SERVER")
      ->type_name("URL");
  app.add_option("--namespace,-n", to.namespaces,
                 "Serve these namespaces: repeatable, or a list as in a,b (default: all)")
      ->envname("CODEEXEC_NAMESPACE")
      ->type_name("NAME")
      ->delimiter(',')
      ->take_all();
  app.add_option("--config", to.config_file,
                 "YAML file with runtimes, defaults, policy and concurrency (config/operator.yaml has every key)")
      ->envname("CODEEXEC_CONFIG")
      ->type_name("FILE");
  app.add_option("--workers", to.workers, "CodeExecutions worked on at the same time; most of it is waiting")
      ->envname("CODEEXEC_WORKERS")
      ->type_name("N")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--kube-api-qps", to.kube_api_qps,
                 "Requests a second to the API server over time; 0: no limit. Watches and the lease do not count")
      ->envname("CODEEXEC_KUBE_API_QPS")
      ->type_name("N")
      ->check(CLI::Range(0.0, 100'000.0))
      ->capture_default_str();
  app.add_option("--kube-api-burst", to.kube_api_burst, "Requests at once after a quiet while")
      ->envname("CODEEXEC_KUBE_API_BURST")
      ->type_name("N")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  add_duration(app, "--kube-api-timeout", to.kube_api_timeout, "30s",
               "How long to wait for an answer of the API server, 1s to 30s; then the request counts as failed")
      ->envname("CODEEXEC_KUBE_API_TIMEOUT");
  std::map<std::string, base::log::level> const levels{{"debug", base::log::level::debug},
                                                       {"info", base::log::level::info},
                                                       {"warn", base::log::level::warn},
                                                       {"error", base::log::level::error}};
  std::string level = "info";
  std::string format = "text";
  app.add_option("--log-level", level, "debug, info, warn or error")
      ->envname("CODEEXEC_LOG_LEVEL")
      ->type_name("LEVEL")
      ->check(CLI::IsMember(levels))
      ->capture_default_str();
  app.add_option("--log-format", format, "text (key=value) or json, one line each on stderr")
      ->envname("CODEEXEC_LOG_FORMAT")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app.add_option("--ready-file", to.ready_file,
                 "Make this file once everything is read; it says ready, or standby and leading with --leader-elect")
      ->envname("CODEEXEC_READY_FILE")
      ->type_name("FILE");
  add_listen_address(app, "--health-bind-address", to.health_bind_address,
                     "Serve /healthz and /readyz for probes there, as in :8081 or 127.0.0.1:8081 (default: nowhere)")
      ->envname("CODEEXEC_HEALTH_BIND_ADDRESS");
  add_listen_address(app, "--metrics-bind-address", to.metrics_bind_address,
                     "Serve /metrics for Prometheus there, as in :8080 (default: nowhere)")
      ->envname("CODEEXEC_METRICS_BIND_ADDRESS");
  app.add_flag("--leader-elect", to.leader.wanted, "Work only while holding a Lease, so that several may run")
      ->envname("CODEEXEC_LEADER_ELECT");
  add_duration(app, "--leader-elect-lease-duration", to.leader.timing.lease, "15s",
               "Others wait so long, since they last saw the Lease change, before they take it")
      ->envname("CODEEXEC_LEADER_ELECT_LEASE_DURATION");
  add_duration(app, "--leader-elect-renew-deadline", to.leader.timing.renew_deadline, "10s",
               "The leader gives up where it cannot renew for so long")
      ->envname("CODEEXEC_LEADER_ELECT_RENEW_DEADLINE");
  add_duration(app, "--leader-elect-retry-period", to.leader.timing.retry, "2s", "Between two tries to take or renew")
      ->envname("CODEEXEC_LEADER_ELECT_RETRY_PERIOD");
  app.add_option("--leader-elect-resource-name", to.leader.name, "The Lease's name")
      ->envname("CODEEXEC_LEADER_ELECT_RESOURCE_NAME")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--leader-elect-resource-namespace", to.leader.ns,
                 "The Lease's namespace (default: the pod's own, else the kubeconfig context's)")
      ->envname("CODEEXEC_LEADER_ELECT_RESOURCE_NAMESPACE")
      ->type_name("NAME");
  app.add_option("--leader-elect-identity", to.leader.identity,
                 "What the Lease calls this process; a random part is added (default: the host's name)")
      ->envname("CODEEXEC_LEADER_ELECT_IDENTITY")
      ->type_name("NAME");
  add_duration(app, "--stop-grace", to.stop_grace, "20s", "How long a stop waits for what is under way")
      ->envname("CODEEXEC_STOP_GRACE");
  std::map<std::string, execution::event_policy> const policies{{"none", execution::event_policy::none},
                                                                {"warnings", execution::event_policy::warnings},
                                                                {"all", execution::event_policy::all}};
  std::string events = "warnings";
  app.add_option("--events", events, "Kubernetes Events to write about executions: none, warnings or all")
      ->envname("CODEEXEC_EVENTS")
      ->type_name("WHICH")
      ->check(CLI::IsMember({"none", "warnings", "all"}))
      ->capture_default_str();
  app.add_option("--event-qps", to.event_qps, "Requests a second for Events, on top of --kube-api-qps; more is dropped")
      ->envname("CODEEXEC_EVENT_QPS")
      ->type_name("N")
      ->check(CLI::Range(0.1, 1000.0))
      ->capture_default_str();

  if (auto end = parse(app, argc, argv)) return std::move(*end);
  for (auto const& one : to.namespaces) {
    if (!kube::is_dns_label(one)) {
      return early_exit{2, "codeexec-controller: --namespace: '" + one + "' is no name of a namespace\n"};
    }
  }
  if (to.kube_api_timeout < std::chrono::seconds(1) || to.kube_api_timeout > std::chrono::seconds(30)) {
    return early_exit{2, "codeexec-controller: --kube-api-timeout: must be between 1s and 30s\n"};
  }
  to.log_level = levels.at(level);
  to.events = policies.at(events);
  if (to.leader.wanted) {
    auto wrong = runtime::check(to.leader.timing);
    if (wrong.empty() && !kube::is_dns_subdomain(to.leader.name)) {
      wrong = "--leader-elect-resource-name: '" + to.leader.name + "' is no name of an object";
    }
    if (!wrong.empty()) return early_exit{2, "codeexec-controller: " + wrong + "\n"};
  }
  to.log_format = format == "json" ? base::log::format::json : base::log::format::text;
  return to;
}

}  // namespace codeexec::app
