#include "codeexec/runtime/leader_elector.hpp"

#include <gmock/gmock.h>
#include <optional>
#include <set>

#include "codeexec/async/deadline.hpp"
#include "codeexec/runtime/guarded_client.hpp"

#include "loop_fixture.hpp"

namespace codeexec::runtime {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

/// One Lease on an API server: versions, conflicts, and faults where a test wants them.
class LeaderElector : public loop_fixture {
 protected:
  using answer = kube::result<std::string>;

  LeaderElector() {
    client.on_send = [this](kube::request const& r) -> std::optional<answer> {
      if (hang) return std::nullopt;
      if (garbage-- > 0) return answer("<html>");
      auto done = serve(r);
      if (lose_answers > 0 && r.method != kube::verb::get) {
        --lose_answers;
        return kube::error(kube::error_kind::connection, "reset");
      }
      return done;
    };
  }
  ~LeaderElector() override {
    hang = false;
    for (auto& one : candidates)
      testing::run_coro(io, one->release());
  }

  leader_elector& start(std::string identity, lease_timing timing = quick()) {
    leader_election_options options;
    options.ns = "codeexec-system";
    options.name = "codeexec-controller";
    options.identity = std::move(identity);
    options.timing = timing;
    options.field_manager = "codeexec-controller";
    candidates.push_back(
        std::make_unique<leader_elector>(io.get_executor(), client, options, base::system_clock(), base::rng(7)));
    candidates.back()->start();
    return *candidates.back();
  }
  static lease_timing quick() {
    lease_timing timing;
    timing.lease = 60s;
    timing.renew_deadline = 30s;
    timing.retry = 2ms;
    return timing;
  }
  static lease_timing short_lived() {
    auto timing = quick();
    timing.lease = 1s;
    timing.renew_deadline = 300ms;
    timing.retry = 5ms;
    return timing;
  }
  std::string holder() const { return lease ? lease->at("spec").value("holderIdentity", "") : "no lease"; }
  std::size_t writes() const { return writes_; }

  std::optional<json> lease;
  bool hang = false;  ///< nothing is answered
  int lose_answers = 0;
  int garbage = 0;  ///< answers that are no JSON
  std::vector<std::unique_ptr<leader_elector>> candidates;

 private:
  static kube::error status(int code, std::string const& reason) {
    return kube::error::from_status(code, testing_status(code, reason));
  }
  static std::string testing_status(int code, std::string const& reason) {
    return json{{"kind", "Status"}, {"status", "Failure"}, {"reason", reason}, {"code", code}}.dump();
  }
  answer serve(kube::request const& r) {
    bool const named = r.target.find("/leases/codeexec-controller") != std::string::npos;
    EXPECT_TRUE(r.target.rfind("/apis/coordination.k8s.io/v1/namespaces/codeexec-system/leases", 0) == 0) << r.target;
    switch (r.method) {
      case kube::verb::get:
        EXPECT_TRUE(named);
        return lease ? answer(lease->dump()) : answer(status(404, "NotFound"));
      case kube::verb::post:
        if (lease) return status(409, "AlreadyExists");
        return store(json::parse(r.body));
      case kube::verb::put: {
        auto object = json::parse(r.body);
        if (!lease) return status(404, "NotFound");
        EXPECT_TRUE(object["metadata"].contains("resourceVersion")) << "an update without a version is no claim";
        if (object["metadata"]["resourceVersion"] != lease->at("metadata")["resourceVersion"])
          return status(409, "Conflict");
        return store(std::move(object));
      }
      default:
        ADD_FAILURE() << "a Lease is read, created and replaced, nothing else";
        return status(405, "MethodNotAllowed");
    }
  }
  answer store(json object) {
    object["metadata"]["resourceVersion"] = std::to_string(++version_);
    ++writes_;
    lease = std::move(object);
    return lease->dump();
  }

  int version_ = 0;
  std::size_t writes_ = 0;
};

TEST_F(LeaderElector, OneOfTwoLeadsAndTheOtherTakesOverWhenItStops) {
  auto& a = start("a");
  auto& b = start("b");
  ASSERT_TRUE(until([&] { return a.is_leading() || b.is_leading(); }));
  ASSERT_TRUE(until([&] { return writes() > 10; })) << "renewed again and again";
  EXPECT_NE(a.is_leading(), b.is_leading());
  auto& leader = a.is_leading() ? a : b;
  auto& other = a.is_leading() ? b : a;
  testing::run_coro(io, leader.release());
  EXPECT_FALSE(leader.is_leading());
  EXPECT_FALSE(leader.lost());
  ASSERT_TRUE(until([&] { return other.is_leading(); }));
  EXPECT_EQ(holder(), other.identity());
  EXPECT_EQ(lease->at("spec")["leaseTransitions"], 1) << "from nobody to the next";
}

TEST_F(LeaderElector, WhatItGivesBackNamesNobodyForASecond) {
  auto& a = start("a");
  ASSERT_TRUE(until([&] { return a.is_leading(); }));
  testing::run_coro(io, a.release());
  EXPECT_EQ(holder(), "");
  EXPECT_EQ(lease->at("spec")["leaseDurationSeconds"], 1);
  testing::run_coro(io, a.release());  // twice does no harm
}

TEST_F(LeaderElector, ALeaderThatDiedIsReplacedWhenItsLeaseHasRunOut) {
  lease =
      json::parse(R"({"metadata": {"name": "codeexec-controller", "resourceVersion": "0", "labels": {"kept": "yes"}},
    "spec": {"holderIdentity": "dead", "leaseDurationSeconds": 1, "leaseTransitions": 8}})");
  auto const begun = std::chrono::steady_clock::now();
  auto& a = start("a", short_lived());
  ASSERT_TRUE(until([&] { return a.is_leading(); }));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 1s);
  EXPECT_EQ(lease->at("spec")["leaseTransitions"], 9);
  EXPECT_EQ(lease->at("metadata")["labels"]["kept"], "yes");
}

TEST_F(LeaderElector, AnswersLostAfterTheWriteWasDoneChangeNothing) {
  lose_answers = 5;
  auto& a = start("a");
  ASSERT_TRUE(until([&] { return a.is_leading(); }));
  lose_answers = 3;
  auto const before = a.counters().writes;
  ASSERT_TRUE(until([&] { return a.counters().writes > before + 2; }));
  EXPECT_TRUE(a.is_leading());
  EXPECT_EQ(lease->at("spec")["leaseTransitions"], 0);
  EXPECT_EQ(a.counters().failures, 8U);
}

TEST_F(LeaderElector, AServerThatNoLongerAnswersEndsTheLeadershipInTime) {
  auto& a = start("a", short_lived());
  ASSERT_TRUE(until([&] { return a.is_leading(); }));
  hang = true;
  ASSERT_TRUE(until([&] { return a.lost(); }));
  EXPECT_FALSE(a.is_leading());
  EXPECT_TRUE(testing::run_coro(io, a.wait_ended()));
  EXPECT_FALSE(testing::run_coro(io, a.wait_leading())) << "it led; it does not any more";
}

TEST_F(LeaderElector, ALeaseTakenByForceIsNoticed) {
  auto& a = start("a");
  ASSERT_TRUE(until([&] { return a.is_leading(); }));
  (*lease)["spec"]["holderIdentity"] = "thief";
  (*lease)["metadata"]["resourceVersion"] = "elsewhere";
  ASSERT_TRUE(until([&] { return a.lost(); }));
  EXPECT_THAT(a.loss(), ::testing::HasSubstr("thief"));
}

TEST_F(LeaderElector, AStopWhileWaitingDoesNotWaitForTheServer) {
  hang = true;
  auto& a = start("a");
  settle();
  auto const begun = std::chrono::steady_clock::now();
  testing::run_coro(io, a.release());
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 10s) << "a request may take 15 s";
  EXPECT_FALSE(testing::run_coro(io, a.wait_leading()));
}

TEST_F(LeaderElector, ALeaseThatCannotBeReadIsReadAgain) {
  garbage = 3;
  auto& a = start("a");
  ASSERT_TRUE(until([&] { return a.is_leading(); }));
}

TEST_F(LeaderElector, NoTwoProcessesHaveOneIdentity) {
  base::rng random(3);
  std::set<std::string> all;
  for (int i = 0; i < 100; ++i)
    all.insert(unique_identity("host", random));
  EXPECT_EQ(all.size(), 100U);
  EXPECT_EQ(all.begin()->rfind("host_", 0), 0U);
  EXPECT_EQ(all.begin()->size(), 5U + 32U);
}

TEST_F(LeaderElector, OnlyALeaderWrites) {
  bool leads = false;
  guarded_client guarded(client, [&] { return leads; });
  int seen = 0;
  client.on_send = [&](kube::request const&) -> std::optional<answer> {
    ++seen;
    return answer("{}");
  };
  auto const write = [&] {
    auto request = kube::make_create(kube::jobs, "a", "{}", "m");
    return testing::run_coro(io, guarded.send(std::move(request), base::deadline::after(1s)));
  };
  auto const refused = write();
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is_cancelled());
  EXPECT_EQ(seen, 0);
  auto read = kube::make_get(kube::jobs, "a", "b");
  EXPECT_TRUE(testing::run_coro(io, guarded.send(std::move(read), base::deadline::after(1s))));
  leads = true;
  EXPECT_TRUE(write());
  EXPECT_EQ(seen, 2);
}

TEST_F(LeaderElector, AWriteIsPermittedEachTimeItIsSentAndNotOnce) {
  bool leads = true;
  guarded_client guarded(client, [&] { return leads; });
  bool ends = false;
  client.on_send = [&](kube::request const& r) -> std::optional<answer> {
    EXPECT_FALSE(r.objection());
    leads = false;  // while the server, too busy for it, lets it wait
    ends = r.objection().has_value();
    return answer("{}");
  };
  auto request = kube::make_create(kube::jobs, "a", "{}", "m");
  EXPECT_TRUE(testing::run_coro(io, guarded.send(std::move(request), base::deadline::after(1s))));
  EXPECT_TRUE(ends);
}

}  // namespace
}  // namespace codeexec::runtime
