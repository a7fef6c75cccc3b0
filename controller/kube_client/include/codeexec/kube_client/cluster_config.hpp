// Which API server to talk to, as whom, and whom to trust: from flags, kubeconfig files or the pod we run in.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
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
/// What goes into the Authorization header. A client certificate is part of TLS and stands beside it.
using identity = std::variant<no_identity, token_identity, token_file_identity>;

struct cluster_config {
  std::string server;  ///< http(s)://host[:port][/path]
  std::string namespace_ = "default";
  std::string tls_server_name;  ///< what the certificate must name, where it is not the server's host
  bool insecure_skip_tls_verify = false;
  pem_source certificate_authority;  ///< none: the machine's own store
  pem_source client_certificate;
  pem_source client_key;
  identity who;
  /// Where all this comes from, for one log line at start: "context kind-kind of /root/.kube/config".
  std::string origin;
};

/// What a person said. Empty: not said.
struct config_flags {
  std::string server;      ///< --server: a URL; alone, nothing else is read
  std::string kubeconfig;  ///< --kubeconfig: this file alone, which must exist
  std::string context;     ///< --context
};

/// What load_config() may look at, so that a test gives it a world of its own.
struct config_environment {
  std::function<std::optional<std::string>(std::string const& name)> variable;
  std::function<base::result<std::string>(std::string const& path)> read_file;
  std::string service_account_folder = "/var/run/secrets/kubernetes.io/serviceaccount";
};

/// The process's own environment and files.
config_environment process_environment();

/// As kubectl looks: --server; --kubeconfig; the files of KUBECONFIG (merged, the first to name a thing wins, missing
/// ones are skipped); ~/.kube/config; the pod's service account. A source that is there but broken ends the search.
///
/// Errors: kind `config`; the message names the file, or every source that was tried, and never a secret.
result<cluster_config> load_config(config_flags const& flags, config_environment const& environment);

}  // namespace codeexec::kube
