#include "codeexec/execution/config.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace codeexec::execution {
namespace {

std::string error_of(std::string const& yaml) {
  auto const parsed = parse_config(yaml);
  return parsed ? "" : parsed.error().message;
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
                "line 1, column 1: requireSandbx: unknown key (known: runtimes, defaults, requireSandbox, "
                "gracePeriodSeconds, maxProcesses, workspaceSizeLimit, tmpSizeLimit, userNamespaces, jobTTLSeconds, "
                "statusSettleMillis, maxLogFollowers)"},
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
        mistake{"defaults: {language: cobol}\n", "defaults.language: \"cobol\" is not among the runtimes"}));

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
