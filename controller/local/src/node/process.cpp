#include "process.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace codeexec::local {
namespace {

base::error errno_error(std::string const& what) {
  return base::error(what + ": " + std::strerror(errno));
}

std::vector<char*> pointers(std::vector<std::string> const& words) {
  std::vector<char*> out;
  out.reserve(words.size() + 1);
  for (auto const& word : words) {
    out.push_back(const_cast<char*>(word.c_str()));
  }
  out.push_back(nullptr);
  return out;
}

// The sanitizers keep a shadow of the stack and of memory that a child with our memory would write into.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool can_share_memory = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool can_share_memory = false;
#else
constexpr bool can_share_memory = true;
#endif
#else
constexpr bool can_share_memory = true;
#endif

/// Everything the child needs, laid out before the clone: afterwards it may not allocate.
struct child_plan {
  char const* program;
  char* const* args;
  char* const* env;
  char const* working_folder;
  std::vector<char const*> cgroups;
  int output;
  int errors;
  int failure;  ///< write end of a pipe that tells errno, and closes on exec
  int network;
  pid_t parent;
  std::function<void()> const* run;
};

[[noreturn]] void fail_child(child_plan const& plan) {
  int const code = errno;
  ssize_t const ignored = write(plan.failure, &code, sizeof code);
  static_cast<void>(ignored);
  _exit(127);
}

[[noreturn]] void run_child(child_plan const& plan) {
  // Before anything else: from here on the kernel ends us with our parent. Its death before this line shows as another
  // parent (in a new pid namespace the parent is always 0, and the window is the same few microseconds).
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  auto const parent = getppid();
  if (parent != plan.parent && parent != 0) {
    _exit(127);
  }
  for (int number = 1; number < NSIG; ++number) {
    ::signal(number, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setsid();
  for (char const* const path : plan.cgroups) {
    int const fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1) {
      fail_child(plan);
    }
    close(fd);
  }
  if (plan.network >= 0 && setns(plan.network, CLONE_NEWNET) != 0) {
    fail_child(plan);
  }
  int const null = open("/dev/null", O_RDWR);
  if (null < 0 || dup2(null, 0) < 0 || dup2(plan.output < 0 ? null : plan.output, 1) < 0 ||
      dup2(plan.errors < 0 ? 1 : plan.errors, 2) < 0) {
    fail_child(plan);
  }
  // The API server's connections are among what was inherited, and not all are marked to be closed on exec: a pod must
  // not hold them, nor keep one open that the server has ended.
  auto const kept = static_cast<unsigned>(plan.failure);
  if ((kept > 3 && close_range(3, kept - 1, 0) != 0) || close_range(kept + 1, ~0U, 0) != 0) {
    fail_child(plan);
  }
  if (plan.working_folder != nullptr && chdir(plan.working_folder) != 0) {
    fail_child(plan);
  }
  if (*plan.run) {
    (*plan.run)();
    _exit(127);
  }
  execve(plan.program, plan.args, plan.env);
  fail_child(plan);
}

/// A child that shares our memory until it execs or exits, while this thread waits: a copy, even of the page tables
/// alone, takes tens of milliseconds where the API server holds a gigabyte. It has a stack and descriptors of its own,
/// and what it may do is what it could do in a copy: no allocation, no lock, no wrapper of glibc that speaks to its
/// other threads (setresuid and its like).
pid_t start_child(child_plan& plan, unsigned long namespaces) {
  if (!can_share_memory) {
    auto const pid =
        namespaces == 0
            ? fork()
            : static_cast<pid_t>(syscall(SYS_clone, namespaces | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
    if (pid == 0) {
      run_child(plan);
    }
    return pid;
  }
  constexpr std::size_t stack_bytes = 256 * 1024;
  void* const stack =
      mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) {
    return -1;
  }
  // A child that changes its user makes the memory, and so us, one that cannot be dumped or traced (prctl(2)).
  int const dumpable = prctl(PR_GET_DUMPABLE);
  auto const run = [](void* given) -> int { run_child(*static_cast<child_plan*>(given)); };
  auto const flags = static_cast<int>(CLONE_VM | CLONE_VFORK | namespaces | SIGCHLD);
  auto const pid = clone(run, static_cast<char*>(stack) + stack_bytes, flags, &plan);
  int const error = errno;
  munmap(stack, stack_bytes);
  prctl(PR_SET_DUMPABLE, dumpable);
  errno = error;
  return pid;
}

int open_pidfd(pid_t pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

}  // namespace

unique_fd& unique_fd::operator=(unique_fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

int unique_fd::release() {
  int const fd = fd_;
  fd_ = -1;
  return fd;
}

void unique_fd::reset() {
  if (fd_ >= 0) {
    close(fd_);
    fd_ = -1;
  }
}

base::result<pipe_ends> make_pipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) {
    return errno_error("pipe");
  }
  pipe_ends out{unique_fd(fds[0]), unique_fd(fds[1])};
  if (fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0) {
    return errno_error("fcntl");
  }
  return out;
}

unique_fd reopen_for_writing(int fd) {
  return unique_fd(open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_WRONLY | O_CLOEXEC));
}

base::result<std::unique_ptr<process>> process::start(boost::asio::any_io_executor const& executor,
                                                      process_options const& options) {
  auto failure = make_pipe();
  if (!failure) {
    return failure.error();
  }
  auto const args = pointers(options.args);
  auto const env = pointers(options.env);
  child_plan plan;
  plan.program = options.program.c_str();
  plan.args = args.data();
  plan.env = env.data();
  plan.working_folder = options.working_folder ? options.working_folder->c_str() : nullptr;
  for (auto const& path : options.cgroups) {
    plan.cgroups.push_back(path.c_str());
  }
  plan.output = options.output;
  plan.errors = options.errors;
  plan.failure = failure->write.get();
  plan.network = options.network;
  plan.parent = getpid();
  plan.run = &options.child;

  // A signal that arrives between clone and the child's reset must not run our handlers in the child.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  auto const pid = start_child(plan, options.clone_flags);
  int const clone_error = errno;
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) {
    errno = clone_error;
    return errno_error("cannot start a process");
  }
  unique_fd pidfd(open_pidfd(pid));
  if (!pidfd) {
    auto const error = errno_error("pidfd_open");
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return error;
  }
  std::unique_ptr<process> made(new process(executor, pid, std::move(pidfd)));
  // The write end closes on exec, so this ends within microseconds, or tells why there was none. A child that sets
  // itself up (`options.child`) has its own way to report and is not waited for.
  failure->write.reset();
  if (!options.child) {
    pollfd readable{failure->read.get(), POLLIN, 0};
    while (poll(&readable, 1, -1) < 0 && errno == EINTR) {
    }
    int code = 0;
    if (read(failure->read.get(), &code, sizeof code) == static_cast<ssize_t>(sizeof code)) {
      errno = code;
      return errno_error("cannot start " + options.program.string());
    }
  }
  return made;
}

process::process(boost::asio::any_io_executor const& executor, pid_t pid, unique_fd pidfd)
    : pid_(pid), pidfd_(executor, pidfd.release()) {}

process::~process() {
  if (!reaped_) {
    kill(pid_, SIGKILL);
    reap(true);
  }
}

std::optional<process_exit> process::reap(bool block) {
  int status = 0;
  pid_t got = 0;
  do {
    got = waitpid(pid_, &status, block ? 0 : WNOHANG);
  } while (got < 0 && errno == EINTR);
  if (got == 0) {
    return std::nullopt;
  }
  reaped_ = true;
  process_exit out;
  if (got > 0 && WIFSIGNALED(status)) {
    out.signal = WTERMSIG(status);
  } else if (got > 0) {
    out.code = WEXITSTATUS(status);
  }
  return out;
}

void process::async_wait(std::function<void(process_exit)> done) {
  pidfd_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                    [this, done = std::move(done)](boost::system::error_code error) mutable {
                      if (error) {
                        return;  // destroyed, or the loop ends
                      }
                      // Never blocks: the reactor may wake who waits without a cause, and all pods share its thread.
                      if (auto const end = reap(false)) {
                        done(*end);
                      } else {
                        async_wait(std::move(done));
                      }
                    });
}

void process::signal(int number) {
  if (!reaped_) {
    syscall(SYS_pidfd_send_signal, pidfd_.native_handle(), number, nullptr, 0);
  }
}

base::result<finished_command> run_command(std::filesystem::path const& program, std::vector<std::string> args,
                                           std::chrono::milliseconds timeout) {
  constexpr std::size_t most = 256 * 1024;
  boost::asio::io_context context;
  auto pipe = make_pipe();
  if (!pipe) {
    return pipe.error();
  }
  process_options options;
  options.program = program;
  options.args = std::move(args);
  options.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  options.output = pipe->write.get();
  auto started = process::start(context.get_executor(), options);
  if (!started) {
    return started.error();
  }
  pipe->write.reset();
  finished_command out;
  auto const until = std::chrono::steady_clock::now() + timeout;
  std::optional<process_exit> end;
  (*started)->async_wait([&end](process_exit how) { end = how; });
  bool open = true;
  auto const drain = [&] {
    char buffer[4096];
    while (open) {
      auto const got = read(pipe->read.get(), buffer, sizeof buffer);
      if (got > 0) {
        out.output.append(buffer, std::min(static_cast<std::size_t>(got), most - std::min(most, out.output.size())));
      } else if (got == 0) {
        open = false;
      } else {
        return;
      }
    }
  };
  while (!end && std::chrono::steady_clock::now() < until) {
    drain();
    context.run_one_for(std::chrono::milliseconds(5));
  }
  drain();
  if (!end) {
    out.timed_out = true;
    (*started)->signal(SIGKILL);
    return out;
  }
  out.end = *end;
  return out;
}

std::optional<std::filesystem::path> find_program(std::string const& name) {
  if (name.find('/') != std::string::npos) {
    return access(name.c_str(), X_OK) == 0 ? std::optional<std::filesystem::path>(name) : std::nullopt;
  }
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment.
  char const* const path = std::getenv("PATH");
  std::string const folders =
      std::string(path == nullptr ? "" : path) + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  std::size_t at = 0;
  while (at <= folders.size()) {
    auto const end = std::min(folders.find(':', at), folders.size());
    auto const candidate = std::filesystem::path(folders.substr(at, end - at)) / name;
    if (end > at && access(candidate.c_str(), X_OK) == 0) {
      return candidate;
    }
    at = end + 1;
  }
  return std::nullopt;
}

}  // namespace codeexec::local
