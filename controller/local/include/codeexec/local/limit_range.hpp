// LimitRange: how large a single container may be. Of the items, those of type Container are honoured, and of them min
// and max; defaults are not filled in.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "codeexec/local/status_error.hpp"
#include "codeexec/local/store.hpp"

namespace codeexec::local {

inline constexpr kube::resource limit_ranges{"", "v1", "limitranges", "LimitRange", true};

/// The 403 for a pod with a container that its namespace does not allow, in the words of the real plugin (LimitRanger).
std::optional<status_error> refuse_by_limit_range(store const& objects, resource_type const& type,
                                                  nlohmann::json const& object);

}  // namespace codeexec::local
