// The few things the runner asks of the kernel that need a word of explanation.
#pragma once

#include <stdint.h>

#include "codeexec/runner/text.hpp"

namespace codeexec::runner {

uint64_t monotonic_micros();
uint64_t unix_micros();

/// Descriptors 0 to 2 exist (on /dev/null where nobody gave them), so that no pipe of ours ever takes their numbers.
void open_standard_descriptors();

/// Nothing above 2 reaches the command, whatever the container's runtime left open.
void close_descriptors_on_exec();

/// True where the kernel's log begins as gVisor's does. gVisor gives it to any process; Linux, where it lets one read
/// it at all, begins otherwise.
bool runs_in_gvisor();

/// All of `text`, or as much as can be written.
void write_all(int fd, bytes text);

void append_errno(text_writer& out, int error);

}  // namespace codeexec::runner
