// What runner and operator must agree on, as constants: limits, words and exit codes of README.md beside this folder.
// Freestanding C++: the runner compiles this without a C++ library.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace codeexec::wire {

/// `v` of the result object. A reader that meets a greater one must not guess.
inline constexpr int protocol_version = 1;

/// Most bytes of the code's in one frame; the node splits lines of more than 16 KiB.
inline constexpr size_t max_frame_payload = 8192;
/// The kubelet keeps this much of a termination message. The `result` frame carries the same object.
inline constexpr size_t max_result_size = 4096;
/// Bound of --max-output-bytes.
inline constexpr uint32_t max_output_limit = 262144;
/// What both streams together may put on the node's disk: it rotates at 10 MiB, and the API reads the newest file only.
inline constexpr uint64_t log_disk_budget = 9 * 1024 * 1024;
/// Counted per frame for what the node writes in front of it (time, stream, tag: 40 bytes in containerd's format).
inline constexpr uint64_t log_disk_per_frame = 64;
/// Bound of --token.
inline constexpr size_t max_token_size = 64;

// The first word of a frame. The second is F (the line ends here) or P (it goes on in this stream's next frame).
inline constexpr char frame_stdout[] = "stdout";
inline constexpr char frame_stderr[] = "stderr";
inline constexpr char frame_full[] = "full";
inline constexpr char frame_dropped[] = "dropped";
inline constexpr char frame_result[] = "result";

// `end` of the result object.
inline constexpr char end_exited[] = "exited";
inline constexpr char end_signaled[] = "signaled";
inline constexpr char end_timed_out[] = "timedOut";
inline constexpr char end_terminated[] = "terminated";
inline constexpr char end_not_started[] = "notStarted";

// `error` of the result object, with end_not_started.
inline constexpr char error_sandbox_unverified[] = "sandboxUnverified";
inline constexpr char error_command_not_found[] = "commandNotFound";
inline constexpr char error_command_not_executable[] = "commandNotExecutable";
inline constexpr char error_setup_failed[] = "setupFailed";

// The runner's own exit code, where it is not the command's. 128 + signal where a signal ended the command.
inline constexpr int exit_timed_out = 124;
inline constexpr int exit_not_started = 125;
inline constexpr int exit_not_executable = 126;
inline constexpr int exit_not_found = 127;
inline constexpr int exit_signal_base = 128;
inline constexpr int exit_terminated = 143;

}  // namespace codeexec::wire
