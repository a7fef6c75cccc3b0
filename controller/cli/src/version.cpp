#include "codeexec/version/version.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "codeexec/cli/exit_code.hpp"
#include "codeexec/cli/render.hpp"
#include "codeexec/cli/session.hpp"
#include "codeexec/kube_core/json.hpp"
#include "codeexec/kube_core/list.hpp"
#include "codeexec/kube_core/request.hpp"

namespace codeexec::cli {

namespace {

using namespace std::chrono_literals;

/// Nobody waits long for a version.
constexpr auto version_time = 5s;

constexpr kube::resource deployments{"apps", "v1", "deployments", "Deployment", true};

struct cluster_versions {
  std::string kubernetes;
  std::string api;
  std::string api_problem;
  std::vector<std::string> operators;  ///< "image, in namespace/name"
  std::string operator_problem;
  std::string unreachable;
};

std::string why_not(kube::error const& e) {
  if (e.is_forbidden()) return "you may not see it";
  return printable(e.message());
}

kube::task<void> ask_cluster(session& in, cluster_versions* into) {
  auto const by = base::deadline::after(version_time);
  kube::request server(kube::verb::get, "/version");
  auto said = co_await in.client.send(std::move(server), by);
  if (!said && said.error().kind() != kube::error_kind::api) {
    into->unreachable = printable(said.error().message());
    co_return;
  }
  if (said) {
    auto const body = kube::parse_answer(*said);
    if (body.is_object()) {
      auto const version = body.find("gitVersion");
      if (version != body.end() && version->is_string()) into->kubernetes = printable(version->get<std::string>());
    }
  }
  kube::request group(kube::verb::get, "/apis/codeexec.dev");
  auto served = co_await in.client.send(std::move(group), by);
  if (!served) {
    into->api_problem = served.error().is_not_found() ? "CodeExecutions are not installed" : why_not(served.error());
  } else {
    auto const body = kube::parse_answer(*served);
    auto const versions = body.is_object() ? body.find("versions") : body.end();
    if (body.is_object() && versions != body.end() && versions->is_array()) {
      for (auto const& one : *versions) {
        if (!one.is_object() || !one.contains("groupVersion") || !one["groupVersion"].is_string()) continue;
        into->api += (into->api.empty() ? "" : ", ") + printable(one["groupVersion"].get<std::string>());
      }
    }
  }
  // The operator has no address of its own to ask at: its Deployment names the image.
  kube::list_options options;
  options.label_selector = "app.kubernetes.io/name=codeexec-controller";
  auto request = kube::make_list(deployments, "", options);
  auto listed = co_await in.client.send(std::move(request), by);
  if (!listed) {
    into->operator_problem = why_not(listed.error());
    co_return;
  }
  auto const page = kube::decode_list(*listed);
  if (!page) {
    into->operator_problem = "the answer cannot be read";
    co_return;
  }
  for (auto const& item : page->items) {
    auto const at = [&item](char const* pointer) {
      nlohmann::json::json_pointer const where(pointer);
      auto const found = item.contains(where) ? item.at(where) : nlohmann::json();
      return found.is_string() ? printable(found.get<std::string>()) : std::string();
    };
    into->operators.push_back(at("/spec/template/spec/containers/0/image") + ", deployment " +
                              at("/metadata/namespace") + "/" + at("/metadata/name"));
  }
  if (into->operators.empty()) into->operator_problem = "no Deployment of it; it may run outside the cluster";
}

}  // namespace

nlohmann::json client_version() {
  nlohmann::json ours;
  ours["version"] = codeexec::version();
  ours["commit"] = codeexec::commit();
  return ours;
}

kube::task<int> tell_version(session& in, version_options options) {
  cluster_versions found;
  if (!options.client_only) {
    co_await ask_cluster(in, &found);
  }
  std::string text;
  if (options.output == output_format::text) {
    text = version_line(in.program) + "\n";
    if (!options.client_only) {
      auto const known = [&](std::string const& value, std::string const& problem) {
        if (!value.empty()) return value;
        auto const& why = found.unreachable.empty() ? problem : found.unreachable;
        return "not known" + (why.empty() ? std::string() : " (" + why + ")");
      };
      text += "Kubernetes  " + known(found.kubernetes, "") + "\n";
      text += "API         " + known(found.api, found.api_problem) + "\n";
      if (found.operators.empty()) text += "operator    " + known("", found.operator_problem) + "\n";
      for (auto const& one : found.operators)
        text += "operator    " + one + "\n";
    }
  } else {
    nlohmann::json all;
    all["client"] = client_version();
    if (!options.client_only) {
      all["kubernetes"] = found.kubernetes.empty() ? nlohmann::json() : nlohmann::json(found.kubernetes);
      all["api"] = found.api.empty() ? nlohmann::json() : nlohmann::json(found.api);
      all["operators"] = found.operators;
    }
    text = options.output == output_format::json ? to_json_text(all) : to_yaml(all);
  }
  auto const code = co_await print_out(in, std::move(text));
  co_return code;
}

}  // namespace codeexec::cli
