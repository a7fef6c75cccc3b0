// Kinds that keep programs running, as operators need them: Deployments, ReplicaSets, and what stands beside them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "codeexec/kube_core/resource.hpp"
#include "codeexec/local/store.hpp"

namespace codeexec::local {

inline constexpr kube::resource deployments{"apps", "v1", "deployments", "Deployment", true};
inline constexpr kube::resource replica_sets{"apps", "v1", "replicasets", "ReplicaSet", true};
inline constexpr kube::resource disruption_budgets{"policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", true};
inline constexpr kube::resource priority_classes{"scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", false};
inline constexpr kube::resource services{"", "v1", "services", "Service", true};

/// Serves them. Called by add_builtin_types().
void add_workload_types(store& objects);

/// A Deployment or ReplicaSet seen as autoscaling/v1 Scale.
nlohmann::json scale_of(nlohmann::json const& workload);

/// True where the labels of `value` are selected. A selector that is empty selects everything; one that is no object
/// nothing.
bool selects(nlohmann::json const& selector, nlohmann::json const& value);

}  // namespace codeexec::local
