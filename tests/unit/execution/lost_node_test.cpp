// What is said where a node is gone, and where it no longer has the whole of a log.
#include <gtest/gtest.h>

#include "make.hpp"

namespace codeexec::execution {
namespace {

using namespace testing;

/// As the pod garbage collector leaves a Pod whose Node is no more: ended, its container as it was last seen.
kube::Pod collected(kube::Pod pod) {
  pod.status.phase = "Failed";
  api::Condition target;
  target.type = "DisruptionTarget";
  target.status = "True";
  target.reason = "DeletionByPodGC";
  target.message = "PodGC: node no longer exists";
  pod.status.conditions.push_back(std::move(target));
  return pod;
}

TEST(LostNode, EndsWhatRanOnItWithItsName) {
  scene s;
  auto const plan = s.with_pod(collected(running_pod())).decide();
  ASSERT_TRUE(plan.status);
  EXPECT_EQ(plan.status->phase, "Failed");
  EXPECT_EQ(plan.status->reason, "NodeLost");
  EXPECT_NE(plan.status->message.find("node-1"), std::string::npos) << plan.status->message;
  EXPECT_NE(plan.status->message.find("PodGC: node no longer exists"), std::string::npos) << plan.status->message;
  EXPECT_NE(plan.status->message.find("is lost"), std::string::npos) << plan.status->message;
  EXPECT_FALSE(plan.status->exitCode);
}

TEST(LostNode, LeavesWhatWasReadOfTheOutput) {
  scene s;
  s.with_pod(collected(running_pod())).log("stdout F so far\n", log_state::progress::following);
  auto const plan = s.decide();
  ASSERT_TRUE(plan.status);
  EXPECT_EQ(plan.status->reason, "NodeLost");
  EXPECT_EQ(plan.status->stdout_, "so far\n");
  EXPECT_NE(plan.status->message.find("is kept"), std::string::npos) << plan.status->message;
}

TEST(LostNode, IsTheReasonAlsoOnceThePodIsGone) {
  scene s;
  s.with_pod(collected(running_pod()));
  s.seen.pod_gone = true;
  auto const plan = s.decide();
  ASSERT_TRUE(plan.status);
  EXPECT_EQ(plan.status->reason, "NodeLost");
}

TEST(LostNode, SaysSoWhereTheCodeWasNotSeenToStart) {
  scene s;
  auto const plan = s.with_pod(collected(waiting_pod("ContainerCreating"))).decide();
  ASSERT_TRUE(plan.status);
  EXPECT_EQ(plan.status->reason, "NodeLost");
  EXPECT_NE(plan.status->message.find("not seen to start"), std::string::npos) << plan.status->message;
  EXPECT_FALSE(plan.status->stdout_);
}

TEST(LostNode, APodThatWasPreemptedWhileTheCodeRanWasEvicted) {
  scene s;
  auto pod = collected(running_pod());
  pod.status.conditions.back().reason = "PreemptionByScheduler";
  pod.status.conditions.back().message = "default-scheduler: preempting to accommodate a higher priority pod";
  auto const plan = s.with_pod(std::move(pod)).decide();
  ASSERT_TRUE(plan.status);
  EXPECT_EQ(plan.status->reason, "Evicted");
  EXPECT_NE(plan.status->message.find("while the code ran"), std::string::npos) << plan.status->message;
}

std::string const exited_with_1000_bytes = R"("end":"exited","exitCode":0,"stdoutBytes":1000,"stderrBytes":0)";

TEST(RotatedLog, WithoutAnyOfTheOutputIsOutputLost) {
  scene s;
  s.with_pod(ended_pod(result_json(exited_with_1000_bytes)));
  s.log("result F " + result_json(exited_with_1000_bytes) + "\n");
  auto const plan = s.decide();
  ASSERT_TRUE(plan.status);
  EXPECT_EQ(plan.status->reason, "OutputLost");
  EXPECT_EQ(plan.status->phase, "Failed");
  EXPECT_EQ(plan.status->exitCode, 0) << "it did exit, and that is not lost";
  EXPECT_NE(plan.status->message.find("The code exited with code 0."), std::string::npos) << plan.status->message;
  EXPECT_NE(plan.status->message.find("no longer has the beginning of the log"), std::string::npos)
      << plan.status->message;
  EXPECT_EQ(plan.status->stdout_, "[codeexec: 1000 bytes of stdout left out]\n");
  EXPECT_EQ(plan.status->output->stdoutBytes, 1000);
  EXPECT_TRUE(plan.status->output->stdoutTruncated);
}

TEST(RotatedLog, WithTheEndOfTheOutputSaysWhatIsMissingAndWhere) {
  scene s;
  s.with_pod(ended_pod(result_json(exited_with_1000_bytes)));
  s.log("stdout F the end\nresult F " + result_json(exited_with_1000_bytes) + "\n");
  auto const plan = s.decide();
  ASSERT_TRUE(plan.status);
  EXPECT_EQ(plan.status->reason, "Completed");
  EXPECT_EQ(plan.status->stdout_, "[codeexec: 992 bytes of stdout left out]\nthe end\n");
  EXPECT_TRUE(plan.status->output->stdoutTruncated);
  EXPECT_NE(plan.status->message.find("Part of its output could not be had"), std::string::npos)
      << plan.status->message;
}

TEST(CutLog, ThatEndedInOrderBeforeTheReportIsReadAgain) {
  scene s;
  s.with_pod(ended_pod(result_json(exited_with_1000_bytes)));
  s.log("stdout F the beginning\n");
  s.seen.known.end_seen = s.now;
  auto const first = s.decide();
  EXPECT_FALSE(first.status);
  EXPECT_NE(find_action<read_log>(first), nullptr);
  s.seen.log.broken = 2;
  s.seen.log.not_before = s.now + 400ms;
  auto const waiting = s.decide();
  EXPECT_FALSE(waiting.status);
  EXPECT_EQ(find_action<read_log>(waiting), nullptr);
  EXPECT_EQ(waiting.requeue_after, 400ms);
  s.seen.log.failure = "the log ended before the runner's report";
  s.now += 11s;
  auto const end = s.decide();
  ASSERT_TRUE(end.status) << "not for ever";
  EXPECT_EQ(end.status->reason, "Completed");
  EXPECT_NE(end.status->message.find("before the runner's report"), std::string::npos) << end.status->message;
}

TEST(CutLog, OfARunnerThatNeverReportedIsReadOnce) {
  scene s;
  s.with_pod(ended_pod("", "Error", 137));
  s.log("stdout F so far\n");
  s.seen.known.end_seen = s.now;
  auto const plan = s.decide();
  ASSERT_TRUE(plan.status) << "no report can be waited for";
  EXPECT_EQ(plan.status->reason, "OutputLost");
}

}  // namespace
}  // namespace codeexec::execution
