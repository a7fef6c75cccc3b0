// What differs from one resource to the next when it is written: defaults, validation, grace. The store asks; it knows
// none of it itself.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "codeexec/base/time.hpp"
#include "codeexec/kube_core/request.hpp"
#include "codeexec/kube_core/resource.hpp"
#include "codeexec/local/status_error.hpp"

namespace codeexec::local {

struct schema_node;

/// A column of `kubectl get`: JSONPath and how to print what it finds.
struct printer_column {
  std::string name;
  std::string type;  ///< string, integer, number, boolean, date
  std::string format;
  std::string description;
  std::string json_path;  ///< with or without the leading dot
  std::int64_t priority = 0;
};

/// A resource type that the server serves. Owns its strings; the handle the store hands out lives as long as the type.
struct resource_type {
  std::string group;
  std::string version;
  std::string plural;
  std::string singular;
  std::string kind;
  std::string list_kind;
  bool namespaced = true;
  bool has_status = false;       ///< status is a subresource
  bool has_scale = false;        ///< spec.replicas is seen and written as autoscaling/v1 Scale, too
  bool has_generation = false;   ///< metadata.generation counts changes outside metadata and status
  bool returns_deleted = false;  ///< DELETE answers with the object, not with a Status
  bool custom = false;           ///< made from a CustomResourceDefinition
  std::vector<std::string> short_names;
  std::vector<std::string> categories;
  std::vector<std::string> verbs;
  std::vector<std::string> selectable_fields;  ///< besides metadata.name and metadata.namespace: "status.phase"
  std::vector<printer_column> columns;

  /// Views into this object.
  kube::resource id() const { return kube::resource{group, version, plural, kind, namespaced}; }
  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
  std::string group_resource() const { return qualified(plural, group); }
};

/// Which part of an object a write may touch. The rest is kept as it is stored.
enum class part {
  object,  ///< all but status, where status is a subresource
  status,  ///< status alone
  all,     ///< both at once: for controllers inside the process
};

class strategy {
 public:
  strategy() = default;
  strategy(strategy const&) = delete;
  strategy& operator=(strategy const&) = delete;
  virtual ~strategy() = default;

  /// Defaults and server-owned fields of a new object; name, namespace, uid and creationTimestamp are set already.
  virtual void prepare_create(nlohmann::json& object, base::wall_time now) const;
  /// A refusal that is no matter of fields (403): asked after prepare_create(), before validation.
  virtual std::optional<status_error> admit(nlohmann::json const& object) const;
  virtual field_errors validate_create(nlohmann::json const& object) const;
  /// `next` holds what the writer may write (see part), the rest already taken from `current`.
  virtual void prepare_update(nlohmann::json& next, nlohmann::json const& current, part which) const;
  virtual field_errors validate_update(nlohmann::json const& next, nlohmann::json const& current, part which) const;

  /// Names: RFC 1123 subdomain unless overridden. Nothing where the name is fine.
  virtual std::optional<std::string> check_name(std::string_view name) const;

  /// Seconds that a deletion waits for the node; 0: gone at once.
  virtual std::int64_t grace_seconds(nlohmann::json const& object, std::optional<std::int64_t> asked) const;
  /// True where deletions have a grace at all: the object is then seen with a grace of 0 before it is gone.
  virtual bool deletes_gracefully() const { return false; }
  /// Called once, when deletionTimestamp is set and the object stays for now.
  virtual void begin_deletion(nlohmann::json& object) const;
  /// True while something besides metadata.finalizers holds the object (a Namespace's spec.finalizers).
  virtual bool held(nlohmann::json const& object) const;
  /// What tells the lists that are maps or sets; null for built-in kinds, where their names do.
  virtual schema_node const* schema() const { return nullptr; }
  /// What happens to dependents where the caller does not say.
  virtual kube::propagation default_propagation() const { return kube::propagation::background; }
};

}  // namespace codeexec::local
