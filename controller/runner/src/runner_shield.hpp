// What Linux does for PID 1 and gVisor does not.
#pragma once

namespace codeexec::runner {

/// Linux lets no process of a PID namespace kill or stop its PID 1. gVisor does (seen with 20221219): the code could
/// stop the runner, and with it the clock that ends the code. So this process and its children get a seccomp filter in
/// which PID 1 cannot be signalled or given limits. Failure is no reason not to start: only the code itself would lose.
void shield_init_from_signals();

}  // namespace codeexec::runner
