// What an execution does that the policy refuses, or that waits for its turn.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codeexec/execution/decide.hpp"

#include "make.hpp"

namespace codeexec::execution {
namespace {

using namespace testing;
using ::testing::HasSubstr;

admission place(std::size_t position, std::size_t waiting = 17) {
  return {false, false, position, waiting, 20, 20};
}

scene in_queue(std::size_t position = 3, api::CodeExecution e = make_execution()) {
  scene s(std::move(e));
  s.seen.queue = place(position);
  return s;
}

/// The plan's memory kept, its status taken as written, as the reconciler does.
void carry_on(scene& s, plan const& p) {
  s.seen.known.shown_phase = p.shown_phase;
  s.seen.known.shown_reason = p.shown_reason;
  s.seen.known.shown_message = p.shown_message;
  s.seen.known.shown_since = p.shown_since;
  s.seen.known.shown_position = p.shown_position;
  s.seen.known.position_since = p.position_since;
  if (p.status) s.seen.object.status = *p.status;
}

/// Brings it to where its place stands in the status.
scene shown_in_queue(std::size_t position = 3) {
  auto s = in_queue(position);
  carry_on(s, s.decide());
  s.now += 1s;
  carry_on(s, s.decide());
  EXPECT_EQ(s.seen.object.status.reason, "Queued");
  return s;
}

TEST(Violation, EndsTheExecutionBeforeAnythingIsMade) {
  scene s;
  s.seen.resolved->violations = {{"spec.timeoutSeconds", "900 is more than the allowed 600"},
                                 {"spec.network", "\"Allow\" is not allowed (allowed: Deny)"}};
  auto const p = s.decide();
  EXPECT_TRUE(p.actions.empty());
  ASSERT_TRUE(p.status);
  EXPECT_EQ(p.status->phase, "Failed");
  EXPECT_EQ(p.status->reason, "PolicyViolation");
  EXPECT_EQ(p.status->message,
            "The operator's policy for namespace \"agents\" does not allow this: spec.timeoutSeconds: 900 is more than "
            "the allowed 600; spec.network: \"Allow\" is not allowed (allowed: Deny).");
}

TEST(Violation, IsSaidOfASuspendedOrQueuedExecutionToo) {
  auto e = make_execution();
  e.spec.suspend = true;
  auto s = in_queue(3, e);
  s.seen.resolved->violations = {{"spec.network", "\"Allow\" is not allowed"}};
  EXPECT_EQ(s.decide().status->reason, "PolicyViolation");
}

TEST(Violation, DoesNotTouchWhatRunsSinceBeforeThePolicyWasChanged) {
  scene s;
  s.with_pod(running_pod());
  s.seen.resolved->violations = {{"spec.network", "\"Allow\" is not allowed"}};
  auto const p = s.decide_after(2s);
  ASSERT_TRUE(p.status);
  EXPECT_EQ(p.status->reason, "Running");
}

TEST(Violation, AfterARestartAJobThatWasMadeBeforeIsLookedForFirst) {
  scene s;
  s.accepted();
  s.seen.known.claimed.reset();
  s.seen.known.pod_ruled_out = true;
  s.seen.known.traces = job_traces{false, false, start_of_time, s.now};
  s.seen.resolved->violations = {{"spec.network", "\"Allow\" is not allowed"}};
  EXPECT_NE(find_action<find_job>(s.decide()), nullptr);
  EXPECT_FALSE(s.decide().status);
  s.seen.known.job_ruled_out = true;
  EXPECT_EQ(s.decide().status->reason, "PolicyViolation");
}

TEST(Queued, MakesNothingAndIsShownOnceItLasts) {
  auto s = in_queue();
  auto p = s.decide();
  EXPECT_TRUE(p.actions.empty()) << "no finalizer either: deleting it costs nothing";
  EXPECT_FALSE(p.status);
  ASSERT_TRUE(p.requeue_after);
  EXPECT_LE(*p.requeue_after, 1s);
  carry_on(s, p);
  s.now += 1s;
  p = s.decide();
  ASSERT_TRUE(p.status);
  EXPECT_EQ(p.status->phase, "Pending");
  EXPECT_EQ(p.status->reason, "Queued");
  EXPECT_EQ(p.status->message, "Position 3 of 17 in the queue (20 of 20 executions run in this cluster).");
  EXPECT_EQ(find_condition(*p.status, "Reconciling")->status, "True");
  EXPECT_EQ(find_condition(*p.status, "Ready")->status, "False");
}

TEST(Queued, IsShownThoughThePlaceChangesAllTheTime) {
  auto s = in_queue(900);
  for (std::size_t i = 0; i < 11; ++i) {
    carry_on(s, s.decide());
    s.now += 100ms;
    s.seen.queue = place(900 - i);
  }
  EXPECT_EQ(s.seen.object.status.reason, "Queued");
}

TEST(Queued, ANewPlaceIsWrittenAfterTenSecondsNotBefore) {
  auto s = shown_in_queue(3);
  s.seen.queue = place(2);
  s.now += 9s;
  auto p = s.decide();
  EXPECT_FALSE(p.status);
  ASSERT_TRUE(p.requeue_after);
  EXPECT_LE(*p.requeue_after, 1s);
  s.now += 1s;
  p = s.decide();
  ASSERT_TRUE(p.status);
  EXPECT_THAT(p.status->message, HasSubstr("Position 2 of 17"));
}

TEST(Queued, FarBackAPlaceIsWrittenAsManySecondsLaterAsThereAreBefore) {
  auto s = shown_in_queue(250);
  s.seen.queue = place(230);
  s.now += 229s;
  EXPECT_FALSE(s.decide().status);
  s.now += 1s;
  EXPECT_TRUE(s.decide().status);
}

TEST(Queued, TheSamePlaceIsNotWrittenAgain) {
  auto s = shown_in_queue(3);
  s.seen.queue = place(3, 400);
  for (int i = 0; i < 20; ++i) {
    s.now += 10s;
    auto const p = s.decide();
    EXPECT_FALSE(p.status) << i;
    ASSERT_TRUE(p.requeue_after);
    EXPECT_LE(*p.requeue_after, 10s);
    carry_on(s, p);
  }
}

TEST(Queued, AThousandThatWaitCostAFewWritesASecondWhateverEnds) {
  constexpr std::size_t count = 1000;
  std::vector<scene> all;
  for (std::size_t n = 1; n <= count; ++n)
    all.push_back(shown_in_queue(n));
  // Ten end each second, for twenty seconds: everybody moves all the time.
  std::size_t writes = 0;
  for (std::size_t second = 1; second <= 20; ++second) {
    for (std::size_t n = 10 * second; n < count; ++n) {
      auto& s = all[n];
      s.now += 1s;
      s.seen.queue = place(n + 1 - 10 * second, count);
      auto const p = s.decide();
      writes += p.status ? 1U : 0U;
      carry_on(s, p);
    }
  }
  EXPECT_GT(writes, 20U) << "those at the front are told";
  EXPECT_LT(writes, 20U * 12U);
}

TEST(Queued, AfterARestartTheOldPlacesAreNotAllWrittenAtOnce) {
  auto s = shown_in_queue(40);
  s.seen.known.shown_position = 0;
  s.seen.known.position_since.reset();
  s.seen.known.shown_reason.clear();
  s.seen.queue = place(30);
  s.now += 60s;
  auto p = s.decide();
  EXPECT_FALSE(p.status);
  carry_on(s, p);
  s.now += 30s;
  p = s.decide();
  ASSERT_TRUE(p.status);
  EXPECT_THAT(p.status->message, HasSubstr("Position 30 of"));
}

TEST(Queued, WhoseTurnItIsStartsAsEverybodyElse) {
  auto s = shown_in_queue();
  s.seen.queue = {};
  s.now += 1s;
  auto const p = s.decide();
  EXPECT_NE(find_action<add_finalizer>(p), nullptr);
  EXPECT_NE(find_action<create_job>(p), nullptr);
}

TEST(Queued, TimeInTheQueueCountsTowardsTheStartupTimeoutAndTheMessageSaysWhere) {
  auto s = shown_in_queue();
  auto const p = s.at(299s).decide();
  EXPECT_FALSE(p.status && p.status->is_final());
  ASSERT_TRUE(p.requeue_after);
  EXPECT_LE(*p.requeue_after, 1s);
  auto const end = s.at(300s).decide();
  ASSERT_TRUE(end.status);
  EXPECT_EQ(end.status->reason, "StartupTimedOut");
  EXPECT_EQ(
      end.status->message,
      "The code had not started when 300 s (spec.startupTimeoutSeconds) had passed. Waited in the queue: Position "
      "3 of 17 in the queue (20 of 20 executions run in this cluster).");
}

TEST(Queued, CancelledItEndsAtOnce) {
  auto s = shown_in_queue();
  s.seen.object.spec.cancel = true;
  EXPECT_EQ(s.decide().status->reason, "Cancelled");
}

TEST(Queued, DeletedItIsLetGoWithoutARequest) {
  auto s = shown_in_queue();
  s.seen.object.metadata.deletionTimestamp = "2026-01-31T10:00:03Z";
  auto const p = s.decide();
  EXPECT_TRUE(p.actions.empty());
  EXPECT_FALSE(p.status);
}

TEST(Queued, SuspendedItIsNotInTheQueue) {
  auto e = make_execution();
  e.spec.suspend = true;
  EXPECT_EQ(in_queue(3, e).decide().status->reason, "Suspended");
}

TEST(Queued, AnOperatorThatWasLongAwayStillStartsWhatWaited) {
  // What waits has no finalizer: with one it may have been started.
  auto s = shown_in_queue();
  s.seen.object.metadata.finalizers.clear();
  s.seen.known.claimed.reset();
  s.seen.known.accepted = start_of_time + 48h;
  s.seen.queue = {};
  EXPECT_NE(find_action<create_job>(s.at(48h).decide()), nullptr);
}

TEST(Queued, AJobThatIsThereIsWatchedWhateverTheQueueSays) {
  scene s;
  s.with_pod(running_pod());
  s.seen.queue = place(3);
  EXPECT_EQ(s.decide_after(2s).status->reason, "Running");
}

}  // namespace
}  // namespace codeexec::execution
