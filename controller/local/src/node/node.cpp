#include "codeexec/local/node/node.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <signal.h>
#include <sstream>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <thread>
#include <unistd.h>

#include "codeexec/base/file.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/local/node/cluster_events.hpp"
#include "codeexec/local/node/scheduling.hpp"

#include "cgroup.hpp"
#include "gvisor_runtime.hpp"
#include "image_root.hpp"
#include "kubelet.hpp"
#include "process.hpp"
#include "process_runtime.hpp"
#include "store_feed.hpp"

namespace codeexec::local {
namespace {

namespace fs = std::filesystem;
using base::log::kv;
using nlohmann::json;

constexpr kube::resource node_type{"", "v1", "nodes", "Node", false};
constexpr std::chrono::seconds node_replacement_step{1};
constexpr char lock_name[] = "lock";
constexpr char cgroups_name[] = "cgroups";
constexpr std::string_view process_scheme = "process";

unique_fd lock_folder(fs::path const& folder) {
  unique_fd fd(open((folder / lock_name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (fd && flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    fd.reset();
  }
  return fd;
}

/// Kills whatever names the folder on its command line: sandboxes whose owner is gone. They are set to die with it, so
/// this finds something only where the kernel was not asked in time.
void kill_users_of(fs::path const& folder) {
  std::error_code ignored;
  auto const needle = folder.string() + "/";
  for (auto const& entry : fs::directory_iterator("/proc", ignored)) {
    auto const name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") == std::string::npos &&
        base::read_file_if_there((entry.path() / "cmdline").string()).find(needle) != std::string::npos) {
      kill(static_cast<pid_t>(std::stol(name)), SIGKILL);
    }
  }
}

void clean_folder(fs::path const& folder) {
  std::istringstream groups(base::read_file_if_there((folder / cgroups_name).string()));
  for (std::string group; std::getline(groups, group);) {
    cgroup_manager::remove_tree(group);
  }
  kill_users_of(folder);
  std::error_code ignored;
  fs::remove_all(folder, ignored);
}

void clean_leftovers(fs::path const& state_dir) {
  std::error_code ignored;
  for (auto const& entry : fs::directory_iterator(state_dir, ignored)) {
    if (!entry.is_directory(ignored) || !fs::exists(entry.path() / lock_name, ignored)) {
      continue;
    }
    if (auto const ours = lock_folder(entry.path())) {
      base::log::info("cleaning up after an earlier codeexec-local", {kv("folder", entry.path().string())});
      clean_folder(entry.path());
    }
  }
}

void warn_in_capitals(std::string const& why) {
  std::string const text =
      "\n"
      "********************************************************************************\n"
      "**  WARNING: NO SANDBOX. PODS RUN AS PLAIN PROCESSES OF THIS MACHINE, NOT IN  **\n"
      "**  GVISOR. CODE THAT IS NOT TRUSTED CAN ATTACK THE KERNEL AND READ WHAT THE  **\n"
      "**  MACHINE SHOWS. DO NOT RUN CODE HERE THAT YOU WOULD NOT RUN YOURSELF.      **\n"
      "********************************************************************************\n"
      "why: " +
      why + "\n\n";
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

container_spec probe_spec(fs::path const& folder, image_root const& root) {
  container_spec probe;
  // The sandbox's control socket is abstract and named after the id: two stand-ins that start at once need two names.
  probe.id = "selftest-" + folder.filename().string();
  probe.work_dir = folder / "selftest";
  probe.root = root.folder;
  probe.mounts = root.mounts;
  probe.args = {"true"};
  probe.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  probe.hostname = "selftest";
  probe.uid = 65532;
  probe.gid = 65532;
  probe.read_only_root = true;
  return probe;
}

}  // namespace

std::optional<runtime_choice> parse_runtime_choice(std::string_view word) {
  if (word == "auto") {
    return runtime_choice::automatic;
  }
  if (word == "gvisor") {
    return runtime_choice::gvisor;
  }
  if (word == "process") {
    return runtime_choice::process;
  }
  return std::nullopt;
}

struct node::state {
  state(boost::asio::any_io_executor on, store& all, node_options given, std::unique_ptr<container_runtime> how)
      : executor(std::move(on)),
        objects(all),
        options(std::move(given)),
        runtime(std::move(how)),
        scheduler_events(all, "default-scheduler", options.name) {}

  boost::asio::any_io_executor executor;
  store& objects;
  node_options options;
  std::unique_ptr<container_runtime> runtime;
  std::unique_ptr<container_runtime> plain;  ///< for the machine's own programs, where `runtime` is gVisor
  cluster_access* cluster = nullptr;
  container_spec probe;  ///< runs a tiny program in the images' root
  cluster_events scheduler_events;

  fs::path folder;
  unique_fd lock;
  std::shared_ptr<cgroup_manager> groups;
  std::unique_ptr<kubelet> agent;
  std::unique_ptr<store_feed> pods;
  std::unique_ptr<store_feed> config_maps;
  std::unique_ptr<store_feed> nodes;
  boost::asio::steady_timer replacement{executor};
  bool present = true;  ///< the machine is there

  node_resources capacity;
  json labels;
  node_resources used;
  std::map<std::string, node_resources> reserved;  ///< by uid of the Pods that are bound here and have not ended
  std::map<std::uint64_t, object> waiting;         ///< by the order in which they were first seen
  std::map<std::string, std::uint64_t> place_of;   ///< uid -> key of `waiting`
  std::uint64_t next_place = 0;

  base::result<void> open_folder();
  base::result<void> choose_runtime(image_root const& root);
  base::result<container_runtime*> plain_runtime();
  void make_node_object();

  void pod_changed(object const& pod);
  void pod_gone(object const& pod);
  void release(std::string const& uid);
  void forget_waiting(std::string const& uid);
  bool try_schedule(object const& pod);
  void schedule_waiting();

  void machine_gone();
  void end_lost_pods();
  void machine_replaced();
};

base::result<void> node::state::open_folder() {
  std::error_code error;
  fs::create_directories(options.state_dir, error);
  if (error) {
    return base::error("cannot make " + options.state_dir.string() + ": " + error.message());
  }
  clean_leftovers(options.state_dir);
  // Short, because sockets have their place below it and 107 characters at most.
  folder = options.state_dir / objects.new_uid().substr(0, 8);
  fs::create_directories(folder / "p", error);
  fs::permissions(folder, fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec, error);
  lock = lock_folder(folder);
  if (!lock) {
    return base::error("cannot lock " + folder.string() + ": " + std::strerror(errno));
  }
  return {};
}

base::result<void> node::state::choose_runtime(image_root const& root) {
  groups = std::make_shared<cgroup_manager>("codeexec-local-" + folder.filename().string());
  std::string names;
  for (auto const& group : groups->folders()) {
    names += group.string() + "\n";
  }
  if (auto written = write_file(folder / cgroups_name, names, 0600); !written) {
    return written.error();
  }
  std::string why = "--runtime process was asked for";
  if (options.runtime != runtime_choice::process) {
    auto features = test_gvisor(options.runsc, probe_spec(folder, root));
    if (features) {
      runtime = std::make_unique<gvisor_runtime>(executor, *find_program(options.runsc), std::move(*features), groups);
      return {};
    }
    if (options.runtime == runtime_choice::gvisor) {
      return base::error("gVisor cannot run pods on this machine: " + features.error().message);
    }
    why = "gVisor cannot run pods on this machine: " + features.error().message;
  }
  auto const namespaces = test_namespaces(probe_spec(folder, root));
  if (!namespaces) {
    return base::error(why + "; and as plain processes pods cannot run either: " + namespaces.error().message);
  }
  warn_in_capitals(why);
  runtime = std::make_unique<process_runtime>(executor, *namespaces, groups);
  return {};
}

/// What runs the machine's own programs: plain processes. Blocks for a moment when first asked.
base::result<container_runtime*> node::state::plain_runtime() {
  if (runtime->scheme() == process_scheme) {
    return runtime.get();
  }
  if (plain == nullptr) {
    auto const namespaces = test_namespaces(probe);
    if (!namespaces) {
      return base::error("this machine's own programs cannot run as plain processes: " + namespaces.error().message);
    }
    plain = std::make_unique<process_runtime>(executor, *namespaces, groups);
  }
  return plain.get();
}

void node::state::make_node_object() {
  struct sysinfo machine {};
  sysinfo(&machine);
  struct statvfs disk {};
  statvfs(options.state_dir.c_str(), &disk);
  capacity.cpu_millis =
      options.cpu_millis.value_or(static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency())) * 1000);
  capacity.memory_bytes = options.memory_bytes.value_or(static_cast<std::int64_t>(machine.totalram) * machine.mem_unit);
  capacity.ephemeral_bytes = static_cast<std::int64_t>(disk.f_bavail) * static_cast<std::int64_t>(disk.f_frsize);
  capacity.pods = options.max_pods;
  labels = json{{"kubernetes.io/hostname", options.name},
                {"kubernetes.io/os", "linux"},
                {"kubernetes.io/arch", sizeof(void*) == 8 ? "amd64" : "386"}};
#if defined(__aarch64__)
  labels["kubernetes.io/arch"] = "arm64";
#endif
  if (objects.find_type("", "nodes") == nullptr) {
    return;
  }
  auto const now = base::format_time(objects.clock().wall_now());
  auto const cpu = capacity.cpu_millis % 1000 == 0 ? std::to_string(capacity.cpu_millis / 1000)
                                                   : std::to_string(capacity.cpu_millis) + "m";
  json const amounts{{"cpu", cpu},
                     {"memory", std::to_string(capacity.memory_bytes / 1024) + "Ki"},
                     {"ephemeral-storage", std::to_string(capacity.ephemeral_bytes / 1024) + "Ki"},
                     {"pods", std::to_string(capacity.pods)}};
  json status{{"capacity", amounts}, {"allocatable", amounts}};
  status["conditions"] = json::array({json{{"type", "Ready"},
                                           {"status", "True"},
                                           {"lastHeartbeatTime", now},
                                           {"lastTransitionTime", now},
                                           {"reason", "KubeletReady"},
                                           {"message", "kubelet is posting ready status"}}});
  status["addresses"] = json::array(
      {json{{"type", "InternalIP"}, {"address", "127.0.0.1"}}, json{{"type", "Hostname"}, {"address", options.name}}});
  status["nodeInfo"] = json{{"containerRuntimeVersion", runtime->describe()},
                            {"operatingSystem", "linux"},
                            {"architecture", labels["kubernetes.io/arch"]},
                            {"osImage", ""},
                            {"kernelVersion", ""},
                            {"kubeletVersion", "v1.36.2"},
                            {"kubeProxyVersion", ""},
                            {"machineID", ""},
                            {"systemUUID", ""},
                            {"bootID", ""}};
  json made{{"apiVersion", "v1"},
            {"kind", "Node"},
            {"metadata", json{{"name", options.name}, {"labels", labels}}},
            {"spec", json::object()},
            {"status", status}};
  auto const created = objects.create(node_type, made);
  if (!created && !created.error().is_already_exists()) {
    base::log::warn("cannot make the Node object", {kv("error", created.error().message)});
    return;
  }
  objects.mutate(node_type, {}, options.name, part::status, [&](json& object) {
    object["status"] = status;
    return true;
  });
}

// Scheduling ------------------------------------------------------------------------------------------------------

void node::state::pod_changed(object const& pod) {
  auto const where = string_at(*pod, "spec.nodeName");
  if (where.empty()) {
    if (pod.being_deleted()) {
      forget_waiting(pod.uid());
      return;
    }
    auto const known = place_of.find(pod.uid());
    if (known != place_of.end()) {
      waiting[known->second] = pod;
    } else if (!try_schedule(pod)) {
      place_of[pod.uid()] = next_place;
      waiting[next_place++] = pod;
    }
    return;
  }
  forget_waiting(pod.uid());
  if (where != options.name) {
    return;
  }
  auto const phase = string_at(*pod, "status.phase");
  if (phase == "Succeeded" || phase == "Failed") {
    release(pod.uid());
  } else if (reserved.find(pod.uid()) == reserved.end()) {
    used += reserved[pod.uid()] = pod_requests(*pod);
  }
  agent->pod_changed(pod);
}

void node::state::pod_gone(object const& pod) {
  forget_waiting(pod.uid());
  agent->pod_gone(pod);
  release(pod.uid());
}

void node::state::release(std::string const& uid) {
  auto const found = reserved.find(uid);
  if (found == reserved.end()) {
    return;
  }
  used -= found->second;
  reserved.erase(found);
  schedule_waiting();
}

void node::state::forget_waiting(std::string const& uid) {
  auto const known = place_of.find(uid);
  if (known != place_of.end()) {
    waiting.erase(known->second);
    place_of.erase(known);
  }
}

void node::state::schedule_waiting() {
  auto const all = waiting;
  for (auto const& [place, pod] : all) {
    if (waiting.find(place) != waiting.end() && try_schedule(pod)) {
      forget_waiting(pod.uid());
    }
  }
}

bool node::state::try_schedule(object const& pod) {
  auto const asked = pod_requests(*pod);
  auto reasons = present ? why_not(capacity, used, asked) : std::vector<std::string>{"no nodes"};
  bool const selected = selects_node(*pod, labels);
  bool const ever = selected && why_not(capacity, node_resources(), asked).empty();
  if (!selected) {
    reasons = {"node(s) didn't match Pod's node affinity/selector"};
  }
  auto const now = objects.clock().wall_now();
  event_subject const about{pod, "v1", "Pod", {}};
  if (!reasons.empty()) {
    auto const message =
        present ? unschedulable_message(reasons, ever) : std::string("no nodes available to schedule pods");
    auto const& told = at_path(*pod, "status.conditions");
    if (told.is_array() && !told.empty() && string_at(told[0], "message") == message) {
      return false;
    }
    objects.mutate(kube::pods, pod.ns(), pod.name(), part::status, [&](json& object) {
      json condition{{"type", "PodScheduled"},    {"status", "False"},
                     {"lastProbeTime", nullptr},  {"lastTransitionTime", base::format_time(now)},
                     {"reason", "Unschedulable"}, {"message", message}};
      if (at_path(object, "metadata.generation").is_number_integer()) {
        condition["observedGeneration"] = object["metadata"]["generation"];
      }
      object["status"]["conditions"] = json::array({std::move(condition)});
      return true;
    });
    scheduler_events.record_action(about, event_kind::warning, "FailedScheduling", message, "Scheduling");
    return false;
  }
  used += reserved[pod.uid()] = asked;
  auto const bound = objects.mutate(kube::pods, pod.ns(), pod.name(), part::all, [&](json& object) {
    object["spec"]["nodeName"] = options.name;
    object["status"]["conditions"] = json::array({json{{"type", "PodScheduled"},
                                                       {"status", "True"},
                                                       {"lastProbeTime", nullptr},
                                                       {"lastTransitionTime", base::format_time(now)}}});
    return true;
  });
  if (!bound) {
    used -= asked;
    reserved.erase(pod.uid());
    return true;  // it is gone; its end is on its way to us
  }
  scheduler_events.record_action(about, event_kind::normal, "Scheduled",
                                 "Successfully assigned " + pod.ns() + "/" + pod.name() + " to " + options.name,
                                 "Binding");
  return true;
}

// Its end ---------------------------------------------------------------------------------------------------------

/// Somebody deleted the Node object, as a cloud's controller does for a machine that is no more.
void node::state::machine_gone() {
  if (!present) {
    return;
  }
  base::log::warn("the machine is gone: its Node object was deleted", {kv("node", options.name)});
  present = false;
  agent->vanish();
  // The pod garbage collector first waits (40 s on a cluster): the node might only be late. The Job controller lets go
  // of its Pods a second after their end, so for that long they are seen ended.
  replacement.expires_after(node_replacement_step);
  replacement.async_wait([this](boost::system::error_code error) {
    if (!error) {
      end_lost_pods();
    }
  });
}

void node::state::end_lost_pods() {
  std::vector<object> ended;
  for (auto const& pod : objects.list(kube::pods)) {
    if (string_at(*pod, "spec.nodeName") != options.name) {
      continue;
    }
    ended.push_back(pod);
    objects.mutate(kube::pods, pod.ns(), pod.name(), part::status, [&](json& value) {
      auto& status = value["status"];
      if (status.value("phase", "") == "Succeeded" || status.value("phase", "") == "Failed") {
        return false;
      }
      status["phase"] = "Failed";
      status["conditions"].push_back({{"type", "DisruptionTarget"},
                                      {"status", "True"},
                                      {"lastProbeTime", nullptr},
                                      {"lastTransitionTime", base::format_time(objects.clock().wall_now())},
                                      {"reason", "DeletionByPodGC"},
                                      {"message", "PodGC: node no longer exists"}});
      return true;
    });
  }
  replacement.expires_after(node_replacement_step);
  replacement.async_wait([this, ended = std::move(ended)](boost::system::error_code error) {
    if (error) {
      return;
    }
    for (auto const& pod : ended) {
      remove_options now;
      now.grace_period_seconds = 0;
      now.uid = pod.uid();
      (void)objects.remove(kube::pods, pod.ns(), pod.name(), now);
    }
    machine_replaced();
  });
}

void node::state::machine_replaced() {
  present = true;
  make_node_object();
  schedule_waiting();
}

// The node --------------------------------------------------------------------------------------------------------

node::node(boost::asio::any_io_executor executor, store& objects, node_options options)
    : node(std::move(executor), objects, std::move(options), nullptr) {}

node::node(boost::asio::any_io_executor executor, store& objects, node_options options,
           std::unique_ptr<container_runtime> runtime)
    : state_(std::make_shared<state>(std::move(executor), objects, std::move(options), std::move(runtime))) {}

node::~node() = default;

base::result<void> node::start() {
  auto& s = *state_;
  std::string yaml(default_images_yaml());
  if (!s.options.images_file.empty()) {
    auto given = base::read_file(s.options.images_file.string());
    if (!given) {
      return given.error();
    }
    yaml = std::move(*given);
  }
  auto catalogue = image_catalogue::parse(
      yaml, s.options.images_file.empty() ? "built-in images.yaml" : s.options.images_file.string());
  if (!catalogue) {
    return catalogue.error();
  }
  if (auto opened = s.open_folder(); !opened) {
    return opened.error();
  }
  auto root = build_image_root(catalogue->view, s.folder / "root");
  if (!root) {
    return root.error();
  }
  if (s.runtime == nullptr) {
    if (auto chosen = s.choose_runtime(*root); !chosen) {
      s.groups.reset();
      clean_folder(s.folder);
      return chosen.error();
    }
  }
  s.make_node_object();
  s.probe = probe_spec(s.folder, *root);
  s.agent = std::make_unique<kubelet>(
      s.executor, s.objects, s.options, *s.runtime, [&s] { return s.plain_runtime(); }, s.cluster,
      std::move(*catalogue), std::move(*root), s.folder / "p");
  s.config_maps = std::make_unique<store_feed>(
      s.executor, s.objects, kube::config_maps, [&s](object const& map) { s.agent->config_maps_changed(map.ns()); },
      [](object const&) {});
  s.pods = std::make_unique<store_feed>(
      s.executor, s.objects, kube::pods, [&s](object const& pod) { s.pod_changed(pod); },
      [&s](object const& pod) { s.pod_gone(pod); });
  s.nodes = std::make_unique<store_feed>(
      s.executor, s.objects, node_type, [](object const&) {},
      [&s](object const& gone) {
        if (gone.name() == s.options.name) {
          s.machine_gone();
        }
      });
  s.config_maps->start();
  s.pods->start();
  if (s.objects.find_type("", "nodes") != nullptr) {
    s.nodes->start();
  }
  base::log::info("node is ready",
                  {kv("node", s.options.name), kv("runtime", s.runtime->describe()),
                   kv("limits", s.groups == nullptr ? std::string("the runtime's own") : s.groups->describe())});
  return {};
}

boost::asio::awaitable<void> node::stop() {
  auto const s = state_;
  s->replacement.cancel();
  s->nodes.reset();
  s->pods.reset();
  s->config_maps.reset();
  if (s->agent != nullptr) {
    s->agent->stop();
  }
  s->groups.reset();
  s->agent.reset();
  s->plain.reset();
  s->runtime.reset();
  if (!s->folder.empty()) {
    clean_folder(s->folder);
    s->folder.clear();
  }
  co_return;
}

result<std::unique_ptr<log_stream>> node::open_log(object const& pod, pod_log_options options,
                                                   std::function<void()> wake) {
  if (state_->agent == nullptr) {
    return status_error::internal("the node is not running");
  }
  return state_->agent->open_log(pod, options, std::move(wake));
}

void node::set_cluster(cluster_access* cluster) {
  state_->cluster = cluster;
}

result<pod_ports::way> node::open_way(object const& pod) {
  if (state_->agent == nullptr) {
    return status_error::internal("the node is not running");
  }
  return state_->agent->open_way(pod);
}

std::string node::describe_runtime() const {
  return state_->runtime == nullptr ? "none" : state_->runtime->describe();
}

bool node::sandboxed() const {
  return state_->runtime != nullptr && state_->runtime->sandboxed();
}

}  // namespace codeexec::local
