#include "image_root.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "codeexec/base/file.hpp"

namespace codeexec::local {
namespace {

namespace fs = std::filesystem;

struct generated_file {
  char const* path;
  char const* text;
};

constexpr generated_file generated[] = {
    {"etc/passwd",
     "root:x:0:0:root:/root:/bin/sh\n"
     "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
     "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
     "nonroot:x:65532:65532:nonroot:/:/usr/sbin/nologin\n"},
    {"etc/group", "root:x:0:\ndaemon:x:1:\ntty:x:5:\nnogroup:x:65534:\nnonroot:x:65532:\n"},
    {"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n"},
    {"etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"},
    {"etc/hostname", "localhost\n"},
    {"etc/resolv.conf", ""},
    {"etc/shells", "/bin/sh\n/bin/bash\n"},
};

struct plain_folder {
  char const* path;
  unsigned mode;
};
constexpr plain_folder folders[] = {{"proc", 0555}, {"sys", 0555}, {"dev", 0755},  {"etc", 0755},      {"tmp", 01777},
                                    {"run", 0755},  {"var", 0755}, {"root", 0700}, {"var/tmp", 01777}, {"home", 0755}};

base::error io_error(fs::path const& path, std::string const& why) {
  return base::error(path.string() + ": " + why);
}

base::result<void> make_folder(fs::path const& path, unsigned mode) {
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    return io_error(path, std::strerror(errno));
  }
  if (chmod(path.c_str(), mode) != 0) {
    return io_error(path, std::strerror(errno));
  }
  return {};
}

}  // namespace

base::result<void> write_file(fs::path const& path, std::string_view bytes, unsigned mode) {
  std::error_code ignored;
  fs::create_directories(path.parent_path(), ignored);
  int const fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return io_error(path, std::strerror(errno));
  }
  while (!bytes.empty()) {
    auto const written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      auto const problem = io_error(path, std::strerror(errno));
      close(fd);
      return problem;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  bool const done = fchmod(fd, mode) == 0;
  auto const problem = io_error(path, std::strerror(errno));
  close(fd);
  return done ? base::result<void>() : problem;
}

base::result<image_root> build_image_root(host_view const& view, fs::path const& folder) {
  image_root out;
  out.folder = folder;
  if (auto made = make_folder(folder, 0755); !made) {
    return made.error();
  }
  for (auto const& [path, mode] : folders) {
    if (auto made = make_folder(folder / path, mode); !made) {
      return made.error();
    }
  }
  std::error_code error;
  for (auto const& name : view.folders) {
    fs::path const on_host = name;
    auto const inside = folder / on_host.relative_path();
    auto const status = fs::symlink_status(on_host, error);
    if (fs::is_symlink(status)) {
      fs::create_symlink(fs::read_symlink(on_host, error), inside, error);
    } else if (fs::is_directory(status)) {
      fs::create_directories(inside, error);
      container_mount mount;
      mount.destination = name;
      mount.source = on_host;
      out.mounts.push_back(std::move(mount));
    }
  }
  for (auto const& name : view.copies) {
    fs::path const on_host = name;
    auto const inside = folder / on_host.relative_path();
    if (!fs::exists(fs::symlink_status(on_host, error))) {
      continue;
    }
    fs::create_directories(inside.parent_path(), error);
    fs::copy(on_host, inside, fs::copy_options::recursive | fs::copy_options::copy_symlinks, error);
    // A part of /etc that cannot be read is a program's loss of a nicety, not the node's end.
    error.clear();
  }
  for (auto const& [path, text] : generated) {
    if (auto written = write_file(folder / path, text, 0644); !written) {
      return written.error();
    }
  }
  utsname machine{};
  uname(&machine);
  out.identity = std::string(machine.machine) + "\n" + base::read_file_if_there("/etc/os-release") +
                 base::read_file_if_there("/etc/debian_version");
  return out;
}

}  // namespace codeexec::local
