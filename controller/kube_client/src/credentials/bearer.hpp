#pragma once

#include <string>

#include "codeexec/base/result.hpp"

namespace codeexec::kube {

/// The value of an Authorization header for this token, wherever that is from. The error, for one that would end the
/// header and begin another, is kubectl's, and never repeats the token.
base::result<std::string> bearer(std::string const& token);

}  // namespace codeexec::kube
