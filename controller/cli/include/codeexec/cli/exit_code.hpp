// The exit codes of the command line, in one place: the code's own wherever it ran and ended by itself, and a distinct
// one for everything else. `run --help` prints this table.
#pragma once

#include "codeexec/api/code_execution.hpp"

namespace codeexec::cli::exit_codes {

inline constexpr int ok = 0;
inline constexpr int failure = 1;      ///< get, logs, delete, cancel: it did not work
inline constexpr int usage = 2;        ///< the command line itself is wrong; nothing was sent
inline constexpr int timed_out = 124;  ///< --timeout passed (as timeout(1) says it)
inline constexpr int refused = 125;    ///< the server or the operator said no: the spec, a policy, a missing right
inline constexpr int infrastructure =
    126;                                 ///< it could not be run or its end is not known: image, scheduling, node, API
inline constexpr int signal_base = 128;  ///< plus the number of the signal that ended the code (as a shell says it)
inline constexpr int interrupted = 130;  ///< Ctrl-C here, or cancelled from elsewhere
inline constexpr int broken_pipe = 141;  ///< whoever read our output went away (`codeexec run x | head`)
inline constexpr int terminated = 143;   ///< SIGTERM here

/// What `run` exits with for a final status. A reason of a newer operator that is not known here is infrastructure, for
/// it must not pass for success.
int of(api::CodeExecutionStatus const& status);

}  // namespace codeexec::cli::exit_codes
