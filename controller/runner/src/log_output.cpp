#include "log_output.hpp"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "system.hpp"

namespace codeexec::runner {

log_output::log_output(int fd) : fd_(fd) {
  struct stat status = {};
  // A terminal's flags would be those of the shell that waits on it, too.
  if (fstat(fd, &status) != 0 || !(S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode))) return;
  int const flags = fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_NONBLOCK) != 0) return;
  if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0) flags_ = flags;
}

log_output::~log_output() {
  if (flags_ >= 0) fcntl(fd_, F_SETFL, flags_);
}

void log_output::write() {
  while (!queue_.empty()) {
    if (gone_) {
      queue_.clear();
      return;
    }
    auto const pending = queue_.pending();
    ssize_t const count = ::write(fd_, pending.data, pending.size);
    if (count >= 0) {
      queue_.consume(static_cast<size_t>(count));
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      gone_ = true;
    }
  }
}

bool log_output::wait_and_write() {
  if (stalled_) return false;
  size_t const before = queue_.pending().size;
  uint64_t const give_up_at = monotonic_micros() + patience_micros;
  while (!stalled_ && queue_.pending().size == before && before != 0) {
    uint64_t const now = monotonic_micros();
    if (now >= give_up_at) {
      stalled_ = true;
      break;
    }
    pollfd writable = {fd_, POLLOUT, 0};
    poll(&writable, 1, static_cast<int>((give_up_at - now) / 1000) + 1);
    if (writable.revents != 0) write();
  }
  return !stalled_;
}

}  // namespace codeexec::runner
