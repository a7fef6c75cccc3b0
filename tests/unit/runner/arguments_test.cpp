#include "codeexec/runner/arguments.hpp"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace codeexec::runner {
namespace {

/// A command line as main() gets it, and what came of it.
struct parsed_line {
  explicit parsed_line(std::vector<std::string> arguments) : words(std::move(arguments)) {
    words.insert(words.begin(), "codeexec-runner");
    for (auto& word : words)
      pointers.push_back(word.data());
    pointers.push_back(nullptr);
    message_buffer text;
    outcome = parse_arguments(static_cast<int>(words.size()), pointers.data(), options, text);
    problem.assign(text.view().data, text.size());
  }
  [[nodiscard]] std::vector<std::string> command() const {
    std::vector<std::string> result;
    for (char** word = options.command; *word != nullptr; ++word)
      result.emplace_back(*word);
    return result;
  }

  std::vector<std::string> words;
  std::vector<char*> pointers;
  runner::options options;
  parse_outcome outcome;
  std::string problem;
};

TEST(Arguments, DefaultsAreTheDocumentedOnes) {
  parsed_line const line({"--", "python3", "main.py"});
  ASSERT_EQ(line.outcome, parse_outcome::run);
  EXPECT_EQ(line.options.timeout_ms, 0u);
  EXPECT_EQ(line.options.grace_ms, 5000u);
  EXPECT_EQ(line.options.max_output_bytes, 65536u);
  EXPECT_EQ(line.options.max_processes, 0u);
  EXPECT_EQ(line.options.max_file_bytes, 0u);
  EXPECT_EQ(line.options.input, nullptr);
  EXPECT_STREQ(line.options.workspace, "/workspace");
  EXPECT_STREQ(line.options.stdin_file, "/dev/null");
  EXPECT_STREQ(line.options.termination_log, "/dev/termination-log");
  EXPECT_FALSE(line.options.require_sandbox);
  EXPECT_EQ(line.options.token, nullptr);
  EXPECT_EQ(line.command(), (std::vector<std::string>{"python3", "main.py"}));
}

TEST(Arguments, EveryFlagIsTakenInBothSpellings) {
  parsed_line const line({"--timeout-ms", "300000", "--grace-ms=10", "--max-output-bytes", "262144", "--input=/in",
                          "--workspace", "/w", "--stdin=/s", "--termination-log", "/t", "--require-sandbox",
                          "--max-processes=64", "--max-file-bytes=1073741824", "--token", "aZ0-_", "--", "x"});
  ASSERT_EQ(line.outcome, parse_outcome::run) << line.problem;
  EXPECT_EQ(line.options.timeout_ms, 300000u);
  EXPECT_EQ(line.options.grace_ms, 10u);
  EXPECT_EQ(line.options.max_file_bytes, 1073741824u);
  EXPECT_EQ(line.options.max_output_bytes, 262144u);
  EXPECT_STREQ(line.options.input, "/in");
  EXPECT_STREQ(line.options.workspace, "/w");
  EXPECT_STREQ(line.options.stdin_file, "/s");
  EXPECT_STREQ(line.options.termination_log, "/t");
  EXPECT_TRUE(line.options.require_sandbox);
  EXPECT_EQ(line.options.max_processes, 64u);
  EXPECT_STREQ(line.options.token, "aZ0-_");
}

TEST(Arguments, FlagsAfterTheDashesBelongToTheCommand) {
  parsed_line const line({"--", "--help", "--timeout-ms", "x", "--"});
  ASSERT_EQ(line.outcome, parse_outcome::run);
  EXPECT_EQ(line.command(), (std::vector<std::string>{"--help", "--timeout-ms", "x", "--"}));
}

TEST(Arguments, TheCommandKeepsItsEmptyAndOddArguments) {
  parsed_line const line({"--", "x", "", "a=b", " "});
  ASSERT_EQ(line.outcome, parse_outcome::run);
  EXPECT_EQ(line.command(), (std::vector<std::string>{"x", "", "a=b", " "}));
}

TEST(Arguments, HelpAndVersionNeedNoCommand) {
  EXPECT_EQ(parsed_line({"--help"}).outcome, parse_outcome::show_help);
  EXPECT_EQ(parsed_line({"--version"}).outcome, parse_outcome::show_version);
}

TEST(Arguments, HelpNamesEveryFlag) {
  for (auto const* flag :
       {"--timeout-ms", "--grace-ms", "--max-output-bytes", "--input", "--workspace", "--stdin", "--termination-log",
        "--require-sandbox", "--max-processes", "--token", "--help", "--version"}) {
    EXPECT_NE(std::string(help_text).find(flag), std::string::npos) << flag;
  }
}

struct wrong_line {
  std::vector<std::string> arguments;
  std::string named;  ///< what the sentence must mention
};

class WrongArguments : public ::testing::TestWithParam<wrong_line> {};

TEST_P(WrongArguments, AreRefusedByName) {
  parsed_line const line(GetParam().arguments);
  EXPECT_EQ(line.outcome, parse_outcome::wrong);
  EXPECT_NE(line.problem.find(GetParam().named), std::string::npos) << line.problem;
}

INSTANTIATE_TEST_SUITE_P(
    All, WrongArguments,
    ::testing::Values(
        wrong_line{{}, "no command"}, wrong_line{{"--"}, "no command"}, wrong_line{{"--timeout-ms", "5"}, "no command"},
        wrong_line{{"--bogus", "--", "x"}, "--bogus"}, wrong_line{{"--bogus=1", "--", "x"}, "--bogus"},
        wrong_line{{"-t", "x"}, "-t"}, wrong_line{{"--timeout-ms"}, "--timeout-ms needs a value"},
        wrong_line{{"--timeout-ms", "-1", "--", "x"}, "'-1'"}, wrong_line{{"--timeout-ms", "5s", "--", "x"}, "'5s'"},
        wrong_line{{"--timeout-ms=", "--", "x"}, "--timeout-ms"},
        wrong_line{{"--timeout-ms", "99999999999999999999999", "--", "x"}, "--timeout-ms"},
        wrong_line{{"--max-output-bytes", "262145", "--", "x"}, "--max-output-bytes"},
        wrong_line{{"--max-processes", "4294967296", "--", "x"}, "--max-processes"},
        wrong_line{{"--workspace=", "--", "x"}, "--workspace"}, wrong_line{{"--token", "", "--", "x"}, "--token"},
        wrong_line{{"--token", "a\"b", "--", "x"}, "--token"},
        wrong_line{{"--token", std::string(65, 'a'), "--", "x"}, "--token"}));

TEST(Arguments, WhatCameBeforeTheMistakeIsKnown) {
  parsed_line const line({"--termination-log", "/t", "--bogus"});
  EXPECT_EQ(line.outcome, parse_outcome::wrong);
  EXPECT_STREQ(line.options.termination_log, "/t");
}

}  // namespace
}  // namespace codeexec::runner
