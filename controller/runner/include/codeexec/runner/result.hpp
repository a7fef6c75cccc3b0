// The result object: the termination message and the last frame. controller/wire/README.md describes its fields.
#pragma once

#include <stdint.h>

#include "codeexec/runner/text.hpp"
#include "codeexec/wire/protocol.h"

namespace codeexec::runner {

struct result {
  bytes token;  ///< empty: none given
  char const* end = wire::end_not_started;
  bool has_exit_code = false;
  int exit_code = 0;
  int signal = 0;  ///< 0: none
  bool started = false;
  uint64_t started_at_micros = 0;  ///< since 1970
  uint64_t wall_micros = 0;
  uint64_t cpu_micros = 0;
  uint64_t max_rss_bytes = 0;
  bool gvisor = false;
  uint64_t stdout_bytes = 0;
  uint64_t stderr_bytes = 0;
  bool has_output = false;  ///< both streams whole, in the two below
  bytes stdout_text;
  bytes stderr_text;
  char const* error = nullptr;  ///< with end_not_started
  bytes message;
  bool still_open = false;
};

using result_buffer = text_buffer<wire::max_result_size>;

/// One line. The output is left out where it would make the object longer than the buffer.
void write_result(result const& from, result_buffer& out);

/// How the runner itself exits.
int runner_exit_code(result const& from);

}  // namespace codeexec::runner
