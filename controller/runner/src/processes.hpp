// The command and everything that descends from it.
#pragma once

#include <sys/types.h>

namespace codeexec::runner {

/// The runner is PID 1, or a subreaper: orphans become its children, and it reaps them.
class processes {
 public:
  processes(pid_t command, bool is_init) : command_(command), is_init_(is_init) {}

  /// Reaps whatever has ended. True where this was, or has been, the command.
  bool reap();
  /// To the command's process group; woken where it was stopped. Nothing once the command has been reaped.
  void ask_to_stop();
  /// SIGKILL to every descendant until none is left, reaping them. Gives up after three seconds on processes that not
  /// even SIGKILL ends (waiting for a dead disk), then returns false.
  bool kill_all();

  [[nodiscard]] bool command_ended() const { return command_ended_; }
  /// As waitpid() gives it.
  [[nodiscard]] int command_status() const { return status_; }

 private:
  void kill_children();

  pid_t command_;
  bool is_init_;
  bool command_ended_ = false;
  bool none_left_ = false;
  int status_ = 0;
};

}  // namespace codeexec::runner
