#include "codeexec/runtime/event_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <set>

namespace codeexec::runtime {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

kube::occurrence about(std::string name, std::string reason = "FailedCreate", std::string note = "exceeded quota") {
  kube::occurrence what;
  what.regarding = {"codeexec.dev/v1alpha1", "CodeExecution", "agents", name, "uid-of-" + name};
  what.severity = kube::event_severity::warning;
  what.reason = std::move(reason);
  what.action = "CreateJob";
  what.note = std::move(note);
  return what;
}

kube::error status(int code, char const* reason = "") {
  return kube::error::from_status(code, json{{"kind", "Status"}, {"reason", reason}, {"code", code}}.dump());
}

class EventQueue : public ::testing::Test {
 protected:
  EventQueue() { make({}); }
  void make(event_queue_options options) {
    options.field_manager = "codeexec-controller";
    queue = std::make_unique<event_queue>(kube::event_reporter{"codeexec-controller", "host-1"}, options, now());
  }
  event_queue::moment now() const { return event_queue::moment{steady, wall}; }
  void pass(std::chrono::milliseconds time) {
    steady += time;
    wall += time;
  }
  bool record(kube::occurrence what) { return queue->record(std::move(what), now()); }
  void done(std::optional<kube::error> failure = std::nullopt) { queue->conclude(failure, now()); }
  /// What was written since, all of it done by the server.
  std::vector<kube::request> written() {
    std::vector<kube::request> all;
    for (auto r = queue->take(now()); r; r = queue->take(now())) {
      all.push_back(std::move(*r));
      done();
    }
    return all;
  }
  static json body(kube::request const& r) { return json::parse(r.body); }

  base::steady_time steady{std::chrono::hours(5)};
  base::wall_time wall = *base::parse_time("2026-01-31T10:00:00Z");
  std::unique_ptr<event_queue> queue;
};

TEST_F(EventQueue, WhatHappensOnceIsOneRequestAtOnce) {
  EXPECT_TRUE(record(about("hello")));
  auto const all = written();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].method, kube::verb::post);
  EXPECT_EQ(all[0].target, "/apis/events.k8s.io/v1/namespaces/agents/events?fieldManager=codeexec-controller");
  auto const event = body(all[0]);
  EXPECT_EQ(event["regarding"]["uid"], "uid-of-hello");
  EXPECT_EQ(event["reason"], "FailedCreate");
  EXPECT_EQ(event["reportingInstance"], "host-1");
  EXPECT_EQ(event["eventTime"], "2026-01-31T10:00:00.000000Z");
  EXPECT_FALSE(event.contains("series"));
  EXPECT_TRUE(queue->is_idle());
}

TEST_F(EventQueue, TheSecondTimeMakesASeriesOfIt) {
  record(about("hello"));
  auto const name = body(written().at(0))["metadata"]["name"].get<std::string>();
  pass(5s);
  record(about("hello"));
  auto const all = written();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].method, kube::verb::patch);
  EXPECT_EQ(all[0].content_type, "application/merge-patch+json");
  EXPECT_THAT(all[0].target, ::testing::HasSubstr("/events/" + name + "?"));
  EXPECT_EQ(body(all[0]),
            json::parse(R"({"series": {"count": 2, "lastObservedTime": "2026-01-31T10:00:05.000000Z"}})"));
}

TEST_F(EventQueue, WhatHappensEverySecondCostsARequestAMinute) {
  std::size_t requests = 0;
  json last;
  for (int i = 0; i < 3600; ++i) {
    record(about("hello", "FailedCreate", "exceeded quota, used " + std::to_string(i)));
    for (auto const& r : written()) {
      ++requests;
      last = body(r);
    }
    pass(1s);
  }
  EXPECT_LE(requests, 62U);
  EXPECT_GE(requests, 55U);
  EXPECT_GE(last["series"]["count"], 3500);
  pass(60s);
  auto const rest = written();
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ(body(rest[0])["series"]["count"], 3600) << "none is lost in the end";
  EXPECT_EQ(queue->counters().folded, 3599U);
  EXPECT_EQ(queue->counters().dropped, 0U);
}

TEST_F(EventQueue, WhatHappenedWhileItWaitedIsOneRequest) {
  for (int i = 0; i < 7; ++i)
    record(about("hello"));
  auto const all = written();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(body(all[0])["series"]["count"], 7);
}

TEST_F(EventQueue, OtherReasonsAndOtherObjectsAreOtherEvents) {
  record(about("hello"));
  record(about("world"));
  record(about("hello", "OOMKilled"));
  auto again = about("hello");
  again.regarding.uid = "of its successor";
  record(again);
  std::set<std::string> names;
  for (auto const& r : written())
    names.insert(body(r)["metadata"]["name"]);
  EXPECT_EQ(names.size(), 4U) << "all in one microsecond";
}

TEST_F(EventQueue, AfterAWhileTheSameIsNewsAgain) {
  record(about("hello"));
  written();
  pass(361s);
  record(about("hello"));
  auto const all = written();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].method, kube::verb::post);
  EXPECT_EQ(queue->remembered(), 1U);
}

TEST_F(EventQueue, AFloodIsBoundedInRequestsAndInMemory) {
  event_queue_options options;
  options.most_waiting = 100;
  options.per_second = 10;
  options.burst = 20;
  make(options);
  int taken = 0;
  for (int i = 0; i < 3000; ++i)
    taken += record(about("n" + std::to_string(i))) ? 1 : 0;
  EXPECT_EQ(taken, 100);
  EXPECT_EQ(queue->counters().dropped, 2900U);
  EXPECT_EQ(written().size(), 20U) << "the burst";
  pass(1s);
  EXPECT_EQ(written().size(), 10U);
  EXPECT_EQ(queue->next_due(steady), steady + 100ms);
  for (int i = 0; i < 100; ++i) {
    pass(100ms);
    written();
  }
  EXPECT_TRUE(queue->is_idle());
  EXPECT_EQ(queue->counters().written, 100U);
}

TEST_F(EventQueue, WhatIsRememberedIsBoundedAndTheOldestGoes) {
  event_queue_options options;
  options.most_remembered = 50;
  options.per_second = 0;
  make(options);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(record(about("n" + std::to_string(i))));
    EXPECT_EQ(written().size(), 1U);
    EXPECT_LE(queue->remembered(), 50U);
  }
  record(about("n999"));
  EXPECT_EQ(written().at(0).method, kube::verb::patch) << "the newest is remembered";
  record(about("n0"));
  EXPECT_EQ(written().at(0).method, kube::verb::post);
}

TEST_F(EventQueue, OneRequestIsUnderWayAtATime) {
  record(about("a"));
  record(about("b"));
  ASSERT_TRUE(queue->take(now()));
  EXPECT_FALSE(queue->take(now()));
  EXPECT_FALSE(queue->next_due(steady));
  done();
  EXPECT_TRUE(queue->take(now()));
}

TEST_F(EventQueue, AFailureThatMayPassIsTriedAgainWithPauses) {
  record(about("a"));
  int tries = 0;
  std::string name;
  auto const begun = steady;
  while (auto const due = queue->next_due(steady)) {
    steady = std::max(steady, *due);
    auto const r = queue->take(now());
    ASSERT_TRUE(r);
    ++tries;
    auto const this_name = body(*r)["metadata"]["name"].get<std::string>();
    EXPECT_TRUE(name.empty() || name == this_name) << "a second try must not make a second Event";
    name = this_name;
    done(status(500));
  }
  EXPECT_EQ(tries, 4);
  EXPECT_EQ(steady - begun, 1s + 2s + 4s);
  EXPECT_EQ(queue->counters().dropped, 1U);
  EXPECT_EQ(queue->remembered(), 0U);
}

TEST_F(EventQueue, RetryAfterIsHonoured) {
  record(about("a"));
  queue->take(now());
  done(kube::error::from_status(429, "", std::chrono::seconds(30)));
  EXPECT_EQ(queue->next_due(steady), steady + 30s);
}

TEST_F(EventQueue, ARefusalIsNotTriedAgain) {
  for (auto const& refusal : {status(403, "Forbidden"), status(404, "NotFound"), status(422, "Invalid")}) {
    record(about("a"));
    ASSERT_TRUE(queue->take(now()));
    done(refusal);
    EXPECT_TRUE(queue->is_idle());
  }
  EXPECT_EQ(queue->counters().dropped, 3U);
}

TEST_F(EventQueue, ALostAnswerWhoseWriteWasDoneIsNoSecondEvent) {
  record(about("a"));
  queue->take(now());
  done(kube::error(kube::error_kind::connection, "reset"));
  record(about("a"));
  pass(1s);
  ASSERT_TRUE(queue->take(now()));
  done(status(409, "AlreadyExists"));
  auto const rest = written();
  ASSERT_EQ(rest.size(), 1U) << "what the first try did not say";
  EXPECT_EQ(rest[0].method, kube::verb::patch);
  EXPECT_EQ(body(rest[0])["series"]["count"], 2);
}

TEST_F(EventQueue, ASeriesWhoseEventHasExpiredBeginsAnew) {
  record(about("a"));
  auto const first = body(written().at(0))["metadata"]["name"];
  record(about("a"));
  ASSERT_TRUE(queue->take(now()));
  done(status(404, "NotFound"));
  auto const again = written();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].method, kube::verb::post);
  EXPECT_NE(body(again[0])["metadata"]["name"], first);
  EXPECT_EQ(body(again[0])["series"]["count"], 2);
}

TEST_F(EventQueue, AtTheEndEverythingIsDueAndNothingIsTriedTwice) {
  event_queue_options options;
  options.burst = 1;
  options.per_second = 0.001;
  make(options);
  for (int i = 0; i < 5; ++i)
    record(about("n" + std::to_string(i)));
  EXPECT_EQ(written().size(), 1U);
  queue->hurry();
  ASSERT_TRUE(queue->take(now()));
  done(status(500));
  EXPECT_EQ(written().size(), 3U);
  EXPECT_TRUE(queue->is_idle());
  EXPECT_EQ(queue->counters().dropped, 1U);
}

TEST_F(EventQueue, WhatIsLeftAtTheEndIsCountedAsDropped) {
  record(about("written"));
  written();
  record(about("under way"));
  queue->take(now());
  record(about("waits"));
  record(about("waits"));
  EXPECT_EQ(queue->abandon(), 2U);
  EXPECT_EQ(queue->counters().dropped, 3U);
  done();  // the answer that came too late
  EXPECT_TRUE(queue->is_idle());
}

}  // namespace
}  // namespace codeexec::runtime
