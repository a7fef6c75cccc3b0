#include "codeexec/reconciler/sweeper.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codeexec/execution/network_policy.hpp"

#include "mini_cluster.hpp"

namespace codeexec::reconciler {
namespace {

using namespace testing;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// An operator with its sweeper.
struct sweeping {
  explicit sweeping(mini_cluster& with)
      : cluster(with),
        op(with),
        by(with.client, op.all_stores(), op.reconciler, operator_process::default_config(), {}, with.clock,
           base::rng(3)) {}

  void sweep() {
    op.watch();
    run_coro(cluster.io, by.sweep());
  }

  mini_cluster& cluster;
  operator_process op;
  sweeper by;
};

json ours(std::string const& name, std::string const& component, std::string const& uid = "nobody") {
  json labels{{"app.kubernetes.io/managed-by", "codeexec-controller"}, {"codeexec.dev/component", component}};
  if (component == "execution") labels["codeexec.dev/execution-uid"] = uid;
  return {{"metadata", {{"name", name}, {"labels", labels}}}};
}

std::vector<std::string> deletions(mini_cluster const& cluster) {
  std::vector<std::string> out;
  for (auto const& call : cluster.calls) {
    if (call.starts_with("DELETE ")) out.push_back(call);
  }
  return out;
}

TEST(Sweeper, ARoundThatFindsNothingCostsTwoRequests) {
  mini_cluster cluster;
  sweeping all(cluster);
  cluster.apply("hello", {{"code", "pass"}, {"network", "Allow"}});
  all.op.settle();
  cluster.calls.clear();
  cluster.clock.advance(1h);
  all.sweep();
  EXPECT_THAT(cluster.calls, ::testing::ElementsAre("GET configmaps", "GET networkpolicies"));
}

TEST(Sweeper, WhatANamespaceSharesGoesAfterItsLastExecution) {
  mini_cluster cluster;
  sweeping all(cluster);
  cluster.apply("hello", {{"code", "pass"}});
  all.op.settle();
  ASSERT_TRUE(cluster.has("networkpolicies"));
  cluster.clock.advance(10min);
  all.sweep();
  EXPECT_TRUE(cluster.has("networkpolicies")) << "it is not finished";
  cluster.delete_execution();
  all.op.settle();
  cluster.clock.advance(2min);
  all.sweep();
  EXPECT_FALSE(cluster.has("networkpolicies"));
  EXPECT_FALSE(cluster.has("configmaps"));
  EXPECT_EQ(all.by.counted().removed, 2U);

  cluster.apply("again", {{"code", "pass"}});
  all.op.settle("again");
  EXPECT_TRUE(cluster.has("networkpolicies"));
  EXPECT_EQ(cluster.count("configmaps"), 2U) << "runner and input";
}

TEST(Sweeper, WhatWasUsedJustNowStaysForTheNextExecution) {
  mini_cluster cluster;
  sweeping all(cluster);
  cluster.apply("first", {{"code", "pass"}});
  all.op.settle("first");
  cluster.clock.advance(10min);
  cluster.apply("second", {{"code", "pass"}});
  all.op.settle("second");
  cluster.delete_execution("first");
  cluster.delete_execution("second");
  all.op.settle("first");
  all.op.settle("second");
  all.sweep();
  EXPECT_TRUE(cluster.has("networkpolicies"));
  cluster.clock.advance(2min);
  all.sweep();
  EXPECT_FALSE(cluster.has("networkpolicies"));
}

TEST(Sweeper, AnExecutionThatTheWatchHasNotShownYetKeepsThem) {
  mini_cluster cluster;
  cluster.create("networkpolicies", execution::make_network_policy("agents"));
  cluster.create("configmaps", ours("codeexec-runner-of-another", "execution-unknown"));
  sweeping all(cluster);
  cluster.clock.advance(1h);
  all.op.watch();
  cluster.apply("hello", {{"code", "pass"}});
  run_coro(cluster.io, all.by.sweep());
  EXPECT_TRUE(cluster.has("networkpolicies"));
}

TEST(Sweeper, ChildrenOfNobodyAreRemoved) {
  mini_cluster cluster;
  cluster.create("jobs", ours("old-job", "execution"));
  cluster.create("pods", ours("old-pod", "execution"));
  cluster.create("configmaps", ours("old-input", "execution"));
  cluster.create("configmaps", ours("codeexec-runner-0123456789ab", "runner"));
  sweeping all(cluster);
  all.sweep();
  EXPECT_THAT(deletions(cluster), IsEmpty()) << "they may be younger than what the watch has shown";
  cluster.clock.advance(2min);
  all.sweep();
  EXPECT_FALSE(cluster.has("jobs"));
  EXPECT_FALSE(cluster.has("pods"));
  EXPECT_EQ(cluster.count("configmaps"), 1U) << "as long as there is a Job or a Pod the runner stays";
  all.sweep();
  EXPECT_FALSE(cluster.has("configmaps"));
}

TEST(Sweeper, ChildrenOfALivingExecutionAndThingsOfOthersAreNot) {
  mini_cluster cluster;
  sweeping all(cluster);
  cluster.apply("hello", {{"code", "pass"}});
  all.op.settle();
  cluster.run_nodes();
  all.op.settle();
  std::string const uid = cluster.execution()["metadata"]["uid"];
  cluster.create("pods", ours("orphan-of-a-living-one", "execution", uid));
  cluster.create("configmaps", {{"metadata", {{"name", "settings"}}}});
  cluster.create("networkpolicies", {{"metadata", {{"name", "default-deny"}}}});
  auto const before = cluster.objects;
  cluster.clock.advance(2h);
  all.sweep();
  EXPECT_THAT(deletions(cluster), IsEmpty());
  EXPECT_EQ(cluster.objects.size(), before.size());
}

TEST(Sweeper, AnOrphanOfAFinishedExecutionDoesNotRunOn) {
  mini_cluster cluster;
  sweeping all(cluster);
  cluster.apply("hello", {{"code", "pass"}});
  cluster.execution()["status"] = {{"phase", "Failed"}, {"reason", "OutputLost"}};
  std::string const uid = cluster.execution()["metadata"]["uid"];
  cluster.create("pods", ours("runs-on", "execution", uid));
  cluster.clock.advance(2min);
  all.sweep();
  EXPECT_FALSE(cluster.has("pods"));
  EXPECT_TRUE(cluster.has("codeexecutions"));
}

TEST(Sweeper, ARunnerOfAnOlderVersionGoesOnceNoJobUsesIt) {
  mini_cluster cluster;
  sweeping all(cluster);
  cluster.apply("hello", {{"code", "pass"}});
  all.op.settle();
  cluster.create("configmaps", ours("codeexec-runner-0123456789ab", "runner"));
  cluster.clock.advance(2min);
  auto& job = *cluster.first("jobs");
  std::string const current = job["metadata"]["annotations"]["codeexec.dev/runner"];
  job["metadata"]["annotations"]["codeexec.dev/runner"] = "codeexec-runner-0123456789ab";
  cluster.touch(job);
  all.sweep();
  EXPECT_EQ(cluster.count("configmaps"), 3U) << "the Job uses it";
  job["metadata"]["annotations"]["codeexec.dev/runner"] = current;
  cluster.touch(job);
  all.sweep();
  EXPECT_FALSE(cluster.objects.contains("configmaps/agents/codeexec-runner-0123456789ab"));
  EXPECT_TRUE(cluster.objects.contains("configmaps/agents/" + current));
}

TEST(Sweeper, AnotherObjectOfTheSameNameIsNotTaken) {
  mini_cluster cluster;
  cluster.create("jobs", ours("old-job", "execution"));
  sweeping all(cluster);
  cluster.clock.advance(2min);
  all.op.watch();
  // Deleted and made anew in the moment between the look and the deletion.
  cluster.fault_at = [&](std::size_t, kube::request const& r) {
    if (r.method == kube::verb::remove) cluster.create("jobs", ours("old-job", "execution", "somebody"));
    return mini_cluster::fault::none;
  };
  run_coro(cluster.io, all.by.sweep());
  EXPECT_THAT(deletions(cluster), Contains("DELETE jobs"));
  EXPECT_TRUE(cluster.has("jobs"));
}

TEST(Sweeper, APolicyThatExecutionsRelyOnIsRestored) {
  mini_cluster cluster;
  sweeping all(cluster);
  cluster.apply("hello", {{"code", "pass"}});
  all.op.settle();
  cluster.run_nodes();
  all.op.settle();
  cluster.remove("networkpolicies/agents/codeexec-deny");
  cluster.clock.advance(5min);
  all.sweep();
  EXPECT_TRUE(cluster.has("networkpolicies"));
}

TEST(Sweeper, WithoutTheRightsItLeavesWhatItCannotSeeOrTake) {
  mini_cluster cluster;
  cluster.create("pods", ours("old-pod", "execution"));
  cluster.create("configmaps", ours("old-input", "execution"));
  sweeping all(cluster);
  cluster.on_get = [](std::string const& plural) -> std::optional<kube::error> {
    if (plural != "configmaps" && plural != "networkpolicies") return std::nullopt;
    return kube::error::from_status(403, R"({"kind":"Status","reason":"Forbidden","message":"no","code":403})");
  };
  cluster.clock.advance(2min);
  all.sweep();
  EXPECT_TRUE(cluster.has("configmaps"));
  EXPECT_FALSE(cluster.has("pods"));
}

}  // namespace
}  // namespace codeexec::reconciler
