// What a shell offers, the path language of -o jsonpath, and the manual page of the tree.
#include "codeexec/cli/completion.hpp"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sstream>

#include "codeexec/cli/json_path.hpp"
#include "codeexec/cli/manual.hpp"

namespace codeexec::cli {
namespace {

using testing::HasSubstr;

completion_question ask(std::vector<std::string> const& words) {
  return ask_completion(command_reference("codeexec"), words);
}

std::vector<std::string> offered(std::vector<std::string> const& words) {
  auto const question = ask(words);
  std::vector<std::string> found;
  std::istringstream lines(render_candidates(question, question.words));
  for (std::string line; std::getline(lines, line);)
    found.push_back(line.substr(0, line.find('\t')));
  found.pop_back();  // the directive
  return found;
}

TEST(Completion, OffersCommandsFlagsAndValues) {
  EXPECT_THAT(offered({"de"}), testing::ElementsAre("describe", "delete"));
  EXPECT_THAT(offered({"logs", "--st"}), testing::ElementsAre("--stream"));
  EXPECT_THAT(offered({"logs", "x", "--stream", "std"}), testing::ElementsAre("stdout", "stderr"));
  EXPECT_THAT(offered({"get", "--output=js"}), testing::ElementsAre("--output=json", "--output=jsonpath="));
  EXPECT_THAT(offered({"--color", ""}), testing::ElementsAre("auto", "always", "never"));
  EXPECT_THAT(offered({"completion", ""}), testing::ElementsAre("bash", "fish", "zsh"));
  EXPECT_THAT(offered({"frobnicate", ""}), testing::IsEmpty());
  EXPECT_THAT(offered({"version", ""}), testing::IsEmpty());
}

TEST(Completion, AsksForTheNamesThatTheCommandCanUse) {
  EXPECT_EQ(ask({"get", ""}).from, candidate_source::executions);
  EXPECT_EQ(ask({"cancel", ""}).from, candidate_source::unfinished);
  EXPECT_EQ(ask({"resume", ""}).from, candidate_source::suspended);
  EXPECT_EQ(ask({"run", ""}).from, candidate_source::files);
  EXPECT_EQ(ask({"run", "x.py", "--", "-"}).from, candidate_source::files);
  EXPECT_EQ(ask({"logs", "one", ""}).from, candidate_source::words) << "logs takes one";
  EXPECT_EQ(ask({"get", "-n", ""}).from, candidate_source::namespaces);
  EXPECT_EQ(ask({"get", "--context="}).from, candidate_source::contexts);
  EXPECT_EQ(ask({"run", "--file", ""}).from, candidate_source::files);
}

TEST(Completion, LooksIntoTheClusterThatIsNamed) {
  auto const question = ask({"-n", "agents", "logs", "--context=kind", "-f", "--kubeconfig", "k", "-sURL", ""});
  EXPECT_EQ(question.cluster.namespace_, "agents");
  EXPECT_EQ(question.cluster.context, "kind");
  EXPECT_EQ(question.cluster.kubeconfig, "k");
  EXPECT_EQ(question.cluster.server, "URL");
  EXPECT_EQ(question.from, candidate_source::executions);
}

TEST(Completion, LeavesOutWhatStandsThereAlready) {
  auto const question = ask({"delete", "a1", "cex/a2", "a"});
  EXPECT_EQ(render_candidates(question, {{"a1", ""}, {"a2", ""}, {"a3", "Failed"}, {"b", ""}}), "a3\tFailed\n:4\n");
  EXPECT_EQ(render_candidates(ask({"logs", "cex/a"}), {{"a3", ""}}), "cex/a3\n:4\n");
}

std::string at_path(std::string const& path) {
  auto const object =
      nlohmann::json::parse(R"({"items":[{"metadata":{"name":"a","labels":{"x.y/z":"1"}},"status":{"exitCode":0}},
    {"metadata":{"name":"b"},"status":{"exitCode":3,"stdout":"hi\n"}}],"n":1.5})");
  auto const text = render_json_path(path, object);
  return text ? *text : "error: " + text.error().message;
}

TEST(JsonPath, FindsWhatKubectlFinds) {
  EXPECT_EQ(at_path("{.items[1].status.stdout}"), "hi\n");
  EXPECT_EQ(at_path("{.items[*].metadata.name}"), "a b");
  EXPECT_EQ(at_path("{.items[-1].metadata.name}"), "b");
  EXPECT_EQ(at_path("{.items[0:1].metadata.name}"), "a");
  EXPECT_EQ(at_path("{$..name}"), "a b");
  EXPECT_EQ(at_path("{.items[0].metadata.labels['x.y/z']}"), "1");
  EXPECT_EQ(at_path("{.items[0].metadata.labels.x\\.y/z}"), "1");
  EXPECT_EQ(at_path("n: {.n}"), "n: 1.5");
  EXPECT_EQ(at_path(".n"), "1.5");
  EXPECT_EQ(at_path("{range .items[*]}{.metadata.name}{\"\\t\"}{.status.exitCode}{\"\\n\"}{end}"), "a\t0\nb\t3\n");
  EXPECT_EQ(at_path("{.items[0].status}"), R"({"exitCode":0})");
  EXPECT_EQ(at_path("{.nothing.there[3]}"), "");
}

TEST(JsonPath, SaysWhatIsWrong) {
  for (auto const* wrong : {"{.a", "{}", "{end}", "{range .items[*]}x", "{.items[?(@.a==1)]}", "{.items[}", "{a..}"})
    EXPECT_THAT(at_path(wrong), HasSubstr("error: -o jsonpath")) << wrong;
}

TEST(Manual, TheTreesPageIsCurrent) {
  std::ifstream file(CODEEXEC_SOURCE_DIR "/controller/cli/man/kubectl-codeexec.1");
  std::stringstream there;
  there << file.rdbuf();
  EXPECT_TRUE(there.str() == render_manual(command_reference("kubectl-codeexec")))
      << "renew it: build/dev/bin/kubectl-codeexec __manual >controller/cli/man/kubectl-codeexec.1";
}

TEST(Manual, EveryCommandAndFlagIsInIt) {
  auto const page = render_manual(command_reference("kubectl-codeexec"));
  for (auto const& command : command_reference("kubectl-codeexec")) {
    EXPECT_TRUE(command.name.empty() || page.find(".SS " + command.name + "\n") != std::string::npos) << command.name;
    EXPECT_FALSE(command.footer.empty()) << command.name;
    EXPECT_THAT(command.footer, HasSubstr("Examples:")) << command.name;
  }
}

}  // namespace
}  // namespace codeexec::cli
