// The decision table: what an execution in this state, seen at this moment, leads to.
#include "codeexec/execution/decide.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codeexec/api/duration.hpp"
#include "codeexec/execution/status.hpp"

#include "make.hpp"

namespace codeexec::execution {
namespace {

using namespace testing;
using ::testing::HasSubstr;

std::string reason_of(plan const& p) {
  return p.status ? p.status->reason : "(nothing written)";
}

// --- starting
// ----------------------------------------------------------------------------------------------------------

TEST(Start, ClaimsThenMakesTheJob) {
  auto const p = scene().decide();
  ASSERT_EQ(p.actions.size(), 4U);
  EXPECT_TRUE(std::holds_alternative<add_finalizer>(p.actions[0]));
  EXPECT_TRUE(std::holds_alternative<ensure_runner>(p.actions[1]));
  EXPECT_TRUE(std::holds_alternative<ensure_network>(p.actions[2]));
  EXPECT_TRUE(std::holds_alternative<create_job>(p.actions[3]));
  EXPECT_FALSE(p.status) << "a state of the first second is not worth a write";
}

/// Somebody else accepted it, and no Job is in sight.
scene in_doubt() {
  scene s;
  s.accepted();
  s.seen.known.claimed.reset();
  return s;
}

TEST(Start, AcceptedBySomebodyElseMakesAJobOnlyWhereNothingTellsOfOne) {
  auto s = in_doubt();
  EXPECT_NE(find_action<find_pod>(s.decide()), nullptr);
  s.seen.known.pod_ruled_out = true;
  EXPECT_NE(find_action<look_for_traces>(s.decide()), nullptr);
  EXPECT_EQ(find_action<create_job>(s.decide()), nullptr);
  s.seen.known.traces = job_traces{false, false, start_of_time, s.now};
  EXPECT_EQ(find_action<add_finalizer>(s.decide()), nullptr);
  EXPECT_NE(find_action<create_job>(s.decide()), nullptr);
}

TEST(Start, AJobThatOnlyItsEventsOrItsInputTellOfIsNotMadeAgain) {
  auto s = in_doubt();
  s.seen.known.pod_ruled_out = true;
  s.seen.known.traces = job_traces{true, false, start_of_time, s.now};
  EXPECT_NE(find_action<find_job>(s.decide()), nullptr);
  EXPECT_EQ(find_action<create_job>(s.decide()), nullptr);
  s.seen.known.job_ruled_out = true;
  auto const p = s.decide();
  EXPECT_TRUE(p.actions.empty());
  EXPECT_EQ(reason_of(p), "OutputLost");
  EXPECT_THAT(p.status->message, HasSubstr(child_name(s.seen.object.metadata)));
}

TEST(Start, APodThatIsThereTellsOfAJobAndHowItEnded) {
  auto s = in_doubt();
  auto pod = ended_pod(exited(0));
  pod.metadata.annotations[std::string(token_annotation)] = "secret";
  s.seen.known.token = "of this process";
  s.seen.pod = std::make_shared<kube::Pod const>(pod);
  EXPECT_NE(find_action<find_job>(s.decide()), nullptr);
  EXPECT_EQ(find_action<create_job>(s.decide()), nullptr);
  s.seen.known.job_ruled_out = true;
  EXPECT_EQ(reason_of(s.decide()), "Completed");
}

TEST(Start, WhereTheEventsMayNotBeReadNobodyCanTell) {
  auto s = in_doubt();
  s.seen.known.pod_ruled_out = true;
  s.seen.known.traces = job_traces{false, true, start_of_time, s.now};
  auto const p = s.decide();
  EXPECT_EQ(reason_of(p), "OutputLost");
  EXPECT_THAT(p.status->message, HasSubstr("Events"));
}

TEST(Start, SeenSuspendedMeansThatNobodyHasMadeAJob) {
  auto s = in_doubt();
  s.seen.known.seen_suspended = true;
  EXPECT_NE(find_action<create_job>(s.at(48h).decide()), nullptr);
}

TEST(Start, TheInputFollowsTheJobAndIsOwnedByIt) {
  scene s;
  s.with_job();
  s.seen.known.input_ready = false;
  s.seen.known.job_created = start_of_time + 20ms;
  auto const p = s.decide();
  auto const* const input = find_action<create_input>(p);
  ASSERT_NE(input, nullptr);
  EXPECT_EQ(input->object["metadata"]["ownerReferences"][0]["uid"], "job-uid");
}

TEST(Start, WithoutAFreshClaimTheExecutionIsReadAgainBeforeTheSignal) {
  // As a new operator finds it: accepted by another, the Job made, the pod waiting for its input.
  scene s;
  s.with_job();
  s.seen.known.input_ready = false;
  s.seen.known.claimed.reset();
  auto p = s.decide();
  EXPECT_NE(find_action<confirm_unfinished>(p), nullptr);
  EXPECT_EQ(find_action<create_input>(p), nullptr);
  s.seen.known.confirmed = true;
  p = s.decide();
  EXPECT_NE(find_action<create_input>(p), nullptr);
}

TEST(Start, AClaimThatIsOldByTheTimeTheJobStandsIsNotFresh) {
  scene s;
  s.with_job();
  s.seen.known.input_ready = false;
  s.seen.known.job_created = start_of_time + 10s;
  EXPECT_NE(find_action<confirm_unfinished>(s.at(10s).decide()), nullptr);
}

TEST(Start, NothingIsSentToAPodThatRunsAlready) {
  scene s;
  s.with_pod(running_pod());
  s.seen.known.input_ready = false;
  s.seen.known.claimed.reset();
  EXPECT_EQ(find_action<create_input>(s.decide()), nullptr);
  EXPECT_EQ(find_action<confirm_unfinished>(s.decide()), nullptr);
}

TEST(Start, AnInvalidSpecMakesNothingAndSaysWhy) {
  auto e = make_execution();
  e.spec.language = "cobol";
  auto const p = scene(e).decide();
  EXPECT_TRUE(p.actions.empty());
  EXPECT_EQ(reason_of(p), "InvalidSpec");
  EXPECT_THAT(p.status->message, HasSubstr("spec.language"));
  EXPECT_EQ(p.status->phase, "Failed");
}

TEST(Start, SuspendedStartsNothingAndShowsItAtOnce) {
  auto e = make_execution();
  e.spec.suspend = true;
  auto const p = scene(e).decide();
  EXPECT_TRUE(p.actions.empty());
  EXPECT_EQ(reason_of(p), "Suspended");
}

TEST(Start, CancelledBeforeItBeganEndsWithoutAJob) {
  auto e = make_execution();
  e.spec.cancel = true;
  auto const p = scene(e).decide();
  EXPECT_TRUE(p.actions.empty());
  EXPECT_EQ(reason_of(p), "Cancelled");
}

TEST(Start, CancelledAfterARestartAsksForTheJobFirst) {
  auto e = make_execution();
  e.spec.cancel = true;
  e.metadata.finalizers = {"codeexec.dev/cleanup"};
  EXPECT_NE(find_action<find_job>(scene(e).decide()), nullptr);
}

TEST(Start, AJobThatWasAndIsGoneIsNeverMadeAgain) {
  scene s;
  s.accepted();
  s.seen.known.claimed.reset();
  s.seen.object.status.jobName = "hello-123";
  s.seen.object.status.phase = "Running";
  auto p = s.decide();
  EXPECT_NE(find_action<find_job>(p), nullptr) << "the store may lag: the server is asked";
  EXPECT_EQ(find_action<create_job>(p), nullptr);
  s.seen.known.job_ruled_out = true;
  p = s.decide();
  EXPECT_NE(find_action<find_pod>(p), nullptr) << "its pod may still tell how it ended";
  EXPECT_FALSE(p.status);
  s.seen.known.pod_ruled_out = true;
  p = s.decide();
  EXPECT_TRUE(p.actions.empty());
  EXPECT_EQ(reason_of(p), "OutputLost");
}

TEST(Start, AcceptedLongerAgoThanEventsLiveIsNotStartedWhateverWasShownBefore) {
  for (char const* shown : {"", "Queued", "Suspended"}) {
    auto s = in_doubt();
    s.seen.object.status.phase = "Pending";
    s.seen.object.status.reason = shown;
    s.seen.known.pod_ruled_out = true;
    s.at(48h);
    s.seen.known.accepted = s.now;
    s.seen.known.traces = job_traces{false, false, s.now - 59min, s.now};
    EXPECT_NE(find_action<create_job>(s.decide()), nullptr) << "created long ago, accepted just now";
    s.seen.known.traces->claimed = s.now - 60min;
    auto const p = s.decide();
    EXPECT_EQ(find_action<create_job>(p), nullptr);
    EXPECT_EQ(reason_of(p), "OutputLost");
    s.seen.known.traces->claimed.reset();
    EXPECT_EQ(reason_of(s.decide()), "OutputLost") << "nobody noted down when: it may have been at its creation";
  }
}

TEST(Start, AnOldExecutionThatNobodyAcceptedIsStarted) {
  scene s;
  s.at(48h);
  s.seen.known.accepted = s.now;
  EXPECT_NE(find_action<create_job>(s.decide()), nullptr);
}

struct refused_creation {
  refusal::kind what;
  std::chrono::seconds after;
  char const* reason;
};
class Refused : public ::testing::TestWithParam<refused_creation> {};

TEST_P(Refused, LeadsTo) {
  scene s;
  s.accepted().at(GetParam().after);
  s.seen.known.refused = refusal{GetParam().what, "the server's words", s.now - 1s};
  auto const p = s.decide_after(2s);
  EXPECT_EQ(find_action<create_job>(p), nullptr);
  EXPECT_EQ(reason_of(p), GetParam().reason);
  EXPECT_THAT(p.status->message, HasSubstr("the server's words"));
}

INSTANTIATE_TEST_SUITE_P(, Refused,
                         ::testing::Values(refused_creation{refusal::kind::invalid, 1s, "InvalidSpec"},
                                           refused_creation{refusal::kind::name_taken, 1s, "InternalError"},
                                           refused_creation{refusal::kind::denied, 1s, "PodRejected"},
                                           refused_creation{refusal::kind::quota, 1s, "Scheduling"},
                                           refused_creation{refusal::kind::quota, 300s, "QuotaExceeded"},
                                           refused_creation{refusal::kind::forbidden, 1s, "Scheduling"},
                                           refused_creation{refusal::kind::forbidden, 300s, "InternalError"}));

TEST(Start, AQuotaIsAskedAgain) {
  scene s;
  s.accepted().at(20s);
  s.seen.known.refused = refusal{refusal::kind::quota, "exceeded quota", start_of_time + 10s};
  EXPECT_NE(find_action<create_job>(s.decide()), nullptr);
}

// --- waiting for the code to start
// --------------------------------------------------------------------------------------

TEST(Pending, IsWrittenOnlyOnceItHasLasted) {
  scene s;
  s.with_pod(make_pod());
  auto const first = s.decide();
  EXPECT_FALSE(first.status);
  EXPECT_EQ(first.requeue_after, 1000ms);
  EXPECT_FALSE(s.decide_after(999ms).status);
  auto const later = s.decide_after(1ms);
  EXPECT_EQ(reason_of(later), "Scheduling");
  EXPECT_EQ(later.status->phase, "Pending");
  EXPECT_EQ(later.status->jobName, s.seen.job->metadata.name);
}

TEST(Pending, IsNotWrittenTwice) {
  scene s;
  s.with_pod(make_pod());
  auto const shown = s.decide_after(1s);
  ASSERT_TRUE(shown.status);
  s.seen.object.status = *shown.status;
  s.now += 30s;
  EXPECT_FALSE(s.decide().status);
}

struct waiting_case {
  char const* waiting;
  char const* pending;  // empty: fails at once
  char const* failure;
};
class Waiting : public ::testing::TestWithParam<waiting_case> {};

TEST_P(Waiting, ShowsWhyAndFailsOnlyWhenNothingCanHealOrTimeIsUp) {
  scene s;
  s.with_pod(waiting_pod(GetParam().waiting, "the kubelet's words"));
  auto const early = s.decide_after(1s);
  if (*GetParam().pending == '\0') {
    EXPECT_EQ(reason_of(early), GetParam().failure);
  } else {
    EXPECT_EQ(reason_of(early), GetParam().pending);
    EXPECT_EQ(early.status->message, "the kubelet's words");
    auto const late = s.at(300s).decide();
    EXPECT_EQ(reason_of(late), GetParam().failure);
    EXPECT_THAT(late.status->message, HasSubstr("300 s"));
    EXPECT_THAT(late.status->message, HasSubstr("the kubelet's words"));
  }
}

INSTANTIATE_TEST_SUITE_P(, Waiting,
                         ::testing::Values(waiting_case{"ContainerCreating", "Starting", "StartupTimedOut"},
                                           waiting_case{"CreateContainerConfigError", "Starting", "StartupTimedOut"},
                                           waiting_case{"ErrImagePull", "PullingImage", "ImagePullFailed"},
                                           waiting_case{"ImagePullBackOff", "PullingImage", "ImagePullFailed"},
                                           waiting_case{"ImageInspectError", "PullingImage", "ImagePullFailed"},
                                           waiting_case{"RegistryUnavailable", "PullingImage", "ImagePullFailed"},
                                           waiting_case{"SignatureValidationFailed", "PullingImage", "ImagePullFailed"},
                                           waiting_case{"InvalidImageName", "", "ImagePullFailed"},
                                           waiting_case{"ErrImageNeverPull", "", "ImagePullFailed"}));

TEST(Pending, UnschedulableShowsTheSchedulersWordsAndFailsInTheEnd) {
  auto pod = make_pod();
  api::Condition c;
  c.type = "PodScheduled";
  c.status = "False";
  c.reason = "Unschedulable";
  c.message = "0/1 nodes are available: 1 Insufficient cpu.";
  pod.status.conditions.push_back(c);
  scene s;
  s.with_pod(pod);
  auto const early = s.decide_after(1s);
  EXPECT_EQ(reason_of(early), "Scheduling");
  EXPECT_EQ(early.status->message, c.message);
  EXPECT_EQ(reason_of(s.at(300s).decide()), "Unschedulable");
}

TEST(Pending, APodThatDoesNotGetAheadHasItsRunnerLookedAtAgain) {
  scene s;
  s.with_pod(waiting_pod("ContainerCreating"));
  s.seen.known.runner_checked = start_of_time;
  EXPECT_EQ(find_action<ensure_runner>(s.decide()), nullptr);
  EXPECT_NE(find_action<ensure_runner>(s.decide_after(6s)), nullptr);
}

struct event_case {
  char const* message;
  char const* reason;
  bool may_heal;
};
class PodRefusals : public ::testing::TestWithParam<event_case> {};

TEST_P(PodRefusals, AreReadFromTheJobsEvents) {
  scene s;
  s.with_job().at(500ms);
  EXPECT_EQ(find_action<read_job_events>(s.decide()), nullptr) << "a pod comes within the first second";
  EXPECT_NE(find_action<read_job_events>(s.at(1s).decide()), nullptr);
  s.seen.known.events_read = s.now;
  s.seen.known.pod_refusal = GetParam().message;
  auto const early = s.decide_after(1s);
  EXPECT_EQ(reason_of(early), GetParam().may_heal ? "Scheduling" : GetParam().reason);
  EXPECT_EQ(reason_of(s.at(300s).decide()), GetParam().reason);
}

// Texts of kube-controller-manager 1.36.
INSTANTIATE_TEST_SUITE_P(
    , PodRefusals,
    ::testing::Values(
        event_case{R"(Error creating: pods "nopod-" is forbidden: pod rejected: RuntimeClass "absent" not found)",
                   "RuntimeClassMissing", false},
        event_case{
            R"(Error creating: pods "q-4q247" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=0)",
            "QuotaExceeded", true},
        event_case{
            R"(Error creating: pods "loose-6r4nn" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true)",
            "PodRejected", false},
        event_case{
            R"(Error creating: pods "a-" is forbidden: error looking up service account agents/default: serviceaccount "default" not found)",
            "PodRejected", true},
        event_case{R"(Error creating: pods "a-" is forbidden: status unknown for quota: q, resources: limits.cpu,pods)",
                   "QuotaExceeded", true},
        event_case{
            R"(Error creating: pods "a-" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no)",
            "PodRejected", false},
        event_case{R"(Error creating: admission webhook "x.example.com" denied the request: no)", "PodRejected", false},
        event_case{"Error creating: Internal error occurred", "StartupTimedOut", true}));

TEST(Pending, AQuotasSentenceDoesNotNameEachPodThatWasNotMade) {
  EXPECT_EQ(pod_refusal_sentence(R"(Error creating: pods "q-4q247" is forbidden: exceeded quota: q)"),
            "exceeded quota: q");
  EXPECT_EQ(pod_refusal_sentence("Error creating: Internal error occurred"), "Internal error occurred");
}

// --- running
// -------------------------------------------------------------------------------------------------------------

TEST(Running, FollowsTheLogAtOnceAndIsShownAfterASecond) {
  scene s;
  s.with_pod(running_pod());
  auto const first = s.decide();
  ASSERT_NE(find_action<follow_log>(first), nullptr);
  EXPECT_EQ(find_action<follow_log>(first)->pod, "hello-pod");
  s.seen.log.state = log_state::progress::following;
  EXPECT_TRUE(s.decide().actions.empty());
  auto const later = s.decide_after(1s);
  EXPECT_EQ(reason_of(later), "Running");
  EXPECT_EQ(later.status->phase, "Running");
  EXPECT_EQ(later.status->nodeName, "node-1");
}

TEST(Running, TellsWhenItsContainerStartedUntilTheRunnerTellsWhenTheCodeDid) {
  scene s;
  s.with_pod(running_pod());
  auto const shown = make_progress_status(s.seen, api::phases::running, api::reasons::running, "", start_of_time);
  EXPECT_EQ(shown.startTime, base::format_micro_time(start_of_time));
  EXPECT_EQ(shown.timeline->codeStarted, "") << "that is the runner's to say";

  s.seen.object.status = shown;
  s.with_pod(ended_pod(exited(0)));
  EXPECT_EQ(s.decide().status->startTime, "2026-01-31T10:00:01.500000Z");
  s.with_pod(ended_pod(result_json(R"("end":"notStarted","error":"setupFailed","message":"x")")));
  EXPECT_EQ(s.decide().status->startTime, "") << "no code ran";
}

TEST(Running, TheStartupTimeoutIsOver) {
  scene s;
  s.with_pod(running_pod()).at(1000s);
  s.seen.log.state = log_state::progress::following;
  auto const p = s.decide_after(1s);
  EXPECT_EQ(reason_of(p), "Running");
}

// --- stopping what has not started ---------------------------------------------------------------------------------

TEST(GivenUp, OnlyOnceTheCodeCannotStartAnyMore) {
  scene s;
  s.with_pod(waiting_pod("ImagePullBackOff", "Back-off pulling image"));
  s.seen.known.input_ready = true;
  auto p = s.at(301s).decide();
  ASSERT_TRUE(p.status);
  EXPECT_EQ(p.status->phase, "Pending") << "the pod may start at any moment";
  EXPECT_EQ(p.status->reason, "ImagePullFailed") << "whoever takes over ends it so";
  s.seen.object.status = *p.status;
  p = s.decide();
  EXPECT_NE(find_action<end_pod>(p), nullptr) << "should it have started, its node keeps what it wrote";
  EXPECT_EQ(find_action<delete_job>(p), nullptr);
  EXPECT_FALSE(p.status);
  s.seen.known.pod_ended = s.now;
  EXPECT_FALSE(s.decide().status) << "the node has not ended it yet";
  s.with_pod(never_made_pod());
  p = s.decide();
  ASSERT_TRUE(p.status);
  EXPECT_EQ(p.status->phase, "Failed");
  EXPECT_EQ(p.status->reason, "ImagePullFailed");
  EXPECT_THAT(p.status->message, ::testing::Not(HasSubstr("It started")));
}

TEST(GivenUp, ACodeThatStartedAtThatVeryMomentKeepsItsOutput) {
  scene s;
  s.with_pod(waiting_pod("ContainerCreating"));
  s.seen.known.input_ready = true;
  s.seen.object.status = *s.at(301s).decide().status;
  s.with_pod(ended_pod(
      result_json(R"("end":"terminated","signal":15,"stdoutBytes":3,"stderrBytes":0,"stdout":"hi\n","stderr":"")"),
      "Error", 143));
  s.seen.job_gone = true;
  auto const p = s.decide();
  ASSERT_TRUE(p.status);
  EXPECT_EQ(p.status->phase, "Failed");
  EXPECT_EQ(p.status->reason, "StartupTimedOut");
  EXPECT_THAT(p.status->message, HasSubstr("and was stopped"));
  EXPECT_EQ(p.status->stdout_, "hi\n");
}

TEST(GivenUp, TheSuccessorEndsItAsItsPredecessorDecided) {
  scene s;
  s.accepted();
  s.seen.known.claimed.reset();
  s.seen.object.status.phase = "Pending";
  s.seen.object.status.reason = "Unschedulable";
  s.seen.object.status.message = "0/1 nodes are available";
  s.seen.object.status.jobName = "hello-123";
  s.seen.known.job_ruled_out = true;
  s.seen.known.pod_ruled_out = true;
  auto const p = s.decide();
  ASSERT_TRUE(p.status);
  EXPECT_EQ(p.status->phase, "Failed");
  EXPECT_EQ(p.status->reason, "Unschedulable");
}

TEST(GivenUp, CancelWaitsUntilTheCodeCannotStart) {
  scene s;
  s.with_pod(waiting_pod("ContainerCreating"));
  s.seen.known.input_ready = true;
  s.seen.object.spec.cancel = true;
  auto p = s.decide();
  EXPECT_NE(find_action<end_pod>(p), nullptr) << "it may have started, and no watch has shown it";
  EXPECT_EQ(find_action<delete_job>(p), nullptr);
  EXPECT_FALSE(p.status);
  s.seen.known.pod_ended = s.now;
  EXPECT_FALSE(s.decide().status);
  s.with_pod(never_made_pod());
  p = s.decide();
  EXPECT_EQ(reason_of(p), "Cancelled");
  EXPECT_EQ(p.status->message, "Cancelled before it was started (spec.cancel).");
}

scene with_pod_that_no_node_has() {
  scene s;
  auto pod = waiting_pod("ContainerCreating");
  pod.spec.nodeName.clear();
  pod.metadata.resourceVersion = "17";
  s.with_pod(pod);
  s.seen.known.input_ready = true;
  return s;
}

TEST(GivenUp, CancelDeletesThePodThatNoNodeHas) {
  auto s = with_pod_that_no_node_has();
  s.seen.object.spec.cancel = true;
  auto p = s.decide();
  EXPECT_NE(find_action<find_pod>(p), nullptr) << "a node may have it, and no watch has shown that";
  EXPECT_EQ(find_action<delete_job>(p), nullptr);
  s.seen.known.pod_asked = s.now;
  p = s.decide();
  ASSERT_NE(find_action<delete_pod>(p), nullptr);
  EXPECT_EQ(find_action<delete_pod>(p)->uid, s.seen.pod->metadata.uid);
  EXPECT_EQ(find_action<delete_pod>(p)->resource_version, "17") << "one that a node has by now may run";
  EXPECT_EQ(find_action<delete_job>(p), nullptr);
  s.seen.known.pod_removed = true;
  p = s.decide();
  EXPECT_NE(find_action<delete_job>(p), nullptr);
  EXPECT_FALSE(p.status);
  s.seen.job_gone = s.seen.pod_gone = true;
  p = s.decide();
  EXPECT_EQ(reason_of(p), "Cancelled");
  EXPECT_EQ(p.status->message, "Cancelled before it was started (spec.cancel).");
}

TEST(GivenUp, APodThatNoNodeCanTakeIsDeletedBeforeItsJob) {
  auto s = with_pod_that_no_node_has();
  auto p = s.at(301s).decide();
  ASSERT_TRUE(p.status);
  EXPECT_EQ(p.status->phase, "Pending");
  s.seen.object.status = *p.status;
  s.seen.known.pod_asked = s.now;
  p = s.decide();
  EXPECT_NE(find_action<delete_pod>(p), nullptr);
  EXPECT_EQ(find_action<delete_job>(p), nullptr);
}

TEST(GivenUp, TheJobIsDeletedWhereItsPodMayNotBe) {
  auto s = with_pod_that_no_node_has();
  s.seen.object.spec.cancel = true;
  s.seen.known.pod_asked = s.now;
  s.seen.known.pod_end_refused = true;
  auto p = s.decide();
  EXPECT_NE(find_action<delete_job>(p), nullptr);
  s.seen.job_gone = s.seen.pod_gone = true;
  EXPECT_THAT(s.decide().status->message, HasSubstr("had it started, what it wrote is lost"));
}

TEST(GivenUp, ASuccessorFindsTheJobEndedWithoutItsPod) {
  scene s;
  s.with_job();
  s.seen.object.spec.cancel = true;
  s.seen.known.pod_ruled_out = true;
  auto failed = *s.seen.job;
  api::Condition end;
  end.type = "Failed";
  end.status = "True";
  end.reason = "BackoffLimitExceeded";
  failed.status.conditions.push_back(end);
  s.seen.job = std::make_shared<kube::Job const>(failed);
  EXPECT_EQ(reason_of(s.decide()), "Cancelled") << "not OutputLost: it was stopped on purpose";
}

TEST(GivenUp, APodThatWasToldToEndKeepsItsJobThoughALateWatchShowsNoNodeYet) {
  scene s;
  auto pod = waiting_pod("ContainerCreating");
  pod.spec.nodeName.clear();
  s.with_pod(pod);
  s.seen.object.spec.cancel = true;
  s.seen.known.pod_asked = s.seen.known.pod_ended = s.now;
  EXPECT_EQ(find_action<delete_job>(s.decide()), nullptr);
}

TEST(GivenUp, CancelDeletesAJobWithoutAPodOnceTheJobControllerHadItsTime) {
  scene s;
  s.with_job();
  s.seen.known.input_ready = true;
  s.seen.known.job_created = s.now;
  s.seen.object.spec.cancel = true;
  EXPECT_NE(find_action<find_pod>(s.decide()), nullptr);
  s.seen.known.pod_asked = s.now;
  auto const waits = s.decide();
  EXPECT_TRUE(waits.actions.empty()) << "a pod that is made now may start before the Job's deletion arrives";
  EXPECT_EQ(waits.requeue_after, 1s);
  s.now += 1s;
  EXPECT_NE(find_action<find_pod>(s.decide()), nullptr) << "what was said then is too old";
  s.seen.known.pod_asked = s.now;
  EXPECT_NE(find_action<delete_job>(s.decide()), nullptr);
}

TEST(Running, CancelStopsTheCodeAndWaitsForWhatItWrote) {
  auto e = make_execution();
  e.spec.cancel = true;
  scene s(e);
  s.with_pod(running_pod());
  s.seen.log.state = log_state::progress::following;
  auto const p = s.decide();
  ASSERT_NE(find_action<end_pod>(p), nullptr);
  EXPECT_EQ(find_action<end_pod>(p)->uid, s.seen.pod->metadata.uid);
  EXPECT_EQ(find_action<delete_job>(p), nullptr) << "the pod would take its output along";
  EXPECT_FALSE(p.status);
  s.seen.known.pod_ended = s.now;
  EXPECT_TRUE(s.decide().actions.empty()) << "once is enough";
  // The runner's report comes.
  s.log("stdout F so far\nresult F " + result_json(R"("end":"terminated","signal":15,"stdoutBytes":7)") + "\n");
  auto const end = s.decide();
  EXPECT_EQ(reason_of(end), "Cancelled");
  EXPECT_EQ(end.status->stdout_, "so far\n");
}

TEST(Running, ALogMayTellTheEndOfAPodThatIsNotSeenAnyMore) {
  scene s;
  s.with_pod(running_pod());
  s.log("stdout F so far\nresult F " + result_json(R"("end":"terminated","signal":15,"stdoutBytes":7)") + "\n");
  s.seen.pod.reset();
  auto const p = s.decide();
  EXPECT_EQ(reason_of(p), "Evicted");
  EXPECT_EQ(p.status->stdout_, "so far\n");
}

TEST(Running, WhoeverTakesOverFindsTheOutputOfACancelledPod) {
  auto e = make_execution();
  e.spec.cancel = true;
  scene s(e);
  s.with_pod(ended_pod(
      result_json(R"("end":"terminated","signal":15,"stdoutBytes":3,"stderrBytes":0,"stdout":"hi\n","stderr":"")"),
      "Error", 143));
  auto const p = s.decide();
  EXPECT_EQ(reason_of(p), "Cancelled");
  EXPECT_EQ(p.status->stdout_, "hi\n");
  EXPECT_EQ(find_action<delete_job>(p), nullptr) << "first the result, then the Job";
}

TEST(Running, ACancelledPodThatCannotBeEndedIsDeleted) {
  auto e = make_execution();
  e.spec.cancel = true;
  {
    scene s(e);
    s.with_pod(running_pod());
    s.seen.known.pod_end_refused = true;
    auto const p = s.decide();
    EXPECT_EQ(find_action<end_pod>(p), nullptr);
    EXPECT_NE(find_action<delete_job>(p), nullptr);
  }
  {
    scene s(e);
    s.with_pod(running_pod());
    s.seen.known.pod_end_tried = s.now;
    EXPECT_NE(find_action<end_pod>(s.decide_after(10s)), nullptr) << "the server may come back";
    EXPECT_NE(find_action<delete_job>(s.decide_after(30s)), nullptr);
  }
  {
    scene s(e);
    s.with_pod(running_pod());
    s.seen.log.state = log_state::progress::following;
    s.seen.known.pod_ended = s.now;
    auto const waits = s.decide();
    ASSERT_TRUE(waits.requeue_after);
    EXPECT_TRUE(waits.actions.empty());
    auto const p = s.decide_after(std::chrono::duration_cast<std::chrono::seconds>(*waits.requeue_after) + 1s);
    EXPECT_NE(find_action<delete_job>(p), nullptr) << "its node does not answer";
  }
}

TEST(Running, ACodeThatEndedByItselfBeforeTheCancelHasItsOwnResult) {
  auto e = make_execution();
  e.spec.cancel = true;
  scene s(e);
  s.with_pod(running_pod()).log("result F " + exited(0) + "\n");
  EXPECT_EQ(reason_of(s.decide()), "Completed");
}

// --- the end
// -------------------------------------------------------------------------------------------------------------

struct ending {
  char const* fields;
  char const* reason;
  char const* phase;
};
class Endings : public ::testing::TestWithParam<ending> {};

TEST_P(Endings, ByTheResultFrameBeforeTheKubeletKnows) {
  scene s;
  s.with_pod(running_pod()).at(5s);
  s.log("stdout F hi\nresult F " + result_json(std::string(GetParam().fields) + R"(,"stdoutBytes":3,"stderrBytes":0)") +
        "\n");
  auto const p = s.decide();
  EXPECT_EQ(reason_of(p), GetParam().reason);
  EXPECT_EQ(p.status->phase, GetParam().phase);
  EXPECT_EQ(p.status->stdout_, "hi\n");
  EXPECT_TRUE(p.actions.empty());
}

TEST_P(Endings, ByTheTerminationMessageAlone) {
  scene s;
  s.with_pod(ended_pod(
      result_json(std::string(GetParam().fields) + R"(,"stdoutBytes":3,"stderrBytes":0,"stdout":"hi\n","stderr":"")")));
  auto const p = s.decide();
  EXPECT_EQ(reason_of(p), GetParam().reason);
  EXPECT_EQ(p.status->phase, GetParam().phase);
  EXPECT_EQ(p.status->stdout_, "hi\n");
  EXPECT_TRUE(p.actions.empty()) << "a small result needs no call to the kubelet";
}

INSTANTIATE_TEST_SUITE_P(
    , Endings,
    ::testing::Values(ending{R"("end":"exited","exitCode":0)", "Completed", "Succeeded"},
                      ending{R"("end":"exited","exitCode":3)", "NonZeroExit", "Failed"},
                      ending{R"("end":"exited","exitCode":124)", "NonZeroExit", "Failed"},
                      ending{R"("end":"exited","exitCode":137)", "NonZeroExit", "Failed"},
                      ending{R"("end":"signaled","signal":11)", "Signaled", "Failed"},
                      ending{R"("end":"timedOut","signal":9)", "TimedOut", "Failed"},
                      ending{R"("end":"timedOut","exitCode":0)", "TimedOut", "Failed"},
                      ending{R"("end":"terminated","signal":15)", "Evicted", "Failed"},
                      ending{R"("end":"notStarted","error":"sandboxUnverified","message":"no gVisor")",
                             "SandboxUnverified", "Failed"},
                      ending{R"("end":"notStarted","error":"commandNotFound","message":"python9: not found")",
                             "InvalidSpec", "Failed"},
                      ending{R"("end":"notStarted","error":"commandNotExecutable","message":"x")", "InvalidSpec",
                             "Failed"},
                      ending{R"("end":"notStarted","error":"setupFailed","message":"x")", "InternalError", "Failed"},
                      ending{R"("end":"notStarted","error":"newProblem","message":"x")", "InternalError", "Failed"}));

TEST(End, StatusHoldsEverythingTheRunnerMeasured) {
  scene s;
  s.with_pod(ended_pod(exited(3)));
  auto const status = *s.decide().status;
  EXPECT_EQ(status.exitCode, 3);
  EXPECT_FALSE(status.signal);
  EXPECT_EQ(status.startTime, "2026-01-31T10:00:01.500000Z");
  EXPECT_EQ(status.completionTime, "2026-01-31T10:00:02.500000Z");
  EXPECT_EQ(status.duration, api::format_duration(1000));
  EXPECT_EQ(status.usage, (api::Usage{1000, 80, 9437184}));
  EXPECT_EQ(status.sandbox, (api::SandboxStatus{"gvisor", true}));
  EXPECT_EQ(status.output, (api::OutputStatus{3, 0, false, false}));
  EXPECT_EQ(status.stderr_, "");
  EXPECT_EQ(status.observedGeneration, 1);
  EXPECT_EQ(status.timeline->codeStarted, "2026-01-31T10:00:01.500000Z");
  EXPECT_EQ(status.timeline->captured, "2026-01-31T10:00:01.000000Z");
  EXPECT_EQ(status.codeSHA256.size(), 64U);
  EXPECT_EQ(status.image, "python:3.11-slim");
  EXPECT_EQ(status.podName, "hello-pod");
  EXPECT_EQ(status.message, "The code exited with code 3.");
}

TEST(End, ASigkillWaitsForTheKubeletToSayWhetherItWasMemory) {
  std::string const frame = "result F " + result_json(R"("end":"signaled","signal":9)") + "\n";
  scene s;
  s.with_pod(running_pod()).log(frame).at(5s);
  s.seen.known.result_seen = s.now;
  EXPECT_FALSE(s.decide().status);
  s.seen.pod = std::make_shared<kube::Pod const>(ended_pod("", "OOMKilled", 137));
  EXPECT_EQ(reason_of(s.decide()), "OOMKilled");
  s.seen.pod = std::make_shared<kube::Pod const>(ended_pod("", "Error", 137));
  EXPECT_EQ(reason_of(s.decide()), "Signaled");
  s.seen.pod = std::make_shared<kube::Pod const>(running_pod());
  EXPECT_EQ(reason_of(s.at(9s).decide()), "Signaled") << "it does not wait for ever";
}

TEST(End, OutputThatDidNotFitTheMessageIsReadFromTheLogOnce) {
  std::string const message = result_json(R"("end":"exited","exitCode":0,"stdoutBytes":5000,"stderrBytes":0)");
  scene s;
  s.with_pod(ended_pod(message));
  auto const p = s.decide();
  ASSERT_NE(find_action<read_log>(p), nullptr);
  EXPECT_FALSE(p.status) << "nobody sees Succeeded without output";
  s.log("stdout F " + std::string(4999, 'x') + "\n");
  auto const end = s.decide();
  EXPECT_EQ(reason_of(end), "Completed");
  EXPECT_EQ(end.status->stdout_, std::string(4999, 'x') + "\n");
}

TEST(End, AFollowerUnderWayIsWaitedForButNotForEver) {
  std::string const message = result_json(R"("end":"exited","exitCode":0,"stdoutBytes":5000,"stderrBytes":0)");
  scene s;
  s.with_pod(ended_pod(message)).log("stdout F first\n", log_state::progress::following);
  s.seen.known.end_seen = s.now;
  EXPECT_FALSE(s.decide().status);
  EXPECT_TRUE(s.decide().actions.empty());
  EXPECT_NE(find_action<read_log>(s.at(12s).decide()), nullptr) << "a follower that hangs must not cost the output";
  s.seen.log.read_anew = true;
  EXPECT_FALSE(s.at(290s).decide().status) << "a second reading ends by itself, and is repeated";
  auto const end = s.at(301s).decide();
  EXPECT_EQ(reason_of(end), "Completed");
  EXPECT_THAT(*end.status->stdout_, HasSubstr("[codeexec: 4994 bytes of stdout left out]"));
  EXPECT_TRUE(end.status->output->stdoutTruncated);
  EXPECT_THAT(end.status->message, HasSubstr("could not be had"));
}

TEST(End, AnOutageOfTheLogsIsWaitedOut) {
  std::string const message = result_json(R"("end":"exited","exitCode":0,"stdoutBytes":5000,"stderrBytes":0)");
  scene s;
  s.with_pod(ended_pod(message));
  s.seen.known.end_seen = s.now;
  s.seen.log.state = log_state::progress::broken;
  s.seen.log.broken = 4;
  s.seen.log.not_before = s.now + 2s;
  auto const waits = s.decide();
  EXPECT_TRUE(waits.actions.empty());
  EXPECT_FALSE(waits.status);
  EXPECT_EQ(waits.requeue_after, 2s);
  EXPECT_NE(find_action<read_log>(s.at(3s).decide()), nullptr);
  EXPECT_NE(find_action<read_log>(s.at(299s).decide()), nullptr) << "a node that is started anew takes minutes";
  EXPECT_EQ(reason_of(s.at(302s).decide()), "OutputLost") << "not for ever";
}

TEST(End, AnUnreadableLogIsOutputLostAndSaysWhatIsKnown) {
  std::string const message = result_json(R"("end":"exited","exitCode":0,"stdoutBytes":5000,"stderrBytes":0)");
  scene s;
  s.with_pod(ended_pod(message));
  s.seen.log.state = log_state::progress::failed;
  s.seen.log.failure = "404";
  auto const end = s.decide();
  EXPECT_EQ(reason_of(end), "OutputLost");
  EXPECT_EQ(end.status->exitCode, 0);
  EXPECT_EQ(end.status->output->stdoutBytes, 5000);
  EXPECT_THAT(end.status->message, HasSubstr("exited with code 0"));
}

TEST(End, ASilentCodeNeedsNoLog) {
  scene s;
  s.with_pod(ended_pod(result_json(R"("end":"exited","exitCode":0)")));
  EXPECT_EQ(reason_of(s.decide()), "Completed");
}

TEST(End, AForgedTerminationMessageIsNoResult) {
  scene s;
  s.with_pod(ended_pod(result_json(R"("end":"exited","exitCode":0)", "guess"), "Error", 137)).log("stdout F x\n");
  auto const end = s.decide();
  EXPECT_EQ(end.status->phase, "Failed");
  EXPECT_EQ(end.status->stdout_, "x\n");
}

TEST(End, KilledForMemoryKeepsWhatWasWritten) {
  scene s;
  s.with_pod(ended_pod("", "OOMKilled", 137)).log("stdout F before\n");
  auto const end = s.decide();
  EXPECT_EQ(reason_of(end), "OOMKilled");
  EXPECT_EQ(end.status->stdout_, "before\n");
  EXPECT_THAT(end.status->message, HasSubstr("512Mi"));
}

TEST(End, APodThatIsDeletedAfterTheJobsDeadlineNeedsNoConditionToTellWhy) {
  for (bool const failed_otherwise : {false, true}) {
    SCOPED_TRACE(failed_otherwise);
    scene s;
    auto pod = waiting_pod("ContainerCreating");
    pod.metadata.deletionTimestamp = "2026-01-31T10:00:30Z";
    s.with_pod(pod);
    kube::Job job = *make_job_seen();
    job.status.startTime = start_of_time;
    job.spec.activeDeadlineSeconds = 400;
    api::Condition c;
    c.type = "Failed";
    c.status = "True";
    c.reason = "BackoffLimitExceeded";
    if (failed_otherwise) job.status.conditions.push_back(c);
    s.seen.job = std::make_shared<kube::Job const>(job);
    s.seen.pod_gone = true;
    EXPECT_EQ(reason_of(s.at(399s).decide()), "Evicted");
    EXPECT_EQ(reason_of(s.at(400s).decide()), failed_otherwise ? "Evicted" : "StartupTimedOut");
  }
}

TEST(End, TheJobsDeadlineIsATimeoutOnlyIfTheCodeHadStarted) {
  kube::Job job = *make_job_seen();
  api::Condition c;
  c.type = "FailureTarget";
  c.status = "True";
  c.reason = "DeadlineExceeded";
  job.status.conditions.push_back(c);
  scene s;
  s.with_pod(ended_pod("", "Error", 137)).log("stdout F so far\n");
  s.seen.job = std::make_shared<kube::Job const>(job);
  EXPECT_EQ(reason_of(s.decide()), "TimedOut");
  EXPECT_THAT(s.decide().status->message, HasSubstr("640 s after its Job was made")) << "it may have started late";
  s.seen.pod = std::make_shared<kube::Pod const>(waiting_pod("ImagePullBackOff", "no such image"));
  EXPECT_EQ(reason_of(s.decide()), "ImagePullFailed");
}

TEST(End, AnEvictedPodSaysWhatTheNodeSaid) {
  auto pod = make_pod();
  pod.status.phase = "Failed";
  pod.status.reason = "Evicted";
  pod.status.message = "The node was low on resource: memory.";
  scene s;
  s.with_pod(pod);
  auto const end = s.decide();
  EXPECT_EQ(reason_of(end), "Evicted");
  EXPECT_THAT(end.status->message, HasSubstr("low on resource"));
}

TEST(End, ADeletedPodWithoutAResultLosesItsOutput) {
  scene s;
  s.with_pod(running_pod());
  s.seen.pod_gone = true;
  s.seen.log.state = log_state::progress::failed;
  EXPECT_EQ(reason_of(s.decide()), "OutputLost");
}

TEST(End, ADeletedPodWhoseLogHadTheResultHasIt) {
  scene s;
  s.with_pod(running_pod()).log("stdout F hi\nresult F " + exited(0) + "\n");
  s.seen.pod_gone = true;
  s.seen.job_gone = true;
  EXPECT_EQ(reason_of(s.decide()), "Completed");
}

TEST(End, APodDeletedBeforeItsStartIsEvicted) {
  scene s;
  s.with_pod(waiting_pod("ContainerCreating"));
  s.seen.pod_gone = true;
  EXPECT_EQ(reason_of(s.decide()), "Evicted");
}

TEST(End, AJobThatEndedWithoutAPodInSightWaitsForTheOtherWatchThenAsksTheServer) {
  kube::Job job = *make_job_seen();
  api::Condition c;
  c.type = "Complete";
  c.status = "True";
  c.lastTransitionTime = "2026-01-31T10:00:10Z";
  job.status.conditions.push_back(c);
  scene s;
  s.with_job().at(11s);
  s.seen.job = std::make_shared<kube::Job const>(job);
  EXPECT_FALSE(s.decide().status);
  auto const asks = s.at(14s).decide();
  EXPECT_NE(find_action<find_pod>(asks), nullptr);
  EXPECT_FALSE(asks.status);
  s.seen.known.pod_ruled_out = true;
  EXPECT_EQ(reason_of(s.decide()), "OutputLost");
}

TEST(End, ANodeThatNeverReportsIsLost) {
  auto pod = running_pod();
  pod.metadata.deletionTimestamp = "2026-01-31T10:01:00Z";
  scene s;
  s.with_pod(pod).log("stdout F part\n", log_state::progress::broken).at(70s);
  EXPECT_NE(reason_of(s.decide()), "NodeLost");
  auto const end = s.at(121s).decide();
  EXPECT_EQ(reason_of(end), "NodeLost");
  EXPECT_EQ(end.status->stdout_, "part\n");
}

TEST(End, APodThatHadNoNodeIsNotLostWithOne) {
  auto pod = make_pod();
  pod.metadata.deletionTimestamp = "2026-01-31T10:01:00Z";
  scene s;
  s.with_pod(pod);
  auto const end = s.at(121s).decide();
  EXPECT_EQ(reason_of(end), "Evicted");
  EXPECT_THAT(end.status->message, HasSubstr("before the code started"));
}

TEST(End, OfANodeThatIsSilentNothingIsSaidThatNobodySaw) {
  auto pod = waiting_pod("ContainerCreating");
  pod.metadata.deletionTimestamp = "2026-01-31T10:01:00Z";
  scene s;
  s.with_pod(pod);
  auto const end = s.at(121s).decide();
  EXPECT_EQ(reason_of(end), "NodeLost");
  EXPECT_THAT(end.status->message, HasSubstr("not seen to start"));
}

TEST(End, WhoStoppedThePodIsSaidOnlyWhereSomethingTells) {
  auto pod = ended_pod(result_json(R"("end":"terminated","signal":15)"));
  scene s;
  s.with_pod(pod);
  EXPECT_THAT(s.decide().status->message, HasSubstr("nothing tells by whom"));
  pod.metadata.deletionTimestamp = "2026-01-31T10:00:01Z";
  s.seen.pod = std::make_shared<kube::Pod const>(pod);
  EXPECT_THAT(s.decide().status->message, HasSubstr("it or its Job was deleted"));
}

// --- afterwards
// ------------------------------------------------------------------------------------------------------------

scene finished() {
  scene s;
  s.with_pod(ended_pod(exited(0)));
  s.seen.object.status = *s.decide().status;
  return s;
}

TEST(Finished, TheJobIsDeletedAndNothingElseEverHappens) {
  auto s = finished();
  auto const p = s.decide();
  ASSERT_EQ(p.actions.size(), 1U);
  EXPECT_EQ(std::get<delete_job>(p.actions[0]).uid, "job-uid");
  EXPECT_FALSE(p.status);
  s.seen.known.job_deleted = s.now;
  EXPECT_TRUE(s.decide().actions.empty());
  s.seen.job_gone = true;
  EXPECT_TRUE(s.decide().actions.empty());
  EXPECT_FALSE(s.decide().requeue_after);
}

TEST(Finished, NeverRunsAgainWhateverIsAppliedOrLost) {
  auto s = finished();
  s.seen.job = nullptr;
  s.seen.pod = nullptr;
  s.seen.known = memory{};
  s.seen.object.spec.cancel = true;
  s.seen.object.spec.suspend = true;
  s.seen.object.spec.code = "other";
  s.seen.object.metadata.generation = 9;
  auto const p = s.at(100h).decide();
  EXPECT_TRUE(p.actions.empty());
  ASSERT_TRUE(p.status) << "only that the change was seen";
  EXPECT_EQ(p.status->observedGeneration, 9);
  EXPECT_EQ(p.status->reason, s.seen.object.status.reason);
  EXPECT_EQ(p.status->stdout_, s.seen.object.status.stdout_);
}

TEST(Finished, RetainKeepsTheJob) {
  auto s = finished();
  s.seen.object.spec.cleanupPolicy = "Retain";
  EXPECT_TRUE(s.decide().actions.empty());
}

TEST(Finished, GoesItselfWhenItsTimeToLiveIsOver) {
  auto s = finished();
  s.seen.job_gone = true;
  s.seen.object.spec.ttlSecondsAfterFinished = 60;
  auto const early = s.at(30s).decide();
  EXPECT_TRUE(early.actions.empty());
  EXPECT_EQ(early.requeue_after, 31s);
  EXPECT_NE(find_action<delete_execution>(s.at(61s).decide()), nullptr);
}

scene deleted(scene s) {
  s.seen.object.metadata.deletionTimestamp = "2026-01-31T10:00:01Z";
  return s;
}

TEST(Deleted, WithoutChildrenItLetsGoAtOnce) {
  scene s;
  s.accepted();
  auto const p = deleted(s).decide();
  ASSERT_EQ(p.actions.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<remove_finalizer>(p.actions[0]));
}

TEST(Deleted, WithoutOurFinalizerThereIsNothingToDo) {
  auto const p = deleted(scene()).decide();
  EXPECT_TRUE(p.actions.empty());
  EXPECT_FALSE(p.status);
}

TEST(Deleted, StopsTheCodeFirstThenLetsGo) {
  scene s;
  s.with_pod(running_pod());
  s = deleted(s);
  auto p = s.decide();
  EXPECT_NE(find_action<delete_job>(p), nullptr);
  EXPECT_EQ(find_action<remove_finalizer>(p), nullptr);
  s.seen.known.job_deleted = s.now;
  s.seen.job_gone = true;
  EXPECT_TRUE(s.decide().actions.empty()) << "the pod still runs";
  s.seen.pod_gone = true;
  EXPECT_NE(find_action<remove_finalizer>(s.decide()), nullptr);
}

TEST(Deleted, APodThatHasEndedNeedNotBeGone) {
  scene s;
  s.with_pod(ended_pod(exited(0)));
  s.seen.job_gone = true;
  s.seen.known.job_deleted = s.now;
  EXPECT_NE(find_action<remove_finalizer>(deleted(s).decide()), nullptr);
}

TEST(Deleted, NeverBlocksForEver) {
  scene s;
  s.with_pod(running_pod());
  s.seen.job_gone = true;
  s.seen.known.job_deleted = start_of_time;
  s = deleted(s);
  EXPECT_EQ(find_action<remove_finalizer>(s.at(60s).decide()), nullptr);
  EXPECT_NE(find_action<remove_finalizer>(s.at(71s).decide()), nullptr);
}

TEST(Deleted, TheClockIsWhatTheObjectsTellAndNotThisProcess) {
  scene s;
  s.with_pod(running_pod());
  s.seen.job_gone = true;  // by somebody's hand
  s = deleted(s);
  EXPECT_EQ(find_action<remove_finalizer>(s.at(60s).decide()), nullptr);
  EXPECT_NE(find_action<remove_finalizer>(s.at(71s).decide()), nullptr);
  auto pod = running_pod();
  pod.metadata.deletionTimestamp = "2026-01-31T10:05:10Z";  // told at 10:05:00, with 10 s for it
  s.seen.pod = std::make_shared<kube::Pod const>(pod);
  EXPECT_EQ(s.at(360s).decide().requeue_after, 10s);
  EXPECT_NE(find_action<remove_finalizer>(s.at(370s).decide()), nullptr);
}

TEST(Deleted, AJobThatDoesNotGoHasItsPodEndedByTheNodeAndIsNotWaitedForForEver) {
  scene s;
  s.with_pod(running_pod());
  kube::Job job = *make_job_seen();
  job.metadata.deletionTimestamp = "2026-01-31T10:00:01Z";
  s.seen.job = std::make_shared<kube::Job const>(job);
  s = deleted(s);
  EXPECT_TRUE(s.at(5s).decide().actions.empty());
  EXPECT_NE(find_action<end_pod>(s.at(12s).decide()), nullptr);
  s.seen.known.pod_ended = s.now;
  EXPECT_TRUE(s.decide().actions.empty());
  s.seen.pod = std::make_shared<kube::Pod const>(ended_pod(""));
  EXPECT_EQ(find_action<remove_finalizer>(s.at(60s).decide()), nullptr);
  EXPECT_NE(find_action<remove_finalizer>(s.at(71s).decide()), nullptr);
}

TEST(Deleted, AfterARestartTheServerIsAskedForTheJob) {
  scene s;
  s.accepted();
  s.seen.known.claimed.reset();
  s = deleted(s);
  EXPECT_NE(find_action<find_job>(s.decide()), nullptr);
  s.seen.known.job_ruled_out = true;
  EXPECT_NE(find_action<remove_finalizer>(s.decide()), nullptr);
}

TEST(Deleted, ALostAnswerToTheJobsCreationIsNotTakenForNoJob) {
  scene s;
  s.accepted();
  s.seen.known.job_tried = true;
  EXPECT_NE(find_action<find_job>(deleted(s).decide()), nullptr);
}

// --- conditions
// ------------------------------------------------------------------------------------------------------------

TEST(Conditions, FollowKstatus) {
  auto const done = *[] {
    scene s;
    s.with_pod(ended_pod(exited(0)));
    return s.decide().status;
  }();
  EXPECT_EQ(find_condition(done, "Ready")->status, "True");
  EXPECT_EQ(find_condition(done, "Complete")->status, "True");
  EXPECT_EQ(find_condition(done, "Reconciling"), nullptr);
  EXPECT_EQ(find_condition(done, "Stalled"), nullptr);
  EXPECT_EQ(find_condition(done, "Failed"), nullptr);

  scene f;
  f.with_pod(ended_pod(exited(1)));
  auto const failed = *f.decide().status;
  EXPECT_EQ(find_condition(failed, "Ready")->status, "False");
  EXPECT_EQ(find_condition(failed, "Ready")->reason, "NonZeroExit");
  EXPECT_EQ(find_condition(failed, "Stalled")->status, "True");
  EXPECT_EQ(find_condition(failed, "Failed")->status, "True");
  EXPECT_EQ(find_condition(failed, "Reconciling"), nullptr);

  scene w;
  w.with_pod(make_pod());
  auto const waiting = *w.decide_after(1s).status;
  EXPECT_EQ(find_condition(waiting, "Ready")->status, "False");
  EXPECT_EQ(find_condition(waiting, "Reconciling")->status, "True");
  EXPECT_EQ(find_condition(waiting, "Ready")->observedGeneration, 1);
}

TEST(Conditions, KeepTheirTimeWhileTheirStatusStands) {
  scene s;
  s.with_pod(make_pod());
  s.seen.object.status = *s.decide_after(1s).status;
  auto const before = find_condition(s.seen.object.status, "Reconciling")->lastTransitionTime;
  s.seen.pod = std::make_shared<kube::Pod const>(running_pod());
  s.seen.log.state = log_state::progress::following;
  s.now += 10s;
  auto const running = *s.decide_after(1s).status;
  EXPECT_EQ(find_condition(running, "Reconciling")->lastTransitionTime, before);
  EXPECT_EQ(find_condition(running, "Reconciling")->reason, "Running");
}

}  // namespace
}  // namespace codeexec::execution
