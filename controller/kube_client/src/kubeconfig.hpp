// The kubeconfig format: parsed, merged and resolved, without looking at anything but the texts.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "codeexec/base/result.hpp"
#include "codeexec/kube_client/cluster_config.hpp"

namespace codeexec::kube {

struct kubeconfig_cluster {
  std::string server;
  std::string tls_server_name;
  std::string proxy_url;
  bool insecure_skip_tls_verify = false;
  pem_source certificate_authority;
  std::string exec_extension;  ///< JSON of the extension that is meant for exec plugins; empty: none
  std::string file;            ///< that it stands in
};

struct kubeconfig_exec {
  exec_identity plugin;          ///< `person` is left to resolve()
  std::string interactive_mode;  ///< as it stands there; empty: not said
};

struct kubeconfig_user {
  std::string token;
  std::string token_file;
  pem_source client_certificate;
  pem_source client_key;
  std::optional<kubeconfig_exec> exec;
  /// What it asks for that we do not do: "auth-provider", "username", "as".
  std::vector<std::string> unsupported;
  std::string file;
};

struct kubeconfig_context {
  std::string cluster;
  std::string user;
  std::string namespace_;
  std::string file;
};

struct kubeconfig {
  std::string current_context;
  std::map<std::string, kubeconfig_cluster> clusters;
  std::map<std::string, kubeconfig_user> users;
  std::map<std::string, kubeconfig_context> contexts;
  std::vector<std::string> files;

  /// Says nothing at all, as /dev/null does: kubectl then looks on.
  bool empty() const { return current_context.empty() && clusters.empty() && users.empty() && contexts.empty(); }
};

/// YAML or JSON, within the limits of yaml_reader. `path` is what relative paths in it are relative to, and what
/// messages name, beside the field; no value is repeated in a message, since it may be a secret.
base::result<kubeconfig> parse_kubeconfig(std::string const& text, std::string const& path);

/// kubectl's rule: of each thing by name, and of the current context, the first file's counts, whole.
void merge_into(kubeconfig& merged, kubeconfig next);

/// `context` empty: the current one. Without the environment's proxy.
base::result<cluster_config> resolve(kubeconfig const& merged, std::string const& context, attendance person);

}  // namespace codeexec::kube
