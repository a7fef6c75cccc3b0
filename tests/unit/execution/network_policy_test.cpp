#include "codeexec/execution/network_policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "make.hpp"

namespace codeexec::execution {
namespace {

using namespace testing;
using nlohmann::json;

json changed_policy(std::function<void(json& spec)> const& edit) {
  auto policy = make_network_policy("agents");
  edit(policy["spec"]);
  return policy;
}

TEST(NetworkPolicy, SelectsThePodsWithoutNetworkAndAllowsThemNothing) {
  auto const policy = make_network_policy("agents");
  EXPECT_EQ(policy["apiVersion"], "networking.k8s.io/v1");
  EXPECT_EQ(policy["kind"], "NetworkPolicy");
  EXPECT_EQ(policy["metadata"]["namespace"], "agents");
  EXPECT_EQ(policy["metadata"]["labels"]["app.kubernetes.io/managed-by"], "codeexec-controller");
  EXPECT_EQ(policy["spec"], json::parse(R"({"podSelector": {"matchLabels": {"codeexec.dev/network": "deny"}},
                                            "policyTypes": ["Ingress", "Egress"]})"));
  EXPECT_TRUE(denies_network(policy));
}

TEST(NetworkPolicy, TheLabelThatItSelectsIsOnThePod) {
  auto const e = make_execution();
  config const with;
  auto const resolved = resolve(e.spec, with);
  ASSERT_TRUE(resolved);
  auto const in = make_input(e.spec, *resolved);
  auto const job = make_job(e, *resolved, *in, {"runner", "token"}, with);
  auto const wanted = make_network_policy("agents")["spec"]["podSelector"]["matchLabels"];
  for (auto const& [name, value] : wanted.items())
    EXPECT_EQ(job["spec"]["template"]["metadata"]["labels"][name], value);
}

TEST(NetworkPolicy, AnAllowedNetworkIsThePodsOwnAffair) {
  auto e = make_execution();
  e.spec.network = "Allow";
  config const with;
  auto const resolved = resolve(e.spec, with);
  ASSERT_TRUE(resolved);
  auto const in = make_input(e.spec, *resolved);
  auto const pod = make_job(e, *resolved, *in, {"runner", "token"}, with)["spec"]["template"];
  EXPECT_EQ(pod["metadata"]["labels"]["codeexec.dev/network"], "allow");
  EXPECT_FALSE(pod["spec"].contains("dnsPolicy"));
  EXPECT_FALSE(pod["spec"].contains("dnsConfig"));
}

TEST(NetworkPolicy, OneThatAllowsAnythingDoesNotDeny) {
  EXPECT_FALSE(denies_network(changed_policy([](json& s) { s["egress"] = json::array({json::object()}); })));
  EXPECT_FALSE(denies_network(changed_policy([](json& s) { s["ingress"] = json::array({json::object()}); })));
  EXPECT_FALSE(denies_network(changed_policy([](json& s) { s["policyTypes"] = json::array({"Ingress"}); })));
  EXPECT_FALSE(denies_network(changed_policy([](json& s) { s["policyTypes"] = json::array({"Egress"}); })));
  EXPECT_FALSE(denies_network(changed_policy([](json& s) { s.erase("policyTypes"); })));
}

TEST(NetworkPolicy, OneThatIsAboutOtherPodsDoesNotDeny) {
  EXPECT_FALSE(denies_network(changed_policy([](json& s) { s["podSelector"]["matchLabels"]["app"] = "web"; })));
  EXPECT_FALSE(denies_network(changed_policy([](json& s) {
    s["podSelector"]["matchExpressions"] = json::array({{{"key", "app"}, {"operator", "Exists"}}});
  })));
  EXPECT_FALSE(denies_network(changed_policy([](json& s) { s.erase("podSelector"); })));
  EXPECT_FALSE(denies_network(json::parse(R"({"spec": 1})")));
  EXPECT_FALSE(denies_network(json::parse("[]")));
}

TEST(NetworkPolicy, EmptyListsOfRulesAndMoreThanOurPodsAreAsGood) {
  EXPECT_TRUE(denies_network(changed_policy([](json& s) {
    s["ingress"] = json::array();
    s["egress"] = json::array();
  })));
  EXPECT_TRUE(denies_network(changed_policy([](json& s) { s["podSelector"] = json::object(); })));
  EXPECT_TRUE(denies_network(changed_policy([](json& s) { s["policyTypes"] = json::array({"Egress", "Ingress"}); })));
}

// --- decide()
// --------------------------------------------------------------------------------------------------------------

TEST(Network, ThePolicyComesBeforeTheJob) {
  auto const p = scene().decide();
  std::size_t policy = 0;
  std::size_t job = 0;
  for (std::size_t i = 0; i < p.actions.size(); ++i) {
    if (std::holds_alternative<ensure_network>(p.actions[i])) policy = i;
    if (std::holds_alternative<create_job>(p.actions[i])) job = i;
  }
  EXPECT_GT(policy, 0U);
  EXPECT_GT(job, policy);
}

TEST(Network, AllowedNeedsNoPolicy) {
  auto e = make_execution();
  e.spec.network = "Allow";
  auto const p = scene(e).decide();
  EXPECT_EQ(find_action<ensure_network>(p), nullptr);
  EXPECT_NE(find_action<create_job>(p), nullptr);
}

TEST(Network, AConfigurationThatMakesNonePutsNoneInFront) {
  scene s;
  s.with.network_policy = false;
  EXPECT_EQ(find_action<ensure_network>(s.decide()), nullptr);
}

TEST(Network, ALookOfLessThanAMinuteAgoHolds) {
  scene s;
  s.accepted();
  EXPECT_EQ(find_action<ensure_network>(s.at(59s).decide()), nullptr);
  EXPECT_NE(find_action<ensure_network>(s.at(61s).decide()), nullptr);
}

TEST(Network, AJobOfAnotherOperatorGetsItsInputOnlyWhereThePolicyStands) {
  scene s;
  s.with_job();
  s.seen.known.input_ready = false;
  s.seen.known.confirmed = true;
  s.seen.known.network_checked.reset();
  auto p = s.decide();
  EXPECT_NE(find_action<ensure_network>(p), nullptr);
  EXPECT_EQ(find_action<create_input>(p), nullptr);
  s.seen.known.network_checked = s.now;
  p = s.decide();
  EXPECT_EQ(find_action<ensure_network>(p), nullptr);
  EXPECT_NE(find_action<create_input>(p), nullptr);
}

}  // namespace
}  // namespace codeexec::execution
