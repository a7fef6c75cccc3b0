// The command line of the runner. controller/wire/README.md says what each flag means.
#pragma once

#include <stdint.h>

#include "codeexec/runner/text.hpp"

namespace codeexec::runner {

struct options {
  uint64_t timeout_ms = 0;  ///< 0: none
  uint64_t grace_ms = 5000;
  uint32_t max_output_bytes = 65536;
  uint64_t max_processes = 0;   ///< 0: as it is
  uint64_t max_file_bytes = 0;  ///< 0: as it is
  char const* input = nullptr;
  char const* workspace = "/workspace";
  char const* stdin_file = "/dev/null";
  char const* termination_log = "/dev/termination-log";
  char* token = nullptr;  ///< points into argv, which the runner wipes before the code can read it
  bool require_sandbox = false;
  char** command = nullptr;  ///< points into argv, ends with a null pointer
};

enum class parse_outcome { run, show_help, show_version, wrong };

/// `argv` as main() has it. On `wrong`, `problem` holds a sentence that names the argument; `parsed` then has what was
/// read before it, so that the problem can still be reported where --termination-log said.
parse_outcome parse_arguments(int argc, char** argv, options& parsed, text_writer& problem);

extern char const help_text[];

}  // namespace codeexec::runner
