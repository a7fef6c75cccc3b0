#include "codeexec/local/builtin_types.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "codeexec/api/quantity.hpp"
#include "codeexec/base/text.hpp"
#include "codeexec/local/access.hpp"
#include "codeexec/local/names.hpp"
#include "codeexec/local/workloads.hpp"

#include "builtin_type.hpp"
#include "network_policy.hpp"
#include "pod_spec.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

constexpr std::size_t max_config_map_bytes = 1024u * 1024u;

json& object_at(json& parent, char const* key) {
  json& found = parent[key];
  if (!found.is_object()) {
    found = json::object();
  }
  return found;
}

field_error immutable(std::string field) {
  return field_error("FieldValueInvalid", "Invalid value: field is immutable", std::move(field));
}

class namespace_strategy : public strategy {
 public:
  void prepare_create(json& object, base::wall_time) const override {
    std::string const name = string_at(object, "metadata.name");
    object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
    object["spec"] = {{"finalizers", json::array({"kubernetes"})}};
    object["status"] = {{"phase", "Active"}};
  }
  void prepare_update(json& next, json const& current, part which) const override {
    if (which != part::all) {
      next["spec"] = current.at("spec");
    }
    next["metadata"]["labels"]["kubernetes.io/metadata.name"] = string_at(next, "metadata.name");
  }
  std::optional<std::string> check_name(std::string_view name) const override { return check_dns_label(name); }
  bool held(json const& object) const override {
    json const& finalizers = at_path(object, "spec.finalizers");
    return finalizers.is_array() && !finalizers.empty();
  }
  void begin_deletion(json& object) const override {
    object["status"]["phase"] = "Terminating";
    object["metadata"].erase("deletionGracePeriodSeconds");
  }
};

class config_map_strategy : public strategy {
 public:
  field_errors validate_create(json const& object) const override {
    field_errors out;
    std::size_t total = 0;
    for (char const* part : {"data", "binaryData"}) {
      json const& map = at_path(object, part);
      if (!map.is_object()) {
        continue;
      }
      for (auto const& [key, value] : map.items()) {
        if (auto const fault = check_config_key(key)) {
          out.push_back(field_error::invalid(std::string(part) + "[" + key + "]", key, *fault));
        }
        if (std::string_view(part) == "binaryData" && at_path(object, "data").contains(key)) {
          out.push_back(field_error::invalid("binaryData[" + key + "]", key, "duplicate of key present in data"));
        }
        // base64 on the wire, bytes in the limit
        std::size_t const size = value.is_string() ? value.get_ref<std::string const&>().size() : 0;
        total += std::string_view(part) == "data" ? size : size / 4 * 3;
      }
    }
    if (total > max_config_map_bytes) {
      out.push_back(field_error::too_long("[]", max_config_map_bytes));
    }
    return out;
  }
  field_errors validate_update(json const& next, json const& current, part) const override {
    field_errors out;
    if (at_path(current, "immutable") == true) {
      if (at_path(next, "immutable") != true) {
        out.push_back(field_error::forbidden("immutable", "field is immutable when `immutable` is set"));
      }
      for (char const* field : {"data", "binaryData"}) {
        if (at_path(next, field) != at_path(current, field)) {
          out.push_back(field_error::forbidden(field, "field is immutable when `immutable` is set"));
        }
      }
    }
    field_errors const more = validate_create(next);
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
};

class pod_strategy : public strategy {
 public:
  explicit pod_strategy(store const& objects) : objects_(objects) {}

  void prepare_create(json& object, base::wall_time) const override {
    json& spec = object_at(object, "spec");
    default_pod_spec(spec, true);
    if (local::object const priority = priority_of(spec)) {
      spec["priority"] = integer_at(*priority, "value").value_or(0);
      spec["preemptionPolicy"] = at_path(*priority, "preemptionPolicy");
    }
    admit_pod_spec(spec);
    local::object const account =
        objects_.get(service_accounts, string_at(object, "metadata.namespace"), string_at(spec, "serviceAccountName"));
    if (account && wants_token(spec, *account)) {
      mount_account_token(spec, string_at(object, "metadata.uid").substr(0, 5));
    }
    json const& overhead = at_path(*class_of(object), "overhead.podFixed");
    if (overhead.is_object() && !overhead.empty()) {
      spec["overhead"] = overhead;
    }
    object["status"] = {{"phase", "Pending"}, {"qosClass", qos_class(spec)}};
  }
  std::optional<status_error> admit(json const& object) const override {
    std::string const account = string_at(object, "spec.serviceAccountName");
    std::string const home = string_at(object, "metadata.namespace");
    // No controller makes the account "default" here: a pod may name it all the same.
    if (account != "default" && !objects_.get(service_accounts, home, account)) {
      return status_error::forbidden("", "pods", string_at(object, "metadata.name"),
                                     "error looking up service account " + home + "/" + account +
                                         ": serviceaccount \"" + account + "\" not found");
    }
    std::string const priority = string_at(object, "spec.priorityClassName");
    if (!priority.empty() && !objects_.get(priority_classes, {}, priority)) {
      return status_error::forbidden("", "pods", string_at(object, "metadata.name"),
                                     "no PriorityClass with name " + priority + " was found");
    }
    std::string const wanted = string_at(object, "spec.runtimeClassName");
    if (wanted.empty() || objects_.get(kube::runtime_classes, {}, wanted)) {
      return std::nullopt;
    }
    return status_error::forbidden("", "pods", string_at(object, "metadata.name"),
                                   "pod rejected: RuntimeClass \"" + wanted + "\" not found");
  }
  field_errors validate_create(json const& object) const override {
    field_errors out;
    json const& spec = at_path(object, "spec");
    validate_pod_spec(spec, "spec", out);
    std::string const restart = string_at(spec, "restartPolicy");
    if (restart != "Always" && restart != "OnFailure" && restart != "Never") {
      out.push_back(field_error::unsupported("spec.restartPolicy", restart, {"Always", "OnFailure", "Never"}));
    }
    return out;
  }
  void prepare_update(json& next, json const&, part which) const override {
    if (which == part::object) {
      default_pod_spec(object_at(next, "spec"), true);
    }
  }
  field_errors validate_update(json const& next, json const& current, part which) const override {
    if (which != part::object) {
      return {};
    }
    if (changeable_apart(next) == changeable_apart(current)) {
      return changed_deadline(at_path(next, "spec.activeDeadlineSeconds"),
                              at_path(current, "spec.activeDeadlineSeconds"));
    }
    return {field_error::forbidden(
        "spec",
        "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
        "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
        "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)")};
  }
  bool deletes_gracefully() const override { return true; }
  std::int64_t grace_seconds(json const& object, std::optional<std::int64_t> asked) const override {
    json const& own = at_path(object, "spec.terminationGracePeriodSeconds");
    std::int64_t grace = asked.value_or(own.is_number_integer() ? own.get<std::int64_t>() : 30);
    std::string const phase = string_at(object, "status.phase");
    // Nothing runs for it anywhere, so nobody would ever finish the deletion.
    if (string_at(object, "spec.nodeName").empty() || phase == "Succeeded" || phase == "Failed") {
      return 0;
    }
    return grace < 0 ? 1 : grace;
  }

 private:
  /// The Pod's own word counts before the account's; unless either says no, the token is there.
  static bool wants_token(json const& spec, json const& account) {
    json const& own = at_path(spec, "automountServiceAccountToken");
    return (own.is_boolean() ? own : at_path(account, "automountServiceAccountToken")) != false;
  }
  object priority_of(json const& spec) const {
    std::string const name = string_at(spec, "priorityClassName");
    return name.empty() ? object() : objects_.get(priority_classes, {}, name);
  }
  object class_of(json const& pod) const {
    std::string const name = string_at(pod, "spec.runtimeClassName");
    object const found = name.empty() ? object() : objects_.get(kube::runtime_classes, {}, name);
    static object const none{json{{"metadata", json::object()}}};
    return found ? found : none;
  }
  /// It may be set, and brought nearer.
  static field_errors changed_deadline(json const& next, json const& current) {
    std::string const field = "spec.activeDeadlineSeconds";
    if (next == current) {
      return {};
    }
    if (next.is_null()) {
      return {field_error::invalid(field, next, "must not update from a positive integer to nil value")};
    }
    if (!next.is_number_integer() || next < 1 || next > std::numeric_limits<std::int32_t>::max()) {
      return {field_error::invalid(field, next, "must be between 1 and 2147483647, inclusive")};
    }
    if (!current.is_null() && next > current) {
      return {field_error::invalid(field, next, "must be less than or equal to previous value")};
    }
    return {};
  }
  static json changeable_apart(json const& pod) {
    json spec = at_path(pod, "spec");
    for (char const* field : {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"}) {
      spec.erase(field);
    }
    for (char const* list : {"containers", "initContainers"}) {
      if (auto const found = spec.find(list); found != spec.end() && found->is_array()) {
        for (json& container : *found) {
          container.erase("image");
        }
      }
    }
    return spec;
  }

  store const& objects_;
};

class job_strategy : public strategy {
 public:
  void prepare_create(json& object, base::wall_time) const override {
    json& metadata = object["metadata"];
    json& spec = object_at(object, "spec");
    json& tmpl = object_at(spec, "template");
    json& labels = object_at(object_at(tmpl, "metadata"), "labels");
    tmpl["metadata"].erase("creationTimestamp");
    defaults(spec);
    if (at_path(metadata, "labels").empty() && !labels.empty()) {
      metadata["labels"] = labels;
    }
    if (at_path(spec, "manualSelector") != true) {
      std::string const uid = string_at(metadata, "uid");
      std::string const name = string_at(metadata, "name");
      labels["batch.kubernetes.io/controller-uid"] = uid;
      labels["batch.kubernetes.io/job-name"] = name;
      labels["controller-uid"] = uid;
      labels["job-name"] = name;
      spec["selector"] = {{"matchLabels", {{"batch.kubernetes.io/controller-uid", uid}}}};
      spec["manualSelector"] = false;
    }
    object["status"] = json::object();
  }
  field_errors validate_create(json const& object) const override {
    field_errors out;
    json const& spec = at_path(object, "spec");
    for (char const* field :
         {"parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"}) {
      json const& value = at_path(spec, field);
      if (value.is_number_integer() && value.get<std::int64_t>() < 0) {
        out.push_back(field_error::invalid(std::string("spec.") + field, value, "must be greater than or equal to 0"));
      }
    }
    std::string const mode = string_at(spec, "completionMode");
    if (mode != "NonIndexed" && mode != "Indexed") {
      out.push_back(field_error::unsupported("spec.completionMode", mode, {"Indexed", "NonIndexed"}));
    }
    json const& pod = at_path(spec, "template.spec");
    validate_pod_spec(pod, "spec.template.spec", out);
    std::string const restart = string_at(pod, "restartPolicy");
    if (restart != "OnFailure" && restart != "Never") {
      out.push_back(
          field_error::required("spec.template.spec.restartPolicy", "valid values: \"OnFailure\", \"Never\""));
    }
    return out;
  }
  void prepare_update(json& next, json const&, part which) const override {
    if (which == part::object) {
      defaults(object_at(next, "spec"));
    }
  }
  field_errors validate_update(json const& next, json const& current, part which) const override {
    field_errors out;
    if (which == part::object) {
      for (char const* field : {"selector", "template", "completionMode", "completions"}) {
        if (at_path(at_path(next, "spec"), field) != at_path(at_path(current, "spec"), field)) {
          out.push_back(immutable(std::string("spec.") + field));
        }
      }
    }
    return out;
  }
  /// batch/v1 keeps what the first version did: pods stay unless the caller says otherwise.
  kube::propagation default_propagation() const override { return kube::propagation::orphan; }

 private:
  static void defaults(json& spec) {
    auto const fill = [&spec](char const* key, json value) {
      if (at_path(spec, key).is_null()) {
        spec[key] = std::move(value);
      }
    };
    if (at_path(spec, "completions").is_null() && at_path(spec, "parallelism").is_null()) {
      spec["completions"] = 1;
    }
    fill("parallelism", 1);
    fill("backoffLimit", 6);
    fill("completionMode", "NonIndexed");
    fill("suspend", false);
    fill("podReplacementPolicy", "TerminatingOrFailed");
    default_pod_spec(object_at(object_at(spec, "template"), "spec"), false);
  }
};

class event_strategy : public strategy {
 public:
  field_errors validate_create(json const& object) const override {
    field_errors out;
    std::string const home = string_at(object, "metadata.namespace");
    std::string const about = string_at(object, "involvedObject.namespace");
    if (!about.empty() && about != home) {
      out.push_back(field_error::invalid("involvedObject.namespace", about, "does not match event.namespace"));
    }
    return out;
  }
};

class lease_strategy : public strategy {
 public:
  field_errors validate_create(json const& object) const override {
    field_errors out;
    json const& seconds = at_path(object, "spec.leaseDurationSeconds");
    if (seconds.is_number_integer() && seconds.get<std::int64_t>() <= 0) {
      out.push_back(field_error::invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"));
    }
    json const& changes = at_path(object, "spec.leaseTransitions");
    if (changes.is_number_integer() && changes.get<std::int64_t>() < 0) {
      out.push_back(field_error::invalid("spec.leaseTransitions", changes, "must be greater than or equal to 0"));
    }
    return out;
  }
  field_errors validate_update(json const& next, json const&, part) const override { return validate_create(next); }
};

class runtime_class_strategy : public strategy {
 public:
  field_errors validate_create(json const& object) const override {
    std::string const handler = string_at(object, "handler");
    if (handler.empty()) {
      return {field_error::required("handler")};
    }
    if (auto const fault = check_dns_label(handler)) {
      return {field_error::invalid("handler", handler, *fault)};
    }
    return {};
  }
  field_errors validate_update(json const& next, json const& current, part) const override {
    if (at_path(next, "handler") != at_path(current, "handler")) {
      return {immutable("handler")};
    }
    return {};
  }
};

class resource_quota_strategy : public strategy {
 public:
  void prepare_create(json& object, base::wall_time) const override { object["status"] = json::object(); }
  field_errors validate_create(json const& object) const override {
    field_errors out;
    json const& hard = at_path(object, "spec.hard");
    if (!hard.is_object()) {
      return out;
    }
    for (auto const& [name, value] : hard.items()) {
      if (!value.is_string() || !api::quantity::parse(value.get_ref<std::string const&>())) {
        out.push_back(field_error::invalid("spec.hard[" + name + "]", value, "must be a quantity"));
      }
    }
    return out;
  }
  field_errors validate_update(json const& next, json const&, part) const override { return validate_create(next); }
};

/// Names of roles and bindings may be nearly anything that fits into a path: "system:node".
class rbac_strategy : public strategy {
 public:
  std::optional<std::string> check_name(std::string_view name) const override {
    if (name == "." || name == "..") {
      return "may not be '" + std::string(name) + "'";
    }
    for (char const* unfit : {"/", "%"}) {
      if (name.find(unfit) != std::string_view::npos) {
        return "may not contain '" + std::string(unfit) + "'";
      }
    }
    return std::nullopt;
  }
};

}  // namespace

resource_type make_builtin_type(kube::resource const& id, std::vector<std::string> short_names) {
  resource_type out;
  out.group = id.group;
  out.version = id.version;
  out.plural = id.plural;
  out.kind = id.kind;
  out.list_kind = out.kind + "List";
  out.namespaced = id.namespaced;
  out.singular = base::to_lower(out.kind);
  out.short_names = std::move(short_names);
  out.verbs = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"};
  return out;
}

void add_builtin_types(store& objects) {
  resource_type t = make_builtin_type(kube::namespaces, {"ns"});
  t.has_status = true;
  t.returns_deleted = true;
  t.selectable_fields = {"status.phase"};
  t.verbs = {"create", "delete", "get", "list", "patch", "update", "watch"};
  objects.add_type(t, std::make_unique<namespace_strategy>());

  objects.add_type(make_builtin_type(kube::config_maps, {"cm"}), std::make_unique<config_map_strategy>());

  t = make_builtin_type(kube::pods, {"po"});
  t.has_status = true;
  t.has_generation = true;
  t.returns_deleted = true;
  t.categories = {"all"};
  t.selectable_fields = {"spec.nodeName",    "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
                         "spec.hostNetwork", "status.phase",       "status.podIP",       "status.nominatedNodeName"};
  objects.add_type(t, std::make_unique<pod_strategy>(objects));

  t = make_builtin_type(kube::jobs);
  t.has_status = true;
  t.has_generation = true;
  t.categories = {"all"};
  t.selectable_fields = {"status.successful"};
  objects.add_type(t, std::make_unique<job_strategy>());

  t = make_builtin_type(kube::core_events, {"ev"});
  t.selectable_fields = {"involvedObject.kind",
                         "involvedObject.namespace",
                         "involvedObject.name",
                         "involvedObject.uid",
                         "involvedObject.apiVersion",
                         "involvedObject.fieldPath",
                         "reason",
                         "reportingComponent",
                         "source",
                         "type",
                         "involvedObject.resourceVersion"};
  objects.add_type(t, std::make_unique<event_strategy>());

  objects.add_type(make_builtin_type(kube::leases), std::make_unique<lease_strategy>());
  objects.add_type(make_builtin_type(kube::runtime_classes), std::make_unique<runtime_class_strategy>());

  t = make_builtin_type(kube::resource{"", "v1", "nodes", "Node", false}, {"no"});
  t.has_status = true;
  objects.add_type(t, std::make_unique<strategy>());

  t = make_builtin_type(kube::resource{"", "v1", "serviceaccounts", "ServiceAccount", true}, {"sa"});
  t.returns_deleted = true;
  objects.add_type(t, std::make_unique<strategy>());

  t = make_builtin_type(kube::resource{"", "v1", "resourcequotas", "ResourceQuota", true}, {"quota"});
  t.has_status = true;
  t.returns_deleted = true;
  objects.add_type(t, std::make_unique<resource_quota_strategy>());

  objects.add_type(make_builtin_type(kube::resource{"", "v1", "limitranges", "LimitRange", true}, {"limits"}),
                   std::make_unique<strategy>());

  constexpr char const* rbac = "rbac.authorization.k8s.io";
  for (kube::resource const& id : {kube::resource{rbac, "v1", "roles", "Role", true},
                                   kube::resource{rbac, "v1", "rolebindings", "RoleBinding", true},
                                   kube::resource{rbac, "v1", "clusterroles", "ClusterRole", false},
                                   kube::resource{rbac, "v1", "clusterrolebindings", "ClusterRoleBinding", false}}) {
    objects.add_type(make_builtin_type(id), std::make_unique<rbac_strategy>());
  }
  t = make_builtin_type(kube::network_policies, {"netpol"});
  t.has_generation = true;
  objects.add_type(t, std::make_unique<network_policy_strategy>());
  add_workload_types(objects);
}

void add_default_namespaces(store& objects) {
  for (char const* name : {"default", "kube-system"}) {
    if (!objects.get(kube::namespaces, {}, name)) {
      (void)objects.create(kube::namespaces, {{"metadata", {{"name", name}}}});
    }
  }
}

// Pairs of names: core/v1, events.k8s.io/v1.
namespace {
constexpr std::pair<char const*, char const*> event_fields[] = {{"involvedObject", "regarding"},
                                                                {"message", "note"},
                                                                {"source", "deprecatedSource"},
                                                                {"firstTimestamp", "deprecatedFirstTimestamp"},
                                                                {"lastTimestamp", "deprecatedLastTimestamp"},
                                                                {"count", "deprecatedCount"},
                                                                {"reportingComponent", "reportingController"}};

void rename(json& object, char const* from, char const* to) {
  auto const found = object.find(from);
  if (found != object.end()) {
    json value = std::move(*found);
    object.erase(found);
    object[to] = std::move(value);
  }
}
}  // namespace

json event_as_events_v1(json core) {
  for (auto const& [old_name, new_name] : event_fields) {
    rename(core, old_name, new_name);
  }
  core["apiVersion"] = "events.k8s.io/v1";
  return core;
}

json event_as_core_v1(json event) {
  for (auto const& [old_name, new_name] : event_fields) {
    rename(event, new_name, old_name);
  }
  event["apiVersion"] = "v1";
  return event;
}

}  // namespace codeexec::local
