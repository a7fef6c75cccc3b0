#include "codeexec/local/quota.hpp"

#include <algorithm>
#include <set>

#include "codeexec/api/quantity.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

constexpr std::int64_t one_in_millis = 1000;
constexpr char const* compute[] = {"cpu", "memory", "ephemeral-storage"};

std::int64_t quantity_of(json const& value) {
  std::string const text = value.is_string() ? value.get<std::string>() : value.is_number() ? value.dump() : "";
  return api::quantity::parse(text).value_or(api::quantity()).millis().value_or(0);
}

bool is_memory(std::string_view resource) {
  return resource.ends_with("memory") || resource.ends_with("storage");
}

/// Calls `visit(container, its resources.<list>, is_init)`.
template <class Visit>
void for_each_container(json const& spec, std::string const& list, Visit visit) {
  for (char const* kind : {"containers", "initContainers"}) {
    json const& some = at_path(spec, kind);
    if (!some.is_array()) {
      continue;
    }
    for (json const& container : some) {
      visit(container, at_path(container, "resources." + list), std::string_view(kind) == "initContainers");
    }
  }
}

/// Sum over the containers, or the largest init container where that is more.
std::int64_t pod_total(json const& spec, std::string const& list, std::string const& resource) {
  std::int64_t sum = 0;
  std::int64_t largest_init = 0;
  for_each_container(spec, list, [&](json const&, json const& wanted, bool is_init) {
    std::int64_t const amount = wanted.contains(resource) ? quantity_of(wanted.at(resource)) : 0;
    if (is_init) {
      largest_init = std::max(largest_init, amount);
    } else {
      sum += amount;
    }
  });
  return std::max(sum, largest_init);
}

/// Containers that a quota on `list`.`resource` covers, and that do not say how much they want.
std::string silent_containers(json const& spec, std::string const& list, std::string const& resource) {
  std::set<std::string> out;
  for_each_container(spec, list, [&](json const& container, json const& wanted, bool) {
    if (!wanted.contains(resource)) {
      out.insert(string_at(container, "name"));
    }
  });
  std::string joined;
  for (std::string const& name : out) {
    joined += (joined.empty() ? "" : ",") + name;
  }
  return joined;
}

/// "must specify limits.cpu for: code; requests.memory for: code"; empty where everything is said.
std::string unsaid(json const& pod, json const& hard) {
  std::map<std::string, std::string> missing;
  json const& spec = at_path(pod, "spec");
  for (char const* resource : compute) {
    for (std::string const& name :
         {std::string(resource), "requests." + std::string(resource), "limits." + std::string(resource)}) {
      if (hard.contains(name)) {
        std::string const who = silent_containers(spec, name.starts_with("limits.") ? "limits" : "requests", resource);
        if (!who.empty()) {
          missing[name] = who;
        }
      }
    }
  }
  std::string out;
  for (auto const& [name, who] : missing) {
    out += (out.empty() ? "must specify " : "; ") + name + " for: " + who;
  }
  return out;
}

std::string listed(quota_usage const& amounts, std::vector<std::string> const& which) {
  std::string out;
  for (std::string const& name : which) {
    auto const found = amounts.find(name);
    out += (out.empty() ? "" : ",") + name + "=" + print_quantity(name, found == amounts.end() ? 0 : found->second);
  }
  return out;
}

quota_usage usage_in(store const& objects, std::string_view ns, json const& hard) {
  quota_usage out;
  for (auto const& [name, ignored] : hard.items()) {
    out[name] = 0;
  }
  for (auto const& type : objects.types()) {
    if (!type->namespaced) {
      continue;
    }
    for (object const& each : objects.list(type->id(), ns)) {
      for (auto const& [name, amount] : quota_usage_of(*type, *each)) {
        if (auto const counted = out.find(name); counted != out.end()) {
          counted->second += amount;
        }
      }
    }
  }
  return out;
}

}  // namespace

std::string print_quantity(std::string_view resource, std::int64_t millis) {
  if (millis % one_in_millis != 0) {
    return std::to_string(millis) + "m";
  }
  std::int64_t value = millis / one_in_millis;
  if (!is_memory(resource) || value == 0) {
    return std::to_string(value);
  }
  constexpr char const* suffixes[] = {"", "Ki", "Mi", "Gi", "Ti"};
  std::size_t power = 0;
  while (value % 1024 == 0 && power + 1 < std::size(suffixes)) {
    value /= 1024;
    ++power;
  }
  return std::to_string(value) + suffixes[power];
}

quota_usage quota_usage_of(resource_type const& type, json const& object) {
  quota_usage out;
  out["count/" + type.group_resource()] = one_in_millis;
  if (type.group.empty() && type.plural != "pods") {
    out[type.plural] = one_in_millis;
  }
  if (type.id() != kube::pods) {
    return out;
  }
  std::string const phase = string_at(object, "status.phase");
  if (phase == "Succeeded" || phase == "Failed") {
    return out;  // an ended Pod is an object still, but takes nothing of the node
  }
  out["pods"] = one_in_millis;
  json const& spec = at_path(object, "spec");
  for (std::string const resource : compute) {
    out[resource] = out["requests." + resource] = pod_total(spec, "requests", resource);
    out["limits." + resource] = pod_total(spec, "limits", resource);
  }
  return out;
}

std::optional<status_error> refuse_by_quota(store const& objects, resource_type const& type, json const& object) {
  if (!type.namespaced || objects.count(resource_quotas) == 0) {
    return std::nullopt;
  }
  std::string const ns = string_at(object, "metadata.namespace");
  auto const wanted = quota_usage_of(type, object);
  for (auto const& quota : objects.list(resource_quotas, ns)) {
    json const& hard = at_path(*quota, "spec.hard");
    if (!hard.is_object()) {
      continue;
    }
    std::string const name = string_at(object, "metadata.name");
    if (type.id() == kube::pods) {
      std::string const missing = unsaid(object, hard);
      if (!missing.empty()) {
        return status_error::forbidden(type.group, type.plural, name, "failed quota: " + quota.name() + ": " + missing);
      }
    }
    auto const used = usage_in(objects, ns, hard);
    quota_usage limits;
    std::vector<std::string> exceeded;
    for (auto const& [resource, limit] : hard.items()) {
      auto const asked = wanted.find(resource);
      limits[resource] = quantity_of(limit);
      if (asked != wanted.end() && asked->second > 0 && used.at(resource) + asked->second > limits[resource]) {
        exceeded.push_back(resource);
      }
    }
    if (!exceeded.empty()) {
      return status_error::forbidden(type.group, type.plural, name,
                                     "exceeded quota: " + quota.name() + ", requested: " + listed(wanted, exceeded) +
                                         ", used: " + listed(used, exceeded) +
                                         ", limited: " + listed(limits, exceeded));
    }
  }
  return std::nullopt;
}

void update_quota_status(store& objects, std::string_view ns) {
  for (auto const& quota : objects.list(resource_quotas, ns)) {
    json const hard = at_path(*quota, "spec.hard");
    if (!hard.is_object()) {
      continue;
    }
    json used = json::object();
    for (auto const& [name, amount] : usage_in(objects, ns, hard)) {
      used[name] = print_quantity(name, amount);
    }
    (void)objects.mutate(resource_quotas, ns, quota.name(), part::status, [&](json& value) {
      value["status"] = {{"hard", hard}, {"used", used}};
      return true;
    });
  }
}

}  // namespace codeexec::local
