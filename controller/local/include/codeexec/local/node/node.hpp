// The one node of codeexec-local: a scheduler that knows one machine, and a kubelet that runs each container in gVisor.
//
// Everything is driven by the store's watch: no polling, no added delay. State that must outlive a call is in the
// store; what the node keeps (open sandboxes, logs) dies with the process, and the sandboxes with it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "codeexec/base/result.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/local/cluster_access.hpp"
#include "codeexec/local/log_source.hpp"
#include "codeexec/local/node/container_runtime.hpp"
#include "codeexec/local/store.hpp"

namespace codeexec::local {

enum class runtime_choice {
  automatic,  ///< gVisor where its self-test passes, else plain processes after a warning that nobody can miss
  gvisor,     ///< gVisor, or start() fails
  process,    ///< plain processes, after the warning
};

/// "auto", "gvisor", "process"; nothing for any other word.
std::optional<runtime_choice> parse_runtime_choice(std::string_view word);

struct node_options {
  std::string name = "local";
  /// A folder of ours: one subfolder per running codeexec-local, locked; those whose owner is gone are cleaned at
  /// start.
  std::filesystem::path state_dir = "/run/codeexec-local";
  /// Image configuration (config/local/images.yaml says the format). Empty: the copy built into the program.
  std::filesystem::path images_file;
  runtime_choice runtime = runtime_choice::automatic;
  std::string runsc = "runsc";  ///< name or path
  // Capacity of the Node object; absent: the machine's.
  std::optional<std::int64_t> cpu_millis;
  std::optional<std::int64_t> memory_bytes;
  std::int64_t max_pods = 110;
  /// The kubelet's: 10 s, doubled up to 5 min, between tries to pull an image that is not there.
  std::chrono::milliseconds pull_backoff{10'000};
  /// How soon ErrImagePull turns into ImagePullBackOff.
  std::chrono::milliseconds pull_settle{1'000};
  /// The kubelet's: how long a container that ends again and again is left alone, doubled up to 5 min. The first time
  /// it is started again at once.
  std::chrono::milliseconds restart_backoff{10'000};
  std::size_t log_bytes = 10u * 1024u * 1024u;  ///< kept per container, counted as the kubelet's file is
};

/// Thread: the executor's single one, for every call and every callback.
/// The store must outlive the node; the types pods, nodes, configmaps, events and runtimeclasses must be served by it.
class node : public log_source, public pod_ports {
 public:
  node(boost::asio::any_io_executor executor, store& objects, node_options options);
  /// For tests and for simulated nodes: with a runtime of the caller's.
  node(boost::asio::any_io_executor executor, store& objects, node_options options,
       std::unique_ptr<container_runtime> runtime);
  /// stop() must have been awaited, or the executor's context must be gone.
  ~node() override;

  /// What pods of the machine's own programs are given. Null: such pods do not start. Before start(); outlives stop().
  void set_cluster(cluster_access* cluster);

  /// Cleans what a killed predecessor left, tests the sandbox (blocking, under a second), builds the images' root,
  /// makes the Node object and begins to serve pods. A failure is a sentence for the operator of the program.
  base::result<void> start();

  /// Stops scheduling, ends every sandbox at once (no grace: the machine goes away), waits for them, removes the state
  /// folder. Not cancellable; takes about 0.2 s, and never more than a few seconds.
  boost::asio::awaitable<void> stop();

  result<std::unique_ptr<log_stream>> open_log(object const& pod, pod_log_options options,
                                               std::function<void()> wake) override;

  result<way> open_way(object const& pod) override;

  /// "gVisor (runsc 20240729.0, platform systrap)", "plain processes": for the program's start-up line. After start().
  std::string describe_runtime() const;
  /// True where containers run in gVisor.
  bool sandboxed() const;

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace codeexec::local
