#include "codeexec/runtime/controller.hpp"

#include <gmock/gmock.h>
#include <map>
#include <set>
#include <stdexcept>

#include "codeexec/async/deadline.hpp"

#include "loop_fixture.hpp"

namespace codeexec::runtime {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// Does what the test says about a key, and watches that the controller keeps its promises.
class scripted_reconciler final : public reconciler {
 public:
  explicit scripted_reconciler(boost::asio::any_io_executor const& executor) : gate(executor) { gate.set(); }

  kube::task<outcome> reconcile(object_key key, std::string reconcile_id) override {
    auto const name = key.describe();
    EXPECT_TRUE(running.insert(name).second) << name << " is reconciled twice at once";
    most_at_once = std::max(most_at_once, running.size());
    ids.insert(reconcile_id);
    started.push_back(name);
    struct leave {
      scripted_reconciler& self;
      std::string name;
      ~leave() { self.running.erase(name); }
    };
    leave const at_end{*this, name};
    if (!gate.is_set()) {
      auto const open = co_await gate.wait();
      if (!open) {
        cancelled.push_back(name);
        co_return outcome::done();
      }
    }
    finished.push_back(name);
    if (on_pass) co_return on_pass(key);
    co_return outcome::done();
  }

  async::event gate;  ///< passes wait here while it is not set
  std::function<outcome(object_key const&)> on_pass;
  std::set<std::string> running;
  std::size_t most_at_once = 0;
  std::set<std::string> ids;
  std::vector<std::string> started;
  std::vector<std::string> finished;
  std::vector<std::string> cancelled;
};

class fake_source final : public informer_base {
 public:
  fake_source(boost::asio::any_io_executor const& executor, std::string name)
      : informer_base(executor, std::move(name)) {}
  using informer_base::set_synced;
};

class Controller : public loop_fixture {
 protected:
  ~Controller() override {
    if (loop) testing::run_coro(io, loop->stop(0s));
  }
  void make(controller_options options = {}) {
    options.queue.backoff_initial = 1ms;
    options.queue.backoff_maximum = 2ms;
    loop = std::make_unique<controller>(io.get_executor(), work, base::system_clock(), base::rng(1), options);
  }
  void start(controller_options options = {}) {
    make(std::move(options));
    loop->start({});
    settle();
  }
  void add(std::string name, priority p = priority::normal) { loop->enqueue({"ns", std::move(name)}, p); }

  scripted_reconciler work{io.get_executor()};
  std::unique_ptr<controller> loop;
};

TEST_F(Controller, NothingIsReconciledBeforeEveryStoreHasSynced) {
  fake_source pods(io.get_executor(), "pods");
  fake_source jobs(io.get_executor(), "jobs");
  make();
  loop->start({&pods, &jobs});
  add("a");
  jobs.set_synced();
  settle();
  EXPECT_THAT(work.started, IsEmpty());
  EXPECT_FALSE(loop->has_started_passes());
  pods.set_synced();
  settle();
  EXPECT_THAT(work.finished, ElementsAre("ns/a"));
}

TEST_F(Controller, ManyKeysAreInFlightAtOnceUpToTheLimit) {
  controller_options options;
  options.concurrency = 10;
  work.gate.reset();
  start(options);
  for (int i = 0; i < 25; ++i)
    add(std::to_string(i));
  settle();
  EXPECT_EQ(loop->in_flight(), 10U);
  work.gate.set();
  settle();
  EXPECT_THAT(work.finished, SizeIs(25));
  EXPECT_EQ(work.most_at_once, 10U);
  EXPECT_EQ(loop->in_flight(), 0U);
}

TEST_F(Controller, ChangeDuringAPassLeadsToAnotherPassAndNeverToTwoAtOnce) {
  work.gate.reset();
  start();
  add("a");
  settle();
  add("a");
  add("a");
  settle();
  EXPECT_EQ(loop->in_flight(), 1U);
  work.gate.set();
  settle();
  EXPECT_THAT(work.finished, ElementsAre("ns/a", "ns/a"));
}

TEST_F(Controller, EveryPassHasAnIdOfItsOwn) {
  start();
  for (int i = 0; i < 200; ++i)
    add(std::to_string(i));
  ASSERT_TRUE(until([&] { return work.finished.size() == 200; }));
  EXPECT_THAT(work.ids, SizeIs(200));
}

TEST_F(Controller, FailedPassIsTriedAgainUntilItSucceeds) {
  int failures = 3;
  work.on_pass = [&](object_key const&) {
    return failures-- > 0 ? outcome::retry("the server is busy") : outcome::done();
  };
  start();
  add("a");
  ASSERT_TRUE(until([&] { return work.finished.size() == 4; }));
  settle();
  EXPECT_EQ(loop->counters().retries, 3U);
  EXPECT_EQ(loop->counters().passes, 4U);
  EXPECT_EQ(loop->queue().known(), 0U) << "success is not remembered as failure";
}

TEST_F(Controller, PassThatThrowsIsCountedAndTriedAgainAndHurtsNobodyElse) {
  int bugs = 2;
  work.on_pass = [&](object_key const& key) {
    if (key.name == "bug" && bugs-- > 0) throw std::logic_error("out of range");
    return outcome::done();
  };
  start();
  add("bug");
  add("fine");
  ASSERT_TRUE(until([&] { return work.finished.size() == 4; }));
  EXPECT_EQ(loop->counters().exceptions, 2U);
  EXPECT_EQ(std::count(work.finished.begin(), work.finished.end(), "ns/fine"), 1);
}

TEST_F(Controller, RetryWaitsAsLongAsTheServerAsked) {
  work.on_pass = [&](object_key const&) {
    return outcome::retry(kube::error::from_status(429, "", std::chrono::seconds(3600)));
  };
  start();
  auto const before = base::system_clock().steady_now();
  add("a");
  ASSERT_TRUE(until([&] { return loop->counters().retries == 1; }));
  ASSERT_TRUE(loop->queue().next_due());
  EXPECT_GE(*loop->queue().next_due(), before + 1h);
}

TEST_F(Controller, LooksAgainWhenAPassAsksForIt) {
  work.on_pass = [&](object_key const&) {
    return work.finished.size() < 3 ? outcome::requeue_after(2ms) : outcome::requeue_after(1h);
  };
  start();
  add("a");
  ASSERT_TRUE(until([&] { return work.finished.size() == 3; }));
  settle();
  EXPECT_EQ(loop->counters().requeues, 3U);
  EXPECT_EQ(loop->queue().delayed(), 1U);
}

TEST_F(Controller, DelayedKeyWakesASleepingController) {
  start();
  loop->enqueue_after({"ns", "late"}, priority::normal, 1h);
  settle();
  loop->enqueue_after({"ns", "soon"}, priority::normal, 3ms);
  ASSERT_TRUE(until([&] { return !work.finished.empty(); }));
  EXPECT_THAT(work.finished, ElementsAre("ns/soon"));
}

TEST_F(Controller, WhatEndsAnExecutionOvertakesAFloodOfWhatStartsOne) {
  controller_options options;
  options.concurrency = 1;
  work.gate.reset();
  start(options);
  for (int i = 0; i < 1000; ++i)
    add("start-" + std::to_string(i));
  settle();
  add("end", priority::high);
  work.gate.set();
  ASSERT_TRUE(until([&] { return work.finished.size() == 1001; }));
  EXPECT_EQ(work.finished[1], "ns/end");
}

TEST_F(Controller, FloodOfPassesThatNeverWaitLetsOtherWorkHaveItsTurn) {
  start();
  for (int i = 0; i < 10'000; ++i)
    add(std::to_string(i));
  std::size_t finished_before_the_post = 0;
  boost::asio::post(io, [&] { finished_before_the_post = work.finished.size(); });
  ASSERT_TRUE(until([&] { return work.finished.size() == 10'000; }));
  EXPECT_LT(finished_before_the_post, 1000U);
}

TEST_F(Controller, PassThatHangsIsCancelledAndTriedAgainWhileOthersGoOn) {
  controller_options options;
  options.pass_limit = 20ms;
  options.concurrency = 1;
  work.gate.reset();
  start(options);
  add("stuck");
  ASSERT_TRUE(until([&] { return !work.cancelled.empty(); }));
  EXPECT_THAT(work.cancelled[0], "ns/stuck");
  work.gate.set();
  add("other");
  ASSERT_TRUE(until([&] { return work.finished.size() >= 2; }));
  EXPECT_THAT(work.finished, ::testing::UnorderedElementsAre("ns/stuck", "ns/other"));
  EXPECT_GE(loop->counters().overruns, 1U);
  EXPECT_EQ(loop->counters().exceptions, 0U);
  ASSERT_TRUE(until([&] { return loop->in_flight() == 0; }));
}

TEST_F(Controller, StopFinishesWhatIsUnderWayAndTakesNothingNew) {
  controller_options options;
  options.concurrency = 2;
  work.gate.reset();
  start(options);
  for (auto const* const name : {"a", "b", "c"})
    add(name);
  settle();
  auto stopping = loop->stop(5s);
  boost::asio::post(io, [&] { work.gate.set(); });
  testing::run_coro(io, std::move(stopping));
  EXPECT_THAT(work.finished, ElementsAre("ns/a", "ns/b"));
  EXPECT_THAT(work.cancelled, IsEmpty());
}

TEST_F(Controller, StopCancelsWhatDoesNotEndWithinTheGracePeriod) {
  work.gate.reset();
  start();
  add("stuck");
  settle();
  testing::run_coro(io, loop->stop(10ms), 2s);
  EXPECT_THAT(work.finished, IsEmpty());
  EXPECT_THAT(work.cancelled, ElementsAre("ns/stuck"));
  EXPECT_EQ(loop->counters().exceptions, 0U);
}

TEST_F(Controller, StopsWhileItWaitsForStoresThatNeverSync) {
  fake_source pods(io.get_executor(), "pods");
  make();
  loop->start({&pods});
  settle();
  testing::run_coro(io, loop->stop(5s), 2s);
  EXPECT_THAT(work.started, IsEmpty());
}

}  // namespace
}  // namespace codeexec::runtime
