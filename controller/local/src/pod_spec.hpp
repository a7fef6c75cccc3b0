// PodSpec, wherever it stands: defaults of the API, and the checks that keep the node from nonsense.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "codeexec/local/status_error.hpp"

namespace codeexec::local {

/// What the API's decoder fills in, in a Pod and in a Job's template alike. `in_pod`: also what only a Pod gets
/// (requests from limits; a template shows what was written).
void default_pod_spec(nlohmann::json& spec, bool in_pod);

/// What admission adds to a Pod: service account, priority, tolerations.
void admit_pod_spec(nlohmann::json& spec);

/// Adds the volume with the account's token to every container that has nothing at its place. `suffix`: of its name.
void mount_account_token(nlohmann::json& spec, std::string const& suffix);

/// `path`: "spec" or "spec.template.spec".
void validate_pod_spec(nlohmann::json const& spec, std::string const& path, field_errors& out);

/// BestEffort, Burstable or Guaranteed.
std::string qos_class(nlohmann::json const& spec);

/// "500m", "1Gi", "1e3": the grammar of resource.Quantity.
bool is_quantity(nlohmann::json const& value);

}  // namespace codeexec::local
