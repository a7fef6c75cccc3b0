// What keeps the network from executions with network: Deny: one NetworkPolicy a namespace, for all of them. Pure.
//
// The other half is the pod's own: it has no DNS (build.hpp). NetworkPolicies add up: another one of the namespace that
// selects these pods and allows something is not undone by ours. And it is the cluster's network plugin that enforces
// them; one that does not know them ignores them without a word.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace codeexec::execution {

inline constexpr std::string_view network_policy_name = "codeexec-deny";

/// Selects the pods with the label codeexec.dev/network=deny; allows nothing, in neither direction.
nlohmann::json make_network_policy(std::string_view ns);

/// Whether `policy`, whoever wrote it, denies those pods everything in both directions.
bool denies_network(nlohmann::json const& policy);

}  // namespace codeexec::execution
