#include "codeexec/kube_client/cluster_config.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "codeexec/base/file.hpp"
#include "codeexec/net/url.hpp"

#include "credentials/bearer.hpp"
#include "kubeconfig.hpp"
#include "proxy.hpp"

namespace codeexec::kube {
namespace {

constexpr char const* in_cluster_origin = "the service account of this pod";
/// No kubeconfig, certificate or token comes near; a device that never ends, named by mistake, does.

error config_error(std::string message) {
  return error(error_kind::config, std::move(message));
}

/// The sources asked so far, for the message of the search that found nothing.
class search {
 public:
  explicit search(config_environment const& environment) : environment_(environment) {}

  std::string variable(std::string const& name) const { return environment_.variable(name).value_or(""); }

  void tried(std::string const& what) { tried_ += (tried_.empty() ? "" : "; ") + what; }

  /// Every file of the list that is there, merged; nothing where none is. The error names every file that is broken.
  base::result<std::optional<kubeconfig>> files(std::vector<std::string> const& paths) {
    std::optional<kubeconfig> merged;
    std::string broken;
    auto const is_broken = [&](std::string const& why) { broken += (broken.empty() ? "" : "; ") + why; };
    for (auto const& path : paths) {
      auto const text = environment_.read_file(path);
      if (!text) {
        if (environment_.is_missing(path)) {
          tried(text.error().message);
        } else {
          is_broken(text.error().message);
        }
        continue;
      }
      auto parsed = parse_kubeconfig(*text, path);
      if (!parsed) {
        is_broken(parsed.error().message);
      } else if (merged) {
        merge_into(*merged, std::move(*parsed));
      } else {
        merged = std::move(*parsed);
      }
    }
    if (!broken.empty()) return base::error(broken);
    return merged;
  }

  /// As files(), but what says nothing at all counts as missing.
  base::result<std::optional<kubeconfig>> files_that_say_something(std::vector<std::string> const& paths) {
    auto merged = files(paths);
    if (merged && *merged && (*merged)->empty()) {
      for (auto const& path : (*merged)->files)
        tried(path + ": is empty");
      return std::optional<kubeconfig>();
    }
    return merged;
  }

  std::string const& all_tried() const { return tried_; }

 private:
  config_environment const& environment_;
  std::string tried_;
};

std::vector<std::string> split(std::string const& list, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, separator);) {
    // The first of two of the same name would win anyhow; read once, it is told of once.
    if (!part.empty() && std::find(parts.begin(), parts.end(), part) == parts.end()) parts.push_back(part);
  }
  return parts;
}

result<cluster_config> from_kubeconfig(kubeconfig const& merged, config_flags const& flags) {
  auto resolved = resolve(merged, flags.context, flags.person);
  if (!resolved) return config_error(resolved.error().message);
  if (!flags.server.empty()) {
    resolved->server = flags.server;
    resolved->origin += ", with --server";
  }
  return std::move(*resolved);
}

std::string trimmed(std::string const& text) {
  constexpr char const* blank = " \n\r\t";
  auto const begin = text.find_first_not_of(blank);
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

/// The pod's own service account, as kubelet mounts it and as it rotates it.
result<std::optional<cluster_config>> in_cluster(search& found, config_environment const& environment) {
  auto const host = found.variable("KUBERNETES_SERVICE_HOST");
  auto const port = found.variable("KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty()) {
    found.tried("not in a pod (KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set)");
    return std::optional<cluster_config>();
  }
  auto const& folder = environment.service_account_folder;
  cluster_config config;
  config.server = "https://" + (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
  config.certificate_authority.file = folder + "/ca.crt";
  config.who = token_file_identity{folder + "/token"};
  config.origin = in_cluster_origin;
  // Its absence is told now: a pod without automountServiceAccountToken has the variables all the same.
  auto const token = environment.read_file(folder + "/token");
  if (!token) return config_error("in a pod, but without a service account token: " + token.error().message);
  auto const usable = bearer(trimmed(*token));
  if (!usable) return config_error("the service account token " + folder + "/token: " + usable.error().message);
  // client-go asks in this order, too.
  auto own_namespace = found.variable("POD_NAMESPACE");
  if (own_namespace.empty()) {
    auto const mounted = environment.read_file(folder + "/namespace");
    if (mounted) own_namespace = trimmed(*mounted);
  }
  if (!own_namespace.empty()) config.namespace_ = own_namespace;
  return std::optional<cluster_config>(std::move(config));
}

result<cluster_config> find_config(config_flags const& flags, config_environment const& environment) {
  search found(environment);
  if (!flags.kubeconfig.empty()) {
    auto const merged = found.files({flags.kubeconfig});
    if (!merged) return config_error(merged.error().message);
    if (!*merged) return config_error("--kubeconfig: " + found.all_tried());
    return from_kubeconfig(**merged, flags);
  }
  if (!flags.server.empty() && flags.context.empty()) {
    cluster_config config;
    config.server = flags.server;
    config.origin = "--server";
    return config;
  }

  auto const list = found.variable("KUBECONFIG");
  if (!list.empty()) {
    auto const merged = found.files_that_say_something(split(list, ':'));
    if (!merged) return config_error("KUBECONFIG: " + merged.error().message);
    if (*merged) return from_kubeconfig(**merged, flags);
  } else {
    found.tried("KUBECONFIG is not set");
    auto const home = found.variable("HOME");
    if (home.empty()) {
      found.tried("HOME is not set");
    } else {
      auto const merged = found.files_that_say_something({home + "/.kube/config"});
      if (!merged) return config_error(merged.error().message);
      if (*merged) return from_kubeconfig(**merged, flags);
    }
  }

  if (!flags.context.empty()) {
    return config_error("--context " + flags.context + " needs a kubeconfig; tried: " + found.all_tried());
  }
  auto pod = in_cluster(found, environment);
  if (!pod) return pod.error();
  if (*pod) return std::move(**pod);
  return config_error("no cluster is configured; tried: " + found.all_tried() +
                      ". Give --kubeconfig or --server, or set KUBECONFIG");
}

}  // namespace

config_environment process_environment() {
  config_environment environment;
  environment.variable = [](std::string const& name) -> std::optional<std::string> {
    auto const* const value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  environment.read_file = [](std::string const& path) { return base::read_file(path); };
  environment.is_missing = [](std::string const& path) {
    std::error_code failed;
    return std::filesystem::status(path, failed).type() == std::filesystem::file_type::not_found;
  };
  return environment;
}

result<cluster_config> load_config(config_flags const& flags, config_environment const& environment) {
  auto config = find_config(flags, environment);
  if (!config) return config;
  auto const from = "the server of " + config->origin;
  auto const url = net::parse_url(config->server);
  if (!url) return config_error(from + ": " + url.error().message);
  if (!url->tls && !std::holds_alternative<no_identity>(config->who)) {
    return config_error(from + " is http://: a credential is not sent in clear text");
  }
  if (!config->proxy && config->origin != in_cluster_origin) {
    auto proxy = proxy_from_environment(*url, environment.variable);
    if (!proxy) return config_error("the proxy for " + url->to_string() + ": " + proxy.error().message);
    config->proxy = std::move(*proxy);
  }
  if (config->proxy) config->origin += ", through the proxy " + config->proxy->url;
  return config;
}

}  // namespace codeexec::kube
