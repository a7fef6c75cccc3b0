#include "codeexec/reconciler/cached_objects.hpp"

#include <gtest/gtest.h>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "codeexec/kube_core/watch_event.hpp"

namespace codeexec::reconciler {
namespace {

using nlohmann::json;

json execution(std::string const& phase) {
  return json::parse(R"({
    "metadata": {"name": "hello", "namespace": "agents", "uid": "u", "resourceVersion": "7", "generation": 2,
                 "finalizers": ["codeexec.dev/cleanup"], "managedFields": [{"manager": "kubectl"}],
                 "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{...}"}},
    "spec": {"code": "print", "stdin": "in", "files": [{"path": "a", "content": "b"}], "timeoutSeconds": 9,
             "ttlSecondsAfterFinished": 60, "cleanupPolicy": "Retain", "cancel": true},
    "status": {"phase": ")" +
                     phase + R"(", "reason": "Completed", "jobName": "hello-1", "stdout": "1\n", "stderr": "",
               "timeline": {"captured": "2026-01-01T00:00:00.000001Z"}, "codeSHA256": "abc",
               "conditions": [{"type": "Ready", "status": "True", "reason": "r", "message": "m",
                               "lastTransitionTime": "2026-01-01T00:00:00Z"}]}})");
}

api::CodeExecution cached(json const& object) {
  auto decoded = decode_cached_execution(kube::parse_kept(object.dump(), execution_fields()));
  auto const* const failure = std::get_if<api::decode_error>(&decoded);
  EXPECT_EQ(failure, nullptr) << failure->describe();
  return failure == nullptr ? std::get<api::CodeExecution>(std::move(decoded)) : api::CodeExecution{};
}

TEST(CachedExecution, UnfinishedOneIsCachedWhole) {
  auto const object = execution("Running");
  auto expected = std::get<api::CodeExecution>(api::decode_code_execution(object));
  expected.metadata.annotations.clear();
  EXPECT_EQ(api::encode(cached(object)), api::encode(expected));
}

TEST(CachedExecution, ItsTraceIsKept) {
  auto object = execution("Running");
  object["metadata"]["annotations"]["codeexec.dev/traceparent"] = "00-1-2-01";
  object["metadata"]["annotations"]["codeexec.dev/tracestate"] = "a=b";
  EXPECT_EQ(cached(object).metadata.annotations,
            (std::map<std::string, std::string>{{"codeexec.dev/traceparent", "00-1-2-01"},
                                                {"codeexec.dev/tracestate", "a=b"}}));
}

TEST(CachedExecution, TheEndOfAStreamedListIsStillSeen) {
  auto const line = kube::decode_watch_event(
      R"({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9",
          "annotations": {"k8s.io/initial-events-end": "true", "other": "x"}}}})",
      kube::watch_projection(execution_fields()));
  auto const* const mark = std::get_if<kube::bookmark_event>(&line);
  ASSERT_NE(mark, nullptr);
  EXPECT_TRUE(mark->initial_events_end);
}

TEST(CachedExecution, FinishedOneIsCachedWithoutWhatNobodyReadsAnyMore) {
  for (std::string const phase : {"Succeeded", "Failed"}) {
    auto const e = cached(execution(phase));
    EXPECT_FALSE(e.spec.code || e.spec.stdin_ || e.status.stdout_ || e.status.stderr_);
    EXPECT_TRUE(e.spec.files.empty());
    // What cleaning up goes by.
    EXPECT_TRUE(e.status.is_final());
    EXPECT_EQ(e.spec.ttlSecondsAfterFinished, 60);
    EXPECT_EQ(e.spec.cleanupPolicy, "Retain");
    EXPECT_EQ(e.status.jobName, "hello-1");
    EXPECT_EQ(e.status.timeline->captured, "2026-01-01T00:00:00.000001Z");
    EXPECT_TRUE(e.metadata.has_finalizer("codeexec.dev/cleanup"));
  }
}

TEST(CachedExecution, OfOneThatIsFinishedAndSeenOnlyWhatCleaningUpGoesByIsKept) {
  auto object = execution("Succeeded");
  object["status"]["observedGeneration"] = 2;
  auto const e = cached(object);
  EXPECT_TRUE(e.status.is_final());
  EXPECT_EQ(e.status.observedGeneration, 2);
  EXPECT_EQ(e.spec.ttlSecondsAfterFinished, 60);
  EXPECT_EQ(e.spec.cleanupPolicy, "Retain");
  EXPECT_EQ(e.status.timeline->captured, "2026-01-01T00:00:00.000001Z");
  EXPECT_TRUE(e.metadata.has_finalizer("codeexec.dev/cleanup"));
  EXPECT_EQ(e.metadata.uid, "u");
  EXPECT_TRUE(e.status.conditions.empty());
  EXPECT_TRUE(e.status.codeSHA256.empty());
  // Its time to live may be set later: that is a newer generation, and a state of its own.
  object["metadata"]["generation"] = 3;
  EXPECT_EQ(cached(object).status.conditions.size(), 1U);
}

TEST(CachedExecution, OfAFinishedOneTheWatchReadsJustWhatIsCached) {
  auto const keep = kube::watch_projection(execution_fields(), finished_execution());
  for (std::int64_t const generation : {2, 3}) {
    auto object = execution("Failed");
    object["metadata"]["generation"] = generation;
    object["status"]["observedGeneration"] = 2;
    json const line = {{"type", "MODIFIED"}, {"object", object}};
    auto event = kube::decode_watch_event(line.dump(), keep);
    auto const& told = std::get<kube::object_event>(event).object;
    EXPECT_EQ(told["spec"].size(), 3U) << "read, to be thrown away: " << told["spec"];
    auto decoded = std::get<api::CodeExecution>(decode_cached_execution(told));
    auto const status = cached(object);
    EXPECT_EQ(decoded.metadata.finalizers, status.metadata.finalizers);
    EXPECT_EQ(decoded.spec.ttlSecondsAfterFinished, 60);
    EXPECT_EQ(decoded.spec.cleanupPolicy, "Retain");
    EXPECT_TRUE(decoded.spec.cancel);
    EXPECT_EQ(decoded.status.phase, "Failed");
    EXPECT_EQ(decoded.status.conditions, status.status.conditions);
    EXPECT_EQ(decoded.status.timeline->captured, status.status.timeline->captured);
  }
}

TEST(CachedExecution, OfAnUnfinishedOneTheWatchReadsAll) {
  auto const object = execution("Running");
  json const line = {{"type", "MODIFIED"}, {"object", object}};
  auto event = kube::decode_watch_event(line.dump(), kube::watch_projection(execution_fields(), finished_execution()));
  auto decoded = decode_cached_execution(std::get<kube::object_event>(event).object);
  EXPECT_EQ(api::encode(std::get<api::CodeExecution>(decoded)), api::encode(cached(object)));
}

TEST(CachedExecution, WrongFieldIsStillNamed) {
  auto object = execution("Succeeded");
  object["spec"]["timeoutSeconds"] = "soon";
  auto const decoded = decode_cached_execution(kube::parse_kept(object.dump(), execution_fields()));
  ASSERT_TRUE(std::holds_alternative<api::decode_error>(decoded));
  EXPECT_EQ(std::get<api::decode_error>(decoded).field, "spec.timeoutSeconds");
}

TEST(CachedObjects, PodIsFoundByItsExecutionAndJobsKeepWhatTheyWereMadeFor) {
  auto const object = json::parse(R"({"metadata": {"name": "n", "namespace": "agents", "uid": "u",
      "labels": {"codeexec.dev/execution-uid": "e", "job-name": "n"},
      "annotations": {"codeexec.dev/input": "i", "codeexec.dev/token": "t"},
      "ownerReferences": [{"kind": "Job", "name": "n", "uid": "j", "controller": true}]},
    "spec": {"containers": [{"name": "code"}], "nodeName": "node"}, "status": {"phase": "Running"}})");
  auto const pod = kube::parse_kept(object.dump(), pod_fields());
  EXPECT_EQ(pod["metadata"]["labels"], json::parse(R"({"codeexec.dev/execution-uid": "e"})"));
  EXPECT_EQ(pod["metadata"]["ownerReferences"], object["metadata"]["ownerReferences"]);
  EXPECT_EQ(pod["spec"].dump(), R"({"containers":[{"name":"code"}],"nodeName":"node"})");
  EXPECT_EQ(pod["metadata"]["annotations"], json::parse(R"({"codeexec.dev/token": "t"})"));
  auto const job = kube::parse_kept(object.dump(), job_fields());
  EXPECT_EQ(job["metadata"]["annotations"], object["metadata"]["annotations"]);
  EXPECT_FALSE(job["metadata"].contains("labels"));
}

TEST(CachedObjects, OfConditionsThoseAreKeptThatSomethingIsDecidedBy) {
  auto object = json::parse(R"({"metadata": {"name": "n"}, "status": {"conditions": [
      {"type": "PodReadyToStartContainers", "status": "True"}, {"type": "PodScheduled", "status": "False", "message": "m"},
      {"type": "Ready", "status": "False"}, {"type": "DisruptionTarget", "status": "True", "reason": "r"}]}})");
  EXPECT_EQ(kube::parse_kept(object.dump(), pod_fields())["status"].dump(),
            R"({"conditions":[{"message":"m","status":"False","type":"PodScheduled"},)"
            R"({"reason":"r","status":"True","type":"DisruptionTarget"}]})");
  object["status"]["conditions"] = json::parse(R"([{"type": "SuccessCriteriaMet"}, {"type": "FailureTarget"},
      {"type": "Complete"}, {"type": "Failed"}])");
  EXPECT_EQ(kube::parse_kept(object.dump(), job_fields())["status"].dump(),
            R"({"conditions":[{"type":"FailureTarget"},{"type":"Complete"},{"type":"Failed"}]})");
}

}  // namespace
}  // namespace codeexec::reconciler
