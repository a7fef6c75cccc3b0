#include "kubelet.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fstream>
#include <optional>
#include <signal.h>
#include <unistd.h>

#include "codeexec/base/encoding.hpp"
#include "codeexec/base/file.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/local/node/container_plan.hpp"
#include "codeexec/local/node/pod_status.hpp"

#include "container_log.hpp"

namespace codeexec::local {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::milliseconds;

constexpr std::size_t termination_message_bytes = 4096;
// kubelet: MaxContainerTerminationMessageLogLength and -LogLines.
constexpr std::size_t fallback_bytes = 2048;
constexpr std::size_t fallback_lines = 80;
constexpr milliseconds max_pull_backoff{300'000};
constexpr milliseconds first_mount_backoff{500};
constexpr milliseconds max_mount_backoff{122'000};
// Where a sandbox does not answer SIGKILL either, its end is not waited for.
constexpr int start_error_code = 128;

std::string spec_field_path(std::string const& container) {
  return container.empty() ? std::string() : "spec.containers{" + container + "}";
}

bool is_terminal(object const& pod) {
  auto const phase = string_at(*pod, "status.phase");
  return phase == "Succeeded" || phase == "Failed";
}

}  // namespace

/// One container of a Pod.
struct kubelet::unit {
  explicit unit(boost::asio::any_io_executor const& executor) : pull_timer(executor) {}

  std::string name;
  std::shared_ptr<container_log> log;
  std::unique_ptr<container> running;
  std::string id;  ///< 64 hexadecimal digits
  boost::asio::steady_timer pull_timer;
  milliseconds pull_backoff{0};
  bool pull_waits = false;  ///< between two tries
  bool launched = false;    ///< the runtime has been asked to start it; never again
  bool image_told = false;
  std::string problem;  ///< the configuration error that was last reported
};

struct kubelet::pod_entry {
  explicit pod_entry(boost::asio::any_io_executor const& executor) : retry_timer(executor), grace_timer(executor) {}

  object pod;
  fs::path folder;
  pod_facts facts;
  std::vector<std::unique_ptr<unit>> units;
  boost::asio::steady_timer retry_timer;
  boost::asio::steady_timer grace_timer;
  milliseconds mount_backoff = first_mount_backoff;
  std::optional<std::int64_t> grace;  ///< what the running termination was begun with
  bool volumes_ready = false;
  bool waits_for_config = false;
  bool removed = false;
  bool gone = false;

  bool any_running() const {
    return std::any_of(units.begin(), units.end(), [](auto const& u) { return u->running != nullptr; });
  }
};

kubelet::kubelet(boost::asio::any_io_executor executor, store& objects, node_options const& options,
                 container_runtime& runtime, image_catalogue images, image_root root, fs::path folder)
    : executor_(std::move(executor)),
      store_(objects),
      options_(options),
      runtime_(runtime),
      images_(std::move(images)),
      root_(std::move(root)),
      folder_(std::move(folder)),
      events_(objects, "kubelet", options.name) {
  std::error_code none;
  images_read_ = fs::last_write_time(options_.images_file, none);
}

kubelet::~kubelet() {
  stop();
}

void kubelet::pod_changed(object const& pod) {
  if (stopped_ || lost_.count(pod.uid()) > 0) {
    return;
  }
  auto const known = pods_.find(pod.uid());
  auto const record = known != pods_.end() ? known->second : adopt(pod);
  if (record != nullptr) {
    record->pod = pod;
    sync(record);
  }
}

/// A Pod we do not know: new, or left by an earlier life of this program (then its sandbox died with it).
kubelet::record_ptr kubelet::adopt(object const& pod) {
  if (is_terminal(pod) && !pod.being_deleted()) {
    return nullptr;
  }
  auto made = std::make_shared<pod_entry>(executor_);
  made->pod = pod;
  made->folder = folder_ / base::sha256_hex(pod.uid()).substr(0, 12);
  made->facts.start_time = store_.clock().wall_now();
  auto const& statuses = at_path(*pod, "status.containerStatuses");
  bool lost = false;
  if (statuses.is_array()) {
    // A container that has an id, or runs, was once given to the runtime of an earlier life: it must not run twice.
    lost = std::any_of(statuses.begin(), statuses.end(), [](json const& status) {
      return at_path(status, "state.running").is_object() || status.contains("containerID");
    });
  }
  for (auto const& container : at_path(*pod, "spec.containers")) {
    auto one = std::make_unique<unit>(executor_);
    one->name = string_at(container, "name");
    one->log = std::make_shared<container_log>(executor_, options_.log_bytes);
    container_facts facts;
    facts.image = string_at(container, "image");
    if (lost) {
      facts.now = container_facts::state::terminated;
      facts.reason = "ContainerStatusUnknown";
      facts.message = "The container could not be located when the pod was terminated";
      facts.exit_code = 128 + SIGKILL;
      facts.finished_at = store_.clock().wall_now();
      one->launched = true;
      one->log->close();
    }
    made->facts.containers.push_back(std::move(facts));
    made->units.push_back(std::move(one));
  }
  pods_[pod.uid()] = made;
  if (lost) {
    made->facts.settled = true;
    write_status(*made);
  }
  return made;
}

void kubelet::sync(record_ptr const& pod) {
  if (pod->gone || stopped_) {
    return;
  }
  if (pod->pod.being_deleted()) {
    terminate(pod);
    return;
  }
  if (pod->facts.settled || !prepare_volumes(*pod)) {
    return;
  }
  for (std::size_t i = 0; i < pod->units.size(); ++i) {
    launch(pod, i);
  }
}

void kubelet::pod_gone(object const& last) {
  lost_.erase(last.uid());
  auto const found = pods_.find(last.uid());
  if (found == pods_.end()) {
    return;
  }
  auto const record = found->second;
  record->gone = true;
  record->retry_timer.cancel();
  record->grace_timer.cancel();
  for (auto const& one : record->units) {
    one->pull_timer.cancel();
    one->running.reset();
    one->log->close();
  }
  std::error_code ignored;
  fs::remove_all(record->folder, ignored);
  pods_.erase(found);
}

void kubelet::config_maps_changed(std::string const& ns) {
  auto const all = pods_;
  for (auto const& [uid, record] : all) {
    if (record->waits_for_config && record->pod.ns() == ns) {
      sync(record);
    }
  }
}

void kubelet::stop() {
  stopped_ = true;
  forget_all();
}

void kubelet::vanish() {
  for (auto const& pod : store_.list(kube::pods)) {
    if (string_at(*pod, "spec.nodeName") == options_.name) {
      lost_.insert(pod.uid());
    }
  }
  forget_all();
}

void kubelet::forget_all() {
  // All at once, then one by one: the kernel ends them side by side.
  for (auto const& [uid, record] : pods_) {
    for (auto const& one : record->units) {
      if (one->running != nullptr) {
        one->running->signal(SIGKILL);
      }
    }
  }
  auto const all = std::move(pods_);
  pods_.clear();
  for (auto const& [uid, record] : all) {
    record->gone = true;
    record->retry_timer.cancel();
    record->grace_timer.cancel();
    for (auto const& one : record->units) {
      one->pull_timer.cancel();
      one->running.reset();
      one->log->close();
    }
  }
}

// Volumes ---------------------------------------------------------------------------------------------------------

bool kubelet::prepare_volumes(pod_entry& pod) {
  if (pod.volumes_ready) {
    return true;
  }
  auto const& ns = pod.pod.ns();
  std::optional<std::string> problem;
  std::error_code error;
  fs::create_directories(pod.folder, error);
  auto const& volumes = at_path(*pod.pod, "spec.volumes");
  for (auto const& volume : volumes.is_array() ? volumes : json::array()) {
    auto const name = string_at(volume, "name");
    auto const place = pod.folder / "v" / name;
    std::string why;
    if (volume.contains("emptyDir")) {
      if (!is_private_empty_dir(*pod.pod, name)) {
        fs::create_directories(place, error);
        fs::permissions(place, fs::perms::all, error);
      }
      continue;
    }
    if (!volume.contains("configMap")) {
      why = "this node has emptyDir and configMap volumes only";
    } else {
      auto files = project_config_map(volume, [&](std::string const& wanted) { return config_map(ns, wanted); });
      if (files) {
        auto const version = place / "..data_1";
        fs::create_directories(version, error);
        for (auto const& file : *files) {
          if (auto written = write_file(version / file.path, file.bytes, file.mode); !written) {
            why = written.error().message;
          }
          auto const top = fs::path(file.path).begin()->string();
          fs::create_symlink("..data/" + top, place / top, error);
        }
        fs::create_symlink("..data_1", place / "..data", error);
      } else {
        why = files.error().message;
      }
    }
    if (!why.empty()) {
      problem = "MountVolume.SetUp failed for volume \"" + name + "\" : " + why;
      break;
    }
  }
  looked_up_.clear();
  if (!problem) {
    pod.volumes_ready = true;
    pod.waits_for_config = false;
    return true;
  }
  if (!pod.waits_for_config) {
    write_status(pod);
  }
  pod.waits_for_config = true;
  event(pod, event_kind::warning, "FailedMount", *problem);
  auto const self = pods_.find(pod.pod.uid());
  if (self != pods_.end()) {
    retry(self->second, pod.mount_backoff);
  }
  pod.mount_backoff = std::min(pod.mount_backoff * 2, max_mount_backoff);
  return false;
}

json const* kubelet::config_map(std::string const& ns, std::string const& name) {
  auto found = store_.get(kube::config_maps, ns, name);
  if (!found) {
    return nullptr;
  }
  auto& kept = looked_up_[name];
  kept = std::move(found);
  return &*kept;
}

void kubelet::retry(record_ptr const& pod, milliseconds after) {
  pod->retry_timer.expires_after(after);
  pod->retry_timer.async_wait([this, weak = std::weak_ptr(pod)](boost::system::error_code error) {
    auto const record = weak.lock();
    if (!error && record != nullptr && !record->gone) {
      sync(record);
    }
  });
}

// Images ----------------------------------------------------------------------------------------------------------

bool kubelet::has_program(std::string const& name) const {
  for (char const* const folder : {"/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"}) {
    if (access((fs::path(folder) / name).c_str(), X_OK) == 0) {
      return true;
    }
  }
  return false;
}

/// True where the file of images has changed and was read. The parts of the host that images show stay as they were.
bool kubelet::read_images_again() {
  std::error_code error;
  auto const changed = fs::last_write_time(options_.images_file, error);
  if (error || changed == images_read_) {
    return false;
  }
  images_read_ = changed;
  auto read =
      image_catalogue::parse(base::read_file_if_there(options_.images_file.string()), options_.images_file.string());
  if (!read) {
    base::log::warn("images are not read again", {base::log::kv("error", read.error().message)});
    return false;
  }
  images_ = std::move(*read);
  return true;
}

/// The image, or null after the container's state says why not.
image_config const* kubelet::find_image(record_ptr const& pod, std::size_t index) {
  auto& one = *pod->units[index];
  auto& facts = pod->facts.containers[index];
  auto const& container = at_path(*pod->pod, "spec.containers")[index];
  auto const written = string_at(container, "image");
  auto const parsed = parse_image_reference(written);
  if (!parsed) {
    if (facts.reason != "InvalidImageName") {
      facts.reason = "InvalidImageName";
      facts.message = "Failed to apply default image tag \"" + written + "\": couldn't parse image name \"" + written +
                      "\": " + parsed.error().message;
      event(*pod, event_kind::warning, "InspectFailed", facts.message, one.name);
      event(*pod, event_kind::warning, "Failed", "Error: InvalidImageName", one.name);
      pod->facts.sandbox_ready = true;
      write_status(*pod);
    }
    return nullptr;
  }
  auto const has = [this](std::string const& name) { return has_program(name); };
  auto const* image = images_.find(*parsed, has);
  if (image == nullptr && read_images_again()) {
    image = images_.find(*parsed, has);
  }
  if (image == nullptr) {
    pull_failed(pod, index, *parsed);
    return nullptr;
  }
  facts.image = parsed->canonical();
  facts.image_id = image_id(*image, root_.identity);
  return image;
}

void kubelet::pull_failed(record_ptr const& pod, std::size_t index, image_reference const& name) {
  auto& one = *pod->units[index];
  auto& facts = pod->facts.containers[index];
  auto const written = string_at(at_path(*pod->pod, "spec.containers")[index], "image");
  if (!pod->facts.sandbox_ready) {
    pod->facts.sandbox_ready = true;
    write_status(*pod);
  }
  if (string_at(at_path(*pod->pod, "spec.containers")[index], "imagePullPolicy") == "Never") {
    if (facts.reason != "ErrImageNeverPull") {
      facts.reason = "ErrImageNeverPull";
      facts.message = "Container image \"" + written + "\" is not present with pull policy of Never";
      event(*pod, event_kind::warning, "ErrImageNeverPull", facts.message, one.name);
      event(*pod, event_kind::warning, "Failed", "Error: ErrImageNeverPull", one.name);
      write_status(*pod);
    }
    return;
  }
  auto const why = pull_failure(name);
  give_address(*pod);
  event(*pod, event_kind::normal, "Pulling", "Pulling image \"" + written + "\"", one.name);
  event(*pod, event_kind::warning, "Failed", "Failed to pull image \"" + written + "\": " + why, one.name);
  event(*pod, event_kind::warning, "Failed", "Error: ErrImagePull", one.name);
  facts.reason = "ErrImagePull";
  facts.message = why;
  write_status(*pod);

  one.pull_waits = true;
  auto const wait = std::max(one.pull_backoff, options_.pull_backoff);
  one.pull_backoff = std::min(wait * 2, max_pull_backoff);
  auto const settle_after = std::min(options_.pull_settle, wait);
  one.pull_timer.expires_after(settle_after);
  one.pull_timer.async_wait(
      [this, weak = std::weak_ptr(pod), index, written, why, wait, settle_after](boost::system::error_code error) {
        auto const record = weak.lock();
        if (error || record == nullptr || record->gone || record->pod.being_deleted()) {
          return;
        }
        auto& unit_now = *record->units[index];
        auto& facts_now = record->facts.containers[index];
        facts_now.reason = "ImagePullBackOff";
        facts_now.message = "Back-off pulling image \"" + written + "\": ErrImagePull: " + why;
        event(*record, event_kind::normal, "BackOff", "Back-off pulling image \"" + written + "\"", unit_now.name);
        event(*record, event_kind::warning, "Failed", "Error: ImagePullBackOff", unit_now.name);
        write_status(*record);
        unit_now.pull_timer.expires_after(wait - settle_after);
        unit_now.pull_timer.async_wait([this, weak, index](boost::system::error_code again) {
          auto const pod_again = weak.lock();
          if (!again && pod_again != nullptr && !pod_again->gone) {
            pod_again->units[index]->pull_waits = false;
            sync(pod_again);
          }
        });
      });
}

// Running ---------------------------------------------------------------------------------------------------------

void kubelet::launch(record_ptr const& pod, std::size_t index) {
  auto& one = *pod->units[index];
  auto& facts = pod->facts.containers[index];
  if (one.launched || one.pull_waits) {
    return;
  }
  if (!pod->facts.sandbox_ready) {
    write_status(*pod);  // ContainerCreating
  }
  auto const* const image = find_image(pod, index);
  if (image == nullptr) {
    return;
  }
  auto const& container = at_path(*pod->pod, "spec.containers")[index];
  if (!one.image_told) {
    one.image_told = true;
    event(*pod, event_kind::normal, "Pulled",
          "Container image \"" + string_at(container, "image") +
              "\" already present on machine and can be accessed by the pod",
          one.name);
  }
  volume_places places;
  places.folder = [folder = pod->folder](std::string const& volume) { return folder / "v" / volume; };
  places.termination_log = pod->folder / ("t" + std::to_string(index));
  auto const& init = at_path(*pod->pod, "spec.initContainers");
  auto spec = init.is_array() && !init.empty()
                  ? base::result<container_spec>(base::error("this node runs no init containers"))
                  : plan_container(
                        *pod->pod, container, *image,
                        [this, ns = pod->pod.ns()](std::string const& name) { return config_map(ns, name); }, places,
                        options_.name);
  looked_up_.clear();
  if (spec) {
    if (auto written = write_file(places.termination_log, {}, 0666); !written) {
      spec = written.error();
    }
  }
  pod->facts.sandbox_ready = true;
  if (!spec) {
    pod->waits_for_config = true;
    if (one.problem != spec.error().message) {
      one.problem = spec.error().message;
      facts.reason = "CreateContainerConfigError";
      facts.message = one.problem;
      event(*pod, event_kind::warning, "Failed", "Error: " + one.problem, one.name);
      write_status(*pod);
    }
    return;
  }
  pod->waits_for_config = false;
  run(pod, index, std::move(*spec));
}

void kubelet::run(record_ptr const& pod, std::size_t index, container_spec spec) {
  auto& one = *pod->units[index];
  auto& facts = pod->facts.containers[index];
  one.launched = true;
  one.id = base::sha256_hex(pod->pod.uid() + "/" + one.name);
  spec.id = one.id.substr(0, 16);
  spec.root = root_.folder;
  spec.mounts.insert(spec.mounts.begin(), root_.mounts.begin(), root_.mounts.end());
  spec.work_dir = pod->folder / std::to_string(index);
  std::error_code error;
  fs::create_directories(spec.work_dir, error);

  container_events events;
  events.started = [this, weak = std::weak_ptr(pod), index] {
    if (auto const record = weak.lock()) {
      started(record, index);
    }
  };
  events.output = [this, log = one.log](std::string_view bytes) { log->append(bytes, store_.clock().wall_now()); };
  events.exited = [this, weak = std::weak_ptr(pod), index](container_exit how) {
    if (auto const record = weak.lock()) {
      exited(record, index, std::move(how));
    }
  };
  facts.reason = "ContainerCreating";
  facts.message.clear();
  facts.container_id = std::string(runtime_.scheme()) + "://" + one.id;
  auto made = runtime_.start(std::move(spec), std::move(events));
  if (made) {
    one.running = std::move(*made);
    write_status(*pod);
    return;
  }
  container_exit failed;
  failed.start_error = made.error().message;
  exited(pod, index, std::move(failed));
}

/// Sandboxes have no network, so nobody can reach the address; clients that show a Pod's address get one all the same.
void kubelet::give_address(pod_entry& pod) {
  if (pod.facts.pod_ip.empty()) {
    pod.facts.pod_ip = "10.244.0." + std::to_string(1 + next_address_);
    next_address_ = (next_address_ + 1) % 254;
  }
}

void kubelet::started(record_ptr const& pod, std::size_t index) {
  give_address(*pod);
  auto& one = *pod->units[index];
  auto& facts = pod->facts.containers[index];
  facts.now = container_facts::state::running;
  facts.started_at = store_.clock().wall_now();
  write_status(*pod);
  event(*pod, event_kind::normal, "Created", "Container created", one.name);
  event(*pod, event_kind::normal, "Started", "Container started", one.name);
}

void kubelet::exited(record_ptr const& pod, std::size_t index, container_exit how) {
  auto& one = *pod->units[index];
  auto& facts = pod->facts.containers[index];
  facts.now = container_facts::state::terminated;
  facts.finished_at = store_.clock().wall_now();
  if (how.start_error) {
    facts.exit_code = start_error_code;
    facts.reason = "StartError";
    facts.message = *how.start_error;
    facts.started_at.reset();
    one.log->clear();
    event(*pod, event_kind::warning, "Failed", "Error: " + *how.start_error, one.name);
  } else {
    facts.exit_code = how.exit_code;
    facts.reason = how.oom_killed ? "OOMKilled" : how.exit_code == 0 ? "Completed" : "Error";
    facts.message = termination_message(*pod, index, how.exit_code);
  }
  one.log->close();
  // A Pod that is being deleted gets its end and its phase in one write, as the kubelet does it.
  if (!pod->pod.being_deleted()) {
    write_status(*pod);
  }
  boost::asio::post(executor_, [this, weak = std::weak_ptr(pod), index] {
    auto const record = weak.lock();
    if (record == nullptr || record->gone || stopped_) {
      return;
    }
    record->units[index]->running.reset();
    std::error_code ignored;
    fs::remove_all(record->folder / std::to_string(index), ignored);
    settle(record);
  });
}

std::string kubelet::termination_message(pod_entry const& pod, std::size_t index, int exit_code) const {
  std::ifstream in(pod.folder / ("t" + std::to_string(index)), std::ios::binary | std::ios::ate);
  std::string text;
  if (in) {
    auto const size = static_cast<std::size_t>(std::max<std::streamoff>(in.tellg(), 0));
    auto const kept = std::min(size, termination_message_bytes);
    in.seekg(static_cast<std::streamoff>(size - kept));
    text.resize(kept);
    in.read(text.data(), static_cast<std::streamsize>(kept));
    text.resize(static_cast<std::size_t>(in.gcount()));
  }
  auto const& container = at_path(*pod.pod, "spec.containers")[index];
  bool const fall_back = string_at(container, "terminationMessagePolicy") == "FallbackToLogsOnError";
  if (text.empty() && fall_back && exit_code != 0) {
    text = pod.units[index]->log->buffer().last(fallback_lines, fallback_bytes);
  }
  return text;
}

/// Once nothing of the Pod runs any more: its folders go, its phase says how it ended.
void kubelet::settle(record_ptr const& pod) {
  auto const ended = [](container_facts const& facts) { return facts.now == container_facts::state::terminated; };
  if (pod->any_running() || !std::all_of(pod->facts.containers.begin(), pod->facts.containers.end(), ended)) {
    if (pod->pod.being_deleted()) {
      terminate(pod);
    }
    return;
  }
  std::error_code ignored;
  fs::remove_all(pod->folder, ignored);
  pod->facts.settled = true;
  pod->facts.sandbox_ready = false;
  write_status(*pod);
  if (pod->pod.being_deleted()) {
    terminate(pod);
  }
}

void kubelet::terminate(record_ptr const& pod) {
  auto const& seconds = at_path(*pod->pod, "metadata.deletionGracePeriodSeconds");
  auto const grace = seconds.is_number_integer() ? seconds.get<std::int64_t>() : 0;
  if (pod->any_running()) {
    if (pod->grace && *pod->grace <= grace) {
      return;
    }
    bool const first = !pod->grace;
    pod->grace = grace;
    if (first) {
      write_status(*pod);
    }
    for (std::size_t i = 0; i < pod->units.size(); ++i) {
      auto& one = *pod->units[i];
      if (one.running == nullptr || pod->facts.containers[i].now == container_facts::state::terminated) {
        continue;
      }
      if (first) {
        event(*pod, event_kind::normal, "Killing", "Stopping container " + one.name, one.name);
      }
      // A container that has not begun cannot hear a signal.
      bool const begun = pod->facts.containers[i].now == container_facts::state::running;
      one.running->signal(begun && grace > 0 ? SIGTERM : SIGKILL);
    }
    pod->grace_timer.expires_after(std::chrono::seconds(grace));
    pod->grace_timer.async_wait([weak = std::weak_ptr(pod)](boost::system::error_code error) {
      auto const record = weak.lock();
      if (error || record == nullptr || record->gone) {
        return;
      }
      for (auto const& one : record->units) {
        if (one->running != nullptr) {
          one->running->signal(SIGKILL);
        }
      }
    });
    return;
  }
  if (pod->removed) {
    return;
  }
  pod->removed = true;
  pod->retry_timer.cancel();
  for (auto const& one : pod->units) {
    one->pull_timer.cancel();
    one->log->close();
  }
  if (!is_terminal(pod->pod) && !pod->facts.settled) {
    store_.mutate(kube::pods, pod->pod.ns(), pod->pod.name(), part::status, [&](json& object) {
      object["status"]["phase"] = "Failed";
      return true;
    });
  }
  remove_options now;
  now.grace_period_seconds = 0;
  now.uid = pod->pod.uid();
  auto const removed = store_.remove(kube::pods, pod->pod.ns(), pod->pod.name(), now);
  if (!removed && !removed.error().is_not_found()) {
    base::log::warn("cannot remove a pod that has ended",
                    {base::log::kv("pod", pod->pod.name()), base::log::kv("error", removed.error().message)});
  }
}

void kubelet::write_status(pod_entry const& pod) {
  auto const now = store_.clock().wall_now();
  auto const written = store_.mutate(kube::pods, pod.pod.ns(), pod.pod.name(), part::status, [&](json& object) {
    if (string_at(object, "metadata.uid") != pod.pod.uid()) {
      return false;
    }
    object["status"] = compute_pod_status(object, pod.facts, now);
    return true;
  });
  if (!written && !written.error().is_not_found()) {
    base::log::warn("cannot write a pod's status",
                    {base::log::kv("pod", pod.pod.name()), base::log::kv("error", written.error().message)});
  }
}

void kubelet::event(pod_entry const& pod, event_kind kind, std::string_view reason, std::string const& message,
                    std::string const& container) {
  events_.record(event_subject{pod.pod, "v1", "Pod", spec_field_path(container)}, kind, reason, message);
}

// Logs ------------------------------------------------------------------------------------------------------------

result<std::unique_ptr<log_stream>> kubelet::open_log(object const& pod, pod_log_options const& options,
                                                      std::function<void()> wake) {
  auto const& containers = at_path(*pod, "spec.containers");
  std::vector<std::string> names;
  for (auto const& container : containers) {
    names.push_back(string_at(container, "name"));
  }
  auto wanted = options.container;
  if (wanted.empty() && names.size() > 1) {
    std::string all;
    for (auto const& name : names) {
      all += (all.empty() ? "" : " ") + name;
    }
    return status_error::bad_request("a container name must be specified for pod " + pod.name() + ", choose one of: [" +
                                     all + "]");
  }
  if (wanted.empty() && !names.empty()) {
    wanted = names.front();
  }
  auto const found = std::find(names.begin(), names.end(), wanted);
  if (found == names.end()) {
    return status_error::bad_request("container " + wanted + " is not valid for pod " + pod.name());
  }
  if (string_at(*pod, "spec.nodeName").empty()) {
    return std::unique_ptr<log_stream>();
  }
  auto const who = "container \"" + wanted + "\" in pod \"" + pod.name() + "\"";
  if (options.previous) {
    return status_error::bad_request("previous terminated " + who + " not found");
  }
  auto const index = static_cast<std::size_t>(found - names.begin());
  auto const known = pods_.find(pod.uid());
  if (known == pods_.end()) {
    // It ended in an earlier life of this program, and its log with that.
    auto const& statuses = at_path(*pod, "status.containerStatuses");
    auto const id = statuses.is_array() && index < statuses.size() ? string_at(statuses[index], "containerID") : "";
    if (id.empty()) {
      return status_error::bad_request(who + " is not available");
    }
    auto const lost = std::make_shared<container_log>(executor_, options_.log_bytes);
    lost->append("unable to retrieve container logs for " + id, store_.clock().wall_now());
    lost->close();
    return lost->open(options, std::move(wake));
  }
  auto const& facts = known->second->facts.containers[index];
  if (facts.now == container_facts::state::waiting) {
    if (facts.reason == "ErrImagePull") {
      return status_error::bad_request(who + " is waiting to start: image can't be pulled");
    }
    if (facts.reason == "ImagePullBackOff") {
      return status_error::bad_request(who + " is waiting to start: trying and failing to pull image");
    }
    return status_error::bad_request(who + " is waiting to start: " + facts.reason);
  }
  return known->second->units[index]->log->open(options, std::move(wake));
}

}  // namespace codeexec::local
