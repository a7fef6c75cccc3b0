// What is not named is not kept, and what is kept reads as if all had been.
#include "codeexec/kube_core/projection.hpp"

#include <gtest/gtest.h>

#include "codeexec/kube_core/job.hpp"
#include "codeexec/kube_core/json.hpp"
#include "codeexec/kube_core/list.hpp"
#include "codeexec/kube_core/pod.hpp"
#include "codeexec/kube_core/watch_event.hpp"

#include "transcripts.hpp"

namespace {
using namespace codeexec::kube;
using nlohmann::json;

std::string kept(std::string_view text, projection const& keep) {
  auto const document = parse_kept(text, keep);
  return document.is_discarded() ? "not JSON" : document.dump();
}

TEST(Projection, KeepsWhatIsNamedAndDropsTheRest) {
  projection const keep{{"metadata", {"name", "labels"}}, {"spec", {{"containers", {"image"}}}}};
  EXPECT_EQ(kept(R"({"kind":"Pod","metadata":{"managedFields":[{"fieldsV1":{"f:metadata":{"f:name":{}}}}],"name":"a",
                     "labels":{"x":"1","name":"2"},"uid":"u"},
                     "spec":{"containers":[{"name":"c","image":"i","env":[{"image":"no"}]},{"image":"j"},{"name":"d"}],
                             "image":"no"},"status":{"metadata":{"name":"no"}}})",
                 keep),
            R"({"metadata":{"labels":{"name":"2","x":"1"},"name":"a"},)"
            R"("spec":{"containers":[{"image":"i"},{"image":"j"},{}]}})");
}

TEST(Projection, EmptyOneKeepsEverything) {
  for (auto const& line : codeexec::testing::transcript_lines("watch-pods.jsonl"))
    EXPECT_EQ(parse_kept(line, {}), json::parse(line));
}

TEST(Projection, ValuesOfEveryTypeArriveAsTheyWere) {
  auto const text = R"([null,true,-1,18446744073709551615,1.5,"\u00fc\ud83d\ude00",[],{},[[{"a":[1]}]]])";
  EXPECT_EQ(parse_kept(text, {}), json::parse(text));
  EXPECT_EQ(kept("3", {"a"}), "3");
  EXPECT_EQ(kept(R"(["a",{"a":1,"b":2}])", {"a"}), R"(["a",{"a":1}])");
}

TEST(Projection, NumbersBeyond64BitsAreReadWhereverTheyStand) {
  // simdjson refuses the whole text for one of them; the API server stores them in fields that it does not know.
  auto const text = R"({"a":"kept","b":{"huge":18446744073709551616,"least":-9223372036854775809},"c":[1]})";
  EXPECT_EQ(parse_answer(text), json::parse(text));
  EXPECT_EQ(kept(text, {"a", "c"}), R"({"a":"kept","c":[1]})");
  std::vector<std::string> seen;
  auto const rest =
      parse_kept(R"({"items":[{"a":1,"b":123456789012345678901234567890},{"a":2}],"metadata":{}})",
                 {{"items", {"a"}}, "metadata"}, "items", [&](json&& one) { seen.push_back(one.dump()); });
  EXPECT_EQ(seen, (std::vector<std::string>{R"({"a":1})", R"({"a":2})"}));
  EXPECT_EQ(rest.dump(), R"({"items":[],"metadata":{}})");
  auto const event = decode_watch_event(
      R"({"type":"MODIFIED","object":{"metadata":{"name":"n","resourceVersion":"7","generation":18446744073709551616}}})");
  ASSERT_TRUE(std::holds_alternative<object_event>(event));
  EXPECT_EQ(std::get<object_event>(event).resource_version, "7");
}

TEST(Projection, FieldOfAnotherTypeThanExpectedStaysWhatItIs) {
  EXPECT_EQ(kept(R"({"metadata":[1],"spec":7})", {{"metadata", {"name"}}, {"spec", {"x"}}}),
            R"({"metadata":[1],"spec":7})");
}

TEST(Projection, WhatIsNoJsonIsDiscardedWhereverItIsWrong) {
  projection const keep{{"metadata", {"name"}}};
  std::string const whole = R"({"metadata":{"name":"a"},"spec":{"x":[1,2,{"y":"z"}]}})";
  EXPECT_NE(kept(whole, keep), "not JSON");
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_EQ(kept(std::string_view(whole).substr(0, size), keep), "not JSON") << size;
  EXPECT_EQ(kept(whole + "}", keep), "not JSON");
  EXPECT_EQ(kept(R"({"spec":nul})", keep), "not JSON") << "in what is dropped, too";
}

TEST(Projection, NestingIsBoundedInWhatIsKeptAndDoesNotMatterInWhatIsDropped) {
  std::string const deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_EQ(kept("{\"a\":" + deep + ",\"b\":1}", {"b"}), R"({"b":1})");
  EXPECT_EQ(kept("{\"a\":" + deep + ",\"b\":1}", {"a"}), "not JSON");
}

TEST(Projection, ElementsOfAListAreHandedOverOneByOne) {
  std::vector<std::string> seen;
  auto const rest =
      parse_kept(R"({"items":[{"a":1,"b":2},{"a":[{"items":[1]}]},3,null],"metadata":{"items":[1,2]}})",
                 {{"items", {"a"}}, "metadata"}, "items", [&](json&& one) { seen.push_back(one.dump()); });
  EXPECT_EQ(seen, (std::vector<std::string>{R"({"a":1})", R"({"a":[{"items":[1]}]})", "3", "null"}));
  EXPECT_EQ(rest.dump(), R"({"items":[],"metadata":{"items":[1,2]}})");
}

TEST(Projection, WhoIsGivenAnElementMayReadAnother) {
  // Short and long texts have parsers of their own; each may be read while another of either length is.
  auto const page = [](std::string const& padding) {
    return R"({"items":[{"name":"a","x":")" + padding + R"("},{"name":"b","x":")" + padding + R"("}],"last":"here"})";
  };
  std::string const texts[] = {page("short"), page(std::string(200'000, 'l'))};
  projection const keep{{"items", {"name"}}, "last"};
  for (int round = 0; round < 2; ++round) {
    for (auto const& outer : texts) {
      std::string seen;
      auto const rest = parse_kept(outer, keep, "items", [&](json&& one) {
        seen += one["name"].get<std::string>();
        for (auto const& inner : texts) {
          auto const within = parse_kept(inner, keep, "items", [&](json&& other) { seen += other["name"]; });
          seen += within["last"] == "here" ? "+" : "?";
        }
      });
      EXPECT_EQ(seen, "aab+ab+bab+ab+");
      EXPECT_EQ(rest.dump(), R"({"items":[],"last":"here"})");
    }
  }
}

TEST(Projection, ListWithItsMetadataLastIsReadAsWell) {
  int items = 0;
  auto const at =
      decode_list(R"({"items":[{"metadata":{"name":"a"}}],"metadata":{"resourceVersion":"7","continue":"t"}})",
                  list_projection(pod_fields()), [&](json&&) { ++items; });
  ASSERT_TRUE(at);
  EXPECT_EQ(items, 1);
  EXPECT_EQ(at->resource_version, "7");
  EXPECT_EQ(at->continue_token, "t");
}

TEST(Projection, AnswersAreReadAsDeepAsAnyKindAndNoDeeper) {
  auto const nested = [](std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); };
  EXPECT_EQ(parse_answer(nested(deepest_answer)), json::parse(nested(deepest_answer)));
  EXPECT_TRUE(parse_answer(nested(deepest_answer + 1)).is_discarded());
  EXPECT_TRUE(parse_answer(nested(100'000)).is_discarded());
  EXPECT_TRUE(parse_answer(std::string(100'000, '{')).is_discarded());
  EXPECT_EQ(parse_answer(R"([{"a":[1]},[],{"b":{}}])"), json::parse(R"([{"a":[1]},[],{"b":{}}])"));
}

TEST(Projection, ErrorsAndBookmarksOfAWatchAreReadThroughIt) {
  auto const keep = watch_projection(pod_fields());
  int ends = 0;
  int errors = 0;
  for (auto const& line : codeexec::testing::transcript_lines("watch-widgets.jsonl")) {
    auto const pruned = decode_watch_event(line, keep);
    auto const whole = decode_watch_event(line);
    EXPECT_EQ(pruned.index(), whole.index()) << line;
    if (auto const* const bookmark = std::get_if<bookmark_event>(&pruned)) ends += bookmark->initial_events_end ? 1 : 0;
    if (auto const* const failure = std::get_if<error_event>(&pruned)) {
      ++errors;
      EXPECT_EQ(failure->status.describe(), std::get<error_event>(whole).status.describe());
      EXPECT_TRUE(failure->status.is_gone());
    }
  }
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(errors, 1);
  auto const busy = decode_watch_event(
      R"({"type":"ERROR","object":{"kind":"Status","code":429,"message":"slow","details":{"retryAfterSeconds":9}}})",
      keep);
  EXPECT_EQ(std::get<error_event>(busy).status.retry_after(), std::chrono::seconds(9));
}

/// Every field that a decoder reads, with a value that differs from "absent".
json const full_metadata = json::parse(R"({
  "name": "n", "generateName": "g", "namespace": "ns", "uid": "u", "resourceVersion": "5", "generation": 3,
  "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-02T00:00:00Z", "labels": {"l": "1"},
  "annotations": {"a": "1"}, "finalizers": ["f"], "managedFields": [{"manager": "m"}],
  "ownerReferences": [{"apiVersion": "v", "kind": "k", "name": "o", "uid": "ou", "controller": true,
                       "blockOwnerDeletion": true}]})");
json const full_conditions = json::parse(R"([{"type": "t", "status": "True", "observedGeneration": 3,
  "lastTransitionTime": "2026-01-01T00:00:00Z", "lastProbeTime": null, "reason": "r", "message": "m"}])");

void expect_same(codeexec::api::ObjectMeta const& a, codeexec::api::ObjectMeta const& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.namespace_, b.namespace_);
  EXPECT_EQ(a.uid, b.uid);
  EXPECT_EQ(a.resourceVersion, b.resourceVersion);
  EXPECT_EQ(a.generation, b.generation);
  EXPECT_EQ(a.creationTimestamp, b.creationTimestamp);
  EXPECT_EQ(a.deletionTimestamp, b.deletionTimestamp);
  EXPECT_EQ(a.labels, b.labels);
  EXPECT_EQ(a.finalizers, b.finalizers);
  ASSERT_EQ(a.ownerReferences.size(), b.ownerReferences.size());
  for (std::size_t i = 0; i < a.ownerReferences.size(); ++i) {
    EXPECT_EQ(a.ownerReferences[i].uid, b.ownerReferences[i].uid);
    EXPECT_EQ(a.ownerReferences[i].kind, b.ownerReferences[i].kind);
    EXPECT_EQ(a.ownerReferences[i].controller, b.ownerReferences[i].controller);
    EXPECT_EQ(a.ownerReferences[i].apiVersion, b.ownerReferences[i].apiVersion);
  }
}

template <class T>
T read(std::variant<T, codeexec::api::decode_error> decoded) {
  auto const* const failure = std::get_if<codeexec::api::decode_error>(&decoded);
  EXPECT_EQ(failure, nullptr) << failure->describe();
  return failure == nullptr ? std::get<T>(std::move(decoded)) : T{};
}

void expect_same_pod(json const& object) {
  auto const whole = read(decode_pod(object));
  auto const pruned = read(decode_pod(parse_kept(object.dump(), pod_fields())));
  expect_same(whole.metadata, pruned.metadata);
  EXPECT_EQ(whole.spec.nodeName, pruned.spec.nodeName);
  EXPECT_EQ(whole.spec.runtimeClassName, pruned.spec.runtimeClassName);
  ASSERT_EQ(whole.spec.containers.size(), pruned.spec.containers.size());
  for (std::size_t i = 0; i < whole.spec.containers.size(); ++i) {
    EXPECT_EQ(whole.spec.containers[i].name, pruned.spec.containers[i].name);
    EXPECT_EQ(whole.spec.containers[i].image, pruned.spec.containers[i].image);
  }
  EXPECT_EQ(whole.status.phase, pruned.status.phase);
  EXPECT_EQ(whole.status.reason, pruned.status.reason);
  EXPECT_EQ(whole.status.message, pruned.status.message);
  EXPECT_EQ(whole.status.startTime, pruned.status.startTime);
  EXPECT_EQ(whole.status.conditions, pruned.status.conditions);
  ASSERT_EQ(whole.status.containerStatuses.size(), pruned.status.containerStatuses.size());
  for (std::size_t i = 0; i < whole.status.containerStatuses.size(); ++i) {
    auto const& a = whole.status.containerStatuses[i];
    auto const& b = pruned.status.containerStatuses[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.image, b.image);
    EXPECT_EQ(a.imageID, b.imageID);
    EXPECT_EQ(a.restartCount, b.restartCount);
    EXPECT_EQ(a.state.waiting.has_value(), b.state.waiting.has_value());
    EXPECT_EQ(a.state.running.has_value(), b.state.running.has_value());
    ASSERT_EQ(a.state.terminated.has_value(), b.state.terminated.has_value());
    if (!a.state.terminated) continue;
    EXPECT_EQ(a.state.terminated->exitCode, b.state.terminated->exitCode);
    EXPECT_EQ(a.state.terminated->signal, b.state.terminated->signal);
    EXPECT_EQ(a.state.terminated->reason, b.state.terminated->reason);
    EXPECT_EQ(a.state.terminated->message, b.state.terminated->message);
    EXPECT_EQ(a.state.terminated->finishedAt, b.state.terminated->finishedAt);
  }
}

TEST(Projection, PodReadFromWhatIsKeptIsThePodReadFromAll) {
  for (auto const& line : codeexec::testing::transcript("watch-pods.jsonl"))
    expect_same_pod(line["object"]);
  expect_same_pod({{"metadata", full_metadata},
                   {"spec",
                    {{"nodeName", "n"},
                     {"runtimeClassName", "gvisor"},
                     {"containers", {{{"name", "code"}, {"image", "i:1"}, {"args", {"a"}}}}}}},
                   {"status",
                    {{"phase", "Failed"},
                     {"reason", "Evicted"},
                     {"message", "m"},
                     {"startTime", "2026-01-01T00:00:00Z"},
                     {"conditions", full_conditions},
                     {"containerStatuses",
                      {{{"name", "code"},
                        {"image", "i"},
                        {"imageID", "id"},
                        {"restartCount", 2},
                        {"state",
                         {{"terminated",
                           {{"exitCode", 1},
                            {"signal", 9},
                            {"reason", "r"},
                            {"message", "m"},
                            {"finishedAt", "2026-01-01T00:00:00Z"}}}}}}}}}}});
}

void expect_same_job(json const& object) {
  auto const whole = read(decode_job(object));
  auto const pruned = read(decode_job(parse_kept(object.dump(), job_fields())));
  expect_same(whole.metadata, pruned.metadata);
  EXPECT_EQ(whole.metadata.annotations, pruned.metadata.annotations);
  EXPECT_EQ(whole.spec.suspend, pruned.spec.suspend);
  EXPECT_EQ(whole.spec.activeDeadlineSeconds, pruned.spec.activeDeadlineSeconds);
  EXPECT_EQ(whole.status.active, pruned.status.active);
  EXPECT_EQ(whole.status.succeeded, pruned.status.succeeded);
  EXPECT_EQ(whole.status.failed, pruned.status.failed);
  EXPECT_EQ(whole.status.terminating, pruned.status.terminating);
  EXPECT_EQ(whole.status.startTime, pruned.status.startTime);
  EXPECT_EQ(whole.status.completionTime, pruned.status.completionTime);
  EXPECT_EQ(whole.status.conditions, pruned.status.conditions);
}

TEST(Projection, JobReadFromWhatIsKeptIsTheJobReadFromAll) {
  for (auto const& line : codeexec::testing::transcript("watch-jobs.jsonl"))
    expect_same_job(line["object"]);
  expect_same_job({{"metadata", full_metadata},
                   {"spec", {{"suspend", true}, {"activeDeadlineSeconds", 9}}},
                   {"status",
                    {{"active", 1},
                     {"succeeded", 2},
                     {"failed", 3},
                     {"terminating", 4},
                     {"startTime", "2026-01-01T00:00:00Z"},
                     {"completionTime", "2026-01-02T00:00:00Z"},
                     {"conditions", full_conditions}}}});
}

}  // namespace
