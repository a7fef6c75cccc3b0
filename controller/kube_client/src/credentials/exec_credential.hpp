// The words that are exchanged with an exec plugin. Pure.
//
// k8s.io/client-go/pkg/apis/clientauthentication, versions v1 and v1beta1, which differ in nothing that we use.
#pragma once

#include <optional>
#include <string>

#include "codeexec/base/result.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/kube_client/cluster_config.hpp"

namespace codeexec::kube {

/// What a plugin printed. At least a token, or a certificate with its key.
struct exec_credential {
  std::string authorization;  ///< value of the header; empty where a certificate alone was given
  std::string certificate_pem;
  std::string key_pem;
  std::optional<base::wall_time> expires;
};

/// The value of KUBERNETES_EXEC_INFO: an ExecCredential that asks. `ca_pem` is the content of the cluster's
/// certificate-authority, wherever it stands.
std::string exec_info(exec_identity const& plugin, cluster_config const& cluster, std::string const& ca_pem);

/// `output` is JSON or YAML. The error says what is wrong with it and repeats nothing of it but its apiVersion and
/// kind.
base::result<exec_credential> parse_exec_credential(std::string const& output, std::string const& api_version);

}  // namespace codeexec::kube
