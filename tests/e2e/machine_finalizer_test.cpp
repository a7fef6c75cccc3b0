// Deletion while no operator is there: nothing is let go, and nothing is stuck once one is back.
#include <gtest/gtest.h>
#include <string>
#include <thread>

#include "machine.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

bool has_phase(json const& execution, std::string_view phase) {
  return execution.contains("status") && execution["status"].value("phase", "") == phase;
}

/// gVisor is not the point here, and a plain process starts at once.
std::string config_without_gvisor(std::filesystem::path const& folder) {
  std::ifstream in(CODEEXEC_SOURCE_DIR "/config/operator.yaml");
  std::string text((std::istreambuf_iterator<char>(in)), {});
  std::string const demand = "requireSandbox: true";
  auto const at = text.find(demand);
  EXPECT_NE(at, std::string::npos);
  text.replace(at, demand.size(), "requireSandbox: false");
  std::ofstream(folder / "operator.yaml") << text;
  return (folder / "operator.yaml").string();
}

class MachineFinalizer : public ::testing::Test {
 protected:
  void start() { operator_ = here.start_operator("operator", {"--config", config}); }
  void kill() { operator_->end(SIGKILL); }

  /// One that waits, one that runs, one that is done, one that is done and kept.
  void start_some(workspace& space) {
    auto waiting = bash("true");
    waiting["resources"] = {{"requests", {{"cpu", "500"}}}, {"limits", {{"cpu", "500"}}}};
    auto kept = bash("echo done");
    kept["cleanupPolicy"] = "Retain";
    ASSERT_TRUE(space.create("waiting", waiting));
    ASSERT_TRUE(space.create("running", bash("echo started; while :; do sleep 1; done")));
    ASSERT_TRUE(space.create("finished", bash("echo done")));
    ASSERT_TRUE(space.create("kept", kept));
    space.wait_until("waiting", 60s, [](json const& e) { return has_phase(e, "Pending"); });
    space.wait_until("running", 60s, [](json const& e) { return has_phase(e, "Running"); });
    for (char const* name : {"finished", "kept"})
      space.wait_final(name);
  }

  machine here{{"--runtime", "process"}};
  std::string config = config_without_gvisor(here.folder());
  std::unique_ptr<program> operator_;
};

TEST_F(MachineFinalizer, what_was_deleted_while_no_operator_was_there_goes_once_one_is_back) {
  workspace space(here.api());
  start();
  start_some(space);
  kill();
  // Made and deleted behind its back: it never sees this one alive.
  ASSERT_TRUE(space.create("unseen", bash("echo never")));
  for (char const* name : {"waiting", "running", "finished", "kept", "unseen"})
    ASSERT_TRUE(space.remove(kube::code_executions, name));
  auto const held = space.list(kube::code_executions);
  EXPECT_EQ(held.size(), 4u) << "the finalizer holds what may have children, and nothing else";
  start();
  EXPECT_TRUE(space.wait_gone(kube::code_executions, "", 60s));
  EXPECT_EQ(space.wait_no_leftovers(), std::vector<std::string>());
}

TEST_F(MachineFinalizer, children_that_went_meanwhile_hold_nothing_up) {
  workspace space(here.api());
  start();
  start_some(space);
  kill();
  for (char const* name : {"waiting", "running", "kept"}) {
    auto const execution = space.get(kube::code_executions, name);
    ASSERT_TRUE(execution);
    auto const& jobs = space.list(kube::jobs, "codeexec.dev/execution=" + std::string(name));
    ASSERT_EQ(jobs.size(), 1u) << name;
    kube::delete_options background;
    background.policy = kube::propagation::background;
    ASSERT_TRUE(here.api().send(
        kube::make_delete(kube::jobs, space.name(), jobs[0]["metadata"]["name"].get<std::string>(), background)));
  }
  EXPECT_EQ(space.wait_no_leftovers(), std::vector<std::string>()) << "with the Job goes all of it";
  for (char const* name : {"waiting", "running", "finished", "kept"})
    ASSERT_TRUE(space.remove(kube::code_executions, name));
  start();
  EXPECT_TRUE(space.wait_gone(kube::code_executions, "", 60s));
}

TEST_F(MachineFinalizer, a_namespace_that_is_deleted_meanwhile_goes_once_an_operator_is_back) {
  auto space = std::make_unique<workspace>(here.api());
  start();
  start_some(*space);
  kill();
  auto const name = space->name();
  space.reset();  // deletes the namespace, which waits for the finalizers
  start();
  auto const until = steady_clock::now() + 90s;
  auto const there = [&] { return here.api().send(kube::make_get(kube::namespaces, "", name)); };
  auto last = there();
  while (last && steady_clock::now() < until) {
    std::this_thread::sleep_for(50ms);
    last = there();
  }
  ASSERT_FALSE(last) << last->dump(2);
  EXPECT_TRUE(last.error().is_not_found()) << last.error().describe();
}

TEST_F(MachineFinalizer, what_waits_in_the_queue_is_deleted_and_cancelled_like_anything_else) {
  std::string text;
  {
    std::ifstream in(config);
    text.assign(std::istreambuf_iterator<char>(in), {});
  }
  std::string const unbounded = "\n  global: 0\n";
  auto const at = text.find(unbounded);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, unbounded.size(), "\n  global: 1\n");
  std::ofstream(config) << text;
  workspace space(here.api());
  start();
  ASSERT_TRUE(space.create("running", bash("echo started; while :; do sleep 1; done")));
  space.wait_until("running", 60s, [](json const& e) { return has_phase(e, "Running"); });
  for (char const* name : {"deleted", "cancelled", "deleted-meanwhile", "next"}) {
    ASSERT_TRUE(space.create(name, bash("echo its turn")));
    space.wait_until(name, 60s,
                     [](json const& e) { return e.contains("status") && e["status"].value("reason", "") == "Queued"; });
  }
  ASSERT_TRUE(space.remove(kube::code_executions, "deleted"));
  ASSERT_TRUE(space.merge_patch(kube::code_executions, "cancelled", {{"spec", {{"cancel", true}}}}));
  EXPECT_EQ(space.wait_final("cancelled")["status"]["reason"], "Cancelled");
  kill();
  ASSERT_TRUE(space.remove(kube::code_executions, "deleted-meanwhile"));
  ASSERT_TRUE(space.remove(kube::code_executions, "running"));
  start();
  // Whose turn it is has its turn: neither the deleted nor the cancelled ones hold a place.
  auto const status = space.wait_final("next")["status"];
  EXPECT_EQ(status["stdout"], "its turn\n") << status.dump(2);
  for (char const* name : {"cancelled", "next"})
    ASSERT_TRUE(space.remove(kube::code_executions, name));
  EXPECT_TRUE(space.wait_gone(kube::code_executions, "", 60s));
  EXPECT_EQ(space.wait_no_leftovers(), std::vector<std::string>());
}

TEST_F(MachineFinalizer, a_finished_execution_never_runs_again_on_a_cluster_that_lets_its_spec_change) {
  // A cluster too old for CEL, or whose definition somebody stripped of its rules.
  auto definition =
      here.api().send(kube::make_get(kube::custom_resource_definitions, "", "codeexecutions.codeexec.dev"));
  ASSERT_TRUE(definition) << definition.error().describe();
  auto changed = *definition;
  changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].erase("x-kubernetes-validations");
  ASSERT_TRUE(here.api().send(kube::make_replace(kube::custom_resource_definitions, "", "codeexecutions.codeexec.dev",
                                                 changed.dump(), "codeexec-e2e")));
  workspace space(here.api());
  start();
  auto const first = space.run("once", bash("echo first"));
  ASSERT_EQ(first["reason"], "Completed") << first.dump(2);
  ASSERT_EQ(space.wait_no_leftovers(), std::vector<std::string>());
  std::vector<json> const changes{{{"code", "echo second"}},
                                  {{"language", "python"}, {"code", "print('third')"}},
                                  {{"suspend", true}},
                                  {{"suspend", false}},
                                  {{"cancel", true}},
                                  {{"cancel", false}},
                                  {{"image", "debian:11"}, {"args", {"x"}}}};
  int generation = 1;
  for (auto const& change : changes) {
    auto const patched = space.merge_patch(kube::code_executions, "once", {{"spec", change}});
    ASSERT_TRUE(patched) << patched.error().describe();
    generation = (*patched)["metadata"]["generation"].get<int>();
    if (generation == 5) {  // also an operator that knows nothing of the first run
      kill();
      start();
    }
  }
  auto const settled = space.wait_until(
      "once", 60s, [](json const& e) { return e["status"]["observedGeneration"] == e["metadata"]["generation"]; });
  auto expected = first;
  auto got = settled["status"];
  for (auto* const status : {&expected, &got}) {
    status->erase("observedGeneration");
    for (auto& one : (*status)["conditions"])
      one.erase("observedGeneration");
  }
  EXPECT_EQ(got, expected) << "a result once written never changes";
  EXPECT_GE(generation, 5);
  EXPECT_TRUE(space.list(kube::jobs).empty());
  EXPECT_TRUE(space.list(kube::pods).empty());
}

}  // namespace
}  // namespace codeexec::e2e
