#include "system.hpp"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/klog.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "directory.hpp"

namespace codeexec::runner {
namespace {

uint64_t micros_of(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

bool skip_enclosed(bytes& text, char open, char close) {
  if (text.empty() || text.data[0] != open) return false;
  void const* const end = memchr(text.data, close, text.size);
  if (end == nullptr) return false;
  text = text.from(static_cast<size_t>(static_cast<char const*>(end) - text.data) + 1);
  while (!text.empty() && text.data[0] == ' ')
    text = text.from(1);
  return true;
}

}  // namespace

uint64_t monotonic_micros() {
  return micros_of(CLOCK_MONOTONIC);
}
uint64_t unix_micros() {
  return micros_of(CLOCK_REALTIME);
}

void open_standard_descriptors() {
  int fd;
  do {
    fd = open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= 2);
  if (fd > 2) close(fd);
}

void close_descriptors_on_exec() {
  static constexpr unsigned close_range_cloexec = 4;
  static constexpr long close_range_number = 436;  // the same on every architecture; musl 1.2.3 has no name for it
  if (syscall(close_range_number, 3u, ~0u, close_range_cloexec) == 0) return;
  directory open_files;
  if (!open_files.open(AT_FDCWD, "/proc/self/fd")) return;
  while (char const* name = open_files.next()) {
    int const fd = atoi(name);
    if (fd > 2) fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
}

bool runs_in_gvisor() {
  static constexpr int read_all = 3;  // SYSLOG_ACTION_READ_ALL
  static char log[16384];
  int const size = klogctl(read_all, log, sizeof log);
  if (size <= 0) return false;
  // "<6>[   0.000000] Starting gVisor..."
  bytes text(log, static_cast<size_t>(size));
  skip_enclosed(text, '<', '>');
  skip_enclosed(text, '[', ']');
  bytes const first_words = "Starting gVisor";
  if (text.size < first_words.size) return false;
  return bytes(text.data, first_words.size) == first_words;
}

void write_all(int fd, bytes text) {
  while (!text.empty()) {
    ssize_t const count = write(fd, text.data, text.size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    text = text.from(static_cast<size_t>(count));
  }
}

void append_errno(text_writer& out, int error) {
  out.append(strerror(error));
}

}  // namespace codeexec::runner
