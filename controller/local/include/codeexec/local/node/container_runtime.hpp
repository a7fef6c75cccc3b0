// What the node asks of whatever runs a container: gVisor, a plain process, later a simulation that runs nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/base/result.hpp"

namespace codeexec::local {

/// A thing that appears in the container's file tree.
struct container_mount {
  enum class kind {
    bind,   ///< a file or folder of the host
    tmpfs,  ///< memory of the sandbox's own
  };
  kind what = kind::bind;
  std::string destination;       ///< absolute path inside
  std::filesystem::path source;  ///< bind: on the host
  /// bind: somebody else may change the source while the container runs, so its file system must not cache.
  bool shared = false;
  bool read_only = true;
  std::optional<std::int64_t> size_bytes;  ///< tmpfs: upper bound; absent: none of its own
  unsigned mode = 0777;                    ///< tmpfs: mode of its root
};

struct container_limits {
  std::optional<std::int64_t> memory_bytes;
  std::optional<std::int64_t> cpu_millis;
  std::optional<std::int64_t> pids;  ///< processes of the host; ignored where the sandbox has its own
};

/// A container, resolved: nothing in it refers to Kubernetes any more.
struct container_spec {
  std::string id;                  ///< unique among all that live; [a-z0-9-]
  std::filesystem::path work_dir;  ///< exists, belongs to this container alone; for the runtime's own files
  std::filesystem::path root;      ///< the image's root folder on the host, shared and never written
  std::vector<std::string> args;
  std::vector<std::string> env;  ///< NAME=value
  std::string cwd = "/";
  std::string hostname;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;
  std::vector<std::string> capabilities;  ///< "CAP_CHOWN"; usually none
  bool read_only_root = false;
  bool no_new_privileges = true;
  std::vector<container_mount> mounts;  ///< in order
  /// Plain processes alone. The descriptor of a network namespace to be in, good for the call of start(); -1: one of
  /// its own in which there is nothing.
  int network = -1;
  bool host_network = false;  ///< plain processes alone
  container_limits limits;
};

/// How it ended.
struct container_exit {
  int exit_code = 0;  ///< 128 + signal where one ended it
  bool oom_killed = false;
  /// Set where the command never ran; then a sentence in the runtime's words, and the rest means nothing.
  std::optional<std::string> start_error;
};

/// Called on the executor's thread, never from inside start() or signal(). In this order: started (once, unless the
/// command never ran), output (any number), exited (once, after the last output).
struct container_events {
  std::function<void()> started;
  std::function<void(std::string_view bytes)> output;  ///< stdout and stderr, in the order they were written
  std::function<void(container_exit)> exited;
};

/// A container that was started. Destroying it before `exited` kills it without a further callback.
class container {
 public:
  container() = default;
  container(container const&) = delete;
  container& operator=(container const&) = delete;
  virtual ~container() = default;

  /// To the container's first process. SIGKILL ends all of its processes. Nothing happens where it has ended.
  virtual void signal(int number) = 0;
};

class container_runtime {
 public:
  container_runtime() = default;
  container_runtime(container_runtime const&) = delete;
  container_runtime& operator=(container_runtime const&) = delete;
  virtual ~container_runtime() = default;

  /// A failure: nothing was started, and the sentence says why in the runtime's words.
  virtual base::result<std::unique_ptr<container>> start(container_spec spec, container_events events) = 0;

  virtual std::string describe() const = 0;
  /// Whether code sees gVisor's kernel from inside.
  virtual bool sandboxed() const = 0;
  /// "containerd", as it stands before "://" in a container's id.
  virtual std::string_view scheme() const = 0;
};

}  // namespace codeexec::local
