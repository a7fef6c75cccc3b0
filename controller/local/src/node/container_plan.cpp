#include "codeexec/local/node/container_plan.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <iterator>
#include <utility>

#include "codeexec/base/encoding.hpp"
#include "codeexec/local/node/expansion.hpp"
#include "codeexec/local/node/quantity.hpp"
#include "codeexec/local/object.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

constexpr std::string_view default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

json const& array_at(json const& value, std::string_view path) {
  static json const empty = json::array();
  auto const& found = at_path(value, path);
  return found.is_array() ? found : empty;
}

bool flag_at(json const& value, std::string_view path, bool otherwise) {
  auto const& found = at_path(value, path);
  return found.is_boolean() ? found.get<bool>() : otherwise;
}

/// The container's securityContext beats the Pod's.
std::optional<std::int64_t> security_integer(json const& pod, json const& container, std::string const& field) {
  auto const own = integer_at(container, "securityContext." + field);
  return own ? own : integer_at(pod, "spec.securityContext." + field);
}

std::string pod_in_messages(json const& pod) {
  return string_at(pod, "metadata.name") + "_" + string_at(pod, "metadata.namespace") + "(" +
         string_at(pod, "metadata.uid") + ")";
}

/// The value; nothing where it is not there and need not be.
base::result<std::optional<std::string>> config_map_value(json const& pod, json const& reference,
                                                          config_map_lookup const& find) {
  std::optional<std::string> const absent;
  auto const name = string_at(reference, "name");
  auto const key = string_at(reference, "key");
  bool const optional = flag_at(reference, "optional", false);
  auto const* const map = find(name);
  if (map != nullptr) {
    auto const& data = at_path(*map, "data");
    if (data.is_object() && data.contains(key) && data[key].is_string()) {
      return std::optional(data[key].get<std::string>());
    }
  }
  if (optional) {
    return absent;
  }
  if (map == nullptr) {
    return base::error("configmap \"" + name + "\" not found");
  }
  return base::error("couldn't find key " + key + " in ConfigMap " + string_at(pod, "metadata.namespace") + "/" + name);
}

/// What the downward API says of a Pod; nothing for a field it does not offer.
std::optional<std::string> pod_field(json const& pod, std::string const& path, pod_surroundings const& around) {
  static constexpr std::array<std::string_view, 4> plain{"metadata.name", "metadata.namespace", "metadata.uid",
                                                         "spec.serviceAccountName"};
  if (std::find(plain.begin(), plain.end(), path) != plain.end()) {
    return string_at(pod, path);
  }
  if (path == "spec.nodeName") {
    return around.node_name;
  }
  if (path == "status.hostIP") {
    return "127.0.0.1";
  }
  if (path == "status.podIP") {
    return around.pod_ip;
  }
  for (std::string const which : {"labels", "annotations"}) {
    auto const prefix = "metadata." + which + "['";
    if (path.compare(0, prefix.size(), prefix) == 0 && path.size() > prefix.size() + 2) {
      auto const& all = at_path(pod, "metadata." + which);
      auto const found =
          all.is_object() ? all.find(path.substr(prefix.size(), path.size() - prefix.size() - 2)) : all.end();
      return all.is_object() && found != all.end() && found->is_string() ? found->get<std::string>() : std::string();
    }
  }
  return std::nullopt;
}

/// The variables in the order in which they are first named; a later one of the same name takes the earlier one's
/// place.
class environment_builder {
 public:
  void set(std::string const& name, std::string value) {
    if (values_.find(name) == values_.end()) {
      order_.push_back(name);
    }
    values_[name] = std::move(value);
  }
  environment const& values() const { return values_; }
  std::vector<std::string> rendered() const {
    std::vector<std::string> out;
    for (auto const& name : order_) {
      out.push_back(name + "=" + values_.find(name)->second);
    }
    return out;
  }

 private:
  environment values_;
  std::vector<std::string> order_;
};

std::optional<base::error> add_environment(environment_builder& into, environment& declared, json const& pod,
                                           json const& container, config_map_lookup const& find,
                                           pod_surroundings const& around) {
  for (auto const& source : array_at(container, "envFrom")) {
    auto const& reference = at_path(source, "configMapRef");
    if (!reference.is_object()) {
      return base::error("secret \"" + string_at(source, "secretRef.name") + "\" not found");
    }
    auto const name = string_at(reference, "name");
    auto const* const map = find(name);
    if (map == nullptr) {
      if (flag_at(reference, "optional", false)) {
        continue;
      }
      return base::error("configmap \"" + name + "\" not found");
    }
    auto const& data = at_path(*map, "data");
    if (data.is_object()) {
      for (auto const& [key, value] : data.items()) {
        if (value.is_string()) {
          auto const variable = string_at(source, "prefix") + key;
          into.set(variable, value.get<std::string>());
          declared[variable] = value.get<std::string>();
        }
      }
    }
  }
  for (auto const& variable : array_at(container, "env")) {
    auto const name = string_at(variable, "name");
    std::string value;
    auto const& from = at_path(variable, "valueFrom");
    if (!from.is_object()) {
      value = expand_variables(string_at(variable, "value"), declared);
    } else if (from.contains("configMapKeyRef")) {
      auto found = config_map_value(pod, from["configMapKeyRef"], find);
      if (!found) {
        return found.error();
      }
      if (!*found) {
        continue;
      }
      value = std::move(**found);
    } else if (from.contains("fieldRef")) {
      auto const path = string_at(from, "fieldRef.fieldPath");
      auto field = pod_field(pod, path, around);
      if (!field) {
        return base::error("field label not supported: " + path);
      }
      value = std::move(*field);
    } else if (from.contains("secretKeyRef")) {
      if (flag_at(from["secretKeyRef"], "optional", false)) {
        continue;
      }
      return base::error("secret \"" + string_at(from, "secretKeyRef.name") + "\" not found");
    } else {
      return base::error("env \"" + name + "\": this source of a value is not supported here");
    }
    into.set(name, value);
    declared[name] = value;
  }
  return std::nullopt;
}

std::vector<std::string> expanded(json const& words, environment const& variables) {
  std::vector<std::string> out;
  for (auto const& word : words) {
    if (word.is_string()) {
      out.push_back(expand_variables(word.get<std::string>(), variables));
    }
  }
  return out;
}

/// What a container of containerd's may do unless the Pod says otherwise.
std::vector<std::string> capabilities_of(json const& container) {
  std::vector<std::string> kept{"CAP_CHOWN",      "CAP_DAC_OVERRIDE", "CAP_FOWNER",           "CAP_FSETID",
                                "CAP_KILL",       "CAP_SETGID",       "CAP_SETUID",           "CAP_SETPCAP",
                                "CAP_SYS_CHROOT", "CAP_MKNOD",        "CAP_NET_BIND_SERVICE", "CAP_AUDIT_WRITE",
                                "CAP_SETFCAP"};
  for (auto const& dropped : array_at(container, "securityContext.capabilities.drop")) {
    auto const name = dropped.is_string() ? dropped.get<std::string>() : std::string();
    if (name == "ALL") {
      kept.clear();
    } else {
      kept.erase(std::remove(kept.begin(), kept.end(), "CAP_" + name), kept.end());
    }
  }
  for (auto const& added : array_at(container, "securityContext.capabilities.add")) {
    auto const name = "CAP_" + (added.is_string() ? added.get<std::string>() : std::string());
    if (std::find(kept.begin(), kept.end(), name) == kept.end()) {
      kept.push_back(name);
    }
  }
  return kept;
}

json const* find_volume(json const& pod, std::string const& name) {
  for (auto const& volume : array_at(pod, "spec.volumes")) {
    if (string_at(volume, "name") == name) {
      return &volume;
    }
  }
  return nullptr;
}

}  // namespace

base::result<container_spec> plan_container(json const& pod, json const& container, image_config const& image,
                                            config_map_lookup const& find_config_map, volume_places const& places,
                                            pod_surroundings const& around) {
  container_spec spec;
  spec.hostname = string_at(pod, "spec.hostname");
  if (spec.hostname.empty()) {
    spec.hostname = string_at(pod, "metadata.name").substr(0, 63);
  }

  auto const name = string_at(container, "name");
  auto const run_as_user = security_integer(pod, container, "runAsUser");
  auto const& own_non_root = at_path(container, "securityContext.runAsNonRoot");
  bool const non_root =
      own_non_root.is_boolean() ? own_non_root.get<bool>() : flag_at(pod, "spec.securityContext.runAsNonRoot", false);
  auto const where = " (pod: \"" + pod_in_messages(pod) + "\", container: " + name + ")";
  if (non_root && run_as_user == 0) {
    return base::error("container's runAsUser breaks non-root policy" + where);
  }
  if (non_root && !run_as_user && image.uid == 0) {
    return base::error("container has runAsNonRoot and image will run as root" + where);
  }
  spec.uid = run_as_user ? static_cast<std::uint32_t>(*run_as_user) : image.uid;
  auto const run_as_group = security_integer(pod, container, "runAsGroup");
  spec.gid = run_as_group ? static_cast<std::uint32_t>(*run_as_group) : (run_as_user ? 0 : image.gid);
  for (auto const& group : array_at(pod, "spec.securityContext.supplementalGroups")) {
    if (group.is_number_integer()) {
      spec.groups.push_back(group.get<std::uint32_t>());
    }
  }
  if (auto const fs_group = integer_at(pod, "spec.securityContext.fsGroup")) {
    spec.groups.push_back(static_cast<std::uint32_t>(*fs_group));
  }
  spec.read_only_root = flag_at(container, "securityContext.readOnlyRootFilesystem", false);
  spec.no_new_privileges = !flag_at(container, "securityContext.allowPrivilegeEscalation", true);
  spec.capabilities = capabilities_of(container);

  environment_builder env;
  env.set("PATH", std::string(default_path));
  env.set("HOSTNAME", spec.hostname);
  for (auto const& [key, value] : image.env) {
    env.set(key, value);
  }
  environment declared;
  if (!around.api_host.empty()) {
    // kubernetes/pkg/kubelet/envvars: the one Service that every pod is told about.
    auto const port = std::to_string(around.api_port);
    auto const url = "tcp://" + around.api_host + ":" + port;
    for (auto const& [key, value] : std::initializer_list<std::pair<std::string, std::string>>{
             {"KUBERNETES_SERVICE_HOST", around.api_host},
             {"KUBERNETES_SERVICE_PORT", port},
             {"KUBERNETES_SERVICE_PORT_HTTPS", port},
             {"KUBERNETES_PORT", url},
             {"KUBERNETES_PORT_" + port + "_TCP", url},
             {"KUBERNETES_PORT_" + port + "_TCP_PROTO", "tcp"},
             {"KUBERNETES_PORT_" + port + "_TCP_PORT", port},
             {"KUBERNETES_PORT_" + port + "_TCP_ADDR", around.api_host}}) {
      env.set(key, value);
      declared[key] = value;
    }
  }
  if (auto problem = add_environment(env, declared, pod, container, find_config_map, around)) {
    return *problem;
  }
  if (env.values().find("HOME") == env.values().end()) {
    env.set("HOME", spec.uid == 0 ? "/root" : "/");
  }
  spec.env = env.rendered();

  auto const command = expanded(array_at(container, "command"), declared);
  auto const args = expanded(array_at(container, "args"), declared);
  // A command replaces the image's entrypoint and its cmd; args alone replace only the cmd.
  spec.args = command.empty() ? image.entrypoint : command;
  auto const& rest = !args.empty() || !command.empty() ? args : image.cmd;
  spec.args.insert(spec.args.end(), rest.begin(), rest.end());
  if (spec.args.empty()) {
    return base::error("no command specified");
  }
  spec.cwd = string_at(container, "workingDir");
  if (spec.cwd.empty()) {
    spec.cwd = image.working_dir;
  }

  for (auto const& mount : array_at(container, "volumeMounts")) {
    auto const volume_name = string_at(mount, "name");
    auto const* const volume = find_volume(pod, volume_name);
    if (volume == nullptr) {
      return base::error("no volume \"" + volume_name + "\"");
    }
    container_mount out;
    out.destination = string_at(mount, "mountPath");
    if (volume->contains("emptyDir") && is_private_empty_dir(pod, volume_name)) {
      out.what = container_mount::kind::tmpfs;
      out.read_only = flag_at(mount, "readOnly", false);
      out.size_bytes = parse_units(string_at(*volume, "emptyDir.sizeLimit"));
    } else {
      auto const sub_path = string_at(mount, "subPath");
      out.source = places.folder(volume_name);
      if (!sub_path.empty()) {
        out.source /=
            volume->contains("emptyDir") ? std::filesystem::path(sub_path) : std::filesystem::path("..data") / sub_path;
      }
      out.read_only = !volume->contains("emptyDir") || flag_at(mount, "readOnly", false);
      // A token is written anew while the container runs.
      out.shared = !volume->contains("configMap");
    }
    spec.mounts.push_back(std::move(out));
  }
  container_mount termination;
  termination.destination = string_at(container, "terminationMessagePath");
  if (termination.destination.empty()) {
    termination.destination = "/dev/termination-log";
  }
  termination.source = places.termination_log;
  termination.read_only = false;
  spec.mounts.push_back(std::move(termination));

  spec.limits.memory_bytes = parse_units(string_at(container, "resources.limits.memory"));
  spec.limits.cpu_millis = parse_millis(string_at(container, "resources.limits.cpu"));
  return spec;
}

base::result<std::vector<projected_file>> project_config_map(json const& volume, config_map_lookup const& find) {
  auto const& source = at_path(volume, "configMap");
  auto const name = string_at(source, "name");
  bool const optional = flag_at(source, "optional", false);
  auto const default_mode = static_cast<unsigned>(integer_at(source, "defaultMode").value_or(0644));
  std::vector<projected_file> files;
  auto const* const map = find(name);
  if (map == nullptr) {
    if (optional) {
      return files;
    }
    return base::error("configmap \"" + name + "\" not found");
  }
  auto const content = [&](std::string const& key) -> std::optional<std::string> {
    auto const& data = at_path(*map, "data");
    if (data.is_object() && data.contains(key) && data[key].is_string()) {
      return data[key].get<std::string>();
    }
    auto const& binary = at_path(*map, "binaryData");
    if (binary.is_object() && binary.contains(key) && binary[key].is_string()) {
      return base::base64_decode(binary[key].get_ref<std::string const&>());
    }
    return std::nullopt;
  };
  auto const& items = at_path(source, "items");
  if (items.is_array() && !items.empty()) {
    for (auto const& item : items) {
      auto const key = string_at(item, "key");
      auto bytes = content(key);
      if (!bytes) {
        if (optional) {
          continue;
        }
        return base::error("configmap references non-existent config key: " + key);
      }
      auto const mode = integer_at(item, "mode");
      files.push_back(projected_file{string_at(item, "path"), std::move(*bytes),
                                     mode ? static_cast<unsigned>(*mode) : default_mode});
    }
    return files;
  }
  for (char const* const part : {"data", "binaryData"}) {
    auto const& entries = at_path(*map, part);
    if (entries.is_object()) {
      for (auto const& entry : entries.items()) {
        if (auto bytes = content(entry.key())) {
          files.push_back(projected_file{entry.key(), std::move(*bytes), default_mode});
        }
      }
    }
  }
  return files;
}

namespace {

/// The items of a downwardAPI source.
base::result<std::vector<projected_file>> project_fields(json const& pod, json const& source, unsigned default_mode,
                                                         pod_surroundings const& around) {
  std::vector<projected_file> files;
  for (auto const& item : array_at(source, "items")) {
    auto const path = string_at(item, "fieldRef.fieldPath");
    auto field = pod_field(pod, path, around);
    if (!field) {
      return base::error("this node does not tell the field \"" + path + "\"");
    }
    auto const mode = integer_at(item, "mode");
    files.push_back(
        projected_file{string_at(item, "path"), std::move(*field), mode ? static_cast<unsigned>(*mode) : default_mode});
  }
  return files;
}

}  // namespace

base::result<std::vector<projected_file>> project_volume(json const& pod, json const& volume,
                                                         config_map_lookup const& find, token_source const& token,
                                                         pod_surroundings const& around) {
  auto const& simple = at_path(volume, "downwardAPI");
  if (simple.is_object()) {
    return project_fields(pod, simple, static_cast<unsigned>(integer_at(simple, "defaultMode").value_or(0644)), around);
  }
  auto const default_mode = static_cast<unsigned>(integer_at(volume, "projected.defaultMode").value_or(0644));
  std::vector<projected_file> out;
  for (auto const& source : array_at(volume, "projected.sources")) {
    base::result<std::vector<projected_file>> files(base::error("a source that this node does not have"));
    if (source.contains("configMap")) {
      json as_volume{{"configMap", source["configMap"]}};
      as_volume["configMap"]["defaultMode"] = default_mode;
      files = project_config_map(as_volume, find);
    } else if (source.contains("downwardAPI")) {
      files = project_fields(pod, source["downwardAPI"], default_mode, around);
    } else if (source.contains("serviceAccountToken")) {
      auto made = token(integer_at(source, "serviceAccountToken.expirationSeconds").value_or(3600));
      if (!made) {
        return made.error();
      }
      files = std::vector<projected_file>{
          projected_file{string_at(source, "serviceAccountToken.path"), std::move(*made), default_mode, true}};
    }
    if (!files) {
      return files.error();
    }
    out.insert(out.end(), std::make_move_iterator(files->begin()), std::make_move_iterator(files->end()));
  }
  return out;
}

std::optional<std::chrono::seconds> shortest_token_life(json const& pod) {
  std::optional<std::chrono::seconds> out;
  for (auto const& volume : array_at(pod, "spec.volumes")) {
    for (auto const& source : array_at(volume, "projected.sources")) {
      if (source.contains("serviceAccountToken")) {
        std::chrono::seconds const life(integer_at(source, "serviceAccountToken.expirationSeconds").value_or(3600));
        out = std::min(out.value_or(life), life);
      }
    }
  }
  return out;
}

bool is_private_empty_dir(json const& pod, std::string const& volume) {
  int mounts = 0;
  for (char const* const list : {"spec.containers", "spec.initContainers"}) {
    for (auto const& container : array_at(pod, list)) {
      for (auto const& mount : array_at(container, "volumeMounts")) {
        if (string_at(mount, "name") == volume) {
          ++mounts;
          if (!string_at(mount, "subPath").empty()) {
            return false;
          }
        }
      }
    }
  }
  return mounts <= 1;
}

}  // namespace codeexec::local
