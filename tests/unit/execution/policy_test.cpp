// What the operator allows, and how it says no.
#include "codeexec/execution/policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "codeexec/execution/build.hpp"
#include "codeexec/execution/config.hpp"

#include "make.hpp"

namespace codeexec::execution {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::make_execution;

/// The configuration of this YAML; the test fails where it cannot be read.
config configured(std::string const& yaml) {
  auto const parsed = parse_config(yaml);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return parsed ? *parsed : config();
}

/// "field: message" of everything that is not allowed.
std::vector<std::string> refusals(api::CodeExecutionSpec const& spec, config const& with, std::string const& ns = "") {
  auto const resolved = resolve(spec, with, ns);
  EXPECT_TRUE(resolved) << (resolved ? "" : resolved.error().message);
  std::vector<std::string> all;
  if (!resolved) return all;
  for (auto const& one : resolved->violations)
    all.push_back(one.field + ": " + one.message);
  return all;
}

struct pattern_case {
  char const* pattern;
  char const* text;
  bool matches;
};

TEST(Patterns, ACertainTextOrWhatTheStarsLeaveOpen) {
  for (auto const& one : {pattern_case{"python:3.11-slim", "python:3.11-slim", true},
                          pattern_case{"python:3.11-slim", "python:3.11-slim2", false},
                          pattern_case{"python:*", "python:3.11-slim", true},
                          pattern_case{"python:*", "python", false},
                          pattern_case{"*", "ghcr.io/a", false},
                          pattern_case{"*", "", true},
                          pattern_case{"**", "ghcr.io/a/b:1@sha256:0", true},
                          pattern_case{"**", "", true},
                          pattern_case{"ghcr.io/team/*", "ghcr.io/team/tool:1", true},
                          pattern_case{"ghcr.io/team/*", "ghcr.io/team/x/tool:1", false},
                          pattern_case{"ghcr.io/team/**", "ghcr.io/team/x/tool:1", true},
                          pattern_case{"ghcr.io/team/**", "ghcr.io/teammate/tool", false},
                          pattern_case{"**/tool:*", "a/b/tool:1", true},
                          pattern_case{"**/tool:*", "a/b/tool:1/x", false},
                          pattern_case{"**/t*l:?", "a/till/tool:1", true},
                          pattern_case{"*/b", "a/b/b", false},
                          pattern_case{"a*b*c", "abbbxc", true},
                          pattern_case{"a*b*c", "abbbx", false},
                          pattern_case{"?", "/", false},
                          pattern_case{"team-?", "team-a", true},
                          pattern_case{"team-?", "team-", false},
                          pattern_case{"", "", true},
                          pattern_case{"", "a", false}}) {
    EXPECT_EQ(matches_pattern(one.pattern, one.text), one.matches) << one.pattern << " on " << one.text;
  }
}

TEST(Patterns, ManyStarsCostNoTime) {
  std::string pattern;
  for (int i = 0; i < 100; ++i)
    pattern += "**a*";
  EXPECT_FALSE(matches_pattern(pattern + "b", std::string(512, 'a')));
}

TEST(Policy, ByDefaultWhatTheSchemaAllowsIsAllowed) {
  auto e = make_execution();
  e.spec.timeoutSeconds = 604800;
  e.spec.image = "anything.example/a/b:latest";
  e.spec.network = "Allow";
  e.spec.runtimeClassName = "kata";
  e.spec.resources.limits = {{"cpu", "64"}, {"memory", "1Ti"}, {"ephemeral-storage", "1Ti"}};
  EXPECT_THAT(refusals(e.spec, config()), IsEmpty());
}

TEST(Policy, EverythingThatIsNotAllowedIsNamedAtOnceWithValueAndBound) {
  auto const with = configured(R"(
policy:
  timeoutSeconds: {max: 600}
  startupTimeoutSeconds: {min: 60, max: 900}
  resources:
    requests: {cpu: {max: "1"}}
    limits: {cpu: {max: "2"}, memory: {max: 4Gi}, ephemeral-storage: {max: 10Gi}}
  output: {maxBytes: {max: 65536}}
  allowedImages: ["python:*", "ghcr.io/team/**"]
  allowedLanguages: [python, bash]
  allowedRuntimeClasses: [gvisor]
  allowedNetworks: [Deny]
  allowCodeFrom: false
)");
  api::CodeExecutionSpec spec;
  spec.codeFrom = api::CodeSource{{"scripts", "job.py"}};
  spec.language = "ruby";
  spec.image = "evil.example/miner:1";
  spec.timeoutSeconds = 900;
  spec.startupTimeoutSeconds = 30;
  spec.resources.requests = {{"cpu", "1500m"}};
  spec.resources.limits = {{"cpu", "4"}, {"memory", "8192Mi"}};
  spec.runtimeClassName = "runc";
  spec.network = "Allow";
  spec.output = api::OutputSpec{262144};
  auto const resolved = resolve(spec, with, "agents");
  ASSERT_TRUE(resolved) << resolved.error().message;
  EXPECT_EQ(describe_policy_violations(resolved->violations, "agents"),
            "The operator's policy for namespace \"agents\" does not allow this: "
            "spec.language: \"ruby\" is not allowed (allowed: python, bash); "
            "spec.codeFrom: is not allowed; put the code into spec.code; "
            "spec.image: \"evil.example/miner:1\" is not allowed (allowed: the languages' own, and python:*, "
            "ghcr.io/team/**); "
            "spec.timeoutSeconds: 900 is more than the allowed 600; "
            "spec.startupTimeoutSeconds: 30 is less than 60, the least that is allowed; "
            "spec.resources.requests.cpu: 1500m is more than the allowed 1; "
            "spec.resources.limits.cpu: 4 is more than the allowed 2; "
            "spec.resources.limits.memory: 8192Mi is more than the allowed 4Gi; "
            "spec.runtimeClassName: \"runc\" is not allowed (allowed: gvisor); "
            "spec.network: \"Allow\" is not allowed (allowed: Deny); "
            "spec.output.maxBytes: 262144 is more than the allowed 65536.");
}

TEST(Policy, WhatIsExactlyTheBoundIsAllowedHoweverItIsWritten) {
  auto const with = configured("policy: {timeoutSeconds: {max: 600}, resources: {limits: {memory: {max: 1Gi}}}}");
  auto e = make_execution();
  e.spec.timeoutSeconds = 600;
  e.spec.resources.limits = {{"memory", "1024Mi"}};
  EXPECT_THAT(refusals(e.spec, with), IsEmpty());
}

TEST(Policy, ARequestAboveTheBoundOfLimitsIsNoWayRound) {
  // A request raises the default limit, and that is what is looked at.
  auto const with = configured("policy: {resources: {limits: {memory: {max: 1Gi}}}}");
  auto e = make_execution();
  e.spec.resources.requests = {{"memory", "3Gi"}};
  EXPECT_THAT(refusals(e.spec, with), ElementsAre("spec.resources.limits.memory: 3Gi is more than the allowed 1Gi"));
}

TEST(Policy, ALimitWithoutARequestIsTheRequestToo) {
  auto const with =
      configured("defaults: {resources: {requests: {cpu: null}}}\npolicy: {resources: {requests: {cpu: {max: 1}}}}");
  auto e = make_execution();
  e.spec.resources.limits = {{"cpu", "3"}};
  EXPECT_THAT(refusals(e.spec, with), ElementsAre("spec.resources.requests.cpu: 3 is more than the allowed 1"));
}

TEST(Policy, ALimitThatShrinksADefaultRequestBelowTheLeastIsRefused) {
  auto const with = configured("policy: {resources: {requests: {memory: {min: 128Mi}}}}");
  auto e = make_execution();
  e.spec.resources.limits = {{"memory", "64Mi"}};
  EXPECT_THAT(refusals(e.spec, with),
              ElementsAre("spec.resources.requests.memory: 64Mi is less than 128Mi, the least that is allowed"));
}

TEST(Policy, TheImagesOfTheRuntimesAreTheOperatorsOwn) {
  auto const with = configured("policy: {allowedImages: []}");
  auto e = make_execution();
  EXPECT_THAT(refusals(e.spec, with), IsEmpty());
  e.spec.image = "debian:12-slim";  // bash's, for python
  EXPECT_THAT(refusals(e.spec, with), IsEmpty());
  e.spec.image = "debian:12";
  EXPECT_THAT(refusals(e.spec, with),
              ElementsAre("spec.image: \"debian:12\" is not allowed (allowed: the languages' own, and none)"));
}

TEST(Policy, WhereDigestsAreRequiredATagDoesNotDo) {
  std::string const digest = "@sha256:" + std::string(64, 'a');
  auto const with = configured("runtimes: {bash: null, node: null, ruby: null, perl: null, python: {image: \"python" +
                               digest + "\", command: [python3], file: main.py}}\npolicy: {requireImageDigest: true}");
  auto e = make_execution();
  EXPECT_THAT(refusals(e.spec, with), IsEmpty());
  e.spec.image = "python:3.11-slim";
  EXPECT_THAT(refusals(e.spec, with),
              ElementsAre("spec.image: \"python:3.11-slim\" has no digest; NAME@sha256:DIGEST is required"));
  for (auto const& bad :
       {std::string("python@sha256:abc"), "@sha256:" + std::string(64, 'a'), "python@sha512:" + std::string(64, 'a')})
    EXPECT_FALSE(has_digest(bad)) << bad;
  EXPECT_TRUE(has_digest("ghcr.io/a/b:1" + digest));
}

TEST(Policy, ANamespaceMayHaveItsOwn) {
  auto const with = configured(R"(
policy: {timeoutSeconds: {max: 600}, allowedNetworks: [Deny]}
namespaceOverrides:
  - namespaces: [batch, "ci-*"]
    policy: {timeoutSeconds: {max: 7200}}
    defaults: {timeoutSeconds: 1200, resources: {limits: {memory: 2Gi}}}
  - namespaces: ["*-net"]
    policy: {allowedNetworks: [Deny, Allow]}
)");
  auto e = make_execution();
  e.spec.timeoutSeconds = 3600;
  EXPECT_THAT(refusals(e.spec, with, "batch"), IsEmpty());
  EXPECT_THAT(refusals(e.spec, with, "ci-7"), IsEmpty());
  EXPECT_THAT(refusals(e.spec, with, "ci"), ElementsAre("spec.timeoutSeconds: 3600 is more than the allowed 600"));
  e.spec.timeoutSeconds.reset();
  e.spec.network = "Allow";
  EXPECT_THAT(refusals(e.spec, with, "ci-net"), ElementsAre("spec.network: \"Allow\" is not allowed (allowed: Deny)"))
      << "the first entry that matches holds, alone";
  EXPECT_THAT(refusals(e.spec, with, "the-net"), IsEmpty());
  auto const there = resolve(make_execution().spec, with, "batch");
  EXPECT_EQ(there->timeout, std::chrono::seconds(1200));
  EXPECT_EQ(there->resources.limits.at("memory"), "2Gi");
  EXPECT_EQ(there->resources.limits.at("cpu"), "500m") << "what an override does not name stays";
  EXPECT_EQ(resolve(make_execution().spec, with, "agents")->timeout, std::chrono::seconds(300));
}

TEST(Policy, ABrokenSpecIsInvalidBeforeItIsForbidden) {
  auto const with = configured("policy: {timeoutSeconds: {max: 600}}");
  auto e = make_execution();
  e.spec.timeoutSeconds = 0;
  EXPECT_FALSE(resolve(e.spec, with));
}

TEST(PodSettings, AreOnThePodAndTheJobOfEveryExecution) {
  auto const with = configured(R"(
pod:
  nodeSelector: {sandbox.gke.io/runtime: gvisor}
  tolerations:
    - {key: sandbox.gke.io/runtime, operator: Equal, value: gvisor, effect: NoSchedule}
    - {operator: Exists, effect: NoExecute, tolerationSeconds: 60}
  priorityClassName: low
  imagePullSecrets: [registry]
  labels: {team: agents, kueue.x-k8s.io/queue-name: q}
  annotations: {cluster-autoscaler.kubernetes.io/safe-to-evict: "false"}
namespaceOverrides:
  - namespaces: [plain]
    pod: {nodeSelector: {sandbox.gke.io/runtime: null, disk: ssd}, tolerations: [], labels: {team: others}}
)");
  auto const job_in = [&](std::string const& ns) {
    auto e = make_execution();
    e.metadata.namespace_ = ns;
    auto const resolved = resolve(e.spec, with, ns);
    return make_job(e, *resolved, *make_input(e.spec, *resolved), {"codeexec-runner-0123456789ab", "secret"}, with);
  };
  auto const job = job_in("agents");
  auto const& pod = job["spec"]["template"];
  EXPECT_EQ(pod["spec"]["nodeSelector"], nlohmann::json::parse(R"({"sandbox.gke.io/runtime":"gvisor"})"));
  EXPECT_EQ(pod["spec"]["tolerations"],
            nlohmann::json::parse(
                R"([{"key":"sandbox.gke.io/runtime","operator":"Equal","value":"gvisor","effect":"NoSchedule"},
                    {"operator":"Exists","effect":"NoExecute","tolerationSeconds":60}])"));
  EXPECT_EQ(pod["spec"]["priorityClassName"], "low");
  EXPECT_EQ(pod["spec"]["imagePullSecrets"], nlohmann::json::parse(R"([{"name":"registry"}])"));
  for (auto const& metadata : {job["metadata"], pod["metadata"]}) {
    EXPECT_EQ(metadata["labels"]["team"], "agents");
    EXPECT_EQ(metadata["labels"]["kueue.x-k8s.io/queue-name"], "q");
    EXPECT_EQ(metadata["labels"]["codeexec.dev/execution"], "hello");
    EXPECT_EQ(metadata["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"], "false");
  }
  EXPECT_EQ(pod["metadata"]["annotations"]["codeexec.dev/token"], "secret");
  auto const other = job_in("plain")["spec"]["template"];
  EXPECT_EQ(other["spec"]["nodeSelector"], nlohmann::json::parse(R"({"disk":"ssd"})"));
  EXPECT_FALSE(other["spec"].contains("tolerations"));
  EXPECT_EQ(other["metadata"]["labels"]["team"], "others");
  EXPECT_EQ(other["spec"]["priorityClassName"], "low");
}

TEST(PodSettings, WithNoneThePodIsAsItWas) {
  auto const e = make_execution();
  auto const resolved = resolve(e.spec, config());
  auto const job =
      make_job(e, *resolved, *make_input(e.spec, *resolved), {"codeexec-runner-0123456789ab", "secret"}, config());
  auto const& pod = job["spec"]["template"];
  for (auto const* const key : {"nodeSelector", "tolerations", "priorityClassName", "imagePullSecrets"})
    EXPECT_FALSE(pod["spec"].contains(key)) << key;
  EXPECT_EQ(pod["metadata"]["annotations"], nlohmann::json::parse(R"({"codeexec.dev/token":"secret"})"));
}

TEST(Namespaces, AreServedByNameOrPatternLessTheExcluded) {
  auto const with = configured(R"(namespaces: {served: [agents, "team-*"], excluded: [team-secret]})");
  EXPECT_TRUE(with.serves("agents"));
  EXPECT_TRUE(with.serves("team-a"));
  EXPECT_FALSE(with.serves("team-secret"));
  EXPECT_FALSE(with.serves("kube-system"));
  EXPECT_THAT(with.named_namespaces(), IsEmpty()) << "a pattern cannot be watched by name";
  EXPECT_THAT(configured("namespaces: {served: [b, a, c], excluded: [c]}").named_namespaces(), ElementsAre("b", "a"));
  EXPECT_TRUE(config().serves("anything"));
}

TEST(Risks, PullSecretsForWhateverImageIsNamedAreOne) {
  config with;
  EXPECT_TRUE(describe_risks(with).empty()) << "no credentials of ours";
  with.pod.image_pull_secrets = {"registry"};
  ASSERT_EQ(describe_risks(with).size(), 1U);
  EXPECT_THAT(describe_risks(with).front(), ::testing::StartsWith("pod.imagePullSecrets"));
  namespace_override strict{"strict", {"strict"}, with};
  strict.settings.policy.allowed_images = {"registry.example.com/**"};
  with.namespace_overrides = {strict, {"loose", {"loose"}, with}};
  ASSERT_EQ(describe_risks(with).size(), 2U);
  EXPECT_THAT(describe_risks(with).back(), ::testing::StartsWith("namespaceOverrides[1]: "));
  with.policy.allowed_images = {"registry.example.com/**"};
  EXPECT_EQ(describe_risks(with).size(), 1U);
}

}  // namespace
}  // namespace codeexec::execution
