#include "codeexec/cli/input.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codeexec/cli/render.hpp"

namespace codeexec::cli {

namespace {

/// More than a request can carry is not worth reading: the sentence about the size does not need it all.
constexpr std::size_t most_bytes = 4 * 1024 * 1024;

base::result<std::string> read_all(int fd, std::string const& shown, input_source const* waiting = nullptr) {
  std::string bytes;
  bool told = waiting == nullptr;
  for (;;) {
    if (!told) {
      pollfd ready{fd, POLLIN, 0};
      if (::poll(&ready, 1, waiting->waiting_after_milliseconds) == 0) {
        told = true;
        waiting->on_waiting("reading standard input until it ends (--no-stdin leaves it alone)");
      }
    }
    char buffer[65536];
    auto const n = ::read(fd, buffer, sizeof buffer);
    if (n < 0) {
      if (errno == EINTR) continue;
      return base::error("cannot read " + shown + ": " + std::strerror(errno));
    }
    if (n == 0) return {boost::system::in_place_value, std::move(bytes)};
    bytes.append(buffer, static_cast<std::size_t>(n));
    if (bytes.size() > most_bytes) {
      return base::error(shown + " has more than 4 MiB; all that is sent along must fit into 1 MiB");
    }
  }
}

base::result<std::string> read_file(std::string const& path) {
  // O_NONBLOCK: opening a FIFO that nobody writes would never return. It has no effect on files.
  auto const fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return base::error("cannot read " + in_quotes(path) + ": " + std::strerror(errno));
  struct stat about {};
  if (::fstat(fd, &about) == 0 && S_ISDIR(about.st_mode)) {
    ::close(fd);
    return base::error(in_quotes(path) + " is a folder; a file is needed here");
  }
  ::fcntl(fd, F_SETFL, 0);
  auto bytes = read_all(fd, in_quotes(path));
  ::close(fd);
  return bytes;
}

/// "PATH=DEST" at the last '=', unless a file of that whole name exists.
void split_destination(std::string const& argument, std::string& path, std::string& destination) {
  std::error_code ignored;
  auto const equals = argument.rfind('=');
  if (equals == std::string::npos || equals == 0 || std::filesystem::exists(argument, ignored)) {
    path = argument;
    destination = default_destination(argument);
    return;
  }
  path = argument.substr(0, equals);
  destination = argument.substr(equals + 1);
  auto const into_folder = destination.ends_with('/');
  while (destination.ends_with('/'))
    destination.pop_back();
  if (destination.starts_with("./")) destination.erase(0, 2);
  if (into_folder && !std::filesystem::is_directory(path, ignored)) {
    destination += "/" + std::filesystem::path(path).filename().generic_string();
  }
}

base::result<void> attach(std::string const& argument, std::vector<attached_file>& files) {
  namespace fs = std::filesystem;
  std::string path;
  std::string destination;
  split_destination(argument, path, destination);
  std::error_code failed;
  if (!fs::is_directory(path, failed)) {
    auto bytes = read_file(path);
    if (!bytes) return base::error("--file: " + bytes.error().message);
    files.push_back(attached_file{destination, std::move(*bytes)});
    return {};
  }
  auto const first = files.size();
  std::size_t total = 0;
  fs::recursive_directory_iterator entry(path, failed);
  for (auto const end = fs::recursive_directory_iterator(); !failed && entry != end; entry.increment(failed)) {
    std::error_code ignored;
    if (entry->is_directory(ignored)) {
      // A link to a folder is not entered (it may lead round in a circle), so it would be left out: say so.
      if (entry->is_symlink(ignored)) {
        return base::error("--file: " + in_quotes(entry->path().string()) +
                           " is a link to a folder; name that folder itself");
      }
      continue;
    }
    if (!entry->is_regular_file(ignored)) {
      return base::error("--file: " + in_quotes(entry->path().string()) + " is neither a file nor a folder");
    }
    auto bytes = read_file(entry->path().string());
    if (!bytes) return base::error("--file: " + bytes.error().message);
    total += bytes->size();
    if (total > most_bytes || files.size() - first > 10'000) {
      return base::error("--file: " + in_quotes(path) + " holds more than fits into one ConfigMap (1 MiB)");
    }
    auto const inside = entry->path().lexically_relative(path).generic_string();
    auto const top = destination == "." || destination.empty() ? std::string() : destination + "/";
    files.push_back(attached_file{top + inside, std::move(*bytes)});
  }
  if (failed) return base::error("--file: cannot read " + in_quotes(path) + ": " + failed.message());
  if (files.size() == first) return base::error("--file: the folder " + in_quotes(path) + " has no files in it");
  // The same folder must make the same object, in whatever order the file system lists it.
  std::sort(files.begin() + static_cast<std::ptrdiff_t>(first), files.end(),
            [](attached_file const& a, attached_file const& b) { return a.path < b.path; });
  return {};
}

/// Whether standard input is to be passed on when nobody said so: as a program started here would see it, but that
/// there is no terminal where the code runs.
bool has_stdin(int fd) {
  struct stat about {};
  if (::fstat(fd, &about) != 0) return false;  // closed
  return ::isatty(fd) == 0;
}

}  // namespace

base::result<std::string> read_code(run_options const& options, input_source const& source) {
  if (options.file == "-") return read_all(source.stdin_fd, "standard input");
  return read_file(options.file);
}

base::result<local_input> read_input(run_options const& options, input_source const& source, std::string code) {
  local_input input;
  input.code = std::move(code);
  for (auto const& argument : options.files) {
    auto done = attach(argument, input.files);
    if (!done) return done.error();
  }
  for (auto const& variable : options.env) {
    auto const equals = variable.find('=');
    if (equals != std::string::npos) {
      input.env.push_back(api::EnvVar{variable.substr(0, equals), variable.substr(equals + 1)});
    } else if (auto const* const ours = std::getenv(variable.c_str())) {
      input.env.push_back(api::EnvVar{variable, ours});
    } else {
      return base::error("--env " + variable + ": there is no such variable here; write " + variable + "=VALUE");
    }
  }
  auto const pass = options.stdin_ == stdin_choice::always ||
                    (options.stdin_ == stdin_choice::automatic && has_stdin(source.stdin_fd));
  if (pass) {
    auto text =
        read_all(source.stdin_fd, "standard input", options.stdin_ == stdin_choice::automatic ? &source : nullptr);
    if (!text) return text.error();
    // No input and none at all are the same to the code; left out, the object stays small.
    if (!text->empty()) input.stdin_ = std::move(*text);
  }
  return input;
}

}  // namespace codeexec::cli
