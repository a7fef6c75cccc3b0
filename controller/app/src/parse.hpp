// How a command line of this program is parsed, or ends.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <sstream>
#include <string>

#include "options.hpp"

namespace codeexec::app {

/// What to print and how to end: help, version, or what is wrong and where help is. Nothing: go on.
inline std::optional<early_exit> parse(CLI::App& app, int argc, char const* const* argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (CLI::ParseError const& e) {
    std::ostringstream out;
    std::ostringstream err;
    if (app.exit(e, out, err) == 0) return early_exit{0, out.str()};
    return early_exit{2, app.get_name() + ": " + e.what() + "\nTry " + app.get_name() + " --help.\n"};
  }
}

}  // namespace codeexec::app
