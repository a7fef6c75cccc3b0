#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdexcept>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "cluster.hpp"

namespace codeexec::e2e {
namespace {

using std::chrono::steady_clock;

struct pipe_ends {
  int read = -1;
  int write = -1;
};

pipe_ends make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
  return {ends[0], ends[1]};
}

void close_fd(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

/// False at the end of the stream.
bool drain(int fd, std::string& into) {
  std::array<char, 65536> buffer{};
  auto const got = ::read(fd, buffer.data(), buffer.size());
  if (got > 0) into.append(buffer.data(), static_cast<std::size_t>(got));
  return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}

[[noreturn]] void exec_child(std::vector<std::string> const& command, program_options const& options, int in, int out,
                             int err) {
  ::dup2(in, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  for (auto const& [name, value] : options.env)
    ::setenv(name.c_str(), value.c_str(), 1);
  ::signal(SIGPIPE, SIG_DFL);
  std::vector<char*> argv;
  for (auto const& word : command)
    argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  ::_exit(127);
}

}  // namespace

program_outcome run_program(std::vector<std::string> const& command, program_options const& options) {
  auto in = make_pipe();
  auto out = make_pipe();
  auto err = make_pipe();
  auto const started = steady_clock::now();
  auto const child = ::fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) exec_child(command, options, in.read, out.write, err.write);
  close_fd(in.read);
  close_fd(out.write);
  close_fd(err.write);

  ::signal(SIGPIPE, SIG_IGN);
  program_outcome outcome;
  std::size_t written = 0;
  if (options.input.empty()) close_fd(in.write);
  bool interrupted = options.interrupt_with == 0;
  bool killed = false;
  while (out.read >= 0 || err.read >= 0) {
    std::array<pollfd, 3> watched{{{out.read, POLLIN, 0}, {err.read, POLLIN, 0}, {in.write, POLLOUT, 0}}};
    ::poll(watched.data(), watched.size(), 50);
    if (watched[0].revents != 0 && !drain(out.read, outcome.out)) close_fd(out.read);
    if (watched[1].revents != 0 && !drain(err.read, outcome.err)) close_fd(err.read);
    if (watched[2].revents != 0) {
      auto const sent = ::write(in.write, options.input.data() + written, options.input.size() - written);
      if (sent > 0) written += static_cast<std::size_t>(sent);
      if (sent < 0 || written == options.input.size()) close_fd(in.write);
    }
    if (!interrupted && (outcome.out.find(options.interrupt_after) != std::string::npos ||
                         outcome.err.find(options.interrupt_after) != std::string::npos)) {
      ::kill(child, options.interrupt_with);
      interrupted = true;
    }
    if (!killed && steady_clock::now() - started > options.limit) {
      ::kill(child, SIGKILL);
      killed = true;
    }
  }
  close_fd(in.write);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.took = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - started);
  return outcome;
}

program_outcome codeexec_cli(std::vector<std::string> arguments, program_options options) {
  options.env.emplace("KUBECONFIG", cluster::instance().kubeconfig());
  arguments.insert(arguments.begin(), CODEEXEC_BINARY_DIR "/bin/kubectl-codeexec");
  return run_program(arguments, options);
}

}  // namespace codeexec::e2e
