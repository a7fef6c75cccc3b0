#include "pod_spec.hpp"

#include <algorithm>
#include <set>

#include "codeexec/local/names.hpp"
#include "codeexec/local/object.hpp"
#include "codeexec/local/pattern.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

void set_default(json& object, char const* key, json value) {
  auto const found = object.find(key);
  if (found == object.end() || found->is_null() || *found == "") {
    object[key] = std::move(value);
  }
}

/// IfNotPresent, but Always where the image floats: no tag, or ":latest".
std::string pull_policy(std::string const& image) {
  if (image.find('@') != std::string::npos) {
    return "IfNotPresent";
  }
  auto const slash = image.rfind('/');
  auto const colon = image.rfind(':');
  bool const tagged = colon != std::string::npos && (slash == std::string::npos || colon > slash);
  return tagged && image.substr(colon + 1) != "latest" ? "IfNotPresent" : "Always";
}

void default_probe(json& probe) {
  set_default(probe, "timeoutSeconds", 1);
  set_default(probe, "periodSeconds", 10);
  set_default(probe, "successThreshold", 1);
  set_default(probe, "failureThreshold", 3);
  auto const request = probe.find("httpGet");
  if (request != probe.end() && request->is_object()) {
    set_default(*request, "path", "/");
    set_default(*request, "scheme", "HTTP");
  }
}

void default_container(json& container, bool in_pod) {
  set_default(container, "resources", json::object());
  set_default(container, "terminationMessagePath", "/dev/termination-log");
  set_default(container, "terminationMessagePolicy", "File");
  set_default(container, "imagePullPolicy", pull_policy(string_at(container, "image")));
  json& resources = container["resources"];
  if (in_pod && resources.contains("limits")) {
    for (auto const& [name, amount] : resources["limits"].items()) {
      if (!at_path(resources, "requests").contains(name)) {
        resources["requests"][name] = amount;
      }
    }
  }
  auto const ports = container.find("ports");
  if (ports != container.end() && ports->is_array()) {
    for (json& port : *ports) {
      if (port.is_object()) {
        set_default(port, "protocol", "TCP");
      }
    }
  }
  for (char const* const name : {"livenessProbe", "readinessProbe", "startupProbe"}) {
    auto const probe = container.find(name);
    if (probe != container.end() && probe->is_object()) {
      default_probe(*probe);
    }
  }
  auto const env = container.find("env");
  if (env != container.end() && env->is_array()) {
    for (json& variable : *env) {
      if (at_path(variable, "valueFrom.fieldRef").is_object()) {
        set_default(variable["valueFrom"]["fieldRef"], "apiVersion", "v1");
      }
    }
  }
}

void default_volume(json& volume) {
  for (char const* source : {"configMap", "secret", "projected", "downwardAPI"}) {
    auto const found = volume.find(source);
    if (found != volume.end() && found->is_object()) {
      set_default(*found, "defaultMode", 420);
    }
  }
  json const& sources = at_path(volume, "projected.sources");
  for (std::size_t i = 0; sources.is_array() && i < sources.size(); ++i) {
    if (at_path(sources[i], "serviceAccountToken").is_object()) {
      set_default(volume["projected"]["sources"][i]["serviceAccountToken"], "expirationSeconds", 3600);
    }
  }
  if (volume.is_object() && volume.size() == 1 && volume.contains("name")) {
    volume["emptyDir"] = json::object();
  }
}

std::string at_index(std::string const& path, char const* list, std::size_t index) {
  return path + "." + list + "[" + std::to_string(index) + "]";
}

void validate_quantities(json const& resources, std::string const& path, field_errors& out) {
  for (char const* part : {"limits", "requests"}) {
    json const& amounts = at_path(resources, part);
    if (!amounts.is_object()) {
      continue;
    }
    for (auto const& [name, amount] : amounts.items()) {
      if (amount.is_string() && amount.get_ref<std::string const&>().starts_with("-")) {
        out.push_back(
            field_error::invalid(path + "." + part + "[" + name + "]", amount, "must be greater than or equal to 0"));
      }
    }
  }
}

void validate_name(json const& named, std::string const& path, std::set<std::string>& seen, field_errors& out) {
  std::string const name = string_at(named, "name");
  if (name.empty()) {
    out.push_back(field_error::required(path + ".name"));
  } else if (auto const fault = check_dns_label(name)) {
    out.push_back(field_error::invalid(path + ".name", name, *fault));
  } else if (!seen.insert(name).second) {
    out.push_back(field_error::duplicate(path + ".name", name));
  }
}

void validate_container(json const& container, std::string const& path, std::set<std::string>& taken,
                        std::set<std::string> const& volumes, field_errors& out) {
  validate_name(container, path, taken, out);
  if (string_at(container, "image").empty()) {
    out.push_back(field_error::required(path + ".image"));
  }
  std::size_t i = 0;
  for (json const& variable : at_path(container, "env")) {
    std::string const field = at_index(path, "env", i++);
    if (string_at(variable, "name").empty()) {
      out.push_back(field_error::required(field + ".name"));
    }
    if (!string_at(variable, "value").empty() && at_path(variable, "valueFrom").is_object()) {
      out.push_back(field_error::invalid(field + ".valueFrom", "", "may not be specified when `value` is not empty"));
    }
  }
  i = 0;
  std::set<std::string> mount_paths;
  for (json const& mount : at_path(container, "volumeMounts")) {
    std::string const field = at_index(path, "volumeMounts", i++);
    std::string const name = string_at(mount, "name");
    if (name.empty()) {
      out.push_back(field_error::required(field + ".name"));
    } else if (!volumes.contains(name)) {
      out.push_back(field_error("FieldValueNotFound", "Not found: \"" + name + "\"", field + ".name"));
    }
    std::string const where = string_at(mount, "mountPath");
    if (where.empty()) {
      out.push_back(field_error::required(field + ".mountPath"));
    } else if (!mount_paths.insert(where).second) {
      out.push_back(field_error::invalid(field + ".mountPath", where, "must be unique"));
    }
    if (std::string const inner = string_at(mount, "subPath"); inner.starts_with("/")) {
      out.push_back(field_error::invalid(field + ".subPath", inner, "must be a relative path"));
    }
  }
  std::string const policy = string_at(container, "imagePullPolicy");
  if (policy != "Always" && policy != "IfNotPresent" && policy != "Never") {
    out.push_back(field_error::unsupported(path + ".imagePullPolicy", policy, {"Always", "IfNotPresent", "Never"}));
  }
  std::string const message = string_at(container, "terminationMessagePolicy");
  if (message != "File" && message != "FallbackToLogsOnError") {
    out.push_back(
        field_error::unsupported(path + ".terminationMessagePolicy", message, {"FallbackToLogsOnError", "File"}));
  }
  validate_quantities(at_path(container, "resources"), path + ".resources", out);
}

}  // namespace

void mount_account_token(json& spec, std::string const& suffix) {
  // kubernetes/plugin/pkg/admission/serviceaccount: a file for the token, one for the authority, one for the namespace.
  constexpr char const* place = "/var/run/secrets/kubernetes.io/serviceaccount";
  std::string const name = "kube-api-access-" + suffix;
  bool mounted = false;
  for (char const* list : {"initContainers", "containers"}) {
    auto const found = spec.find(list);
    for (std::size_t i = 0; found != spec.end() && found->is_array() && i < found->size(); ++i) {
      json& mounts = (*found)[i]["volumeMounts"];
      if (!mounts.is_array()) {
        mounts = json::array();
      }
      bool const taken = std::any_of(mounts.begin(), mounts.end(),
                                     [&](json const& one) { return string_at(one, "mountPath") == place; });
      if (!taken) {
        mounts.push_back({{"name", name}, {"readOnly", true}, {"mountPath", place}});
        mounted = true;
      }
    }
  }
  if (!mounted) {
    return;
  }
  json const sources = json::array(
      {{{"serviceAccountToken", {{"expirationSeconds", 3607}, {"path", "token"}}}},
       {{"configMap",
         {{"name", "kube-root-ca.crt"}, {"items", json::array({{{"key", "ca.crt"}, {"path", "ca.crt"}}})}}}},
       {{"downwardAPI",
         {{"items", json::array({{{"path", "namespace"},
                                  {"fieldRef", {{"apiVersion", "v1"}, {"fieldPath", "metadata.namespace"}}}}})}}}}});
  json& volumes = spec["volumes"];
  if (!volumes.is_array()) {
    volumes = json::array();
  }
  volumes.push_back({{"name", name}, {"projected", {{"defaultMode", 420}, {"sources", sources}}}});
}

bool is_quantity(json const& value) {
  if (value.is_number()) {
    return true;
  }
  static pattern const grammar =
      pattern::compile("^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$").value();
  return value.is_string() && grammar.found_in(value.get_ref<std::string const&>());
}

void default_pod_spec(json& spec, bool in_pod) {
  for (char const* list : {"initContainers", "containers"}) {
    auto const found = spec.find(list);
    if (found != spec.end() && found->is_array()) {
      for (json& container : *found) {
        if (container.is_object()) {
          default_container(container, in_pod);
        }
      }
    }
  }
  auto const volumes = spec.find("volumes");
  if (volumes != spec.end() && volumes->is_array()) {
    for (json& volume : *volumes) {
      if (volume.is_object()) {
        default_volume(volume);
      }
    }
  }
  set_default(spec, "terminationGracePeriodSeconds", 30);
  set_default(spec, "dnsPolicy", "ClusterFirst");
  set_default(spec, "securityContext", json::object());
  set_default(spec, "schedulerName", "default-scheduler");
  if (in_pod) {
    set_default(spec, "restartPolicy", "Always");
    set_default(spec, "enableServiceLinks", true);
  }
  // The deprecated name follows the new one.
  if (!string_at(spec, "serviceAccountName").empty()) {
    spec["serviceAccount"] = spec["serviceAccountName"];
  }
}

void admit_pod_spec(json& spec) {
  set_default(spec, "serviceAccountName", "default");
  spec["serviceAccount"] = spec["serviceAccountName"];
  set_default(spec, "priority", 0);
  set_default(spec, "preemptionPolicy", "PreemptLowerPriority");
  json& tolerations = spec["tolerations"];
  if (!tolerations.is_array()) {
    tolerations = json::array();
  }
  for (char const* key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    bool const there = std::any_of(tolerations.begin(), tolerations.end(), [key](json const& toleration) {
      return string_at(toleration, "key") == key &&
             (string_at(toleration, "effect") == "NoExecute" || string_at(toleration, "effect").empty());
    });
    if (!there) {
      tolerations.push_back(
          {{"key", key}, {"operator", "Exists"}, {"effect", "NoExecute"}, {"tolerationSeconds", 300}});
    }
  }
}

void validate_pod_spec(json const& spec, std::string const& path, field_errors& out) {
  std::set<std::string> volumes;
  std::size_t i = 0;
  for (json const& volume : at_path(spec, "volumes")) {
    std::string const field = at_index(path, "volumes", i++);
    validate_name(volume, field, volumes, out);
    if (volume.is_object() && volume.size() > 2) {
      out.push_back(field_error::forbidden(field, "may not specify more than 1 volume type"));
    }
    json const& source = at_path(volume, "configMap");
    if (source.is_object() && string_at(source, "name").empty()) {
      out.push_back(field_error::required(field + ".configMap.name"));
    }
    json const& size = at_path(volume, "emptyDir.sizeLimit");
    if (!size.is_null() && !is_quantity(size)) {
      out.push_back(field_error::invalid(field + ".emptyDir.sizeLimit", size, "must be a quantity"));
    }
  }
  std::set<std::string> names;
  i = 0;
  json const& containers = at_path(spec, "containers");
  if (!containers.is_array() || containers.empty()) {
    out.push_back(field_error::required(path + ".containers"));
  }
  for (json const& container : containers) {
    validate_container(container, at_index(path, "containers", i++), names, volumes, out);
  }
  i = 0;
  for (json const& container : at_path(spec, "initContainers")) {
    validate_container(container, at_index(path, "initContainers", i++), names, volumes, out);
  }
  json const& deadline = at_path(spec, "activeDeadlineSeconds");
  if (deadline.is_number_integer() && deadline.get<std::int64_t>() < 1) {
    out.push_back(
        field_error::invalid(path + ".activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive"));
  }
  json const& grace = at_path(spec, "terminationGracePeriodSeconds");
  if (grace.is_number_integer() && grace.get<std::int64_t>() < 0) {
    out.push_back(
        field_error::invalid(path + ".terminationGracePeriodSeconds", grace, "must be greater than or equal to 0"));
  }
  std::string const dns = string_at(spec, "dnsPolicy");
  if (dns == "None" && at_path(spec, "dnsConfig.nameservers").empty()) {
    out.push_back(field_error::required(path + ".dnsConfig.nameservers",
                                        "must provide at least one DNS nameserver when `dnsPolicy` is None"));
  } else if (dns != "None" && dns != "Default" && dns != "ClusterFirst" && dns != "ClusterFirstWithHostNet") {
    out.push_back(field_error::unsupported(path + ".dnsPolicy", dns,
                                           {"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"}));
  }
}

std::string qos_class(json const& spec) {
  bool any = false;
  bool guaranteed = true;
  for (json const& container : at_path(spec, "containers")) {
    for (char const* resource : {"cpu", "memory"}) {
      json const& limit = at_path(at_path(container, "resources.limits"), resource);
      json const& request = at_path(at_path(container, "resources.requests"), resource);
      any = any || !limit.is_null() || !request.is_null();
      guaranteed = guaranteed && !limit.is_null() && limit == request;
    }
  }
  return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

}  // namespace codeexec::local
