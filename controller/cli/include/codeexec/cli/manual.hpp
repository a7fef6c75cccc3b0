// The manual page, made of the definitions that parse the command line. Pure. The tree holds what it gives
// (controller/cli/man); a test compares the two.
#pragma once

#include <string>
#include <vector>

#include "codeexec/cli/arguments.hpp"

namespace codeexec::cli {

/// man(7) for section 1; `known` is command_reference("kubectl-codeexec").
std::string render_manual(std::vector<command_info> const& known);

}  // namespace codeexec::cli
