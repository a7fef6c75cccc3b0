#include "process_runtime.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <linux/capability.h>
#include <list>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process.hpp"
#include "process_container.hpp"

namespace codeexec::local {
namespace {

namespace fs = std::filesystem;

/// A step of the child's, written down before the clone so that the child need not allocate.
struct step {
  enum class kind { tmpfs, bind, read_only, folder, file, link, proc, pseudo, node };
  kind what;
  std::string target;  ///< under the new root, as the host sees it
  std::string source;  ///< bind, link
  std::string data;    ///< mount options
  unsigned long flags = 0;
};

/// Everything that the child does between clone and exec.
struct child_setup {
  std::string root;  ///< an empty folder on which the new root is put together
  std::vector<step> steps;
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::vector<std::string> candidates;  ///< paths of the command, in the order of PATH
  std::vector<char*> arg_pointers;
  std::vector<char*> env_pointers;
  std::string cwd;
  std::string hostname;
  std::vector<gid_t> groups;
  uid_t uid = 0;
  gid_t gid = 0;
  bool new_hostname = false;
  bool no_new_privileges = true;
  bool keep_capabilities = false;
  bool read_only_root = false;
  std::string failure_file;
};

void say(int fd, char const* text) {
  ssize_t const ignored = write(fd, text, std::strlen(text));
  static_cast<void>(ignored);
}

/// Into the file that the parent reads: what could not be done, and why. Allocates nothing.
[[noreturn]] void give_up(int failure, char const* what, char const* name) {
  int const error = errno;
  if (failure >= 0) {
    say(failure, what);
    say(failure, " ");
    say(failure, name);
    say(failure, ": ");
    say(failure, strerrordesc_np(error) == nullptr ? "unknown error" : strerrordesc_np(error));
  }
  _exit(127);
}

bool do_step(step const& s) {
  switch (s.what) {
    case step::kind::tmpfs:
      return mount("tmpfs", s.target.c_str(), "tmpfs", s.flags, s.data.c_str()) == 0;
    case step::kind::bind:
      return mount(s.source.c_str(), s.target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0;
    case step::kind::read_only:
      return mount(nullptr, s.target.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV,
                   nullptr) == 0;
    case step::kind::folder:
      return mkdir(s.target.c_str(), 0755) == 0 || errno == EEXIST;
    case step::kind::file: {
      int const fd = open(s.target.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
      if (fd >= 0) {
        close(fd);
      }
      return fd >= 0;
    }
    case step::kind::link:
      return symlink(s.source.c_str(), s.target.c_str()) == 0 || errno == EEXIST;
    case step::kind::proc:
      return mount("proc", s.target.c_str(), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0;
    case step::kind::pseudo:
      return chmod(s.target.c_str(), 01777) == 0;
    case step::kind::node:
      return mount(s.source.c_str(), s.target.c_str(), nullptr, MS_BIND, nullptr) == 0;
  }
  return false;
}

/// Nothing we mount may be seen outside: every mount of the new namespace becomes private.
bool make_mounts_private() {
  auto const from_here = [] { return mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0; };
  if (from_here()) {
    return true;
  }
  if (errno != EINVAL) {
    return false;
  }
  // In a plain chroot / is a folder of some mount above it, which may be shared with the rest of the machine. Entering
  // the namespace that we are in already leads to its own root (setns(2)); then back to where we were.
  int const here = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int const self = static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0U));
  bool const done =
      here >= 0 && self >= 0 && setns(self, CLONE_NEWNS) == 0 && from_here() && fchdir(here) == 0 && chroot(".") == 0;
  int const error = errno;
  close(self);
  close(here);
  errno = error;
  return done;
}

[[noreturn]] void run_setup(child_setup const& setup, int failure) {
  if (!make_mounts_private()) {
    give_up(failure, "cannot make mounts private", "/");
  }
  for (auto const& s : setup.steps) {
    if (!do_step(s)) {
      give_up(failure, "cannot set up", s.target.c_str());
    }
  }
  if (setup.read_only_root &&
      mount(nullptr, setup.root.c_str(), nullptr, MS_REMOUNT | MS_RDONLY | MS_NOSUID, nullptr) != 0) {
    give_up(failure, "cannot make read-only", setup.root.c_str());
  }
  if (chroot(setup.root.c_str()) != 0 || chdir("/") != 0) {
    give_up(failure, "chroot", setup.root.c_str());
  }
  if (setup.new_hostname && sethostname(setup.hostname.c_str(), setup.hostname.size()) != 0) {
    give_up(failure, "sethostname", setup.hostname.c_str());
  }
  if (chdir(setup.cwd.c_str()) != 0) {
    give_up(failure, "chdir to cwd", setup.cwd.c_str());
  }
  rlimit const no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  if (!setup.keep_capabilities) {
    // Of what may ever be had again; what is had now stays until the user changes.
    for (int capability = 0; capability < 64; ++capability) {
      prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
  }
  // The bare calls: glibc's tell all threads of the process, and the memory here is the parent's (process.cpp).
  if (syscall(SYS_setgroups, setup.groups.size(), setup.groups.data()) != 0 ||
      syscall(SYS_setresgid, setup.gid, setup.gid, setup.gid) != 0 ||
      syscall(SYS_setresuid, setup.uid, setup.uid, setup.uid) != 0) {
    give_up(failure, "cannot become the container's user", "");
  }
  if (!setup.keep_capabilities && setup.uid == 0) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> none{};
    syscall(SYS_capset, &header, none.data());
  }
  // Changing the user cleared it.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (setup.no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    give_up(failure, "no_new_privs", "");
  }
  int error = ENOENT;
  for (auto const& candidate : setup.candidates) {
    execve(candidate.c_str(), setup.arg_pointers.data(), setup.env_pointers.data());
    if (errno != ENOENT && errno != ENOTDIR) {
      error = errno;
    }
  }
  errno = error;
  give_up(failure, "exec:", setup.args.front().c_str());
}

/// Folders on the way to `destination`, from the top.
void add_parents(std::vector<step>& steps, std::string const& root, fs::path const& destination) {
  fs::path at = root;
  for (auto const& part : destination.relative_path()) {
    at /= part;
    steps.push_back(step{step::kind::folder, at.string(), {}, {}});
  }
}

bool mounts_below(container_spec const& spec, std::string const& folder) {
  return std::any_of(spec.mounts.begin(), spec.mounts.end(), [&folder](container_mount const& mount) {
    return mount.destination.compare(0, folder.size() + 1, folder + "/") == 0;
  });
}

/// Each entry of a folder of the image, read-only, in a folder of the new root.
void add_pieces(std::vector<step>& steps, fs::path const& folder, std::string const& target) {
  std::error_code error;
  for (auto const& entry : fs::directory_iterator(folder, error)) {
    auto const place = target + "/" + entry.path().filename().string();
    if (entry.is_symlink(error)) {
      steps.push_back(step{step::kind::link, place, fs::read_symlink(entry.path(), error).string(), {}});
      continue;
    }
    steps.push_back(step{entry.is_directory(error) ? step::kind::folder : step::kind::file, place, {}, {}});
    steps.push_back(step{step::kind::bind, place, entry.path().string(), {}});
    steps.push_back(step{step::kind::read_only, place, {}, {}});
  }
}

/// The new root: a small tmpfs with the image's own files bound into it, then the mounts in their order.
std::vector<step> root_steps(container_spec const& spec, std::string const& root, bool own_pids) {
  std::vector<step> steps;
  steps.push_back(step{step::kind::tmpfs, root, {}, "mode=0755", MS_NOSUID});
  std::error_code error;
  for (auto const& entry : fs::directory_iterator(spec.root, error)) {
    auto const target = root + "/" + entry.path().filename().string();
    if (entry.is_symlink(error)) {
      steps.push_back(step{step::kind::link, target, fs::read_symlink(entry.path(), error).string(), {}});
      continue;
    }
    steps.push_back(step{step::kind::folder, target, {}, {}});
    auto const name = entry.path().filename();
    if (name == "etc" && mounts_below(spec, "/etc")) {
      // Piece by piece: in a folder that is bound read-only nothing can be mounted that is not there.
      add_pieces(steps, entry.path(), target);
    } else if (name == "etc") {
      steps.push_back(step{step::kind::bind, target, entry.path().string(), {}});
      steps.push_back(step{step::kind::read_only, target, {}, {}});
    } else if (name == "tmp") {
      steps.push_back(step{step::kind::pseudo, target, {}, {}});
    }
  }
  if (own_pids) {
    steps.push_back(step{step::kind::proc, root + "/proc", {}, {}});
  }
  auto const dev = root + "/dev";
  for (std::string const node : {"null", "zero", "full", "random", "urandom"}) {
    steps.push_back(step{step::kind::file, dev + "/" + node, {}, {}});
    steps.push_back(step{step::kind::node, dev + "/" + node, "/dev/" + node, {}});
  }
  steps.push_back(step{step::kind::link, dev + "/fd", "/proc/self/fd", {}});
  steps.push_back(step{step::kind::link, dev + "/stdin", "/proc/self/fd/0", {}});
  steps.push_back(step{step::kind::link, dev + "/stdout", "/proc/self/fd/1", {}});
  steps.push_back(step{step::kind::link, dev + "/stderr", "/proc/self/fd/2", {}});
  steps.push_back(step{step::kind::folder, dev + "/shm", {}, {}});
  steps.push_back(step{step::kind::tmpfs, dev + "/shm", {}, "mode=1777,size=67108864", MS_NOSUID | MS_NODEV});
  for (auto const& mount : spec.mounts) {
    auto const target = root + mount.destination;
    fs::path const destination = mount.destination;
    if (mount.what == container_mount::kind::tmpfs) {
      add_parents(steps, root, destination);
      char mode[32];
      std::snprintf(mode, sizeof mode, "mode=%04o", mount.mode);
      steps.push_back(step{step::kind::tmpfs,
                           target,
                           {},
                           mode + (mount.size_bytes ? ",size=" + std::to_string(*mount.size_bytes) : std::string()),
                           MS_NOSUID | MS_NODEV | (mount.read_only ? static_cast<unsigned long>(MS_RDONLY) : 0UL)});
      continue;
    }
    add_parents(steps, root, fs::is_directory(mount.source, error) ? destination : destination.parent_path());
    if (!fs::is_directory(mount.source, error)) {
      steps.push_back(step{step::kind::file, target, {}, {}});
    }
    steps.push_back(step{step::kind::bind, target, mount.source.string(), {}});
    if (mount.read_only) {
      steps.push_back(step{step::kind::read_only, target, {}, {}});
    }
  }
  return steps;
}

std::vector<std::string> command_candidates(container_spec const& spec) {
  auto const& command = spec.args.front();
  if (command.find('/') != std::string::npos) {
    return {command};
  }
  std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (auto const& variable : spec.env) {
    if (variable.compare(0, 5, "PATH=") == 0) {
      path = variable.substr(5);
    }
  }
  std::vector<std::string> out;
  for (std::size_t at = 0; at <= path.size();) {
    auto const end = std::min(path.find(':', at), path.size());
    if (end > at) {
      out.push_back(path.substr(at, end - at) + "/" + command);
    }
    at = end + 1;
  }
  return out;
}

std::shared_ptr<child_setup> make_setup(container_spec const& spec, unsigned long namespaces) {
  auto out = std::make_shared<child_setup>();
  out->root = (spec.work_dir / "root").string();
  out->steps = root_steps(spec, out->root, (namespaces & CLONE_NEWPID) != 0);
  out->args = spec.args;
  out->env = spec.env;
  out->candidates = command_candidates(spec);
  for (auto& arg : out->args) {
    out->arg_pointers.push_back(arg.data());
  }
  out->arg_pointers.push_back(nullptr);
  for (auto& variable : out->env) {
    out->env_pointers.push_back(variable.data());
  }
  out->env_pointers.push_back(nullptr);
  out->cwd = spec.cwd;
  out->hostname = spec.hostname;
  out->new_hostname = (namespaces & CLONE_NEWUTS) != 0;
  out->groups.assign(spec.groups.begin(), spec.groups.end());
  out->uid = spec.uid;
  out->gid = spec.gid;
  out->no_new_privileges = spec.no_new_privileges;
  out->keep_capabilities = !spec.capabilities.empty();
  out->read_only_root = spec.read_only_root;
  out->failure_file = (spec.work_dir / "failure").string();
  return out;
}

process_options make_options(container_spec const& spec, unsigned long namespaces) {
  std::error_code ignored;
  fs::create_directories(spec.work_dir / "root", ignored);
  process_options out;
  out.program = spec.args.front();
  out.clone_flags = namespaces;
  out.network = spec.network;
  if (spec.network >= 0 || spec.host_network) {
    out.clone_flags &= ~static_cast<unsigned long>(CLONE_NEWNET);
  }
  auto const setup = make_setup(spec, namespaces);
  out.child = [setup] {
    int const failure = open(setup->failure_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    run_setup(*setup, failure);
  };
  return out;
}

/// What the child wrote where it could not begin; nothing where the program ran.
std::optional<std::string> failure_of(container_spec const& spec) {
  unique_fd const fd(open((spec.work_dir / "failure").c_str(), O_RDONLY | O_CLOEXEC));
  char text[1024];
  auto const got = fd ? read(fd.get(), text, sizeof text) : 0;
  return got > 0 ? std::optional(std::string(text, static_cast<std::size_t>(got))) : std::nullopt;
}

}  // namespace

base::result<unsigned long> test_namespaces(container_spec const& probe) {
  static constexpr unsigned long sets[] = {
      CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET,
      CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS,
      CLONE_NEWNS | CLONE_NEWPID,
      CLONE_NEWNS,
  };
  std::string last;
  for (auto const namespaces : sets) {
    boost::asio::io_context context;
    process_container_options options;
    std::optional<container_exit> end;
    options.child = make_options(probe, namespaces);
    options.spec = probe;
    options.events.started = [] {};
    options.events.output = [](std::string_view) {};
    options.events.exited = [&end](container_exit how) { end = std::move(how); };
    options.signal = [](process& child, int number) { child.signal(number); };
    options.judge = [&probe](process_exit how) {
      container_exit out;
      out.exit_code = how.shell_code();
      out.start_error = failure_of(probe);
      return out;
    };
    auto const started = start_process_container(context.get_executor(), std::move(options));
    if (!started) {
      last = started.error().message;
      continue;
    }
    context.run_for(std::chrono::seconds(5));
    if (end && !end->start_error && end->exit_code == 0) {
      return namespaces;
    }
    last = !end ? "did not end" : end->start_error.value_or("exit code " + std::to_string(end->exit_code));
  }
  return base::error(last);
}

process_runtime::process_runtime(boost::asio::any_io_executor executor, unsigned long namespaces,
                                 std::shared_ptr<cgroup_manager> groups)
    : executor_(std::move(executor)), namespaces_(namespaces), groups_(std::move(groups)) {}

base::result<std::unique_ptr<container>> process_runtime::start(container_spec spec, container_events events) {
  process_container_options options;
  options.child = make_options(spec, namespaces_);
  options.signal = [](process& child, int number) { child.signal(number); };
  options.judge = [spec](process_exit how) {
    container_exit out;
    out.exit_code = how.shell_code();
    if (how.code == 127) {
      if (auto failure = failure_of(spec)) {
        out.start_error = "failed to start containerd task \"" + spec.id +
                          "\": OCI runtime start failed: unable to start container process: " + *failure + ": unknown";
      }
    }
    return out;
  };
  options.groups = groups_;
  options.spec = std::move(spec);
  options.events = std::move(events);
  return start_process_container(executor_, std::move(options));
}

std::string process_runtime::describe() const {
  std::string text = "plain processes (own mounts";
  text += (namespaces_ & CLONE_NEWPID) != 0 ? ", processes" : "";
  text += (namespaces_ & CLONE_NEWIPC) != 0 ? ", ipc" : "";
  text += (namespaces_ & CLONE_NEWNET) != 0 ? ", no network" : ", THE HOST'S NETWORK";
  return text + "; NO sandbox)";
}

}  // namespace codeexec::local
