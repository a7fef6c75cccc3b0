#include "options.hpp"

#include <CLI/CLI.hpp>
#include <charconv>
#include <map>
#include <sstream>
#include <unistd.h>

#include "codeexec/base/help.hpp"
#include "codeexec/version/version.hpp"

namespace codeexec::local {
namespace {

constexpr char const* description =
    "Stands in for a Kubernetes cluster on one machine: an API server on loopback, a Job controller, garbage "
    "collection "
    "and a node that runs pods in gVisor. For trying codeexec out, for tests and for an agent's own CI.";

constexpr std::size_t help_column = 30;

constexpr char const* footer =
    R"(Every flag may also be given as an environment variable: CODEEXEC_LOCAL_ and the flag's name in capitals with "_"
for "-", as in CODEEXEC_LOCAL_LOG_LEVEL=debug. A flag wins over its variable.

It speaks HTTPS with a certificate of its own authority, which the kubeconfig names; --insecure-http turns that off.
Without --auth whoever reaches the address may do everything, run programs included: it listens on loopback for that
reason; give another address only with --auth. With --auth the kubeconfig holds the administrator's token, and
everybody else has what Roles, ClusterRoles and their bindings say, as in a cluster: ServiceAccounts get tokens by
kubectl create token, others 401 or 403. The authority's key and the tokens' are in pki/ of the state folder.

Served: namespaces, configmaps, pods (and their logs), jobs, events, leases, nodes, runtimeclasses, serviceaccounts,
roles and their bindings, resourcequotas and limitranges (honoured), Pod Security levels (honoured), deployments and
replicasets (rolled out, restarted, probed), poddisruptionbudgets (counted; there is no eviction), priorityclasses
(noted; nothing is put out), services (headless alone), networkpolicies (stored, not enforced), customresourcedefinitions
and their objects with schema validation, defaults, pruning and CEL rules. Everything else answers 404 as a server
without it. kubectl works: get, describe, apply (also --server-side and -k), diff, wait, logs, label, patch, scale,
rollout, explain, delete.

Pods have no network, but for those of this machine's own programs (programs in --images: the operator's image). Such a
pod runs its program as a plain process of the uid that it asks for, with a read-only root and no rights, in a network
namespace with nothing on it but this server, at 10.96.0.1:443 as in a cluster; probes are made there (httpGet,
tcpSocket), and pods/proxy reaches it: kubectl get --raw /api/v1/namespaces/NS/pods/NAME:8080/proxy/metrics. So
kubectl apply -k config/default runs the operator here (hack/install-local). Where network namespaces cannot be made
it is the host's network, after a warning.

Where gVisor cannot run on this machine, pods run as plain processes after a warning, and what they run is not
contained; --runtime gvisor refuses to start instead.

Deleting the Node object pulls the machine's plug: every container is gone without a word, the pods are ended by the
pod garbage collector (DisruptionTarget, DeletionByPodGC), and a second later an empty machine stands in its place.

Signals: SIGTERM and SIGINT stop the node, every sandbox with it, then the server, and exit 0; a second one exits at
once. State is lost then, unless --data names a file.

  codeexec-local --crds crds --auth --kubeconfig-out /tmp/kubeconfig
  KUBECONFIG=/tmp/kubeconfig kubectl get nodes

Exit codes: 0 stopped by a signal; 1 it failed; 2 wrong arguments.)";

bool split_address(std::string const& text, std::string& address, std::uint16_t& port) {
  auto const colon = text.rfind(':');
  std::string const host = colon == std::string::npos ? std::string() : text.substr(0, colon);
  std::string const digits = colon == std::string::npos ? text : text.substr(colon + 1);
  auto const done = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || done.ec != std::errc() || done.ptr != digits.data() + digits.size()) {
    return false;
  }
  if (!host.empty()) {
    address = host.front() == '[' && host.back() == ']' ? host.substr(1, host.size() - 2) : host;
  }
  return true;
}

}  // namespace

std::variant<program_options, early_exit> parse_options(int argc, char const* const* argv) {
  program_options to;
  CLI::App app(description, "codeexec-local");
  app.footer(footer);
  app.get_formatter()->column_width(help_column);
  app.set_version_flag("--version", version_line("codeexec-local"));
  auto const add = [&app](std::string const& flag, auto& value, std::string const& help, char const* kind) {
    std::string variable = "CODEEXEC_LOCAL_" + flag.substr(2);
    for (char& c : variable) {
      c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    return app.add_option(flag, value, help)->envname(variable)->type_name(kind);
  };

  std::string listen = "127.0.0.1:18080";
  add("--listen", listen, "Where the API is served; a port alone means 127.0.0.1, port 0 any free one", "ADDRESS:PORT")
      ->capture_default_str();
  std::string crds;
  add("--crds", crds, "Folder of CustomResourceDefinitions (YAML or JSON) to serve from the start", "DIR")
      ->check(CLI::ExistingDirectory);
  std::string data;
  add("--data", data, "File that keeps the objects over a restart (default: they are in memory only)", "FILE");
  add("--kubeconfig-out", to.kubeconfig_out, "Write a kubeconfig for this server once it answers", "FILE");
  add("--context", to.context, "Name of the context in that kubeconfig", "NAME")->capture_default_str();
  add("--ready-file", to.ready_file, "Make this file once the server answers and the node is ready", "FILE");

  add("--manifests", to.manifests,
      "File or folder of other objects (YAML or JSON) to make at the start; may be repeated", "PATH")
      ->check(CLI::ExistingPath);

  std::string const access = "Access";
  app.add_flag("--auth", to.control_plane.access_control, "Check tokens, and honour roles and their bindings")
      ->envname("CODEEXEC_LOCAL_AUTH")
      ->group(access);
  std::vector<std::string> accounts;
  add("--account-kubeconfig", accounts,
      "With --auth: write a kubeconfig with a token of this ServiceAccount, good for a year; may be repeated",
      "NAMESPACE/NAME=FILE")
      ->group(access);
  bool plain = false;
  app.add_flag("--insecure-http", plain, "Plain HTTP: no TLS")->envname("CODEEXEC_LOCAL_INSECURE_HTTP")->group(access);
  add("--tls-name", to.control_plane.names,
      "Further address or DNS name that the certificate is to be good for; may be repeated", "NAME")
      ->group(access);
  app.add_option("--audit-log-path", to.control_plane.audit,
                 "With --auth: a line for each request, who asked for what and whether they might (audit.k8s.io/v1)")
      ->envname("CODEEXEC_LOCAL_AUDIT_LOG_PATH")
      ->type_name("FILE")
      ->group(access);
  app.add_flag("--faults", to.control_plane.faults,
               "For tests: answers are disturbed as rules sent to /faults say (tests/e2e/README.md)")
      ->envname("CODEEXEC_LOCAL_FAULTS")
      ->group(access);

  std::string const node = "Node";
  std::string runtime = "auto";
  add("--runtime", runtime, "What runs containers: gvisor, process (no isolation), or auto: gvisor where it works",
      "WORD")
      ->check(CLI::IsMember({"auto", "gvisor", "process"}))
      ->capture_default_str()
      ->group(node);
  add("--runsc", to.node.runsc, "gVisor's program: a name in $PATH or a path", "PROGRAM")
      ->capture_default_str()
      ->group(node);
  std::string images;
  add("--images", images,
      "YAML file that says what image names stand for (default: built in; config/local/images.yaml). Read again where "
      "an image is looked for in vain and the file has changed",
      "FILE")
      ->check(CLI::ExistingFile)
      ->group(node);
  std::string state_dir = to.node.state_dir;
  add("--state-dir", state_dir, "Folder for sandboxes and volumes while they live", "DIR")
      ->capture_default_str()
      ->group(node);
  add("--node-name", to.node.name, "Name of the Node object", "NAME")->capture_default_str()->group(node);
  std::int64_t cpu_millis = 0;
  add("--node-cpu-millis", cpu_millis,
      "CPU the scheduler may give away, in thousandths of a core (default: the machine's)", "N")
      ->check(CLI::PositiveNumber)
      ->group(node);
  std::int64_t memory_mib = 0;
  add("--node-memory-mib", memory_mib, "Memory the scheduler may give away, in MiB (default: the machine's)", "N")
      ->check(CLI::PositiveNumber)
      ->group(node);
  add("--max-pods", to.node.max_pods, "Pods at the same time", "N")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str()
      ->group(node);
  add("--container-log-max-bytes", to.node.log_bytes,
      "How much of a container's log is kept; of a longer one the oldest lines go, as where the kubelet rotates its "
      "file",
      "N")
      ->check(CLI::Range(std::size_t{256}, std::size_t{1} << 30U))
      ->capture_default_str()
      ->group(node);
  bool no_node = false;
  app.add_flag("--no-node", no_node, "API server only: no scheduler, no Job controller; pods stay Pending")
      ->envname("CODEEXEC_LOCAL_NO_NODE")
      ->group(node);

  std::map<std::string, base::log::level> const levels{{"debug", base::log::level::debug},
                                                       {"info", base::log::level::info},
                                                       {"warn", base::log::level::warn},
                                                       {"error", base::log::level::error}};
  std::string level = "info";
  std::string format = "text";
  add("--log-level", level, "debug, info, warn or error", "LEVEL")->check(CLI::IsMember(levels))->capture_default_str();
  add("--log-format", format, "text (key=value) or json, one line each on stderr", "FORMAT")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();

  auto const mistake = [](std::string const& what) {
    return early_exit{2, "codeexec-local: " + what + "\nTry codeexec-local --help.\n"};
  };
  try {
    app.parse(argc, argv);
  } catch (CLI::ParseError const& e) {
    std::ostringstream out;
    std::ostringstream err;
    int const code = app.exit(e, out, err);
    if (code == 0) {
      return early_exit{0, base::fold_help(out.str(), base::columns_of(STDOUT_FILENO), help_column)};
    }
    return mistake(e.what());
  }
  if (!split_address(listen, to.control_plane.address, to.control_plane.port)) {
    return mistake("--listen: '" + listen + "' is no ADDRESS:PORT");
  }
  for (std::string const& one : accounts) {
    auto const equals = one.find('=');
    auto const slash = one.find('/');
    if (equals == std::string::npos || slash > equals || !to.control_plane.access_control) {
      return mistake("--account-kubeconfig: '" + one + "' " +
                     (to.control_plane.access_control ? "is no NAMESPACE/NAME=FILE" : "needs --auth"));
    }
    to.accounts.push_back({one.substr(0, slash), one.substr(slash + 1, equals - slash - 1), one.substr(equals + 1)});
  }
  to.control_plane.tls = !plain;
  to.control_plane.secrets = std::filesystem::path(state_dir) / "pki";
  to.control_plane.crds = crds;
  to.control_plane.data = data;
  to.node.images_file = images;
  to.node.state_dir = state_dir;
  to.node.runtime = parse_runtime_choice(runtime).value_or(runtime_choice::automatic);
  if (cpu_millis > 0) {
    to.node.cpu_millis = cpu_millis;
  }
  if (memory_mib > 0) {
    to.node.memory_bytes = memory_mib * 1024 * 1024;
  }
  to.run_node = !no_node;
  to.log_level = levels.at(level);
  to.log_format = format == "json" ? base::log::format::json : base::log::format::text;
  return to;
}

}  // namespace codeexec::local
