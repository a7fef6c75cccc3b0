#include "codeexec/runtime/event_recorder.hpp"

#include <gmock/gmock.h>

#include "loop_fixture.hpp"

namespace codeexec::runtime {
namespace {

using namespace std::chrono_literals;

class EventRecorder : public loop_fixture {
 protected:
  EventRecorder() {
    event_queue_options options;
    options.retry_after = 1ms;
    recorder = std::make_unique<event_recorder>(io.get_executor(), client,
                                                kube::event_reporter{"codeexec-controller", "host-1"}, options,
                                                base::system_clock());
    recorder->start();
    settle();
  }
  ~EventRecorder() override { stop(0s); }
  void stop(std::chrono::milliseconds in) { testing::run_coro(io, recorder->stop(base::deadline::after(in))); }
  void record(std::string name) {
    kube::occurrence what;
    what.regarding = {"codeexec.dev/v1alpha1", "CodeExecution", "agents", std::move(name), "uid"};
    what.reason = "OOMKilled";
    what.action = "Finish";
    what.note = "out of memory";
    recorder->record(std::move(what));
  }

  std::unique_ptr<event_recorder> recorder;
};

TEST_F(EventRecorder, WritesWhatIsRecorded) {
  client.on_send = [](kube::request const&) { return kube::result<std::string>("{}"); };
  record("a");
  record("b");
  ASSERT_TRUE(until([&] { return recorder->counters().written == 2; }));
  EXPECT_EQ(client.calls().size(), 2U);
}

TEST_F(EventRecorder, RecordingNeverWaitsForAServerThatHangs) {
  for (int i = 0; i < 5000; ++i)
    record("n" + std::to_string(i));
  settle();
  EXPECT_EQ(client.calls().size(), 1U) << "one hangs, the others wait";
  EXPECT_GT(recorder->counters().dropped, 3900U);
  EXPECT_LE(recorder->waiting(), 1000U);
}

TEST_F(EventRecorder, TriesAgainWhatMaySucceedLater) {
  client.will_send(kube::error(kube::error_kind::connect, "refused"));
  client.will_send("{}");
  record("a");
  ASSERT_TRUE(until([&] { return recorder->counters().written == 1; }));
  EXPECT_EQ(recorder->counters().dropped, 0U);
}

TEST_F(EventRecorder, AStopWritesWhatWaitsAndThenEnds) {
  client.will_send(kube::error::from_status(429, "", std::chrono::seconds(3600)));
  record("a");
  ASSERT_TRUE(until([&] { return client.calls().size() == 1; }));
  settle();
  client.on_send = [](kube::request const&) { return kube::result<std::string>("{}"); };
  record("b");
  stop(10s);
  EXPECT_EQ(recorder->counters().written, 2U);
  record("too late");
  settle();
  EXPECT_EQ(client.calls().size(), 3U);
}

TEST_F(EventRecorder, AStopDoesNotWaitLongerThanItMay) {
  record("a");
  settle();
  auto const begun = std::chrono::steady_clock::now();
  stop(20ms);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s) << "the request may take 10 s";
  EXPECT_EQ(recorder->counters().dropped, 1U);
}

}  // namespace
}  // namespace codeexec::runtime
