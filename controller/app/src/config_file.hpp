// The file of --config.
#pragma once

#include <string>

#include "codeexec/base/result.hpp"
#include "codeexec/execution/config.hpp"

namespace codeexec::app {

/// The defaults where `path` is empty. The error names the file.
base::result<execution::config> read_config(std::string const& path);

}  // namespace codeexec::app
