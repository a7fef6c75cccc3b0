#include "rest_state.hpp"

namespace codeexec::local {

using boost::beast::http::verb;

reply api_server::state::access_review(server_request const& request, std::string const& plural) {
  // kubectl sends this in protobuf. Everybody may do everything here, so only the answer's form matters.
  json spec = json::object();
  if (media_type(request.header("content-type")) != "application/vnd.kubernetes.protobuf") {
    json const body = parse_json(request.body);
    if (!body.is_object()) {
      return reply::of(
          status_error::bad_request("couldn't get version/kind; json parse error: " + parse_failure(request.body)));
    }
    spec = at_path(body, "spec").is_object() ? at_path(body, "spec") : json::object();
  }
  json status = {{"allowed", true}, {"reason", "codeexec-local has no access control"}};
  std::string kind = "SelfSubjectAccessReview";
  if (plural == "selfsubjectrulesreviews") {
    kind = "SelfSubjectRulesReview";
    status = {{"incomplete", false},
              {"nonResourceRules", json::array({{{"verbs", {"*"}}, {"nonResourceURLs", {"*"}}}})},
              {"resourceRules", json::array({{{"verbs", {"*"}}, {"apiGroups", {"*"}}, {"resources", {"*"}}}})}};
  }
  return reply::of(201, {{"kind", kind},
                         {"apiVersion", "authorization.k8s.io/v1"},
                         {"metadata", json::object()},
                         {"spec", std::move(spec)},
                         {"status", std::move(status)}});
}

reply api_server::state::static_page(std::string_view path, server_request const& request) {
  auto const parts = split_path(path);
  if (!parts) {
    return reply::of(status_error::bad_request("invalid URL escape"));
  }
  if (request.method == verb::post && parts->size() == 4 && (*parts)[1] == "authorization.k8s.io" &&
      (*parts)[3].starts_with("selfsubject")) {
    return access_review(request, (*parts)[3]);
  }
  if (request.method != verb::get && request.method != verb::head) {
    return reply::no_such_page();
  }
  auto const form = negotiate(request.header("accept"));
  auto const answer = [](json const& value) { return value.is_null() ? reply::no_such_page() : reply::of(200, value); };
  auto const aggregated = [this](bool core) {
    return reply(200, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
                 dump(discover.aggregated(core)));
  };
  std::string const first = parts->empty() ? std::string() : parts->front();
  if (first == "healthz" || first == "livez" || first == "readyz") {
    return reply(200, "text/plain; charset=utf-8", "ok");
  }
  if (first == "version" && parts->size() == 1) {
    return answer(version_info());
  }
  if (first == "api") {
    if (parts->size() == 1) {
      return form == answer_form::discovery ? aggregated(true) : answer(discover.api_versions(address));
    }
    return parts->size() == 2 ? answer(discover.resources("", (*parts)[1])) : reply::no_such_page();
  }
  if (first == "apis") {
    switch (parts->size()) {
      case 1:
        return form == answer_form::discovery ? aggregated(false) : answer(discover.group_list());
      case 2:
        return answer(discover.group((*parts)[1]));
      case 3:
        return answer(discover.resources((*parts)[1], (*parts)[2]));
      default:
        return reply::no_such_page();
    }
  }
  if (first == "openapi" && parts->size() >= 2) {
    if ((*parts)[1] == "v3") {
      if (parts->size() == 2) {
        return answer(discover.open_api_index());
      }
      if (parts->size() == 4 && (*parts)[2] == "api") {
        return answer(discover.open_api("", (*parts)[3]));
      }
      if (parts->size() == 5 && (*parts)[2] == "apis") {
        return answer(discover.open_api((*parts)[3], (*parts)[4]));
      }
    }
    if ((*parts)[1] == "v2" && parts->size() == 2) {
      // Superseded by v3, and asked for in protobuf by clients that then do without. An empty document, in either form.
      if (request.header("accept").find("protobuf") != std::string::npos) {
        std::string const empty(
            "\x0a\x03"
            "2.0"
            "\x12\x15\x0a\x0e"
            "codeexec-local"
            "\x12\x03"
            "0.1",
            28);
        return reply(200, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf", empty);
      }
      return answer({{"swagger", "2.0"},
                     {"info", {{"title", "codeexec-local"}, {"version", "0.1"}}},
                     {"paths", json::object()},
                     {"definitions", json::object()}});
    }
  }
  if (parts->empty()) {
    json paths = json::array({"/api", "/api/v1", "/apis"});
    json const groups = discover.group_list();
    for (json const& group : groups.at("groups")) {
      paths.push_back("/apis/" + string_at(group, "name"));
      paths.push_back("/apis/" + string_at(group, "preferredVersion.groupVersion"));
    }
    for (char const* other : {"/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"}) {
      paths.push_back(other);
    }
    return answer({{"paths", std::move(paths)}});
  }
  return reply::no_such_page();
}

}  // namespace codeexec::local
