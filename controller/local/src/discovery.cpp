#include "codeexec/local/discovery.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "codeexec/base/encoding.hpp"
#include "codeexec/local/builtin_types.hpp"

namespace codeexec::local {

using nlohmann::json;

/// A resource as discovery shows it. An event type appears twice, once for each of its groups.
struct discovery::entry {
  std::string group;
  std::string version;
  std::shared_ptr<resource_type const> type;  ///< null: a resource that only answers (access reviews)
  std::string plural;
  std::string kind;
  bool namespaced = true;
  std::vector<std::string> verbs;
};

namespace {

struct subresource {
  std::string name;
  std::string kind;
  std::vector<std::string> verbs;
};

std::vector<subresource> subresources(resource_type const& type) {
  std::vector<subresource> out;
  if (type.group.empty() && type.plural == "namespaces") {
    out.push_back({"finalize", type.kind, {"update"}});
  }
  if (type.group.empty() && type.plural == "pods") {
    out.push_back({"log", type.kind, {"get"}});
  }
  if (type.has_status) {
    out.push_back({"status", type.kind, {"get", "patch", "update"}});
  }
  return out;
}

std::string capitalised(std::string text) {
  if (!text.empty()) {
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  }
  return text;
}

/// "codeexec.dev" as a prefix of schema names: "dev.codeexec".
std::string reversed(std::string const& group) {
  std::string out;
  std::string rest = group;
  while (!rest.empty()) {
    auto const dot = rest.rfind('.');
    out += (out.empty() ? "" : ".") + (dot == std::string::npos ? rest : rest.substr(dot + 1));
    rest = dot == std::string::npos ? std::string() : rest.substr(0, dot);
  }
  return out;
}

json parameter(char const* name, char const* where, char const* type, char const* description, bool required = false) {
  json out = {
      {"name", name}, {"in", where}, {"description", description}, {"schema", {{"type", type}, {"uniqueItems", true}}}};
  if (required) {
    out["required"] = true;
  }
  return out;
}

json write_parameters() {
  return json::array(
      {parameter("dryRun", "query", "string",
                 "When present, indicates that modifications should not be persisted. Valid values are: - All: all dry "
                 "run stages will be processed"),
       parameter("fieldManager", "query", "string",
                 "fieldManager is a name associated with the actor or entity that is making these changes."),
       parameter("fieldValidation", "query", "string",
                 "fieldValidation instructs the server on how to handle objects in the request containing unknown "
                 "fields: Ignore, Warn or Strict.")});
}

constexpr char const* meta = "io.k8s.apimachinery.pkg.apis.meta.v1.";

json reference(std::string const& name) {
  return {{"$ref", "#/components/schemas/" + name}};
}

json text(char const* description) {
  return {{"type", "string"}, {"description", description}};
}

json object_meta_schema() {
  json const map = {{"type", "object"}, {"additionalProperties", {{"type", "string"}, {"default", ""}}}};
  json labels = map;
  labels["description"] =
      "Map of string keys and values that can be used to organize and categorize (scope and select) "
      "objects.";
  json annotations = map;
  annotations["description"] = "Unstructured key value map stored with a resource that may be set by external tools.";
  return {
      {"type", "object"},
      {"description",
       "ObjectMeta is metadata that all persisted resources must have, which includes all objects "
       "users must create."},
      {"properties",
       {{"name", text("Name must be unique within a namespace.")},
        {"generateName", text("A prefix, used by the server to make a unique name where none is given.")},
        {"namespace", text("Namespace defines the space within which each name must be unique.")},
        {"labels", labels},
        {"annotations", annotations},
        {"uid", text("UID is the unique in time and space value for this object.")},
        {"resourceVersion", text("An opaque value that represents the internal version of this object.")},
        {"generation",
         {{"type", "integer"},
          {"format", "int64"},
          {"description", "A sequence number representing a specific generation of the desired state."}}},
        {"creationTimestamp",
         {{"type", "string"}, {"format", "date-time"}, {"description", "When the object was created."}}},
        {"deletionTimestamp",
         {{"type", "string"}, {"format", "date-time"}, {"description", "When the object will be deleted."}}},
        {"deletionGracePeriodSeconds", {{"type", "integer"}, {"format", "int64"}}},
        {"finalizers",
         {{"type", "array"},
          {"items", {{"type", "string"}, {"default", ""}}},
          {"description", "Must be empty before the object is deleted from the registry."},
          {"x-kubernetes-list-type", "set"},
          {"x-kubernetes-patch-strategy", "merge"}}},
        {"ownerReferences",
         {{"type", "array"},
          {"items",
           {{"allOf", json::array({reference(std::string(meta) + "OwnerReference")})}, {"default", json::object()}}},
          {"description", "List of objects depended by this object."},
          {"x-kubernetes-list-type", "map"},
          {"x-kubernetes-list-map-keys", {"uid"}},
          {"x-kubernetes-patch-merge-key", "uid"},
          {"x-kubernetes-patch-strategy", "merge"}}},
        {"managedFields", {{"type", "array"}, {"items", {{"type", "object"}}}}}}}};
}

json owner_reference_schema() {
  return {{"type", "object"},
          {"required", {"apiVersion", "kind", "name", "uid"}},
          {"properties",
           {{"apiVersion", text("API version of the referent.")},
            {"kind", text("Kind of the referent.")},
            {"name", text("Name of the referent.")},
            {"uid", text("UID of the referent.")},
            {"controller", {{"type", "boolean"}, {"description", "If true, this reference points to the controller."}}},
            {"blockOwnerDeletion", {{"type", "boolean"}}}}}};
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

std::vector<discovery::entry> discovery::entries() const {
  std::vector<entry> out;
  for (auto const& type : objects_.types()) {
    out.push_back({type->group, type->version, type, type->plural, type->kind, type->namespaced, type->verbs});
    if (type->id() == kube::core_events) {
      out.push_back({std::string(kube::events.group), "v1", type, type->plural, type->kind, true, type->verbs});
    }
  }
  out.push_back({"authorization.k8s.io",
                 "v1",
                 nullptr,
                 "selfsubjectaccessreviews",
                 "SelfSubjectAccessReview",
                 false,
                 {"create"}});
  out.push_back(
      {"authorization.k8s.io", "v1", nullptr, "selfsubjectrulesreviews", "SelfSubjectRulesReview", false, {"create"}});
  std::stable_sort(out.begin(), out.end(), [](entry const& a, entry const& b) { return a.group < b.group; });
  return out;
}

json discovery::api_versions(std::string_view server_address) const {
  return {
      {"kind", "APIVersions"},
      {"versions", {"v1"}},
      {"serverAddressByClientCIDRs", json::array({{{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", server_address}}})}};
}

json discovery::group(std::string_view name) const {
  for (entry const& e : entries()) {
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
  for (entry const& e : entries()) {
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
  for (entry const& e : entries()) {
    if (e.group != group || e.version != version) {
      continue;
    }
    json one = {{"name", e.plural},
                {"singularName", e.type ? e.type->singular : std::string("selfsubjectaccessreview")},
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
      if (!e.type->storage_version_hash.empty()) {
        one["storageVersionHash"] = e.type->storage_version_hash;
      }
    }
    list.push_back(std::move(one));
    if (!e.type) {
      continue;
    }
    for (subresource const& sub : subresources(*e.type)) {
      list.push_back({{"name", e.plural + "/" + sub.name},
                      {"singularName", ""},
                      {"namespaced", e.namespaced},
                      {"kind", sub.kind},
                      {"verbs", sub.verbs}});
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
  for (entry const& e : entries()) {
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
                {"singularResource", e.type ? e.type->singular : std::string("selfsubjectaccessreview")},
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
        subs.push_back({{"subresource", sub.name}, {"responseKind", one["responseKind"]}, {"verbs", sub.verbs}});
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

json discovery::open_api_index() const {
  json paths = json::object();
  for (entry const& e : entries()) {
    std::string const path = e.group.empty() ? "api/" + e.version : "apis/" + e.group + "/" + e.version;
    if (!paths.contains(path)) {
      std::string const hash = base::sha256_hex(open_api(e.group, e.version).dump()).substr(0, 32);
      paths[path] = {{"serverRelativeURL", "/openapi/v3/" + path + "?hash=" + hash}};
    }
  }
  return {{"paths", std::move(paths)}};
}

json discovery::open_api(std::string_view group, std::string_view version) const {
  json paths = json::object();
  json schemas = {{std::string(meta) + "ObjectMeta", object_meta_schema()},
                  {std::string(meta) + "OwnerReference", owner_reference_schema()},
                  {std::string(meta) + "ListMeta", {{"type", "object"}}},
                  {std::string(meta) + "Status", {{"type", "object"}}},
                  {std::string(meta) + "Patch", {{"type", "object"}}},
                  {std::string(meta) + "DeleteOptions", {{"type", "object"}}}};
  bool any = false;
  for (entry const& e : entries()) {
    if (e.group != group || e.version != version) {
      continue;
    }
    any = true;
    std::string const package = e.type && e.type->custom ? reversed(e.group)
                                : e.group.empty()        ? "io.k8s.api.core"
                                                         : "io.k8s.api." + e.group.substr(0, e.group.find('.'));
    std::string const schema_name = package + "." + e.version + "." + e.kind;
    json const kind = {{"group", e.group}, {"kind", e.kind}, {"version", e.version}};

    json schema = json::object();
    if (auto const custom = customs_.find(e.group, e.plural)) {
      schema = custom->open_api;
    } else if (e.type && e.group == e.type->group) {
      schema = builtin_open_api(e.type->id());
    }
    schema["type"] = "object";
    json& properties = schema["properties"];
    if (!properties.is_object()) {
      properties = json::object();
    }
    properties["apiVersion"] = text("APIVersion defines the versioned schema of this representation of an object.");
    properties["kind"] = text("Kind is a string value representing the REST resource this object represents.");
    properties["metadata"] = {{"description", "Standard object's metadata."},
                              {"allOf", json::array({reference(std::string(meta) + "ObjectMeta")})},
                              {"default", json::object()}};
    schema["x-kubernetes-group-version-kind"] = json::array({kind});
    schemas[schema_name] = std::move(schema);
    schemas[schema_name + "List"] = {
        {"type", "object"},
        {"required", {"items"}},
        {"properties",
         {{"apiVersion", {{"type", "string"}}},
          {"kind", {{"type", "string"}}},
          {"metadata", {{"allOf", json::array({reference(std::string(meta) + "ListMeta")})}}},
          {"items", {{"type", "array"}, {"items", reference(schema_name)}}}}},
        {"x-kubernetes-group-version-kind",
         json::array({{{"group", e.group}, {"kind", e.kind + "List"}, {"version", e.version}}})}};

    auto const answer = [&schema_name](bool list) {
      return json{{"200",
                   {{"description", "OK"},
                    {"content", {{"application/json", {{"schema", reference(schema_name + (list ? "List" : ""))}}}}}}}};
    };
    auto const make = [&](char const* action, char const* verb, bool list, bool writes) {
      json out = {{"operationId", std::string(verb) + capitalised(e.version) + e.kind},
                  {"responses", answer(list)},
                  {"x-kubernetes-action", action},
                  {"x-kubernetes-group-version-kind", kind}};
      if (writes) {
        out["parameters"] = write_parameters();
      }
      return out;
    };
    std::string const root = (e.group.empty() ? "/api/" : "/apis/" + e.group + "/") + e.version;
    std::string const collection = root + (e.namespaced ? "/namespaces/{namespace}/" : "/") + e.plural;
    auto const body = [](json operation, json content) {
      operation["requestBody"] = {{"content", std::move(content)}, {"required", true}};
      return operation;
    };
    json const whole = {{"application/json", {{"schema", reference(schema_name)}}}};
    json const patch_schema = {{"schema", reference(std::string(meta) + "Patch")}};
    json patches = {{"application/apply-patch+yaml", patch_schema},
                    {"application/json-patch+json", patch_schema},
                    {"application/merge-patch+json", patch_schema}};
    if (e.type && !e.type->custom) {
      patches["application/strategic-merge-patch+json"] = patch_schema;
    }
    json in_path = json::array();
    if (e.namespaced) {
      in_path.push_back(parameter("namespace", "path", "string", "object name and auth scope", true));
    }
    paths[collection] = {{"post", body(make("post", "create", false, true), whole)}, {"parameters", in_path}};
    if (!e.type) {
      continue;
    }
    paths[collection]["get"] = make("list", "list", true, false);
    paths[collection]["delete"] = make("deletecollection", "deletecollection", false, false);
    in_path.push_back(parameter("name", "path", "string", "name of the object", true));
    for (std::string const& suffix : {std::string(), std::string(e.type->has_status ? "/status" : "")}) {
      paths[collection + "/{name}" + suffix] = {{"get", make("get", "read", false, false)},
                                                {"put", body(make("put", "replace", false, true), whole)},
                                                {"patch", body(make("patch", "patch", false, true), patches)},
                                                {"parameters", in_path}};
    }
    paths[collection + "/{name}"]["delete"] = make("delete", "delete", false, false);
  }
  if (!any) {
    return nullptr;
  }
  return {{"openapi", "3.0.0"},
          {"info", {{"title", "codeexec-local"}, {"version", "v0.1.0"}}},
          {"paths", std::move(paths)},
          {"components", {{"schemas", std::move(schemas)}}}};
}

}  // namespace codeexec::local
