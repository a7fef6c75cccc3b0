#include "codeexec/execution/occurrences.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "make.hpp"

namespace codeexec::execution {
namespace {

using kube::event_severity;

api::CodeExecutionStatus status(std::string_view phase, std::string_view reason, std::string message = "") {
  api::CodeExecutionStatus s;
  s.phase = phase;
  s.reason = reason;
  s.message = std::move(message);
  return s;
}

TEST(Occurrences, EveryEventSaysWhichExecutionItRegards) {
  auto const execution = testing::make_execution().metadata;
  for (auto const& what : {job_created(execution, "hello-1"), child_refused(execution, "exceeded quota"),
                           *status_written(execution, {}, status("Failed", "OOMKilled", "out of memory"))}) {
    EXPECT_EQ(what.regarding.apiVersion, "codeexec.dev/v1alpha1");
    EXPECT_EQ(what.regarding.kind, "CodeExecution");
    EXPECT_EQ(what.regarding.namespace_, "agents");
    EXPECT_EQ(what.regarding.name, "hello");
    EXPECT_EQ(what.regarding.uid, execution.uid);
    EXPECT_FALSE(what.reason.empty());
    EXPECT_FALSE(what.action.empty());
    EXPECT_FALSE(what.note.empty());
  }
}

TEST(Occurrences, EveryEndIsToldByItsReasonAndOnlyTroubleIsAWarning) {
  auto const execution = testing::make_execution().metadata;
  for (auto const reason : api::reasons::final_ones) {
    bool const own = reason == api::reasons::completed || reason == api::reasons::non_zero_exit ||
                     reason == api::reasons::signaled || reason == api::reasons::cancelled;
    auto const phase = reason == api::reasons::completed ? api::phases::succeeded : api::phases::failed;
    auto const what = status_written(execution, status("Running", "Running"), status(phase, reason, "so it was"));
    ASSERT_TRUE(what);
    EXPECT_EQ(what->reason, reason);
    EXPECT_EQ(what->note, "so it was");
    EXPECT_EQ(what->severity == event_severity::warning, !own) << reason;
  }
}

TEST(Occurrences, ByDefaultTheOrdinaryCourseOfThingsMakesNoEvent) {
  auto const execution = testing::make_execution().metadata;
  auto const told = [&](event_policy p, api::CodeExecutionStatus const& after) {
    return is_told(p, *status_written(execution, {}, after));
  };
  EXPECT_FALSE(is_told(event_policy::warnings, job_created(execution, "hello-1")));
  EXPECT_FALSE(told(event_policy::warnings, status("Pending", "Scheduling", "Waiting for a node.")));
  EXPECT_FALSE(told(event_policy::warnings, status("Running", "Running", "The code is running.")));
  EXPECT_FALSE(told(event_policy::warnings, status("Succeeded", "Completed")));
  EXPECT_FALSE(told(event_policy::warnings, status("Failed", "NonZeroExit", "exit code 3")));
  EXPECT_TRUE(told(event_policy::warnings, status("Failed", "ImagePullFailed", "no such image")));
  EXPECT_TRUE(is_told(event_policy::warnings, child_refused(execution, "exceeded quota")));
  EXPECT_TRUE(told(event_policy::all, status("Succeeded", "Completed")));
  EXPECT_FALSE(told(event_policy::none, status("Failed", "ImagePullFailed", "no such image")));
}

TEST(Occurrences, AStatusThatOnlyGrowsIsNoEvent) {
  auto const execution = testing::make_execution().metadata;
  auto const before = status("Running", "Running", "The code is running.");
  auto after = before;
  after.nodeName = "node-1";
  EXPECT_FALSE(status_written(execution, before, after));
}

TEST(Occurrences, AnEndWithoutAMessageNamesTheExitCode) {
  auto after = status("Succeeded", "Completed");
  after.exitCode = 0;
  auto const what = status_written(testing::make_execution().metadata, {}, after);
  EXPECT_EQ(what->note, "The code exited with 0.");
  EXPECT_EQ(what->severity, event_severity::normal);
}

}  // namespace
}  // namespace codeexec::execution
