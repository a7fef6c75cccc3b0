#include "codeexec/kube_client/cluster_config.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "codeexec/net/url.hpp"

#include "kubeconfig.hpp"

namespace codeexec::kube {
namespace {

error config_error(std::string message) {
  return error(error_kind::config, std::move(message));
}

/// The sources asked so far, for the message of the search that found nothing.
class search {
 public:
  explicit search(config_environment const& environment) : environment_(environment) {}

  std::string variable(std::string const& name) const { return environment_.variable(name).value_or(""); }

  void tried(std::string what) { tried_ += (tried_.empty() ? "" : "; ") + std::move(what); }

  /// Every file of the list that is there, merged; nothing where none is.
  base::result<std::optional<kubeconfig>> files(std::vector<std::string> const& paths) {
    std::optional<kubeconfig> merged;
    for (auto const& path : paths) {
      auto const text = environment_.read_file(path);
      if (!text) {
        tried(text.error().message);
        continue;
      }
      auto parsed = parse_kubeconfig(*text, path);
      if (!parsed) return parsed.error();
      if (merged) {
        merge_into(*merged, std::move(*parsed));
      } else {
        merged = std::move(*parsed);
      }
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
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

result<cluster_config> from_kubeconfig(kubeconfig const& merged, config_flags const& flags) {
  auto resolved = resolve(merged, flags.context);
  if (!resolved) return config_error(resolved.error().message);
  if (!flags.server.empty()) {
    resolved->server = flags.server;
    resolved->origin += ", with --server";
  }
  return std::move(*resolved);
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
  config.origin = "the service account of this pod";
  // Its absence is told now: a pod without automountServiceAccountToken has the variables all the same.
  auto const token = environment.read_file(folder + "/token");
  if (!token) return config_error("in a pod, but without a service account token: " + token.error().message);
  auto const own_namespace = environment.read_file(folder + "/namespace");
  if (own_namespace && !own_namespace->empty()) {
    auto const end = own_namespace->find_last_not_of(" \n\r\t");
    config.namespace_ = own_namespace->substr(0, end == std::string::npos ? 0 : end + 1);
  }
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
    auto const merged = found.files(split(list, ':'));
    if (!merged) return config_error("KUBECONFIG: " + merged.error().message);
    if (*merged) return from_kubeconfig(**merged, flags);
  } else {
    found.tried("KUBECONFIG is not set");
    auto const home = found.variable("HOME");
    if (home.empty()) {
      found.tried("HOME is not set");
    } else {
      auto const merged = found.files({home + "/.kube/config"});
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
  environment.read_file = [](std::string const& path) -> base::result<std::string> {
    std::error_code failed;
    if (std::filesystem::is_directory(path, failed)) return base::error(path + ": is a folder");
    errno = 0;
    std::ifstream in(path, std::ios::binary);
    if (!in) return base::error(path + ": " + std::strerror(errno));
    std::ostringstream text;
    text << in.rdbuf();
    if (in.bad()) return base::error(path + ": cannot be read");
    // In place: a string alone could be either side of this result.
    return {boost::system::in_place_value, std::move(text).str()};
  };
  return environment;
}

result<cluster_config> load_config(config_flags const& flags, config_environment const& environment) {
  auto config = find_config(flags, environment);
  if (!config) return config;
  auto const url = net::parse_url(config->server);
  if (!url) return config_error("the server of " + config->origin + ": " + url.error().message);
  if (!url->tls && !std::holds_alternative<no_identity>(config->who)) {
    return config_error("the server of " + config->origin + " is http://: a token is not sent in clear text");
  }
  return config;
}

}  // namespace codeexec::kube
