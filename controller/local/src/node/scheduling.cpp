#include "codeexec/local/node/scheduling.hpp"

#include <algorithm>

#include "codeexec/local/node/quantity.hpp"
#include "codeexec/local/object.hpp"

namespace codeexec::local {
namespace {

/// The request for `name`, else the limit, else nothing.
std::string_view wanted(nlohmann::json const& container, char const* name) {
  for (char const* which : {"resources.requests", "resources.limits"}) {
    auto const& amounts = at_path(container, which);
    if (!amounts.is_object()) {
      continue;
    }
    auto const found = amounts.find(name);
    if (found != amounts.end() && found->is_string()) {
      return found->get_ref<std::string const&>();
    }
  }
  return "0";
}

node_resources container_requests(nlohmann::json const& container) {
  node_resources out;
  out.cpu_millis = parse_millis(wanted(container, "cpu")).value_or(0);
  out.memory_bytes = parse_units(wanted(container, "memory")).value_or(0);
  out.ephemeral_bytes = parse_units(wanted(container, "ephemeral-storage")).value_or(0);
  return out;
}

}  // namespace

node_resources& node_resources::operator+=(node_resources const& other) {
  cpu_millis += other.cpu_millis;
  memory_bytes += other.memory_bytes;
  ephemeral_bytes += other.ephemeral_bytes;
  pods += other.pods;
  return *this;
}

node_resources& node_resources::operator-=(node_resources const& other) {
  cpu_millis -= other.cpu_millis;
  memory_bytes -= other.memory_bytes;
  ephemeral_bytes -= other.ephemeral_bytes;
  pods -= other.pods;
  return *this;
}

node_resources pod_requests(nlohmann::json const& pod) {
  node_resources sum;
  for (auto const& container : at_path(pod, "spec.containers")) {
    sum += container_requests(container);
  }
  auto const& init = at_path(pod, "spec.initContainers");
  if (init.is_array()) {
    for (auto const& container : init) {
      auto const one = container_requests(container);
      sum.cpu_millis = std::max(sum.cpu_millis, one.cpu_millis);
      sum.memory_bytes = std::max(sum.memory_bytes, one.memory_bytes);
      sum.ephemeral_bytes = std::max(sum.ephemeral_bytes, one.ephemeral_bytes);
    }
  }
  sum.pods = 1;
  return sum;
}

std::vector<std::string> why_not(node_resources const& capacity, node_resources const& used,
                                 node_resources const& asked) {
  std::vector<std::string> reasons;
  if (used.pods + asked.pods > capacity.pods) {
    reasons.emplace_back("Too many pods");
  }
  // A resource that is not asked for is never short, however much of it the others hold.
  auto const check = [&](std::int64_t node_resources::*which, char const* reason) {
    if (asked.*which > 0 && used.*which + asked.*which > capacity.*which) {
      reasons.emplace_back(reason);
    }
  };
  check(&node_resources::cpu_millis, "Insufficient cpu");
  check(&node_resources::ephemeral_bytes, "Insufficient ephemeral-storage");
  check(&node_resources::memory_bytes, "Insufficient memory");
  return reasons;
}

bool selects_node(nlohmann::json const& pod, nlohmann::json const& node_labels) {
  auto const& selector = at_path(pod, "spec.nodeSelector");
  if (!selector.is_object()) {
    return true;
  }
  return std::all_of(selector.items().begin(), selector.items().end(), [&](auto const& entry) {
    return node_labels.is_object() && node_labels.contains(entry.key()) && node_labels[entry.key()] == entry.value();
  });
}

std::string unschedulable_message(std::vector<std::string> const& reasons, bool ever) {
  std::string text = "0/1 nodes are available: ";
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    text += i == 0 ? "1 " : ", 1 ";
    text += reasons[i];
  }
  text += ". no new claims to deallocate, preemption: 0/1 nodes are available: 1 ";
  text += ever ? "No preemption victims found for incoming pod." : "Preemption is not helpful for scheduling.";
  return text;
}

}  // namespace codeexec::local
