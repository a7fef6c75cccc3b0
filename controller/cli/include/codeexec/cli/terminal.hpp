// A terminal taken over for a while, and given back however we end.
#pragma once

#include <string>

namespace codeexec::cli {

/// While it lives: the other screen, no cursor, keys come one by one and are not shown (Ctrl-C stays a signal). Given
/// back by the destructor, by give_back(), at exit() and by a signal that kills us; not by SIGKILL, which no program
/// can answer. One at a time. Thread: any.
class full_screen {
 public:
  /// `out_fd` is a terminal; `in_fd` may be something else, and then there are no keys.
  full_screen(int out_fd, int in_fd);
  full_screen(full_screen const&) = delete;
  full_screen& operator=(full_screen const&) = delete;
  ~full_screen();

  /// Before a stop (Ctrl-Z), and after it.
  static void give_back();
  void take_again();

  /// To read keys from; a description of its own, so that being non-blocking is nobody else's business. -1: no keys.
  int keys_fd() const { return keys_fd_; }

 private:
  int keys_fd_ = -1;
};

}  // namespace codeexec::cli
