#include "directory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace codeexec::runner {

directory::~directory() {
  if (fd_ >= 0) close(fd_);
}

bool directory::open(int parent, char const* path) {
  fd_ = openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd_ >= 0;
}

char const* directory::next() {
  for (;;) {
    if (next_ == size_) {
      long const count = syscall(SYS_getdents64, fd_, entries_, sizeof entries_);
      failed_ = count < 0;
      if (count <= 0) return nullptr;
      next_ = 0;
      size_ = static_cast<size_t>(count);
    }
    // musl's dirent is the kernel's linux_dirent64.
    auto const* entry = reinterpret_cast<dirent const*>(entries_ + next_);
    next_ += entry->d_reclen;
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) return entry->d_name;
  }
}

}  // namespace codeexec::runner
