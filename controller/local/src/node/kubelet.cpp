#include "kubelet.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fstream>
#include <optional>
#include <signal.h>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "codeexec/base/encoding.hpp"
#include "codeexec/base/file.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/local/node/container_plan.hpp"
#include "codeexec/local/node/pod_status.hpp"

#include "container_log.hpp"
#include "pod_network.hpp"
#include "probe.hpp"

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
constexpr milliseconds first_network_retry{5'000};
constexpr milliseconds longest_restart_wait{300'000};
// Who has run for so long begins anew with its waits.
constexpr milliseconds forgives_after{600'000};
constexpr char const* authority_map = "kube-root-ca.crt";
constexpr char const* program_folder = "/usr/local/bin";

std::string spec_field_path(std::string const& container) {
  return container.empty() ? std::string() : "spec.containers{" + container + "}";
}

bool is_terminal(object const& pod) {
  auto const phase = string_at(*pod, "status.phase");
  return phase == "Succeeded" || phase == "Failed";
}

void say_unknown(container_facts& facts) {
  facts.now = container_facts::state::terminated;
  facts.reason = status_unknown;
  facts.message = "The container could not be located when the pod was terminated";
  facts.exit_code = 128 + SIGKILL;
  if (facts.container_id.empty()) {
    facts.image_id.clear();  // a container's, not the pull's
  }
}

}  // namespace

/// One container of a Pod.
struct kubelet::unit {
  explicit unit(boost::asio::any_io_executor const& executor)
      : pull_timer(executor), restart_timer(executor), kill_timer(executor) {}

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
  std::shared_ptr<container_log> previous_log;
  boost::asio::steady_timer restart_timer;
  boost::asio::steady_timer kill_timer;  ///< after a liveness probe has failed
  milliseconds restart_wait{0};          ///< before the next start after an end
  struct probing {
    std::string kind;  ///< "Liveness", "Readiness", "Startup"
    probe_verdict verdict;
    std::unique_ptr<prober> asking;
  };
  std::vector<std::unique_ptr<probing>> probes;

  void rest() {
    pull_timer.cancel();
    restart_timer.cancel();
    kill_timer.cancel();
    probes.clear();
  }
};

struct kubelet::pod_entry {
  explicit pod_entry(boost::asio::any_io_executor const& executor)
      : retry_timer(executor), grace_timer(executor), deadline_timer(executor), token_timer(executor) {}

  object pod;
  fs::path folder;
  pod_facts facts;
  std::vector<std::unique_ptr<unit>> units;
  boost::asio::steady_timer retry_timer;
  boost::asio::steady_timer grace_timer;
  boost::asio::steady_timer deadline_timer;
  boost::asio::steady_timer token_timer;
  // Of a Pod with a program of the machine's own:
  std::shared_ptr<pod_network> network;  ///< null: none, or the host's
  std::shared_ptr<void> api;             ///< serves the API there
  std::string api_host;                  ///< empty: no network yet
  unsigned short api_port = 0;
  bool host_network = false;
  int volume_version = 0;
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
                 container_runtime& runtime, plain_runtime plain, cluster_access* cluster, image_catalogue images,
                 image_root root, fs::path folder)
    : executor_(std::move(executor)),
      store_(objects),
      options_(options),
      runtime_(runtime),
      plain_(std::move(plain)),
      cluster_(cluster),
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
    auto const number = made->units.size();
    if (statuses.is_array() && number < statuses.size()) {
      facts.restarts = static_cast<int>(integer_at(statuses[number], "restartCount").value_or(0));
      facts.image_id = string_at(statuses[number], "imageID");
      facts.container_id = string_at(statuses[number], "containerID");
    }
    if (lost) {
      say_unknown(facts);
      one->launched = true;
      one->log->close();
    }
    made->facts.containers.push_back(std::move(facts));
    made->units.push_back(std::move(one));
  }
  pods_[pod.uid()] = made;
  if (lost && restarts_always(*pod) && !pod.being_deleted()) {
    write_status(*made);
    for (std::size_t i = 0; i < made->units.size(); ++i) {
      restart(made, i);
    }
  } else if (lost) {
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
  if (pod->facts.settled || past_its_deadline(pod) || !prepare_volumes(*pod)) {
    return;
  }
  for (std::size_t i = 0; i < pod->units.size(); ++i) {
    launch(pod, i);
  }
}

/// Nothing of it happens any more: its processes are ended, its timers and logs closed.
void kubelet::let_go(pod_entry& record) {
  record.gone = true;
  record.retry_timer.cancel();
  record.grace_timer.cancel();
  record.deadline_timer.cancel();
  record.token_timer.cancel();
  for (auto const& one : record.units) {
    one->rest();
    one->running.reset();
    one->log->close();
  }
}

void kubelet::pod_gone(object const& last) {
  lost_.erase(last.uid());
  auto const found = pods_.find(last.uid());
  if (found == pods_.end()) {
    return;
  }
  auto const record = found->second;
  let_go(*record);
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
    let_go(*record);
  }
}

// Volumes ---------------------------------------------------------------------------------------------------------

bool kubelet::prepare_volumes(pod_entry& pod) {
  if (pod.volumes_ready) {
    return true;
  }
  std::optional<std::string> problem;
  std::error_code error;
  fs::create_directories(pod.folder, error);
  auto const& volumes = at_path(*pod.pod, "spec.volumes");
  for (auto const& volume : volumes.is_array() ? volumes : json::array()) {
    auto const name = string_at(volume, "name");
    std::string why;
    if (volume.contains("emptyDir")) {
      if (!is_private_empty_dir(*pod.pod, name)) {
        auto const place = pod.folder / "v" / name;
        fs::create_directories(place, error);
        fs::permissions(place, fs::perms::all, error);
      }
      continue;
    }
    if (!volume.contains("configMap") && !volume.contains("projected") && !volume.contains("downwardAPI")) {
      why = "this node has emptyDir, configMap, projected and downwardAPI volumes only";
    } else if (auto filled = fill_volume(pod, volume); !filled) {
      why = filled.error().message;
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
    if (auto const self = pods_.find(pod.pod.uid()); self != pods_.end()) {
      renew_tokens(self->second);
    }
    return true;
  }
  if (!pod.waits_for_config) {
    write_status(pod);
  }
  pod.waits_for_config = true;
  // A cluster's scheduler and kubelet take longer to come to a pod than its creator does to make what it mounts.
  auto const now = store_.clock().wall_now();
  if (now - pod.facts.start_time.value_or(now) >= first_mount_backoff) {
    event(pod, event_kind::warning, "FailedMount", *problem);
  }
  auto const self = pods_.find(pod.pod.uid());
  if (self != pods_.end()) {
    retry(self->second, pod.mount_backoff);
  }
  pod.mount_backoff = std::min(pod.mount_backoff * 2, max_mount_backoff);
  return false;
}

/// The files in a folder of their own, to which a link is turned when it is whole: who reads sees the old or the new.
base::result<void> kubelet::fill_volume(pod_entry& pod, json const& volume) {
  auto const& ns = pod.pod.ns();
  auto const find = [this, &ns](std::string const& wanted) { return config_map(ns, wanted); };
  auto const token = [this, &pod](std::int64_t seconds) -> base::result<std::string> {
    if (cluster_ == nullptr) {
      return base::error("this node has no tokens");
    }
    return cluster_->account_token(pod.pod.ns(), string_at(*pod.pod, "spec.serviceAccountName"),
                                   std::chrono::seconds(seconds));
  };
  auto files = volume.contains("configMap") ? project_config_map(volume, find)
                                            : project_volume(*pod.pod, volume, find, token, surroundings(pod));
  if (!files) {
    return files.error();
  }
  std::error_code error;
  auto const place = pod.folder / "v" / string_at(volume, "name");
  auto const before = fs::read_symlink(place / "..data", error);
  auto const version = "..data_" + std::to_string(++pod.volume_version);
  fs::create_directories(place / version, error);
  for (auto const& file : *files) {
    auto mode = file.mode;
    auto const user = integer_at(*pod.pod, "spec.securityContext.runAsUser");
    auto const group = integer_at(*pod.pod, "spec.securityContext.fsGroup");
    auto const path = place / version / file.path;
    if (file.secret && group) {
      mode = 0640;
    } else if (file.secret && user) {
      mode = 0600;
    }
    if (auto written = write_file(path, file.bytes, mode); !written) {
      return written.error();
    }
    if (file.secret && (group || user) &&
        ::chown(path.c_str(), user ? static_cast<uid_t>(*user) : 0, group ? static_cast<gid_t>(*group) : 0) != 0) {
      return base::error("cannot give " + file.path + " to the container's user");
    }
    auto const top = fs::path(file.path).begin()->string();
    fs::create_symlink("..data/" + top, place / top, error);
  }
  fs::create_symlink(version, place / "..data_tmp", error);
  fs::rename(place / "..data_tmp", place / "..data", error);
  if (!before.empty()) {
    fs::remove_all(place / before, error);
  }
  return {};
}

/// When four fifths of a token's life are over, as the kubelet does it.
void kubelet::renew_tokens(record_ptr const& pod) {
  auto const life = shortest_token_life(*pod->pod);
  if (!life || cluster_ == nullptr) {
    return;
  }
  pod->token_timer.expires_after(*life * 4 / 5);
  pod->token_timer.async_wait([this, weak = std::weak_ptr(pod)](boost::system::error_code error) {
    auto const record = weak.lock();
    if (error || record == nullptr || record->gone || stopped_) {
      return;
    }
    auto const& volumes = at_path(*record->pod, "spec.volumes");
    for (auto const& volume : volumes.is_array() ? volumes : json::array()) {
      if (!volume.contains("projected")) {
        continue;
      }
      if (auto filled = fill_volume(*record, volume); !filled) {
        base::log::warn("cannot renew a pod's token",
                        {base::log::kv("pod", record->pod.name()), base::log::kv("error", filled.error().message)});
      }
    }
    looked_up_.clear();
    renew_tokens(record);
  });
}

pod_surroundings kubelet::surroundings(pod_entry const& pod) const {
  pod_surroundings out(options_.name);
  if (!pod.facts.pod_ip.empty()) {
    out.pod_ip = pod.facts.pod_ip;
  }
  out.api_host = pod.api_host;
  out.api_port = pod.api_port;
  return out;
}

json const* kubelet::config_map(std::string const& ns, std::string const& name) {
  auto found = store_.get(kube::config_maps, ns, name);
  if (!found && name == authority_map && cluster_ != nullptr) {
    // A cluster puts it into every namespace for this; here it is made for who asks.
    found =
        object(json{{"metadata", {{"name", name}, {"namespace", ns}}}, {"data", {{"ca.crt", cluster_->authority()}}}});
  }
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

namespace {

/// A program of the machine's own: beside this one, or in PATH.
std::optional<fs::path> find_own_program(std::string const& name) {
  std::error_code error;
  auto const beside = fs::read_symlink("/proc/self/exe", error).parent_path() / name;
  if (!error && access(beside.c_str(), X_OK) == 0) {
    return beside;
  }
  return find_program(name);
}

}  // namespace

bool kubelet::has_program(std::string const& name) const {
  if (find_own_program(name)) {
    return true;
  }
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
  auto why = pull_failure(name);
  auto const missing =
      images_.missing_programs(name, [this](std::string const& program) { return has_program(program); });
  if (!missing.empty()) {
    auto const sentence = missing_sentence(missing);
    why += " (" + sentence + ")";
    if (one.pull_backoff == milliseconds(0)) {
      base::log::warn(sentence, {base::log::kv("image", name.familiar())});
    }
  }
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

namespace {

/// The image's own programs, on a folder that hides the host's.
void add_programs(image_config const& image, container_spec& spec) {
  if (image.programs.empty()) {
    return;
  }
  std::vector<container_mount> made(1);
  made.front().what = container_mount::kind::tmpfs;
  made.front().destination = program_folder;
  made.front().mode = 0755;
  made.front().read_only = false;
  made.front().size_bytes = 64 * 1024;
  for (auto const& name : image.programs) {
    auto const path = find_own_program(name);
    container_mount program;
    program.destination = std::string(program_folder) + "/" + name;
    program.source = path.value_or(fs::path());
    made.push_back(std::move(program));
  }
  spec.mounts.insert(spec.mounts.begin(), made.begin(), made.end());
}

}  // namespace

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
  bool const own = is_own(*pod, *image);
  if (own) {
    if (auto connected = connect(*pod); !connected) {
      if (one.problem != connected.error().message) {
        one.problem = connected.error().message;
        event(*pod, event_kind::warning, "FailedCreatePodSandBox", "Failed to create pod sandbox: " + one.problem);
      }
      retry(pod, first_network_retry);
      return;
    }
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
                        surroundings(*pod));
  looked_up_.clear();
  container_runtime* runtime = &runtime_;
  if (spec) {
    add_programs(*image, *spec);
  }
  if (spec && own) {
    auto const plain = plain_();
    auto const prepared = plain ? prepare_own(*pod, *image, *spec) : base::result<void>(plain.error());
    if (prepared) {
      runtime = *plain;
    } else {
      spec = prepared.error();
    }
  }
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
  run(pod, index, std::move(*spec), *runtime);
}

/// A program of the machine's own that is not to be in gVisor.
bool kubelet::is_own(pod_entry const& pod, image_config const& image) const {
  return !image.programs.empty() && string_at(*pod.pod, "spec.runtimeClassName").empty();
}

/// What runs outside of the sandbox is that program, without any rights: who may make Pods gets no more by it.
base::result<void> kubelet::prepare_own(pod_entry& pod, image_config const& image, container_spec& spec) {
  if (image.entrypoint.empty() || spec.args.empty() || spec.args.front() != image.entrypoint.front()) {
    return base::error("this image runs its own program on this node and nothing else (config/local/images.yaml)");
  }
  if (spec.uid == 0) {
    return base::error("this image does not run as root on this node (config/local/images.yaml)");
  }
  spec.capabilities.clear();
  spec.no_new_privileges = true;
  spec.network = pod.network != nullptr ? pod.network->descriptor() : -1;
  spec.host_network = pod.host_network;
  return {};
}

/// The Pod's network, with the API server on it.
base::result<void> kubelet::connect(pod_entry& pod) {
  if (!pod.api_host.empty()) {
    return {};
  }
  if (cluster_ == nullptr) {
    return base::error("this node has no API server for its pods");
  }
  give_address(pod);
  auto made = pod_network::make(pod.facts.pod_ip);
  if (made) {
    auto listener = (*made)->take_listener();
    auto served = cluster_->serve(listener.release());
    if (!served) {
      return served.error();
    }
    pod.network = std::move(*made);
    pod.api = std::move(*served);
    pod.api_host = api_service_address;
    pod.api_port = api_service_port;
    return {};
  }
  auto const where = cluster_->host_endpoint();
  if (!where) {
    return base::error(made.error().message + "; and on the host's network: " + where.error().message);
  }
  if (!warned_of_network_) {
    warned_of_network_ = true;
    base::log::warn("pods of this machine's own programs are on the host's network: two of them cannot have one port",
                    {base::log::kv("error", made.error().message)});
  }
  pod.host_network = true;
  pod.facts.pod_ip = "127.0.0.1";
  pod.api_host = where->address().is_unspecified() ? "127.0.0.1" : where->address().to_string();
  pod.api_port = where->port();
  return {};
}

void kubelet::run(record_ptr const& pod, std::size_t index, container_spec spec, container_runtime& runtime) {
  auto& one = *pod->units[index];
  auto& facts = pod->facts.containers[index];
  one.launched = true;
  one.id = base::sha256_hex(pod->pod.uid() + "/" + one.name +
                            (facts.restarts == 0 ? std::string() : "/" + std::to_string(facts.restarts)));
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
  facts.container_id = std::string(runtime.scheme()) + "://" + one.id;
  auto made = runtime.start(std::move(spec), std::move(events));
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
  begin_probes(pod, index);
  write_status(*pod);
  event(*pod, event_kind::normal, "Created", "Container created", one.name);
  event(*pod, event_kind::normal, "Started", "Container started", one.name);
}

base::result<boost::asio::ip::tcp::socket> kubelet::open_socket(pod_entry const& pod) {
  boost::asio::ip::tcp::socket made(executor_);
  boost::system::error_code error;
  if (pod.network == nullptr) {
    made.open(boost::asio::ip::tcp::v4(), error);
  } else {
    auto inside = pod.network->open_socket();
    if (!inside) {
      return inside.error();
    }
    made.assign(boost::asio::ip::tcp::v4(), inside->release(), error);
  }
  if (error) {
    return base::error(error.message());
  }
  return made;
}

void kubelet::begin_probes(record_ptr const& pod, std::size_t index) {
  auto& one = *pod->units[index];
  auto& facts = pod->facts.containers[index];
  auto const& container = at_path(*pod->pod, "spec.containers")[index];
  one.probes.clear();
  facts.ready = true;
  facts.begun = true;
  for (auto const& [field, kind] : {std::pair<char const*, char const*>("startupProbe", "Startup"),
                                    std::pair<char const*, char const*>("livenessProbe", "Liveness"),
                                    std::pair<char const*, char const*>("readinessProbe", "Readiness")}) {
    auto const& asked = at_path(container, field);
    if (!asked.is_object()) {
      continue;
    }
    auto settings = pod->api_host.empty() ? base::result<probe_settings>(base::error("the pod has no network here"))
                                          : read_probe(asked, container);
    if (!settings) {
      event(*pod, event_kind::warning, "ProbeWarning",
            std::string(kind) + " probe is not made: " + settings.error().message, one.name);
      continue;
    }
    facts.begun = facts.begun && std::string_view(kind) != "Startup";
    facts.ready = facts.ready && std::string_view(kind) != "Readiness";
    auto made = std::make_unique<unit::probing>(
        unit::probing{kind, probe_verdict(settings->successes, settings->failures), nullptr});
    auto* const place = made.get();
    one.probes.push_back(std::move(made));
    std::weak_ptr const weak(pod);
    auto answer = [this, weak, index, place](bool good, std::string const& why) {
      auto const record = weak.lock();
      if (record == nullptr || record->gone || record->pod.being_deleted()) {
        return;
      }
      if (!good) {
        event(*record, event_kind::warning, "Unhealthy", place->kind + " probe failed: " + why,
              record->units[index]->name);
      }
      // Until it has begun, only the startup probe counts.
      if (place->kind != "Startup" && !record->facts.containers[index].begun) {
        return;
      }
      if (auto const verdict = place->verdict.add(good)) {
        auto const kind_now = place->kind;
        probed(record, index, kind_now, *verdict);
      }
    };
    auto socket = [this, weak]() -> base::result<boost::asio::ip::tcp::socket> {
      auto const record = weak.lock();
      return record == nullptr ? base::error("the pod is gone") : open_socket(*record);
    };
    place->asking = std::make_unique<prober>(executor_, *settings, boost::asio::ip::make_address(pod->facts.pod_ip),
                                             std::move(socket), std::move(answer));
  }
}

void kubelet::probed(record_ptr const& pod, std::size_t index, std::string const& kind, bool good) {
  auto& one = *pod->units[index];
  auto& facts = pod->facts.containers[index];
  if (facts.now != container_facts::state::running) {
    return;
  }
  if (kind == "Readiness" || (kind == "Startup" && good)) {
    auto& said = kind == "Readiness" ? facts.ready : facts.begun;
    if (said != good) {
      said = good;
      write_status(*pod);
    }
    return;
  }
  if (good || one.running == nullptr) {
    return;
  }
  event(
      *pod, event_kind::normal, "Killing",
      "Container " + one.name + " failed " + (kind == "Startup" ? "startup" : "liveness") + " probe, will be restarted",
      one.name);
  auto const& seconds = at_path(*pod->pod, "spec.terminationGracePeriodSeconds");
  one.running->signal(SIGTERM);
  one.kill_timer.expires_after(std::chrono::seconds(seconds.is_number_integer() ? seconds.get<std::int64_t>() : 30));
  one.kill_timer.async_wait([weak = std::weak_ptr(pod), index](boost::system::error_code error) {
    auto const record = weak.lock();
    if (!error && record != nullptr && !record->gone && record->units[index]->running != nullptr) {
      record->units[index]->running->signal(SIGKILL);
    }
  });
  // The next answers are those of the next run. Not from inside the prober's own call.
  boost::asio::post(executor_, [weak = std::weak_ptr(pod), index] {
    if (auto const record = weak.lock()) {
      record->units[index]->probes.clear();
    }
  });
}

// Started again ---------------------------------------------------------------------------------------------------

/// At once the first time, then after 10 s, 20 s, ... up to 5 min; from the beginning for one that ran for 10 min.
void kubelet::plan_restart(record_ptr const& pod, std::size_t index) {
  auto& one = *pod->units[index];
  auto& facts = pod->facts.containers[index];
  if (facts.started_at && facts.finished_at && *facts.finished_at - *facts.started_at >= forgives_after) {
    one.restart_wait = milliseconds(0);
  }
  auto const wait = one.restart_wait;
  one.restart_wait = wait.count() == 0 ? options_.restart_backoff : std::min(wait * 2, longest_restart_wait);
  if (wait.count() == 0) {
    restart(pod, index);
    return;
  }
  auto const& about = pod->pod;
  facts.last = container_state(facts);
  facts.now = container_facts::state::waiting;
  facts.reason = "CrashLoopBackOff";
  facts.message = "back-off " + std::to_string(wait.count() / 1000) + "s restarting failed container=" + one.name +
                  " pod=" + about.name() + "_" + about.ns() + "(" + about.uid() + ")";
  write_status(*pod);
  event(*pod, event_kind::warning, "BackOff",
        "Back-off restarting failed container " + one.name + " in pod " + about.name() + "_" + about.ns() + "(" +
            about.uid() + ")",
        one.name);
  one.restart_timer.expires_after(wait);
  one.restart_timer.async_wait([this, weak = std::weak_ptr(pod), index](boost::system::error_code error) {
    auto const record = weak.lock();
    if (!error && record != nullptr && !record->gone && !stopped_ && !record->pod.being_deleted()) {
      restart(record, index);
    }
  });
}

void kubelet::restart(record_ptr const& pod, std::size_t index) {
  auto& one = *pod->units[index];
  auto& facts = pod->facts.containers[index];
  if (facts.now == container_facts::state::terminated) {
    facts.last = container_state(facts);
  }
  facts.now = container_facts::state::waiting;
  facts.reason = "ContainerCreating";
  facts.message.clear();
  facts.exit_code = 0;
  facts.started_at.reset();
  facts.finished_at.reset();
  ++facts.restarts;
  one.previous_log = std::exchange(one.log, std::make_shared<container_log>(executor_, options_.log_bytes));
  one.launched = false;
  sync(pod);
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
  one.probes.clear();
  one.kill_timer.cancel();
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
    if (restarts_always(*record->pod) && !record->pod.being_deleted() && !record->facts.expired) {
      plan_restart(record, index);
    } else {
      settle(record);
    }
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
  bool const all_ended = std::all_of(pod->facts.containers.begin(), pod->facts.containers.end(), ended);
  if (pod->any_running() || (!all_ended && !pod->facts.expired)) {
    if (pod->pod.being_deleted()) {
      terminate(pod);
    }
    return;
  }
  std::error_code ignored;
  fs::remove_all(pod->folder, ignored);
  pod->facts.settled = true;
  pod->facts.sandbox_ready = false;
  for (auto& facts : pod->facts.containers) {
    if (!ended(facts)) {
      say_unknown(facts);
    }
  }
  write_status(*pod);
  if (pod->pod.being_deleted()) {
    terminate(pod);
  }
}

bool kubelet::past_its_deadline(record_ptr const& pod) {
  auto const seconds = integer_at(*pod->pod, "spec.activeDeadlineSeconds");
  if (pod->facts.expired || !seconds) {
    return pod->facts.expired;
  }
  auto const now = store_.clock().wall_now();
  auto const due = pod->facts.start_time.value_or(now) + std::chrono::seconds(*seconds);
  if (now < due) {
    pod->deadline_timer.expires_after(due - now);
    pod->deadline_timer.async_wait([this, weak = std::weak_ptr(pod)](boost::system::error_code error) {
      auto const record = weak.lock();
      if (!error && record != nullptr) {
        sync(record);
      }
    });
    return false;
  }
  pod->facts.expired = true;
  pod->retry_timer.cancel();
  event(*pod, event_kind::normal, "DeadlineExceeded", past_deadline);
  for (auto const& one : pod->units) {
    one->rest();
  }
  if (pod->any_running()) {
    stop_containers(pod, integer_at(*pod->pod, "spec.terminationGracePeriodSeconds").value_or(30));
  } else {
    settle(pod);
  }
  return true;
}

void kubelet::stop_containers(record_ptr const& pod, std::int64_t grace) {
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
}

void kubelet::terminate(record_ptr const& pod) {
  auto const& seconds = at_path(*pod->pod, "metadata.deletionGracePeriodSeconds");
  if (pod->any_running()) {
    stop_containers(pod, seconds.is_number_integer() ? seconds.get<std::int64_t>() : 0);
    return;
  }
  if (pod->removed) {
    return;
  }
  pod->removed = true;
  pod->retry_timer.cancel();
  pod->token_timer.cancel();
  for (auto const& one : pod->units) {
    one->rest();
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

result<pod_ports::way> kubelet::open_way(object const& pod) {
  auto const known = pods_.find(pod.uid());
  if (known == pods_.end() || known->second->api_host.empty()) {
    return status_error(
        503, "ServiceUnavailable",
        "pod \"" + pod.name() + "\" has no network: on this node only pods of the machine's own programs have one");
  }
  auto socket = open_socket(*known->second);
  if (!socket) {
    return status_error(503, "ServiceUnavailable", "error trying to reach service: " + socket.error().message);
  }
  return pod_ports::way{std::move(*socket), boost::asio::ip::make_address(known->second->facts.pod_ip)};
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
  auto const index = static_cast<std::size_t>(found - names.begin());
  auto const known = pods_.find(pod.uid());
  if (options.previous) {
    if (known == pods_.end() || known->second->units[index]->previous_log == nullptr) {
      return status_error::bad_request("previous terminated " + who + " not found");
    }
    return known->second->units[index]->previous_log->open(options, std::move(wake));
  }
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
  // Between two runs, the log is that of the last one.
  if (facts.now == container_facts::state::waiting && facts.reason != "CrashLoopBackOff") {
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
