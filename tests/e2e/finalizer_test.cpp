// Deletion: in every phase, whatever became of the children, never stuck, nothing that goes on running.
#include <gtest/gtest.h>
#include <string>
#include <thread>

#include "cluster.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;

std::string phase_of(json const& execution) {
  return execution.contains("status") ? execution["status"].value("phase", "") : std::string();
}

bool is_under_way(json const& execution) {
  return phase_of(execution) == "Running";
}

bool is_waiting(json const& execution) {
  return phase_of(execution) == "Pending";
}

json endless() {
  return bash("echo started; while :; do sleep 1; done");
}

json unschedulable() {
  auto spec = python("pass");
  spec["resources"] = {{"requests", {{"cpu", "500"}}}, {"limits", {{"cpu", "500"}}}};
  return spec;
}

json suspended() {
  auto spec = python("pass");
  spec["suspend"] = true;
  return spec;
}

json unpullable() {
  auto spec = python("pass");
  spec["image"] = "localhost/none:1";
  return spec;
}

json retained(std::string_view code) {
  auto spec = bash(code);
  spec["cleanupPolicy"] = "Retain";
  return spec;
}

void expect_all_gone(workspace& here) {
  EXPECT_TRUE(here.wait_gone(kube::code_executions, "", 60s)) << here.list(kube::code_executions)[0].dump(2);
  EXPECT_EQ(here.wait_no_leftovers(), std::vector<std::string>());
}

/// One of each: unscheduled, unpullable, suspended, running, finished, failed, finished and kept.
void start_one_in_every_phase(workspace& here) {
  ASSERT_TRUE(here.create("unscheduled", unschedulable()));
  ASSERT_TRUE(here.create("unpulled", unpullable()));
  ASSERT_TRUE(here.create("suspended", suspended()));
  ASSERT_TRUE(here.create("running", endless()));
  ASSERT_TRUE(here.create("finished", bash("echo done")));
  ASSERT_TRUE(here.create("failed", bash("exit 1")));
  ASSERT_TRUE(here.create("kept", retained("echo done")));
  for (char const* name : {"unscheduled", "unpulled", "suspended"})
    here.wait_until(name, 60s, is_waiting);
  here.wait_until("running", 60s, is_under_way);
  for (char const* name : {"finished", "failed", "kept"})
    here.wait_final(name);
}

TEST(finalizer, deletion_in_every_phase_ends_and_leaves_nothing) {
  workspace here;
  start_one_in_every_phase(here);
  for (auto const& execution : here.list(kube::code_executions)) {
    auto const name = execution["metadata"]["name"].get<std::string>();
    ASSERT_TRUE(here.remove(kube::code_executions, name)) << name;
  }
  expect_all_gone(here);
}

TEST(finalizer, a_namespace_goes_with_executions_in_every_phase) {
  auto here = std::make_unique<workspace>();
  start_one_in_every_phase(*here);
  auto const name = here->name();
  here.reset();  // deletes the namespace
  auto const until = std::chrono::steady_clock::now() + 90s;
  auto const there = [&] { return cluster::instance().send(kube::make_get(kube::namespaces, "", name)); };
  auto last = there();
  while (last && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(50ms);
    last = there();
  }
  ASSERT_FALSE(last) << "the namespace is still there: " << last->dump(2);
  EXPECT_TRUE(last.error().is_not_found()) << last.error().describe();
}

TEST(finalizer, children_that_are_gone_already_hold_nothing_up) {
  workspace here;
  ASSERT_TRUE(here.create("jobless", endless()));
  ASSERT_TRUE(here.create("podless", endless()));
  ASSERT_TRUE(here.create("kept", retained("echo done")));
  for (char const* name : {"jobless", "podless"}) {
    auto const execution = here.wait_until(name, 60s, is_under_way);
    bool const job = std::string_view(name) == "jobless";
    ASSERT_TRUE(here.remove(job ? kube::jobs : kube::pods,
                            execution["status"][job ? "jobName" : "podName"].get<std::string>()));
    ASSERT_TRUE(here.remove(kube::code_executions, name));
  }
  auto const kept = here.wait_final("kept");
  ASSERT_TRUE(here.remove(kube::jobs, kept["status"]["jobName"].get<std::string>()));
  EXPECT_TRUE(here.wait_gone(kube::jobs, "codeexec.dev/component=execution", 60s));
  ASSERT_TRUE(here.remove(kube::code_executions, "kept"));
  expect_all_gone(here);
}

TEST(finalizer, foreground_deletion_ends_as_well) {
  workspace here;
  ASSERT_TRUE(here.create("running", endless()));
  ASSERT_TRUE(here.create("kept", retained("echo done")));
  here.wait_until("running", 60s, is_under_way);
  here.wait_final("kept");
  kube::delete_options foreground;
  foreground.policy = kube::propagation::foreground;
  for (char const* name : {"running", "kept"}) {
    ASSERT_TRUE(cluster::instance().send(kube::make_delete(kube::code_executions, here.name(), name, foreground)));
  }
  expect_all_gone(here);
}

TEST(finalizer, an_execution_that_is_deleted_and_made_anew_runs_as_a_new_one) {
  workspace here;
  for (int round = 0; round < 3; ++round) {
    auto const text = "round " + std::to_string(round);
    ASSERT_TRUE(here.create("again", bash("echo " + text)));
    EXPECT_EQ(here.wait_final("again")["status"]["stdout"], text + "\n");
    ASSERT_TRUE(here.remove(kube::code_executions, "again"));
    ASSERT_TRUE(here.wait_gone(kube::code_executions, "", 60s));
  }
  expect_all_gone(here);
}

}  // namespace
}  // namespace codeexec::e2e
