#include "codeexec/runner/lifecycle.hpp"

#include <gtest/gtest.h>

namespace codeexec::runner {
namespace {

using action = lifecycle::action;

constexpr std::uint64_t ms = 1000;
constexpr std::uint64_t start = 5000 * ms;

TEST(Lifecycle, WithoutATimeoutItWaitsForEver) {
  lifecycle life(start, 0, 5000);
  EXPECT_EQ(life.next(start + 1000000 * ms), action::wait);
  EXPECT_EQ(life.deadline(), lifecycle::never);
}

TEST(Lifecycle, EndsAtOnceWhenCommandAndPipesAreDone) {
  lifecycle life(start, 1000, 5000);
  life.pipes_closed();
  EXPECT_EQ(life.next(start + 5 * ms), action::wait);
  life.command_ended(start + 7 * ms);
  EXPECT_EQ(life.next(start + 7 * ms), action::finish);
  EXPECT_FALSE(life.timed_out());
  EXPECT_FALSE(life.terminated());
  EXPECT_FALSE(life.still_open());
  EXPECT_EQ(life.ended_at(), start + 7 * ms);
}

TEST(Lifecycle, TimesOutWithOneSigtermThenTheGraceThenTheEnd) {
  lifecycle life(start, 1000, 300);
  EXPECT_EQ(life.deadline(), start + 1000 * ms);
  EXPECT_EQ(life.next(start + 1000 * ms - 1), action::wait);
  EXPECT_EQ(life.next(start + 1000 * ms), action::terminate);
  EXPECT_EQ(life.next(start + 1000 * ms), action::wait);
  EXPECT_EQ(life.deadline(), start + 1300 * ms);
  EXPECT_EQ(life.next(start + 1300 * ms), action::finish);
  EXPECT_TRUE(life.timed_out());
  EXPECT_FALSE(life.terminated());
}

TEST(Lifecycle, AStopRequestIsForwardedAtOnce) {
  lifecycle life(start, 1000, 300);
  life.stop_requested(start + 10 * ms);
  EXPECT_EQ(life.next(start + 10 * ms), action::terminate);
  EXPECT_EQ(life.deadline(), start + 310 * ms);
  EXPECT_TRUE(life.terminated());
  EXPECT_FALSE(life.timed_out());
}

TEST(Lifecycle, ASecondStopRequestDoesNotProlongTheGrace) {
  lifecycle life(start, 0, 300);
  life.stop_requested(start);
  EXPECT_EQ(life.next(start), action::terminate);
  life.stop_requested(start + 200 * ms);
  EXPECT_EQ(life.next(start + 200 * ms), action::wait);
  EXPECT_EQ(life.next(start + 300 * ms), action::finish);
}

TEST(Lifecycle, TheTimeoutDuringAGraceChangesNothing) {
  lifecycle life(start, 100, 5000);
  life.stop_requested(start + 50 * ms);
  EXPECT_EQ(life.next(start + 50 * ms), action::terminate);
  EXPECT_EQ(life.next(start + 200 * ms), action::wait);
  EXPECT_FALSE(life.timed_out());
  EXPECT_TRUE(life.terminated());
}

TEST(Lifecycle, ACommandThatEndedInTimeHasNotTimedOutHoweverLateWeLook) {
  lifecycle life(start, 100, 300);
  life.command_ended(start + 99 * ms);
  life.pipes_closed();
  EXPECT_EQ(life.next(start + 10000 * ms), action::finish);
  EXPECT_FALSE(life.timed_out());
}

TEST(Lifecycle, AStopRequestAfterTheEndIsNoTermination) {
  lifecycle life(start, 0, 300);
  life.command_ended(start + 5 * ms);
  life.stop_requested(start + 6 * ms);
  EXPECT_EQ(life.next(start + 6 * ms), action::wait);
  EXPECT_FALSE(life.terminated());
}

TEST(Lifecycle, APipeHeldByADaemonIsWaitedForWhileQuietForAMoment) {
  lifecycle life(start, 0, 300);
  life.command_ended(start + 50 * ms);
  EXPECT_EQ(life.next(start + 50 * ms), action::wait);
  EXPECT_EQ(life.deadline(), start + 250 * ms);
  life.output_seen(start + 150 * ms);
  EXPECT_EQ(life.next(start + 250 * ms), action::wait);
  EXPECT_EQ(life.next(start + 350 * ms), action::finish);
  EXPECT_TRUE(life.still_open());
}

TEST(Lifecycle, ADaemonThatKeepsWritingIsNotWaitedForMuchLonger) {
  lifecycle life(start, 0, 300);
  life.command_ended(start);
  for (std::uint64_t at = 0; at < 1000; at += 10) {
    life.output_seen(start + at * ms);
    ASSERT_EQ(life.next(start + at * ms), action::wait) << at;
  }
  EXPECT_EQ(life.next(start + 1000 * ms), action::finish);
  EXPECT_TRUE(life.still_open());
}

TEST(Lifecycle, TheRestOfAStoppedProcessGroupHasItsGraceToo) {
  lifecycle life(start, 100, 3000);
  EXPECT_EQ(life.next(start + 100 * ms), action::terminate);
  life.command_ended(start + 110 * ms);
  EXPECT_EQ(life.next(start + 2000 * ms), action::wait);
  life.pipes_closed();
  EXPECT_EQ(life.next(start + 2000 * ms), action::finish);
}

}  // namespace
}  // namespace codeexec::runner
