// Who wrote an object, and when, as the API server notes it down (metadata.managedFields).
#pragma once

#include <optional>
#include <string_view>

#include "codeexec/base/time.hpp"

namespace codeexec::kube {

/// When `manager` last changed the object itself, not one of its subresources; empty where it never did. `object`: as
/// JSON, whole.
std::optional<base::wall_time> last_written(std::string_view object, std::string_view manager);

}  // namespace codeexec::kube
