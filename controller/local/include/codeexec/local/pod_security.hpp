// Pod Security Standards: what `baseline` and `restricted` forbid, in the words of the real admission plugin. Pure.
// Source of rules and words: k8s.io/pod-security-admission, version "latest" of Kubernetes 1.36.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace codeexec::local {

enum class pod_security_level { privileged, baseline, restricted };

struct pod_security_policy {
  pod_security_level level = pod_security_level::privileged;
  std::string version = "latest";

  /// "restricted:latest"
  std::string describe() const;
};

/// What the labels of a Namespace ask for. `mode`: "enforce" or "warn"; without a label of its own, warn follows
/// enforce.
pod_security_policy pod_security_of(nlohmann::json const& namespace_object, std::string_view mode);

struct pod_security_violation {
  std::string reason;  ///< "runAsNonRoot != true"
  std::string detail;  ///< `pod or container "c" must set securityContext.runAsNonRoot=true`
};

/// Everything in a pod's spec (and the annotations that once were fields) that the level forbids, in the plugin's
/// order.
std::vector<pod_security_violation> check_pod_security(pod_security_level level, nlohmann::json const& pod_spec);

/// "violates PodSecurity \"restricted:latest\": reason (detail), ..."; "would violate" before the fact.
std::string describe_violations(pod_security_policy const& policy, std::vector<pod_security_violation> const& found,
                                std::string_view verb = "violates");

}  // namespace codeexec::local
