// Which API server to talk to, as whom, and whom to trust: from flags, kubeconfig files or the pod we run in.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "codeexec/base/result.hpp"
#include "codeexec/kube_core/error.hpp"

namespace codeexec::kube {

/// PEM text that stands in the configuration, or the file that holds it and may change while we run. Neither: none.
struct pem_source {
  std::string data;
  std::string file;
  bool empty() const { return data.empty() && file.empty(); }
};

struct no_identity {};
struct token_identity {
  std::string token;
};
struct token_file_identity {
  std::string path;
};
/// Who is at the terminal we were started from. It decides what an exec plugin may do there.
enum class attendance {
  nobody,     ///< a service: what a plugin writes to standard error is logged line by line; it gets a minute
  watching,   ///< a person reads standard error, and gets ten minutes to do what a plugin says there
  answering,  ///< and standard input is a terminal that nothing else reads: a plugin may ask
};

/// A credential plugin: a program that prints an ExecCredential (client.authentication.k8s.io/v1 or v1beta1).
struct exec_identity {
  std::string api_version;  ///< what it is asked for, and must answer in
  std::string command;      ///< with a slash: this file; else looked for in PATH
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;  ///< beside our own environment; wins over it
  std::string install_hint;                              ///< for a person whose machine lacks the command
  bool provide_cluster_info = false;
  std::string cluster_extension;           ///< JSON for spec.cluster.config; empty: none
  attendance person = attendance::nobody;  ///< `answering` only where its interactiveMode allows it
};
/// What goes into the Authorization header. A client certificate is part of TLS and stands beside it; a plugin may
/// give either or both.
using identity = std::variant<no_identity, token_identity, token_file_identity, exec_identity>;

/// An HTTP proxy, asked for a tunnel (CONNECT) to a TLS server; a request to a plain one is sent to it whole.
struct proxy_config {
  std::string url;   ///< as it was written, without user and password: for messages
  bool tls = false;  ///< https://: the connection to the proxy itself is TLS, verified by the machine's own store
  std::string host;  ///< without the brackets of an IPv6 address
  std::uint16_t port = 0;
  std::string user;  ///< decoded; with `password` for Proxy-Authorization: Basic. Both empty: none is sent
  std::string password;
};

struct cluster_config {
  std::string server;  ///< http(s)://host[:port][/path]
  std::string namespace_ = "default";
  std::string tls_server_name;  ///< what the certificate must name, where it is not the server's host
  bool insecure_skip_tls_verify = false;
  pem_source certificate_authority;  ///< none: the machine's own store
  pem_source client_certificate;
  pem_source client_key;
  identity who;
  std::optional<proxy_config> proxy;  ///< nothing: straight to the server
  /// Where all this comes from, for one log line at start: "context kind-kind of /root/.kube/config".
  std::string origin;
};

/// What a person said. Empty: not said.
struct config_flags {
  std::string server;      ///< --server: a URL; alone, nothing else is read
  std::string kubeconfig;  ///< --kubeconfig: this file alone, which must exist
  std::string context;     ///< --context
  attendance person = attendance::nobody;
};

/// What load_config() may look at, so that a test gives it a world of its own.
struct config_environment {
  std::function<std::optional<std::string>(std::string const& name)> variable;
  /// Whole; the error is "PATH: why". A file of more than 4 MiB is none of ours and an error.
  std::function<base::result<std::string>(std::string const& path)> read_file;
  /// Asked where read_file() has failed: is there nothing of this name, as against something that cannot be read?
  std::function<bool(std::string const& path)> is_missing = [](std::string const&) { return true; };
  std::string service_account_folder = "/var/run/secrets/kubernetes.io/serviceaccount";
};

/// The process's own environment and files.
config_environment process_environment();

/// As kubectl looks: --server; --kubeconfig; the files of KUBECONFIG (merged, the first to name a thing wins, missing
/// ones are skipped); ~/.kube/config; the pod's service account. Files that say nothing count as missing, a source that
/// is there but broken ends the search.
///
/// The proxy: the kubeconfig's proxy-url; else HTTPS_PROXY, HTTP_PROXY and NO_PROXY as kubectl reads them. The pod's
/// own service account is the exception: those variables speak of the world outside the cluster, and are not asked.
///
/// Errors: kind `config`; the message names file and field, or every source that was tried, and never a secret.
result<cluster_config> load_config(config_flags const& flags, config_environment const& environment);

}  // namespace codeexec::kube
