// Control groups for containers, wherever the machine lets us make them: v1 (each controller its own tree), v2 (one
// tree), or none.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codeexec/local/node/container_runtime.hpp"

namespace codeexec::local {

/// One line of /proc/self/mountinfo that mounts a cgroup hierarchy.
struct cgroup_mount {
  bool unified = false;
  std::vector<std::string> controllers;  ///< v1 only
  std::filesystem::path at;
  std::string root;  ///< the part of the hierarchy that is seen there
};
/// Pure: the two files of /proc/self as text.
std::vector<cgroup_mount> parse_cgroup_mounts(std::string const& mountinfo);
/// Where this process is in the hierarchy with that controller (empty: the unified one); "/" where it says nothing.
std::string parse_own_cgroup(std::string const& proc_self_cgroup, std::string const& controller);

/// A container's groups. Hand it to cgroup_manager::retire() at the end.
class cgroup {
 public:
  cgroup(cgroup const&) = delete;
  cgroup& operator=(cgroup const&) = delete;
  ~cgroup();

  /// The cgroup.procs files a process writes "0" to.
  std::vector<std::filesystem::path> procs_files() const;
  /// Applies the cpu limit. Apart from the rest, because it must not slow down the sandbox's own start.
  void limit_cpu(std::int64_t millis);
  /// Whether the kernel killed something in it for want of memory.
  bool oom_killed() const;
  /// SIGKILL to whatever is in it.
  void kill_all() const;
  /// Removes the folders; false while a process that is about to end still holds one.
  bool remove();

 private:
  friend class cgroup_manager;
  cgroup() = default;

  struct folder {
    std::string controller;  ///< empty: unified
    std::filesystem::path path;
  };
  std::vector<folder> folders_;
};

class cgroup_manager {
 public:
  /// Finds out, by doing it, which controllers can be used, and makes a folder `name` in each.
  explicit cgroup_manager(std::string const& name);
  cgroup_manager(cgroup_manager const&) = delete;
  cgroup_manager& operator=(cgroup_manager const&) = delete;
  ~cgroup_manager();

  /// "memory, cpu and pids limits by cgroup v1", or what is missing and why.
  std::string describe() const;
  bool has(std::string const& controller) const;
  /// The folders made, for whoever must clean up after a crash.
  std::vector<std::filesystem::path> folders() const;

  /// Null where no controller works, or the folder cannot be made: the container then runs without limits.
  std::unique_ptr<cgroup> make(std::string const& id, container_limits const& limits);
  /// Kills what is left in it and removes it; where that takes the kernel a moment, at one of the next calls.
  void retire(std::unique_ptr<cgroup> group);

  /// Kills what is in a predecessor's folder and removes it.
  static void remove_tree(std::filesystem::path const& folder);

 private:
  struct hierarchy {
    bool unified = false;
    std::vector<std::string> controllers;
    std::filesystem::path folder;
  };
  std::vector<hierarchy> hierarchies_;
  std::vector<std::unique_ptr<cgroup>> retired_;
};

}  // namespace codeexec::local
