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
  timespec const pause = {0, 1000000};
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
  }
}

void processes::kill_children() {
  directory proc;
  if (!proc.open(AT_FDCWD, "/proc")) return;
  // Grandchildren become children when their parents die, and the next round would find them. But code that does
  // nothing but fork and exit is always a generation ahead: so children of the killed go in the same round. /proc lists
  // by number, and children mostly have greater ones.
  static pid_t ancestors[1024];
  size_t count = 0;
  ancestors[count++] = getpid();
  while (char const* name = proc.next()) {
    if (name[0] < '1' || name[0] > '9') continue;
    pid_t const parent = parent_of(proc.descriptor(), name);
    for (size_t i = 0; i < count; ++i) {
      if (ancestors[i] != parent) continue;
      pid_t const pid = atoi(name);
      kill(pid, SIGKILL);
      if (count < sizeof ancestors / sizeof ancestors[0]) ancestors[count++] = pid;
      break;
    }
  }
}

}  // namespace codeexec::runner
