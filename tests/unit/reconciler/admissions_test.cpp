// How many run at once: the reconciler over a scripted cluster.
#include "codeexec/reconciler/admissions.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mini_cluster.hpp"

namespace codeexec::reconciler {
namespace {

using namespace testing;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

execution::config at_most(std::int64_t running) {
  execution::config with;
  with.max_running_in_all = running;
  return with;
}

void apply(mini_cluster& cluster, std::initializer_list<char const*> names, json spec = {{"code", "print('hi')"}}) {
  for (auto const* const name : names) {
    cluster.apply(name, spec);
    cluster.clock.advance(1s);
  }
}

void settle(operator_process& op, std::initializer_list<char const*> names) {
  for (auto const* const name : names)
    op.settle(name);
}

/// Every container that runs has ended.
void end_all(mini_cluster& cluster) {
  cluster.run_nodes();
  cluster.end_containers([](auto const& token) { return mini_cluster::result(token); });
}

TEST(Admissions, OnlyAsManyRunAsTheConfigurationAllowsAndTheNextStartWhenTheyEnd) {
  mini_cluster cluster;
  auto const with = at_most(2);
  operator_process op(cluster, with);
  apply(cluster, {"a", "b", "c", "d"});
  settle(op, {"d", "c", "b", "a"});
  EXPECT_EQ(cluster.count("jobs"), 2U);
  cluster.clock.advance(2s);
  settle(op, {"a", "b", "c", "d"});
  EXPECT_EQ(cluster.status("c")["phase"], "Pending");
  EXPECT_EQ(cluster.status("c")["reason"], "Queued");
  EXPECT_EQ(cluster.status("c")["message"], "Position 1 of 2 in the queue (2 of 2 executions run in this cluster).");
  EXPECT_EQ(cluster.status("d")["message"], "Position 2 of 2 in the queue (2 of 2 executions run in this cluster).");
  EXPECT_THAT(cluster.execution("d")["metadata"].value("finalizers", json::array()), IsEmpty());
  end_all(cluster);
  settle(op, {"a", "b"});
  EXPECT_EQ(cluster.status("a")["phase"], "Succeeded");
  settle(op, {"c", "d"});
  EXPECT_EQ(cluster.jobs_ever, 4);
  end_all(cluster);
  settle(op, {"c", "d"});
  EXPECT_EQ(cluster.status("d")["phase"], "Succeeded");
  EXPECT_EQ(op.reconciler.queue().running(), 0U);
  EXPECT_EQ(op.reconciler.queue().waiting(), 0U);
}

TEST(Admissions, WhoIsAdmittedBecauseAnotherEndedIsWoken) {
  mini_cluster cluster;
  runtime::store<api::CodeExecution> executions;
  runtime::store<kube::Job> jobs;
  std::vector<std::string> woken;
  auto const with = at_most(1);
  auto desk = std::make_unique<admissions>(executions, jobs, with, [&](auto const& key) { woken.push_back(key.name); });
  auto const put = [&](std::string const& name, std::string const& phase = "") {
    auto e = std::make_shared<api::CodeExecution>();
    e->metadata.name = name;
    e->metadata.namespace_ = "agents";
    e->metadata.uid = "uid-" + name;
    e->metadata.creationTimestamp = "2026-01-31T10:00:00Z";
    e->status.phase = phase;
    runtime::object_id id(runtime::object_key("agents", name), e->metadata.uid, phase);
    executions.apply(std::move(id), std::move(e));
  };
  put("a");
  put("b");
  put("c");
  EXPECT_FALSE(desk->look("uid-a").admitted) << "before all is read nobody knows who runs";
  desk->open();
  EXPECT_TRUE(desk->look("uid-a").admitted);
  EXPECT_THAT(woken, IsEmpty()) << "all are looked at anyway at first";
  put("a", "Succeeded");
  EXPECT_THAT(woken, ::testing::ElementsAre("b"));
  executions.erase(runtime::object_key("agents", "b"));
  EXPECT_THAT(woken, ::testing::ElementsAre("b", "c"));
  desk.reset();
  put("d");  // stores may outlive it
}

TEST(Admissions, AfterARestartWhatRunsKeepsItsSlotsBeyondTheBound) {
  mini_cluster cluster;
  {
    operator_process before(cluster);
    apply(cluster, {"a", "b", "c"});
    settle(before, {"a", "b", "c"});
  }
  EXPECT_EQ(cluster.count("jobs"), 3U);
  apply(cluster, {"d"});
  auto const with = at_most(2);
  operator_process after(cluster, with);
  settle(after, {"d", "a", "b", "c"});
  EXPECT_EQ(cluster.count("jobs"), 3U);
  EXPECT_EQ(after.reconciler.queue().running(), 3U);
  cluster.clock.advance(2s);
  settle(after, {"d"});
  EXPECT_THAT(cluster.status("d")["message"].get<std::string>(), HasSubstr("(3 of 2 executions run"));
  end_all(cluster);
  settle(after, {"a", "b", "c", "d"});
  EXPECT_EQ(cluster.jobs_ever, 4);
}

TEST(Admissions, AfterARestartTheOldestGoesFirstWhoeverIsLookedAtFirst) {
  mini_cluster cluster;
  apply(cluster, {"z", "m", "a"});
  auto const with = at_most(1);
  operator_process op(cluster, with);
  settle(op, {"a", "m", "z"});
  ASSERT_EQ(cluster.count("jobs"), 1U);
  EXPECT_EQ((*cluster.first("jobs"))["metadata"]["labels"]["codeexec.dev/execution"], "z");
}

TEST(Admissions, AFinishedExecutionThatKeepsItsJobHoldsNoSlot) {
  mini_cluster cluster;
  auto const with = at_most(1);
  operator_process op(cluster, with);
  apply(cluster, {"kept"}, {{"code", "x"}, {"cleanupPolicy", "Retain"}});
  op.settle("kept");
  end_all(cluster);
  op.settle("kept");
  EXPECT_EQ(cluster.count("jobs"), 1U);
  apply(cluster, {"next"});
  op.settle("next");
  EXPECT_EQ(cluster.jobs_ever, 2);
  EXPECT_EQ(op.reconciler.queue().running(), 1U);
}

TEST(Admissions, CancelSuspendAndDeleteTakeOneOutOfTheQueue) {
  mini_cluster cluster;
  auto const with = at_most(1);
  operator_process op(cluster, with);
  apply(cluster, {"runs", "cancelled", "deleted"});
  cluster.apply("suspended", {{"code", "x"}, {"suspend", true}});
  settle(op, {"runs", "cancelled", "deleted", "suspended"});
  EXPECT_EQ(op.reconciler.queue().waiting(), 2U);
  EXPECT_EQ(cluster.status("suspended")["reason"], "Suspended");
  cluster.calls.clear();
  cluster.delete_execution("deleted");
  op.settle("deleted");
  EXPECT_THAT(cluster.calls, IsEmpty()) << "it had nothing";
  cluster.execution("cancelled")["spec"]["cancel"] = true;
  cluster.touch(cluster.execution("cancelled"));
  op.settle("cancelled");
  EXPECT_EQ(cluster.status("cancelled")["reason"], "Cancelled");
  EXPECT_EQ(op.reconciler.queue().waiting(), 0U);
  cluster.execution("suspended")["spec"]["suspend"] = false;
  cluster.touch(cluster.execution("suspended"));
  op.settle("suspended");
  EXPECT_EQ(op.reconciler.queue().waiting(), 1U);
  EXPECT_EQ(cluster.jobs_ever, 1);
}

TEST(Admissions, WhoWaitsTooLongIsToldThatItWasTheQueue) {
  mini_cluster cluster;
  auto const with = at_most(1);
  operator_process op(cluster, with);
  apply(cluster, {"runs"}, {{"code", "x"}, {"timeoutSeconds", 600}});
  apply(cluster, {"waits"}, {{"code", "x"}, {"startupTimeoutSeconds", 30}});
  settle(op, {"runs", "waits"});
  cluster.run_nodes();
  settle(op, {"runs", "waits"});
  cluster.clock.advance(31s);
  op.settle("waits");
  EXPECT_EQ(cluster.status("waits")["reason"], "StartupTimedOut");
  EXPECT_THAT(cluster.status("waits")["message"].get<std::string>(), HasSubstr("Waited in the queue: Position 1 of 1"));
  EXPECT_EQ(op.reconciler.queue().waiting(), 0U);
}

TEST(Admissions, TheStartupTimeoutGoesOnOverARestart) {
  mini_cluster cluster;
  auto const with = at_most(1);
  {
    operator_process op(cluster, with);
    apply(cluster, {"runs"}, {{"code", "x"}, {"timeoutSeconds", 600}});
    apply(cluster, {"waits"}, {{"code", "x"}, {"startupTimeoutSeconds", 30}});
    settle(op, {"runs", "waits"});
    cluster.clock.advance(2s);
    settle(op, {"waits"});
    EXPECT_EQ(cluster.status("waits")["reason"], "Queued");
  }
  operator_process again(cluster, with);
  cluster.clock.advance(29s);
  again.settle("waits");
  EXPECT_EQ(cluster.status("waits")["reason"], "StartupTimedOut");
}

TEST(Admissions, AViolationCostsOneRequestAndNoSlot) {
  mini_cluster cluster;
  auto with = at_most(1);
  with.policy.timeout_seconds.max = 600;
  operator_process op(cluster, with);
  apply(cluster, {"greedy"}, {{"code", "x"}, {"timeoutSeconds", 900}});
  op.settle("greedy");
  EXPECT_THAT(cluster.calls, ::testing::ElementsAre("PATCH codeexecutions/status"));
  EXPECT_EQ(cluster.status("greedy")["reason"], "PolicyViolation");
  EXPECT_EQ(op.reconciler.queue().running(), 0U);
}

TEST(Admissions, ANamespaceHasTheBoundOfItsOverride) {
  mini_cluster cluster;
  auto with = at_most(5);
  execution::namespace_override one;
  one.namespaces = {"agent*"};
  one.settings.max_running = 1;
  with.namespace_overrides.push_back(one);
  operator_process op(cluster, with);
  apply(cluster, {"a", "b"});
  settle(op, {"a", "b"});
  EXPECT_EQ(cluster.count("jobs"), 1U);
  cluster.clock.advance(2s);
  settle(op, {"b"});
  EXPECT_EQ(cluster.status("b")["message"],
            "Position 1 of 1 in the queue of this namespace (1 of 1 executions run in this namespace).");
}

TEST(Admissions, WhatRunsIsNotDisturbedByAConfigurationThatWouldNotTakeItAnyMore) {
  mini_cluster cluster;
  {
    operator_process before(cluster);
    apply(cluster, {"forbidden"}, {{"code", "x"}, {"timeoutSeconds", 900}});
    apply(cluster, {"unknown"}, {{"code", "x"}, {"language", "ruby"}});
    settle(before, {"forbidden", "unknown"});
    cluster.run_nodes();
    settle(before, {"forbidden", "unknown"});
  }
  auto with = at_most(1);
  with.policy.timeout_seconds.max = 600;
  with.runtimes.erase("ruby");
  operator_process after(cluster, with);
  settle(after, {"forbidden", "unknown"});
  cluster.end_containers([](auto const& token) { return mini_cluster::result(token); });
  settle(after, {"forbidden", "unknown"});
  for (std::string const name : {"forbidden", "unknown"}) {
    EXPECT_EQ(cluster.status(name)["reason"], "Completed") << cluster.status(name).dump();
    EXPECT_EQ(cluster.status(name)["stdout"], "hi\n") << name;
  }
  apply(cluster, {"late"}, {{"code", "x"}, {"language", "ruby"}});
  after.settle("late");
  EXPECT_EQ(cluster.status("late")["reason"], "InvalidSpec");
}

TEST(Admissions, ANamespaceThatIsNotServedIsLeftAlone) {
  mini_cluster cluster;
  execution::config with;
  with.excluded_namespaces = {"agents"};
  operator_process op(cluster, with);
  apply(cluster, {"hello"});
  op.settle("hello");
  EXPECT_THAT(cluster.calls, IsEmpty());
  EXPECT_EQ(op.reconciler.records(), 0U);
  EXPECT_EQ(op.reconciler.queue().running(), 0U);
}

}  // namespace
}  // namespace codeexec::reconciler
