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
  std::string file;  ///< that it stands in
};

struct kubeconfig_user {
  std::string token;
  std::string token_file;
  pem_source client_certificate;
  pem_source client_key;
  /// What it asks for that we do not do: "exec", "auth-provider", "username", "as".
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
};

/// `path` is what relative paths in it are relative to, and what messages name.
base::result<kubeconfig> parse_kubeconfig(std::string const& text, std::string const& path);

/// kubectl's rule: of each thing by name, and of the current context, the first file's counts.
void merge_into(kubeconfig& merged, kubeconfig next);

/// `context` empty: the current one.
base::result<cluster_config> resolve(kubeconfig const& merged, std::string const& context);

}  // namespace codeexec::kube
