// What Linux and a container runtime's seccomp profile do for PID 1, and gVisor does not.
#pragma once

namespace codeexec::runner {

/// gVisor (seen with 20221219) leaves to the code what elsewhere nobody in a pod may do, and runs it without the
/// RuntimeDefault profile. So this process and its children get a seccomp filter of their own, in which
/// - PID 1 cannot be signalled or given limits, neither by its number nor as the owner of a descriptor (F_SETOWN):
/// Linux
///   shields the PID 1 of a PID namespace from all its processes. The code could stop the runner, and with it the clock
///   that ends the code, or have it reported that the pod was told to stop;
/// - no namespaces are made: in a user namespace of its own the code would have every capability, raw and packet
/// sockets
///   among them. RuntimeDefault refuses the same;
/// - nobody becomes the runner's child by CLONE_PARENT, which would send it a signal of the code's choice in the end.
/// Failure is no reason not to start: only the code itself would lose.
void shield_runner();

}  // namespace codeexec::runner
