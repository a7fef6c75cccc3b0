// A child process: started with what a container needs, waited for through a pidfd, gone when we are gone.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "codeexec/base/result.hpp"

namespace codeexec::local {

/// A file descriptor that closes itself.
class unique_fd {
 public:
  unique_fd() = default;
  explicit unique_fd(int fd) : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
  unique_fd& operator=(unique_fd&& other) noexcept;
  unique_fd(unique_fd const&) = delete;
  unique_fd& operator=(unique_fd const&) = delete;
  ~unique_fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release();
  void reset();

 private:
  int fd_ = -1;
};

struct pipe_ends {
  unique_fd read;   ///< does not block
  unique_fd write;  ///< blocks: it is the child's
};
base::result<pipe_ends> make_pipe();
/// Another open file description of the same pipe end. Two descriptors of one description share O_NONBLOCK, and the
/// gVisor of Debian 12 then tells a program that writes faster than we read EAGAIN on a stdout that blocks (seen in
/// about one of ten runs under load). Empty where /proc is not there.
unique_fd reopen_for_writing(int fd);

struct process_options {
  std::filesystem::path program;
  std::vector<std::string> args;  ///< args[0] is the name the program sees
  std::vector<std::string> env;
  int output = -1;                             ///< stdout; -1: /dev/null. stdin is /dev/null
  int errors = -1;                             ///< stderr; -1: the same as stdout
  std::vector<std::filesystem::path> cgroups;  ///< cgroup.procs files to join before exec
  std::optional<std::filesystem::path> working_folder;
  /// Runs in the child, in place of exec, with the signals reset and the descriptors in place; must exec or _exit.
  /// It may share this process' memory while the thread that started it waits: only async-signal-safe calls, no change
  /// of what is ours, and identity by the bare system calls. The flags are given to clone(2) besides.
  std::function<void()> child;
  unsigned long clone_flags = 0;
  int network = -1;  ///< descriptor of a network namespace that the child enters first; -1: ours, or clone_flags'
};

/// How it ended.
struct process_exit {
  int code = 0;    ///< where it exited
  int signal = 0;  ///< where a signal ended it
  /// As a shell says it: 128 + signal.
  int shell_code() const { return signal != 0 ? 128 + signal : code; }
};

/// A running child. The kernel kills it when the thread that started it ends (PR_SET_PDEATHSIG).
/// Destroying it kills and reaps a child that still runs; the callback is then not called.
class process {
 public:
  static base::result<std::unique_ptr<process>> start(boost::asio::any_io_executor const& executor,
                                                      process_options const& options);
  process(process const&) = delete;
  process& operator=(process const&) = delete;
  ~process();

  /// Calls back once, on the executor's thread, after the child was reaped. At most one wait.
  void async_wait(std::function<void(process_exit)> done);
  void signal(int number);
  pid_t pid() const { return pid_; }
  bool running() const { return !reaped_; }

 private:
  process(boost::asio::any_io_executor const& executor, pid_t pid, unique_fd pidfd);
  std::optional<process_exit> reap(bool block);

  pid_t pid_;
  bool reaped_ = false;
  boost::asio::posix::stream_descriptor pidfd_;
};

struct finished_command {
  bool timed_out = false;
  process_exit end;
  std::string output;  ///< stdout and stderr, at most 256 KiB
};
/// Runs a command to its end while the thread waits. For start-up alone.
base::result<finished_command> run_command(std::filesystem::path const& program, std::vector<std::string> args,
                                           std::chrono::milliseconds timeout);

/// Looks a name up in $PATH as execvp would; a name with a slash is returned as it is. Nothing where it is not there.
std::optional<std::filesystem::path> find_program(std::string const& name);

}  // namespace codeexec::local
