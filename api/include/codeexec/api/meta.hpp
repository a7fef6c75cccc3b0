// The parts of metav1 that we read and write. Typed; absent is not the default, so optional where the API
// distinguishes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace codeexec::api {

struct OwnerReference {
  std::string apiVersion;
  std::string kind;
  std::string name;
  std::string uid;
  bool controller = false;
  bool blockOwnerDeletion = false;
};

struct ObjectMeta {
  std::string name;
  std::string generateName;
  std::string namespace_;  ///< "namespace" on the wire
  std::string uid;
  std::string resourceVersion;
  std::int64_t generation = 0;
  std::string creationTimestamp;
  std::optional<std::string> deletionTimestamp;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  std::vector<std::string> finalizers;
  std::vector<OwnerReference> ownerReferences;

  bool being_deleted() const { return deletionTimestamp.has_value(); }
  bool has_finalizer(std::string const& name_of_it) const;
  /// The owner with controller: true, or null.
  OwnerReference const* controller_owner() const;
};

struct Condition {
  std::string type;
  std::string status;  ///< "True", "False" or "Unknown"
  std::optional<std::int64_t> observedGeneration;
  std::string lastTransitionTime;
  std::string reason;
  std::string message;

  friend bool operator==(Condition const&, Condition const&) = default;
};

}  // namespace codeexec::api
