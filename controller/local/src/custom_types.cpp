#include "codeexec/local/custom_types.hpp"

#include <algorithm>
#include <iterator>
#include <variant>

#include "codeexec/base/encoding.hpp"
#include "codeexec/base/file.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/base/text.hpp"
#include "codeexec/local/garbage_collector.hpp"
#include "codeexec/local/json_path.hpp"
#include "codeexec/local/names.hpp"
#include "codeexec/local/yaml.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

/// Custom objects: the schema decides, and metadata is checked as everywhere.
class custom_strategy : public strategy {
 public:
  explicit custom_strategy(std::shared_ptr<custom_type const> type) : type_(std::move(type)) {}

  void prepare_create(json& object, base::wall_time) const override {
    (void)type_->schema.prune(object);
    type_->schema.apply_defaults(object);
  }
  field_errors validate_create(json const& object) const override { return type_->schema.validate(object, nullptr); }
  void prepare_update(json& next, json const&, part) const override {
    (void)type_->schema.prune(next);
    type_->schema.apply_defaults(next);
  }
  field_errors validate_update(json const& next, json const& current, part) const override {
    return type_->schema.validate(next, &current);
  }
  schema_node const* schema() const override { return &type_->schema.root(); }

 private:
  std::shared_ptr<custom_type const> type_;
};

/// The definitions themselves.
class definition_strategy : public strategy {
 public:
  void prepare_create(json& object, base::wall_time) const override {
    defaults(object);
    object["status"] = {
        {"conditions", nullptr}, {"acceptedNames", {{"plural", ""}, {"kind", ""}}}, {"storedVersions", json::array()}};
    json const& versions = at_path(object, "spec.versions");
    if (versions.is_array() && !versions.empty()) {
      object["status"]["storedVersions"] = json::array({string_at(versions.front(), "name")});
    }
  }
  field_errors validate_create(json const& object) const override {
    auto made = custom_type::from_definition(object);
    if (auto* const errors = std::get_if<field_errors>(&made)) {
      return *errors;
    }
    return {};
  }
  void prepare_update(json& next, json const&, part which) const override {
    if (which != part::status) {
      defaults(next);
    }
  }
  field_errors validate_update(json const& next, json const&, part which) const override {
    return which == part::status ? field_errors{} : validate_create(next);
  }
  // A definition goes after its objects: the garbage collector deletes those and then takes the finalizer away.
  bool held(json const& object) const override { return !at_path(object, "metadata.deletionTimestamp").is_string(); }
  void begin_deletion(json& object) const override {
    object["metadata"].erase("deletionGracePeriodSeconds");
    object["metadata"]["finalizers"].push_back(cleanup_finalizer);
  }

 private:
  static void defaults(json& object) {
    json& spec = object["spec"];
    if (!spec.is_object()) {
      return;
    }
    json& names = spec["names"];
    if (names.is_object()) {
      std::string const kind = string_at(names, "kind");
      if (!names.contains("listKind")) {
        names["listKind"] = kind + "List";
      }
      if (!names.contains("singular")) {
        names["singular"] = base::to_lower(kind);
      }
    }
    if (!spec.contains("conversion")) {
      spec["conversion"] = {{"strategy", "None"}};
    }
  }
};

json established(json const& crd, base::wall_time now) {
  std::string const time = base::format_time(now);
  json status = at_path(crd, "status");
  status["acceptedNames"] = at_path(crd, "spec.names");
  status["conditions"] = json::array({{{"type", "NamesAccepted"},
                                       {"status", "True"},
                                       {"lastTransitionTime", time},
                                       {"reason", "NoConflicts"},
                                       {"message", "no conflicts found"}},
                                      {{"type", "Established"},
                                       {"status", "True"},
                                       {"lastTransitionTime", time},
                                       {"reason", "InitialNamesAccepted"},
                                       {"message", "the initial names have been accepted"}}});
  return status;
}

}  // namespace

std::variant<std::shared_ptr<custom_type const>, field_errors> custom_type::from_definition(json const& crd) {
  field_errors errors;
  json const& spec = at_path(crd, "spec");
  json const& names = at_path(spec, "names");
  auto made = std::make_shared<custom_type>();
  resource_type& t = made->type;
  t.custom = true;
  t.group = string_at(spec, "group");
  t.plural = string_at(names, "plural");
  t.kind = string_at(names, "kind");
  t.singular = string_at(names, "singular");
  t.list_kind = string_at(names, "listKind");
  t.short_names = strings_at(names, "shortNames");
  t.categories = strings_at(names, "categories");
  t.has_generation = true;
  t.verbs = {"delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"};
  if (t.group.empty()) {
    errors.push_back(field_error::required("spec.group"));
  } else if (auto const fault = check_dns_subdomain(t.group)) {
    errors.push_back(field_error::invalid("spec.group", t.group, *fault));
  } else if (t.group.find('.') == std::string::npos) {
    errors.push_back(field_error::invalid("spec.group", t.group, "should be a domain with at least one dot"));
  }
  if (t.plural.empty()) {
    errors.push_back(field_error::required("spec.names.plural"));
  }
  if (t.kind.empty()) {
    errors.push_back(field_error::required("spec.names.kind"));
  }
  std::string const name = string_at(crd, "metadata.name");
  if (!name.empty() && name != t.plural + "." + t.group) {
    errors.push_back(field_error::invalid("metadata.name", name, "must be spec.names.plural+\".\"+spec.group"));
  }
  std::string const scope = string_at(spec, "scope");
  if (scope != "Namespaced" && scope != "Cluster") {
    errors.push_back(scope.empty() ? field_error::required("spec.scope")
                                   : field_error::unsupported("spec.scope", scope, {"Cluster", "Namespaced"}));
  }
  t.namespaced = scope == "Namespaced";
  if (string_at(spec, "conversion.strategy") == "Webhook") {
    errors.push_back(field_error::unsupported("spec.conversion.strategy", "Webhook", {"None"}));
  }

  json const& versions = at_path(spec, "versions");
  if (!versions.is_array() || versions.size() != 1) {
    errors.push_back(field_error::invalid("spec.versions", versions.is_array() ? versions.size() : 0,
                                          "this server serves definitions of exactly one version"));
    return errors;
  }
  json const& version = versions.front();
  t.version = string_at(version, "name");
  if (auto const fault = check_dns_label(t.version)) {
    errors.push_back(field_error::invalid("spec.versions[0].name", t.version, *fault));
  }
  if (at_path(version, "served") != true || at_path(version, "storage") != true) {
    errors.push_back(field_error::invalid("spec.versions[0]", t.version, "the one version must be served and stored"));
  }
  t.has_status = at_path(version, "subresources.status").is_object();
  std::size_t i = 0;
  json const& columns = at_path(version, "additionalPrinterColumns");
  if (columns.is_array()) {
    for (json const& one : columns) {
      printer_column c{string_at(one, "name"),        string_at(one, "type"),     string_at(one, "format"),
                       string_at(one, "description"), string_at(one, "jsonPath"), 0};
      json const& priority = at_path(one, "priority");
      c.priority = priority.is_number_integer() ? priority.get<std::int64_t>() : 0;
      std::string const field = "spec.versions[0].additionalPrinterColumns[" + std::to_string(i++) + "]";
      if (c.name.empty()) {
        errors.push_back(field_error::required(field + ".name"));
      }
      auto const path = json_path::compile(c.json_path);
      if (!path) {
        errors.push_back(field_error::invalid(field + ".jsonPath", c.json_path, path.error().message));
      }
      t.columns.push_back(std::move(c));
    }
  }
  json const& selectable = at_path(version, "selectableFields");
  if (selectable.is_array()) {
    for (json const& one : selectable) {
      std::string path = string_at(one, "jsonPath");
      if (!path.empty() && path.front() == '.') {
        path.erase(0, 1);
      }
      t.selectable_fields.push_back(path);
    }
  }
  json const& open_api = at_path(version, "schema.openAPIV3Schema");
  if (!open_api.is_object()) {
    errors.push_back(field_error::required("spec.versions[0].schema.openAPIV3Schema", "schemas are required"));
  } else {
    auto schema = structural_schema::compile(open_api);
    if (!schema) {
      errors.push_back(field_error::invalid("spec.versions[0].schema.openAPIV3Schema", t.kind, schema.error().message));
    } else {
      made->schema = *schema;
      made->open_api = open_api;
    }
  }
  if (!errors.empty()) {
    return errors;
  }
  return std::shared_ptr<custom_type const>(std::move(made));
}

custom_types::custom_types(store& objects) : objects_(objects) {
  resource_type t;
  kube::resource const& id = kube::custom_resource_definitions;
  t.group = id.group;
  t.version = id.version;
  t.plural = id.plural;
  t.kind = id.kind;
  t.singular = "customresourcedefinition";
  t.list_kind = t.kind + "List";
  t.namespaced = false;
  t.has_status = true;
  t.has_generation = true;
  t.short_names = {"crd", "crds"};
  t.categories = {"api-extensions"};
  t.verbs = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"};
  objects_.add_type(std::move(t), std::make_unique<definition_strategy>());
}

custom_types::~custom_types() = default;

std::shared_ptr<custom_type const> custom_types::find(std::string_view group, std::string_view plural) const {
  auto const found = served_.find(qualified(plural, group));
  return found == served_.end() ? nullptr : found->second;
}

void custom_types::start() {
  auto opened =
      objects_.open_watch(kube::custom_resource_definitions, {}, objects_.resource_version(), [this] { sync(); });
  if (opened) {
    watch_ = std::move(*opened);
  }
  sync();
}

void custom_types::sync() {
  // Establishing a definition is a write and wakes us again: the outer call sees to everything.
  if (syncing_) {
    return;
  }
  syncing_ = true;
  if (watch_) {
    while (watch_->next().what == watch::state::event) {
    }
  }
  std::vector<object> const definitions = objects_.list(kube::custom_resource_definitions);
  for (auto at = served_.begin(); at != served_.end();) {
    bool const defined = std::any_of(definitions.begin(), definitions.end(),
                                     [&at](object const& one) { return one.name() == at->first; });
    if (defined) {
      ++at;
      continue;
    }
    seen_.erase(at->first);
    objects_.remove_type(at->second->type.id());
    at = served_.erase(at);
  }
  for (object const& crd : definitions) {
    if (seen_[crd.name()] == crd.resource_version() || crd.being_deleted()) {
      continue;
    }
    auto made = custom_type::from_definition(*crd);
    if (auto* const type = std::get_if<std::shared_ptr<custom_type const>>(&made)) {
      served_[crd.name()] = *type;
      objects_.add_type((*type)->type, std::make_unique<custom_strategy>(*type));
      base::wall_time const now = objects_.clock().wall_now();
      auto const written =
          objects_.mutate(kube::custom_resource_definitions, {}, crd.name(), part::all, [now](json& value) {
            if (at_path(value, "status.conditions").is_array()) {
              return false;
            }
            value["status"] = established(value, now);
            return true;
          });
      seen_[crd.name()] = written ? written->resource_version() : crd.resource_version();
    } else {
      // Only a definition restored from an older file: the API refuses it.
      base::log::error("definition not served", {base::log::kv("name", crd.name()),
                                                 base::log::kv("error", std::get<field_errors>(made).front().message)});
      seen_[crd.name()] = crd.resource_version();
    }
  }
  syncing_ = false;
}

base::result<void> custom_types::load(std::filesystem::path const& folder) {
  std::error_code ec;
  std::vector<std::filesystem::path> files;
  for (auto const& entry : std::filesystem::directory_iterator(folder, ec)) {
    std::string const extension = entry.path().extension();
    if (extension == ".yaml" || extension == ".yml" || extension == ".json") {
      files.push_back(entry.path());
    }
  }
  if (ec) {
    return base::error("cannot read " + folder.string() + ": " + ec.message());
  }
  std::sort(files.begin(), files.end());
  for (auto const& file : files) {
    auto const text = base::read_file(file.string());
    if (!text) {
      return text.error();
    }
    auto const documents = parse_yaml_documents(*text);
    if (!documents) {
      return base::error(file.string() + ": " + documents.error().message);
    }
    for (json const& document : *documents) {
      if (string_at(document, "kind") != kube::custom_resource_definitions.kind) {
        continue;
      }
      std::string const name = string_at(document, "metadata.name");
      object const known = objects_.get(kube::custom_resource_definitions, {}, name);
      auto const written = known ? objects_.mutate(kube::custom_resource_definitions, {}, name, part::object,
                                                   [&document](json& value) {
                                                     value["spec"] = at_path(document, "spec");
                                                     return true;
                                                   })
                                 : objects_.create(kube::custom_resource_definitions, document);
      if (!written) {
        return base::error(file.string() + ": " + written.error().message);
      }
    }
  }
  return {};
}

}  // namespace codeexec::local
