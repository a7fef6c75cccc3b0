#include "codeexec/cli/terminal.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <string_view>
#include <termios.h>
#include <unistd.h>

namespace codeexec::cli {

namespace {

constexpr std::string_view enter_screen = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J";
constexpr std::string_view leave_screen = "\x1b[0m\x1b[?25h\x1b[?1049l";

/// What a signal handler must know: plain data, written before `taken` is set.
struct terminal_state {
  std::atomic<bool> taken{false};
  int out_fd = -1;
  int in_fd = -1;
  bool has_mode = false;
  termios mode{};
};
terminal_state the_terminal;

constexpr std::array deadly{SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};

/// Calls only what a signal handler may call.
void give_terminal_back() {
  if (!the_terminal.taken.exchange(false)) return;
  if (the_terminal.has_mode) ::tcsetattr(the_terminal.in_fd, TCSANOW, &the_terminal.mode);
  [[maybe_unused]] auto const written = ::write(the_terminal.out_fd, leave_screen.data(), leave_screen.size());
}

void on_deadly_signal(int number) {
  give_terminal_back();
  // The handler was for once: the signal now does what it always does, core dump and all.
  ::raise(number);
}

}  // namespace

full_screen::full_screen(int out_fd, int in_fd) {
  the_terminal.out_fd = out_fd;
  the_terminal.in_fd = in_fd;
  the_terminal.has_mode = ::tcgetattr(in_fd, &the_terminal.mode) == 0;
  if (the_terminal.has_mode) {
    std::array<char, 256> path{};
    if (::ttyname_r(in_fd, path.data(), path.size()) == 0)
      keys_fd_ = ::open(path.data(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  }
  static bool const at_exit = std::atexit(give_terminal_back) == 0;
  static_cast<void>(at_exit);
  for (auto const number : deadly) {
    struct sigaction action {};
    action.sa_handler = on_deadly_signal;
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
    ::sigaction(number, &action, nullptr);
  }
  take_again();
}

full_screen::~full_screen() {
  give_back();
  for (auto const number : deadly)
    std::signal(number, SIG_DFL);
  if (keys_fd_ >= 0) ::close(keys_fd_);
}

void full_screen::give_back() {
  give_terminal_back();
}

void full_screen::take_again() {
  if (the_terminal.taken.exchange(true)) return;
  if (the_terminal.has_mode) {
    auto mode = the_terminal.mode;
    mode.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    ::tcsetattr(the_terminal.in_fd, TCSANOW, &mode);
  }
  [[maybe_unused]] auto const written = ::write(the_terminal.out_fd, enter_screen.data(), enter_screen.size());
}

}  // namespace codeexec::cli
