// Runs the Pods that are bound to the node and keeps their status true.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "codeexec/local/cluster_access.hpp"
#include "codeexec/local/log_source.hpp"
#include "codeexec/local/node/cluster_events.hpp"
#include "codeexec/local/node/container_plan.hpp"
#include "codeexec/local/node/container_runtime.hpp"
#include "codeexec/local/node/images.hpp"
#include "codeexec/local/node/node.hpp"
#include "codeexec/local/store.hpp"

#include "image_root.hpp"

namespace codeexec::local {

/// Thread: the executor's one. Every handler is idempotent: it compares what should be with what is.
class kubelet {
 public:
  /// What runs the machine's own programs outside of the sandbox; made when first asked for.
  using plain_runtime = std::function<base::result<container_runtime*>()>;

  /// `folder` exists and is ours; `runtime`, `objects` and `cluster` (which may be null) outlive the kubelet.
  kubelet(boost::asio::any_io_executor executor, store& objects, node_options const& options,
          container_runtime& runtime, plain_runtime plain, cluster_access* cluster, image_catalogue images,
          image_root root, std::filesystem::path folder);
  ~kubelet();
  kubelet(kubelet const&) = delete;
  kubelet& operator=(kubelet const&) = delete;

  /// A Pod bound to this node is there, or has changed.
  void pod_changed(object const& pod);
  void pod_gone(object const& last);
  /// Pods that wait for a ConfigMap of this namespace look again.
  void config_maps_changed(std::string const& ns);
  /// Ends every container at once.
  void stop();
  /// The machine is gone: every container with it, and not a word of it is written. Pods that it had are never looked
  /// at again.
  void vanish();

  result<std::unique_ptr<log_stream>> open_log(object const& pod, pod_log_options const& options,
                                               std::function<void()> wake);
  result<pod_ports::way> open_way(object const& pod);

 private:
  struct unit;
  struct pod_entry;
  using record_ptr = std::shared_ptr<pod_entry>;

  record_ptr adopt(object const& pod);
  void sync(record_ptr const& pod);
  bool prepare_volumes(pod_entry& pod);
  base::result<void> fill_volume(pod_entry& pod, nlohmann::json const& volume);
  void renew_tokens(record_ptr const& pod);
  pod_surroundings surroundings(pod_entry const& pod) const;
  void launch(record_ptr const& pod, std::size_t index);
  void let_go(pod_entry& record);
  void forget_all();
  image_config const* find_image(record_ptr const& pod, std::size_t index);
  void pull_failed(record_ptr const& pod, std::size_t index, image_reference const& name);
  bool is_own(pod_entry const& pod, image_config const& image) const;
  base::result<void> prepare_own(pod_entry& pod, image_config const& image, container_spec& spec);
  base::result<void> connect(pod_entry& pod);
  void run(record_ptr const& pod, std::size_t index, container_spec spec, container_runtime& runtime);
  void give_address(pod_entry& pod);
  void started(record_ptr const& pod, std::size_t index);
  void exited(record_ptr const& pod, std::size_t index, container_exit how);
  std::string termination_message(pod_entry const& pod, std::size_t index, int exit_code) const;
  void settle(record_ptr const& pod);
  void plan_restart(record_ptr const& pod, std::size_t index);
  void restart(record_ptr const& pod, std::size_t index);
  void begin_probes(record_ptr const& pod, std::size_t index);
  void probed(record_ptr const& pod, std::size_t index, std::string const& kind, bool good);
  base::result<boost::asio::ip::tcp::socket> open_socket(pod_entry const& pod);
  void terminate(record_ptr const& pod);
  /// Ends the Pod once its spec.activeDeadlineSeconds have passed: true from then on.
  bool past_its_deadline(record_ptr const& pod);
  /// SIGTERM, and SIGKILL once `grace` seconds have passed; a shorter one takes the place of a longer.
  void stop_containers(record_ptr const& pod, std::int64_t grace);
  void retry(record_ptr const& pod, std::chrono::milliseconds after);
  void write_status(pod_entry const& pod);
  void event(pod_entry const& pod, event_kind kind, std::string_view reason, std::string const& message,
             std::string const& container = {});
  nlohmann::json const* config_map(std::string const& ns, std::string const& name);
  bool has_program(std::string const& name) const;
  bool read_images_again();

  boost::asio::any_io_executor executor_;
  store& store_;
  node_options const& options_;
  container_runtime& runtime_;
  plain_runtime plain_;
  cluster_access* cluster_;
  image_catalogue images_;
  image_root root_;
  std::filesystem::path folder_;
  cluster_events events_;
  std::map<std::string, record_ptr> pods_;   ///< by uid
  std::map<std::string, object> looked_up_;  ///< keeps ConfigMaps alive while a Pod is being prepared
  std::set<std::string> lost_;               ///< uids of Pods that went with a machine
  std::filesystem::file_time_type images_read_{};
  unsigned next_address_ = 0;
  bool stopped_ = false;
  bool warned_of_network_ = false;
};

}  // namespace codeexec::local
