#include "codeexec/base/file.hpp"

#include <algorithm>
#include <array>
#include <boost/system/error_code.hpp>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace codeexec::base {
namespace {

error because(std::string const& path, int code) {
  return error(path + ": " + boost::system::error_code(code, boost::system::system_category()).message());
}

std::string size_text(std::size_t bytes) {
  return bytes % (1u << 20) == 0 ? std::to_string(bytes >> 20) + " MiB" : std::to_string(bytes) + " bytes";
}

}  // namespace

result<std::string> read_file(std::string const& path, std::size_t most) {
  struct descriptor {
    int fd;
    ~descriptor() {
      if (fd >= 0) ::close(fd);
    }
  };
  descriptor const file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return because(path, errno);
  std::string text;
  struct stat about {};
  if (::fstat(file.fd, &about) != 0) return because(path, errno);
  if (S_ISDIR(about.st_mode)) return error(path + ": is a folder");
  // Files of /proc say that they are empty: their size is a hint, not a fact.
  if (about.st_size > 0) text.reserve(std::min(static_cast<std::size_t>(about.st_size), most));
  std::array<char, 16 * 1024> some{};
  for (;;) {
    auto const got = ::read(file.fd, some.data(), some.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return because(path, errno);
    if (got == 0) break;
    text.append(some.data(), static_cast<std::size_t>(got));
    if (text.size() > most) return error(path + ": is larger than " + size_text(most));
  }
  // In place: a string alone could be either side of this result.
  return {boost::system::in_place_value, std::move(text)};
}

std::string read_file_if_there(std::string const& path) {
  auto text = read_file(path);
  return text ? std::move(*text) : std::string();
}

}  // namespace codeexec::base
