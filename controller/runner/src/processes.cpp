#include "processes.hpp"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "directory.hpp"
#include "system.hpp"

namespace codeexec::runner {
namespace {

constexpr uint64_t give_up_after_micros = 3000000;

/// The fourth field of /proc/<pid>/stat; 0 where there is none.
pid_t parent_of(int proc, char const* pid) {
  text_buffer<32> path;
  path.append(pid);
  path.append(bytes("/stat", sizeof "/stat"));  // with its NUL
  int const fd = openat(proc, path.view().data, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[256];
  ssize_t const size = read(fd, text, sizeof text - 1);
  close(fd);
  if (size <= 0) return 0;
  text[size] = '\0';
  // "12 (name) S 1 ...", where the name may hold anything, parentheses too.
  char const* const name_end = strrchr(text, ')');
  if (name_end == nullptr || strlen(name_end) < 5) return 0;
  return atoi(name_end + 4);
}

}  // namespace

bool processes::reap() {
  for (;;) {
    int status = 0;
    pid_t const pid = waitpid(-1, &status, WNOHANG);
    if (pid < 0 && errno == ECHILD) none_left_ = true;
    if (pid <= 0) return command_ended_;
    if (pid == command_) {
      command_ended_ = true;
      status_ = status;
    }
  }
}

void processes::ask_to_stop() {
  if (command_ended_) return;
  kill(-command_, SIGTERM);
  kill(-command_, SIGCONT);
}

bool processes::kill_all() {
  uint64_t const give_up_at = monotonic_micros() + give_up_after_micros;
  timespec pause = {0, 500000};
  for (;;) {
    // As PID 1, -1 is the whole PID namespace but ourselves. As any other process it would be the whole machine.
    if (is_init_) {
      kill(-1, SIGKILL);
    } else {
      if (!command_ended_) kill(-command_, SIGKILL);
      kill_children();
    }
    reap();
    if (none_left_) return true;
    if (monotonic_micros() >= give_up_at) return false;
    nanosleep(&pause, nullptr);
    if (pause.tv_nsec < 8000000) pause.tv_nsec *= 2;
  }
}

void processes::kill_children() {
  directory proc;
  if (!proc.open(AT_FDCWD, "/proc")) return;
  pid_t const self = getpid();
  // Grandchildren become children when their parents die: the next round finds them.
  while (char const* name = proc.next()) {
    if (name[0] < '1' || name[0] > '9') continue;
    if (parent_of(proc.descriptor(), name) == self) kill(atoi(name), SIGKILL);
  }
}

}  // namespace codeexec::runner
