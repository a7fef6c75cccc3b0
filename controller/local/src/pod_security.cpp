#include "codeexec/local/pod_security.hpp"

#include <algorithm>
#include <functional>
#include <set>

#include "codeexec/local/object.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;
using violations = std::vector<pod_security_violation>;
using name_list = std::vector<std::string>;

std::string in_quotes(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

std::string join(name_list const& all, bool quote = true) {
  std::string out;
  for (std::string const& one : all) {
    out += (out.empty() ? "" : ", ") + (quote ? in_quotes(one) : one);
  }
  return out;
}

/// `container "c"`, `containers "a", "b"`
std::string counted(std::string const& word, name_list const& all) {
  return word + (all.size() == 1 ? " " : "s ") + join(all);
}

/// Containers of every kind, init first, as the plugin visits them.
name_list containers_where(json const& spec, std::function<bool(json const& container)> const& bad) {
  name_list out;
  for (char const* list : {"initContainers", "containers", "ephemeralContainers"}) {
    json const& some = at_path(spec, list);
    if (!some.is_array()) {
      continue;
    }
    for (json const& one : some) {
      if (bad(one)) {
        out.push_back(string_at(one, "name"));
      }
    }
  }
  return out;
}

void forbid_containers(violations& out, char const* reason, name_list const& bad, std::string const& rule) {
  if (!bad.empty()) {
    out.push_back({reason, counted("container", bad) + " " + rule});
  }
}

// Baseline --------------------------------------------------------------------------------------------------------

void capabilities_baseline(json const& spec, violations& out) {
  static std::set<std::string> const allowed = {"AUDIT_WRITE", "CHOWN",  "DAC_OVERRIDE",     "FOWNER",  "FSETID",
                                                "KILL",        "MKNOD",  "NET_BIND_SERVICE", "SETFCAP", "SETGID",
                                                "SETPCAP",     "SETUID", "SYS_CHROOT"};
  std::set<std::string> added;
  auto const bad = containers_where(spec, [&added](json const& container) {
    bool found = false;
    for (auto const& one : strings_at(container, "securityContext.capabilities.add")) {
      if (!allowed.contains(one)) {
        added.insert(one);
        found = true;
      }
    }
    return found;
  });
  forbid_containers(out, "non-default capabilities", bad,
                    "must not include " + join({added.begin(), added.end()}) + " in securityContext.capabilities.add");
}

void host_namespaces(json const& spec, violations& out) {
  name_list set;
  for (char const* field : {"hostNetwork", "hostPID", "hostIPC"}) {
    if (at_path(spec, field) == true) {
      set.push_back(std::string(field) + "=true");
    }
  }
  if (!set.empty()) {
    out.push_back({"host namespaces", join(set, false)});
  }
}

name_list volumes_where(json const& spec, std::function<bool(json const& volume)> const& bad) {
  name_list out;
  json const& volumes = at_path(spec, "volumes");
  if (volumes.is_array()) {
    for (json const& one : volumes) {
      if (bad(one)) {
        out.push_back(string_at(one, "name"));
      }
    }
  }
  return out;
}

void host_path_volumes(json const& spec, violations& out) {
  auto const bad = volumes_where(spec, [](json const& volume) { return volume.contains("hostPath"); });
  if (!bad.empty()) {
    out.push_back({"hostPath volumes", counted("volume", bad)});
  }
}

void host_ports(json const& spec, violations& out) {
  std::set<std::int64_t> used;
  auto const bad = containers_where(spec, [&used](json const& container) {
    bool found = false;
    json const& ports = at_path(container, "ports");
    if (ports.is_array()) {
      for (json const& one : ports) {
        json const& port = at_path(one, "hostPort");
        if (port.is_number_integer() && port.get<std::int64_t>() != 0) {
          used.insert(port.get<std::int64_t>());
          found = true;
        }
      }
    }
    return found;
  });
  name_list ports;
  for (auto const one : used) {
    ports.push_back(std::to_string(one));
  }
  forbid_containers(out, "hostPort", bad,
                    (bad.size() == 1 ? "uses hostPort" : "use hostPort") + std::string(ports.size() == 1 ? " " : "s ") +
                        join(ports, false));
}

void privileged(json const& spec, violations& out) {
  forbid_containers(
      out, "privileged",
      containers_where(spec, [](json const& c) { return at_path(c, "securityContext.privileged") == true; }),
      "must not set securityContext.privileged=true");
}

void proc_mount(json const& spec, violations& out) {
  auto const unusual = [](json const& c) {
    std::string const mount = string_at(c, "securityContext.procMount");
    return !mount.empty() && mount != "Default";
  };
  forbid_containers(out, "procMount", containers_where(spec, unusual),
                    "must not set securityContext.procMount to \"Unmasked\"");
}

void seccomp_baseline(json const& spec, violations& out) {
  std::string const setting = "must not set securityContext.seccompProfile.type to \"Unconfined\"";
  auto const unconfined = [](json const& of) {
    return string_at(of, "securityContext.seccompProfile.type") == "Unconfined";
  };
  auto const bad = containers_where(spec, unconfined);
  std::string who = unconfined(spec) ? "pod" : "";
  if (!bad.empty()) {
    who += (who.empty() ? "" : " and ") + counted("container", bad);
  }
  if (!who.empty()) {
    out.push_back({"seccompProfile", who + " " + setting});
  }
}

void sysctls(json const& spec, violations& out) {
  static std::set<std::string> const allowed = {
      "kernel.shm_rmid_forced",           "net.ipv4.ip_local_port_range",
      "net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_unprivileged_port_start",
      "net.ipv4.ping_group_range",        "net.ipv4.tcp_fin_timeout",
      "net.ipv4.tcp_keepalive_intvl",     "net.ipv4.tcp_keepalive_probes",
      "net.ipv4.tcp_keepalive_time",      "net.ipv4.tcp_rmem",
      "net.ipv4.tcp_syncookies",          "net.ipv4.tcp_wmem"};
  name_list bad;
  json const& list = at_path(spec, "securityContext.sysctls");
  if (list.is_array()) {
    for (json const& one : list) {
      if (!allowed.contains(string_at(one, "name"))) {
        bad.push_back(string_at(one, "name"));
      }
    }
  }
  if (!bad.empty()) {
    out.push_back({"forbidden sysctls", join(bad, false)});
  }
}

// Restricted ------------------------------------------------------------------------------------------------------

void privilege_escalation(json const& spec, violations& out) {
  forbid_containers(
      out, "allowPrivilegeEscalation != false",
      containers_where(spec,
                       [](json const& c) { return at_path(c, "securityContext.allowPrivilegeEscalation") != false; }),
      "must set securityContext.allowPrivilegeEscalation=false");
}

void capabilities_restricted(json const& spec, violations& out) {
  auto const undropped = containers_where(spec, [](json const& c) {
    auto const dropped = strings_at(c, "securityContext.capabilities.drop");
    return std::find(dropped.begin(), dropped.end(), "ALL") == dropped.end();
  });
  std::set<std::string> added;
  auto const adding = containers_where(spec, [&added](json const& c) {
    bool found = false;
    for (auto const& one : strings_at(c, "securityContext.capabilities.add")) {
      if (one != "NET_BIND_SERVICE") {
        added.insert(one);
        found = true;
      }
    }
    return found;
  });
  std::string detail;
  if (!undropped.empty()) {
    detail = counted("container", undropped) + " must set securityContext.capabilities.drop=[\"ALL\"]";
  }
  if (!adding.empty()) {
    detail += (detail.empty() ? "" : "; ") + counted("container", adding) + " must not include " +
              join({added.begin(), added.end()}) + " in securityContext.capabilities.add";
  }
  if (!detail.empty()) {
    out.push_back({"unrestricted capabilities", detail});
  }
}

void restricted_volumes(json const& spec, violations& out) {
  static std::set<std::string> const allowed = {"configMap", "csi",  "downwardAPI",           "emptyDir",  "ephemeral",
                                                "image",     "name", "persistentVolumeClaim", "projected", "secret"};
  std::set<std::string> types;
  auto const bad = volumes_where(spec, [&types](json const& volume) {
    bool found = false;
    for (auto const& [key, value] : volume.items()) {
      if (!allowed.contains(key) && !value.is_null()) {
        types.insert(key);
        found = true;
      }
    }
    return found;
  });
  if (!bad.empty()) {
    out.push_back({"restricted volume types", counted("volume", bad) + (bad.size() == 1 ? " uses" : " use") +
                                                  " restricted volume type" + (types.size() == 1 ? " " : "s ") +
                                                  join({types.begin(), types.end()})});
  }
}

void run_as_non_root(json const& spec, violations& out) {
  bool const pod_says = at_path(spec, "securityContext.runAsNonRoot") == true;
  bool const pod_denies = at_path(spec, "securityContext.runAsNonRoot") == false;
  name_list denying =
      containers_where(spec, [](json const& c) { return at_path(c, "securityContext.runAsNonRoot") == false; });
  name_list silent =
      containers_where(spec, [](json const& c) { return !at_path(c, "securityContext.runAsNonRoot").is_boolean(); });
  std::string who = pod_denies ? "pod" : "";
  if (!denying.empty()) {
    who += (who.empty() ? "" : " and ") + counted("container", denying);
  }
  if (!who.empty()) {
    out.push_back({"runAsNonRoot != true", who + " must not set securityContext.runAsNonRoot=false"});
    return;
  }
  if (!pod_says && !silent.empty()) {
    out.push_back({"runAsNonRoot != true",
                   "pod or " + counted("container", silent) + " must set securityContext.runAsNonRoot=true"});
  }
}

void run_as_user(json const& spec, violations& out) {
  auto const root = [](json const& of) { return at_path(of, "securityContext.runAsUser") == 0; };
  auto const bad = containers_where(spec, root);
  std::string who = root(spec) ? "pod" : "";
  if (!bad.empty()) {
    who += (who.empty() ? "" : " and ") + counted("container", bad);
  }
  if (!who.empty()) {
    out.push_back({"runAsUser=0", who + " must not set runAsUser=0"});
  }
}

void seccomp_restricted(json const& spec, violations& out) {
  auto const type_of = [](json const& of) { return string_at(of, "securityContext.seccompProfile.type"); };
  auto const good = [](std::string const& type) { return type == "RuntimeDefault" || type == "Localhost"; };
  std::string const pod_type = type_of(spec);
  auto const bad = containers_where(spec, [&](json const& c) { return !type_of(c).empty() && !good(type_of(c)); });
  std::string who = !pod_type.empty() && !good(pod_type) ? "pod" : "";
  if (!bad.empty()) {
    who += (who.empty() ? "" : " and ") + counted("container", bad);
  }
  if (!who.empty()) {
    out.push_back({"seccompProfile", who + " must not set securityContext.seccompProfile.type to \"Unconfined\""});
    return;
  }
  auto const silent = containers_where(spec, [&](json const& c) { return type_of(c).empty(); });
  if (pod_type.empty() && !silent.empty()) {
    out.push_back({"seccompProfile", "pod or " + counted("container", silent) +
                                         " must set securityContext.seccompProfile.type to \"RuntimeDefault\" or "
                                         "\"Localhost\""});
  }
}

pod_security_level level_of(std::string_view word) {
  return word == "baseline"                     ? pod_security_level::baseline
         : word == "privileged" || word.empty() ? pod_security_level::privileged
                                                // A level that nobody knows is the strictest one.
                                                : pod_security_level::restricted;
}

}  // namespace

std::string pod_security_policy::describe() const {
  constexpr char const* words[] = {"privileged", "baseline", "restricted"};
  return std::string(words[static_cast<int>(level)]) + ":" + version;
}

pod_security_policy pod_security_of(json const& namespace_object, std::string_view mode) {
  json const& labels = at_path(namespace_object, "metadata.labels");
  auto const label = [&labels](std::string const& name) {
    auto const found = labels.is_object() ? labels.find("pod-security.kubernetes.io/" + name) : labels.end();
    return labels.is_object() && found != labels.end() && found->is_string() ? found->get<std::string>()
                                                                             : std::string();
  };
  std::string level = label(std::string(mode));
  std::string version = label(std::string(mode) + "-version");
  if (level.empty() && mode == "warn") {
    level = label("enforce");
    version = version.empty() ? label("enforce-version") : version;
  }
  return {level_of(level), version.empty() ? "latest" : version};
}

violations check_pod_security(pod_security_level level, json const& spec) {
  violations out;
  if (level == pod_security_level::privileged) {
    return out;
  }
  bool const restricted = level == pod_security_level::restricted;
  if (!restricted) {
    capabilities_baseline(spec, out);
  }
  host_namespaces(spec, out);
  if (!restricted) {
    host_path_volumes(spec, out);
  }
  host_ports(spec, out);
  privileged(spec, out);
  proc_mount(spec, out);
  if (!restricted) {
    seccomp_baseline(spec, out);
  }
  sysctls(spec, out);
  if (restricted) {
    privilege_escalation(spec, out);
    capabilities_restricted(spec, out);
    restricted_volumes(spec, out);
    run_as_non_root(spec, out);
    run_as_user(spec, out);
    seccomp_restricted(spec, out);
  }
  return out;
}

std::string describe_violations(pod_security_policy const& policy, violations const& found, std::string_view verb) {
  std::string out = std::string(verb) + " PodSecurity \"" + policy.describe() + "\": ";
  for (std::size_t i = 0; i < found.size(); ++i) {
    out += (i == 0 ? "" : ", ") + found[i].reason + (found[i].detail.empty() ? "" : " (" + found[i].detail + ")");
  }
  return out;
}

}  // namespace codeexec::local
