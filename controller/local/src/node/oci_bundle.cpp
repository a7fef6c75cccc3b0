#include "codeexec/local/node/oci_bundle.hpp"

#include <algorithm>
#include <cstdio>

namespace codeexec::local {
namespace {

using nlohmann::json;

std::string octal(unsigned mode) {
  char text[16];
  std::snprintf(text, sizeof text, "%04o", mode);
  return text;
}

json mount_json(container_mount const& mount) {
  json options = json::array();
  if (mount.what == container_mount::kind::tmpfs) {
    options = {"nosuid", "nodev", "mode=" + octal(mount.mode)};
    if (mount.size_bytes) {
      options.push_back("size=" + std::to_string(*mount.size_bytes));
    }
    if (mount.read_only) {
      options.push_back("ro");
    }
    return json{{"destination", mount.destination}, {"type", "tmpfs"}, {"source", "tmpfs"}, {"options", options}};
  }
  options = {"rbind", mount.read_only ? "ro" : "rw"};
  return json{
      {"destination", mount.destination}, {"type", "bind"}, {"source", mount.source.string()}, {"options", options}};
}

}  // namespace

json oci_config(container_spec const& spec) {
  json process{{"terminal", false},
               {"args", spec.args},
               {"env", spec.env},
               {"cwd", spec.cwd},
               {"noNewPrivileges", spec.no_new_privileges}};
  process["user"] = json{{"uid", spec.uid}, {"gid", spec.gid}};
  if (!spec.groups.empty()) {
    process["user"]["additionalGids"] = spec.groups;
  }
  // A user other than root starts without any of them, and may gain them only through a file that carries them.
  json const none = json::array();
  json const effective = spec.uid == 0 ? json(spec.capabilities) : none;
  process["capabilities"] = json{{"bounding", spec.capabilities},
                                 {"effective", effective},
                                 {"permitted", effective},
                                 {"inheritable", none},
                                 {"ambient", none}};

  json mounts = json::array();
  mounts.push_back(json{{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}});
  mounts.push_back(json{{"destination", "/dev/shm"},
                        {"type", "tmpfs"},
                        {"source", "tmpfs"},
                        {"options", json::array({"nosuid", "nodev", "mode=1777", "size=67108864"})}});
  for (auto const& mount : spec.mounts) {
    mounts.push_back(mount_json(mount));
  }
  json namespaces = json::array();
  for (char const* const type : {"pid", "mount", "ipc", "uts", "network"}) {
    namespaces.push_back(json{{"type", type}});
  }
  return json{
      {"ociVersion", "1.0.2"},         {"hostname", spec.hostname},
      {"process", std::move(process)}, {"root", json{{"path", spec.root.string()}, {"readonly", spec.read_only_root}}},
      {"mounts", std::move(mounts)},   {"linux", json{{"namespaces", std::move(namespaces)}}}};
}

runsc_features parse_runsc_features(std::string_view version_output, std::string_view flags_output) {
  runsc_features out;
  constexpr std::string_view before = "runsc version ";
  auto const at = version_output.find(before);
  if (at != std::string_view::npos) {
    auto const rest = version_output.substr(at + before.size());
    out.version = rest.substr(0, rest.find_first_of(" \n"));
  }
  auto const has_flag = [&](std::string const& name) {
    auto const found = flags_output.find("-" + name);
    return found != std::string_view::npos;
  };
  out.exclusive_mounts = has_flag("file-access-mounts");
  out.overlay2 = has_flag("overlay2");
  return out;
}

std::vector<std::string> runsc_global_flags(runsc_features const& features, std::filesystem::path const& state_root) {
  return {"runsc", "--root=" + state_root.string(), "--platform=" + features.platform, "--network=none",
          "--ignore-cgroups"};
}

std::vector<std::string> runsc_run_command(runsc_features const& features, container_spec const& spec) {
  auto command = runsc_global_flags(features, spec.work_dir / "r");
  bool const shared = std::any_of(spec.mounts.begin(), spec.mounts.end(), [](auto const& m) { return m.shared; });
  if (features.exclusive_mounts && !shared) {
    // Nobody changes these files while the container runs, so its file system may cache them: a fifth off the start of
    // a Python program.
    command.emplace_back("--file-access-mounts=exclusive");
  }
  if (features.overlay2) {
    // What is written to a writable root stays in the sandbox's memory: the image's root is shared.
    command.emplace_back(spec.read_only_root ? "--overlay2=none" : "--overlay2=root:memory");
  }
  command.emplace_back("--log=" + (spec.work_dir / "log").string());
  command.emplace_back("--log-format=json");
  command.emplace_back("run");
  command.emplace_back("--pid-file=" + (spec.work_dir / "pid").string());
  command.emplace_back("--bundle=" + spec.work_dir.string());
  command.emplace_back(spec.id);
  return command;
}

}  // namespace codeexec::local
