#include "rest_state.hpp"

namespace codeexec::local {

using boost::beast::http::verb;

reply api_server::state::static_page(std::string_view path, query const& options, server_request const& request) {
  auto const parts = split_path(path);
  if (!parts) {
    return reply::of(status_error::bad_request("invalid URL escape"));
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
    bool const all = options.has("verbose");
    return reply(200, "text/plain; charset=utf-8", all ? "[+]ping ok\n" + first + " check passed\n" : "ok");
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
  if (first == "openapi") {
    return open_api_page(*parts, options, request);
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
