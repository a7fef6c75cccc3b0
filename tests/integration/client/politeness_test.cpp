// How a client treats a server that has much to do.
#include <algorithm>

#include "codeexec/kube_core/resource.hpp"

#include "client_fixture.hpp"

namespace {
using namespace codeexec::testing;
using codeexec::base::deadline;
using codeexec::kube::error_kind;
using ::testing::HasSubstr;

reply busy(int status, std::string const& retry_after = {}) {
  auto answer = reply::answer(status, status_body(status, "TooManyRequests", "slow down"));
  if (retry_after.empty()) return answer;
  return std::move(answer).header("Retry-After", retry_after);
}

class Politeness : public client_fixture {
 protected:
  void SetUp() override { serve(); }
  codeexec::kube::client_counters counted() { return dynamic_cast<codeexec::kube::rest_client&>(*client).counted(); }
  void connect_with(double qps, int burst) {
    codeexec::kube::rest_client_options options;
    options.qps = qps;
    options.burst = burst;
    connect(config(), options);
  }
};

TEST_F(Politeness, RequestThatTheServerIsTooBusyForIsSentAgainAndSucceeds) {
  connect();
  server->on("POST", "/", {busy(429), busy(503, "0"), reply::answer(201, "made")});
  auto const answer = send(post("/", R"({"a":1})"), deadline::after(20s));
  ASSERT_TRUE(answer) << answer.error().describe();
  EXPECT_EQ(*answer, "made");
  ASSERT_EQ(server->requests().size(), 3U);
  for (auto const& one : server->requests())
    EXPECT_EQ(one.body, R"({"a":1})");
  EXPECT_EQ(counted().refusals_retried, 2U);
}

TEST_F(Politeness, WatchIsOpenedOnceTheServerHasTime) {
  connect();
  server->on("GET", "/watch", {busy(429, "0"), reply::stream({"one\n"})});
  auto const stream = open(get("/watch"), deadline::after(20s));
  ASSERT_TRUE(stream) << stream.error().describe();
  EXPECT_EQ(*read(**stream), "one\n");
  server->on("GET", "/after", reply::answer(200, "ok"));
  EXPECT_TRUE(send(get("/after")));
  EXPECT_EQ(server->connections(), 2) << "a refusal that was read to its end leaves its connection to the next call";
}

TEST_F(Politeness, ServersWishIsWaitedFor) {
  connect();
  server->on("GET", "/", {busy(429, "1"), reply::answer(200, "ok")});
  auto const begin = std::chrono::steady_clock::now();
  EXPECT_EQ(*send(get("/"), deadline::after(20s)), "ok");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 1s);
}

TEST_F(Politeness, WishBeyondTheDeadlineIsTheCallersToHonour) {
  connect();
  auto const begin = std::chrono::steady_clock::now();
  server->on("GET", "/", busy(429, "7"));
  auto const answer = send(get("/"), deadline::after(6s));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().retry_after(), 7s);
  EXPECT_TRUE(answer.error().is_retryable());
  EXPECT_EQ(server->requests().size(), 1U);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST_F(Politeness, DateAsAWishIsMeantByTheServersClock) {
  connect();
  server->on("GET", "/", busy(503, "Thu, 01 Jan 2026 00:00:40 GMT").header("Date", "Thu, 01 Jan 2026 00:00:00 GMT"));
  auto const answer = send(get("/"), deadline::after(5s));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().retry_after(), 40s);
}

TEST_F(Politeness, TriesAreCapped) {
  codeexec::kube::rest_client_options options;
  options.max_tries = 3;
  connect(config(), options);
  server->on("GET", "/", busy(429, "0"));
  auto const answer = send(get("/"), deadline::after(20s));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().http_status(), 429);
  EXPECT_EQ(server->requests().size(), 3U);
}

TEST_F(Politeness, FailureThatMayHaveDoneItsWorkIsNeverRepeated) {
  connect();
  for (int const status : {500, 502, 503, 504}) {
    auto const before = server->requests().size();
    server->on("POST", "/", status == 503 ? busy(status) : busy(status, "0"));
    auto const answer = send(post("/", "{}"));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().http_status(), status);
    EXPECT_EQ(server->requests().size(), before + 1) << status;
  }
}

TEST_F(Politeness, CancelledWaitForTheServerEndsAtOnce) {
  connect();
  server->on("GET", "/", busy(429, "30"));
  auto const got = send_aside(get("/"), deadline::after(50s));
  run_until([&] { return server->requests().size() == 1; });
  io.poll();
  tasks.stop();
  run_coro(io, tasks.join());
  ASSERT_TRUE(got->has_value());
  EXPECT_TRUE((*got)->error().is_cancelled());
}

/// Permitted when the call began, and forbidden while it waits.
class Objection : public Politeness {
 protected:
  codeexec::kube::request write() {
    auto r = post("/", "{}");
    r.objection = [this]() -> std::optional<std::string> {
      if (!forbidden) return std::nullopt;
      return "not any more";
    };
    return r;
  }
  void expect_refusal(outcome<std::string> const& call) {
    run_until([&] { return call->has_value(); });
    ASSERT_FALSE((*call)->has_value());
    EXPECT_TRUE((*call)->error().is_cancelled()) << (*call)->error().describe();
    EXPECT_EQ((*call)->error().message(), "not any more");
  }
  std::size_t writes() const {
    auto const& all = server->requests();
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [](auto const& one) { return one.method == "POST"; }));
  }
  bool forbidden = false;
};

TEST_F(Objection, RaisedWhileAServerIsTooBusyKeepsTheRequestFromBeingSentAgain) {
  connect();
  server->on("POST", "/", {busy(429, "1"), reply::answer(201, "made")});
  auto const call = send_aside(write(), deadline::after(20s));
  run_until([&] { return writes() == 1; });
  forbidden = true;
  expect_refusal(call);
  EXPECT_EQ(writes(), 1U);
}

TEST_F(Objection, RaisedWhileTheRequestWaitsForItsTurnKeepsItBack) {
  connect_with(20, 1);
  server->on("GET", "/", reply::answer(200, "ok"));
  EXPECT_TRUE(send(get("/")));
  auto const call = send_aside(write());
  io.restart();
  io.poll();
  forbidden = true;
  expect_refusal(call);
  EXPECT_EQ(writes(), 0U);
}

TEST_F(Objection, RaisedWhileTheRequestWaitsForAConnectionKeepsItBack) {
  codeexec::kube::rest_client_options one_at_a_time;
  one_at_a_time.max_connections = 1;
  connect(config(), one_at_a_time);
  server->on("GET", "/slow", reply::answer(200, "ok").slowly(50ms));
  auto const before = send_aside(get("/slow"));
  auto const call = send_aside(write());
  run_until([&] { return server->requests().size() == 1; });
  forbidden = true;
  expect_refusal(call);
  EXPECT_EQ(writes(), 0U);
  EXPECT_EQ(***before, "ok");
}

TEST_F(Politeness, RequestsBeyondTheBurstComeAtTheRate) {
  connect_with(50, 5);
  server->on("GET", "/", reply::answer(200, "ok"));
  auto const begin = std::chrono::steady_clock::now();
  std::vector<outcome<std::string>> calls;
  for (int i = 0; i < 15; ++i)
    calls.push_back(send_aside(get("/"), deadline::after(20s)));
  run_coro(io, tasks.join());
  for (auto const& call : calls)
    EXPECT_TRUE((*call)->has_value());
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 190ms) << "ten of them at 50 a second";
  EXPECT_EQ(counted().throttled, 10U);
  EXPECT_GT(counted().throttled_time, 190ms);
}

TEST_F(Politeness, WatchesAndLeasesDoNotWaitForTheLimit) {
  connect_with(0.001, 1);
  server->on("GET", "/", reply::answer(200, "ok"));
  server->on("PUT", "/", reply::answer(200, "renewed"));
  server->on("GET", "/watch", reply::stream({"one\n"}));
  EXPECT_TRUE(send(get("/")));
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(open(get("/watch")));
    codeexec::kube::request renewal(codeexec::kube::verb::put, "/lease");
    renewal.resource_name = codeexec::kube::leases.plural;
    EXPECT_TRUE(send(renewal));
  }
}

TEST_F(Politeness, TurnBeyondTheDeadlineIsRefusedAtOnceAndTakesNothing) {
  connect_with(0.1, 1);
  server->on("GET", "/", reply::answer(200, "ok"));
  EXPECT_TRUE(send(get("/")));
  for (int i = 0; i < 3; ++i) {
    auto const answer = send(get("/"), deadline::after(3s));
    ASSERT_FALSE(answer);
    EXPECT_TRUE(answer.error().is_timeout());
    EXPECT_THAT(answer.error().message(), HasSubstr("own limit"));
  }
  EXPECT_EQ(server->requests().size(), 1U);
}

TEST_F(Politeness, CallsAreCountedByKindAndCode) {
  connect();
  server->on(
      "GET", "/",
      {reply::answer(200, "ok"), reply::answer(404, ""), reply::answer(200, "").cut_to(5).then(reply::ending::close)});
  auto r = get("/pods/x");
  r.resource_name = codeexec::kube::pods.plural;
  EXPECT_TRUE(send(r));
  EXPECT_FALSE(send(r));
  EXPECT_FALSE(send(r));
  r.subresource = "log";
  EXPECT_FALSE(open(r));
  r.subresource = {};
  EXPECT_FALSE(open(r));
  auto const all = counted();
  ASSERT_EQ(all.requests.size(), 3U);
  auto const& pods = all.requests.at({"GET", "pods", ""});
  EXPECT_EQ(pods.codes, (std::map<int, std::uint64_t>{{0, 1}, {200, 1}, {404, 1}}));
  EXPECT_EQ(pods.latency.count(), 3U);
  EXPECT_EQ(all.requests.at({"GET", "pods", "log"}).latency.count(), 1U);
  EXPECT_EQ(all.requests.at({"WATCH", "pods", ""}).latency.count(), 1U);
  EXPECT_EQ(pods.received_bytes, 2U);
  EXPECT_EQ(all.connections_opened + all.connections_reused, 5U);
}

TEST_F(Politeness, ClientSaysWhatItIsAndWhereItRuns) {
  auto const name = codeexec::kube::make_user_agent("codeexec-controller", "1.2.3");
  EXPECT_THAT(name, ::testing::MatchesRegex("codeexec-controller/1\\.2\\.3 \\(linux/(amd64|arm64|unknown)\\)"));
}

}  // namespace
