// How GitOps tools read an object's state: the published rules of kstatus (sigs.k8s.io/cli-utils/pkg/kstatus, README)
// for custom resources, in the order in which they apply.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace codeexec::testing {

/// "Terminating", "InProgress", "Failed" or "Current".
inline std::string kstatus_of(nlohmann::json const& object) {
  using nlohmann::json;
  auto const& metadata = object.at("metadata");
  if (metadata.contains("deletionTimestamp")) return "Terminating";
  json const status = object.value("status", json::object());
  // A status that was written for an older spec says nothing.
  if (status.contains("observedGeneration") && status["observedGeneration"] != metadata.value("generation", json()))
    return "InProgress";
  auto const condition = [&](char const* type) -> std::string {
    for (auto const& one : status.value("conditions", json::array())) {
      if (one.value("type", "") == type) return one.value("status", "");
    }
    return {};
  };
  // Abnormal-true conditions, there only while they are true.
  if (condition("Reconciling") == "True") return "InProgress";
  if (condition("Stalled") == "True") return "Failed";
  // The one condition that most controllers have.
  auto const ready = condition("Ready");
  if (ready == "False" || ready == "Unknown") return "InProgress";
  return "Current";
}

/// What breaks the rules for writers of conditions: empty where nothing does.
inline std::string conditions_problem(nlohmann::json const& object) {
  using nlohmann::json;
  json const status = object.value("status", json::object());
  std::string problem;
  bool reconciling = false;
  bool stalled = false;
  for (auto const& one : status.value("conditions", json::array())) {
    auto const type = one.value("type", "");
    auto const value = one.value("status", "");
    for (char const* field : {"type", "status", "reason", "lastTransitionTime"}) {
      if (one.value(field, "").empty()) problem += type + " has no " + field + "; ";
    }
    if (value != "True" && value != "False" && value != "Unknown") problem += type + " is " + value + "; ";
    if (one.value("observedGeneration", json()) != status.value("observedGeneration", json()))
      problem += type + " speaks of another generation; ";
    if (type == "Reconciling") reconciling = true;
    if (type == "Stalled") stalled = true;
    if ((type == "Reconciling" || type == "Stalled") && value != "True")
      problem += type + " must be absent where it is not True; ";
  }
  if (reconciling && stalled) problem += "it cannot be both Reconciling and Stalled; ";
  return problem;
}

}  // namespace codeexec::testing
