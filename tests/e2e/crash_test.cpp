// Programs die at any moment: the operator is killed while executions run, and so is the stand-in. These tests start
// programs of their own, because they kill them.
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "machine.hpp"

namespace codeexec::e2e {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// A machine with one operator that a test may kill.
class machine : public e2e::machine {
 public:
  machine() { start_operator(); }
  ~machine() {
    if (operator_) operator_->end(SIGTERM);
  }

  void start_operator() { operator_ = e2e::machine::start_operator("operator"); }
  void kill_operator() { operator_->end(SIGKILL); }
  int stop_operator() { return operator_->end(SIGTERM); }

 private:
  std::unique_ptr<program> operator_;
};

/// Processes whose command line holds `text`.
std::vector<std::string> processes_with(std::string const& text) {
  std::vector<std::string> found;
  for (auto const& entry : fs::directory_iterator("/proc")) {
    auto const name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "cmdline", std::ios::binary);
    std::string line((std::istreambuf_iterator<char>(file)), {});
    for (auto& c : line) {
      if (c == '\0') c = ' ';
    }
    if (line.find(text) != std::string::npos) found.push_back(name + ": " + line);
  }
  return found;
}

TEST(crash, an_operator_killed_again_and_again_loses_nothing_and_runs_nothing_twice) {
  machine here;
  workspace space(here.api());
  int count = 0;
  auto const create_one = [&] {
    auto const n = count++;
    auto const text = "import time\nprint('start', " + std::to_string(n) + ", flush=True)\ntime.sleep(" +
                      std::to_string(0.2 * (n % 5)) + ")\nprint('end', " + std::to_string(n) + ")\n";
    EXPECT_TRUE(space.create("x-" + std::to_string(n), python(text)));
  };
  while (count < 24)
    create_one();
  std::map<std::string, std::set<std::string>> jobs_seen;  // by execution: the uids of its Jobs
  std::map<std::string, std::set<std::string>> pods_seen;
  auto const look = [&] {
    for (auto const& job : space.list(kube::jobs)) {
      jobs_seen[job["metadata"]["labels"]["codeexec.dev/execution"]].insert(job["metadata"]["uid"]);
    }
    for (auto const& pod : space.list(kube::pods)) {
      pods_seen[pod["metadata"]["labels"]["codeexec.dev/execution"]].insert(pod["metadata"]["uid"]);
    }
  };
  auto const finished = [&] {
    int done = 0;
    for (auto const& execution : space.list(kube::code_executions)) {
      auto const phase = execution.contains("status") ? execution["status"].value("phase", "") : "";
      if (phase == "Succeeded" || phase == "Failed") ++done;
    }
    return done;
  };
  int kills = 0;
  auto const until = steady_clock::now() + 150s;
  auto next_kill = steady_clock::now() + 300ms;
  constexpr int enough_kills = 5;
  for (int done = finished(); (done < count || kills < enough_kills) && steady_clock::now() < until;
       done = finished()) {
    look();
    // However fast the machine is, there is something left to be killed in the middle of.
    while (kills < enough_kills && count < done + 8)
      create_one();
    if (kills < 15 && steady_clock::now() > next_kill) {
      here.kill_operator();
      here.start_operator();
      ++kills;
      next_kill = steady_clock::now() + std::chrono::milliseconds(300 + 137 * kills % 400);
    }
    std::this_thread::sleep_for(30ms);
  }
  EXPECT_GE(kills, enough_kills);
  for (int n = 0; n < count; ++n) {
    auto const name = "x-" + std::to_string(n);
    auto const status = space.wait_final(name, 60s)["status"];
    auto const number = std::to_string(n);
    EXPECT_EQ(status["reason"], "Completed") << status.dump(2);
    EXPECT_EQ(status["stdout"], "start " + number + "\nend " + number + "\n");
    EXPECT_LE(jobs_seen[name].size(), 1u) << name;
    EXPECT_LE(pods_seen[name].size(), 1u) << name;
  }
  EXPECT_EQ(space.wait_no_leftovers(), std::vector<std::string>());
}

TEST(crash, an_operator_that_was_away_finds_every_result) {
  machine here;
  workspace space(here.api());
  ASSERT_TRUE(space.create("away", python("import time; time.sleep(2); print('x' * 10000)")));
  space.wait_running("away");
  here.kill_operator();
  std::this_thread::sleep_for(4s);  // the code ends meanwhile
  here.start_operator();
  auto const status = space.wait_final("away")["status"];
  EXPECT_EQ(status["reason"], "Completed") << status.dump(2);
  EXPECT_EQ(status["stdout"].get<std::string>().size(), 10001u);
}

TEST(crash, what_a_cancelled_code_wrote_is_kept_though_the_operator_died_before_it_was_stored) {
  machine here;
  workspace space(here.api());
  ASSERT_TRUE(space.create("stopped", python("import signal, sys, time\n"
                                             "def stop(*_):\n  time.sleep(1)\n  print('end')\n  sys.exit(0)\n"
                                             "signal.signal(signal.SIGTERM, stop)\n"
                                             "print('x' * 10000, flush=True)\nwhile True: time.sleep(1)\n")));
  space.wait_running("stopped");
  ASSERT_TRUE(space.merge_patch(kube::code_executions, "stopped", {{"spec", {{"cancel", true}}}}));
  auto const told_to_end = [&] {
    for (auto const& pod : space.list(kube::pods)) {
      if (pod["spec"].contains("activeDeadlineSeconds")) return true;
    }
    return false;
  };
  for (auto const until = steady_clock::now() + 10s; !told_to_end() && steady_clock::now() < until;)
    std::this_thread::sleep_for(5ms);
  here.kill_operator();
  ASSERT_TRUE(told_to_end());
  std::this_thread::sleep_for(3s);  // the code ends meanwhile
  here.start_operator();
  auto const status = space.wait_final("stopped")["status"];
  EXPECT_EQ(status["reason"], "Cancelled") << status.dump(2);
  EXPECT_EQ(status["stdout"], std::string(10000, 'x') + "\nend\n");
  EXPECT_EQ(space.wait_no_leftovers(), std::vector<std::string>());
}

TEST(crash, a_deletion_while_the_operator_is_away_is_finished_when_it_is_back) {
  machine here;
  workspace space(here.api());
  ASSERT_TRUE(space.create("gone", python("import time; time.sleep(100)")));
  space.wait_running("gone");
  here.kill_operator();
  ASSERT_TRUE(space.remove(kube::code_executions, "gone"));
  std::this_thread::sleep_for(500ms);
  here.start_operator();
  EXPECT_TRUE(space.wait_gone(kube::code_executions, "", 60s));
  EXPECT_EQ(space.wait_no_leftovers(), std::vector<std::string>());
}

TEST(crash, a_stopped_operator_exits_with_0_and_its_successor_goes_on) {
  machine here;
  workspace space(here.api());
  ASSERT_TRUE(space.create("handed-over", python("import time; time.sleep(3); print('ok')")));
  space.wait_running("handed-over");
  auto const status = here.stop_operator();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  here.start_operator();
  EXPECT_EQ(space.wait_final("handed-over")["status"]["stdout"], "ok\n");
}

TEST(crash, a_killed_stand_in_leaves_no_sandbox_running) {
  machine here;
  {
    workspace space(here.api());
    ASSERT_TRUE(space.create("sandboxed", python("import time; time.sleep(300)")));
    space.wait_running("sandboxed");
    ASSERT_FALSE(processes_with((here.folder() / "node").string()).empty()) << "nothing to look for";
    here.local().end(SIGKILL);
    auto const until = steady_clock::now() + 15s;
    while (!processes_with((here.folder() / "node").string()).empty() && steady_clock::now() < until) {
      std::this_thread::sleep_for(100ms);
    }
    EXPECT_EQ(processes_with((here.folder() / "node").string()), std::vector<std::string>());
  }
}

}  // namespace
}  // namespace codeexec::e2e
