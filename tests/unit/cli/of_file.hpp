// Options as the command line makes them of "run FILE".
#pragma once

#include <string>
#include <utility>

#include "codeexec/cli/arguments.hpp"

namespace codeexec::cli {

inline run_options of_file(std::string file) {
  run_options options;
  options.file = std::move(file);
  return options;
}

}  // namespace codeexec::cli
