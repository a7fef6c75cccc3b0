// Directory listings without an allocator (opendir() needs one).
#pragma once

#include <stddef.h>

namespace codeexec::runner {

class directory {
 public:
  directory() = default;
  ~directory();
  directory(directory const&) = delete;
  directory& operator=(directory const&) = delete;

  /// False with errno set.
  bool open(int parent, char const* path);
  /// The next name, "." and ".." left out; valid until the next call. A null pointer at the end, and where reading
  /// fails: then failed() is true and errno set.
  char const* next();
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] int descriptor() const { return fd_; }

 private:
  int fd_ = -1;
  bool failed_ = false;
  size_t next_ = 0;
  size_t size_ = 0;
  alignas(8) char entries_[2048];
};

}  // namespace codeexec::runner
