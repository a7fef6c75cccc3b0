#include "options.hpp"

#include <CLI/CLI.hpp>
#include <map>
#include <sstream>

namespace codeexec::app {
namespace {

constexpr char const* description =
    "Runs the code of CodeExecution objects, each in a Job of its own, sandboxed by gVisor, and writes what it printed "
    "and how it ended into the object's status.";

constexpr char const* footer =
    R"(Every flag may also be given as an environment variable: CODEEXEC_ and the flag's name in capitals with "_" for "-",
as in CODEEXEC_LOG_LEVEL=debug. A flag wins over its variable.

Which API server: --server; else --kubeconfig; else the files of $KUBECONFIG, merged as kubectl does; else
~/.kube/config; else the service account of the pod it runs in. The proxy: the kubeconfig's proxy-url; else HTTPS_PROXY
(HTTP_PROXY for http:// servers) and NO_PROXY, except for the pod's own service account.

It needs the CodeExecution CRD (crds/codeexecution.yaml) and rights on codeexecutions, jobs, configmaps, pods, pods/log
and events. Signals: SIGTERM and SIGINT finish what is under way and exit 0; a second one exits at once. Running
executions are not disturbed: the next operator goes on where this one stopped.

  codeexec-controller --kubeconfig ~/.kube/config --context kind-kind --namespace agents
  codeexec-controller --config /etc/codeexec/operator.yaml --log-format json

Exit codes: 0 stopped by a signal; 1 it failed; 2 wrong arguments or configuration.)";

}  // namespace

std::variant<options, early_exit> parse_options(int argc, char const* const* argv) {
  options to;
  CLI::App app(description, "codeexec-controller");
  app.footer(footer);
  app.get_formatter()->column_width(38);
  app.set_version_flag("--version", "codeexec-controller " CODEEXEC_VERSION);

  app.add_option("--kubeconfig", to.cluster.kubeconfig, "Credentials file to use")
      ->envname("CODEEXEC_KUBECONFIG")
      ->type_name("FILE");
  app.add_option("--context", to.cluster.context, "Context of the kubeconfig (default: its current one)")
      ->envname("CODEEXEC_CONTEXT")
      ->type_name("NAME");
  app.add_option("--server", to.cluster.server, "URL of the API server, without any kubeconfig: http://127.0.0.1:8001")
      ->envname("CODEEXEC_SERVER")
      ->type_name("URL");
  app.add_option("--namespace,-n", to.namespaces, "Serve this namespace; repeatable (default: all of them)")
      ->envname("CODEEXEC_NAMESPACE")
      ->type_name("NAME")
      ->delimiter(',')
      ->take_all();
  app.add_option("--config", to.config_file,
                 "YAML file with runtimes, defaults and the sandbox (config/operator.yaml documents it)")
      ->envname("CODEEXEC_CONFIG")
      ->type_name("FILE");
  app.add_option("--workers", to.workers, "CodeExecutions worked on at the same time; most of it is waiting")
      ->envname("CODEEXEC_WORKERS")
      ->type_name("N")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
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
  app.add_option("--ready-file", to.ready_file, "Make this file once everything is read and work begins")
      ->envname("CODEEXEC_READY_FILE")
      ->type_name("FILE");

  try {
    app.parse(argc, argv);
  } catch (CLI::ParseError const& e) {
    std::ostringstream out;
    std::ostringstream err;
    int const code = app.exit(e, out, err);
    if (code == 0) return early_exit{0, out.str()};
    return early_exit{2, "codeexec-controller: " + std::string(e.what()) + "\nTry codeexec-controller --help.\n"};
  }
  to.log_level = levels.at(level);
  to.log_format = format == "json" ? base::log::format::json : base::log::format::text;
  return to;
}

}  // namespace codeexec::app
