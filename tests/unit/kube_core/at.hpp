// Moments as the server writes them.
#pragma once

#include "codeexec/base/time.hpp"

namespace codeexec::kube {

/// Of a text that is a time.
inline base::wall_time at(char const* text) {
  return *base::parse_time(text);
}

}  // namespace codeexec::kube
