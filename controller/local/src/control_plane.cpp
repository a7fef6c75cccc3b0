#include "codeexec/local/control_plane.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>

#include "codeexec/local/api_server.hpp"
#include "codeexec/local/builtin_types.hpp"
#include "codeexec/local/custom_types.hpp"
#include "codeexec/local/garbage_collector.hpp"
#include "codeexec/local/journal.hpp"
#include "codeexec/net/server.hpp"

namespace codeexec::local {

namespace asio = boost::asio;

struct control_plane::state {
  state(asio::any_io_executor ex, base::clock const& clock, base::rng random, control_plane_options o)
      : options(std::move(o)),
        objects(clock, random, options.limits),
        customs(objects),
        collector(objects, [ex](std::function<void()> work) { asio::post(ex, std::move(work)); }),
        api(ex, objects, customs),
        http(ex, api) {}

  control_plane_options options;
  std::unique_ptr<journal> file;
  store objects;
  custom_types customs;
  garbage_collector collector;
  api_server api;
  net::http_server http;
  std::string address;
};

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
  return {};
}

base::result<void> control_plane::listen() {
  state& s = *state_;
  boost::system::error_code ec;
  auto const where = asio::ip::make_address(s.options.address, ec);
  if (ec) {
    return base::error("not an IP address: " + s.options.address);
  }
  auto const bound = s.http.listen(asio::ip::tcp::endpoint(where, s.options.port));
  if (!bound) {
    return bound.error();
  }
  std::string const host = where.is_v6() ? "[" + where.to_string() + "]" : where.to_string();
  s.address = host + ":" + std::to_string(bound->port());
  s.api.set_address(s.address);
  return {};
}

asio::awaitable<void> control_plane::stop() {
  co_await state_->http.stop();
}

store& control_plane::objects() {
  return state_->objects;
}

void control_plane::set_log_source(log_source* logs) {
  state_->api.set_log_source(logs);
}

std::string control_plane::address() const {
  return state_->address;
}

std::string make_kubeconfig(std::string const& url, std::string const& context) {
  return "apiVersion: v1\nkind: Config\nclusters:\n- name: " + context + "\n  cluster:\n    server: " + url +
         "\nusers:\n- name: " + context + "\n  user: {}\ncontexts:\n- name: " + context +
         "\n  context:\n    cluster: " + context + "\n    user: " + context +
         "\n    namespace: default\ncurrent-context: " + context + "\n";
}

}  // namespace codeexec::local
