// The operator's configuration at work: what it forbids, how many run at once and who is next, and a language it adds.
// These tests start an operator of their own, because they configure it.
#include <algorithm>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <utility>

#include "machine.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr char const* policy_configuration = R"(
runtimes:
  posix-sh:
    image: debian:12-slim
    command: [sh, -u]
    file: main.sh
policy:
  timeoutSeconds: {max: 600}
  allowedNetworks: [Deny]
pod:
  labels: {team: agents}
concurrency: {global: 2}
)";

/// A machine with one operator that reads this configuration.
class configured_machine : public machine {
 public:
  configured_machine() {
    std::ofstream(folder() / "operator.yaml") << policy_configuration;
    restart_operator();
  }
  ~configured_machine() { operator_->end(SIGTERM); }

  void restart_operator() {
    if (operator_) operator_->end(SIGKILL);
    operator_ = start_operator("operator", {"--config", (folder() / "operator.yaml").string()});
  }

 private:
  std::unique_ptr<program> operator_;
};

bool is_queued(json const& execution) {
  return execution.contains("status") && execution["status"].value("reason", "") == "Queued";
}

TEST(policy, what_goes_beyond_fails_with_every_field_value_and_bound_and_a_language_is_four_lines) {
  configured_machine here;
  workspace space(here.api());
  auto greedy = python("print('never')");
  greedy["timeoutSeconds"] = 900;
  greedy["network"] = "Allow";
  auto const refused = space.run("greedy", greedy);
  EXPECT_EQ(refused["phase"], "Failed") << refused.dump(2);
  EXPECT_EQ(refused["reason"], "PolicyViolation");
  EXPECT_EQ(refused["message"], "The operator's policy for namespace \"" + space.name() +
                                    "\" does not allow this: spec.timeoutSeconds: 900 is more than the allowed 600; "
                                    "spec.network: \"Allow\" is not allowed (allowed: Deny).");
  EXPECT_FALSE(refused.contains("jobName"));
  EXPECT_EQ(condition(refused, "Stalled")["status"], "True");
  EXPECT_TRUE(space.list(kube::jobs).empty());

  auto const added =
      space.run("added", {{"language", "posix-sh"}, {"code", "echo \"$0: $-\" \"$@\"\n"}, {"args", {"x"}}});
  EXPECT_EQ(added["reason"], "Completed") << added.dump(2);
  EXPECT_EQ(added["stdout"], "/workspace/main.sh: u x\n");
  EXPECT_EQ(added["image"], "debian:12-slim");
}

TEST(policy, two_run_at_once_the_others_know_their_place_and_namespaces_take_turns_over_a_restart) {
  configured_machine here;
  workspace many(here.api());
  workspace few(here.api());
  for (auto const* const name : {"first", "second"}) {
    ASSERT_TRUE(many.create(name, python("import time; print('on', flush=True); time.sleep(500)")));
    many.wait_running(name, 60s);
  }
  std::vector<std::string> const queue{"a1", "a2", "a3", "a4"};
  for (auto const& name : queue)
    ASSERT_TRUE(many.create(name, python("print('done')")));
  for (auto const& name : queue)
    many.wait_until(name, 60s, is_queued);
  // One after the other, so that there is no doubt who came first.
  for (auto const& [name, place] : {std::pair("b1", "Position 2 of "), std::pair("b2", "Position 4 of ")}) {
    ASSERT_TRUE(few.create(name, python("print('done')")));
    auto const status = few.wait_until(name, 60s, is_queued)["status"];
    EXPECT_EQ(status["phase"], "Pending");
    EXPECT_THAT(status["message"].get<std::string>(), HasSubstr(place)) << "the other namespace has four that wait";
    EXPECT_THAT(status["message"].get<std::string>(),
                HasSubstr(" in the queue (2 of 2 executions run in this cluster)."));
  }
  EXPECT_EQ(many.list(kube::jobs).size(), 2U);
  EXPECT_TRUE(few.list(kube::jobs).empty());
  here.restart_operator();

  for (auto const* const name : {"first", "second"}) {
    ASSERT_TRUE(many.merge_patch(kube::code_executions, name, {{"spec", {{"cancel", true}}}}));
    EXPECT_EQ(many.wait_final(name)["status"]["reason"], "Cancelled");
  }
  // From the Job's creation to the stored result: what a slot is for.
  std::vector<std::pair<std::string, std::string>> started;
  std::vector<std::pair<std::string, int>> edges;
  auto const look = [&](workspace& space, std::string const& name) {
    auto const status = space.wait_final(name)["status"];
    EXPECT_EQ(status["reason"], "Completed") << status.dump(2);
    auto const& timeline = status["timeline"];
    started.emplace_back(timeline["jobCreated"], name);
    edges.emplace_back(timeline["jobCreated"], 1);
    edges.emplace_back(timeline["captured"], -1);
  };
  for (auto const& name : queue)
    look(many, name);
  look(few, "b1");
  look(few, "b2");
  std::sort(started.begin(), started.end());
  auto const place_of = [&](std::string const& name) {
    return std::find_if(started.begin(), started.end(), [&](auto const& one) { return one.second == name; }) -
           started.begin();
  };
  EXPECT_LT(place_of("b1"), 2);
  EXPECT_LT(place_of("b2"), 4);
  std::sort(edges.begin(), edges.end());
  int running = 0;
  for (auto const& [when, change] : edges) {
    running += change;
    EXPECT_LE(running, 2) << when;
  }
  EXPECT_EQ(many.wait_no_leftovers(), std::vector<std::string>());
  EXPECT_EQ(few.wait_no_leftovers(), std::vector<std::string>());
}

}  // namespace
}  // namespace codeexec::e2e
