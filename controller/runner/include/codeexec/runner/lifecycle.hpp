// When to stop the code, and when to stop waiting: the runner's decisions about time, without a clock or a process.
#pragma once

#include <stdint.h>

namespace codeexec::runner {

/// Times are microseconds of any monotonic clock.
class lifecycle {
 public:
  /// A command that has ended may leave processes behind that hold its pipes. They get this long after their last
  /// output, and this long in all; then they are killed.
  static constexpr uint64_t idle_micros = 200000;
  static constexpr uint64_t linger_micros = 1000000;
  static constexpr uint64_t never = UINT64_MAX;

  enum class action {
    wait,       ///< until deadline(), or until something happens
    terminate,  ///< SIGTERM to the process group; said once
    finish,     ///< kill what is left and report
  };

  /// `timeout_ms` 0: none.
  lifecycle(uint64_t now, uint64_t timeout_ms, uint64_t grace_ms);

  void stop_requested(uint64_t now);
  void command_ended(uint64_t now);
  void output_seen(uint64_t now) { last_output_ = now; }
  void pipes_closed() { pipes_closed_ = true; }

  /// What is to be done at `now`. Report what happened first: a command that ended by itself has not timed out.
  action next(uint64_t now);
  /// When next() may say something else although nothing happens; never: `never`.
  [[nodiscard]] uint64_t deadline() const;

  [[nodiscard]] bool timed_out() const { return timed_out_; }
  [[nodiscard]] bool terminated() const { return stopping_ && !timed_out_; }
  /// The command had ended, but somebody still held a pipe.
  [[nodiscard]] bool still_open() const { return command_ended_ && !pipes_closed_; }
  /// When command_ended() was said.
  [[nodiscard]] uint64_t ended_at() const { return ended_at_; }

 private:
  uint64_t timeout_at_;
  uint64_t grace_;
  uint64_t kill_at_ = never;
  bool stopping_ = false;
  bool timed_out_ = false;
  bool term_sent_ = false;
  bool command_ended_ = false;
  bool pipes_closed_ = false;
  uint64_t ended_at_ = 0;
  uint64_t last_output_ = 0;
};

}  // namespace codeexec::runner
