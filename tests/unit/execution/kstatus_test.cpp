// Every phase and reason by the rules that GitOps tools (Flux, kpt, Argo CD's likes) read conditions with.
#include "codeexec/testing/kstatus.hpp"

#include <gtest/gtest.h>

#include "codeexec/testing/every_status.hpp"

#include "make.hpp"

namespace codeexec::execution {
namespace {

using codeexec::testing::conditions_problem;
using codeexec::testing::every_status;
using codeexec::testing::kstatus_of;

TEST(Kstatus, AnExecutionWithoutStatusIsInProgressOnlyForWhoWaitsForItsConditions) {
  // kstatus takes an object that says nothing for current: hence the first status comes with all conditions at once.
  auto const object = api::encode(testing::make_execution());
  EXPECT_EQ(kstatus_of(object), "Current");
  for (auto const& one : every_status()) {
    EXPECT_TRUE(one.object["status"].contains("conditions")) << one.reason;
    EXPECT_EQ(one.object["status"]["observedGeneration"], 3) << one.reason;
  }
}

TEST(Kstatus, EveryPhaseReadsAsItIs) {
  std::set<std::string> phases;
  for (auto const& one : every_status()) {
    phases.insert(one.phase);
    auto const expected = !one.is_final() ? "InProgress" : one.phase == "Succeeded" ? "Current" : "Failed";
    EXPECT_EQ(kstatus_of(one.object), expected) << one.phase << " " << one.reason;
    EXPECT_EQ(conditions_problem(one.object), "") << one.phase << " " << one.reason;
  }
  EXPECT_EQ(phases.size(), api::phases::all.size());
}

TEST(Kstatus, ASpecThatWasChangedSinceIsInProgress) {
  for (auto one : every_status()) {
    one.object["metadata"]["generation"] = 4;
    EXPECT_EQ(kstatus_of(one.object), "InProgress") << one.reason;
  }
}

TEST(Kstatus, ADeletedOneIsTerminatingInEveryPhase) {
  for (auto one : every_status()) {
    one.object["metadata"]["deletionTimestamp"] = "2026-01-31T10:00:05Z";
    EXPECT_EQ(kstatus_of(one.object), "Terminating") << one.reason;
  }
}

TEST(Kstatus, JobsOwnConditionsAreThereForKubectlWait) {
  for (auto const& one : every_status()) {
    std::set<std::string> types;
    for (auto const& condition : one.object["status"]["conditions"])
      types.insert(condition["type"].get<std::string>() + "=" + condition["status"].get<std::string>());
    std::set<std::string> const expected = !one.is_final() ? std::set<std::string>{"Ready=False", "Reconciling=True"}
                                           : one.phase == "Succeeded"
                                               ? std::set<std::string>{"Ready=True", "Complete=True"}
                                               : std::set<std::string>{"Ready=False", "Stalled=True", "Failed=True"};
    EXPECT_EQ(types, expected) << one.reason;
  }
}

TEST(Kstatus, AResultIsSeenAgainAtTheNewGenerationAndStaysAsItIs) {
  using namespace testing;
  scene s;
  auto const first = s.with_pod(ended_pod(exited(0))).decide();
  ASSERT_TRUE(first.status);
  s.seen.object.status = *first.status;
  s.seen.object.spec.ttlSecondsAfterFinished = 3600;
  s.seen.object.metadata.generation = 2;
  s.at(20s);
  auto const again = s.decide();
  ASSERT_TRUE(again.status);
  auto expected = *first.status;
  expected.observedGeneration = 2;
  for (auto& condition : expected.conditions)
    condition.observedGeneration = 2;
  EXPECT_EQ(api::encode(*again.status), api::encode(expected));
  s.seen.object.status = *again.status;
  EXPECT_FALSE(s.decide().status) << "once is enough";
}

TEST(Kstatus, AFinishedExecutionWhoseSpecWasRewrittenStaysFinished) {
  // A cluster too old for the CRD's rules lets anybody change anything.
  using namespace testing;
  scene s;
  auto const first = s.with_pod(ended_pod(exited(0))).decide();
  ASSERT_TRUE(first.status);
  s.seen.object.status = *first.status;
  s.seen.object.spec.code = "print('other')";
  s.seen.object.spec.cancel = true;
  s.seen.object.spec.suspend = true;
  s.seen.object.spec.language = "cobol";
  s.seen.object.metadata.generation = 5;
  s.seen.resolved = resolve(s.seen.object.spec, s.with);
  for (bool const job_there : {true, false}) {
    if (!job_there) s.seen.job_gone = true;
    auto const plan = s.decide();
    EXPECT_EQ(find_action<create_job>(plan), nullptr);
    EXPECT_EQ(find_action<create_input>(plan), nullptr);
    ASSERT_TRUE(plan.status);
    EXPECT_EQ(plan.status->phase, "Succeeded");
    EXPECT_EQ(plan.status->stdout_, first.status->stdout_);
    EXPECT_EQ(plan.status->codeSHA256, first.status->codeSHA256);
  }
}

}  // namespace
}  // namespace codeexec::execution
