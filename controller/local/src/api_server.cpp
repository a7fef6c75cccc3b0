#include "codeexec/local/api_server.hpp"

#include <algorithm>

#include "codeexec/local/builtin_types.hpp"

#include "rest_state.hpp"

namespace codeexec::local {
namespace {

using boost::beast::http::verb;

status_error not_acceptable() {
  return status_error(406, "NotAcceptable",
                      "only the following media types are accepted: application/json, application/yaml, "
                      "application/vnd.kubernetes.protobuf");
}

/// Some types can only be read.
bool allows(resource_type const& type, verb method) {
  std::string_view const word = method == verb::post      ? "create"
                                : method == verb::put     ? "update"
                                : method == verb::patch   ? "patch"
                                : method == verb::delete_ ? "delete"
                                                          : "get";
  return std::find(type.verbs.begin(), type.verbs.end(), word) != type.verbs.end();
}

}  // namespace

asio::awaitable<void> api_server::state::send(exchange& answer, reply what) {
  (void)co_await answer.respond(what.status, std::move(what.headers), std::move(what.body));
}

api_server::api_server(asio::any_io_executor executor, store& objects, custom_types& customs)
    : state_(std::make_unique<state>(std::move(executor), objects, customs)) {}

api_server::~api_server() = default;

void api_server::set_log_source(log_source* logs) {
  state_->logs = logs;
}

void api_server::set_pod_ports(pod_ports* ports) {
  state_->ports = ports;
}

void api_server::set_access_control(access_control const* access) {
  state_->access = access;
}

void api_server::set_address(std::string address) {
  state_->address = std::move(address);
}

asio::awaitable<void> api_server::handle(server_request request, exchange& answer) {
  state& s = *state_;
  if (request.body_too_large) {
    reply refusal = reply::of(status_error::too_large());
    co_await state::send(answer, std::move(refusal));
    co_return;
  }
  auto const question = request.target.find('?');
  std::string const path = request.target.substr(0, question);
  target t;
  t.options = query::parse(question == std::string::npos ? std::string() : request.target.substr(question + 1));
  auto parsed = parse_resource_path(path);
  auto allowed = s.authorize(request, path, parsed, t.options);
  if (!allowed) {
    reply refusal = reply::of(allowed.error());
    co_await state::send(answer, std::move(refusal));
    co_return;
  }
  t.user = std::move(*allowed);
  if (parsed) {
    if (auto reviewed = s.review(*parsed, request, t.user)) {
      co_await state::send(answer, std::move(*reviewed));
      co_return;
    }
    t.path = std::move(*parsed);
    t.modern_event = t.path.group == kube::events.group && t.path.plural == kube::events.plural;
    t.type = s.objects.find_type(t.modern_event ? std::string_view() : std::string_view(t.path.group), t.path.plural);
    if (t.type && (t.modern_event ? std::string("v1") : t.type->version) != t.path.version) {
      t.type = nullptr;
    }
  }
  if (!t.type) {
    reply page = s.static_page(path, t.options, request);
    co_await state::send(answer, std::move(page));
    co_return;
  }
  std::string const& sub = t.path.subresource;
  bool const is_pod = t.type->id() == kube::pods;
  bool const is_namespace = t.type->id() == kube::namespaces;
  bool const is_account = t.type->id() == service_accounts;
  bool const known_sub = sub.empty() || (sub == "status" && t.type->has_status) ||
                         ((sub == "log" || sub == "proxy") && is_pod) || (sub == "scale" && t.type->has_scale) ||
                         (sub == "finalize" && is_namespace) || (sub == "token" && is_account);
  // A cluster-scoped type has no path under a namespace.
  if (!known_sub || (!t.type->namespaced && !t.path.ns.empty()) ||
      (t.type->namespaced && !t.path.name.empty() && t.path.ns.empty())) {
    reply page = reply::no_such_page();
    co_await state::send(answer, std::move(page));
    co_return;
  }
  if (sub == "proxy" && request.method == verb::get) {
    std::string query_text = question == std::string::npos ? std::string() : request.target.substr(question + 1);
    co_await s.proxy_to_pod(std::move(t), std::move(query_text), answer);
    co_return;
  }
  auto const form = negotiate(request.header("accept"));
  if (!form && sub != "log") {
    reply refusal = reply::of(not_acceptable());
    co_await state::send(answer, std::move(refusal));
    co_return;
  }
  t.form = form.value_or(answer_form::json);

  bool const collection = t.path.name.empty();
  if (request.method == verb::get && sub == "log") {
    co_await s.stream_log(std::move(t), answer);
    co_return;
  }
  if (request.method == verb::get && collection && t.options.flag("watch")) {
    co_await s.stream_watch(std::move(t), answer);
    co_return;
  }
  reply out = reply::of(status_error::method_not_allowed());
  if (sub == "token") {
    if (request.method == verb::post) {
      out = s.create_token(t, request);
    }
  } else if (sub == "scale") {
    out = s.scale(t, request);
  } else if (sub == "proxy" || !allows(*t.type, request.method)) {
    // stays refused
  } else if (request.method == verb::get || request.method == verb::head) {
    out = collection ? s.list(t) : s.get(t);
  } else if (request.method == verb::post && collection && (!t.type->namespaced || !t.path.ns.empty())) {
    out = s.create(t, request);
  } else if (request.method == verb::put && !collection) {
    out = s.replace(t, request);
  } else if (request.method == verb::patch && !collection && sub != "finalize") {
    out = s.patch(t, request);
  } else if (request.method == verb::delete_ && sub.empty()) {
    out = collection ? s.remove_collection(t, request) : s.remove(t, request);
  }
  co_await state::send(answer, std::move(out));
}

}  // namespace codeexec::local
