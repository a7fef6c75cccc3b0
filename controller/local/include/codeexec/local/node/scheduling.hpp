// Does a Pod fit on the node, and if not, in whose words. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace codeexec::local {

struct node_resources {
  std::int64_t cpu_millis = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t ephemeral_bytes = 0;
  std::int64_t pods = 0;

  node_resources& operator+=(node_resources const& other);
  node_resources& operator-=(node_resources const& other);
  friend bool operator==(node_resources const&, node_resources const&) = default;
};

/// What a Pod reserves: requests (limits where there is no request), the containers' sum or the largest init container,
/// and one pod.
node_resources pod_requests(nlohmann::json const& pod);

/// Why it does not fit now: "Insufficient cpu", "Too many pods", ...; empty where it fits.
std::vector<std::string> why_not(node_resources const& capacity, node_resources const& used,
                                 node_resources const& wanted);

/// True where every label that the Pod's nodeSelector names is the node's.
bool selects_node(nlohmann::json const& pod, nlohmann::json const& node_labels);

/// kube-scheduler's sentence for one node. `ever`: would it fit on an empty node?
std::string unschedulable_message(std::vector<std::string> const& reasons, bool ever);

}  // namespace codeexec::local
