// How a command line of this program is parsed, or ends.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <unistd.h>

#include "codeexec/base/help.hpp"

#include "options.hpp"

namespace codeexec::app {

/// Where --help says what an option means: the longest variable's name still has its place beside it in 80 columns.
constexpr std::size_t help_column = 30;

/// What to print and how to end: help, version, or what is wrong and where help is. Nothing: go on.
inline std::optional<early_exit> parse(CLI::App& app, int argc, char const* const* argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (CLI::ParseError const& e) {
    std::ostringstream out;
    std::ostringstream err;
    if (app.exit(e, out, err) == 0) {
      return early_exit{0, base::fold_help(out.str(), base::columns_of(STDOUT_FILENO), help_column)};
    }
    return early_exit{2, app.get_name() + ": " + e.what() + "\nTry " + app.get_name() + " --help.\n"};
  }
}

}  // namespace codeexec::app
