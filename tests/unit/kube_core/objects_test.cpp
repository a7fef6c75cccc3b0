// Pods, Jobs and Events as a real cluster writes them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>

#include "codeexec/kube_core/core_event.hpp"
#include "codeexec/kube_core/job.hpp"
#include "codeexec/kube_core/pod.hpp"

#include "transcripts.hpp"

namespace {
using namespace codeexec::kube;
using codeexec::api::decode_error;
using codeexec::testing::transcript;
using nlohmann::json;

template <class T>
T decoded(std::variant<T, decode_error> value) {
  auto const* const failure = std::get_if<decode_error>(&value);
  EXPECT_EQ(failure, nullptr) << failure->describe();
  return failure == nullptr ? std::get<T>(std::move(value)) : T{};
}

/// The last recorded state of each Pod, by the name of its Job.
std::map<std::string, Pod> last_pods() {
  std::map<std::string, Pod> last;
  for (auto const& line : transcript("watch-pods.jsonl")) {
    auto pod = decoded(decode_pod(line["object"]));
    last[pod.metadata.labels["batch.kubernetes.io/job-name"]] = pod;
  }
  return last;
}

TEST(Pod, RecordedEndsAreReadAsTheyWere) {
  auto const pods = last_pods();
  auto const ended = [&](std::string const& job) { return *pods.at(job).status.container("code")->state.terminated; };
  EXPECT_EQ(ended("ok").exitCode, 0);
  EXPECT_EQ(ended("ok").reason, "Completed");
  EXPECT_EQ(ended("ok").message, "{\"exitCode\":0}");
  EXPECT_TRUE(ended("ok").startedAt.has_value());
  EXPECT_TRUE(ended("ok").finishedAt.has_value());
  EXPECT_EQ(ended("fails").exitCode, 3);
  EXPECT_EQ(ended("oom").reason, "OOMKilled");
  EXPECT_EQ(pods.at("ok").status.phase, "Succeeded");
  EXPECT_EQ(pods.at("ok").spec.nodeName, "real-node");
  EXPECT_EQ(pods.at("ok").spec.runtimeClassName, "gvisor");
  EXPECT_THAT(pods.at("ok").status.container("code")->imageID, testing::Not(testing::IsEmpty()));
}

TEST(Pod, RecordedObstaclesAreReadAsTheyWere) {
  auto const pods = last_pods();
  auto const& waiting = pods.at("badimage").status.container("code")->state.waiting;
  ASSERT_TRUE(waiting);
  EXPECT_EQ(waiting->reason, "ImagePullBackOff");
  EXPECT_THAT(waiting->message, testing::HasSubstr("localhost/none:1"));

  auto const& huge = pods.at("huge");
  auto const* const scheduled = huge.status.condition("PodScheduled");
  ASSERT_NE(scheduled, nullptr);
  EXPECT_EQ(scheduled->status, "False");
  EXPECT_EQ(scheduled->reason, "Unschedulable");
  EXPECT_THAT(scheduled->message, testing::HasSubstr("Insufficient cpu"));
  EXPECT_EQ(huge.spec.nodeName, "");
  EXPECT_EQ(huge.status.container("code"), nullptr);
}

TEST(Pod, EndIsVisibleInTheContainerBeforeItIsInThePhase) {
  bool seen = false;
  for (auto const& line : transcript("watch-pods.jsonl")) {
    auto const pod = decoded(decode_pod(line["object"]));
    auto const* const code = pod.status.container("code");
    seen = seen || (pod.status.phase == "Running" && code != nullptr && code->state.terminated.has_value());
  }
  EXPECT_TRUE(seen);
}

TEST(Pod, OwnerIsTheJob) {
  for (auto const& [job, pod] : last_pods()) {
    ASSERT_NE(pod.metadata.controller_owner(), nullptr);
    EXPECT_EQ(pod.metadata.controller_owner()->kind, "Job");
    EXPECT_EQ(pod.metadata.controller_owner()->name, job);
  }
}

TEST(Job, RecordedEndsAreReadAsTheyWere) {
  std::map<std::string, Job> last;
  for (auto const& line : transcript("watch-jobs.jsonl")) {
    auto job = decoded(decode_job(line["object"]));
    last[job.metadata.name] = job;
  }
  EXPECT_TRUE(last["ok"].status.is_complete());
  EXPECT_EQ(last["ok"].status.succeeded, 1);
  EXPECT_TRUE(last["ok"].status.startTime && last["ok"].status.completionTime);
  EXPECT_TRUE(last["fails"].status.has_failed());
  EXPECT_EQ(last["fails"].status.condition("Failed")->reason, "BackoffLimitExceeded");
  EXPECT_TRUE(last["slow"].status.has_failed());
  EXPECT_EQ(last["slow"].status.condition("Failed")->reason, "DeadlineExceeded");
  EXPECT_FALSE(last["badimage"].status.is_complete() || last["badimage"].status.has_failed());
  EXPECT_EQ(last["badimage"].status.active, 1);
  EXPECT_EQ(last["nopod"].status.active, 0);
}

TEST(Job, OneThatIsAboutToFailHasNotFailedYet) {
  bool seen = false;
  for (auto const& line : transcript("watch-jobs.jsonl")) {
    auto const job = decoded(decode_job(line["object"]));
    if (job.status.condition("FailureTarget") != nullptr && job.status.condition("Failed") == nullptr) {
      seen = true;
      EXPECT_FALSE(job.status.has_failed());
    }
  }
  EXPECT_TRUE(seen);
}

TEST(CoreEvent, RecordedEventsSayWhyAJobGotNoPod) {
  std::map<std::string, CoreEvent> failures;
  for (auto const& document : transcript("events.jsonl")) {
    auto event = decoded(decode_core_event(document));
    EXPECT_FALSE(event.reason.empty());
    EXPECT_GE(event.count, 1);
    EXPECT_TRUE(event.last_seen().has_value());
    EXPECT_FALSE(event.reportingComponent.empty());
    if (event.reason == "FailedCreate") failures[event.involvedObject.name] = event;
  }
  EXPECT_THAT(failures.at("nopod").message, testing::HasSubstr("RuntimeClass \"absent\" not found"));
  EXPECT_THAT(failures.at("loose").message, testing::HasSubstr("violates PodSecurity"));
  EXPECT_THAT(failures.at("overquota").message, testing::HasSubstr("exceeded quota"));
  for (auto const& [job, event] : failures) {
    EXPECT_TRUE(event.is_warning());
    EXPECT_EQ(event.involvedObject.kind, "Job");
    EXPECT_FALSE(event.involvedObject.uid.empty());
  }
}

TEST(CoreEvent, NewerSpellingReadsTheSame) {
  auto const event = decoded(decode_core_event(json::parse(R"({
    "metadata": {"name": "x", "namespace": "a"}, "regarding": {"kind": "Job", "name": "j", "namespace": "a", "uid": "u"},
    "reason": "FailedCreate", "note": "no", "type": "Warning", "eventTime": "2026-01-01T00:00:00.000001Z",
    "series": {"count": 4, "lastObservedTime": "2026-01-02T00:00:00.000000Z"}, "reportingController": "job-controller",
    "deprecatedFirstTimestamp": null})")));
  EXPECT_EQ(event.involvedObject.name, "j");
  EXPECT_EQ(event.message, "no");
  EXPECT_EQ(event.count, 4);
  EXPECT_EQ(event.reportingComponent, "job-controller");
  EXPECT_EQ(event.last_seen(), codeexec::base::parse_time("2026-01-02T00:00:00Z"));
}

std::string pod_failure(std::string_view text) {
  auto const result = decode_pod(json::parse(text));
  auto const* const failure = std::get_if<decode_error>(&result);
  return failure == nullptr ? "" : failure->describe();
}

TEST(Pod, FieldOfTheWrongTypeIsNamed) {
  EXPECT_EQ(
      pod_failure(
          R"({"metadata":{"name":"a"},"status":{"containerStatuses":[{},{"state":{"terminated":{"exitCode":"1"}}}]}})"),
      "status.containerStatuses[1].state.terminated.exitCode: expected an integer, got a string");
  EXPECT_EQ(pod_failure(R"({"metadata":{"name":"a"},"status":{"startTime":"yesterday"}})"),
            "status.startTime: expected an RFC 3339 time, got another string");
  EXPECT_EQ(pod_failure(R"({"metadata":{"name":"a"},"status":[]})"), "status: expected an object, got an array");
  EXPECT_EQ(pod_failure(R"({"metadata":{"name":"a"},"status":{"conditions":{}}})"),
            "status.conditions: expected an array, got an object");
  EXPECT_EQ(pod_failure(R"({"status":{}})"), "metadata: is missing");
  EXPECT_NE(pod_failure("3"), "");
}

TEST(Pod, NullAndUnknownFieldsAreNoMatter) {
  EXPECT_EQ(
      pod_failure(R"({"metadata":{"name":"a"},"spec":null,"status":{"startTime":null,"conditions":null,"new":{}}})"),
      "");
}

TEST(Pod, AContainerThatWasNeverMadeHasNotEnded) {
  auto const decoded_container = [](char const* status) {
    auto const pod = decode_pod(
        json{{"metadata", {{"name", "a"}}}, {"status", {{"containerStatuses", json::array({json::parse(status)})}}}});
    return std::get<Pod>(pod).status.containerStatuses.at(0);
  };
  auto const never_made = decoded_container(
      R"({"name":"code","imageID":"","state":{"terminated":{"exitCode":137,"reason":"ContainerStatusUnknown",
          "message":"The container could not be located when the pod was terminated","startedAt":null,"finishedAt":null}}})");
  EXPECT_EQ(never_made.ended(), nullptr);
  auto const lost = decoded_container(
      R"({"name":"code","imageID":"sha256:1","state":{"terminated":{"exitCode":137,"reason":"ContainerStatusUnknown",
          "message":"The container could not be located when the pod was terminated","startedAt":null,"finishedAt":null}}})");
  EXPECT_NE(lost.ended(), nullptr) << "it ran, and its node lost it";
  EXPECT_EQ(decoded_container(R"({"name":"code","state":{"waiting":{"reason":"ContainerCreating"}}})").ended(),
            nullptr);
  EXPECT_NE(decoded_container(R"({"name":"code","state":{"terminated":{"exitCode":0,"reason":"Completed"}}})").ended(),
            nullptr);
}

}  // namespace
