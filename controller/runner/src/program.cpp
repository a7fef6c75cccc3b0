#include "codeexec/runner/program.hpp"

// The assembler reads the file; no compiler has to parse it as an array.
asm(".section .rodata\n"
    ".balign 16\n"
    "codeexec_runner_program_begin:\n"
    ".incbin \"" CODEEXEC_RUNNER_FILE
    "\"\n"
    "codeexec_runner_program_end:\n"
    ".global codeexec_runner_program_begin\n"
    ".global codeexec_runner_program_end\n"
    ".previous\n");

extern "C" {
extern char const codeexec_runner_program_begin[];
extern char const codeexec_runner_program_end[];
}

namespace codeexec::runner {

std::string_view program() {
  return {codeexec_runner_program_begin,
          static_cast<std::string_view::size_type>(codeexec_runner_program_end - codeexec_runner_program_begin)};
}

}  // namespace codeexec::runner
