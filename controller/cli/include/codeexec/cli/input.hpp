// Reads what `run` sends along: the code, attached files and folders, standard input, environment variables.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "codeexec/base/result.hpp"
#include "codeexec/cli/arguments.hpp"
#include "codeexec/cli/manifest.hpp"

namespace codeexec::cli {

/// Where input comes from and whom to tell about waiting. Injected for tests.
struct input_source {
  int stdin_fd = 0;
  /// Called once with a sentence when standard input is neither a terminal nor a file and says nothing for a while.
  std::function<void(std::string_view)> on_waiting = [](std::string_view) {};
  int waiting_after_milliseconds = 2000;
};

/// FILE, or standard input where that is "-". Blocking; an error is a sentence with the path in it.
base::result<std::string> read_code(run_options const& options, input_source const& source);

/// Reads all that goes with `code`, blocking, before anything is sent. An error is a sentence with the path in it.
base::result<local_input> read_input(run_options const& options, input_source const& source, std::string code);

}  // namespace codeexec::cli
