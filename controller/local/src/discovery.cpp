#include "codeexec/local/discovery.hpp"

#include <algorithm>
#include <set>

#include "codeexec/base/encoding.hpp"
#include "codeexec/base/text.hpp"
#include "codeexec/local/builtin_types.hpp"

namespace codeexec::local {

using nlohmann::json;

namespace {

struct subresource {
  std::string name;
  std::string kind;
  std::vector<std::string> verbs;
  std::string group = {};  ///< of the kind, where it is not that of the resource itself
  std::string version = {};
};

std::vector<subresource> subresources(resource_type const& type) {
  std::vector<subresource> out;
  if (type.group.empty() && type.plural == "namespaces") {
    out.push_back({"finalize", type.kind, {"update"}});
  }
  if (type.group.empty() && type.plural == "pods") {
    out.push_back({"log", type.kind, {"get"}});
    out.push_back({"proxy", "PodProxyOptions", {"get"}});
  }
  if (type.group.empty() && type.plural == "serviceaccounts") {
    out.push_back({"token", "TokenRequest", {"create"}, "authentication.k8s.io", "v1"});
  }
  if (type.has_scale) {
    out.push_back({"scale", "Scale", {"get", "patch", "update"}, "autoscaling", "v1"});
  }
  if (type.has_status) {
    out.push_back({"status", type.kind, {"get", "patch", "update"}});
  }
  return out;
}

/// The first eight bytes of a hash over the kind that is stored: discovery.StorageVersionHash of k8s.io/apiserver.
std::string storage_version_hash(resource_type const& type) {
  std::string const hex = base::sha256_hex(type.group + "/" + type.version + "/" + type.kind);
  std::string bytes;
  for (std::size_t i = 0; i < 16; i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return base::base64_encode(bytes);
}

}  // namespace

json version_info() {
  // The version whose answers are the measure; clients choose features by it.
  return {{"major", "1"},
          {"minor", "36"},
          {"emulationMajor", "1"},
          {"emulationMinor", "36"},
          {"minCompatibilityMajor", "1"},
          {"minCompatibilityMinor", "35"},
          {"gitVersion", "v1.36.2+codeexec-local"},
          {"gitCommit", ""},
          {"gitTreeState", ""},
          {"buildDate", "1970-01-01T00:00:00Z"},
          {"goVersion", ""},
          {"compiler", "g++"},
          {"platform", "linux/amd64"}};
}

std::string served_resource::singular() const {
  if (type) {
    return type->singular;
  }
  return base::to_lower(kind);
}

std::vector<served_resource> discovery::served() const {
  std::vector<served_resource> out;
  for (auto const& type : objects_.types()) {
    out.push_back({type->group, type->version, type, type->plural, type->kind, type->namespaced, type->verbs});
    if (type->id() == kube::core_events) {
      out.push_back({std::string(kube::events.group), "v1", type, type->plural, type->kind, true, type->verbs});
    }
  }
  auto const review = [&out](char const* group, char const* plural, char const* kind, bool namespaced = false) {
    out.push_back({group, "v1", nullptr, plural, kind, namespaced, {"create"}});
  };
  constexpr char const* authentication = "authentication.k8s.io";
  constexpr char const* authorization = "authorization.k8s.io";
  review(authentication, "selfsubjectreviews", "SelfSubjectReview");
  review(authentication, "tokenreviews", "TokenReview");
  review(authorization, "localsubjectaccessreviews", "LocalSubjectAccessReview", true);
  review(authorization, "selfsubjectaccessreviews", "SelfSubjectAccessReview");
  review(authorization, "selfsubjectrulesreviews", "SelfSubjectRulesReview");
  review(authorization, "subjectaccessreviews", "SubjectAccessReview");
  std::stable_sort(out.begin(), out.end(),
                   [](served_resource const& a, served_resource const& b) { return a.group < b.group; });
  return out;
}

json discovery::api_versions(std::string_view server_address) const {
  return {
      {"kind", "APIVersions"},
      {"versions", {"v1"}},
      {"serverAddressByClientCIDRs", json::array({{{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", server_address}}})}};
}

json discovery::group(std::string_view name) const {
  for (served_resource const& e : served()) {
    if (e.group == name && !name.empty()) {
      json const version = {{"groupVersion", e.group + "/" + e.version}, {"version", e.version}};
      return {{"kind", "APIGroup"},
              {"apiVersion", "v1"},
              {"name", e.group},
              {"versions", json::array({version})},
              {"preferredVersion", version}};
    }
  }
  return nullptr;
}

json discovery::group_list() const {
  std::set<std::string> seen;
  json groups = json::array();
  for (served_resource const& e : served()) {
    if (!e.group.empty() && seen.insert(e.group).second) {
      json one = group(e.group);
      one.erase("kind");
      one.erase("apiVersion");
      groups.push_back(std::move(one));
    }
  }
  return {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}};
}

json discovery::resources(std::string_view group, std::string_view version) const {
  json list = json::array();
  for (served_resource const& e : served()) {
    if (e.group != group || e.version != version) {
      continue;
    }
    json one = {{"name", e.plural},
                {"singularName", e.singular()},
                {"namespaced", e.namespaced},
                {"kind", e.kind},
                {"verbs", e.verbs}};
    if (e.type) {
      if (!e.type->short_names.empty()) {
        one["shortNames"] = e.type->short_names;
      }
      if (!e.type->categories.empty()) {
        one["categories"] = e.type->categories;
      }
      one["storageVersionHash"] = storage_version_hash(*e.type);
    }
    list.push_back(std::move(one));
    if (!e.type) {
      continue;
    }
    for (subresource const& sub : subresources(*e.type)) {
      json inner = {{"name", e.plural + "/" + sub.name},
                    {"singularName", ""},
                    {"namespaced", e.namespaced},
                    {"kind", sub.kind},
                    {"verbs", sub.verbs}};
      if (!sub.group.empty()) {
        inner["group"] = sub.group;
        inner["version"] = sub.version;
      }
      list.push_back(std::move(inner));
    }
  }
  if (list.empty()) {
    return nullptr;
  }
  std::string const group_version =
      group.empty() ? std::string(version) : std::string(group) + "/" + std::string(version);
  json out = {{"kind", "APIResourceList"}, {"groupVersion", group_version}, {"resources", std::move(list)}};
  if (!group.empty()) {
    out["apiVersion"] = "v1";
  }
  return out;
}

json discovery::aggregated(bool core) const {
  json items = json::array();
  for (served_resource const& e : served()) {
    if (e.group.empty() != core) {
      continue;
    }
    if (items.empty() || string_at(items.back(), "metadata.name") != e.group) {
      json metadata = json::object();
      if (!e.group.empty()) {
        metadata["name"] = e.group;
      }
      items.push_back(
          {{"metadata", std::move(metadata)},
           {"versions",
            json::array({{{"version", e.version}, {"resources", json::array()}, {"freshness", "Current"}}})}});
    }
    json one = {{"resource", e.plural},
                {"responseKind", {{"group", ""}, {"version", ""}, {"kind", e.kind}}},
                {"scope", e.namespaced ? "Namespaced" : "Cluster"},
                {"singularResource", e.singular()},
                {"verbs", e.verbs}};
    if (e.type && e.type->custom) {
      one["responseKind"] = {{"group", e.group}, {"version", e.version}, {"kind", e.kind}};
    }
    if (e.type) {
      if (!e.type->short_names.empty()) {
        one["shortNames"] = e.type->short_names;
      }
      if (!e.type->categories.empty()) {
        one["categories"] = e.type->categories;
      }
      json subs = json::array();
      for (subresource const& sub : subresources(*e.type)) {
        json kind = one["responseKind"];
        kind["kind"] = sub.kind;
        if (!sub.group.empty()) {
          kind = {{"group", sub.group}, {"version", sub.version}, {"kind", sub.kind}};
        }
        subs.push_back({{"subresource", sub.name}, {"responseKind", std::move(kind)}, {"verbs", sub.verbs}});
      }
      if (!subs.empty()) {
        one["subresources"] = std::move(subs);
      }
    }
    items.back()["versions"][0]["resources"].push_back(std::move(one));
  }
  return {{"kind", "APIGroupDiscoveryList"},
          {"apiVersion", "apidiscovery.k8s.io/v2"},
          {"metadata", json::object()},
          {"items", std::move(items)}};
}

}  // namespace codeexec::local
