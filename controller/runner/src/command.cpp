#include "command.hpp"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codeexec/wire/protocol.h"

#include "runner_shield.hpp"
#include "system.hpp"

namespace codeexec::runner {
namespace {

using path_buffer = text_buffer<PATH_MAX>;

void fail(start_failure& failure, char const* error, char const* name, char const* why) {
  failure.error = error;
  failure.message.append('\'');
  failure.message.append(name);
  failure.message.append("' ");
  failure.message.append(why);
}

enum class found { nothing, not_executable, directory, program };

found look_at(char const* path) {
  struct stat status = {};
  if (stat(path, &status) != 0) return found::nothing;
  if (S_ISDIR(status.st_mode)) return found::directory;
  return access(path, X_OK) == 0 ? found::program : found::not_executable;
}

/// Where the command is, into `path` with a NUL at its end: as given where the name has a slash, else from PATH.
bool locate(char const* name, path_buffer& path, start_failure& failure) {
  if (strchr(name, '/') != nullptr) {
    path.append(name);
    path.append('\0');
    switch (look_at(name)) {
      case found::program:
        return true;
      case found::nothing:
        fail(failure, wire::error_command_not_found, name, "does not exist in this image");
        return false;
      case found::directory:
        fail(failure, wire::error_command_not_executable, name, "is a directory");
        return false;
      case found::not_executable:
        fail(failure, wire::error_command_not_executable, name, "has no execute permission");
        return false;
    }
  }

  char const* search = getenv("PATH");
  if (search == nullptr) search = "/usr/local/bin:/usr/bin:/bin";
  bool seen_without_permission = false;
  for (bytes rest = search; *name != '\0';) {
    void const* const colon = memchr(rest.data, ':', rest.size);
    bytes folder = rest;
    if (colon != nullptr) folder.size = static_cast<size_t>(static_cast<char const*>(colon) - rest.data);
    path.clear();
    path.append(folder.empty() ? "." : folder);
    path.append('/');
    path.append(name);
    path.append('\0');
    if (!path.overflowed()) {
      auto const here = look_at(path.view().data);
      if (here == found::program) return true;
      if (here == found::not_executable) seen_without_permission = true;
    }
    if (colon == nullptr) break;
    rest = rest.from(folder.size + 1);
  }
  if (seen_without_permission) {
    fail(failure, wire::error_command_not_executable, name, "is in PATH, but has no execute permission; PATH is ");
  } else {
    fail(failure, wire::error_command_not_found, name, "was not found in PATH, which is ");
  }
  failure.message.append(search);
  return false;
}

void describe_exec_error(int error, char const* path, start_failure& failure) {
  switch (error) {
    case ENOENT:
      fail(failure, wire::error_command_not_found, path,
           "exists, but the interpreter or loader that it names does not");
      return;
    case ENOEXEC:
      fail(failure, wire::error_command_not_executable, path,
           "is no program for this machine, nor a script that names its interpreter");
      return;
    default:
      fail(failure, wire::error_command_not_executable, path, "cannot be executed: ");
      append_errno(failure.message, error);
  }
}

/// Where memory runs out, the kernel shall choose the code, not the runner that reports it. gVisor has no such choice.
void prefer_for_oom_killer() {
  // The file belongs to root as long as this process, still the runner's image, is not dumpable.
  prctl(PR_SET_DUMPABLE, 1);
  int const fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  write_all(fd, "1000");
  close(fd);
}

void lower_limit(int resource, rlim_t limit) {
  rlimit const both = {limit, limit};
  setrlimit(resource, &both);
}

[[noreturn]] void become_command(command_setup const& setup, char const* path, int report_fd, pid_t runner) {
  if (!setup.is_init) {
    // Nobody is to outlive the runner. Under PID 1 the kernel sees to that.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != runner) _exit(wire::exit_not_started);
  }
  setsid();
  if (!setup.in_gvisor) prefer_for_oom_killer();
  lower_limit(RLIMIT_CORE, 0);
  if (setup.max_processes != 0) lower_limit(RLIMIT_NPROC, setup.max_processes);
  if (setup.max_file_bytes != 0) lower_limit(RLIMIT_FSIZE, setup.max_file_bytes);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

  // Ignored signals outlive exec: whatever started the runner may have ignored some.
  struct sigaction defaults = {};
  defaults.sa_handler = SIG_DFL;
  for (int number = 1; number < 32; ++number)
    sigaction(number, &defaults, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);

  if (setup.in_gvisor && setup.is_init) shield_runner();

  if (dup2(setup.stdin_fd, 0) == 0 && dup2(setup.stdout_fd, 1) == 1 && dup2(setup.stderr_fd, 2) == 2) {
    execv(path, setup.arguments);
  }
  int const error = errno;
  write_all(report_fd, bytes(reinterpret_cast<char const*>(&error), sizeof error));
  _exit(wire::exit_not_executable);
}

}  // namespace

pid_t start_command(command_setup const& setup, start_failure& failure) {
  path_buffer path;
  if (!locate(setup.arguments[0], path, failure)) return 0;

  // Closes by itself where exec succeeds; carries errno where it does not.
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) {
    failure.error = wire::error_setup_failed;
    failure.message.append("cannot make a pipe: ");
    append_errno(failure.message, errno);
    return 0;
  }
  pid_t const runner = getpid();
  pid_t const child = fork();
  if (child == 0) become_command(setup, path.view().data, report[1], runner);
  int const fork_error = errno;
  close(report[1]);
  int error = 0;
  ssize_t const count = child < 0 ? 0 : read(report[0], &error, sizeof error);
  close(report[0]);
  if (child < 0) {
    failure.error = wire::error_setup_failed;
    failure.message.append("cannot make a process: ");
    append_errno(failure.message, fork_error);
    return 0;
  }
  if (count > 0) {
    waitpid(child, nullptr, 0);
    describe_exec_error(error, path.view().data, failure);
    return 0;
  }
  return child;
}

}  // namespace codeexec::runner
