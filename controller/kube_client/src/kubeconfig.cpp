#include "kubeconfig.hpp"

#include <algorithm>
#include <filesystem>
#include <yaml-cpp/yaml.h>

#include "codeexec/base/encoding.hpp"

namespace codeexec::kube {
namespace {

/// What is wrong with a kubeconfig's content. Caught in parse_kubeconfig(): yaml-cpp reports by exceptions itself.
struct unusable {
  std::string message;
};

YAML::Node child(YAML::Node const& node, char const* key) {
  // Asking a node that is not a map throws in yaml-cpp; here it is an absent field.
  return node.IsMap() ? node[key] : YAML::Node(YAML::NodeType::Undefined);
}

std::string text_at(YAML::Node const& node, char const* key, std::string const& where) {
  auto const value = child(node, key);
  if (!value.IsDefined() || value.IsNull()) return {};
  if (!value.IsScalar()) throw unusable{where + "." + key + " is not text"};
  return value.Scalar();
}

bool flag_at(YAML::Node const& node, char const* key, std::string const& where) {
  auto const text = text_at(node, key, where);
  if (text.empty() || text == "false") return false;
  if (text == "true") return true;
  throw unusable{where + "." + key + " is neither true nor false"};
}

std::string relative_to(std::string const& file, std::string const& path) {
  if (path.empty() || path.front() == '/') return path;
  return (std::filesystem::path(file).parent_path() / path).lexically_normal().string();
}

pem_source pem_at(YAML::Node const& node, std::string const& key, std::string const& where, std::string const& file) {
  pem_source out;
  auto const encoded = text_at(node, (key + "-data").c_str(), where);
  if (!encoded.empty()) {
    auto decoded = base::base64_decode(encoded);
    if (!decoded) throw unusable{where + "." + key + "-data is not base64"};
    out.data = std::move(*decoded);
    return out;  // inline data beats the file
  }
  out.file = relative_to(file, text_at(node, key.c_str(), where));
  return out;
}

/// `visit(name, body, where)` for each entry of a list of {name, KEY: {...}}.
template <class Visit>
void each_named(YAML::Node const& root, char const* list, char const* key, Visit visit) {
  auto const entries = child(root, list);
  if (!entries.IsDefined() || entries.IsNull()) return;
  if (!entries.IsSequence()) throw unusable{std::string(list) + " is not a list"};
  std::size_t index = 0;
  for (auto const& entry : entries) {
    auto where = std::string(list) + "[" + std::to_string(index++) + "]";
    auto const name = text_at(entry, "name", where);
    auto const body = child(entry, key);
    visit(name, body.IsDefined() ? body : YAML::Node(YAML::NodeType::Map), where + "." + key);
  }
}

kubeconfig parse(std::string const& text, std::string const& path) {
  kubeconfig out;
  out.files.push_back(path);
  auto const root = YAML::Load(text);
  if (!root.IsDefined() || root.IsNull()) return out;  // kubectl takes an empty file for an empty configuration
  if (!root.IsMap()) throw unusable{"it is not a kubeconfig"};
  auto const kind = text_at(root, "kind", "kubeconfig");
  if (!kind.empty() && kind != "Config") throw unusable{"kind is " + kind + ", not Config"};

  out.current_context = text_at(root, "current-context", "kubeconfig");
  each_named(root, "clusters", "cluster",
             [&](std::string const& name, YAML::Node const& body, std::string const& where) {
               kubeconfig_cluster cluster;
               cluster.server = text_at(body, "server", where);
               cluster.tls_server_name = text_at(body, "tls-server-name", where);
               cluster.proxy_url = text_at(body, "proxy-url", where);
               cluster.insecure_skip_tls_verify = flag_at(body, "insecure-skip-tls-verify", where);
               cluster.certificate_authority = pem_at(body, "certificate-authority", where, path);
               cluster.file = path;
               out.clusters.emplace(name, std::move(cluster));
             });
  each_named(root, "users", "user", [&](std::string const& name, YAML::Node const& body, std::string const& where) {
    kubeconfig_user user;
    user.token = text_at(body, "token", where);
    user.token_file = relative_to(path, text_at(body, "tokenFile", where));
    user.client_certificate = pem_at(body, "client-certificate", where, path);
    user.client_key = pem_at(body, "client-key", where, path);
    for (char const* const key : {"exec", "auth-provider", "username", "password", "as", "as-uid", "as-groups"}) {
      auto const value = child(body, key);
      if (value.IsDefined() && !value.IsNull()) user.unsupported.emplace_back(key);
    }
    user.file = path;
    out.users.emplace(name, std::move(user));
  });
  each_named(root, "contexts", "context",
             [&](std::string const& name, YAML::Node const& body, std::string const& where) {
               kubeconfig_context context;
               context.cluster = text_at(body, "cluster", where);
               context.user = text_at(body, "user", where);
               context.namespace_ = text_at(body, "namespace", where);
               context.file = path;
               out.contexts.emplace(name, std::move(context));
             });
  return out;
}

std::string join(std::vector<std::string> const& parts, char const* separator) {
  std::string out;
  for (auto const& one : parts)
    out += (out.empty() ? "" : separator) + one;
  return out;
}

std::string quoted(std::string const& name) {
  return "\"" + name + "\"";
}

base::error unsupported(std::string const& what, kubeconfig_user const& user, std::string const& name) {
  std::string text = "user " + quoted(name) + " of " + user.file + ": ";
  if (what == "exec") {
    return base::error(text + "exec plugins are not supported yet; use a token, a tokenFile or a client certificate");
  }
  if (what == "auth-provider") {
    return base::error(text +
                       "auth-provider was removed from Kubernetes in 1.26; use an exec plugin's successor or a token");
  }
  if (what == "username" || what == "password") {
    return base::error(text +
                       "basic authentication was removed from Kubernetes in 1.19; use a token or a client certificate");
  }
  return base::error(text + what + ": impersonation is not supported");
}

}  // namespace

base::result<kubeconfig> parse_kubeconfig(std::string const& text, std::string const& path) {
  try {
    return parse(text, path);
  } catch (unusable const& e) {
    return base::error(path + ": " + e.message);
  } catch (YAML::Exception const& e) {
    // The parser's message can repeat what it read, and that can be a secret: only the place is told.
    return base::error(path + ": not YAML at line " + std::to_string(e.mark.line + 1) + ", column " +
                       std::to_string(e.mark.column + 1));
  }
}

void merge_into(kubeconfig& merged, kubeconfig next) {
  if (merged.current_context.empty()) merged.current_context = std::move(next.current_context);
  merged.clusters.merge(next.clusters);
  merged.users.merge(next.users);
  merged.contexts.merge(next.contexts);
  merged.files.insert(merged.files.end(), next.files.begin(), next.files.end());
}

base::result<cluster_config> resolve(kubeconfig const& merged, std::string const& context) {
  auto const files = join(merged.files, ", ");
  auto const& wanted = context.empty() ? merged.current_context : context;
  if (wanted.empty()) return base::error(files + ": no current-context is set and --context was not given");
  auto const found = merged.contexts.find(wanted);
  if (found == merged.contexts.end()) {
    std::vector<std::string> names;
    for (auto const& [name, unused] : merged.contexts)
      names.push_back(name);
    return base::error("context " + quoted(wanted) + " does not exist in " + files +
                       " (there: " + (names.empty() ? "none" : join(names, ", ")) + ")");
  }

  auto const& chosen = found->second;
  auto const cluster = merged.clusters.find(chosen.cluster);
  if (cluster == merged.clusters.end()) {
    return base::error("context " + quoted(wanted) + " of " + chosen.file + " names the cluster " +
                       quoted(chosen.cluster) + ", which does not exist");
  }
  auto const& server = cluster->second;
  if (server.server.empty())
    return base::error("cluster " + quoted(chosen.cluster) + " of " + server.file + " has no server");
  if (!server.proxy_url.empty()) {
    return base::error("cluster " + quoted(chosen.cluster) + " of " + server.file + ": proxy-url is not supported yet");
  }
  if (server.insecure_skip_tls_verify && !server.certificate_authority.empty()) {
    return base::error("cluster " + quoted(chosen.cluster) + " of " + server.file +
                       ": insecure-skip-tls-verify and certificate-authority exclude each other");
  }

  cluster_config out;
  out.server = server.server;
  out.tls_server_name = server.tls_server_name;
  out.insecure_skip_tls_verify = server.insecure_skip_tls_verify;
  out.certificate_authority = server.certificate_authority;
  if (!chosen.namespace_.empty()) out.namespace_ = chosen.namespace_;
  out.origin = "context " + quoted(wanted) + " of " + chosen.file;

  if (chosen.user.empty()) return out;
  auto const user = merged.users.find(chosen.user);
  if (user == merged.users.end()) {
    return base::error("context " + quoted(wanted) + " of " + chosen.file + " names the user " + quoted(chosen.user) +
                       ", which does not exist");
  }
  auto const& who = user->second;
  if (!who.unsupported.empty()) return unsupported(who.unsupported.front(), who, chosen.user);
  if (who.client_certificate.empty() != who.client_key.empty()) {
    return base::error("user " + quoted(chosen.user) + " of " + who.file +
                       ": client-certificate and client-key go together");
  }
  out.client_certificate = who.client_certificate;
  out.client_key = who.client_key;
  if (!who.token.empty()) {
    out.who = token_identity{who.token};
  } else if (!who.token_file.empty()) {
    out.who = token_file_identity{who.token_file};
  }
  return out;
}

}  // namespace codeexec::kube
