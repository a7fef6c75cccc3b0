// The built-in kinds as schemas: nested for decoding, as components that name each other for OpenAPI.
#include <map>

#include "codeexec/local/builtin_types.hpp"

#include "builtin_kinds.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

constexpr char const* quantity_component = "io.k8s.apimachinery.pkg.api.resource.Quantity";

std::string component_name(builtin_struct const& of) {
  if (of.package == "meta") {
    return "io.k8s.apimachinery.pkg.apis.meta.v1." + of.name;
  }
  if (of.package == "apiextensions") {
    return "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1." + of.name;
  }
  return "io.k8s.api." + of.package + ".v1." + of.name;
}

/// Types without a struct or a quantity in them; discarded for those.
json simple_type(std::string const& type) {
  static json const text = {{"type", "string"}};
  static std::map<std::string, json, std::less<>> const all = {
      {"s", text},
      {"i", {{"type", "integer"}, {"format", "int32"}}},
      {"I", {{"type", "integer"}, {"format", "int32"}}},
      {"l", {{"type", "integer"}, {"format", "int64"}}},
      {"b", {{"type", "boolean"}}},
      {"B", {{"type", "boolean"}}},
      {"x", {{"x-kubernetes-int-or-string", true}}},
      {"t", {{"type", "string"}, {"format", "date-time"}}},
      {"m", {{"type", "object"}, {"additionalProperties", text}}},
      {"mb", {{"type", "object"}, {"additionalProperties", {{"type", "string"}, {"format", "byte"}}}}}};
  auto const found = all.find(type);
  return found == all.end() ? json(json::value_t::discarded) : found->second;
}

/// What decoding goes by: the whole tree. apiVersion, kind and metadata of the object itself are not in it.
json nested(builtin_struct const& of);

json nested_type(builtin_struct const& of, std::string const& type) {
  if (type.front() == '@') {
    return nested(*resolve_builtin(of, type.substr(1)));
  }
  if (type.front() == '[') {
    return {{"type", "array"}, {"items", nested_type(of, type.substr(1, type.size() - 2))}};
  }
  static json const quantity = {{"x-kubernetes-int-or-string", true}};
  if (type == "q") {
    return quantity;
  }
  if (type == "mq") {
    return {{"type", "object"}, {"additionalProperties", quantity}};
  }
  json const simple = simple_type(type == "mb" ? "m" : type);
  return simple.is_discarded() ? json{{"x-kubernetes-preserve-unknown-fields", true}} : simple;
}

json nested(builtin_struct const& of) {
  json properties = json::object();
  for (builtin_field const& field : of.fields) {
    properties[field.name] = nested_type(of, field.type);
  }
  return {{"type", "object"}, {"properties", std::move(properties)}};
}

json component_type(builtin_struct const& of, std::string const& type, json& all);

void add_component(builtin_struct const& of, json& all) {
  std::string const name = component_name(of);
  if (all.contains(name)) {
    return;
  }
  all[name] = nullptr;  // so that it is known while its fields are looked at
  json properties = json::object();
  json required = json::array();
  for (builtin_field const& field : of.fields) {
    json one = component_type(of, field.type, all);
    if (one.contains("$ref")) {
      // Beside a $ref nothing counts, so what is said of the field goes around it.
      one = {{"allOf", json::array({std::move(one)})}};
    }
    if (!field.description.empty()) {
      one["description"] = field.description;
    }
    if (!field.merge_key.empty()) {
      one["x-kubernetes-patch-merge-key"] = field.merge_key;
      one["x-kubernetes-patch-strategy"] = field.name == "volumes" ? "merge,retainKeys" : "merge";
      one["x-kubernetes-list-type"] = "map";
      one["x-kubernetes-list-map-keys"] = json::array({field.merge_key});
    }
    if (field.required) {
      required.push_back(field.name);
    }
    properties[field.name] = std::move(one);
  }
  json made = {{"type", "object"}, {"description", of.description}, {"properties", std::move(properties)}};
  if (!required.empty()) {
    made["required"] = std::move(required);
  }
  all[name] = std::move(made);
}

json component_type(builtin_struct const& of, std::string const& type, json& all) {
  auto const reference = [](std::string const& name) { return json{{"$ref", "#/components/schemas/" + name}}; };
  auto const quantity = [&] {
    all[quantity_component] = {{"description", "An amount: a number, with a suffix as in 500m, 64Mi or 1G."},
                               {"oneOf", json::array({json{{"type", "string"}}, json{{"type", "number"}}})}};
    return reference(quantity_component);
  };
  if (type.front() == '@') {
    builtin_struct const& inner = *resolve_builtin(of, type.substr(1));
    add_component(inner, all);
    return reference(component_name(inner));
  }
  if (type.front() == '[') {
    return {{"type", "array"}, {"items", component_type(of, type.substr(1, type.size() - 2), all)}};
  }
  if (type == "q") {
    return quantity();
  }
  if (type == "mq") {
    return {{"type", "object"}, {"additionalProperties", quantity()}};
  }
  json const simple = simple_type(type);
  return simple.is_discarded() ? json{{"type", "object"}} : simple;
}

}  // namespace

std::string builtin_component_name(std::string_view group, std::string_view kind) {
  builtin_struct of;
  of.package = builtin_package(group);
  of.name = kind;
  return component_name(of);
}

void add_builtin_components(std::string_view group, std::string_view kind, json& components) {
  if (auto const* found = find_builtin(builtin_package(group), kind)) {
    add_component(*found, components);
  }
}

structural_schema const* builtin_schema(kube::resource const& type) {
  static std::map<std::string, structural_schema, std::less<>> compiled;
  auto const* const known = find_builtin(builtin_package(type.group), type.kind);
  if (!known) {
    return nullptr;
  }
  std::string const name = component_name(*known);
  auto found = compiled.find(name);
  if (found == compiled.end()) {
    found = compiled.emplace(name, structural_schema::compile(nested(*known)).value()).first;
  }
  return &found->second;
}

}  // namespace codeexec::local
