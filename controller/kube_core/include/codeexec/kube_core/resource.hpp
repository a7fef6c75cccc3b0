// Which resources we talk about, and where they live in the API's URL space.
#pragma once

#include <string>
#include <string_view>

namespace codeexec::kube {

/// A resource type. Constant data: views into literals.
struct resource {
  std::string_view group;  ///< empty for the core group
  std::string_view version;
  std::string_view plural;
  std::string_view kind;
  bool namespaced;

  /// "v1" or "batch/v1".
  std::string api_version() const;
  /// "/api/v1/namespaces/ns/pods", "/apis/batch/v1/jobs" (namespace empty: all, or cluster-scoped).
  std::string collection_path(std::string_view ns) const;
  /// ".../name" and, where given, ".../name/subresource". Every part is percent-encoded.
  std::string object_path(std::string_view ns, std::string_view name, std::string_view subresource = {}) const;

  friend bool operator==(resource const& a, resource const& b) { return a.group == b.group && a.plural == b.plural; }
};

inline constexpr resource code_executions{"codeexec.dev", "v1alpha1", "codeexecutions", "CodeExecution", true};
inline constexpr resource jobs{"batch", "v1", "jobs", "Job", true};
inline constexpr resource pods{"", "v1", "pods", "Pod", true};
inline constexpr resource config_maps{"", "v1", "configmaps", "ConfigMap", true};
inline constexpr resource namespaces{"", "v1", "namespaces", "Namespace", false};
inline constexpr resource core_events{"", "v1", "events", "Event", true};
inline constexpr resource events{"events.k8s.io", "v1", "events", "Event", true};
inline constexpr resource leases{"coordination.k8s.io", "v1", "leases", "Lease", true};
inline constexpr resource runtime_classes{"node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", false};
inline constexpr resource network_policies{"networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", true};
inline constexpr resource custom_resource_definitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions",
                                                      "CustomResourceDefinition", false};

}  // namespace codeexec::kube
