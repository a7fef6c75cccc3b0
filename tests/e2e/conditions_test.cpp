// What GitOps tools make of an execution, at every moment that a watcher sees: kstatus' rules on what the API serves.
#include <gtest/gtest.h>
#include <string>
#include <thread>

#include "codeexec/testing/kstatus.hpp"

#include "cluster.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;
using codeexec::testing::conditions_problem;
using codeexec::testing::kstatus_of;

/// Looks at it until it has ended; the states seen, each once, in their order.
std::vector<std::string> states_of(workspace& here, std::string const& name) {
  std::vector<std::string> seen;
  auto const until = std::chrono::steady_clock::now() + 60s;
  while (std::chrono::steady_clock::now() < until) {
    auto const got = here.get(kube::code_executions, name);
    if (!got) break;
    if (got->contains("status") && (*got)["status"].contains("phase")) {
      auto const state = kstatus_of(*got);
      if (seen.empty() || seen.back() != state) seen.push_back(state);
      EXPECT_EQ(conditions_problem(*got), "") << got->dump(2);
      auto const phase = (*got)["status"]["phase"].get<std::string>();
      auto const expected = phase == "Succeeded" ? "Current" : phase == "Failed" ? "Failed" : "InProgress";
      if (!(*got)["metadata"].contains("deletionTimestamp")) {
        EXPECT_EQ(state, expected) << got->dump(2);
      }
      if (phase == "Succeeded" || phase == "Failed") break;
    }
    std::this_thread::sleep_for(5ms);
  }
  return seen;
}

TEST(conditions, success_goes_from_in_progress_to_current) {
  workspace here;
  ASSERT_TRUE(here.create("good", bash("sleep 3")));
  EXPECT_EQ(states_of(here, "good"), (std::vector<std::string>{"InProgress", "Current"}));
}

TEST(conditions, failure_goes_from_in_progress_to_failed) {
  workspace here;
  ASSERT_TRUE(here.create("bad", bash("sleep 3; exit 1")));
  EXPECT_EQ(states_of(here, "bad"), (std::vector<std::string>{"InProgress", "Failed"}));
}

TEST(conditions, a_change_under_way_is_in_progress_until_the_end_is_written) {
  workspace here;
  auto spec = bash("echo never");
  spec["suspend"] = true;
  ASSERT_TRUE(here.create("held", spec));
  here.wait_until("held", 30s,
                  [](json const& e) { return e.value("status", json::object()).value("phase", "") != ""; });
  ASSERT_TRUE(here.merge_patch(kube::code_executions, "held", {{"spec", {{"cancel", true}}}}));
  auto const seen = states_of(here, "held");
  EXPECT_EQ(seen.back(), "Failed");
  EXPECT_LE(seen.size(), 2u) << "from InProgress to Failed, and never back";
}

TEST(conditions, an_execution_that_is_being_deleted_is_terminating) {
  workspace here;
  // It takes its time to stop.
  ASSERT_TRUE(here.create("going", bash("trap 'sleep 3; exit 0' TERM; echo up; while :; do sleep 0.1; done")));
  here.wait_running("going");
  ASSERT_TRUE(here.remove(kube::code_executions, "going"));
  auto const got = here.get(kube::code_executions, "going");
  if (got) {
    EXPECT_EQ(kstatus_of(*got), "Terminating");
  }
  EXPECT_TRUE(here.wait_gone(kube::code_executions, "", 60s));
}

}  // namespace
}  // namespace codeexec::e2e
