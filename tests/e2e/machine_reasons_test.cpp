// Reasons that only a disturbed machine brings about: the stand-in is the test's own, and real trouble is made for it.
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <thread>

#include "machine.hpp"

namespace codeexec::e2e {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr kube::resource nodes{"", "v1", "nodes", "Node", false};

bool message_has(json const& status, std::string_view words) {
  return status.value("message", "").find(words) != std::string::npos;
}

/// A folder for a test's files, gone with it.
class folder {
 public:
  folder() {
    auto pattern = (fs::temp_directory_path() / "codeexec-reasons-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    fs::permissions(path_, fs::perms::others_read | fs::perms::others_exec, fs::perm_options::add);
  }
  folder(folder const&) = delete;
  folder& operator=(folder const&) = delete;
  ~folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  fs::path write(std::string const& name, std::string const& text, bool executable = false) const {
    auto const file = path_ / name;
    std::ofstream(file) << text;
    if (executable) fs::permissions(file, fs::perms::owner_all | fs::perms::others_read | fs::perms::others_exec);
    return file;
  }

 private:
  fs::path path_;
};

std::string text_of_file(fs::path const& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Processes of the machine's node whose command line holds `text`.
std::vector<pid_t> find_processes(std::string const& text) {
  std::vector<pid_t> found;
  for (auto const& entry : fs::directory_iterator("/proc")) {
    auto const name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    auto line = text_of_file(entry.path() / "cmdline");
    std::replace(line.begin(), line.end(), '\0', ' ');
    if (line.find(text) != std::string::npos) found.push_back(static_cast<pid_t>(std::stol(name)));
  }
  return found;
}

/// The operator's configuration without the demand for gVisor.
std::string relaxed_config(folder const& here) {
  auto text = text_of_file(CODEEXEC_SOURCE_DIR "/config/operator.yaml");
  std::string const demand = "requireSandbox: true";
  auto const at = text.find(demand);
  EXPECT_NE(at, std::string::npos);
  text.replace(at, demand.size(), "requireSandbox: false");
  return here.write("operator.yaml", text).string();
}

TEST(machine_reasons, a_node_without_gvisor_starts_no_code) {
  machine here({"--runtime", "process"});
  auto const operator_ = here.start_operator("operator");
  workspace space(here.api());
  auto const status = space.run("bare", python("print('ran')"));
  EXPECT_EQ(status["phase"], "Failed");
  EXPECT_EQ(status["reason"], "SandboxUnverified") << status.dump(2);
  EXPECT_EQ(status["sandbox"]["verified"], false);
  EXPECT_FALSE(status.contains("exitCode"));
  EXPECT_EQ(status.value("stdout", ""), "");
  EXPECT_TRUE(message_has(status, "\"gvisor\"")) << status["message"];
  EXPECT_EQ(space.wait_no_leftovers(), std::vector<std::string>());
}

TEST(machine_reasons, a_node_that_vanishes) {
  folder files;
  machine here({"--runtime", "process"});
  auto const operator_ = here.start_operator("operator", {"--config", relaxed_config(files)});
  workspace space(here.api());
  ASSERT_TRUE(space.create("aboard", bash("echo so far; sleep 600")));
  space.wait_running("aboard", 60s);
  auto const node = here.api().send(kube::make_get(nodes, "", "local"));
  ASSERT_TRUE(node) << node.error().describe();
  ASSERT_TRUE(here.api().send(kube::make_delete(nodes, "", "local", {})));
  // Nothing else runs here: what comes after the machine's end waits for the next one.
  ASSERT_TRUE(space.create("after", bash("echo on the next one")));
  auto const status = space.wait_final("aboard")["status"];
  EXPECT_EQ(status["phase"], "Failed");
  EXPECT_EQ(status["reason"], "NodeLost") << status.dump(2);
  EXPECT_TRUE(message_has(status, "The node local is gone")) << status["message"];
  EXPECT_EQ(status.value("stdout", ""), "so far\n") << "what the operator had read is kept";
  EXPECT_FALSE(status.contains("exitCode"));
  auto const next = space.wait_final("after")["status"];
  EXPECT_EQ(next["stdout"], "on the next one\n") << next.dump(2);
  EXPECT_EQ(space.wait_no_leftovers(), std::vector<std::string>());
  auto const again = here.api().send(kube::make_get(nodes, "", "local"));
  ASSERT_TRUE(again) << again.error().describe();
  EXPECT_NE((*again)["metadata"]["uid"], (*node)["metadata"]["uid"]);
}

TEST(machine_reasons, a_log_that_was_rotated_away) {
  folder files;
  // A file this small holds the last line alone: the runner's report.
  machine here({"--runtime", "process", "--container-log-max-bytes", "256"});
  auto const config = relaxed_config(files);
  auto operator_ = here.start_operator("operator", {"--config", config});
  workspace space(here.api());
  // Says nothing before it is told to; then 20000 bytes, more than a termination message holds.
  std::string const mark = "marked-" + space.name();
  auto spec = bash(
      "trap 'go=1' USR1; while [ -z \"$go\" ]; do sleep 0.1; done\n"
      "for i in {1..400}; do printf '%049d\\n' $i; done\n");
  spec["args"] = {mark};
  ASSERT_TRUE(space.create("talker", spec));
  space.wait_running("talker", 60s);
  operator_->end(SIGKILL);
  for (auto const pid : find_processes(mark)) {
    if (text_of_file("/proc/" + std::to_string(pid) + "/cmdline").rfind("bash", 0) == 0) ::kill(pid, SIGUSR1);
  }
  // The code ends while nobody listens.
  auto const until = steady_clock::now() + 60s;
  auto const ended = [&] {
    for (auto const& pod : space.list(kube::pods)) {
      if (pod["status"].value("phase", "") == "Succeeded") return true;
    }
    return false;
  };
  while (!ended() && steady_clock::now() < until)
    std::this_thread::sleep_for(50ms);
  operator_ = here.start_operator("operator", {"--config", config});
  auto const status = space.wait_final("talker")["status"];
  EXPECT_EQ(status["phase"], "Failed") << "a result without its output is none";
  EXPECT_EQ(status["reason"], "OutputLost") << status.dump(2);
  EXPECT_EQ(status["exitCode"], 0);
  EXPECT_EQ(status["output"]["stdoutBytes"], 20000) << "as the code wrote them";
  EXPECT_EQ(status["output"]["stdoutTruncated"], true);
  EXPECT_EQ(status["stdout"], "[codeexec: 20000 bytes of stdout left out]\n");
  EXPECT_TRUE(message_has(status, "The code exited with code 0.")) << status["message"];
  EXPECT_EQ(space.wait_no_leftovers(), std::vector<std::string>());
}

TEST(machine_reasons, a_runner_that_is_killed) {
  folder files;
  machine here({"--runtime", "process"});
  auto const operator_ = here.start_operator("operator", {"--config", relaxed_config(files)});
  workspace space(here.api());
  std::string const mark = "marked-" + space.name();
  auto spec = bash("echo so far; sleep 600");
  spec["args"] = {mark};
  ASSERT_TRUE(space.create("orphan", spec));
  space.wait_running("orphan", 60s);
  // The runner's own command line ends with the code's; the code's begins with bash.
  pid_t runner = 0;
  for (auto const pid : find_processes(mark)) {
    if (text_of_file("/proc/" + std::to_string(pid) + "/cmdline").find("codeexec-runner") != std::string::npos)
      runner = pid;
  }
  ASSERT_NE(runner, 0);
  ASSERT_EQ(::kill(runner, SIGKILL), 0);
  auto const status = space.wait_final("orphan")["status"];
  EXPECT_EQ(status["phase"], "Failed");
  EXPECT_EQ(status["reason"], "OutputLost") << status.dump(2);
  EXPECT_TRUE(message_has(status, "The runner was killed")) << status["message"];
  EXPECT_EQ(status.value("stdout", ""), "so far\n");
  EXPECT_FALSE(status.contains("exitCode"));
  EXPECT_EQ(space.wait_no_leftovers(), std::vector<std::string>());
  auto const until = steady_clock::now() + 10s;
  while (!find_processes(mark).empty() && steady_clock::now() < until)
    std::this_thread::sleep_for(20ms);
  EXPECT_TRUE(find_processes(mark).empty()) << "the code does not outlive its runner";
}

TEST(machine_reasons, a_node_that_sets_up_no_sandbox_in_time) {
  folder files;
  // gVisor, but each sandbox after the node's own test of it takes far too long.
  auto const slow = files.write("runsc",
                                "#!/bin/sh\n"
                                "case \"$*\" in *selftest*) ;; *' run '*) sleep 15 ;; esac\n"
                                "exec runsc \"$@\"\n",
                                true);
  machine here({"--runsc", slow.string()});
  if (text_of_file(here.folder() / "local.log").find("runtime=\"gVisor") == std::string::npos) {
    GTEST_SKIP() << "gVisor does not run on this machine, so it cannot be slow either.";
  }
  auto const operator_ = here.start_operator("operator");
  workspace space(here.api());
  auto spec = python("print('ran')");
  spec["startupTimeoutSeconds"] = 3;
  ASSERT_TRUE(space.create("stuck", spec));
  auto const waiting = space.wait_until("stuck", 30s, [](json const& execution) {
    return execution.contains("status") && execution["status"].value("reason", "") == "Starting";
  });
  EXPECT_EQ(waiting["status"]["phase"], "Pending");
  EXPECT_TRUE(message_has(waiting["status"], "sandbox")) << waiting["status"]["message"];
  auto const status = space.wait_final("stuck")["status"];
  EXPECT_EQ(status["phase"], "Failed");
  EXPECT_EQ(status["reason"], "StartupTimedOut") << status.dump(2);
  EXPECT_TRUE(message_has(status, "3 s (spec.startupTimeoutSeconds)")) << status["message"];
  EXPECT_TRUE(message_has(status, "Waited for: The node sets up the pod")) << status["message"];
  EXPECT_FALSE(status.contains("exitCode"));
  EXPECT_EQ(space.wait_no_leftovers(), std::vector<std::string>());
}

TEST(machine_reasons, an_image_that_appears_in_time_is_no_failure) {
  folder files;
  auto const known = text_of_file(CODEEXEC_SOURCE_DIR "/config/local/images.yaml");
  auto const images = files.write("images.yaml", known);
  machine here({"--runtime", "process", "--images", images.string()});
  auto const operator_ = here.start_operator("operator", {"--config", relaxed_config(files)});
  workspace space(here.api());
  auto spec = bash("echo it came");
  spec["image"] = "late.example/tools:1";
  spec["startupTimeoutSeconds"] = 120;
  ASSERT_TRUE(space.create("early", spec));
  auto const waiting = space.wait_until("early", 30s, [](json const& execution) {
    return execution.contains("status") && execution["status"].value("reason", "") == "PullingImage";
  });
  EXPECT_TRUE(message_has(waiting["status"], "late.example/tools:1")) << waiting["status"]["message"];
  files.write("images.yaml", known + "  - match: [\"late.example/tools:*\"]\n    requires: [bash]\n    cmd: [bash]\n");
  auto const status = space.wait_final("early", 120s)["status"];
  EXPECT_EQ(status["reason"], "Completed") << status.dump(2);
  EXPECT_EQ(status["stdout"], "it came\n");
}

}  // namespace
}  // namespace codeexec::e2e
