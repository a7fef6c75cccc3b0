#include "codeexec/local/table.hpp"

#include <algorithm>
#include <functional>
#include <map>

#include "codeexec/base/text.hpp"
#include "codeexec/local/builtin_types.hpp"
#include "codeexec/local/json_path.hpp"

namespace codeexec::local {
namespace {

using base::wall_time;
using nlohmann::json;

struct column {
  std::string name;
  std::string type;
  std::string format;
  std::string description;
  std::int64_t priority = 0;
  std::function<json(json const&, wall_time)> cell;
};

std::string age(json const& time, wall_time now) {
  auto const then = time.is_string() ? base::parse_time(time.get_ref<std::string const&>()) : std::nullopt;
  return then ? human_duration(std::chrono::duration_cast<std::chrono::seconds>(now - *then)) : "<unknown>";
}

std::string joined(json const& list, char const* field) {
  std::string out;
  if (list.is_array()) {
    for (json const& one : list) {
      out += (out.empty() ? "" : ",") + string_at(one, field);
    }
  }
  return out;
}

std::int64_t count_at(json const& value, std::string_view path) {
  return integer_at(value, path).value_or(0);
}

std::string or_none(std::string text) {
  return text.empty() ? "<none>" : text;
}

column const name_column{"Name",
                         "string",
                         "name",
                         "Name must be unique within a namespace. Is required when creating resources, although some "
                         "resources may allow a client to request the generation of an appropriate name automatically. "
                         "Name is primarily intended for creation idempotence and configuration definition. Cannot be "
                         "updated. More info: "
                         "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names",
                         0,
                         [](json const& o, wall_time) { return json(string_at(o, "metadata.name")); }};

column const age_column{
    "Age",
    "string",
    "",
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    "in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
    0,
    [](json const& o, wall_time now) { return json(age(at_path(o, "metadata.creationTimestamp"), now)); }};

column text_column(char const* name, char const* description, std::function<std::string(json const&, wall_time)> cell,
                   std::int64_t priority = 0) {
  return column{name,     "string",
                "",       description,
                priority, [cell = std::move(cell)](json const& o, wall_time now) { return json(cell(o, now)); }};
}

/// What kubectl shows as a pod's status: the phase, or what a container says that is more telling
/// (kubernetes/pkg/printers/internalversion, printPod).
std::string pod_status(json const& pod) {
  std::string out = string_at(pod, "status.phase");
  if (std::string const reason = string_at(pod, "status.reason"); !reason.empty()) {
    out = reason;
  }
  json const& states = at_path(pod, "status.containerStatuses");
  if (states.is_array()) {
    for (json const& status : states) {
      std::string const waiting = string_at(status, "state.waiting.reason");
      std::string const ended = string_at(status, "state.terminated.reason");
      if (!waiting.empty()) {
        out = waiting;
      } else if (!ended.empty()) {
        out = ended;
      } else if (at_path(status, "state.terminated").is_object()) {
        std::int64_t const signal = count_at(status, "state.terminated.signal");
        out = signal != 0 ? "Signal:" + std::to_string(signal)
                          : "ExitCode:" + std::to_string(count_at(status, "state.terminated.exitCode"));
      }
    }
  }
  json const& conditions = at_path(pod, "status.conditions");
  if (out == "Pending" && conditions.is_array()) {
    for (json const& condition : conditions) {
      if (string_at(condition, "type") == "PodScheduled" && string_at(condition, "reason") == "SchedulingGated") {
        out = "SchedulingGated";
      }
    }
  }
  if (at_path(pod, "metadata.deletionTimestamp").is_string() && out != "Succeeded" && out != "Failed") {
    out = "Terminating";
  }
  return out;
}

/// "2 (5m ago)": how often containers were started again, and when the last one had ended.
std::string pod_restarts(json const& pod, wall_time now) {
  std::int64_t sum = 0;
  std::optional<wall_time> last;
  json const& states = at_path(pod, "status.containerStatuses");
  if (states.is_array()) {
    for (json const& status : states) {
      sum += count_at(status, "restartCount");
      auto const ended = base::parse_time(string_at(status, "lastState.terminated.finishedAt"));
      last = ended && (!last || *last < *ended) ? ended : last;
    }
  }
  std::string const since =
      last ? human_duration(std::chrono::duration_cast<std::chrono::seconds>(now - *last)) : std::string();
  return std::to_string(sum) + (sum == 0 || since.empty() ? "" : " (" + since + " ago)");
}

std::string pod_ready(json const& pod) {
  std::size_t ready = 0;
  json const& states = at_path(pod, "status.containerStatuses");
  if (states.is_array()) {
    for (json const& status : states) {
      ready += at_path(status, "ready") == true && at_path(status, "state.running").is_object() ? 1u : 0u;
    }
  }
  return std::to_string(ready) + "/" + std::to_string(at_path(pod, "spec.containers").size());
}

std::string job_status(json const& job) {
  json const& conditions = at_path(job, "status.conditions");
  std::map<std::string, bool> is;
  if (conditions.is_array()) {
    for (json const& condition : conditions) {
      is[string_at(condition, "type")] = string_at(condition, "status") == "True";
    }
  }
  for (char const* state : {"Complete", "Failed"}) {
    if (is[state]) {
      return state;
    }
  }
  if (at_path(job, "metadata.deletionTimestamp").is_string()) {
    return "Terminating";
  }
  if (is["Suspended"]) {
    return "Suspended";
  }
  if (is["FailureTarget"]) {
    return "FailureTarget";
  }
  return is["SuccessCriteriaMet"] ? "SuccessCriteriaMet" : "Running";
}

std::string job_duration(json const& job, wall_time now) {
  auto const start = base::parse_time(string_at(job, "status.startTime"));
  if (!start) {
    return "";
  }
  auto end = base::parse_time(string_at(job, "status.completionTime"));
  json const& conditions = at_path(job, "status.conditions");
  if (!end && conditions.is_array()) {
    for (json const& condition : conditions) {
      if (string_at(condition, "type") == "Failed" && string_at(condition, "status") == "True") {
        end = base::parse_time(string_at(condition, "lastTransitionTime"));
      }
    }
  }
  return human_duration(std::chrono::duration_cast<std::chrono::seconds>(end.value_or(now) - *start));
}

std::string last_seen(json const& event, wall_time now) {
  for (char const* path : {"series.lastObservedTime", "lastTimestamp", "firstTimestamp", "eventTime"}) {
    json const& time = at_path(event, path);
    if (time.is_string()) {
      return age(time, now);
    }
  }
  return "<unknown>";
}

/// As metav1.FormatLabelSelector: conditions in the order of their keys.
std::string selector_text(json const& selector) {
  std::vector<std::pair<std::string, std::string>> parts;
  json const& labels = at_path(selector, "matchLabels");
  if (labels.is_object()) {
    for (auto const& [key, value] : labels.items()) {
      parts.emplace_back(key, key + "=" + (value.is_string() ? value.get<std::string>() : value.dump()));
    }
  }
  json const& conditions = at_path(selector, "matchExpressions");
  for (std::size_t i = 0; conditions.is_array() && i < conditions.size(); ++i) {
    std::string const key = string_at(conditions[i], "key");
    std::string const operation = string_at(conditions[i], "operator");
    auto values = strings_at(conditions[i], "values");
    std::sort(values.begin(), values.end());
    std::string list;
    for (auto const& value : values) {
      list += (list.empty() ? "" : ",") + value;
    }
    if (operation == "In" || operation == "NotIn") {
      parts.emplace_back(key, key + (operation == "In" ? " in (" : " notin (") + list + ")");
    } else {
      parts.emplace_back(key, (operation == "DoesNotExist" ? "!" : "") + key);
    }
  }
  std::stable_sort(parts.begin(), parts.end(), [](auto const& a, auto const& b) { return a.first < b.first; });
  std::string out;
  for (auto const& [key, text] : parts) {
    out += (out.empty() ? "" : ",") + text;
  }
  return or_none(out);
}

std::string or_unknown(std::string text) {
  return text.empty() ? "<unknown>" : text;
}

std::string node_address(json const& node, std::string_view type) {
  json const& addresses = at_path(node, "status.addresses");
  if (addresses.is_array()) {
    for (json const& one : addresses) {
      if (string_at(one, "type") == type) {
        return string_at(one, "address");
      }
    }
  }
  return "<none>";
}

/// A wide column: the subjects of a binding that are of this kind.
column subjects_column(char const* name, std::string kind) {
  return text_column(
      name, "Who the role is given to.",
      [kind = std::move(kind)](json const& o, wall_time) {
        std::string out;
        json const& subjects = at_path(o, "subjects");
        if (subjects.is_array()) {
          for (json const& one : subjects) {
            if (string_at(one, "kind") == kind) {
              std::string const ns = string_at(one, "namespace");
              out += (out.empty() ? "" : ", ") + (ns.empty() ? ns : ns + "/") + string_at(one, "name");
            }
          }
        }
        return out;
      },
      1);
}

/// "pods: 1/10, requests.cpu: 200m/2": used and hard of a quota; those of limits apart from the others.
std::string quota_text(json const& quota, bool limits) {
  std::string out;
  json const& hard = at_path(quota, "status.hard");
  json const& used = at_path(quota, "status.used");
  if (hard.is_object()) {
    for (auto const& [resource, most] : hard.items()) {
      if (resource.starts_with("limits") == limits && most.is_string()) {
        auto const now = used.is_object() ? used.find(resource) : json::const_iterator();
        bool const known = used.is_object() && now != used.end() && now->is_string();
        out += (out.empty() ? "" : ", ") + resource + ": " + (known ? now->get<std::string>() : "0") + "/" +
               most.get<std::string>();
      }
    }
  }
  return out;
}

/// A column of `kubectl get nodes -o wide`.
column node_column(char const* name, char const* description, std::string (*cell)(json const&)) {
  return text_column(
      name, description, [cell](json const& o, wall_time) { return cell(o); }, 1);
}

column count_column(char const* name, char const* description, char const* path) {
  return column{name,        "integer", "",
                description, 0,         [path](json const& o, wall_time) { return json(count_at(o, path)); }};
}

std::string service_ports(json const& service) {
  std::string out;
  json const& ports = at_path(service, "spec.ports");
  for (std::size_t i = 0; ports.is_array() && i < ports.size(); ++i) {
    out +=
        (out.empty() ? "" : ",") + std::to_string(count_at(ports[i], "port")) + "/" + string_at(ports[i], "protocol");
  }
  return out;
}

/// Deployments and ReplicaSets.
std::vector<column> workload_columns(resource_type const& type) {
  std::vector<column> out{name_column};
  if (type.plural == "deployments") {
    out.push_back(text_column("Ready", "Number of the pod with ready state", [](json const& o, wall_time) {
      return std::to_string(count_at(o, "status.readyReplicas")) + "/" + std::to_string(count_at(o, "spec.replicas"));
    }));
    out.push_back(count_column("Up-to-date", "Pods of the present template.", "status.updatedReplicas"));
    out.push_back(count_column("Available", "Pods that have been ready for long enough.", "status.availableReplicas"));
  } else {
    out.push_back(count_column("Desired", "Pods that are wanted.", "spec.replicas"));
    out.push_back(count_column("Current", "Pods that are there.", "status.replicas"));
    out.push_back(count_column("Ready", "Pods that are ready.", "status.readyReplicas"));
  }
  out.push_back(age_column);
  out.push_back(text_column(
      "Containers", "Names of each container in the template.",
      [](json const& o, wall_time) { return joined(at_path(o, "spec.template.spec.containers"), "name"); }, 1));
  out.push_back(text_column(
      "Images", "Images referenced by each container in the template.",
      [](json const& o, wall_time) { return joined(at_path(o, "spec.template.spec.containers"), "image"); }, 1));
  out.push_back(text_column(
      "Selector", "The pods that it makes and counts.",
      [](json const& o, wall_time) { return selector_text(at_path(o, "spec.selector")); }, 1));
  return out;
}

std::vector<column> builtin_columns(resource_type const& type) {
  if (type.group.empty() && type.plural == "pods") {
    return {name_column,
            text_column("Ready", "The aggregate readiness state of this pod for accepting traffic.",
                        [](json const& o, wall_time) { return pod_ready(o); }),
            text_column("Status", "The aggregate status of the containers in this pod.",
                        [](json const& o, wall_time) { return pod_status(o); }),
            text_column("Restarts", "The number of times the containers in this pod have been restarted.",
                        [](json const& o, wall_time now) { return pod_restarts(o, now); }),
            age_column,
            text_column(
                "IP", "podIP address allocated to the pod.",
                [](json const& o, wall_time) { return or_none(string_at(o, "status.podIP")); }, 1),
            text_column(
                "Node", "NodeName indicates in which node this pod is scheduled.",
                [](json const& o, wall_time) { return or_none(string_at(o, "spec.nodeName")); }, 1),
            text_column(
                "Nominated Node", "nominatedNodeName is set only when this pod preempts other pods.",
                [](json const& o, wall_time) { return or_none(string_at(o, "status.nominatedNodeName")); }, 1),
            text_column(
                "Readiness Gates", "Conditions that are evaluated for pod readiness.",
                [](json const&, wall_time) { return std::string("<none>"); }, 1)};
  }
  if (type.group == "batch" && type.plural == "jobs") {
    return {
        name_column,
        text_column("Status", "Status of the job.", [](json const& o, wall_time) { return job_status(o); }),
        text_column("Completions",
                    "The number of pods which reached phase Succeeded. The value increases monotonically for a "
                    "given spec. However, it may decrease in reaction to scale down of elastic indexed jobs.",
                    [](json const& o, wall_time) {
                      json const& wanted = at_path(o, "spec.completions");
                      return std::to_string(count_at(o, "status.succeeded")) + "/" +
                             (wanted.is_number() ? wanted.dump()
                                                 : "1 of " + std::to_string(count_at(o, "spec.parallelism")));
                    }),
        text_column("Duration", "Time required to complete the job.", job_duration),
        age_column,
        text_column(
            "Containers", "Names of each container in the template.",
            [](json const& o, wall_time) { return joined(at_path(o, "spec.template.spec.containers"), "name"); }, 1),
        text_column(
            "Images", "Images referenced by each container in the template.",
            [](json const& o, wall_time) { return joined(at_path(o, "spec.template.spec.containers"), "image"); }, 1),
        text_column(
            "Selector",
            "A label query over pods that should match the pod count. Normally, the system sets this field "
            "for you. More info: "
            "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
            [](json const& o, wall_time) { return selector_text(at_path(o, "spec.selector")); }, 1)};
  }
  if (type.group == "apps") {
    return workload_columns(type);
  }
  if (type.plural == "poddisruptionbudgets") {
    auto const bound = [](char const* field) {
      return [field](json const& o, wall_time) {
        json const& value = at_path(at_path(o, "spec"), field);
        return value.is_null() ? std::string("N/A") : value.is_string() ? value.get<std::string>() : value.dump();
      };
    };
    return {name_column, text_column("Min Available", "How many of the pods must stay.", bound("minAvailable")),
            text_column("Max Unavailable", "How many of the pods may be missing.", bound("maxUnavailable")),
            count_column("Allowed Disruptions", "How many of the pods may go now.", "status.disruptionsAllowed"),
            age_column};
  }
  if (type.plural == "priorityclasses") {
    return {name_column, count_column("Value", "The higher, the more important.", "value"),
            text_column("Global-Default", "Whether it is for pods that name none.",
                        [](json const& o, wall_time) {
                          return std::string(at_path(o, "globalDefault") == true ? "true" : "false");
                        }),
            age_column};
  }
  if (type.group.empty() && type.plural == "services") {
    return {
        name_column,
        text_column("Type", "How it is reached.", [](json const& o, wall_time) { return string_at(o, "spec.type"); }),
        text_column("Cluster-IP", "Its address.",
                    [](json const& o, wall_time) { return or_none(string_at(o, "spec.clusterIP")); }),
        text_column("External-IP", "Its address from outside.",
                    [](json const&, wall_time) { return std::string("<none>"); }),
        text_column("Port(s)", "Its ports.", [](json const& o, wall_time) { return or_none(service_ports(o)); }),
        age_column,
        text_column(
            "Selector", "The pods that it stands for.",
            [](json const& o, wall_time) {
              return selector_text({{"matchLabels", at_path(o, "spec.selector")}});
            },
            1)};
  }
  if (type.group.empty() && type.plural == "configmaps") {
    return {
        name_column,
        column{"Data", "string", "",
               "Data contains the configuration data. Each key must consist of alphanumeric characters, '-', '_' or "
               "'.'. Values with non-UTF-8 byte sequences must use the BinaryData field. The keys stored in Data "
               "must not overlap with the keys in the BinaryData field, this is enforced during validation process.",
               0,
               [](json const& o, wall_time) {
                 return json(static_cast<std::int64_t>(at_path(o, "data").size() + at_path(o, "binaryData").size()));
               }},
        age_column};
  }
  if (type.group.empty() && type.plural == "namespaces") {
    return {name_column,
            text_column("Status", "The status of the namespace",
                        [](json const& o, wall_time) { return string_at(o, "status.phase"); }),
            age_column};
  }
  if (type.plural == "events") {
    auto const involved = [](json const& o) {
      return base::to_lower(string_at(o, "involvedObject.kind")) + "/" + string_at(o, "involvedObject.name");
    };
    return {text_column("Last Seen", "Time this event was last observed", last_seen),
            text_column("Type", "Type of this event (Normal, Warning), new types could be added in the future",
                        [](json const& o, wall_time) { return string_at(o, "type"); }),
            text_column("Reason", "This should be a short, machine understandable string.",
                        [](json const& o, wall_time) { return string_at(o, "reason"); }),
            text_column("Object", "The object that this event is about.",
                        [involved](json const& o, wall_time) { return involved(o); }),
            text_column("Message", "A human-readable description of the status of this operation.",
                        [](json const& o, wall_time) { return string_at(o, "message"); })};
  }
  if (type.plural == "leases") {
    return {name_column,
            text_column("Holder", "holderIdentity contains the identity of the holder of a current lease.",
                        [](json const& o, wall_time) { return string_at(o, "spec.holderIdentity"); }),
            age_column};
  }
  if (type.plural == "runtimeclasses") {
    return {name_column,
            text_column("Handler", "handler specifies the underlying runtime and configuration.",
                        [](json const& o, wall_time) { return string_at(o, "handler"); }),
            age_column};
  }
  if (type.plural == "nodes") {
    return {name_column,
            text_column("Status", "The status of the node",
                        [](json const& o, wall_time) {
                          json const& conditions = at_path(o, "status.conditions");
                          if (conditions.is_array()) {
                            for (json const& condition : conditions) {
                              if (string_at(condition, "type") == "Ready") {
                                return std::string(string_at(condition, "status") == "True" ? "Ready" : "NotReady");
                              }
                            }
                          }
                          return std::string("Unknown");
                        }),
            text_column("Roles", "The roles of the node", [](json const&, wall_time) { return std::string("<none>"); }),
            age_column,
            text_column("Version", "Kubelet Version reported by the node.",
                        [](json const& o, wall_time) { return string_at(o, "status.nodeInfo.kubeletVersion"); }),
            node_column("Internal-IP", "List of addresses reachable to the node.",
                        [](json const& o) { return node_address(o, "InternalIP"); }),
            node_column("External-IP", "List of addresses reachable to the node.",
                        [](json const& o) { return node_address(o, "ExternalIP"); }),
            node_column("OS-Image", "OS Image reported by the node.",
                        [](json const& o) { return or_unknown(string_at(o, "status.nodeInfo.osImage")); }),
            node_column("Kernel-Version", "Kernel Version reported by the node.",
                        [](json const& o) { return or_unknown(string_at(o, "status.nodeInfo.kernelVersion")); }),
            node_column("Container-Runtime", "ContainerRuntime Version reported by the node.", [](json const& o) {
              return or_unknown(string_at(o, "status.nodeInfo.containerRuntimeVersion"));
            })};
  }
  if (type.plural == "customresourcedefinitions" || type.plural == "roles" || type.plural == "clusterroles") {
    return {name_column, text_column("Created At", age_column.description.c_str(), [](json const& o, wall_time) {
              return string_at(o, "metadata.creationTimestamp");
            })};
  }
  if (type.plural == "rolebindings" || type.plural == "clusterrolebindings") {
    return {name_column,
            text_column("Role", "RoleRef is the role that is bound.",
                        [](json const& o, wall_time) {
                          return string_at(o, "roleRef.kind") + "/" + string_at(o, "roleRef.name");
                        }),
            age_column,
            subjects_column("Users", "User"),
            subjects_column("Groups", "Group"),
            subjects_column("ServiceAccounts", "ServiceAccount")};
  }
  if (type.group.empty() && type.plural == "serviceaccounts") {
    return {name_column,
            text_column("Secrets", "Secrets that pods of this account may use.",
                        [](json const& o, wall_time) { return std::to_string(at_path(o, "secrets").size()); }),
            age_column};
  }
  if (type.plural == "networkpolicies") {
    return {name_column,
            text_column("Pod-Selector", "The pods that the policy is about.",
                        [](json const& o, wall_time) { return selector_text(at_path(o, "spec.podSelector")); }),
            age_column};
  }
  if (type.plural == "resourcequotas") {
    return {name_column,
            text_column("Request", "What is used of what is set aside.",
                        [](json const& o, wall_time) { return quota_text(o, false); }),
            text_column("Limit", "What is used of what is the most.",
                        [](json const& o, wall_time) { return quota_text(o, true); }),
            age_column};
  }
  return {name_column, age_column};
}

json custom_cell(printer_column const& shown, json_path const& path, json const& o, wall_time now) {
  auto const found = path.find(o);
  if (found.empty() || found.front()->is_null()) {
    return nullptr;
  }
  json const& value = *found.front();
  if (shown.type == "date") {
    return value.is_string() ? json(age(value, now)) : json("<invalid>");
  }
  if (shown.type == "integer") {
    return value.is_number() ? json(value.get<std::int64_t>()) : json(nullptr);
  }
  if (shown.type == "number") {
    return value.is_number() ? value : json(nullptr);
  }
  if (shown.type == "boolean") {
    return value.is_boolean() ? value : json(nullptr);
  }
  if (found.size() == 1) {
    return value.is_string() ? value : json(value.dump());
  }
  std::string all;
  for (json const* one : found) {
    all += (all.empty() ? "" : ",") + (one->is_string() ? one->get<std::string>() : one->dump());
  }
  return all;
}

std::vector<column> columns_of(resource_type const& type) {
  if (!type.custom) {
    return builtin_columns(type);
  }
  std::vector<column> out{name_column};
  std::vector<printer_column> shown = type.columns;
  if (shown.empty()) {
    shown.push_back(printer_column{"Age", "date", "", "", ".metadata.creationTimestamp", 0});
  }
  for (printer_column const& one : shown) {
    auto const path = json_path::compile(one.json_path);
    if (!path) {
      continue;  // refused when the definition was made
    }
    out.push_back(column{
        one.name, one.type, one.format,
        one.description.empty() ? "Custom resource definition column (in JSONPath format): " + one.json_path
                                : one.description,
        one.priority, [one, path = *path](json const& o, wall_time now) { return custom_cell(one, path, o, now); }});
  }
  return out;
}

}  // namespace

std::string human_duration(std::chrono::seconds span) {
  std::int64_t const s = span.count();
  if (s < -1) {
    return "<invalid>";
  }
  if (s <= 0) {
    return "0s";
  }
  auto const pair = [](std::int64_t big, char const* unit, std::int64_t small, char const* small_unit) {
    return std::to_string(big) + unit + (small == 0 ? std::string() : std::to_string(small) + small_unit);
  };
  std::int64_t const minutes = s / 60;
  std::int64_t const hours = s / 3600;
  if (s < 120) {
    return std::to_string(s) + "s";
  }
  if (minutes < 10) {
    return pair(minutes, "m", s % 60, "s");
  }
  if (minutes < 180) {
    return std::to_string(minutes) + "m";
  }
  if (hours < 8) {
    return pair(hours, "h", minutes % 60, "m");
  }
  if (hours < 48) {
    return std::to_string(hours) + "h";
  }
  if (hours < 24 * 8) {
    return pair(hours / 24, "d", hours % 24, "h");
  }
  if (hours < 24 * 365 * 2) {
    return std::to_string(hours / 24) + "d";
  }
  if (hours < 24 * 365 * 8) {
    return pair(hours / 24 / 365, "y", (hours / 24) % 365, "d");
  }
  return std::to_string(hours / 24 / 365) + "y";
}

json partial_object(json const& value) {
  return {
      {"kind", "PartialObjectMetadata"}, {"apiVersion", "meta.k8s.io/v1"}, {"metadata", at_path(value, "metadata")}};
}

json make_table(resource_type const& type, std::vector<object> const& rows, json list_metadata, wall_time now,
                table_options const& options) {
  std::vector<column> const columns = columns_of(type);
  json out = {{"kind", "Table"}, {"apiVersion", "meta.k8s.io/v1"}, {"metadata", std::move(list_metadata)}};
  if (options.columns) {
    json definitions = json::array();
    for (column const& one : columns) {
      definitions.push_back({{"name", one.name},
                             {"type", one.type},
                             {"format", one.format},
                             {"description", one.description},
                             {"priority", one.priority}});
    }
    out["columnDefinitions"] = std::move(definitions);
  } else {
    out["columnDefinitions"] = nullptr;
  }
  json all = json::array();
  for (object const& row : rows) {
    json cells = json::array();
    for (column const& one : columns) {
      cells.push_back(one.cell(*row, now));
    }
    json one = {{"cells", std::move(cells)}};
    switch (options.include) {
      case row_object::none:
        one["object"] = nullptr;
        break;
      case row_object::metadata:
        one["object"] = partial_object(*row);
        break;
      case row_object::whole:
        one["object"] = options.events_v1 ? event_as_events_v1(*row) : *row;
        break;
    }
    all.push_back(std::move(one));
  }
  out["rows"] = std::move(all);
  return out;
}

}  // namespace codeexec::local
