#include "codeexec/local/node/pod_status.hpp"

#include <algorithm>

#include "codeexec/base/encoding.hpp"
#include "codeexec/local/object.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

std::string time_or_epoch(std::optional<base::wall_time> const& t) {
  return base::format_time(t.value_or(base::wall_time()));
}

json state_json(container_facts const& facts) {
  json inner = json::object();
  if (facts.now == container_facts::state::running) {
    inner["startedAt"] = time_or_epoch(facts.started_at);
    return json{{"running", std::move(inner)}};
  }
  if (!facts.reason.empty()) {
    inner["reason"] = facts.reason;
  }
  if (!facts.message.empty()) {
    inner["message"] = base::repair_utf8(facts.message);
  }
  if (facts.now == container_facts::state::waiting) {
    return json{{"waiting", std::move(inner)}};
  }
  inner["exitCode"] = facts.exit_code;
  if (facts.reason == status_unknown) {
    inner["startedAt"] = nullptr;
    inner["finishedAt"] = nullptr;
  } else {
    inner["startedAt"] = time_or_epoch(facts.started_at);
    inner["finishedAt"] = time_or_epoch(facts.finished_at);
  }
  if (!facts.container_id.empty()) {
    inner["containerID"] = facts.container_id;
  }
  return json{{"terminated", std::move(inner)}};
}

json container_json(json const& container, container_facts const& facts) {
  bool const running = facts.now == container_facts::state::running;
  json out{{"name", string_at(container, "name")},
           {"state", state_json(facts)},
           {"lastState", facts.last.is_object() ? facts.last : json::object()},
           {"ready", running && facts.ready && facts.begun},
           {"restartCount", facts.restarts},
           {"image", facts.image},
           {"imageID", facts.image_id},
           {"started", running && facts.begun}};
  if (!facts.container_id.empty()) {
    out["containerID"] = facts.container_id;
    auto const& resources = at_path(container, "resources");
    auto const& requests = at_path(resources, "requests");
    if (requests.is_object() && !requests.empty()) {
      out["allocatedResources"] = requests;
    }
    out["resources"] = resources.is_object() ? resources : json::object();
  }
  return out;
}

class condition_list {
 public:
  condition_list(json const& pod, base::wall_time now)
      : previous_(at_path(pod, "status.conditions")),
        generation_(at_path(pod, "metadata.generation")),
        now_(base::format_time(now)) {}

  void add(std::string const& type, bool status, std::string const& reason = {}, std::string const& message = {}) {
    json made{{"type", type}, {"status", status ? "True" : "False"}, {"lastProbeTime", nullptr}};
    made["lastTransitionTime"] = now_;
    if (generation_.is_number_integer()) {
      made["observedGeneration"] = generation_;
    }
    if (!reason.empty()) {
      made["reason"] = reason;
    }
    if (!message.empty()) {
      made["message"] = message;
    }
    if (previous_.is_array()) {
      for (auto const& old : previous_) {
        if (string_at(old, "type") == type && old.value("status", "") == made["status"]) {
          made["lastTransitionTime"] = old.value("lastTransitionTime", now_);
        }
      }
    }
    all_.push_back(std::move(made));
  }
  json take() { return std::move(all_); }

 private:
  json const& previous_;
  json const& generation_;
  std::string now_;
  json all_ = json::array();
};

}  // namespace

json container_state(container_facts const& facts) {
  return state_json(facts);
}

bool restarts_always(json const& pod) {
  return string_at(pod, "spec.restartPolicy") == "Always";
}

std::string pod_phase(pod_facts const& facts) {
  using state = container_facts::state;
  auto const all = [&](auto const& is) { return std::all_of(facts.containers.begin(), facts.containers.end(), is); };
  bool const ended = all([](auto const& c) { return c.now == state::terminated; });
  if (facts.expired && facts.settled) {
    return "Failed";
  }
  if (ended && facts.settled) {
    return all([](auto const& c) { return c.exit_code == 0; }) ? "Succeeded" : "Failed";
  }
  bool const none_begun = all([](auto const& c) {
    return c.restarts == 0 && c.last.is_null() &&
           (c.now == state::waiting || (c.now == state::terminated && !c.started_at));
  });
  return none_begun ? "Pending" : "Running";
}

json compute_pod_status(json const& pod, pod_facts const& facts, base::wall_time now) {
  using state = container_facts::state;
  auto const& containers = at_path(pod, "spec.containers");
  json out = json::object();
  auto const& generation = at_path(pod, "metadata.generation");
  if (generation.is_number_integer()) {
    out["observedGeneration"] = generation;
  }
  out["phase"] = pod_phase(facts);
  if (facts.expired && facts.settled) {
    out["reason"] = "DeadlineExceeded";
    out["message"] = past_deadline;
  }

  std::string unready;
  bool ended = true;
  bool failed = false;
  for (std::size_t i = 0; i < facts.containers.size(); ++i) {
    auto const& container = facts.containers[i];
    if (container.now != state::running || !container.ready || !container.begun) {
      unready += (unready.empty() ? "" : " ") + string_at(containers[i], "name");
    }
    ended = ended && container.now == state::terminated;
    failed = failed || (container.now == state::terminated && container.exit_code != 0);
  }
  condition_list conditions(pod, now);
  conditions.add("PodReadyToStartContainers", facts.sandbox_ready);
  bool const completed = ended && !failed;
  conditions.add("Initialized", true, completed ? "PodCompleted" : "");
  auto const reason = !ended ? "ContainersNotReady" : failed ? "PodFailed" : "PodCompleted";
  for (char const* const type : {"Ready", "ContainersReady"}) {
    if (unready.empty()) {
      conditions.add(type, true);
    } else {
      conditions.add(type, false, reason, ended ? "" : "containers with unready status: [" + unready + "]");
    }
  }
  conditions.add("PodScheduled", true);
  out["conditions"] = conditions.take();

  out["hostIP"] = facts.host_ip;
  out["hostIPs"] = json::array({json{{"ip", facts.host_ip}}});
  if (!facts.pod_ip.empty()) {
    out["podIP"] = facts.pod_ip;
    out["podIPs"] = json::array({json{{"ip", facts.pod_ip}}});
  }
  if (facts.start_time) {
    out["startTime"] = base::format_time(*facts.start_time);
  }
  json statuses = json::array();
  for (std::size_t i = 0; i < facts.containers.size(); ++i) {
    statuses.push_back(container_json(containers[i], facts.containers[i]));
  }
  out["containerStatuses"] = std::move(statuses);
  auto const qos = string_at(pod, "status.qosClass");
  if (!qos.empty()) {
    out["qosClass"] = qos;
  }
  // What one container has is what the Pod has; the sum over several is left out rather than computed into a new unit.
  out["resources"] = json::object();
  if (containers.size() == 1) {
    auto const& resources = at_path(containers[0], "resources");
    for (char const* const part : {"limits", "requests"}) {
      auto const& amounts = at_path(resources, part);
      if (amounts.is_object() && !amounts.empty()) {
        out["resources"][part] = amounts;
      }
    }
    auto const& requests = at_path(resources, "requests");
    if (requests.is_object() && !requests.empty()) {
      out["allocatedResources"] = requests;
    }
  }
  return out;
}

}  // namespace codeexec::local
