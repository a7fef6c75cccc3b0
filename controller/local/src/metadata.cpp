#include "metadata.hpp"

#include <algorithm>
#include <array>

#include "codeexec/base/text.hpp"
#include "codeexec/local/names.hpp"
#include "codeexec/local/object.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

constexpr std::size_t max_annotation_bytes = 256u * 1024u;

constexpr std::array<char const*, 8> client_fields = {
    "name", "generateName", "namespace", "labels", "annotations", "finalizers", "ownerReferences", "managedFields"};
constexpr std::array<char const*, 8> server_fields = {"name",
                                                      "namespace",
                                                      "uid",
                                                      "creationTimestamp",
                                                      "generation",
                                                      "deletionTimestamp",
                                                      "deletionGracePeriodSeconds",
                                                      "resourceVersion"};

std::string go_kind(json const& value) {
  if (value.is_boolean()) {
    return "bool";
  }
  if (value.is_number()) {
    return "number";
  }
  if (value.is_string()) {
    return "string";
  }
  return value.is_array() ? "array" : "object";
}

std::string wrong_type(json const& value, std::string_view field, std::string_view wanted) {
  return "json: cannot unmarshal " + go_kind(value) + " into Go struct field ObjectMeta.metadata." +
         std::string(field) + " of type " + std::string(wanted);
}

void validate_owners(json const& metadata, field_errors& out) {
  auto const owners = metadata.find("ownerReferences");
  if (owners == metadata.end() || !owners->is_array()) {
    return;
  }
  std::string const field = "metadata.ownerReferences";
  int controllers = 0;
  for (json const& owner : *owners) {
    if (string_at(owner, "apiVersion").empty()) {
      out.push_back(field_error::invalid(field + ".apiVersion", "", "version must not be empty"));
    }
    if (string_at(owner, "kind").empty()) {
      out.push_back(field_error::invalid(field + ".kind", "", "must not be empty"));
    }
    if (string_at(owner, "name").empty()) {
      out.push_back(field_error::invalid(field + ".name", "", "must not be empty"));
    }
    if (string_at(owner, "uid").empty()) {
      out.push_back(field_error::invalid(field + ".uid", "", "must not be empty"));
    }
    json const& controller = at_path(owner, "controller");
    controllers += controller.is_boolean() && controller.get<bool>() ? 1 : 0;
  }
  if (controllers > 1) {
    out.push_back(field_error::invalid(field, *owners,
                                       "Only one reference can have Controller set to true. Found \"true\" in "
                                       "references for more than one owner"));
  }
}

}  // namespace

std::optional<std::string> check_metadata_types(json const& metadata) {
  for (char const* field : {"name", "generateName", "namespace", "uid", "resourceVersion"}) {
    json const& value = at_path(metadata, field);
    if (!value.is_null() && !value.is_string()) {
      return wrong_type(value, field, "string");
    }
  }
  for (char const* field : {"labels", "annotations"}) {
    json const& map = at_path(metadata, field);
    if (map.is_null()) {
      continue;
    }
    if (!map.is_object()) {
      return wrong_type(map, field, "map[string]string");
    }
    for (auto const& [key, value] : map.items()) {
      if (!value.is_string()) {
        return wrong_type(value, field, "string");
      }
    }
  }
  json const& finalizers = at_path(metadata, "finalizers");
  if (!finalizers.is_null()) {
    if (!finalizers.is_array()) {
      return wrong_type(finalizers, "finalizers", "[]string");
    }
    for (json const& value : finalizers) {
      if (!value.is_string()) {
        return wrong_type(value, "finalizers", "string");
      }
    }
  }
  for (char const* field : {"ownerReferences", "managedFields"}) {
    json const& list = at_path(metadata, field);
    if (list.is_null()) {
      continue;
    }
    std::string const element =
        std::string_view(field) == "ownerReferences" ? "v1.OwnerReference" : "v1.ManagedFieldsEntry";
    if (!list.is_array()) {
      return wrong_type(list, field, "[]" + element);
    }
    for (json const& value : list) {
      if (!value.is_object()) {
        return wrong_type(value, field, element);
      }
    }
  }
  return std::nullopt;
}

json client_metadata(json const& metadata) {
  json out = json::object();
  for (char const* field : client_fields) {
    auto const found = metadata.find(field);
    if (found != metadata.end() && !found->empty() && *found != "") {
      out[field] = *found;
    }
  }
  return out;
}

void keep_server_metadata(json& next, json const& current) {
  json merged = client_metadata(next.at("metadata"));
  json const& stored = current.at("metadata");
  if (!next.at("metadata").contains("managedFields") && stored.contains("managedFields")) {
    merged["managedFields"] = stored.at("managedFields");
  }
  for (char const* field : server_fields) {
    auto const found = stored.find(field);
    if (found != stored.end()) {
      merged[field] = *found;
    } else {
      merged.erase(field);
    }
  }
  if (stored.contains("generateName")) {
    merged["generateName"] = stored.at("generateName");
  }
  next["metadata"] = std::move(merged);
}

field_errors validate_metadata(json const& metadata, resource_type const& type, strategy const& how) {
  field_errors out;
  std::string const generate = string_at(metadata, "generateName");
  std::string const name = string_at(metadata, "name");
  if (!generate.empty()) {
    // The real server checks the prefix as a name of its own, with the trailing dash taken for a letter.
    std::string shape = generate;
    if (shape.back() == '-') {
      shape.back() = 'a';
    }
    if (auto const fault = how.check_name(shape)) {
      out.push_back(field_error::invalid("metadata.generateName", generate, *fault));
    }
  }
  if (name.empty()) {
    out.push_back(field_error::required("metadata.name", "name or generateName is required"));
  } else if (auto const fault = how.check_name(name)) {
    out.push_back(field_error::invalid("metadata.name", name, *fault));
  }
  if (type.namespaced) {
    std::string const ns = string_at(metadata, "namespace");
    if (ns.empty()) {
      out.push_back(field_error::required("metadata.namespace"));
    } else if (auto const fault = check_dns_label(ns)) {
      out.push_back(field_error::invalid("metadata.namespace", ns, *fault));
    }
  }
  if (auto const labels = metadata.find("labels"); labels != metadata.end()) {
    for (auto const& [key, value] : labels->items()) {
      if (auto const fault = check_qualified_name(key)) {
        out.push_back(field_error::invalid("metadata.labels", key, *fault));
      }
      if (auto const fault = check_label_value(value.get_ref<std::string const&>())) {
        out.push_back(field_error::invalid("metadata.labels", value, *fault));
      }
    }
  }
  if (auto const annotations = metadata.find("annotations"); annotations != metadata.end()) {
    std::size_t total = 0;
    for (auto const& [key, value] : annotations->items()) {
      if (auto const fault = check_qualified_name(base::to_lower(key))) {
        out.push_back(field_error::invalid("metadata.annotations", key, *fault));
      }
      total += key.size() + value.get_ref<std::string const&>().size();
    }
    if (total > max_annotation_bytes) {
      out.push_back(field_error::too_long("metadata.annotations", max_annotation_bytes));
    }
  }
  if (auto const finalizers = metadata.find("finalizers"); finalizers != metadata.end()) {
    for (json const& value : *finalizers) {
      std::string const& text = value.get_ref<std::string const&>();
      if (auto const fault = check_qualified_name(text)) {
        out.push_back(field_error::invalid("metadata.finalizers", text, *fault));
      }
    }
  }
  validate_owners(metadata, out);
  return out;
}

field_errors validate_metadata_update(json const& next, json const& current) {
  field_errors out;
  if (!at_path(current, "deletionTimestamp").is_string()) {
    return out;
  }
  std::string added;
  json const& before = at_path(current, "finalizers");
  for (json const& value : at_path(next, "finalizers")) {
    if (!before.is_array() || std::find(before.begin(), before.end(), value) == before.end()) {
      added += (added.empty() ? "" : ", ") + value.dump();
    }
  }
  if (!added.empty()) {
    out.push_back(field_error::forbidden("metadata.finalizers",
                                         "no new finalizers can be added if the object is being deleted, found new "
                                         "finalizers []string{" +
                                             added + "}"));
  }
  return out;
}

}  // namespace codeexec::local
