#include "cgroup.hpp"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <signal.h>
#include <sstream>
#include <string_view>
#include <unistd.h>

#include "codeexec/base/file.hpp"

namespace codeexec::local {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> wanted_controllers{"memory", "cpu", "pids"};
// The longest period the kernel takes. A container's limit is an average; with the usual 0.1 s a program that would be
// done in 70 ms of processor time waits for most of that again.
constexpr std::int64_t cpu_period_us = 1'000'000;
// Far above what a program needs, far below what hurts the machine. Each process of a sandbox is some of the host's.
constexpr std::int64_t default_pids = 4096;

/// One write(2): control files take their value whole or refuse it.
bool put(fs::path const& path, std::string const& value) {
  int const fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) {
    return false;
  }
  bool const written = write(fd, value.data(), value.size()) == static_cast<ssize_t>(value.size());
  close(fd);
  return written;
}

std::vector<std::string> split(std::string const& text, char separator) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) {
    out.push_back(part);
  }
  return out;
}

bool contains(std::vector<std::string> const& all, std::string_view one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

/// Processes that are in `folder` right now.
std::vector<pid_t> members(fs::path const& folder) {
  std::vector<pid_t> out;
  std::istringstream in(base::read_file_if_there((folder / "cgroup.procs").string()));
  for (pid_t pid = 0; in >> pid;) {
    out.push_back(pid);
  }
  return out;
}

void kill_members(fs::path const& folder) {
  for (auto const pid : members(folder)) {
    kill(pid, SIGKILL);
  }
}

std::uint64_t counter(std::string const& text, std::string const& key) {
  std::istringstream in(text);
  std::string name;
  for (std::uint64_t value = 0; in >> name >> value;) {
    if (name == key) {
      return value;
    }
  }
  return 0;
}

}  // namespace

std::vector<cgroup_mount> parse_cgroup_mounts(std::string const& mountinfo) {
  std::vector<cgroup_mount> out;
  for (auto const& line : split(mountinfo, '\n')) {
    auto const separator = line.find(" - ");
    if (separator == std::string::npos) {
      continue;
    }
    auto const before = split(line.substr(0, separator), ' ');
    auto const after = split(line.substr(separator + 3), ' ');
    if (before.size() < 6 || after.size() < 3 || (after[0] != "cgroup" && after[0] != "cgroup2")) {
      continue;
    }
    cgroup_mount mount;
    mount.unified = after[0] == "cgroup2";
    mount.root = before[3];
    mount.at = before[4];
    for (auto const& option : mount.unified ? std::vector<std::string>() : split(after[2], ',')) {
      if (std::find(wanted_controllers.begin(), wanted_controllers.end(), option) != wanted_controllers.end()) {
        mount.controllers.push_back(option);
      }
    }
    out.push_back(std::move(mount));
  }
  return out;
}

std::string parse_own_cgroup(std::string const& proc_self_cgroup, std::string const& controller) {
  for (auto const& line : split(proc_self_cgroup, '\n')) {
    auto const first = line.find(':');
    auto const second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) {
      continue;
    }
    auto const names = split(line.substr(first + 1, second - first - 1), ',');
    if (controller.empty() ? names.empty() : contains(names, controller)) {
      return line.substr(second + 1);
    }
  }
  return "/";
}

cgroup::~cgroup() {
  remove();
}

bool cgroup::remove() {
  std::error_code ignored;
  auto const gone = [&](folder const& f) { return fs::remove(f.path, ignored) || !fs::exists(f.path, ignored); };
  folders_.erase(std::remove_if(folders_.begin(), folders_.end(), gone), folders_.end());
  return folders_.empty();
}

std::vector<fs::path> cgroup::procs_files() const {
  std::vector<fs::path> out;
  for (auto const& [controller, path] : folders_) {
    out.push_back(path / "cgroup.procs");
  }
  return out;
}

void cgroup::limit_cpu(std::int64_t millis) {
  auto const quota = std::to_string(std::max<std::int64_t>(millis * cpu_period_us / 1000, 1000));
  for (auto const& [controller, path] : folders_) {
    if (controller.empty()) {
      put(path / "cpu.max", quota + " " + std::to_string(cpu_period_us));
    } else if (controller == "cpu") {
      put(path / "cpu.cfs_period_us", std::to_string(cpu_period_us));
      put(path / "cpu.cfs_quota_us", quota);
    }
  }
}

bool cgroup::oom_killed() const {
  return std::any_of(folders_.begin(), folders_.end(), [](folder const& f) {
    auto const file = f.controller.empty() ? "memory.events" : "memory.oom_control";
    return (f.controller.empty() || f.controller == "memory") &&
           counter(base::read_file_if_there((f.path / file).string()), "oom_kill") > 0;
  });
}

void cgroup::kill_all() const {
  for (auto const& [controller, path] : folders_) {
    kill_members(path);
  }
}

cgroup_manager::cgroup_manager(std::string const& name) {
  auto const own = base::read_file_if_there("/proc/self/cgroup");
  for (auto const& mount : parse_cgroup_mounts(base::read_file_if_there("/proc/self/mountinfo"))) {
    if (!mount.unified && mount.controllers.empty()) {
      continue;
    }
    auto own_path = parse_own_cgroup(own, mount.unified ? "" : mount.controllers.front());
    if (mount.root != "/" && own_path.compare(0, mount.root.size(), mount.root) == 0) {
      own_path = own_path.substr(mount.root.size());
    }
    // In our own group first, so that limits set on us hold for what we start; the v2 rule that a group with processes
    // hands no controllers down makes the top the second choice.
    for (auto const& parent : {mount.at / fs::path(own_path).relative_path(), mount.at}) {
      hierarchy found;
      found.unified = mount.unified;
      found.folder = parent / name;
      if (mount.unified) {
        put(parent / "cgroup.subtree_control", "+memory +cpu +pids");
      }
      std::error_code error;
      if (!fs::create_directory(found.folder, error) || error) {
        continue;
      }
      if (mount.unified) {
        auto const available =
            split(base::read_file_if_there((found.folder / "cgroup.controllers").string()).substr(0, 4096), '\n');
        auto const names = available.empty() ? std::vector<std::string>() : split(available.front(), ' ');
        for (auto const controller : wanted_controllers) {
          if (contains(names, controller) && !has(std::string(controller)) &&
              put(found.folder / "cgroup.subtree_control", "+" + std::string(controller))) {
            found.controllers.emplace_back(controller);
          }
        }
      } else {
        found.controllers = mount.controllers;
      }
      if (found.controllers.empty()) {
        fs::remove(found.folder, error);
        continue;
      }
      hierarchies_.push_back(std::move(found));
      break;
    }
  }
}

cgroup_manager::~cgroup_manager() {
  for (auto const& h : hierarchies_) {
    remove_tree(h.folder);
  }
}

std::string cgroup_manager::describe() const {
  std::string have;
  std::string missing;
  for (auto const controller : wanted_controllers) {
    auto& into = has(std::string(controller)) ? have : missing;
    into += (into.empty() ? "" : ", ") + std::string(controller);
  }
  if (have.empty()) {
    return "no cgroup can be made here: memory, cpu and processes of a pod are not limited";
  }
  return have + " by cgroup" + (missing.empty() ? "" : "; not limited: " + missing);
}

bool cgroup_manager::has(std::string const& controller) const {
  return std::any_of(hierarchies_.begin(), hierarchies_.end(),
                     [&](hierarchy const& h) { return contains(h.controllers, controller); });
}

std::vector<fs::path> cgroup_manager::folders() const {
  std::vector<fs::path> out;
  for (auto const& h : hierarchies_) {
    out.push_back(h.folder);
  }
  return out;
}

void cgroup_manager::retire(std::unique_ptr<cgroup> group) {
  if (group != nullptr) {
    group->kill_all();
    retired_.push_back(std::move(group));
  }
  auto const gone = [](auto const& g) { return g->remove(); };
  retired_.erase(std::remove_if(retired_.begin(), retired_.end(), gone), retired_.end());
}

std::unique_ptr<cgroup> cgroup_manager::make(std::string const& id, container_limits const& limits) {
  retire(nullptr);
  std::unique_ptr<cgroup> made(new cgroup());
  for (auto const& h : hierarchies_) {
    auto const folder = h.folder / id;
    std::error_code error;
    if (!fs::create_directory(folder, error) || error) {
      continue;
    }
    if (h.unified) {
      made->folders_.push_back(cgroup::folder{"", folder});
    }
    for (auto const& controller : h.controllers) {
      if (!h.unified) {
        made->folders_.push_back(cgroup::folder{controller, folder});
      }
      if (controller == "memory" && limits.memory_bytes) {
        auto const value = std::to_string(*limits.memory_bytes);
        put(folder / (h.unified ? "memory.max" : "memory.limit_in_bytes"), value);
        // Swap would only stretch the end of a program that is over its limit.
        put(folder / (h.unified ? "memory.swap.max" : "memory.memsw.limit_in_bytes"), h.unified ? "0" : value);
      } else if (controller == "pids") {
        put(folder / "pids.max", std::to_string(limits.pids.value_or(default_pids)));
      }
    }
  }
  return made->folders_.empty() ? nullptr : std::move(made);
}

void cgroup_manager::remove_tree(fs::path const& folder) {
  std::error_code ignored;
  // A group empties a moment after its last process was killed; nothing tells us when, so look a few times.
  for (int attempt = 0; attempt < 50; ++attempt) {
    bool gone = true;
    for (auto const& entry : fs::directory_iterator(folder, ignored)) {
      if (entry.is_directory(ignored)) {
        kill_members(entry.path());
        gone = fs::remove(entry.path(), ignored) && gone;
      }
    }
    kill_members(folder);
    if (gone && (fs::remove(folder, ignored) || !fs::exists(folder, ignored))) {
      return;
    }
    usleep(10'000);
  }
}

}  // namespace codeexec::local
