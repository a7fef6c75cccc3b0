#include "codeexec/cli/arguments.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace codeexec::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::variant<command_line, leave> parse(std::vector<std::string> arguments) {
  return parse_command_line("/usr/bin/codeexec", std::move(arguments));
}

template <class T>
T parsed(std::vector<std::string> arguments) {
  auto result = parse(std::move(arguments));
  if (auto const* const left = std::get_if<leave>(&result)) {
    ADD_FAILURE() << left->text;
    return {};
  }
  auto& what = std::get<command_line>(result).what;
  if (!std::holds_alternative<T>(what)) {
    ADD_FAILURE() << "another command";
    return {};
  }
  return std::get<T>(what);
}

leave refused(std::vector<std::string> arguments) {
  auto result = parse(std::move(arguments));
  if (auto const* const left = std::get_if<leave>(&result)) return *left;
  ADD_FAILURE() << "was accepted";
  return {};
}

TEST(Arguments, RunTakesAFileAndLeavesTheRestToTheServer) {
  auto const run = parsed<run_options>({"run", "x.py"});
  EXPECT_EQ(run.file, "x.py");
  EXPECT_TRUE(run.args.empty());
  EXPECT_FALSE(run.language || run.image || run.timeout_seconds || run.cpu || run.network || run.name);
  EXPECT_EQ(run.stdin_, stdin_choice::automatic);
  EXPECT_EQ(run.output, output_format::text);
  EXPECT_FALSE(run.keep || run.detach);
}

TEST(Arguments, WordsAfterTheMarkerReachTheCodeUntouched) {
  auto const run = parsed<run_options>({"run", "x.py", "-q", "--", "--n", "3", "--", "-h", "", "--unknown=1"});
  EXPECT_THAT(run.args, ElementsAre("--n", "3", "--", "-h", "", "--unknown=1"));
}

TEST(Arguments, PlainWordsAfterTheFileReachTheCodeToo) {
  auto const run = parsed<run_options>({"run", "x.py", "a", "b", "--timeout", "9s", "c", "--", "-d"});
  EXPECT_THAT(run.args, ElementsAre("a", "b", "c", "-d"));
  EXPECT_EQ(run.timeout_seconds, 9);
}

TEST(Arguments, EveryFlagOfRunArrives) {
  auto const run = parsed<run_options>({"run",
                                        "-",
                                        "-l",
                                        "bash",
                                        "--image",
                                        "i:1",
                                        "--timeout",
                                        "1m30s",
                                        "--startup-timeout",
                                        "2h",
                                        "--cpu",
                                        "2",
                                        "--memory",
                                        "1Gi",
                                        "--network",
                                        "ALLOW",
                                        "--runtime-class",
                                        "kata",
                                        "--max-output",
                                        "128Ki",
                                        "--name",
                                        "n",
                                        "--keep",
                                        "--ttl",
                                        "1h",
                                        "-o",
                                        "json"});
  EXPECT_EQ(run.file, "-");
  EXPECT_EQ(run.language, "bash");
  EXPECT_EQ(run.image, "i:1");
  EXPECT_EQ(run.timeout_seconds, 90);
  EXPECT_EQ(run.startup_timeout_seconds, 7200);
  EXPECT_EQ(run.cpu, "2");
  EXPECT_EQ(run.memory, "1Gi");
  EXPECT_EQ(run.network, "Allow");
  EXPECT_EQ(run.runtime_class, "kata");
  EXPECT_EQ(run.max_output_bytes, 131072);
  EXPECT_EQ(run.name, "n");
  EXPECT_EQ(run.ttl_seconds, 3600);
  EXPECT_TRUE(run.keep);
  EXPECT_EQ(run.output, output_format::json);
}

TEST(Arguments, RepeatableFlagsTakeOneWordEachAndNeverTheFile) {
  auto const run =
      parsed<run_options>({"run", "--env", "A=1", "-e", "B", "--file", "in.csv", "-f", "d=e", "x.py", "y"});
  EXPECT_THAT(run.env, ElementsAre("A=1", "B"));
  EXPECT_THAT(run.files, ElementsAre("in.csv", "d=e"));
  EXPECT_EQ(run.file, "x.py");
  EXPECT_THAT(run.args, ElementsAre("y"));
}

TEST(Arguments, ValuesWithSpacesCommasAndBracketsStayWhole) {
  auto const run = parsed<run_options>({"run", "x.py", "--env", "A=[1, 2],x y", "--env=B=-1"});
  EXPECT_THAT(run.env, ElementsAre("A=[1, 2],x y", "B=-1"));
}

TEST(Arguments, ClusterFlagsStandBeforeOrAfterTheCommand) {
  for (auto const& words : {std::vector<std::string>{"-n", "agents", "--context", "c", "get"},
                            std::vector<std::string>{"get", "-n", "agents", "--context", "c"}}) {
    auto const result = parse(words);
    auto const* const line = std::get_if<command_line>(&result);
    ASSERT_NE(line, nullptr);
    EXPECT_EQ(line->cluster.namespace_, "agents");
    EXPECT_EQ(line->cluster.context, "c");
  }
}

TEST(Arguments, StandardInputIsTheUsersChoice) {
  EXPECT_EQ(parsed<run_options>({"run", "x.py", "--stdin"}).stdin_, stdin_choice::always);
  EXPECT_EQ(parsed<run_options>({"run", "x.py", "--no-stdin"}).stdin_, stdin_choice::never);
  EXPECT_EQ(parsed<run_options>({"run", "-"}).stdin_, stdin_choice::never);  // it is the code
}

TEST(Arguments, DetachedRunsAreKept) {
  EXPECT_TRUE(parsed<run_options>({"run", "x.py", "-d"}).keep);
}

TEST(Arguments, OtherCommandsTakeTheirNames) {
  EXPECT_EQ(parsed<get_options>({"get", "x", "-o", "yaml"}).output, output_format::yaml);
  EXPECT_TRUE(parsed<get_options>({"get", "-A"}).all_namespaces);
  EXPECT_EQ(parsed<get_options>({"get", "-l", "a=b"}).selector, "a=b");
  EXPECT_TRUE(parsed<logs_options>({"logs", "x", "-f"}).follow);
  EXPECT_THAT(parsed<delete_options>({"delete", "x", "y"}).which.names, ElementsAre("x", "y"));
  EXPECT_THAT(parsed<delete_options>({"delete", "--", "x", "y"}).which.names, ElementsAre("x", "y"));
  EXPECT_FALSE(parsed<delete_options>({"delete", "x", "--wait=false"}).wait);
  EXPECT_TRUE(parsed<delete_options>({"delete", "x"}).wait);
  EXPECT_THAT(parsed<cancel_options>({"cancel", "x"}).which.names, ElementsAre("x"));
  parsed<version_options>({"version"});
}

struct mistake_case {
  std::vector<std::string> words;
  std::string says;
};

class Mistakes : public testing::TestWithParam<mistake_case> {};

TEST_P(Mistakes, EndWithCodeTwoAndASentenceThatNamesThem) {
  auto const left = refused(GetParam().words);
  EXPECT_EQ(left.exit_code, 2);
  EXPECT_THAT(left.text, HasSubstr(GetParam().says));
  EXPECT_THAT(left.text, HasSubstr("--help"));
  EXPECT_TRUE(left.text.ends_with("\n"));
}

INSTANTIATE_TEST_SUITE_P(
    All, Mistakes,
    testing::Values(mistake_case{{"run"}, "FILE"}, mistake_case{{"run", "x.py", "--bogus"}, "unknown flag \"--bogus\""},
                    mistake_case{{"run", "x.py", "--bogus"}, "after \"--\""}, mistake_case{{"frob"}, "\"frob\""},
                    mistake_case{{"logs", "a", "b"}, "\"b\""}, mistake_case{{"get", "a", "-A"}, "-n"},
                    mistake_case{{"get", "-o", "xml"}, "\"xml\""}, mistake_case{{"logs"}, "NAME"},
                    mistake_case{{"delete"}, "NAME"}, mistake_case{{"run", "x.py", "--timeout", "soon"}, "\"soon\""},
                    mistake_case{{"run", "x.py", "--timeout", "0"}, "--timeout"},
                    mistake_case{{"run", "x.py", "--timeout"}, "--timeout"},
                    mistake_case{{"run", "x.py", "--cpu", "many"}, "--cpu"},
                    mistake_case{{"run", "x.py", "--memory", "1XB"}, "512Mi"},
                    mistake_case{{"run", "x.py", "--max-output", "1.0001"}, "--max-output"},
                    mistake_case{{"run", "x.py", "--network", "maybe"}, "allow or deny"},
                    mistake_case{{"run", "x.py", "--env", "=x"}, "no name"},
                    mistake_case{{"run", "-", "--stdin"}, "standard input is the code"},
                    mistake_case{{"run", "x.py", "--stdin", "--no-stdin"}, "stdin"},
                    mistake_case{{"run", "x.py", "-d", "-o", "json"}, "--detach"},
                    mistake_case{{"run", "x.py", "-o", "wide"}, "\"wide\""}, mistake_case{{"version", "x"}, "\"x\""}));

TEST(Help, GoesToStdoutWithCodeZeroForEveryCommand) {
  for (std::string const command : {"run", "get", "logs", "delete", "cancel", "version"}) {
    auto const left = refused({command, "--help"});
    EXPECT_EQ(left.exit_code, 0) << command;
    EXPECT_THAT(left.text, HasSubstr("Usage:\n  codeexec " + command)) << command;
  }
  auto const left = refused({"--help"});
  EXPECT_EQ(left.exit_code, 0);
  for (auto const* command : {"run", "get", "logs", "delete", "cancel", "version"}) {
    EXPECT_THAT(left.text, HasSubstr(std::string("\n  ") + command)) << command;
  }
}

TEST(Help, SaysWhatEachExitCodeMeansAndShowsExamples) {
  auto const text = refused({"run", "-h"}).text;
  for (auto const* part : {"124", "125", "126", "128+N", "130", "141", "Examples:", "--detach"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(Help, NoLineIsWiderThanATerminalUsuallyIs) {
  for (auto const& words :
       {std::vector<std::string>{"--help"}, {"run", "--help"}, {"get", "--help"}, {"delete", "-h"}}) {
    std::istringstream lines(refused(words).text);
    for (std::string line; std::getline(lines, line);)
      EXPECT_LE(line.size(), 120U) << line;
  }
}

TEST(ProgramName, FollowsTheWayWeWereCalled) {
  EXPECT_EQ(program_name("/usr/local/bin/kubectl-codeexec"), "kubectl codeexec");
  EXPECT_EQ(program_name("kubectl-codeexec"), "kubectl codeexec");
  EXPECT_EQ(program_name("./codeexec"), "codeexec");
  EXPECT_EQ(program_name(""), "codeexec");
  auto const result = parse_command_line("/opt/kubectl-codeexec", {"run", "--help"});
  EXPECT_THAT(std::get<leave>(result).text, HasSubstr("kubectl codeexec run FILE"));
}

TEST(Arguments, WhichOnesIsSaidInOneWay) {
  EXPECT_TRUE(parsed<cancel_options>({"cancel", "--all"}).which.all);
  EXPECT_EQ(parsed<delete_options>({"delete", "-l", "a=b", "-i"}).which.selector, "a=b");
  EXPECT_EQ(parsed<cancel_options>({"cancel", "x", "--timeout", "2m"}).timeout_seconds, 120);
  for (auto const* verb : {"delete", "cancel", "resume"}) {
    EXPECT_THAT(refused({verb}).text, HasSubstr("needs a NAME, or -l, or --all"));
    EXPECT_THAT(refused({verb, "x", "--all"}).text, HasSubstr("exclude each other"));
    EXPECT_THAT(refused({verb, "-l", "a=b", "--all"}).text, HasSubstr("exclude each other"));
  }
}

TEST(Arguments, NamesAreTakenAsGetPrintsThem) {
  EXPECT_THAT(parsed<delete_options>({"delete", "codeexecution.codeexec.dev/x", "cex/y", "z"}).which.names,
              ElementsAre("x", "y", "z"));
  EXPECT_EQ(plain_name("pod/x"), "pod/x");
}

TEST(Arguments, GetTakesEveryFormAndRefusesWhatDoesNotGoTogether) {
  auto const path = parsed<get_options>({"get", "x", "-o", "jsonpath={.status.stdout}"});
  EXPECT_EQ(path.output, output_format::jsonpath);
  EXPECT_EQ(path.path, "{.status.stdout}");
  EXPECT_THAT(refused({"get", "-o", "jsonpath"}).text, HasSubstr("needs a path"));
  EXPECT_THAT(refused({"get", "x", "y", "-w"}).text, HasSubstr("--watch"));
  EXPECT_THAT(refused({"get", "x", "-l", "a=b"}).text, HasSubstr("exclude each other"));
}

TEST(Arguments, LogsTakesATailAndAStream) {
  auto const logs = parsed<logs_options>({"logs", "x", "--tail", "5", "--stream", "stderr", "--raw"});
  EXPECT_EQ(logs.tail, 5);
  EXPECT_EQ(logs.streams, stream_choice::err);
  EXPECT_TRUE(logs.raw);
  EXPECT_FALSE(parsed<logs_options>({"logs", "x", "--tail=-1"}).tail) << "all, as kubectl has it";
  EXPECT_THAT(refused({"logs", "x", "--tail", "five"}).text, HasSubstr("--tail"));
  EXPECT_THAT(refused({"logs", "x", "--stream", "stdin"}).text, HasSubstr("--stream"));
}

TEST(Arguments, SuspendIsExplainedWhereItCannotBe) {
  EXPECT_THAT(refused({"suspend", "x"}).text, HasSubstr("resume"));
}

TEST(Arguments, KubectlAsksForCompletionUnderAnotherName) {
  auto const asked = parse_command_line("/bin/kubectl_complete-codeexec", {"logs", "--unknown", ""});
  ASSERT_TRUE(std::holds_alternative<command_line>(asked));
  EXPECT_THAT(std::get<complete_options>(std::get<command_line>(asked).what).words,
              ElementsAre("logs", "--unknown", ""));
}

}  // namespace
}  // namespace codeexec::cli
