#include "codeexec/local/open_api.hpp"

#include <algorithm>
#include <cctype>

#include "codeexec/base/encoding.hpp"
#include "codeexec/local/builtin_types.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

constexpr char const* meta = "io.k8s.apimachinery.pkg.apis.meta.v1.";

json reference(std::string const& name) {
  return {{"$ref", "#/components/schemas/" + name}};
}

json described_reference(std::string const& name, char const* description) {
  return {{"description", description}, {"allOf", json::array({reference(name)})}};
}

json text(char const* description) {
  return {{"type", "string"}, {"description", description}};
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

std::string capitalised(std::string word) {
  if (!word.empty()) {
    word[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(word[0])));
  }
  return word;
}

/// "codeexec.dev" and "v1alpha1" as operation names have them: "CodeexecDevV1alpha1".
std::string in_operation_names(std::string const& group, std::string const& version) {
  std::string out;
  std::string rest = group.empty() ? "core" : group.ends_with(".k8s.io") ? group.substr(0, group.find('.')) : group;
  for (auto dot = rest.find('.'); dot != std::string::npos; dot = rest.find('.')) {
    out += capitalised(rest.substr(0, dot));
    rest.erase(0, dot + 1);
  }
  return out + capitalised(rest) + capitalised(version);
}

json parameter(char const* name, char const* where, char const* type, char const* description, bool required = false) {
  json out = {
      {"name", name}, {"in", where}, {"description", description}, {"schema", {{"type", type}, {"uniqueItems", true}}}};
  if (required) {
    out["required"] = true;
  }
  return out;
}

json const& write_parameters() {
  // That fieldValidation is here is how kubectl knows that it need not check fields itself.
  static json const all = json::array(
      {parameter("dryRun", "query", "string", "All: do everything but keep the result."),
       parameter("fieldManager", "query", "string", "The name under which the writer's fields are noted."),
       parameter("fieldValidation", "query", "string",
                 "What follows from fields that the schema does not know: Ignore, Warn (default) or Strict.")});
  return all;
}

json const& patch_parameters() {
  static json const all = [] {
    json out = write_parameters();
    out.push_back(parameter("force", "query", "boolean", "For apply: take over fields that others have set."));
    return out;
  }();
  return all;
}

json const& list_parameters() {
  static json const all =
      json::array({parameter("allowWatchBookmarks", "query", "boolean", "Watches may send bookmarks."),
                   parameter("continue", "query", "string", "The page to go on with, as the last one named it."),
                   parameter("fieldSelector", "query", "string", "Only objects with these fields."),
                   parameter("labelSelector", "query", "string", "Only objects with these labels."),
                   parameter("limit", "query", "integer", "At most so many at once."),
                   parameter("resourceVersion", "query", "string", "The state to list, or to watch from."),
                   parameter("resourceVersionMatch", "query", "string", "Exact or NotOlderThan."),
                   parameter("sendInitialEvents", "query", "boolean", "Watches begin with the objects that there are."),
                   parameter("timeoutSeconds", "query", "integer", "When a watch ends."),
                   parameter("watch", "query", "boolean", "Follow the changes instead of listing.")});
  return all;
}

std::string schema_name(served_resource const& e) {
  return e.type && e.type->custom ? reversed(e.group) + "." + e.version + "." + e.kind
                                  : builtin_component_name(e.group, e.kind);
}

json kind_of(served_resource const& e, char const* suffix = "") {
  return {{"group", e.group}, {"kind", e.kind + suffix}, {"version", e.version}};
}

void add_schemas(served_resource const& e, json const* custom_schema, json& schemas) {
  std::string const name = schema_name(e);
  json schema = json::object();
  if (custom_schema) {
    schema = *custom_schema;
  } else {
    add_builtin_components(e.group, e.kind, schemas);
    if (schemas.contains(name)) {
      schema = schemas.at(name);
    }
  }
  schema["type"] = "object";
  json& properties = schema["properties"];
  if (!properties.is_object()) {
    properties = json::object();
  }
  properties["apiVersion"] =
      text("The version of the API that the object is written in: its group, a slash, a version.");
  properties["kind"] = text("What the object is.");
  properties["metadata"] = described_reference(std::string(meta) + "ObjectMeta", "Name, labels, owners and the like.");
  if (!custom_schema) {
    properties["metadata"]["default"] = json::object();
  }
  schema["x-kubernetes-group-version-kind"] = json::array({kind_of(e)});
  schemas[name] = std::move(schema);
  if (!e.type) {
    return;
  }
  schemas[name + "List"] = {
      {"type", "object"},
      {"description", e.kind + "List is a list of " + e.kind},
      {"required", {"items"}},
      {"properties",
       {{"apiVersion", text("The version of the API that the list is written in.")},
        {"kind", text("What it is a list of.")},
        {"metadata", described_reference(std::string(meta) + "ListMeta", "The state that the list shows.")},
        {"items", {{"type", "array"}, {"description", "List of " + e.plural + "."}, {"items", reference(name)}}}}},
      {"x-kubernetes-group-version-kind", json::array({kind_of(e, "List")})}};
}

void add_paths(served_resource const& e, json& paths) {
  std::string const name = schema_name(e);
  std::string const noun = in_operation_names(e.group, e.version) + (e.namespaced ? "Namespaced" : "") + e.kind;
  auto const answers = [](std::string const& schema) {
    json const content = {{"schema", reference(schema)}};
    return json{
        {"200", {{"description", "OK"}, {"content", {{"application/json", content}, {"application/yaml", content}}}}},
        {"401", {{"description", "Unauthorized"}}}};
  };
  auto const make = [&](char const* action, std::string const& id, std::string description, std::string const& schema) {
    return json{{"operationId", id},
                {"description", std::move(description)},
                {"responses", answers(schema)},
                {"x-kubernetes-action", action},
                {"x-kubernetes-group-version-kind", kind_of(e)}};
  };
  auto const with = [](json operation, json parameters, json body = nullptr) {
    operation["parameters"] = std::move(parameters);
    if (!body.is_null()) {
      operation["requestBody"] = {{"content", std::move(body)}, {"required", true}};
    }
    return operation;
  };
  json const whole = {{"application/json", {{"schema", reference(name)}}}};
  json const patch = {{"schema", reference(std::string(meta) + "Patch")}};
  json patches = {{"application/apply-patch+yaml", patch},
                  {"application/json-patch+json", patch},
                  {"application/merge-patch+json", patch}};
  if (e.type && !e.type->custom) {
    patches["application/strategic-merge-patch+json"] = patch;
  }
  std::string const status = std::string(meta) + "Status";
  auto const has = [&e](char const* verb) { return std::find(e.verbs.begin(), e.verbs.end(), verb) != e.verbs.end(); };

  std::string const root = (e.group.empty() ? "/api/" : "/apis/" + e.group + "/") + e.version;
  std::string const collection = root + (e.namespaced ? "/namespaces/{namespace}/" : "/") + e.plural;
  json in_path = json::array();
  if (e.namespaced) {
    in_path.push_back(parameter("namespace", "path", "string", "The namespace.", true));
  }
  json at_collection = {{"parameters", in_path}};
  if (has("create")) {
    at_collection["post"] = with(make("post", "create" + noun, "create a " + e.kind, name), write_parameters(), whole);
  }
  if (has("list")) {
    json const listed =
        with(make("list", "list" + noun, "list or watch objects of kind " + e.kind, name + "List"), list_parameters());
    at_collection["get"] = listed;
    if (e.namespaced) {
      json everywhere = listed;
      everywhere["operationId"] = "list" + in_operation_names(e.group, e.version) + e.kind + "ForAllNamespaces";
      paths[root + "/" + e.plural] = {{"get", std::move(everywhere)}, {"parameters", json::array()}};
    }
  }
  if (has("deletecollection")) {
    at_collection["delete"] =
        with(make("deletecollection", "deletecollection" + noun, "delete collection of " + e.kind, status),
             list_parameters());
  }
  paths[collection] = std::move(at_collection);
  if (!has("get")) {
    return;
  }
  in_path.push_back(parameter("name", "path", "string", "The object's name.", true));
  std::vector<std::string> parts{""};
  if (e.type && e.type->has_status) {
    parts.emplace_back("status");
  }
  for (std::string const& part : parts) {
    std::string const suffix = noun + capitalised(part);
    std::string const what = (part.empty() ? "" : part + " of ") + ("the specified " + e.kind);
    json one = {{"parameters", in_path}, {"get", make("get", "read" + suffix, "read " + what, name)}};
    if (has("update")) {
      one["put"] = with(make("put", "replace" + suffix, "replace " + what, name), write_parameters(), whole);
    }
    if (has("patch")) {
      one["patch"] =
          with(make("patch", "patch" + suffix, "partially update " + what, name), patch_parameters(), patches);
    }
    if (part.empty() && has("delete")) {
      json const options = {{"*/*", {{"schema", reference(std::string(meta) + "DeleteOptions")}}}};
      one["delete"] = with(make("delete", "delete" + suffix, "delete a " + e.kind, status),
                           json::array({write_parameters()[0]}), options);
    }
    paths[collection + "/{name}" + (part.empty() ? "" : "/" + part)] = std::move(one);
  }
}

}  // namespace

json open_api::document(std::string_view group, std::string_view version,
                        std::vector<served_resource> const& served) const {
  json paths = json::object();
  json schemas = {{std::string(meta) + "Patch", {{"type", "object"}, {"description", "Changes to an object."}}}};
  for (char const* const one : {"ObjectMeta", "ListMeta", "Status", "DeleteOptions"}) {
    add_builtin_components("meta", one, schemas);
  }
  for (served_resource const& e : served) {
    if (e.group == group && e.version == version) {
      auto const custom = customs_.find(e.group, e.plural);
      add_schemas(e, custom ? &custom->open_api : nullptr, schemas);
      add_paths(e, paths);
    }
  }
  return {{"openapi", "3.0.0"},
          {"info", {{"title", "codeexec-local"}, {"version", "v0.1.0"}}},
          {"paths", std::move(paths)},
          {"components", {{"schemas", std::move(schemas)}}}};
}

void open_api::refresh() {
  auto const served = served_.served();
  std::vector<std::shared_ptr<resource_type const>> made_of;
  made_of.reserve(served.size());
  for (served_resource const& e : served) {
    made_of.push_back(e.type);
  }
  if (made_of == made_of_) {
    return;
  }
  documents_.clear();
  json paths = json::object();
  for (served_resource const& e : served) {
    std::string const path = e.group.empty() ? "api/" + e.version : "apis/" + e.group + "/" + e.version;
    if (documents_.contains(path)) {
      continue;
    }
    std::string whole = document(e.group, e.version, served).dump();
    std::string hash = base::sha256_hex(whole);
    paths[path] = {{"serverRelativeURL", "/openapi/v3/" + path + "?hash=" + hash}};
    documents_.emplace(path, open_api_document{std::move(whole), std::move(hash)});
  }
  index_.text = json{{"paths", std::move(paths)}}.dump();
  index_.hash = base::sha256_hex(index_.text);
  made_of_ = std::move(made_of);
}

open_api_document const& open_api::index() {
  refresh();
  return index_;
}

open_api_document const* open_api::find(std::string_view path) {
  refresh();
  auto const found = documents_.find(path);
  return found == documents_.end() ? nullptr : &found->second;
}

}  // namespace codeexec::local
