// The runner itself, carried inside another program: the operator puts it into a ConfigMap, the stand-in into a file.
#pragma once

#include <string_view>

namespace codeexec::runner {

/// The bytes of the static executable, for this machine's architecture. Valid for ever.
std::string_view program();

}  // namespace codeexec::runner
