#include "codeexec/local/admission.hpp"

#include <map>
#include <memory>
#include <set>

#include "codeexec/local/access.hpp"
#include "codeexec/local/limit_range.hpp"
#include "codeexec/local/pod_security.hpp"
#include "codeexec/local/quota.hpp"

#include "rest_state.hpp"

namespace codeexec::local {
namespace {

/// The namespace's own object; an empty one where it is not there.
json namespace_of(store const& objects, json const& value) {
  object const found = objects.get(kube::namespaces, {}, string_at(value, "metadata.namespace"));
  return found ? *found : json::object();
}

std::string reasons(std::vector<pod_security_violation> const& found) {
  std::string out;
  for (auto const& one : found) {
    out += (out.empty() ? "" : ", ") + one.reason;
  }
  return out;
}

/// Pods that violate the level, those with the same faults in one line, as the real plugin says it.
std::vector<std::string> existing_violations(store const& objects, json const& home) {
  auto const policy = pod_security_of(home, "enforce");
  std::map<std::string, std::pair<std::string, std::size_t>> by_reasons;  // first pod's name, how many more
  for (object const& pod : objects.list(kube::pods, string_at(home, "metadata.name"))) {
    auto const found = check_pod_security(policy.level, at_path(*pod, "spec"));
    if (!found.empty()) {
      auto const [at, is_new] = by_reasons.try_emplace(reasons(found), pod.name(), 0);
      at->second.second += is_new ? 0 : 1;
    }
  }
  std::vector<std::string> out;
  if (!by_reasons.empty()) {
    out.push_back("existing pods in namespace \"" + string_at(home, "metadata.name") +
                  "\" violate the new PodSecurity enforce level \"" + policy.describe() + "\"");
  }
  for (auto const& [faults, pods] : by_reasons) {
    auto const& [first, more] = pods;
    std::string const others = more == 0   ? ""
                               : more == 1 ? " (and 1 other pod)"
                                           : " (and " + std::to_string(more) + " other pods)";
    out.push_back(first + others + ": " + faults);
  }
  return out;
}

}  // namespace

std::optional<status_error> admit_object(store const& objects, resource_type const& type, json const& value) {
  if (type.id() == kube::pods) {
    auto const policy = pod_security_of(namespace_of(objects, value), "enforce");
    auto const found = check_pod_security(policy.level, at_path(value, "spec"));
    if (!found.empty()) {
      return status_error::forbidden(type.group, type.plural, string_at(value, "metadata.name"),
                                     describe_violations(policy, found));
    }
    if (auto refused = refuse_by_limit_range(objects, type, value)) {
      return refused;
    }
  }
  return refuse_by_quota(objects, type, value);
}

std::vector<std::string> admission_warnings(store const& objects, resource_type const& type, json const& written,
                                            json const* before) {
  if (type.id() == kube::namespaces) {
    bool const changed = before != nullptr && pod_security_of(written, "enforce").describe() !=
                                                  pod_security_of(*before, "enforce").describe();
    return changed ? existing_violations(objects, written) : std::vector<std::string>();
  }
  bool const is_job = type.id() == kube::jobs;
  if (before != nullptr || (!is_job && type.id() != kube::pods)) {
    return {};
  }
  auto const policy = pod_security_of(namespace_of(objects, written), "warn");
  auto const found = check_pod_security(policy.level, at_path(written, is_job ? "spec.template.spec" : "spec"));
  return found.empty() ? std::vector<std::string>() : std::vector{describe_violations(policy, found, "would violate")};
}

void install_admission(store& objects, std::function<void(std::function<void()>)> post) {
  objects.set_admission(
      [&objects](resource_type const& type, json const& value) { return admit_object(objects, type, value); });
  struct pending {
    std::set<std::string> namespaces;  ///< whose quotas have to be counted again
    bool roles = false;
  };
  auto const waiting = std::make_shared<pending>();
  objects.add_observer([&objects, post = std::move(post), waiting](resource_type const& type, event const& what) {
    if (type.id() == cluster_roles && !waiting->roles) {
      waiting->roles = true;
      post([&objects, waiting] {
        waiting->roles = false;
        aggregate_cluster_roles(objects);
      });
    }
    if (type.namespaced && objects.count(resource_quotas) > 0 && waiting->namespaces.insert(what.current.ns()).second) {
      post([&objects, waiting, ns = what.current.ns()] {
        update_quota_status(objects, ns);
        waiting->namespaces.erase(ns);
      });
    }
  });
}

void api_server::state::warn_of(target const& t, json const& written, json const* before,
                                std::vector<std::string>& warned) const {
  for (std::string& one : admission_warnings(objects, *t.type, written, before)) {
    warned.push_back(std::move(one));
  }
}

}  // namespace codeexec::local
