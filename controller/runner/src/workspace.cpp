#include "workspace.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.hpp"
#include "system.hpp"

namespace codeexec::runner {
namespace {

/// Folders in folders; a link that leads back up would otherwise go on for ever.
constexpr int max_depth = 32;

class file {
 public:
  explicit file(int fd) : fd_(fd) {}
  ~file() {
    if (fd_ >= 0) close(fd_);
  }
  file(file const&) = delete;
  file& operator=(file const&) = delete;
  [[nodiscard]] int descriptor() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }

 private:
  int fd_;
};

class tree_copy {
 public:
  explicit tree_copy(text_writer& problem) : problem_(problem) {}

  bool copy_folder(directory& from, int to, bytes path, int depth) {
    while (char const* name = from.next()) {
      if (depth == 0 && name[0] == '.' && name[1] == '.') continue;
      if (!copy_entry(from.descriptor(), to, name, path, depth)) return false;
    }
    return !from.failed() || failed("read", path);
  }

  bool failed(char const* what, bytes path) {
    int const error = errno;
    problem_.append("cannot ");
    problem_.append(what);
    problem_.append(" '");
    problem_.append(path);
    problem_.append("': ");
    append_errno(problem_, error);
    return false;
  }

 private:
  bool copy_entry(int from, int to, char const* name, bytes parent, int depth) {
    text_buffer<4096> path;
    path.append(parent);
    path.append('/');
    path.append(name);

    // Not blocking: a FIFO among the files would hold the runner for ever.
    file const source(openat(from, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat found = {};
    if (!source.is_open() || fstat(source.descriptor(), &found) != 0) return failed("read", path.view());
    if (S_ISDIR(found.st_mode)) {
      errno = ELOOP;
      if (depth == max_depth) return failed("copy", path.view());
      if (mkdirat(to, name, 0755) != 0 && errno != EEXIST) return failed("create", path.view());
      directory inner;
      if (!inner.open(from, name)) return failed("read", path.view());
      file const target(openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!target.is_open()) return failed("create", path.view());
      return copy_folder(inner, target.descriptor(), path.view(), depth + 1);
    }
    errno = EINVAL;
    if (!S_ISREG(found.st_mode)) return failed("copy (it is neither a file nor a folder)", path.view());

    mode_t const mode = (found.st_mode & 0111) != 0 ? 0755 : 0644;
    file const target(openat(to, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!target.is_open()) return failed("create", path.view());
    static char buffer[65536];
    for (;;) {
      ssize_t const count = read(source.descriptor(), buffer, sizeof buffer);
      if (count < 0) return failed("read", path.view());
      if (count == 0) return true;
      for (ssize_t done = 0; done < count;) {
        ssize_t const written = write(target.descriptor(), buffer + done, static_cast<size_t>(count - done));
        if (written < 0) return failed("write", path.view());
        done += written;
      }
    }
  }

  text_writer& problem_;
};

}  // namespace

bool copy_input(char const* input, char const* workspace, text_writer& problem) {
  tree_copy copy(problem);
  directory from;
  if (!from.open(AT_FDCWD, input)) return copy.failed("read", input);
  file const to(open(workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!to.is_open()) return copy.failed("open", workspace);
  return copy.copy_folder(from, to.descriptor(), input, 0);
}

}  // namespace codeexec::runner
