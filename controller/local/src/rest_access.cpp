// Who asks, whether they may, and the reviews by which they can find out beforehand.
#include "codeexec/base/text.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/local/access_control.hpp"
#include "codeexec/local/builtin_types.hpp"

#include "protobuf_body.hpp"
#include "rest_state.hpp"

namespace codeexec::local {
namespace {

using boost::beast::http::verb;

constexpr std::int64_t shortest_token_seconds = 600;
constexpr std::int64_t default_token_seconds = 3600;
/// The real server's own bound on what a TokenRequest gets.
constexpr std::int64_t longest_token_seconds = std::int64_t{1} << 32;

status_error unauthorized() {
  return status_error(401, "Unauthorized", "Unauthorized");
}

/// The name that a field selector pins, as the real server takes it for a right on that one object.
std::string pinned_name(query const& options) {
  std::string const text = options.get("fieldSelector");
  constexpr std::string_view key = "metadata.name=";
  if (!text.starts_with(key)) {
    return {};
  }
  std::string name = text.substr(key.size());
  if (name.starts_with('=')) {
    name.erase(0, 1);
  }
  return name.find(',') == std::string::npos ? name : std::string();
}

attributes reviewed(json const& spec) {
  attributes out;
  json const& resource = at_path(spec, "resourceAttributes");
  if (!resource.is_object()) {
    out.path = string_at(spec, "nonResourceAttributes.path");
    out.verb = string_at(spec, "nonResourceAttributes.verb");
    if (out.path.empty()) {
      out.path = "/";
    }
    return out;
  }
  out.verb = string_at(resource, "verb");
  out.group = string_at(resource, "group");
  out.version = string_at(resource, "version");
  out.resource = string_at(resource, "resource");
  out.subresource = string_at(resource, "subresource");
  out.name = string_at(resource, "name");
  out.ns = string_at(resource, "namespace");
  return out;
}

json user_as_json(user_info const& who) {
  json out = {{"username", who.name}, {"groups", who.groups}};
  if (!who.uid.empty()) {
    out["uid"] = who.uid;
  }
  return out;
}

}  // namespace

attributes attributes_of(verb method, std::string const& path, resource_path const* resource, query const& options) {
  attributes out;
  auto const word = boost::beast::http::to_string(method);
  out.verb = base::to_lower(std::string_view(word.data(), word.size()));
  if (resource == nullptr) {
    out.path = path;
    return out;
  }
  out.group = resource->group;
  out.version = resource->version;
  out.resource = resource->plural;
  out.subresource = resource->subresource;
  out.name = resource->name;
  // A Namespace is in itself: a Role there may name it.
  out.ns = resource->group.empty() && resource->plural == "namespaces" ? resource->name : resource->ns;
  bool const collection = resource->name.empty();
  switch (method) {
    case verb::get:
    case verb::head:
      out.verb = !collection ? "get" : options.flag("watch") ? "watch" : "list";
      if (collection) {
        out.name = pinned_name(options);
      }
      break;
    case verb::post:
      out.verb = "create";
      break;
    case verb::put:
      out.verb = "update";
      break;
    case verb::delete_:
      out.verb = collection ? "deletecollection" : "delete";
      break;
    default:
      break;
  }
  return out;
}

result<user_info> api_server::state::authenticate(server_request const& request) const {
  if (access == nullptr) {
    return user_info::administrator();
  }
  std::string const header = request.header("authorization");
  constexpr std::string_view scheme = "bearer ";
  user_info who = user_info::anonymous();
  if (header.size() > scheme.size() && base::to_lower(header.substr(0, scheme.size())) == scheme) {
    auto known = access->tokens.authenticate(std::string_view(header).substr(scheme.size()));
    if (!known) {
      return unauthorized();
    }
    who = std::move(*known);
  }
  std::string const as = request.header("impersonate-user");
  if (as.empty()) {
    return who;
  }
  attributes what;
  what.verb = "impersonate";
  what.resource = "users";
  what.name = as;
  user_info other{as, {}, {}};
  constexpr std::string_view account = "system:serviceaccount:";
  if (as.starts_with(account)) {
    auto const colon = as.find(':', account.size());
    if (colon != std::string::npos) {
      what.resource = "serviceaccounts";
      what.ns = as.substr(account.size(), colon - account.size());
      what.name = as.substr(colon + 1);
      other = user_info::service_account(what.ns, what.name, {});
    }
  }
  if (auto refusal = access->roles.refuse(who, what)) {
    return *refusal;
  }
  auto const groups = request.headers.equal_range("Impersonate-Group");
  for (auto at = groups.first; at != groups.second; ++at) {
    what.resource = "groups";
    what.ns.clear();
    what.name = std::string(at->value());
    if (auto refusal = access->roles.refuse(who, what)) {
      return *refusal;
    }
    other.groups.push_back(what.name);
  }
  if (!other.in_group("system:authenticated") && as != "system:anonymous") {
    other.groups.emplace_back("system:authenticated");
  }
  return other;
}

result<user_info> api_server::state::authorize(server_request const& request, std::string const& path,
                                               std::optional<resource_path> const& resource,
                                               query const& options) const {
  auto who = authenticate(request);
  if (!who || access == nullptr) {
    return who;
  }
  auto const what = attributes_of(request.method, path, resource ? &*resource : nullptr, options);
  auto const refusal = access->roles.refuse(*who, what);
  if (access->audit) {
    access->audit->record(objects.clock().wall_now(), *who, what, request.header("user-agent"), !refusal);
  }
  return refusal ? result<user_info>(*refusal) : who;
}

std::optional<status_error> api_server::state::escalates(target const& t, json const& value) const {
  return access == nullptr ? std::nullopt : access->roles.refuse_escalation(t.user, *t.type, value);
}

reply api_server::state::create_token(target const& t, server_request const& request) {
  auto const account = objects.require(service_accounts, t.path.ns, t.path.name);
  if (!account) {
    return reply::of(account.error());
  }
  bool const binary = media_type(request.header("content-type")) == "application/vnd.kubernetes.protobuf";
  json const body = binary ? parse_protobuf(request.body).value_or(json()) : parse_json(request.body);
  if (!body.is_object()) {
    return reply::of(status_error::bad_request("the object provided is unrecognized (must be of type TokenRequest): " +
                                               (binary ? "unreadable protobuf" : parse_failure(request.body))));
  }
  json const& asked = at_path(body, "spec.expirationSeconds");
  std::int64_t const seconds = asked.is_number_integer() ? asked.get<std::int64_t>() : default_token_seconds;
  if (seconds < shortest_token_seconds || seconds > longest_token_seconds) {
    char const* const fault = seconds < shortest_token_seconds ? "may not specify a duration less than 10 minutes"
                                                               : "may not specify a duration larger than 2^32 seconds";
    return reply::of(status_error::invalid("authentication.k8s.io", "TokenRequest", "",
                                           {field_error::invalid("spec.expirationSeconds", seconds, fault)}));
  }
  auto const audiences = strings_at(body, "spec.audiences");
  if (!audiences.empty() && (audiences.size() > 1 || audiences.front() != token_issuer)) {
    return reply::of(status_error::bad_request("codeexec-local makes tokens for itself alone: spec.audiences"));
  }
  if (access == nullptr) {
    return reply::of(status_error::bad_request("codeexec-local runs without --auth: it gives no tokens"));
  }
  auto const now = objects.clock().wall_now();
  return reply::of(
      201, {{"kind", "TokenRequest"},
            {"apiVersion", "authentication.k8s.io/v1"},
            {"metadata",
             {{"name", account->name()},
              {"namespace", account->ns()},
              {"uid", account->uid()},
              {"creationTimestamp", base::format_time(now)}}},
            {"spec",
             {{"audiences", json::array({token_issuer})}, {"expirationSeconds", seconds}, {"boundObjectRef", nullptr}}},
            {"status",
             {{"token", access->tokens.issue(*account, std::chrono::seconds(seconds))},
              {"expirationTimestamp", base::format_time(now + std::chrono::seconds(seconds))}}}});
}

json api_server::state::judge(user_info const& who, json const& spec) const {
  if (access == nullptr) {
    return {{"allowed", true}, {"reason", "codeexec-local runs without --auth"}};
  }
  auto const judged = access->roles.decide(who, reviewed(spec));
  json out = {{"allowed", judged.allowed}};
  if (!judged.reason.empty()) {
    out["reason"] = judged.reason;
  }
  return out;
}

std::optional<reply> api_server::state::review(resource_path const& path, server_request const& request,
                                               user_info const& who) const {
  std::string const& plural = path.plural;
  bool const authorization = path.group == "authorization.k8s.io";
  bool const authentication = path.group == "authentication.k8s.io";
  bool const local = plural == "localsubjectaccessreviews";
  std::string const kind = authorization && plural == "selfsubjectaccessreviews"  ? "SelfSubjectAccessReview"
                           : authorization && plural == "selfsubjectrulesreviews" ? "SelfSubjectRulesReview"
                           : authorization && plural == "subjectaccessreviews"    ? "SubjectAccessReview"
                           : authorization && local                               ? "LocalSubjectAccessReview"
                           : authentication && plural == "selfsubjectreviews"     ? "SelfSubjectReview"
                           : authentication && plural == "tokenreviews"           ? "TokenReview"
                                                                                  : "";
  if (kind.empty() || request.method != verb::post || path.version != "v1" || !path.name.empty() ||
      path.ns.empty() == local) {
    return std::nullopt;
  }
  bool const binary = media_type(request.header("content-type")) == "application/vnd.kubernetes.protobuf";
  json const body = binary ? parse_protobuf(request.body).value_or(json()) : parse_json(request.body);
  if (!body.is_object()) {
    return reply::of(status_error::bad_request("couldn't get version/kind; json parse error: " +
                                               (binary ? "unreadable protobuf" : parse_failure(request.body))));
  }
  json const spec = at_path(body, "spec").is_object() ? at_path(body, "spec") : json::object();
  json out = {{"kind", kind}, {"apiVersion", path.group + "/v1"}, {"metadata", json::object()}, {"spec", spec}};
  if (kind == "SelfSubjectAccessReview") {
    out["status"] = judge(who, spec);
  } else if (kind == "SubjectAccessReview" || local) {
    out["status"] = judge(user_info{string_at(spec, "user"), {}, strings_at(spec, "groups")}, spec);
  } else if (kind == "SelfSubjectReview") {
    out.erase("spec");
    out["status"] = {{"userInfo", user_as_json(who)}};
  } else if (kind == "TokenReview") {
    auto const known = access == nullptr ? std::nullopt : access->tokens.authenticate(string_at(spec, "token"));
    out["status"] =
        known ? json{{"authenticated", true}, {"user", user_as_json(*known)}} : json{{"authenticated", false}};
  } else {
    json resources = json::array();
    json pages = json::array();
    std::vector<json> rules = access == nullptr
                                  ? std::vector<json>{{{"verbs", {"*"}}, {"apiGroups", {"*"}}, {"resources", {"*"}}},
                                                      {{"verbs", {"*"}}, {"nonResourceURLs", {"*"}}}}
                                  : access->roles.rules(who, string_at(spec, "namespace"));
    for (json& one : rules) {
      (one.contains("nonResourceURLs") ? pages : resources).push_back(std::move(one));
    }
    out["status"] = {{"resourceRules", resources}, {"nonResourceRules", pages}, {"incomplete", false}};
  }
  return reply::of(201, out);
}

}  // namespace codeexec::local
