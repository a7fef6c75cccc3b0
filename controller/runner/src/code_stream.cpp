#include "code_stream.hpp"

#include <errno.h>
#include <unistd.h>

namespace codeexec::runner {
namespace {

/// More than any pipe an unprivileged process can have. Only a process that survived SIGKILL could go on writing.
constexpr uint64_t most_to_drain = 4 * 1024 * 1024;

}  // namespace

void code_stream::end() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

bool code_stream::read(log_output& log) {
  ssize_t const count = ::read(fd_, input_, sizeof input_);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (count <= 0) {
    end();
    keeper_.finish();
  } else {
    begin_ = 0;
    end_ = static_cast<size_t>(count);
  }
  forward(log);
  return true;
}

void code_stream::forward(log_output& log) {
  while (begin_ != end_) {
    size_t const taken = keeper_.accept(bytes(input_ + begin_, end_ - begin_), log.queue());
    begin_ += taken;
    log.write();
    if (taken == 0 && log.has_pending()) return;
  }
  while (closed() && !flushed_) {
    flushed_ = keeper_.pump(log.queue());
    log.write();
    if (!flushed_ && log.has_pending()) return;
  }
}

void code_stream::drain(log_output& log) {
  uint64_t const before = keeper_.total();
  for (;;) {
    forward(log);
    if (begin_ != end_) {
      if (!log.wait_and_write()) keeper_.divert();
      continue;
    }
    if (closed() || keeper_.total() - before > most_to_drain || !read(log)) return;
  }
}

bool code_stream::flush(log_output& log) {
  if (!closed()) {
    end();
    keeper_.finish();
  }
  for (;;) {
    forward(log);
    if (flushed_) return true;
    if (!log.wait_and_write()) return false;
  }
}

}  // namespace codeexec::runner
