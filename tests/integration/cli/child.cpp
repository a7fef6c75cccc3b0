#include "child.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <thread>
#include <unistd.h>

namespace codeexec::testing {

namespace {

constexpr std::chrono::seconds patience{20};

void make_pipe(int (&ends)[2]) {
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
}

}  // namespace

child::child(std::vector<std::string> const& arguments, settings const& how) {
  auto const program = how.program.empty() ? std::string(CODEEXEC_BINARY_DIR "/bin/codeexec") : how.program;
  std::vector<char*> argv;
  argv.push_back(const_cast<char*>(program.c_str()));
  for (auto const& argument : arguments)
    argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  // An environment that does not depend on who runs the test: no kubeconfig, no proxy.
  std::vector<std::string> variables = how.env;
  for (std::string const usual : {"PATH=/usr/bin:/bin", "HOME=/nonexistent", "TERM=xterm"}) {
    auto const name = usual.substr(0, usual.find('=') + 1);
    auto const given =
        std::any_of(how.env.begin(), how.env.end(), [&](auto const& one) { return one.starts_with(name); });
    if (!given) variables.push_back(usual);
  }
  std::vector<char*> env;
  for (auto& variable : variables)
    env.push_back(variable.data());
  env.push_back(nullptr);

  int in[2];
  int out[2];
  int err[2];
  make_pipe(in);
  make_pipe(out);
  make_pipe(err);
  if (how.on_terminal) {
    for (auto* const ends : {&out, &err}) {
      ::close((*ends)[0]);
      ::close((*ends)[1]);
    }
    winsize size{};
    size.ws_col = 40;
    size.ws_row = 20;
    if (::openpty(&out[0], &out[1], nullptr, nullptr, &size) != 0) throw std::runtime_error("openpty");
    // The bytes as they were written, without the carriage returns that a terminal adds.
    termios mode{};
    ::tcgetattr(out[1], &mode);
    ::cfmakeraw(&mode);
    if (how.keys_from_terminal) mode.c_lflag |= static_cast<tcflag_t>(ICANON | ECHO | ISIG);
    ::tcsetattr(out[1], TCSANOW, &mode);
    ::fcntl(out[0], F_SETFD, FD_CLOEXEC);
    err[0] = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    err[1] = ::dup(out[1]);
  }
  auto const null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  auto const use_null = how.stdin_is_null && how.stdin_text.empty();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ == 0) {
    ::dup2(how.keys_from_terminal ? out[1] : use_null ? null : in[0], 0);
    ::dup2(out[1], 1);
    ::dup2(err[1], 2);
    ::execve(program.c_str(), argv.data(), env.data());
    ::_exit(99);
  }
  ::close(null);
  ::close(in[0]);
  ::close(out[1]);
  ::close(err[1]);
  out_fd_ = out[0];
  err_fd_ = err[0];
  // Small enough for the pipe to hold it: the child need not read yet.
  if (::write(in[1], how.stdin_text.data(), how.stdin_text.size()) < 0) throw std::runtime_error("write");
  ::close(in[1]);
}

child::~child() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (out_fd_ >= 0) ::close(out_fd_);
  if (err_fd_ >= 0) ::close(err_fd_);
}

/// Reads what there is, waiting for it. False: both streams have ended, or the time is up.
bool child::pump(std::chrono::steady_clock::time_point until) {
  auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
  if (left.count() <= 0 || (out_fd_ < 0 && err_fd_ < 0)) return false;
  pollfd ready[2] = {{out_fd_, POLLIN, 0}, {err_fd_, POLLIN, 0}};
  if (::poll(ready, 2, static_cast<int>(left.count())) <= 0) return false;
  for (auto* const stream : {&ready[0], &ready[1]}) {
    if (stream->revents == 0) continue;
    auto& fd = stream == &ready[0] ? out_fd_ : err_fd_;
    auto& text = stream == &ready[0] ? out_ : err_;
    char buffer[65536];
    auto const n = ::read(fd, buffer, sizeof buffer);
    if (n > 0) {
      text.append(buffer, static_cast<std::size_t>(n));
    } else if (n == 0 || errno != EINTR) {
      ::close(fd);
      fd = -1;
    }
  }
  return true;
}

bool child::wait_for_out(std::string const& text) {
  auto const until = std::chrono::steady_clock::now() + patience;
  while (out_.find(text) == std::string::npos) {
    if (!pump(until)) return false;
  }
  return true;
}

bool child::wait_for_err(std::string const& text) {
  auto const until = std::chrono::steady_clock::now() + patience;
  while (err_.find(text) == std::string::npos) {
    if (!pump(until)) return false;
  }
  return true;
}

void child::signal(int number) const {
  ::kill(pid_, number);
}

void child::type(std::string const& keys) const {
  [[maybe_unused]] auto const written = ::write(out_fd_, keys.data(), keys.size());
}

void child::resize(unsigned short columns, unsigned short rows) const {
  winsize size{};
  size.ws_col = columns;
  size.ws_row = rows;
  ::ioctl(out_fd_, TIOCSWINSZ, &size);
  // Only a controlling terminal tells its programs.
  ::kill(pid_, SIGWINCH);
}

bool child::terminal_echoes() const {
  termios mode{};
  auto const wanted = static_cast<tcflag_t>(ICANON | ECHO);
  return ::tcgetattr(out_fd_, &mode) == 0 && (mode.c_lflag & wanted) == wanted;
}

void child::close_out() {
  ::close(out_fd_);
  out_fd_ = -1;
}

int child::wait() {
  auto const until = std::chrono::steady_clock::now() + patience;
  while (pump(until)) {
  }
  return wait_without_reading();
}

int child::wait_without_reading() {
  auto const until = std::chrono::steady_clock::now() + patience;
  int status = 0;
  while (::waitpid(pid_, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > until) return -1;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace codeexec::testing
