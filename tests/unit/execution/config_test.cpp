#include "codeexec/execution/config.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace codeexec::execution {
namespace {

std::string error_of(std::string const& yaml) {
  auto const parsed = parse_config(yaml);
  return parsed ? "" : parsed.error().message;
}

TEST(Config, NamespacesHaveClassesForMetrics) {
  auto const parsed = parse_config(R"(
namespaceOverrides:
- {name: batch, namespaces: ["ci-*", nightly]}
- {namespaces: [team]}
)");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->namespace_classes(), (std::vector<std::string>{"default", "batch", "override-2"}));
  EXPECT_EQ(parsed->class_of("agents"), 0U);
  EXPECT_EQ(parsed->class_of("ci-7"), 1U);
  EXPECT_EQ(parsed->class_of("team"), 2U);
  EXPECT_EQ(config().namespace_classes(), (std::vector<std::string>{"default"}));
}

TEST(Config, NothingGivenMeansTheDefaults) {
  for (char const* text : {"", "# only a comment\n", "defaults:\n"}) {
    auto const parsed = parse_config(text);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->runtimes.size(), 5U);
    EXPECT_EQ(parsed->defaults.timeout, std::chrono::seconds(300));
    EXPECT_TRUE(parsed->require_sandbox);
  }
}

TEST(Config, TheSampleSaysWhatTheDefaultsAre) {
  std::ifstream file(CODEEXEC_SOURCE_DIR "/config/operator.yaml");
  std::ostringstream text;
  text << file.rdbuf();
  auto const sample = parse_config(text.str());
  ASSERT_TRUE(sample) << sample.error().message;
  config const defaults;
  ASSERT_EQ(sample->runtimes.size(), defaults.runtimes.size());
  for (auto const& [name, by] : defaults.runtimes) {
    auto const& same = sample->runtimes.at(name);
    EXPECT_EQ(same.image, by.image) << name;
    EXPECT_EQ(same.command, by.command) << name;
    EXPECT_EQ(same.file, by.file) << name;
    ASSERT_EQ(same.env.size(), by.env.size()) << name;
    for (auto const& variable : by.env) {
      auto const named = [&](api::EnvVar const& v) { return v.name == variable.name && v.value == variable.value; };
      EXPECT_TRUE(std::any_of(same.env.begin(), same.env.end(), named)) << variable.name;
    }
  }
  EXPECT_EQ(sample->defaults.resources.requests, defaults.defaults.resources.requests);
  EXPECT_EQ(sample->defaults.resources.limits, defaults.defaults.resources.limits);
  EXPECT_EQ(sample->defaults.runtime_class_name, defaults.defaults.runtime_class_name);
  EXPECT_EQ(sample->defaults.max_output_bytes, defaults.defaults.max_output_bytes);
  EXPECT_EQ(sample->grace_period, defaults.grace_period);
  EXPECT_EQ(sample->job_ttl, defaults.job_ttl);
  EXPECT_EQ(sample->status_settle, defaults.status_settle);
  EXPECT_EQ(sample->max_log_followers, defaults.max_log_followers);
  EXPECT_EQ(sample->workspace_size_limit, defaults.workspace_size_limit);
  EXPECT_EQ(sample->tmp_size_limit, defaults.tmp_size_limit);
  EXPECT_EQ(sample->defaults.language, defaults.defaults.language);
  EXPECT_EQ(sample->defaults.timeout, defaults.defaults.timeout);
  EXPECT_EQ(sample->defaults.startup_timeout, defaults.defaults.startup_timeout);
  EXPECT_EQ(sample->defaults.network, defaults.defaults.network);
  EXPECT_EQ(sample->defaults.cleanup_policy, defaults.defaults.cleanup_policy);
  auto const same_bounds = [](number_bounds const& a, number_bounds const& b) {
    return a.min == b.min && a.max == b.max;
  };
  EXPECT_TRUE(same_bounds(sample->policy.timeout_seconds, defaults.policy.timeout_seconds));
  EXPECT_TRUE(same_bounds(sample->policy.startup_timeout_seconds, defaults.policy.startup_timeout_seconds));
  EXPECT_TRUE(same_bounds(sample->policy.output_max_bytes, defaults.policy.output_max_bytes));
  for (auto const* const bounds : {&sample->policy.requests, &sample->policy.limits}) {
    for (auto const& [name, one] : *bounds)
      EXPECT_FALSE(one.min || one.max) << name;
  }
  EXPECT_EQ(sample->policy.allowed_images, defaults.policy.allowed_images);
  EXPECT_EQ(sample->policy.require_image_digest, defaults.policy.require_image_digest);
  EXPECT_EQ(sample->policy.allowed_languages, defaults.policy.allowed_languages);
  EXPECT_EQ(sample->policy.allowed_runtime_classes, defaults.policy.allowed_runtime_classes);
  EXPECT_EQ(sample->policy.allowed_networks, defaults.policy.allowed_networks);
  EXPECT_EQ(sample->policy.allow_code_from, defaults.policy.allow_code_from);
  EXPECT_TRUE(sample->pod.node_selector.empty() && sample->pod.tolerations.empty() && sample->pod.labels.empty());
  EXPECT_TRUE(sample->pod.image_pull_secrets.empty() && sample->pod.annotations.empty());
  EXPECT_EQ(sample->pod.priority_class_name, "");
  EXPECT_EQ(sample->served_namespaces, defaults.served_namespaces);
  EXPECT_EQ(sample->excluded_namespaces, defaults.excluded_namespaces);
  EXPECT_EQ(sample->max_running_in_all, defaults.max_running_in_all);
  EXPECT_EQ(sample->max_running, defaults.max_running);
  EXPECT_TRUE(sample->namespace_overrides.empty());
}

TEST(Config, TheSampleHasEveryKeyThatTheReaderKnows) {
  // What an unknown key is told: "unknown key (known: a, b)", at each level.
  std::ifstream file(CODEEXEC_SOURCE_DIR "/config/operator.yaml");
  std::ostringstream text;
  text << file.rdbuf();
  auto const known_under = [](std::string const& yaml) {
    auto const message = error_of(yaml);
    constexpr std::string_view mark = "(known: ";
    auto const from = message.find(mark);
    EXPECT_NE(from, std::string::npos) << message;
    std::vector<std::string> keys;
    std::istringstream list(message.substr(from + mark.size(), message.size() - from - mark.size() - 1));
    for (std::string key; std::getline(list >> std::ws, key, ',');)
      keys.push_back(key);
    return keys;
  };
  for (auto const* const yaml : {"x: 1", "defaults: {x: 1}", "policy: {x: 1}", "pod: {x: 1}", "namespaces: {x: 1}",
                                 "concurrency: {x: 1}", "namespaceOverrides: [{x: 1}]"}) {
    for (auto const& key : known_under(yaml))
      EXPECT_NE(text.str().find(key + ":"), std::string::npos) << key << ", of " << yaml;
  }
}

TEST(Config, EverySampleIsRead) {
  std::size_t read = 0;
  for (auto const& entry : std::filesystem::recursive_directory_iterator(CODEEXEC_SOURCE_DIR "/config")) {
    if (entry.path().filename() != "operator.yaml") continue;
    std::ifstream file(entry.path());
    std::ostringstream text;
    text << file.rdbuf();
    EXPECT_EQ(error_of(text.str()), "") << entry.path();
    ++read;
  }
  EXPECT_GE(read, 2U);
}

TEST(Config, TheSampleForGKEGoesToSandboxedNodes) {
  std::ifstream file(CODEEXEC_SOURCE_DIR "/config/gke/operator.yaml");
  std::ostringstream text;
  text << file.rdbuf();
  auto const sample = parse_config(text.str());
  ASSERT_TRUE(sample) << sample.error().message;
  EXPECT_EQ(sample->pod.node_selector.at("sandbox.gke.io/runtime"), "gvisor");
  ASSERT_EQ(sample->pod.tolerations.size(), 1U);
  auto const& one = sample->pod.tolerations.front();
  EXPECT_EQ(one.key + "=" + one.value + ":" + one.effect, "sandbox.gke.io/runtime=gvisor:NoSchedule");
  EXPECT_EQ(sample->defaults.runtime_class_name, "gvisor");
}

TEST(Config, ALanguageIsAddedInAFewLines) {
  // As docs/configuration.md shows it.
  auto const parsed = parse_config(R"(
runtimes:
  php:
    image: php:8.3-cli
    command: [php]
    file: main.php
)");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->runtimes.size(), 6U);
}

TEST(Config, AnOverrideStandsOnWhatIsSaidForAllWhereverInTheFileThatIs) {
  auto const parsed = parse_config(R"(
namespaceOverrides:
  - namespaces: [batch]
    concurrency: {perNamespace: 50}
    defaults: {timeoutSeconds: 900}
concurrency: {global: 200, perNamespace: 20}
defaults: {timeoutSeconds: 60, network: Allow}
)");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->max_running_in_all, 200);
  EXPECT_EQ(parsed->in("agents").max_running, 20);
  EXPECT_EQ(parsed->in("batch").max_running, 50);
  EXPECT_EQ(parsed->in("batch").defaults.timeout, std::chrono::seconds(900));
  EXPECT_EQ(parsed->in("batch").defaults.network, "Allow");
}

TEST(Config, ABoundIsLiftedByNull) {
  auto const parsed = parse_config(R"(
policy: {resources: {limits: {cpu: {min: 100m, max: 2}, memory: {max: 1Gi}}}}
namespaceOverrides:
  - namespaces: [big]
    policy: {resources: {limits: {cpu: {max: null}, memory: null}}}
)");
  ASSERT_TRUE(parsed) << parsed.error().message;
  auto const& big = parsed->in("big").policy.limits;
  EXPECT_FALSE(big.at("cpu").max);
  EXPECT_EQ(big.at("cpu").min, "100m");
  EXPECT_FALSE(big.at("memory").max);
}

TEST(Config, ARuntimeIsAddedReplacedOrRemovedByName) {
  auto const parsed = parse_config(R"(
runtimes:
  lua: {image: "lua:5.4", command: [lua], file: main.lua}
  python: {image: "pypy:3", command: [pypy3, -u], file: job.py, env: {A: "1"}}
  perl: null
)");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->runtimes.at("lua").image, "lua:5.4");
  EXPECT_EQ(parsed->runtimes.at("python").command, (std::vector<std::string>{"pypy3", "-u"}));
  EXPECT_FALSE(parsed->runtimes.contains("perl"));
  EXPECT_TRUE(parsed->runtimes.contains("bash"));
}

TEST(Config, ACommandIsUtf8HoweverYamlEscapesIt) {
  auto const parsed = parse_config(R"(runtimes: {x: {image: a, command: ["\N", "é\_"], file: f}})");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->runtimes.at("x").command, (std::vector<std::string>{"\u0085", "é\u00A0"}));
}

struct mistake {
  char const* yaml;
  char const* message;
};

class ConfigMistakes : public ::testing::TestWithParam<mistake> {};

TEST_P(ConfigMistakes, AreNamedWithLineAndColumn) {
  EXPECT_EQ(error_of(GetParam().yaml), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    , ConfigMistakes,
    ::testing::Values(
        mistake{"requireSandbx: true\n",
                "line 1, column 1: requireSandbx: unknown key (known: runtimes, defaults, policy, pod, namespaces, "
                "concurrency, namespaceOverrides, requireSandbox, gracePeriodSeconds, maxProcesses, "
                "workspaceSizeLimit, tmpSizeLimit, userNamespaces, jobTTLSeconds, "
                "statusSettleMillis, maxLogFollowers, networkPolicy, sweepIntervalSeconds)"},
        mistake{"runtimes:\n  x: {imgae: a}\n",
                "line 2, column 7: runtimes.x.imgae: unknown key (known: image, command, file, env)"},
        mistake{"runtimes:\n  x: {image: a, file: f}\n", "line 2, column 6: runtimes.x: command is missing"},
        mistake{"runtimes:\n  x: {image: a, command: [c], file: ../f}\n",
                "line 2, column 37: runtimes.x.file: must not leave the workspace: \"../f\""},
        mistake{"defaults: {timeoutSeconds: soon}\n",
                "line 1, column 28: defaults.timeoutSeconds: expected a whole number"},
        mistake{"defaults: {timeoutSeconds: \"5\"}\n",
                "line 1, column 28: defaults.timeoutSeconds: expected a whole number"},
        mistake{"defaults: {timeoutSeconds: 0}\n",
                "line 1, column 28: defaults.timeoutSeconds: must be from 1 to 604800"},
        mistake{"defaults:\n  network: Maybe\n", "line 2, column 12: defaults.network: must be Deny or Allow"},
        mistake{"requireSandbox: yes\n", "line 1, column 17: requireSandbox: expected true or false"},
        mistake{"- a\n", "line 1, column 1: expected a mapping, got a list"},
        mistake{"requireSandbox: true\nrequireSandbox: false\n", "line 2, column 1: requireSandbox: given twice"},
        mistake{"defaults: {language: cobol}\n",
                "line 1, column 22: defaults.language: \"cobol\" is not among the runtimes"},
        mistake{"runtimes: {python: null}\n",
                "line 1, column 11: defaults.language: \"python\" is not among the runtimes"},
        mistake{"runtimes: {a b: {image: a, command: [c], file: f}}\n",
                "line 1, column 17: runtimes.a b: must be the name of a runtime, not \"a b\""},
        mistake{"runtimes: {x: {image: \"a b\", command: [c], file: f}}\n",
                "line 1, column 15: runtimes.x.image: must be the name of an image, not \"a b\""},
        mistake{"workspaceSizeLimit: big\n",
                "line 1, column 21: workspaceSizeLimit: expected a quantity such as 512Mi or 2G"},
        mistake{"defaults: {resources: {limits: {cpu: lots}}}\n",
                "line 1, column 38: defaults.resources.limits.cpu: expected a quantity such as 500m or 2"},
        mistake{"defaults: {resources: {limits: {gpu: 1}}}\n",
                "line 1, column 38: defaults.resources.limits.gpu: unknown resource (known: cpu, memory, "
                "ephemeral-storage)"},
        mistake{"defaults:\n  resources:\n    limits: {memory: 100Mi}\n",
                "line 3, column 5: defaults.resources.requests.memory: must not be more than the limit: \"256Mi\" is "
                "more than \"100Mi\""},
        mistake{"defaults: {runtimeClassName: gVisor}\n",
                "line 1, column 30: defaults.runtimeClassName: \"gVisor\" is no name of a RuntimeClass"},
        mistake{"policy: {timeoutSeconds: 600}\n",
                "line 1, column 26: policy.timeoutSeconds: expected a mapping, got a single value"},
        mistake{"policy: {timeoutSeconds: {maximum: 600}}\n",
                "line 1, column 27: policy.timeoutSeconds.maximum: unknown key (known: min, max)"},
        mistake{"policy: {timeoutSeconds: {min: 900, max: 600}}\n",
                "line 1, column 26: policy.timeoutSeconds: min (900) is more than max (600)"},
        mistake{"policy: {resources: {limits: {cpu: {min: 2, max: 1500m}}}}\n",
                "line 1, column 36: policy.resources.limits.cpu: min (2) is more than max (1500m)"},
        mistake{"policy: {resources: {limits: {gpu: {max: 1}}}}\n",
                "line 1, column 31: policy.resources.limits.gpu: unknown key (known: cpu, memory, ephemeral-storage)"},
        mistake{"policy: {allowedImages: \"python:*\"}\n",
                "line 1, column 25: policy.allowedImages: expected a list of strings, got a single value"},
        mistake{
            "policy: {allowedImages: [\"python:[0-9]\"]}\n",
            "line 1, column 26: policy.allowedImages[0]: \"python:[0-9]\" is no pattern for an image (? and * stand "
            "for what is open)"},
        mistake{"policy: {allowedNetworks: [None]}\n",
                "line 1, column 28: policy.allowedNetworks[0]: must be Deny or Allow"},
        // Defaults that nobody could run with.
        mistake{"policy:\n  timeoutSeconds: {max: 60}\n",
                "line 2, column 19: defaults.timeoutSeconds: 300 is more than the allowed 60 by the policy"},
        mistake{"defaults: {network: Allow}\npolicy: {allowedNetworks: [Deny]}\n",
                "line 1, column 21: defaults.network: \"Allow\" is not allowed (allowed: Deny) by the policy"},
        mistake{"policy: {requireImageDigest: true}\n",
                "line 1, column 30: runtimes.bash: the image \"debian:12-slim\" has no digest, which "
                "policy.requireImageDigest asks for; give it one, or take the runtime out with \"bash: null\""},
        mistake{
            "namespaceOverrides:\n- namespaces: [a]\n  policy: {output: {maxBytes: {max: 1024}}}\n",
            "line 3, column 31: namespaceOverrides[0].defaults.output.maxBytes: 65536 is more than the allowed 1024 "
            "by the policy"},
        mistake{
            "pod: {labels: {codeexec.dev/execution: x}}\n",
            "line 1, column 40: pod.labels.codeexec.dev/execution: is set by the operator or by the Job controller"},
        mistake{"pod: {labels: {team: a b}}\n",
                "line 1, column 22: pod.labels.team: \"a b\" is no value of a label: at most 63 letters, digits, '-', "
                "'_' and '.'"},
        mistake{"pod: {nodeSelector: {-x: a}}\n",
                "line 1, column 26: pod.nodeSelector.-x: \"-x\" is no name of a label or an annotation"},
        mistake{"pod: {tolerations: [{key: a, operator: Exists, value: b}]}\n",
                "line 1, column 21: pod.tolerations[0]: value must be left out with operator Exists"},
        mistake{"pod: {tolerations: [{value: b}]}\n",
                "line 1, column 21: pod.tolerations[0]: key may be left out only with operator Exists"},
        mistake{"pod: {tolerations: [{key: a, effect: Never}]}\n",
                "line 1, column 38: pod.tolerations[0].effect: must be NoSchedule or PreferNoSchedule or NoExecute"},
        mistake{"pod: {tolerations: [{key: a, tolerationSeconds: 5}]}\n",
                "line 1, column 21: pod.tolerations[0]: tolerationSeconds goes with effect NoExecute only"},
        mistake{"pod: {imagePullSecrets: [My_Secret]}\n",
                "line 1, column 26: pod.imagePullSecrets[0]: \"My_Secret\" is no name of a Secret"},
        mistake{"namespaces: [agents]\n", "line 1, column 13: namespaces: expected a mapping, got a list"},
        mistake{"namespaces: {served: []}\n", "line 1, column 22: namespaces.served: must name at least one namespace"},
        mistake{"namespaces: {served: [Team]}\n",
                "line 1, column 22: namespaces.served: \"Team\" matches no namespace"},
        mistake{"concurrency: {global: -1}\n", "line 1, column 23: concurrency.global: must be from 0 to 1000000"},
        mistake{"namespaceOverrides: {batch: {}}\n",
                "line 1, column 21: namespaceOverrides: expected a list of mappings, got a mapping"},
        mistake{
            "namespaceOverrides: [{name: Batch, namespaces: [a]}]\n",
            "line 1, column 29: namespaceOverrides[0].name: \"Batch\" must be lower case letters, digits and \"-\", "
            "at most 63"},
        mistake{"namespaceOverrides: [{name: default, namespaces: [a]}]\n",
                "line 1, column 29: namespaceOverrides[0].name: \"default\" is the name of others"},
        mistake{"namespaceOverrides:\n- {name: x, namespaces: [a]}\n- {name: x, namespaces: [b]}\n",
                "line 3, column 10: namespaceOverrides[1].name: \"x\" is the name of others"},
        mistake{"namespaceOverrides: [{policy: {}}]\n",
                "line 1, column 22: namespaceOverrides[0]: namespaces is missing"},
        mistake{"namespaceOverrides: [{namespaces: [a], concurrency: {global: 5}}]\n",
                "line 1, column 54: namespaceOverrides[0].concurrency.global: unknown key (known: perNamespace)"}));

TEST(Config, BrokenYamlIsASentenceToo) {
  EXPECT_NE(error_of("a: [1,\n").find("line 2"), std::string::npos);
  EXPECT_FALSE(error_of("---\n---\n").empty());
}

TEST(Config, WhatIsWrongIsOneLineThatCanBeShown) {
  EXPECT_NE(error_of("requireSandbox: true\n---\n,").find("line 3, column 1"), std::string::npos);
  EXPECT_EQ(error_of("cl\xff\xff: 1\n"), "it is not a text in UTF-8");
  auto const message = error_of("\"a\\nb\\x7f\": 1\n");
  EXPECT_NE(message.find("a b : unknown key"), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace codeexec::execution
