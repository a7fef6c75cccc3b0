#include "exec_credential.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "codeexec/base/encoding.hpp"
#include "codeexec/yaml_reader/yaml_reader.hpp"

#include "bearer.hpp"

namespace codeexec::kube {
namespace {

using nlohmann::json;

base::error wrong(std::string const& what) {
  return base::error("exec plugin " + what);
}

/// For a person; a plugin could write anything there.
std::string shortened(std::string const& text) {
  auto const limit = std::min<std::size_t>(text.size(), 80);
  return "\"" + base::repair_utf8(text.substr(0, limit)) + (limit < text.size() ? "..." : "") + "\"";
}

/// Text, or nothing; false where it is something else.
bool text_of(json const& object, char const* key, std::string& into) {
  auto const found = object.find(key);
  if (found == object.end() || found->is_null()) return true;
  if (!found->is_string()) return false;
  into = found->get<std::string>();
  return true;
}

/// The plugin has to get through the same proxy.
std::string with_password(proxy_config const& proxy) {
  if (proxy.user.empty() && proxy.password.empty()) return proxy.url;
  auto const after_scheme = proxy.url.find("://") + 3;
  return proxy.url.substr(0, after_scheme) + base::percent_encode(proxy.user) + ":" +
         base::percent_encode(proxy.password) + "@" + proxy.url.substr(after_scheme);
}

base::result<json> read_printed(std::string const& output) {
  if (output.find_first_not_of(" \t\r\n") == std::string::npos) return wrong("printed nothing");
  auto as_json = yaml::read_json(output);
  if (as_json) return as_json;
  auto documents = yaml::read_documents(output);
  if (!documents || documents->size() != 1) return wrong("printed neither JSON nor YAML");
  return {boost::system::in_place_value, std::move(documents->front())};
}

}  // namespace

std::string exec_info(exec_identity const& plugin, cluster_config const& cluster, std::string const& ca_pem) {
  auto spec = json::object();
  spec["interactive"] = plugin.person == attendance::answering;
  if (plugin.provide_cluster_info) {
    auto about = json::object();
    about["server"] = cluster.server;
    if (!cluster.tls_server_name.empty()) about["tls-server-name"] = cluster.tls_server_name;
    if (cluster.insecure_skip_tls_verify) about["insecure-skip-tls-verify"] = true;
    if (!ca_pem.empty()) about["certificate-authority-data"] = base::base64_encode(ca_pem);
    if (cluster.proxy) about["proxy-url"] = with_password(*cluster.proxy);
    if (!plugin.cluster_extension.empty()) about["config"] = json::parse(plugin.cluster_extension, nullptr, false);
    spec["cluster"] = std::move(about);
  }
  auto asks = json::object();
  asks["kind"] = "ExecCredential";
  asks["apiVersion"] = plugin.api_version;
  asks["spec"] = std::move(spec);
  return asks.dump(-1, ' ', false, json::error_handler_t::replace);
}

base::result<exec_credential> parse_exec_credential(std::string const& output, std::string const& api_version) {
  auto const object = read_printed(output);
  if (!object) return object.error();
  std::string kind;
  std::string version;
  if (!object->is_object() || !text_of(*object, "kind", kind) || !text_of(*object, "apiVersion", version)) {
    return wrong("printed no ExecCredential");
  }
  if (kind != "ExecCredential") return wrong("printed an object of kind " + shortened(kind) + ", not ExecCredential");
  if (version != api_version) {
    return wrong("is configured to use API version " + api_version + ", plugin returned version " + shortened(version));
  }
  auto const status = object->find("status");
  if (status == object->end() || !status->is_object()) return wrong("didn't return a status field");

  exec_credential out;
  std::string token;
  std::string expires;
  struct part {
    char const* key;
    std::string& into;
  };
  for (auto const& [key, into] : {part{"token", token}, part{"clientCertificateData", out.certificate_pem},
                                  part{"clientKeyData", out.key_pem}, part{"expirationTimestamp", expires}}) {
    if (!text_of(*status, key, into)) return wrong("returned a status." + std::string(key) + " that is not text");
  }
  if (out.certificate_pem.empty() != out.key_pem.empty()) {
    return wrong("returned only certificate or key, not both");
  }
  if (token.empty() && out.certificate_pem.empty()) return wrong("didn't return a token or cert/key pair");
  if (!token.empty()) {
    auto authorization = bearer(token);
    if (!authorization) return wrong("returned a token that cannot be sent: " + authorization.error().message);
    out.authorization = std::move(*authorization);
  }
  if (!expires.empty()) {
    out.expires = base::parse_time(expires);
    if (!out.expires) return wrong("returned a status.expirationTimestamp that is not a time");
  }
  return {boost::system::in_place_value, std::move(out)};
}

}  // namespace codeexec::kube
