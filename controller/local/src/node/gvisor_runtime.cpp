#include "gvisor_runtime.hpp"

#include <array>
#include <fstream>
#include <list>
#include <nlohmann/json.hpp>
#include <signal.h>

#include "process.hpp"
#include "process_container.hpp"

namespace codeexec::local {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// runsc says this where it failed itself; a program may exit with it too, so its log decides.
constexpr int runsc_failure_code = 128;

bool write_config(container_spec const& spec) {
  std::ofstream out(spec.work_dir / "config.json", std::ios::binary);
  out << oci_config(spec).dump(-1, ' ', false, json::error_handler_t::replace);
  return static_cast<bool>(out.flush());
}

/// The last error that runsc logged; nothing where the failure was the program's.
std::optional<std::string> logged_failure(fs::path const& log) {
  std::ifstream in(log);
  std::optional<std::string> found;
  for (std::string line; std::getline(in, line);) {
    auto const entry = json::parse(line, nullptr, false);
    if (entry.is_object() && entry.value("level", json()) == "error" && entry.contains("msg") &&
        entry["msg"].is_string()) {
      found = entry["msg"].get<std::string>();
    }
  }
  return found;
}

/// `runsc kill` beside the container. The list keeps each until its end.
void kill_in_sandbox(boost::asio::any_io_executor const& executor, fs::path const& runsc,
                     runsc_features const& features, container_spec const& spec, int number,
                     std::shared_ptr<std::list<std::unique_ptr<process>>> const& helpers) {
  process_options options;
  options.program = runsc;
  options.args = runsc_global_flags(features, spec.work_dir / "r");
  options.args.insert(options.args.end(), {"kill", spec.id, std::to_string(number)});
  auto started = process::start(executor, options);
  if (!started) {
    return;
  }
  auto const at = helpers->insert(helpers->end(), std::move(*started));
  (*at)->async_wait([helpers, at](process_exit) { helpers->erase(at); });
}

}  // namespace

base::result<runsc_features> test_gvisor(std::string const& runsc, container_spec probe) {
  auto const program = find_program(runsc);
  if (!program) {
    return base::error(runsc + " is not installed");
  }
  auto const version = run_command(*program, {"runsc", "--version"}, std::chrono::seconds(10));
  if (!version) {
    return version.error();
  }
  // Exits with a failure while printing what was asked for.
  auto const flags = run_command(*program, {"runsc", "flags"}, std::chrono::seconds(10));
  auto features = parse_runsc_features(version->output, flags ? flags->output : std::string());
  if (features.version.empty()) {
    return base::error(runsc + " --version says no version");
  }
  // Whatever the machine offers: KVM is left out, because it hangs where virtualisation is only half there.
  std::string tried;
  probe.args = {"dmesg"};
  for (std::string const platform : {"systrap", "ptrace"}) {
    features.platform = platform;
    std::error_code ignored;
    fs::remove_all(probe.work_dir, ignored);
    fs::create_directories(probe.work_dir, ignored);
    if (!write_config(probe)) {
      return base::error("cannot write to " + probe.work_dir.string());
    }
    auto const ran = run_command(*program, runsc_run_command(features, probe), std::chrono::seconds(15));
    if (ran && !ran->timed_out && ran->end.shell_code() == 0 && ran->output.find("gVisor") != std::string::npos) {
      return features;
    }
    tried += tried.empty() ? "" : "; ";
    tried += "platform " + platform + ": ";
    tried += !ran ? ran.error().message : ran->timed_out ? "did not end" : ran->output.substr(0, 300);
    while (!tried.empty() && tried.back() == '\n') {
      tried.pop_back();
    }
  }
  return base::error("runsc " + features.version + " starts no sandbox (" + tried + ")");
}

gvisor_runtime::gvisor_runtime(boost::asio::any_io_executor executor, fs::path runsc, runsc_features features,
                               std::shared_ptr<cgroup_manager> groups)
    : executor_(std::move(executor)),
      runsc_(std::move(runsc)),
      features_(std::move(features)),
      groups_(std::move(groups)) {}

base::result<std::unique_ptr<container>> gvisor_runtime::start(container_spec spec, container_events events) {
  if (!write_config(spec)) {
    return base::error("cannot write to " + spec.work_dir.string());
  }
  process_container_options options;
  options.child.program = runsc_;
  options.child.args = runsc_run_command(features_, spec);
  options.child.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  options.begun = spec.work_dir / "pid";
  auto const helpers = std::make_shared<std::list<std::unique_ptr<process>>>();
  options.signal = [executor = executor_, runsc = runsc_, features = features_, spec, helpers](process& child,
                                                                                               int number) {
    if (number == SIGKILL) {
      // The sandbox and its gofer are set to die with the runsc that started them.
      child.signal(SIGKILL);
    } else {
      kill_in_sandbox(executor, runsc, features, spec, number, helpers);
    }
  };
  options.judge = [id = spec.id, log = spec.work_dir / "log"](process_exit end) {
    container_exit out;
    out.exit_code = end.shell_code();
    if (end.code == runsc_failure_code) {
      if (auto const failure = logged_failure(log)) {
        out.start_error =
            "failed to start containerd task \"" + id + "\": OCI runtime start failed: " + *failure + ": unknown";
      }
    }
    return out;
  };
  options.groups = groups_;
  options.spec = std::move(spec);
  options.events = std::move(events);
  return start_process_container(executor_, std::move(options));
}

std::string gvisor_runtime::describe() const {
  return "gVisor (runsc " + features_.version + ", platform " + features_.platform + ")";
}

}  // namespace codeexec::local
