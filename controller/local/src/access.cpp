#include "codeexec/local/access.hpp"

#include <algorithm>

#include "codeexec/base/text.hpp"

namespace codeexec::local {
namespace {

using base::in_quotes;

using nlohmann::json;

bool has(json const& rule, char const* key, std::string_view value) {
  json const& list = at_path(rule, key);
  return list.is_array() && std::any_of(list.begin(), list.end(), [value](json const& one) {
           return one.is_string() && (one == "*" || one.get_ref<std::string const&>() == value);
         });
}

bool resource_matches(json const& rule, attributes const& what) {
  std::string const combined = what.subresource.empty() ? what.resource : what.resource + "/" + what.subresource;
  auto const list = strings_at(rule, "resources");
  return std::any_of(list.begin(), list.end(), [&](std::string const& one) {
    return one == "*" || one == combined || (!what.subresource.empty() && one == "*/" + what.subresource);
  });
}

bool path_matches(json const& rule, std::string const& path) {
  auto const list = strings_at(rule, "nonResourceURLs");
  return std::any_of(list.begin(), list.end(), [&path](std::string const& one) {
    return one == "*" || one == path || (one.ends_with('*') && path.starts_with(one.substr(0, one.size() - 1)));
  });
}

bool is_subject(json const& subject, user_info const& who, std::string_view binding_ns) {
  std::string const kind = string_at(subject, "kind");
  std::string const name = string_at(subject, "name");
  if (kind == "User") {
    return name == who.name;
  }
  if (kind == "Group") {
    return who.in_group(name);
  }
  std::string ns = string_at(subject, "namespace");
  if (ns.empty()) {
    ns = binding_ns;
  }
  return kind == "ServiceAccount" && !ns.empty() && who.name == "system:serviceaccount:" + ns + ":" + name;
}

std::string describe_subject(json const& subject, std::string_view binding_ns) {
  std::string const kind = string_at(subject, "kind");
  std::string name = string_at(subject, "name");
  if (kind == "ServiceAccount") {
    std::string const ns = string_at(subject, "namespace");
    name += "/" + (ns.empty() ? std::string(binding_ns) : ns);
  }
  return kind + " " + in_quotes(name);
}

std::vector<json> rules_in(json const& role) {
  json const& list = at_path(role, "rules");
  return list.is_array() ? std::vector<json>(list.begin(), list.end()) : std::vector<json>();
}

/// A rule with at most one word in each list: what coverage is decided on.
std::vector<json> take_apart(json const& rule) {
  std::vector<json> out;
  for (std::string const& verb : strings_at(rule, "verbs")) {
    for (std::string const& url : strings_at(rule, "nonResourceURLs")) {
      out.push_back({{"verbs", {verb}}, {"nonResourceURLs", {url}}});
    }
    for (std::string const& group : strings_at(rule, "apiGroups")) {
      for (std::string const& resource : strings_at(rule, "resources")) {
        json const one = {{"verbs", {verb}}, {"apiGroups", {group}}, {"resources", {resource}}};
        auto const names = strings_at(rule, "resourceNames");
        if (names.empty()) {
          out.push_back(one);
        }
        for (std::string const& name : names) {
          out.push_back(one);
          out.back()["resourceNames"] = json::array({name});
        }
      }
    }
  }
  return out;
}

bool covers(json const& held, json const& part) {
  attributes what;
  what.verb = part.at("verbs").at(0).get<std::string>();
  if (part.contains("nonResourceURLs")) {
    what.path = part.at("nonResourceURLs").at(0).get<std::string>();
    return rule_allows(held, what);
  }
  what.group = part.at("apiGroups").at(0).get<std::string>();
  std::string const resource = part.at("resources").at(0).get<std::string>();
  auto const slash = resource.find('/');
  what.resource = resource.substr(0, slash);
  what.subresource = slash == std::string::npos ? std::string() : resource.substr(slash + 1);
  what.name = part.contains("resourceNames") ? part.at("resourceNames").at(0).get<std::string>() : std::string();
  return rule_allows(held, what);
}

/// Go's print of a rule in the refusal of an escalation.
std::string print(json const& part) {
  std::string out = "{";
  for (auto const& [key, shown] : {std::pair("apiGroups", "APIGroups"), std::pair("resources", "Resources"),
                                   std::pair("resourceNames", "ResourceNames"),
                                   std::pair("nonResourceURLs", "NonResourceURLs"), std::pair("verbs", "Verbs")}) {
    auto const list = strings_at(part, key);
    if (list.empty()) {
      continue;
    }
    out += std::string(out.size() == 1 ? "" : ", ") + shown + ":[";
    for (std::size_t i = 0; i < list.size(); ++i) {
      out += (i == 0 ? "" : " ") + in_quotes(list[i]);
    }
    out += "]";
  }
  return out + "}";
}

}  // namespace

bool user_info::in_group(std::string_view group) const {
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

user_info user_info::anonymous() {
  return {"system:anonymous", {}, {"system:unauthenticated"}};
}

user_info user_info::administrator() {
  return {"kubernetes-admin", {}, {std::string(masters_group), "system:authenticated"}};
}

user_info user_info::service_account(std::string_view ns, std::string_view name, std::string uid) {
  return {"system:serviceaccount:" + std::string(ns) + ":" + std::string(name),
          std::move(uid),
          {"system:serviceaccounts", "system:serviceaccounts:" + std::string(ns), "system:authenticated"}};
}

bool rule_allows(json const& rule, attributes const& what) {
  if (!has(rule, "verbs", what.verb)) {
    return false;
  }
  if (!what.is_resource()) {
    return path_matches(rule, what.path);
  }
  json const& names = at_path(rule, "resourceNames");
  bool const named =
      !names.is_array() || names.empty() || std::find(names.begin(), names.end(), what.name) != names.end();
  return named && has(rule, "apiGroups", what.group) && resource_matches(rule, what);
}

std::vector<std::string> not_covered(std::vector<json> const& wanted, std::vector<json> const& held) {
  std::vector<std::string> out;
  for (json const& rule : wanted) {
    for (json const& part : take_apart(rule)) {
      if (std::none_of(held.begin(), held.end(), [&part](json const& one) { return covers(one, part); })) {
        out.push_back(print(part));
      }
    }
  }
  return out;
}

template <class Visit>
void rbac::each_binding(user_info const& who, std::string_view ns, std::vector<std::string>& missing,
                        Visit visit) const {
  bool go_on = true;
  auto const look_at = [&](object const& binding, std::string_view kind, std::string_view home) {
    json const& subjects = at_path(*binding, "subjects");
    if (!subjects.is_array()) {
      return;
    }
    auto const mine =
        std::find_if(subjects.begin(), subjects.end(), [&](json const& one) { return is_subject(one, who, home); });
    if (mine == subjects.end()) {
      return;
    }
    json const& role = at_path(*binding, "roleRef");
    auto const found = rules_of(role, home);
    if (!found) {
      std::string const role_kind = string_at(role, "kind");
      missing.push_back(qualified(role_kind == "Role" ? "role" : "clusterrole", rbac_group) + " " +
                        in_quotes(string_at(role, "name")) + " not found");
      return;
    }
    std::string const described =
        std::string(kind) + " " + in_quotes(binding.name() + (home.empty() ? "" : "/" + std::string(home))) + " of " +
        string_at(role, "kind") + " " + in_quotes(string_at(role, "name")) + " to " + describe_subject(*mine, home);
    go_on = visit(*found, described);
  };
  for (object const& one : objects_.list(cluster_role_bindings)) {
    look_at(one, "ClusterRoleBinding", {});
    if (!go_on) {
      return;
    }
  }
  if (ns.empty()) {
    return;
  }
  for (object const& one : objects_.list(role_bindings, ns)) {
    look_at(one, "RoleBinding", ns);
    if (!go_on) {
      return;
    }
  }
}

rbac::decision rbac::decide(user_info const& who, attributes const& what) const {
  decision out;
  if (who.in_group(masters_group)) {
    out.allowed = true;
    return out;
  }
  std::vector<std::string> missing;
  each_binding(who, what.is_resource() ? std::string_view(what.ns) : std::string_view(), missing,
               [&](std::vector<json> const& rules, std::string const& described) {
                 out.allowed = std::any_of(rules.begin(), rules.end(),
                                           [&what](json const& rule) { return rule_allows(rule, what); });
                 if (out.allowed) {
                   out.reason = "RBAC: allowed by " + described;
                 }
                 return !out.allowed;
               });
  if (!out.allowed && !missing.empty()) {
    std::string all;
    for (std::string const& one : missing) {
      all += (all.empty() ? "" : ", ") + one;
    }
    out.reason = "RBAC: " + (missing.size() > 1 ? "[" + all + "]" : all);
  }
  return out;
}

std::vector<json> rbac::rules(user_info const& who, std::string_view ns) const {
  std::vector<json> out;
  std::vector<std::string> missing;
  each_binding(who, ns, missing, [&out](std::vector<json> const& rules, std::string const&) {
    out.insert(out.end(), rules.begin(), rules.end());
    return true;
  });
  return out;
}

std::optional<std::vector<json>> rbac::rules_of(json const& role_ref, std::string_view ns) const {
  bool const in_namespace = string_at(role_ref, "kind") == "Role";
  if (in_namespace && ns.empty()) {
    return std::nullopt;
  }
  object const role = objects_.get(in_namespace ? roles : cluster_roles, in_namespace ? ns : std::string_view(),
                                   string_at(role_ref, "name"));
  return role ? std::optional(rules_in(*role)) : std::nullopt;
}

status_error forbidden(user_info const& who, attributes const& what, std::string_view reason) {
  std::string const because = reason.empty() ? std::string() : ": " + std::string(reason);
  if (!what.is_resource()) {
    return status_error(
        403, "Forbidden",
        "forbidden: User " + in_quotes(who.name) + " cannot " + what.verb + " path " + in_quotes(what.path) + because,
        json::object());
  }
  std::string const resource = what.subresource.empty() ? what.resource : what.resource + "/" + what.subresource;
  return status_error::forbidden(
      what.group, what.resource, what.name,
      "User " + in_quotes(who.name) + " cannot " + what.verb + " resource " + in_quotes(resource) + " in API group " +
          in_quotes(what.group) +
          (what.ns.empty() ? std::string(" at the cluster scope") : " in the namespace " + in_quotes(what.ns)) +
          because);
}

std::optional<status_error> rbac::refuse(user_info const& who, attributes const& what) const {
  auto const judged = decide(who, what);
  return judged.allowed ? std::nullopt : std::optional(forbidden(who, what, judged.reason));
}

std::optional<status_error> rbac::refuse_escalation(user_info const& who, resource_type const& type,
                                                    json const& value) const {
  bool const is_role = type.id() == roles || type.id() == cluster_roles;
  bool const is_binding = type.id() == role_bindings || type.id() == cluster_role_bindings;
  if ((!is_role && !is_binding) || who.in_group(masters_group)) {
    return std::nullopt;
  }
  std::string const ns = string_at(value, "metadata.namespace");
  std::string const name = string_at(value, "metadata.name");
  attributes special;
  special.group = rbac_group;
  special.ns = ns;
  std::vector<json> wanted;
  if (is_role) {
    special.verb = "escalate";
    special.resource = type.plural;
    special.name = name;
    wanted = rules_in(value);
  } else {
    json const& role = at_path(value, "roleRef");
    special.verb = "bind";
    special.resource = string_at(role, "kind") == "Role" ? "roles" : "clusterroles";
    special.name = string_at(role, "name");
    wanted = rules_of(role, ns).value_or(std::vector<json>());
  }
  if (decide(who, special).allowed) {
    return std::nullopt;
  }
  auto const beyond = not_covered(wanted, rules(who, ns));
  if (beyond.empty()) {
    return std::nullopt;
  }
  std::string groups;
  for (std::string const& one : who.groups) {
    groups += (groups.empty() ? "" : " ") + in_quotes(one);
  }
  std::string text = "user " + in_quotes(who.name) + " (groups=[" + groups +
                     "]) is attempting to grant RBAC permissions not currently held:";
  for (std::string const& one : beyond) {
    text += "\n" + one;
  }
  return status_error::forbidden(type.group, type.plural, name, text);
}

// What every cluster has ------------------------------------------------------------------------------------------

namespace {

json rule(std::vector<std::string> groups, std::vector<std::string> resources, std::vector<std::string> verbs) {
  return {{"apiGroups", std::move(groups)}, {"resources", std::move(resources)}, {"verbs", std::move(verbs)}};
}

json page_rule(std::vector<std::string> urls) {
  return {{"nonResourceURLs", std::move(urls)}, {"verbs", {"get"}}};
}

json role_named(std::string const& name, json rules) {
  return {{"metadata", {{"name", name}, {"labels", {{"kubernetes.io/bootstrapping", "rbac-defaults"}}}}},
          {"rules", std::move(rules)}};
}

json aggregated(std::string const& name) {
  json out = role_named(name, json::array());
  std::string const label = "rbac.authorization.k8s.io/aggregate-to-" + name;
  out["aggregationRule"] = {{"clusterRoleSelectors", json::array({{{"matchLabels", {{label, "true"}}}}})}};
  return out;
}

json part_of(std::string const& whole, json rules) {
  json out = role_named("system:aggregate-to-" + whole, std::move(rules));
  out["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-" + whole] = "true";
  return out;
}

void put(store& objects, kube::resource const& type, json value) {
  if (!objects.get(type, {}, string_at(value, "metadata.name"))) {
    (void)objects.create(type, std::move(value));
  }
}

bool selects(json const& selector, json const& labels) {
  json const& wanted = at_path(selector, "matchLabels");
  if (!wanted.is_object() || wanted.empty()) {
    return false;
  }
  for (auto const& [key, value] : wanted.items()) {
    auto const found = labels.find(key);
    if (found == labels.end() || *found != value) {
      return false;
    }
  }
  return true;
}

}  // namespace

void add_default_roles(store& objects) {
  std::vector<std::string> const read = {"get", "list", "watch"};
  std::vector<std::string> const write = {"create", "delete", "deletecollection", "patch", "update"};
  json everything = rule({"*"}, {"*"}, {"*"});
  put(objects, cluster_roles,
      role_named("cluster-admin",
                 json::array({everything, {{"nonResourceURLs", json::array({"*"})}, {"verbs", json::array({"*"})}}})));
  put(objects, cluster_roles,
      role_named("system:basic-user",
                 json::array({rule({"authorization.k8s.io"}, {"selfsubjectaccessreviews", "selfsubjectrulesreviews"},
                                   {"create"}),
                              rule({"authentication.k8s.io"}, {"selfsubjectreviews"}, {"create"})})));
  put(objects, cluster_roles,
      role_named("system:discovery",
                 json::array({page_rule({"/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi",
                                         "/openapi/*", "/readyz", "/version", "/version/"})})));
  put(objects, cluster_roles,
      role_named("system:public-info-viewer",
                 json::array({page_rule({"/healthz", "/livez", "/readyz", "/version", "/version/"})})));

  // Of the real roles, the resources that are served here. view has no Secrets and no roles, edit no roles.
  put(objects, cluster_roles,
      part_of("view",
              json::array({rule({""},
                                {"configmaps", "events", "limitranges", "namespaces", "pods", "pods/log", "pods/status",
                                 "resourcequotas", "resourcequotas/status", "serviceaccounts", "services"},
                                read),
                           rule({"apps"},
                                {"deployments", "deployments/scale", "deployments/status", "replicasets",
                                 "replicasets/scale", "replicasets/status"},
                                read),
                           rule({"policy"}, {"poddisruptionbudgets", "poddisruptionbudgets/status"}, read),
                           rule({"batch"}, {"jobs", "jobs/status"}, read),
                           rule({"networking.k8s.io"}, {"networkpolicies"}, read)})));
  put(objects, cluster_roles,
      part_of(
          "edit",
          json::array({rule({""}, {"configmaps", "events", "pods", "serviceaccounts", "services"}, write),
                       rule({""}, {"pods/proxy"}, {"get"}), rule({"policy"}, {"poddisruptionbudgets"}, write),
                       rule({"apps"}, {"deployments", "deployments/scale", "replicasets", "replicasets/scale"}, write),
                       rule({""}, {"serviceaccounts/token"}, {"create"}), rule({"batch"}, {"jobs"}, write),
                       rule({"coordination.k8s.io"}, {"leases"},
                            {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}),
                       rule({"networking.k8s.io"}, {"networkpolicies"}, write)})));
  put(objects, cluster_roles,
      part_of("admin",
              json::array({rule({rbac_group}, {"rolebindings", "roles"},
                                {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}),
                           rule({"authorization.k8s.io"}, {"localsubjectaccessreviews"}, {"create"})})));
  json view = aggregated("view");
  view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] = "true";
  put(objects, cluster_roles, std::move(view));
  json edit = aggregated("edit");
  edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-admin"] = "true";
  put(objects, cluster_roles, std::move(edit));
  put(objects, cluster_roles, aggregated("admin"));

  auto const bind = [&objects](std::string const& role, std::vector<std::string> const& groups) {
    json subjects = json::array();
    for (std::string const& one : groups) {
      subjects.push_back({{"kind", "Group"}, {"apiGroup", rbac_group}, {"name", one}});
    }
    json value = {{"metadata", {{"name", role}, {"labels", {{"kubernetes.io/bootstrapping", "rbac-defaults"}}}}},
                  {"roleRef", {{"apiGroup", rbac_group}, {"kind", "ClusterRole"}, {"name", role}}},
                  {"subjects", std::move(subjects)}};
    put(objects, cluster_role_bindings, std::move(value));
  };
  bind("cluster-admin", {std::string(masters_group)});
  bind("system:basic-user", {"system:authenticated"});
  bind("system:discovery", {"system:authenticated"});
  bind("system:public-info-viewer", {"system:authenticated", "system:unauthenticated"});
  aggregate_cluster_roles(objects);
}

void aggregate_cluster_roles(store& objects) {
  // Roles that aggregate may be aggregated themselves (view into edit into admin); a chain is no longer than the list.
  bool changed = true;
  for (std::size_t round = 0; changed && round <= objects.count(cluster_roles); ++round) {
    changed = false;
    auto const all = objects.list(cluster_roles);
    for (object const& role : all) {
      json const& selectors = at_path(*role, "aggregationRule.clusterRoleSelectors");
      if (!selectors.is_array()) {
        continue;
      }
      json rules = json::array();
      for (object const& other : all) {
        json const& labels = at_path(*other, "metadata.labels");
        bool const chosen = other.name() != role.name() && labels.is_object() &&
                            std::any_of(selectors.begin(), selectors.end(),
                                        [&labels](json const& one) { return selects(one, labels); });
        for (json const& one : chosen ? rules_in(*other) : std::vector<json>()) {
          if (std::find(rules.begin(), rules.end(), one) == rules.end()) {
            rules.push_back(one);
          }
        }
      }
      if (rules != at_path(*role, "rules")) {
        changed = true;
        (void)objects.mutate(cluster_roles, {}, role.name(), part::object, [&rules](json& value) {
          value["rules"] = rules;
          return true;
        });
      }
    }
  }
}

}  // namespace codeexec::local
