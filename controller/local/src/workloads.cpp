#include "codeexec/local/workloads.hpp"

#include <algorithm>

#include "codeexec/local/pattern.hpp"

#include "builtin_type.hpp"
#include "pod_spec.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

json& member_object(json& parent, char const* key) {
  json& found = parent[key];
  if (!found.is_object()) {
    found = json::object();
  }
  return found;
}

void fill_in(json& object, char const* key, json value) {
  if (at_path(object, key).is_null()) {
    object[key] = std::move(value);
  }
}

field_error fixed(std::string field) {
  return field_error("FieldValueInvalid", "Invalid value: field is immutable", std::move(field));
}

bool is_number_or_percent(json const& value) {
  static pattern const grammar = pattern::compile("^[0-9]+%$").value();
  return value.is_null() || (value.is_number_integer() && value.get<std::int64_t>() >= 0) ||
         (value.is_string() && grammar.found_in(value.get_ref<std::string const&>()));
}

void check_number_or_percent(json const& spec, std::string const& path, char const* field, field_errors& out) {
  json const& value = at_path(spec, field);
  if (!is_number_or_percent(value)) {
    out.push_back(field_error::invalid(path + "." + field, value,
                                       "a valid percent string must be a numeric string followed by an ending '%' "
                                       "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"));
  }
}

/// What Deployments and ReplicaSets have in common: a selector, a template, a number.
class workload_strategy : public strategy {
 public:
  void prepare_create(json& object, base::wall_time) const override {
    object["status"] = json::object();
    defaults(member_object(object, "spec"));
  }
  void prepare_update(json& next, json const&, part which) const override {
    if (which != part::status) {
      defaults(member_object(next, "spec"));
    }
  }
  field_errors validate_create(json const& object) const override {
    field_errors out;
    json const& spec = at_path(object, "spec");
    json const& replicas = at_path(spec, "replicas");
    if (replicas.is_number_integer() && replicas.get<std::int64_t>() < 0) {
      out.push_back(field_error::invalid("spec.replicas", replicas, "must be greater than or equal to 0"));
    }
    json const& selector = at_path(spec, "selector");
    if (!selector.is_object()) {
      out.push_back(field_error::required("spec.selector"));
    } else if (selector.empty()) {
      out.push_back(field_error::invalid("spec.selector", selector, "empty selector is invalid for deployment"));
    } else if (!selects(selector, at_path(spec, "template"))) {
      out.push_back(field_error::invalid("spec.template.metadata.labels", at_path(spec, "template.metadata.labels"),
                                         "`selector` does not match template `labels`"));
    }
    json const& pod = at_path(spec, "template.spec");
    validate_pod_spec(pod, "spec.template.spec", out);
    std::string const restart = string_at(pod, "restartPolicy");
    if (restart != "Always") {
      out.push_back(field_error::unsupported("spec.template.spec.restartPolicy", restart, {"Always"}));
    }
    check_strategy(spec, out);
    return out;
  }
  field_errors validate_update(json const& next, json const& current, part which) const override {
    field_errors out;
    if (which == part::status) {
      return out;
    }
    if (at_path(next, "spec.selector") != at_path(current, "spec.selector")) {
      out.push_back(fixed("spec.selector"));
    }
    auto const more = validate_create(next);
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }

 protected:
  virtual void defaults(json& spec) const {
    fill_in(spec, "replicas", 1);
    json& pod = member_object(member_object(spec, "template"), "spec");
    if (string_at(pod, "restartPolicy").empty()) {
      pod["restartPolicy"] = "Always";
    }
    spec["template"]["metadata"].erase("creationTimestamp");
    default_pod_spec(pod, false);
  }
  virtual void check_strategy(json const&, field_errors&) const {}
};

class deployment_strategy : public workload_strategy {
 protected:
  void defaults(json& spec) const override {
    workload_strategy::defaults(spec);
    json& how = member_object(spec, "strategy");
    fill_in(how, "type", "RollingUpdate");
    if (how["type"] == "RollingUpdate") {
      json& bounds = member_object(how, "rollingUpdate");
      fill_in(bounds, "maxUnavailable", "25%");
      fill_in(bounds, "maxSurge", "25%");
    }
    fill_in(spec, "revisionHistoryLimit", 10);
    fill_in(spec, "progressDeadlineSeconds", 600);
  }
  void check_strategy(json const& spec, field_errors& out) const override {
    json const& how = at_path(spec, "strategy");
    std::string const type = string_at(how, "type");
    if (type == "Recreate") {
      if (at_path(how, "rollingUpdate").is_object()) {
        out.push_back(field_error::forbidden("spec.strategy.rollingUpdate",
                                             "may not be specified when strategy `type` is 'Recreate'"));
      }
      return;
    }
    if (type != "RollingUpdate") {
      out.push_back(field_error::unsupported("spec.strategy.type", type, {"Recreate", "RollingUpdate"}));
      return;
    }
    json const& bounds = at_path(how, "rollingUpdate");
    check_number_or_percent(bounds, "spec.strategy.rollingUpdate", "maxUnavailable", out);
    check_number_or_percent(bounds, "spec.strategy.rollingUpdate", "maxSurge", out);
    auto const none = [&bounds](char const* field) {
      json const& value = at_path(bounds, field);
      return value == 0 || value == "0%";
    };
    if (none("maxUnavailable") && none("maxSurge")) {
      out.push_back(field_error::invalid("spec.strategy.rollingUpdate.maxUnavailable",
                                         at_path(bounds, "maxUnavailable"), "may not be 0 when `maxSurge` is 0"));
    }
  }
};

class disruption_budget_strategy : public strategy {
 public:
  void prepare_create(json& object, base::wall_time) const override {
    object["status"] = {{"disruptionsAllowed", 0}, {"currentHealthy", 0}, {"desiredHealthy", 0}, {"expectedPods", 0}};
  }
  field_errors validate_create(json const& object) const override {
    field_errors out;
    json const& spec = at_path(object, "spec");
    if (!at_path(spec, "minAvailable").is_null() && !at_path(spec, "maxUnavailable").is_null()) {
      out.push_back(field_error::invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"));
    }
    check_number_or_percent(spec, "spec", "minAvailable", out);
    check_number_or_percent(spec, "spec", "maxUnavailable", out);
    std::string const policy = string_at(spec, "unhealthyPodEvictionPolicy");
    if (!policy.empty() && policy != "IfHealthyBudget" && policy != "AlwaysAllow") {
      out.push_back(
          field_error::unsupported("spec.unhealthyPodEvictionPolicy", policy, {"AlwaysAllow", "IfHealthyBudget"}));
    }
    return out;
  }
  field_errors validate_update(json const& next, json const&, part) const override { return validate_create(next); }
};

class priority_class_strategy : public strategy {
 public:
  void prepare_create(json& object, base::wall_time) const override {
    fill_in(object, "preemptionPolicy", "PreemptLowerPriority");
    fill_in(object, "value", 0);
  }
  field_errors validate_create(json const& object) const override {
    constexpr std::int64_t highest = 1'000'000'000;
    auto const value = integer_at(object, "value").value_or(0);
    if (value > highest) {
      return {field_error::forbidden("value",
                                     "maximum allowed value of a user defined priority is " + std::to_string(highest))};
    }
    return {};
  }
  field_errors validate_update(json const& next, json const& current, part) const override {
    field_errors out;
    for (char const* field : {"value", "preemptionPolicy"}) {
      if (at_path(next, field) != at_path(current, field)) {
        out.push_back(field_error::forbidden(field, "may not be changed in an update."));
      }
    }
    return out;
  }
};

/// Headless ones alone: there is no network between pods that an address could be on.
class service_strategy : public strategy {
 public:
  void prepare_create(json& object, base::wall_time) const override {
    defaults(object);
    object["status"] = {{"loadBalancer", json::object()}};
  }
  void prepare_update(json& next, json const&, part) const override { defaults(next); }
  field_errors validate_create(json const& object) const override {
    json const& spec = at_path(object, "spec");
    if (string_at(spec, "type") != "ClusterIP" || string_at(spec, "clusterIP") != "None") {
      return {field_error::invalid("spec.clusterIP", string_at(spec, "clusterIP"),
                                   "must be None: there is no network between the pods of codeexec-local")};
    }
    return {};
  }
  field_errors validate_update(json const& next, json const&, part) const override { return validate_create(next); }

 private:
  static void defaults(json& object) {
    json& spec = member_object(object, "spec");
    fill_in(spec, "type", "ClusterIP");
    fill_in(spec, "sessionAffinity", "None");
    fill_in(spec, "internalTrafficPolicy", "Cluster");
    fill_in(spec, "ipFamilies", json::array({"IPv4"}));
    fill_in(spec, "ipFamilyPolicy", "SingleStack");
    if (string_at(spec, "clusterIP") == "None") {
      spec["clusterIPs"] = json::array({"None"});
    }
    json& ports = spec["ports"];
    for (std::size_t i = 0; ports.is_array() && i < ports.size(); ++i) {
      fill_in(ports[i], "protocol", "TCP");
      fill_in(ports[i], "targetPort", at_path(ports[i], "port"));
    }
    if (ports.is_null()) {
      spec.erase("ports");
    }
  }
};

}  // namespace

bool selects(json const& selector, json const& value) {
  if (!selector.is_object()) {
    return false;
  }
  json const& labels = at_path(value, "metadata.labels");
  auto const label = [&labels](std::string const& key) -> std::string const* {
    auto const found = labels.is_object() ? labels.find(key) : labels.end();
    return labels.is_object() && found != labels.end() && found->is_string() ? found->get_ptr<std::string const*>()
                                                                             : nullptr;
  };
  json const& wanted = at_path(selector, "matchLabels");
  if (wanted.is_object()) {
    for (auto const& [key, text] : wanted.items()) {
      auto const* const has = label(key);
      if (has == nullptr || text != *has) {
        return false;
      }
    }
  }
  json const& conditions = at_path(selector, "matchExpressions");
  for (json const& one : conditions.is_array() ? conditions : json::array()) {
    auto const* const has = label(string_at(one, "key"));
    auto const values = strings_at(one, "values");
    bool const among = has != nullptr && std::find(values.begin(), values.end(), *has) != values.end();
    std::string const operation = string_at(one, "operator");
    bool const holds = operation == "In"       ? among
                       : operation == "NotIn"  ? !among
                       : operation == "Exists" ? has != nullptr
                                               : has == nullptr;
    if (!holds) {
      return false;
    }
  }
  return true;
}

json scale_of(json const& workload) {
  std::string selector;
  json const& labels = at_path(workload, "spec.selector.matchLabels");
  if (labels.is_object()) {
    for (auto const& [key, value] : labels.items()) {
      selector += (selector.empty() ? "" : ",") + key + "=" + (value.is_string() ? value.get<std::string>() : "");
    }
  }
  json metadata = json::object();
  for (char const* field : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}) {
    metadata[field] = at_path(at_path(workload, "metadata"), field);
  }
  return {{"kind", "Scale"},
          {"apiVersion", "autoscaling/v1"},
          {"metadata", std::move(metadata)},
          {"spec", {{"replicas", integer_at(workload, "spec.replicas").value_or(0)}}},
          {"status", {{"replicas", integer_at(workload, "status.replicas").value_or(0)}, {"selector", selector}}}};
}

void add_workload_types(store& objects) {
  resource_type t = make_builtin_type(deployments, {"deploy"});
  t.has_status = true;
  t.has_generation = true;
  t.has_scale = true;
  t.categories = {"all"};
  objects.add_type(t, std::make_unique<deployment_strategy>());

  t = make_builtin_type(replica_sets, {"rs"});
  t.has_status = true;
  t.has_generation = true;
  t.has_scale = true;
  t.categories = {"all"};
  t.selectable_fields = {"status.replicas"};
  objects.add_type(t, std::make_unique<workload_strategy>());

  t = make_builtin_type(disruption_budgets, {"pdb"});
  t.has_status = true;
  t.has_generation = true;
  objects.add_type(t, std::make_unique<disruption_budget_strategy>());

  objects.add_type(make_builtin_type(priority_classes, {"pc"}), std::make_unique<priority_class_strategy>());

  t = make_builtin_type(services, {"svc"});
  t.has_status = true;
  t.returns_deleted = true;
  t.categories = {"all"};
  t.selectable_fields = {"spec.clusterIP", "spec.type"};
  objects.add_type(t, std::make_unique<service_strategy>());
}

}  // namespace codeexec::local
