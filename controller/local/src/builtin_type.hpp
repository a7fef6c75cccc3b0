// How a built-in resource type is begun. Shared by the files that define some.
#pragma once

#include <string>
#include <vector>

#include "codeexec/kube_core/resource.hpp"
#include "codeexec/local/strategy.hpp"

namespace codeexec::local {

/// With all verbs, and names made from the kind.
resource_type make_builtin_type(kube::resource const& id, std::vector<std::string> short_names = {});

}  // namespace codeexec::local
