#include "kubeconfig.hpp"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "codeexec/base/encoding.hpp"
#include "codeexec/base/text.hpp"
#include "codeexec/yaml_reader/yaml_reader.hpp"

#include "credentials/bearer.hpp"
#include "proxy.hpp"

namespace codeexec::kube {
namespace {

using base::in_quotes;

using nlohmann::json;

constexpr std::string_view exec_v1 = "client.authentication.k8s.io/v1";
constexpr std::string_view exec_v1beta1 = "client.authentication.k8s.io/v1beta1";
/// The extension of a cluster that plugins get to see, as client-go's clientcmd names it.
constexpr std::string_view exec_extension_name = "client.authentication.k8s.io/exec";

/// What is wrong with a kubeconfig's content. Caught in parse_kubeconfig().
struct unusable {
  std::string message;
};

/// Null, and absent, are one.
json const* child(json const& object, char const* key) {
  auto const found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string what_it_is(json const& value) {
  if (value.is_object()) return "a map";
  if (value.is_array()) return "a list";
  if (value.is_boolean()) return "true or false";
  return value.is_number() ? "a number" : "text";
}

/// One map of the file, and the path that leads to it.
class node {
 public:
  node(json const& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object_.is_object()) throw unusable{where_ + " is " + what_it_is(object_) + ", not a map"};
  }

  bool has(char const* key) const {
    auto const* const value = child(object_, key);
    return value != nullptr && !value->empty() && *value != "";
  }

  std::string text(char const* key) const {
    auto const* const value = child(object_, key);
    if (value == nullptr) return {};
    if (!value->is_string()) throw unusable{at(key) + " is " + what_it_is(*value) + ", not text" + quotes_help(*value)};
    return value->get<std::string>();
  }

  bool flag(char const* key) const {
    auto const* const value = child(object_, key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) throw unusable{at(key) + " is " + what_it_is(*value) + ", neither true nor false"};
    return value->get<bool>();
  }

  /// An empty one where there is none.
  node map(char const* key) const {
    static auto const nothing = json::object();
    auto const* const value = child(object_, key);
    return node(value == nullptr ? nothing : *value, at(key));
  }

  /// `visit(value, where)` for each entry of a list that may be absent.
  template <class Visit>
  void each(char const* key, Visit visit) const {
    auto const* const list = child(object_, key);
    if (list == nullptr) return;
    if (!list->is_array()) throw unusable{at(key) + " is " + what_it_is(*list) + ", not a list"};
    std::size_t index = 0;
    for (auto const& entry : *list)
      visit(entry, at(key) + "[" + std::to_string(index++) + "]");
  }

  json const* raw(char const* key) const { return child(object_, key); }
  std::string at(std::string const& key) const { return where_.empty() ? key : where_ + "." + key; }

 private:
  static std::string quotes_help(json const& value) {
    return value.is_number() || value.is_boolean() ? " (put it in quotes)" : "";
  }

  json const& object_;
  std::string where_;
};

std::string relative_to(std::string const& file, std::string const& path) {
  if (path.empty() || path.front() == '/') return path;
  return (std::filesystem::path(file).parent_path() / path).lexically_normal().string();
}

pem_source pem_at(node const& from, std::string const& key, std::string const& file) {
  pem_source out;
  auto const encoded = from.text((key + "-data").c_str());
  if (!encoded.empty()) {
    auto decoded = base::base64_decode(encoded);
    if (!decoded) throw unusable{from.at(key + "-data") + " is not base64"};
    out.data = std::move(*decoded);
    return out;  // inline data beats the file
  }
  out.file = relative_to(file, from.text(key.c_str()));
  return out;
}

/// `visit(name, body)` for each entry of a list of {name, KEY: {...}}.
template <class Visit>
void each_named(node const& root, char const* list, char const* key, Visit visit) {
  root.each(list, [&](json const& value, std::string const& where) {
    node const entry(value, where);
    auto const name = entry.text("name");
    if (!visit(name, entry.map(key))) {
      throw unusable{std::string(list) + ": the name " + in_quotes(name) + " is there twice"};
    }
  });
}

kubeconfig_cluster parse_cluster(node const& body, std::string const& path) {
  kubeconfig_cluster cluster;
  cluster.server = body.text("server");
  cluster.tls_server_name = body.text("tls-server-name");
  cluster.proxy_url = body.text("proxy-url");
  cluster.insecure_skip_tls_verify = body.flag("insecure-skip-tls-verify");
  cluster.certificate_authority = pem_at(body, "certificate-authority", path);
  body.each("extensions", [&](json const& value, std::string const& where) {
    node const entry(value, where);
    auto const* const content = entry.raw("extension");
    if (entry.text("name") == exec_extension_name && content != nullptr) cluster.exec_extension = content->dump();
  });
  cluster.file = path;
  return cluster;
}

kubeconfig_exec parse_exec(node const& body, std::string const& path) {
  kubeconfig_exec out;
  auto& plugin = out.plugin;
  plugin.api_version = body.text("apiVersion");
  plugin.command = body.text("command");
  // Only what is named by a path: a bare word is looked for in PATH, and must not turn into a file beside the
  // kubeconfig, nor the other way round.
  if (plugin.command.find('/') != std::string::npos) {
    plugin.command = relative_to(path, plugin.command);
    if (plugin.command.find('/') == std::string::npos) plugin.command.insert(0, "./");
  }
  body.each("args", [&](json const& value, std::string const& where) {
    if (!value.is_string()) throw unusable{where + " is " + what_it_is(value) + ", not text"};
    plugin.args.push_back(value.get<std::string>());
  });
  body.each("env", [&](json const& value, std::string const& where) {
    node const entry(value, where);
    auto name = entry.text("name");
    if (name.empty() || name.find('=') != std::string::npos) {
      throw unusable{where + ".name is not the name of a variable"};
    }
    plugin.env.emplace_back(std::move(name), entry.text("value"));
  });
  plugin.install_hint = body.text("installHint");
  plugin.provide_cluster_info = body.flag("provideClusterInfo");
  out.interactive_mode = body.text("interactiveMode");
  return out;
}

kubeconfig_user parse_user(node const& body, std::string const& path) {
  kubeconfig_user user;
  user.token = body.text("token");
  user.token_file = relative_to(path, body.text("tokenFile"));
  user.client_certificate = pem_at(body, "client-certificate", path);
  user.client_key = pem_at(body, "client-key", path);
  if (body.raw("exec") != nullptr) user.exec = parse_exec(body.map("exec"), path);
  for (char const* const key :
       {"auth-provider", "username", "password", "as", "as-uid", "as-groups", "as-user-extra"}) {
    if (body.has(key)) user.unsupported.emplace_back(key);
  }
  user.file = path;
  return user;
}

/// Where and what, without the words of the text itself: a value of it can be a secret.
std::string without_values(std::string const& message) {
  auto const end_of_place = message.starts_with("line ") ? message.find(": ") : std::string::npos;
  auto const place = end_of_place == std::string::npos ? std::string() : message.substr(0, end_of_place + 2);
  auto const why = message.substr(place.size());
  if (why.starts_with("the key ")) return place + why;
  auto const safe = why.substr(0, std::min(why.find('"'), why.find(": ")));
  return place + (safe.empty() ? "a value that cannot be read" : safe);
}

json read(std::string const& text) {
  auto documents = yaml::read_documents(text);
  if (!documents) {
    // Tabs between values are JSON, but no YAML.
    auto const begin = text.find_first_not_of(" \t\r\n");
    auto as_json = begin != std::string::npos && text[begin] == '{'
                       ? yaml::read_json(text)
                       : base::result<json>(base::error(documents.error().message));
    if (!as_json) {
      auto const why = without_values(documents.error().message);
      throw unusable{(why.starts_with("line ") ? "not YAML: " : "") + why};
    }
    return std::move(*as_json);
  }
  if (documents->size() > 1) throw unusable{"it holds more than one document"};
  return documents->empty() ? json(nullptr) : std::move(documents->front());
}

kubeconfig parse(std::string const& text, std::string const& path) {
  kubeconfig out;
  out.files.push_back(path);
  auto const content = read(text);
  if (content.is_null()) return out;  // kubectl takes an empty file for an empty configuration
  if (!content.is_object()) throw unusable{"it is not a kubeconfig"};
  node const root(content, "");
  auto const kind = root.text("kind");
  if (!kind.empty() && kind != "Config") throw unusable{"kind is " + kind + ", not Config"};
  auto const version = root.text("apiVersion");
  if (!version.empty() && version != "v1") throw unusable{"apiVersion is " + version + ", not v1"};

  out.current_context = root.text("current-context");
  each_named(root, "clusters", "cluster", [&](std::string const& name, node const& body) {
    return out.clusters.emplace(name, parse_cluster(body, path)).second;
  });
  each_named(root, "users", "user", [&](std::string const& name, node const& body) {
    return out.users.emplace(name, parse_user(body, path)).second;
  });
  each_named(root, "contexts", "context", [&](std::string const& name, node const& body) {
    kubeconfig_context context;
    context.cluster = body.text("cluster");
    context.user = body.text("user");
    context.namespace_ = body.text("namespace");
    context.file = path;
    return out.contexts.emplace(name, std::move(context)).second;
  });
  return out;
}

std::string join(std::vector<std::string> const& parts, char const* separator) {
  std::string out;
  for (auto const& one : parts)
    out += (out.empty() ? "" : separator) + one;
  return out;
}

std::string why_unsupported(std::string const& what) {
  if (what == "auth-provider") {
    return "auth-provider was removed from Kubernetes in 1.26; use an exec plugin or a token";
  }
  if (what == "username" || what == "password") {
    return "basic authentication (username, password) was removed from Kubernetes in 1.19; use a token, a client "
           "certificate or an exec plugin";
  }
  return what + ": impersonation is not supported";
}

/// client-go's rules (clientcmd/validation.go, plugin/pkg/client/auth/exec): the mode must be said, but had a default
/// in v1beta1.
base::result<exec_identity> usable_plugin(kubeconfig_exec const& exec, attendance person) {
  auto out = exec.plugin;
  if (out.command.empty()) return base::error("exec: command must be specified to use an exec authentication plugin");
  if (out.api_version.empty()) {
    return base::error("exec: apiVersion must be specified to use an exec authentication plugin");
  }
  if (out.api_version != exec_v1 && out.api_version != exec_v1beta1) {
    return base::error("exec: invalid apiVersion " + in_quotes(out.api_version) + ": " + std::string(exec_v1) +
                       " and " + std::string(exec_v1beta1) + " are known");
  }
  auto const mode =
      exec.interactive_mode.empty() && out.api_version == exec_v1beta1 ? "IfAvailable" : exec.interactive_mode;
  if (mode.empty()) {
    return base::error("exec: interactiveMode must be specified to use an exec authentication plugin");
  }
  if (mode != "Never" && mode != "IfAvailable" && mode != "Always") {
    return base::error("exec: invalid interactiveMode " + in_quotes(mode) + ": it is Never, IfAvailable or Always");
  }
  if (mode == "Always" && person != attendance::answering) {
    return base::error(
        "exec: the plugin cannot support interactive mode (interactiveMode: Always): standard input is not a terminal, "
        "or is read by something else");
  }
  out.person = mode == "Never" && person == attendance::answering ? attendance::watching : person;
  return {boost::system::in_place_value, std::move(out)};
}

}  // namespace

base::result<kubeconfig> parse_kubeconfig(std::string const& text, std::string const& path) {
  try {
    return parse(text, path);
  } catch (unusable const& e) {
    return base::error(path + ": " + e.message);
  }
}

void merge_into(kubeconfig& merged, kubeconfig next) {
  if (merged.current_context.empty()) merged.current_context = std::move(next.current_context);
  merged.clusters.merge(next.clusters);
  merged.users.merge(next.users);
  merged.contexts.merge(next.contexts);
  merged.files.insert(merged.files.end(), next.files.begin(), next.files.end());
}

base::result<cluster_config> resolve(kubeconfig const& merged, std::string const& context, attendance person) {
  auto const files = join(merged.files, ", ");
  auto const& wanted = context.empty() ? merged.current_context : context;
  std::vector<std::string> names;
  for (auto const& [name, unused] : merged.contexts)
    names.push_back(name);
  auto const there = " (there: " + (names.empty() ? "none" : join(names, ", ")) + ")";
  if (wanted.empty()) {
    return base::error(files + ": no current-context is set and --context was not given" +
                       (names.empty() ? "" : there));
  }
  auto const found = merged.contexts.find(wanted);
  if (found == merged.contexts.end()) {
    return base::error("context " + in_quotes(wanted) + " does not exist in " + files + there);
  }

  auto const& chosen = found->second;
  auto const cluster = merged.clusters.find(chosen.cluster);
  if (cluster == merged.clusters.end()) {
    return base::error("context " + in_quotes(wanted) + " of " + chosen.file + " names the cluster " +
                       in_quotes(chosen.cluster) + ", which does not exist");
  }
  auto const& server = cluster->second;
  auto const of_cluster = "cluster " + in_quotes(chosen.cluster) + " of " + server.file;
  if (server.server.empty()) return base::error(of_cluster + " has no server");
  if (server.insecure_skip_tls_verify && !server.certificate_authority.empty()) {
    return base::error(of_cluster + ": insecure-skip-tls-verify and certificate-authority exclude each other");
  }

  cluster_config out;
  out.server = server.server;
  out.tls_server_name = server.tls_server_name;
  out.insecure_skip_tls_verify = server.insecure_skip_tls_verify;
  out.certificate_authority = server.certificate_authority;
  if (!server.proxy_url.empty()) {
    auto proxy = parse_proxy(server.proxy_url);
    if (!proxy) return base::error(of_cluster + ": proxy-url: " + proxy.error().message);
    out.proxy = std::move(*proxy);
  }
  if (!chosen.namespace_.empty()) out.namespace_ = chosen.namespace_;
  out.origin = "context " + in_quotes(wanted) + " of " + chosen.file;

  if (chosen.user.empty()) return out;
  auto const user = merged.users.find(chosen.user);
  if (user == merged.users.end()) {
    return base::error("context " + in_quotes(wanted) + " of " + chosen.file + " names the user " +
                       in_quotes(chosen.user) + ", which does not exist");
  }
  auto const& who = user->second;
  auto const of_user = "user " + in_quotes(chosen.user) + " of " + who.file;
  if (!who.unsupported.empty()) return base::error(of_user + ": " + why_unsupported(who.unsupported.front()));
  if (who.client_certificate.empty() != who.client_key.empty()) {
    return base::error(of_user + ": client-certificate and client-key go together");
  }
  out.client_certificate = who.client_certificate;
  out.client_key = who.client_key;
  if (!who.token.empty()) {
    auto const usable = bearer(who.token);
    if (!usable) return base::error(of_user + ": token: " + usable.error().message);
    out.who = token_identity{who.token};
  } else if (!who.token_file.empty()) {
    out.who = token_file_identity{who.token_file};
  } else if (who.exec) {
    auto plugin = usable_plugin(*who.exec, person);
    if (!plugin) return base::error(of_user + ": " + plugin.error().message);
    plugin->cluster_extension = server.exec_extension;
    out.who = std::move(*plugin);
  }
  return out;
}

}  // namespace codeexec::kube
