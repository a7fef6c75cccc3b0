// One of the command's pipes, and what is kept of it.
#pragma once

#include "codeexec/runner/stream_keeper.hpp"

#include "log_output.hpp"

namespace codeexec::runner {

class code_stream {
 public:
  code_stream(bytes name, uint32_t limit, int read_end) : keeper_(name, limit), fd_(read_end) {}

  /// Wants to be read: its end is not reached, and the log has taken what was read before.
  [[nodiscard]] bool wants_input() const { return fd_ >= 0 && begin_ == end_; }
  /// Has bytes that the log has not taken yet.
  [[nodiscard]] bool is_waiting() const { return begin_ != end_ || (closed() && !flushed_); }
  /// The end of the pipe was seen.
  [[nodiscard]] bool closed() const { return fd_ < 0; }
  [[nodiscard]] int descriptor() const { return fd_; }

  /// Reads once, without blocking. False where there is nothing to read now.
  bool read(log_output& log);
  /// Moves what was read, and the tail once the stream has ended, to the log as far as it takes it.
  void forward(log_output& log);

  /// After the last process is gone: takes all that the pipe still holds, however slow the log's reader is.
  void drain(log_output& log);
  /// Ends the stream, where its pipe has not ended it, and hands the rest to the log. False where the log has stalled.
  bool flush(log_output& log);

  [[nodiscard]] stream_keeper const& keeper() const { return keeper_; }

 private:
  void end();

  stream_keeper keeper_;
  int fd_;
  bool flushed_ = false;
  size_t begin_ = 0;
  size_t end_ = 0;
  char input_[32768];
};

}  // namespace codeexec::runner
