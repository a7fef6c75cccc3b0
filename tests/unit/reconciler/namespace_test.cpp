// What the executions of a namespace share: the runner's ConfigMap and the NetworkPolicy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codeexec/execution/network_policy.hpp"
#include "codeexec/reconciler/code_execution_reconciler.hpp"

#include "mini_cluster.hpp"

namespace codeexec::reconciler {
namespace {

using namespace testing;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

json denied(std::string const& text = "print('hi')") {
  return {{"code", text}};
}
json allowed() {
  return {{"code", "print('hi')"}, {"network", "Allow"}};
}

std::string const policy_key = "networkpolicies/agents/codeexec-deny";

kube::error policy_refusal(int code, std::string const& reason, std::string const& message) {
  json const body{{"kind", "Status"}, {"reason", reason}, {"message", message}, {"code", code}};
  return kube::error::from_status(code, body.dump());
}

std::size_t calls_of(mini_cluster const& cluster, std::string const& call) {
  return static_cast<std::size_t>(std::count(cluster.calls.begin(), cluster.calls.end(), call));
}

TEST(Namespace, TheFirstExecutionMakesThePolicyBeforeItsJob) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", denied());
  op.settle();
  EXPECT_THAT(cluster.calls, ElementsAre("PATCH codeexecutions", "POST configmaps", "POST networkpolicies", "POST jobs",
                                         "POST configmaps"));
  EXPECT_EQ(cluster.objects.at(policy_key)["spec"], execution::make_network_policy("agents")["spec"]);
}

TEST(Namespace, AnAllowedNetworkMakesNone) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", allowed());
  op.settle();
  EXPECT_EQ(cluster.jobs_ever, 1);
  EXPECT_FALSE(cluster.has("networkpolicies"));
}

TEST(Namespace, AConfigurationWithoutPoliciesMakesNone) {
  mini_cluster cluster;
  execution::config config;
  config.network_policy = false;
  operator_process op(cluster, config);
  cluster.apply("hello", denied());
  op.settle();
  EXPECT_EQ(cluster.jobs_ever, 1);
  EXPECT_THAT(cluster.calls, Not(Contains(HasSubstr("networkpolicies"))));
}

TEST(Namespace, ThePolicyIsLookedAtOncePerMinute) {
  mini_cluster cluster;
  operator_process op(cluster);
  for (int i = 0; i < 5; ++i) {
    cluster.apply("e" + std::to_string(i), denied());
    op.settle("e" + std::to_string(i));
  }
  EXPECT_EQ(calls_of(cluster, "POST networkpolicies"), 1U);
  EXPECT_EQ(calls_of(cluster, "GET networkpolicies"), 0U);
  cluster.clock.advance(61s);
  for (int i = 5; i < 10; ++i) {
    cluster.apply("e" + std::to_string(i), denied());
    op.settle("e" + std::to_string(i));
  }
  EXPECT_EQ(calls_of(cluster, "GET networkpolicies"), 1U);
  EXPECT_EQ(cluster.jobs_ever, 10);
}

TEST(Namespace, AnEditedPolicyIsPutRight) {
  mini_cluster cluster;
  auto policy = execution::make_network_policy("agents");
  policy["spec"]["egress"] = json::array({json::object()});
  policy["metadata"]["annotations"] = {{"by", "somebody"}};
  cluster.create("networkpolicies", policy);
  operator_process op(cluster);
  cluster.apply("hello", denied());
  op.settle();
  EXPECT_THAT(cluster.calls, Contains("PUT networkpolicies"));
  EXPECT_TRUE(execution::denies_network(cluster.objects.at(policy_key)));
  EXPECT_EQ(cluster.jobs_ever, 1);
}

TEST(Namespace, APolicyThatVanishedIsMadeAgain) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("first", denied());
  op.settle("first");
  cluster.remove(policy_key);
  cluster.clock.advance(61s);
  cluster.apply("second", denied());
  op.settle("second");
  EXPECT_TRUE(cluster.objects.contains(policy_key));
}

TEST(Namespace, SomebodyElsesPolicyIsUsedWhereItDenies) {
  mini_cluster cluster;
  auto policy = execution::make_network_policy("agents");
  policy["metadata"].erase("labels");
  policy["spec"]["podSelector"] = json::object();
  cluster.create("networkpolicies", policy);
  operator_process op(cluster);
  cluster.apply("hello", denied());
  op.settle();
  EXPECT_EQ(cluster.jobs_ever, 1);
  EXPECT_THAT(cluster.calls, Not(Contains("PUT networkpolicies")));
}

TEST(Namespace, SomebodyElsesPolicyThatAllowsIsNeitherUsedNorChanged) {
  mini_cluster cluster;
  auto policy = execution::make_network_policy("agents");
  policy["metadata"].erase("labels");
  policy["spec"]["egress"] = json::array({json::object()});
  cluster.create("networkpolicies", policy);
  operator_process op(cluster);
  cluster.apply("hello", denied());
  op.settle();
  cluster.clock.advance(2s);
  op.settle();
  EXPECT_EQ(cluster.jobs_ever, 0);
  EXPECT_THAT(cluster.calls, Not(Contains("PUT networkpolicies")));
  EXPECT_EQ(cluster.status()["phase"], "Pending");
  EXPECT_THAT(cluster.status()["message"].get<std::string>(), HasSubstr("codeexec-deny"));
  cluster.remove(policy_key);
  cluster.clock.advance(10s);
  op.settle();
  EXPECT_EQ(cluster.jobs_ever, 1) << "it heals once that policy is gone";
}

TEST(Namespace, WithoutTheRightOrTheAPINothingIsStartedAndTheMessageSaysWhatToDo) {
  for (auto const& refusal :
       {policy_refusal(403, "Forbidden", "networkpolicies.networking.k8s.io is forbidden: User \"x\" cannot create"),
        policy_refusal(404, "NotFound", "the server could not find the requested resource")}) {
    mini_cluster cluster;
    bool refuse = true;
    cluster.on_create = [&](std::string const& plural, json const&) -> std::optional<kube::error> {
      if (plural == "networkpolicies" && refuse) return refusal;
      return std::nullopt;
    };
    operator_process op(cluster);
    cluster.apply("hello", denied());
    cluster.apply("open", allowed());
    op.settle();
    op.settle("open");
    cluster.clock.advance(2s);
    op.settle();
    EXPECT_EQ(cluster.jobs_ever, 1) << "only the one that needs no policy";
    auto const message = cluster.status()["message"].get<std::string>();
    EXPECT_THAT(message, HasSubstr(refusal.message()));
    EXPECT_THAT(message, HasSubstr("config/rbac"));
    EXPECT_THAT(message, HasSubstr("networkPolicy: false"));
    for (int i = 0; i < 60 && cluster.status()["phase"] != "Failed"; ++i) {
      cluster.clock.advance(6s);
      op.settle();
    }
    EXPECT_EQ(cluster.status()["phase"], "Failed") << "after the startup timeout";
    EXPECT_THAT(cluster.status()["message"].get<std::string>(), HasSubstr("networkPolicy: false"));
    EXPECT_EQ(cluster.jobs_ever, 1);

    refuse = false;
    cluster.apply("later", denied());
    op.settle("later");
    EXPECT_EQ(cluster.jobs_ever, 2) << "a right that was given counts at once";
  }
}

TEST(Namespace, AServerThatIsBusyOrCannotTellWhoAsksIsAskedAgain) {
  for (auto const& passing :
       {policy_refusal(503, "ServiceUnavailable", "busy"), policy_refusal(401, "Unauthorized", "Unauthorized")}) {
    mini_cluster cluster;
    int tries = 0;
    cluster.on_create = [&](std::string const& plural, json const&) -> std::optional<kube::error> {
      if (plural == "networkpolicies" && ++tries == 1) return passing;
      return std::nullopt;
    };
    operator_process op(cluster);
    cluster.apply("hello", denied());
    op.settle();
    EXPECT_EQ(cluster.jobs_ever, 1) << passing.describe();
    EXPECT_FALSE(cluster.execution().contains("status")) << passing.describe();
  }
}

TEST(Namespace, AJobOfAPredecessorStartsOnlyBehindThePolicy) {
  mini_cluster cluster;
  bool killed = false;
  cluster.fault_at = [&](std::size_t, kube::request const& r) {
    killed = killed ||
             (r.method == kube::verb::post && r.target.find("/configmaps") != std::string::npos && cluster.has("jobs"));
    return killed ? mini_cluster::fault::refused : mini_cluster::fault::none;
  };
  cluster.apply("hello", denied());
  {
    operator_process op(cluster);
    for (int i = 0; i < 4; ++i) {
      op.watch();
      op.pass();
    }
  }
  ASSERT_EQ(cluster.jobs_ever, 1);
  cluster.fault_at = nullptr;
  cluster.remove(policy_key);
  cluster.calls.clear();
  operator_process next(cluster);
  next.settle();
  ASSERT_THAT(cluster.calls, Contains("POST networkpolicies"));
  auto const policy = std::find(cluster.calls.begin(), cluster.calls.end(), "POST networkpolicies");
  auto const input = std::find(cluster.calls.begin(), cluster.calls.end(), "POST configmaps");
  EXPECT_LT(policy, input);
  EXPECT_EQ(cluster.jobs_ever, 1);
}

}  // namespace
}  // namespace codeexec::reconciler
