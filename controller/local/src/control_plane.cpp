#include "codeexec/local/control_plane.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <optional>
#include <set>
#include <unistd.h>
#include <utility>

#include "codeexec/async/task_group.hpp"
#include "codeexec/base/encoding.hpp"
#include "codeexec/base/file.hpp"
#include "codeexec/local/access_control.hpp"
#include "codeexec/local/admission.hpp"
#include "codeexec/local/api_server.hpp"
#include "codeexec/local/builtin_types.hpp"
#include "codeexec/local/certificates.hpp"
#include "codeexec/local/custom_types.hpp"
#include "codeexec/local/fault_injector.hpp"
#include "codeexec/local/garbage_collector.hpp"
#include "codeexec/local/journal.hpp"
#include "codeexec/local/yaml.hpp"
#include "codeexec/net/server.hpp"
#include "codeexec/yaml_reader/yaml_writer.hpp"

namespace codeexec::local {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

/// Servers on the networks of pods; each ends with its pod.
struct pod_servers : std::enable_shared_from_this<pod_servers> {
  explicit pod_servers(asio::any_io_executor const& executor) : tasks(executor) {}

  static asio::awaitable<void> end(std::shared_ptr<net::http_server> server) { co_await server->stop(); }

  std::shared_ptr<void> keep(std::shared_ptr<net::http_server> server) {
    auto const place = all.insert(server).first;
    return std::shared_ptr<void>(place->get(), [weak = weak_from_this(), server](void*) {
      auto const self = weak.lock();
      if (self != nullptr && self->all.erase(server) > 0) {
        (void)self->tasks.spawn("end of a pod's server", end(server));
      }
    });
  }

  std::set<std::shared_ptr<net::http_server>> all;
  async::task_group tasks;
};

}  // namespace

struct control_plane::state : cluster_access {
  state(asio::any_io_executor ex, base::clock const& clock, base::rng random, control_plane_options o)
      : executor(ex),
        options(std::move(o)),
        objects(clock, random, options.limits),
        customs(objects),
        collector(objects, [ex](std::function<void()> work) { asio::post(ex, std::move(work)); }),
        api(ex, objects, customs),
        faults(ex, api),
        in_pods(std::make_shared<pod_servers>(ex)) {}
  ~state() override = default;

  base::result<std::string> account_token(std::string_view ns, std::string_view account,
                                          std::chrono::seconds lifetime) override;
  std::string authority() override { return identity.authority.certificate_pem; }
  base::result<std::shared_ptr<void>> serve(int listening) override;
  base::result<asio::ip::tcp::endpoint> host_endpoint() override;
  /// Made when first asked for: one certificate for every address that the server has.
  base::result<net::tls_context> tls();

  net::request_handler& front() { return options.faults ? static_cast<net::request_handler&>(faults) : api; }

  asio::any_io_executor executor;
  control_plane_options options;
  std::unique_ptr<journal> file;
  store objects;
  custom_types customs;
  garbage_collector collector;
  api_server api;
  fault_injector faults;
  server_identity identity;
  std::unique_ptr<access_control> access;
  std::unique_ptr<net::http_server> http;
  std::shared_ptr<pod_servers> in_pods;
  net::tls_context certificate;
  std::optional<asio::ip::tcp::endpoint> bound;
  std::string address;
};

base::result<std::string> control_plane::state::account_token(std::string_view ns, std::string_view account,
                                                              std::chrono::seconds lifetime) {
  auto const found = objects.require(service_accounts, ns, account);
  if (!found) {
    return base::error(found.error().message);
  }
  std::string const token = access ? access->tokens.issue(*found, lifetime) : std::string("unchecked");
  return base::result<std::string>(boost::system::in_place_value, token);
}

base::result<std::shared_ptr<void>> control_plane::state::serve(int listening) {
  net::server_options how;
  auto context = tls();
  if (!context) {
    ::close(listening);
    return context.error();
  }
  how.tls = std::move(*context);
  auto server = std::make_shared<net::http_server>(executor, front(), std::move(how));
  auto const begun = server->adopt(listening);
  if (!begun) {
    return begun.error();
  }
  return in_pods->keep(std::move(server));
}

base::result<asio::ip::tcp::endpoint> control_plane::state::host_endpoint() {
  if (!bound || !options.tls) {
    return base::error(options.tls ? "the API does not listen yet" : "the API is served without TLS (--insecure-http)");
  }
  return *bound;
}

base::result<net::tls_context> control_plane::state::tls() {
  if (certificate) {
    return certificate;
  }
  boost::system::error_code ec;
  auto const where = asio::ip::make_address(options.address, ec);
  auto names = options.names;
  names.insert(names.end(), {"localhost", "127.0.0.1", "::1", api_service_address, "kubernetes", "kubernetes.default",
                             "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"});
  if (!ec && !where.is_unspecified() && !where.is_loopback()) {
    names.push_back(where.to_string());
  }
  char host[256] = {};
  if (!ec && where.is_unspecified() && ::gethostname(host, sizeof host - 1) == 0 && host[0] != '\0') {
    names.emplace_back(host);
  }
  auto const pair = make_server_certificate(identity.authority, names);
  if (!pair) {
    return pair.error();
  }
  auto made = net::make_server_tls(pair->certificate_pem, pair->key_pem);
  if (made) {
    certificate = *made;
  }
  return made;
}

control_plane::control_plane(asio::any_io_executor executor, base::clock const& clock, base::rng random,
                             control_plane_options options)
    : state_(std::make_unique<state>(std::move(executor), clock, random, std::move(options))) {}

control_plane::~control_plane() = default;

base::result<void> control_plane::load() {
  state& s = *state_;
  add_builtin_types(s.objects);
  journal::content restored;
  if (!s.options.data.empty()) {
    auto opened = journal::open(s.options.data);
    if (!opened) {
      return opened.error();
    }
    s.file = std::move(*opened);
    restored = s.file->take_content();
  }
  if (restored.resource_version > 0) {
    s.objects.restore_resource_version(restored.resource_version);
  }
  // Definitions first: only then are the types of the other objects known.
  std::string const definitions =
      qualified(kube::custom_resource_definitions.plural, kube::custom_resource_definitions.group);
  for (journal::record& one : restored.objects) {
    if (one.resource == definitions) {
      s.objects.restore(kube::custom_resource_definitions, std::move(one.value));
    }
  }
  s.customs.start();
  for (journal::record& one : restored.objects) {
    auto const dot = one.resource.find('.');
    std::string const plural = one.resource.substr(0, dot);
    std::string const group = dot == std::string::npos ? std::string() : one.resource.substr(dot + 1);
    auto const type = one.resource == definitions ? nullptr : s.objects.find_type(group, plural);
    if (type) {
      s.objects.restore(type->id(), std::move(one.value));
    }
  }
  if (s.file) {
    s.file->record_writes(s.objects);
  }
  add_default_namespaces(s.objects);
  if (!s.options.crds.empty()) {
    auto const loaded = s.customs.load(s.options.crds);
    if (!loaded) {
      return loaded.error();
    }
  }
  s.collector.start();
  install_admission(s.objects, [ex = s.executor](std::function<void()> work) { asio::post(ex, std::move(work)); });
  // Also where nobody is checked: pods of the machine's own programs are served over TLS.
  auto identity = load_identity(s.options.secrets);
  if (!identity) {
    return identity.error();
  }
  s.identity = std::move(*identity);
  if (s.options.access_control) {
    add_default_roles(s.objects);
    s.access = std::make_unique<access_control>(s.objects, s.identity.tokens);
    s.api.set_access_control(s.access.get());
    s.faults.set_access_control(s.access.get());
    if (!s.options.audit.empty()) {
      auto log = audit_log::open(s.options.audit);
      if (!log) {
        return log.error();
      }
      s.access->audit = std::move(*log);
    }
  }
  return {};
}

base::result<void> control_plane::listen() {
  state& s = *state_;
  boost::system::error_code ec;
  auto const where = asio::ip::make_address(s.options.address, ec);
  if (ec) {
    return base::error("not an IP address: " + s.options.address);
  }
  net::server_options http;
  if (s.options.tls) {
    auto tls = s.tls();
    if (!tls) {
      return tls.error();
    }
    http.tls = std::move(*tls);
  }
  s.http = std::make_unique<net::http_server>(s.executor, s.front(), std::move(http));
  auto const bound = s.http->listen(asio::ip::tcp::endpoint(where, s.options.port));
  if (!bound) {
    return bound.error();
  }
  std::string const host = where.is_v6() ? "[" + where.to_string() + "]" : where.to_string();
  s.bound = *bound;
  s.address = host + ":" + std::to_string(bound->port());
  s.api.set_address(s.address);
  return {};
}

asio::awaitable<void> control_plane::stop() {
  auto const in_pods = state_->in_pods;
  auto const serving = std::exchange(in_pods->all, {});
  for (auto const& one : serving) {
    co_await one->stop();
  }
  co_await in_pods->tasks.join();
  if (state_->http) {
    co_await state_->http->stop();
  }
}

store& control_plane::objects() {
  return state_->objects;
}

void control_plane::set_log_source(log_source* logs) {
  state_->api.set_log_source(logs);
}

void control_plane::set_pod_ports(pod_ports* ports) {
  state_->api.set_pod_ports(ports);
}

cluster_access& control_plane::for_pods() {
  return *state_;
}

std::string control_plane::address() const {
  return state_->address;
}

std::string control_plane::url() const {
  return (state_->options.tls ? "https://" : "http://") + state_->address;
}

std::string control_plane::kubeconfig(std::string const& context, std::string const& token,
                                      std::string const& ns) const {
  state const& s = *state_;
  json cluster = {{"server", url()}};
  if (s.options.tls) {
    cluster["certificate-authority-data"] = base::base64_encode(s.identity.authority.certificate_pem);
  }
  json user = json::object();
  if (s.access) {
    user["token"] = token.empty() ? s.access->tokens.administrator_token() : token;
  } else if (s.options.tls) {
    // Over TLS kubectl asks for a name and a password where a user has nothing at all.
    user["token"] = "unchecked";
  }
  return yaml::write_document(
      {{"apiVersion", "v1"},
       {"kind", "Config"},
       {"clusters", json::array({{{"name", context}, {"cluster", std::move(cluster)}}})},
       {"users", json::array({{{"name", context}, {"user", std::move(user)}}})},
       {"contexts",
        json::array({{{"name", context}, {"context", {{"cluster", context}, {"user", context}, {"namespace", ns}}}}})},
       {"current-context", context}});
}

base::result<std::string> control_plane::make_token(std::string_view ns, std::string_view name,
                                                    std::chrono::seconds lifetime) const {
  auto const account = state_->objects.require(service_accounts, ns, name);
  if (!account) {
    return base::error(account.error().message);
  }
  if (!state_->access) {
    return base::error("tokens are made with access control alone");
  }
  return base::result<std::string>(boost::system::in_place_value, state_->access->tokens.issue(*account, lifetime));
}

base::result<void> control_plane::add_objects(fs::path const& file_or_folder) {
  store& objects = state_->objects;
  std::error_code ec;
  std::vector<fs::path> files;
  if (fs::is_directory(file_or_folder, ec)) {
    for (auto const& entry : fs::directory_iterator(file_or_folder, ec)) {
      std::string const extension = entry.path().extension();
      if (extension == ".yaml" || extension == ".yml" || extension == ".json") {
        files.push_back(entry.path());
      }
    }
    std::sort(files.begin(), files.end());
  } else {
    files.push_back(file_or_folder);
  }
  std::vector<std::pair<fs::path, json>> documents;
  for (auto const& file : files) {
    auto const text = base::read_file(file.string());
    if (!text) {
      return text.error();
    }
    auto parsed = parse_yaml_documents(*text);
    if (!parsed) {
      return base::error(file.string() + ": " + parsed.error().message);
    }
    for (json& one : *parsed) {
      documents.emplace_back(file, std::move(one));
    }
  }
  std::stable_partition(documents.begin(), documents.end(),
                        [](auto const& one) { return string_at(one.second, "kind") == "Namespace"; });
  for (auto& [file, value] : documents) {
    std::string const version = string_at(value, "apiVersion");
    auto const slash = version.find('/');
    std::string const group = slash == std::string::npos ? std::string() : version.substr(0, slash);
    auto const type = objects.find_kind(group, string_at(value, "kind"));
    if (!type) {
      return base::error(file.string() + ": no such kind here: " + version + " " + string_at(value, "kind"));
    }
    if (type->namespaced && string_at(value, "metadata.namespace").empty()) {
      value["metadata"]["namespace"] = "default";
    }
    std::string const ns = type->namespaced ? string_at(value, "metadata.namespace") : std::string();
    if (!ns.empty() && !objects.get(kube::namespaces, {}, ns)) {
      (void)objects.create(kube::namespaces, {{"metadata", {{"name", ns}}}});
    }
    bool const known = static_cast<bool>(
        objects.get(type->id(), string_at(value, "metadata.namespace"), string_at(value, "metadata.name")));
    auto const written = known ? objects.update(type->id(), value, part::object) : objects.create(type->id(), value);
    if (!written) {
      return base::error(file.string() + ": " + written.error().message);
    }
  }
  return {};
}

}  // namespace codeexec::local
