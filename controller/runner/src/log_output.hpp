// The container's log: stdout, written without ever blocking the runner.
#pragma once

#include <stdint.h>

#include "codeexec/runner/frame_queue.hpp"

namespace codeexec::runner {

class log_output {
 public:
  explicit log_output(int fd);
  /// Gives the descriptor back as it was: others may share it.
  ~log_output();
  log_output(log_output const&) = delete;
  log_output& operator=(log_output const&) = delete;

  frame_queue& queue() { return queue_; }
  /// As much of the queue as the reader takes now. Where there is no reader any more, the queue is emptied.
  void write();
  /// Waits until something was written. False, now and from then on, once the reader took nothing for five seconds.
  bool wait_and_write();

  [[nodiscard]] int descriptor() const { return fd_; }
  [[nodiscard]] bool has_pending() const { return !queue_.empty(); }
  [[nodiscard]] bool stalled() const { return stalled_; }

 private:
  static constexpr uint64_t patience_micros = 5000000;

  int fd_;
  int flags_ = -1;
  bool gone_ = false;
  bool stalled_ = false;
  frame_queue queue_;
};

}  // namespace codeexec::runner
