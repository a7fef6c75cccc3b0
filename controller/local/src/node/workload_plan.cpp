#include "codeexec/local/workload_plan.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "codeexec/base/encoding.hpp"
#include "codeexec/local/object.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;
using std::chrono::seconds;

constexpr char const* hash_label = "pod-template-hash";
constexpr char const* revision_annotation = "deployment.kubernetes.io/revision";

bool going(json const& object) {
  return at_path(object, "metadata.deletionTimestamp").is_string();
}

bool ended(json const& pod) {
  auto const phase = string_at(pod, "status.phase");
  return phase == "Succeeded" || phase == "Failed";
}

json const* condition_of(json const& object, std::string const& type) {
  auto const& all = at_path(object, "status.conditions");
  for (std::size_t i = 0; all.is_array() && i < all.size(); ++i) {
    if (string_at(all[i], "type") == type) {
      return &all[i];
    }
  }
  return nullptr;
}

/// Since when it is ready; nothing: it is not.
std::optional<base::wall_time> ready_since(json const& pod) {
  auto const* const ready = condition_of(pod, "Ready");
  if (ready == nullptr || string_at(*ready, "status") != "True") {
    return std::nullopt;
  }
  return base::parse_time(string_at(*ready, "lastTransitionTime"));
}

std::int64_t count(json const& object, char const* path) {
  return integer_at(object, path).value_or(0);
}

std::string annotation(json const& object, char const* name) {
  auto const& all = at_path(object, "metadata.annotations");
  auto const found = all.is_object() ? all.find(name) : all.end();
  return all.is_object() && found != all.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t revision_of(json const& set) {
  auto const text = annotation(set, revision_annotation);
  std::int64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

/// As the real controller names them: ten characters without vowels. What it hashes is its own; so is this.
std::string template_hash(json const& pod_template) {
  constexpr std::string_view letters = "bcdfghjklmnpqrstvwxz2456789";
  auto const hex = base::sha256_hex(pod_template.dump(-1, ' ', false, json::error_handler_t::replace));
  std::string out;
  for (std::size_t i = 0; i < 10; ++i) {
    out += letters[static_cast<std::size_t>(std::stoi(hex.substr(i * 2, 2), nullptr, 16)) % letters.size()];
  }
  return out;
}

json without_hash(json pod_template) {
  if (at_path(pod_template, "metadata.labels").is_object()) {
    pod_template["metadata"]["labels"].erase(hash_label);
  }
  return pod_template;
}

/// A condition as it will stand: its times move only where it changes.
json next_condition(json const& object, std::string const& type, bool holds, std::string const& reason,
                    std::string const& message, base::wall_time now) {
  auto const text = base::format_time(now);
  json made{{"type", type},           {"status", holds ? "True" : "False"}, {"reason", reason}, {"message", message},
            {"lastUpdateTime", text}, {"lastTransitionTime", text}};
  if (auto const* const old = condition_of(object, type)) {
    if (string_at(*old, "status") == made["status"]) {
      made["lastTransitionTime"] = at_path(*old, "lastTransitionTime");
      if (string_at(*old, "reason") == reason && string_at(*old, "message") == message) {
        made["lastUpdateTime"] = at_path(*old, "lastUpdateTime");
      }
    }
  }
  return made;
}

json owner_reference(json const& of, char const* version, char const* kind) {
  return json::array({json{{"apiVersion", version},
                           {"kind", kind},
                           {"name", string_at(of, "metadata.name")},
                           {"uid", string_at(of, "metadata.uid")},
                           {"controller", true},
                           {"blockOwnerDeletion", true}}});
}

void keep_positive(json& status, char const* name, std::int64_t value) {
  if (value > 0) {
    status[name] = value;
  }
}

}  // namespace

std::int64_t share_of(json const& value, std::int64_t total, bool round_up) {
  if (value.is_number_integer()) {
    return value.get<std::int64_t>();
  }
  if (!value.is_string()) {
    return 0;
  }
  auto const& text = value.get_ref<std::string const&>();
  std::int64_t percent = 0;
  std::from_chars(text.data(), text.data() + text.size(), percent);
  return (total * percent + (round_up ? 99 : 0)) / 100;
}

// ReplicaSets -----------------------------------------------------------------------------------------------------

replica_set_plan plan_replica_set(json const& set, std::vector<json const*> const& pods, base::wall_time now) {
  replica_set_plan plan;
  auto const wanted = going(set) ? 0 : count(set, "spec.replicas");
  auto const settle_time = seconds(count(set, "spec.minReadySeconds"));
  std::vector<json const*> active;
  std::int64_t ready = 0;
  std::int64_t available = 0;
  std::int64_t terminating = 0;
  for (auto const* const pod : pods) {
    if (going(*pod)) {
      terminating += ended(*pod) ? 0 : 1;
      continue;
    }
    if (ended(*pod)) {
      continue;
    }
    active.push_back(pod);
    if (auto const since = ready_since(*pod)) {
      ++ready;
      if (*since + settle_time <= now) {
        ++available;
      } else {
        plan.again = std::min(plan.again.value_or(*since + settle_time), *since + settle_time);
      }
    }
  }
  auto const have = static_cast<std::int64_t>(active.size());
  if (!going(set)) {
    if (have < wanted) {
      plan.create = static_cast<int>(wanted - have);
    } else if (have > wanted) {
      // First those that are of no use yet, then the youngest.
      std::stable_sort(active.begin(), active.end(), [](json const* a, json const* b) {
        auto const rank = [](json const& pod) {
          return std::make_pair(ready_since(pod).has_value(), !string_at(pod, "spec.nodeName").empty());
        };
        auto const left = rank(*a);
        auto const right = rank(*b);
        return left != right
                   ? left < right
                   : string_at(*a, "metadata.creationTimestamp") > string_at(*b, "metadata.creationTimestamp");
      });
      for (std::int64_t i = 0; i < have - wanted; ++i) {
        plan.remove.push_back(string_at(*active[static_cast<std::size_t>(i)], "metadata.name"));
      }
    }
  }
  plan.status = {{"replicas", have}, {"observedGeneration", count(set, "metadata.generation")}};
  keep_positive(plan.status, "fullyLabeledReplicas", have);
  keep_positive(plan.status, "readyReplicas", ready);
  keep_positive(plan.status, "availableReplicas", available);
  plan.status["terminatingReplicas"] = terminating;
  return plan;
}

json make_replica_pod(json const& set) {
  auto const& pod_template = at_path(set, "spec.template");
  json metadata = at_path(pod_template, "metadata").is_object() ? at_path(pod_template, "metadata") : json::object();
  metadata["namespace"] = string_at(set, "metadata.namespace");
  metadata["generateName"] = string_at(set, "metadata.name").substr(0, 57) + "-";
  metadata["ownerReferences"] = owner_reference(set, "apps/v1", "ReplicaSet");
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata", std::move(metadata)},
          {"spec", at_path(pod_template, "spec")}};
}

// Deployments -----------------------------------------------------------------------------------------------------

namespace {

/// Everything that the steps of one pass share.
struct rollout {
  explicit rollout(json const& of) : deployment(of) {}

  json const& deployment;
  json const* fresh = nullptr;   ///< the ReplicaSet of the present template
  std::vector<json const*> old;  ///< the others, oldest first
  std::int64_t wanted = 0;
  std::int64_t surge = 0;    ///< how many Pods beyond those wanted
  std::int64_t missing = 0;  ///< how many of the wanted may be unavailable

  std::int64_t old_replicas() const {
    std::int64_t out = 0;
    for (auto const* const set : old) {
      out += count(*set, "spec.replicas");
    }
    return out;
  }
  std::int64_t available() const {
    std::int64_t out = fresh != nullptr ? count(*fresh, "status.availableReplicas") : 0;
    for (auto const* const set : old) {
      out += count(*set, "status.availableReplicas");
    }
    return out;
  }
};

void scale_to(deployment_plan& plan, json const& set, std::int64_t to) {
  auto const from = count(set, "spec.replicas");
  if (from != to) {
    plan.scale.push_back({string_at(set, "metadata.name"), from, to});
  }
}

json make_replica_set(rollout const& of, std::string const& hash, std::int64_t replicas, std::string const& revision) {
  auto const& deployment = of.deployment;
  json pod_template = at_path(deployment, "spec.template");
  pod_template["metadata"]["labels"][hash_label] = hash;
  json selector = at_path(deployment, "spec.selector");
  selector["matchLabels"][hash_label] = hash;
  return {{"apiVersion", "apps/v1"},
          {"kind", "ReplicaSet"},
          {"metadata",
           {{"name", string_at(deployment, "metadata.name") + "-" + hash},
            {"namespace", string_at(deployment, "metadata.namespace")},
            {"labels", pod_template["metadata"]["labels"]},
            {"annotations",
             {{revision_annotation, revision},
              {"deployment.kubernetes.io/desired-replicas", std::to_string(of.wanted)},
              {"deployment.kubernetes.io/max-replicas", std::to_string(of.wanted + of.surge)}}},
            {"ownerReferences", owner_reference(deployment, "apps/v1", "Deployment")}}},
          {"spec",
           {{"replicas", replicas},
            {"selector", std::move(selector)},
            {"template", std::move(pod_template)},
            {"minReadySeconds", count(deployment, "spec.minReadySeconds")}}}};
}

/// New Pods as far as the surge allows; then old ones go as far as enough stay available: those first that are of no
/// use anyway.
void roll(deployment_plan& plan, rollout const& of) {
  auto const present = count(*of.fresh, "spec.replicas");
  auto const total = present + of.old_replicas();
  if (present > of.wanted) {
    scale_to(plan, *of.fresh, of.wanted);
    return;
  }
  if (present < of.wanted) {
    auto const room = of.wanted + of.surge - total;
    if (room > 0) {
      scale_to(plan, *of.fresh, std::min(of.wanted, present + room));
      return;
    }
  }
  auto const least = of.wanted - of.missing;
  auto const new_unavailable = present - count(*of.fresh, "status.availableReplicas");
  auto may_go = total - least - new_unavailable;
  for (auto const* const set : of.old) {
    auto const useless = count(*set, "spec.replicas") - count(*set, "status.availableReplicas");
    auto const gone = std::min({may_go, useless, count(*set, "spec.replicas")});
    if (gone > 0) {
      scale_to(plan, *set, count(*set, "spec.replicas") - gone);
      return;
    }
  }
  auto spare = of.available() - least;
  for (auto const* const set : of.old) {
    auto const gone = std::min(spare, count(*set, "spec.replicas"));
    if (gone > 0) {
      scale_to(plan, *set, count(*set, "spec.replicas") - gone);
      spare -= gone;
    }
  }
}

void recreate(deployment_plan& plan, rollout const& of) {
  for (auto const* const set : of.old) {
    scale_to(plan, *set, 0);
  }
  bool const cleared = std::all_of(of.old.begin(), of.old.end(), [](json const* set) {
    return count(*set, "status.replicas") == 0 && count(*set, "status.terminatingReplicas") == 0;
  });
  if (cleared && of.fresh != nullptr) {
    scale_to(plan, *of.fresh, of.wanted);
  }
}

json deployment_status(rollout const& of, base::wall_time now, std::optional<base::wall_time>& again) {
  auto const& deployment = of.deployment;
  std::int64_t replicas = 0;
  std::int64_t ready = 0;
  std::int64_t terminating = 0;
  auto const add = [&](json const& set) {
    replicas += count(set, "status.replicas");
    ready += count(set, "status.readyReplicas");
    terminating += count(set, "status.terminatingReplicas");
  };
  for (auto const* const set : of.old) {
    add(*set);
  }
  auto const available = of.available();
  std::int64_t updated = 0;
  if (of.fresh != nullptr) {
    add(*of.fresh);
    updated = count(*of.fresh, "status.replicas");
  }
  json status = {{"observedGeneration", count(deployment, "metadata.generation")}};
  keep_positive(status, "replicas", replicas);
  keep_positive(status, "updatedReplicas", updated);
  keep_positive(status, "readyReplicas", ready);
  keep_positive(status, "availableReplicas", available);
  keep_positive(status, "unavailableReplicas", of.wanted - available);
  status["terminatingReplicas"] = terminating;

  bool const enough = available >= of.wanted - of.missing;
  json conditions = json::array();
  conditions.push_back(next_condition(
      deployment, "Available", enough, enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
      enough ? "Deployment has minimum availability." : "Deployment does not have minimum availability.", now));
  auto const set = of.fresh != nullptr ? string_at(*of.fresh, "metadata.name") : std::string();
  bool const complete = updated == of.wanted && replicas == of.wanted && available == of.wanted;
  auto const* const before = condition_of(deployment, "Progressing");
  auto const& old_status = at_path(deployment, "status");
  bool const moved = before == nullptr || count(old_status, "updatedReplicas") != updated ||
                     count(old_status, "readyReplicas") != ready ||
                     count(old_status, "availableReplicas") != available ||
                     count(old_status, "observedGeneration") != count(deployment, "metadata.generation");
  if (complete) {
    conditions.push_back(next_condition(deployment, "Progressing", true, "NewReplicaSetAvailable",
                                        "ReplicaSet \"" + set + "\" has successfully progressed.", now));
  } else if (moved || string_at(*before, "reason") == "NewReplicaSetAvailable") {
    auto made = next_condition(deployment, "Progressing", true, "ReplicaSetUpdated",
                               "ReplicaSet \"" + set + "\" is progressing.", now);
    made["lastUpdateTime"] = base::format_time(now);
    conditions.push_back(std::move(made));
  } else {
    auto const since = base::parse_time(string_at(*before, "lastUpdateTime")).value_or(now);
    auto const due = since + seconds(count(deployment, "spec.progressDeadlineSeconds"));
    if (string_at(*before, "reason") == "ProgressDeadlineExceeded" || now >= due) {
      conditions.push_back(next_condition(deployment, "Progressing", false, "ProgressDeadlineExceeded",
                                          "ReplicaSet \"" + set + "\" has timed out progressing.", now));
    } else {
      conditions.push_back(*before);
      again = due;
    }
  }
  status["conditions"] = std::move(conditions);
  return status;
}

}  // namespace

deployment_plan plan_deployment(json const& deployment, std::vector<json const*> const& sets, base::wall_time now) {
  deployment_plan plan;
  rollout of(deployment);
  of.wanted = count(deployment, "spec.replicas");
  bool const rolling = string_at(deployment, "spec.strategy.type") != "Recreate";
  if (rolling) {
    auto const& bounds = at_path(deployment, "spec.strategy.rollingUpdate");
    of.surge = share_of(at_path(bounds, "maxSurge"), of.wanted, true);
    of.missing = std::min(of.wanted, share_of(at_path(bounds, "maxUnavailable"), of.wanted, false));
    if (of.surge == 0 && of.missing == 0) {
      of.missing = 1;  // both rounded to nothing: it must move all the same
    }
  } else {
    of.missing = of.wanted;
  }
  auto const wanted_template = without_hash(at_path(deployment, "spec.template"));
  std::int64_t newest = 0;
  for (auto const* const set : sets) {
    newest = std::max(newest, revision_of(*set));
    if (of.fresh == nullptr && without_hash(at_path(*set, "spec.template")) == wanted_template) {
      of.fresh = set;
    } else {
      of.old.push_back(set);
    }
  }
  std::sort(of.old.begin(), of.old.end(),
            [](json const* a, json const* b) { return revision_of(*a) < revision_of(*b); });

  if (!going(deployment)) {
    bool const paused = at_path(deployment, "spec.paused") == json(true);
    if (of.fresh == nullptr) {
      if (!paused) {
        plan.revision = std::to_string(newest + 1);
        // As many as there is room for at once; a Recreate waits until the old ones are gone.
        auto const room = of.wanted + of.surge - of.old_replicas();
        auto const first = rolling ? std::clamp<std::int64_t>(room, 0, of.wanted) : of.old.empty() ? of.wanted : 0;
        auto const hash = template_hash(wanted_template);
        plan.create = make_replica_set(of, hash, first, plan.revision);
        if (!rolling) {
          recreate(plan, of);
        }
      }
    } else {
      if (revision_of(*of.fresh) < newest) {
        plan.revive = string_at(*of.fresh, "metadata.name");
        plan.revision = std::to_string(newest + 1);
      } else if (annotation(deployment, revision_annotation) != annotation(*of.fresh, revision_annotation)) {
        plan.revision = annotation(*of.fresh, revision_annotation);
      }
      if (paused) {
        // A change of the number alone goes through.
        if (of.old_replicas() == 0) {
          scale_to(plan, *of.fresh, of.wanted);
        }
      } else if (rolling) {
        roll(plan, of);
      } else {
        recreate(plan, of);
      }
    }
    std::vector<json const*> spent;
    for (auto const* const set : of.old) {
      if (count(*set, "spec.replicas") == 0 && count(*set, "status.replicas") == 0 && !going(*set)) {
        spent.push_back(set);
      }
    }
    auto const kept = integer_at(deployment, "spec.revisionHistoryLimit").value_or(10);
    for (std::size_t i = 0; static_cast<std::int64_t>(spent.size() - i) > kept; ++i) {
      plan.remove.push_back(string_at(*spent[i], "metadata.name"));
    }
  }
  plan.status = deployment_status(of, now, plan.again);
  return plan;
}

// Disruption budgets ----------------------------------------------------------------------------------------------

json plan_disruption_budget(json const& budget, std::vector<json const*> const& pods, std::int64_t expected,
                            base::wall_time now) {
  std::int64_t healthy = 0;
  for (auto const* const pod : pods) {
    healthy += !going(*pod) && ready_since(*pod) ? 1 : 0;
  }
  auto const& least = at_path(budget, "spec.minAvailable");
  auto const& most_missing = at_path(budget, "spec.maxUnavailable");
  auto const desired = !most_missing.is_null()
                           ? std::max<std::int64_t>(0, expected - share_of(most_missing, expected, true))
                           : share_of(least, expected, true);
  auto const allowed = expected == 0 ? 0 : std::max<std::int64_t>(0, healthy - desired);
  auto condition = next_condition(budget, "DisruptionAllowed", allowed > 0,
                                  allowed > 0 ? "SufficientPods" : "InsufficientPods", "", now);
  condition.erase("lastUpdateTime");
  condition["observedGeneration"] = count(budget, "metadata.generation");
  return {{"observedGeneration", count(budget, "metadata.generation")},
          {"disruptionsAllowed", allowed},
          {"currentHealthy", healthy},
          {"desiredHealthy", desired},
          {"expectedPods", expected},
          {"conditions", json::array({std::move(condition)})}};
}

}  // namespace codeexec::local
