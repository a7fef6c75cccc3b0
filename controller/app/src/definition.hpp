// The CustomResourceDefinition that this build was made with, for checking manifests without a cluster.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "codeexec/api/validate.hpp"

namespace codeexec::app {

/// crds/codeexecution.yaml.
std::string_view definition_yaml();

/// What of `object` the schema does not know, or has in another JSON type: every such field, in order. Bounds and rules
/// are left to api::validate(), which has them all.
std::vector<api::violation> check_fields(nlohmann::json const& object);

}  // namespace codeexec::app
