// The start of the command: where it is, and the process it becomes.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "codeexec/runner/text.hpp"

namespace codeexec::runner {

struct start_failure {
  char const* error = nullptr;  ///< one of wire::error_*; a null pointer: it started
  message_buffer message;
};

/// What the command's process gets. Descriptors stay the caller's.
struct command_setup {
  char** arguments = nullptr;
  int stdin_fd = -1;
  int stdout_fd = -1;
  int stderr_fd = -1;
  uint64_t max_processes = 0;
  uint64_t max_file_bytes = 0;
  bool in_gvisor = false;
  bool is_init = false;  ///< the runner is PID 1
};

/// Forks and executes, and returns once that has succeeded or failed. The process leads a session and process group of
/// its own, with default signals. 0 with `failure` filled where it could not be started.
pid_t start_command(command_setup const& setup, start_failure& failure);

}  // namespace codeexec::runner
