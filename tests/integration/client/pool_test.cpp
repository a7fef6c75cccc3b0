// Connections: kept, bounded, replaced when they died unnoticed, and never at the price of doing something twice.
#include <set>

#include "codeexec/net/http_client.hpp"

#include "client_fixture.hpp"

namespace {
using namespace codeexec::testing;
using codeexec::base::deadline;
using codeexec::kube::error_kind;
namespace net = codeexec::net;

class ConnectionPool : public client_fixture {
 protected:
  void SetUp() override {
    serve();
    codeexec::kube::rest_client_options options;
    options.max_connections = 2;
    connect(config(), options);
    server->on("GET", "/", reply::answer(200, "ok"));
    server->on("POST", "/", reply::answer(200, "ok"));
  }
};

TEST_F(ConnectionPool, CallsInARowShareOneConnection) {
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(*send(get("/")), "ok");
  EXPECT_EQ(server->connections(), 1);
}

TEST_F(ConnectionPool, ServersRefusalKeepsTheConnection) {
  server->on("GET", "/none", reply::answer(404, status_body(404, "NotFound", "no")));
  EXPECT_FALSE(send(get("/none")));
  EXPECT_EQ(*send(get("/")), "ok");
  EXPECT_EQ(server->connections(), 1);
}

TEST_F(ConnectionPool, ConnectionThatTheServerWillCloseIsNotKept) {
  server->on("GET", "/", reply::answer(200, "bye").header("Connection", "close"));
  EXPECT_EQ(*send(get("/")), "bye");
  EXPECT_EQ(*send(get("/")), "bye");
  EXPECT_EQ(server->connections(), 2);
}

TEST_F(ConnectionPool, IdleConnectionThatTheServerClosedIsReplacedForWritesToo) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(*send(post("/", "{}")), "ok");
    server->close_idle();
    io.run_for(5ms);
    io.restart();
  }
  EXPECT_EQ(server->connections(), 3);
  EXPECT_EQ(server->requests().size(), 3U);
}

TEST_F(ConnectionPool, KeptConnectionThatDiesUnderAReadIsReplacedOnce) {
  server->on("GET", "/x", {reply::answer(200, "first"), reply::lost(), reply::answer(200, "again")});
  EXPECT_EQ(*send(get("/x")), "first");
  EXPECT_EQ(*send(get("/x")), "again");
  EXPECT_EQ(server->requests().size(), 3U);
  EXPECT_EQ(server->connections(), 2);
}

TEST_F(ConnectionPool, FreshConnectionThatDiesIsNotTriedAgain) {
  server->on("GET", "/x", reply::lost());
  auto const answer = send(get("/x"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), error_kind::connection);
  EXPECT_TRUE(answer.error().is_retryable());
  EXPECT_EQ(server->requests().size(), 1U);
}

TEST_F(ConnectionPool, WriteWhoseAnswerIsLostIsNeverSentTwice) {
  server->on("POST", "/x", {reply::answer(200, "first"), reply::lost()});
  EXPECT_EQ(*send(post("/x", "{}")), "first");
  auto const answer = send(post("/x", "{}"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), error_kind::connection);
  EXPECT_EQ(server->requests().size(), 2U);
}

TEST_F(ConnectionPool, ReadThatBeganToAnswerIsNotSentTwice) {
  server->on("GET", "/x",
             {reply::answer(200, "first"), reply::answer(200, "second").cut_to(10).then(reply::ending::reset)});
  EXPECT_EQ(*send(get("/x")), "first");
  auto const answer = send(get("/x"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(server->requests().size(), 2U);
}

TEST_F(ConnectionPool, TimeoutOnAKeptConnectionIsNoReasonToSendAgain) {
  server->on("GET", "/x", {reply::answer(200, "first"), reply::mute()});
  EXPECT_EQ(*send(get("/x")), "first");
  EXPECT_TRUE(send(get("/x"), deadline::after(30ms)).error().is_timeout());
  EXPECT_EQ(server->requests().size(), 2U);
}

TEST_F(ConnectionPool, BytesThatNobodyAskedForMakeAConnectionUnusable) {
  server->on(
      "GET", "/x",
      reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"));
  EXPECT_EQ(*send(get("/x")), "ok");
  EXPECT_EQ(*send(get("/")), "ok");
  EXPECT_EQ(server->connections(), 2);
}

TEST_F(ConnectionPool, CallsBeyondTheBoundWaitInLineAndAllSucceed) {
  server->on("GET", "/slow", reply::answer(200, "ok").slowly(10ms));
  std::vector<outcome<std::string>> calls;
  for (int i = 0; i < 7; ++i)
    calls.push_back(send_aside(get("/slow")));
  run_coro(io, tasks.join());
  for (auto const& call : calls) {
    ASSERT_TRUE(call->has_value());
    EXPECT_TRUE((*call)->has_value());
  }
  EXPECT_EQ(server->connections(), 2);
}

TEST_F(ConnectionPool, TwoHundredCallsOverFourConnectionsAllSucceedAndNeverMoreThanFourAtOnce) {
  codeexec::kube::rest_client_options options;
  options.max_connections = 4;
  connect(config(), options);
  server->on("GET", "/slow", reply::answer(200, "read").slowly(1ms));
  server->on("POST", "/slow", reply::answer(201, "written").slowly(1ms));
  std::vector<outcome<std::string>> calls;
  for (int i = 0; i < 200; ++i)
    calls.push_back(send_aside(i % 2 == 0 ? get("/slow") : post("/slow", std::to_string(i)), deadline::after(18s)));
  run_coro(io, tasks.join());
  for (std::size_t i = 0; i < calls.size(); ++i) {
    ASSERT_TRUE(calls[i]->has_value());
    ASSERT_TRUE((*calls[i])->has_value()) << (*calls[i])->error().describe();
    EXPECT_EQ(***calls[i], i % 2 == 0 ? "read" : "written");
  }
  EXPECT_EQ(server->requests().size(), 200U);
  EXPECT_LE(server->most_at_once(), 4);
  EXPECT_EQ(server->connections(), 4);
  std::set<std::string> bodies;
  for (auto const& one : server->requests())
    if (one.method == "POST") bodies.insert(one.body);
  EXPECT_EQ(bodies.size(), 100U) << "each write arrived once and as itself";
}

TEST_F(ConnectionPool, CallsGoOnWhereConnectionsBreakUnderThem) {
  server->on("GET", "/x", {reply::lost(), reply::answer(200, "ok"), reply::mute(), reply::answer(200, "ok")});
  std::vector<outcome<std::string>> calls;
  for (int i = 0; i < 8; ++i)
    calls.push_back(send_aside(get("/x"), deadline::after(1s)));
  run_coro(io, tasks.join());
  int good = 0;
  for (auto const& call : calls) {
    ASSERT_TRUE(call->has_value());
    if ((*call)->has_value()) ++good;
  }
  EXPECT_EQ(good, 6);
  EXPECT_EQ(*send(get("/")), "ok");
}

TEST_F(ConnectionPool, ServersWordThatItWasTooSlowToAskEndsTheConnectionUnused) {
  server->on("GET", "/x", reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").then(reply::ending::keep_alive));
  EXPECT_EQ(*send(get("/x")), "ok");
  server->say_to_all("HTTP/1.1 408 Request Time-out\r\nConnection: close\r\n\r\n");
  io.run_for(5ms);
  io.restart();
  EXPECT_EQ(*send(post("/", "{}")), "ok");
  EXPECT_EQ(server->connections(), 2);
}

/// Below the Kubernetes client, where the pool's own settings are.
class IdleConnections : public client_fixture {
 protected:
  void SetUp() override {
    serve();
    server->on("GET", "/", reply::answer(200, "ok"));
    to = std::make_shared<net::endpoint>();
    to->host = "127.0.0.1";
    to->port = server->port();
  }
  std::string fetch(net::http_client& http) {
    net::http_request request;
    request.target = "/";
    auto const answer = run_coro(io, http.send(request, deadline::after(5s)));
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? answer->body : std::string();
  }
  std::shared_ptr<net::endpoint> to;
};

TEST_F(IdleConnections, OneThatWasUnusedForTooLongIsClosedAndNotUsed) {
  net::http_client_options options;
  options.max_idle = 0s;
  net::http_client http(io.get_executor(), to, "x", options);
  EXPECT_EQ(fetch(http), "ok");
  EXPECT_EQ(http.idle_connections(), 1U);
  EXPECT_EQ(fetch(http), "ok");
  EXPECT_EQ(server->connections(), 2);
  EXPECT_EQ(http.idle_connections(), 1U);
  EXPECT_EQ(http.counted().opened, 2U);
  EXPECT_EQ(http.counted().reused, 0U);
}

TEST_F(IdleConnections, AnotherEndpointClosesThoseToTheOldOne) {
  net::http_client http(io.get_executor(), to, "x");
  EXPECT_EQ(fetch(http), "ok");
  EXPECT_EQ(fetch(http), "ok");
  EXPECT_EQ(http.counted().reused, 1U);
  http.reconfigure(std::make_shared<net::endpoint>(*to), net::http_client::open_streams::go_on);
  EXPECT_EQ(http.idle_connections(), 0U);
  EXPECT_EQ(fetch(http), "ok");
  EXPECT_EQ(server->connections(), 2);
}

TEST_F(IdleConnections, StreamThatEndedLeavesItsToTheNextStreamAndCallsKeepTheirOwn) {
  server->on("GET", "/log", reply::stream({"a", "b"}));
  net::http_client http(io.get_executor(), to, "x");
  auto const stream = [&](bool to_the_end) {
    net::http_request request;
    request.target = "/log";
    auto const opened = run_coro(io, http.open(request, deadline::after(5s)));
    ASSERT_TRUE(opened) << opened.error().message;
    for (bool more = to_the_end; more;) {
      auto const bytes = run_coro(io, (*opened)->read_some(deadline::after(5s)));
      ASSERT_TRUE(bytes) << bytes.error().message;
      more = !bytes->empty();
    }
  };
  EXPECT_EQ(fetch(http), "ok");
  stream(true);
  EXPECT_EQ(server->connections(), 2) << "a stream took the connection that a call had left";
  stream(true);
  EXPECT_EQ(fetch(http), "ok");
  EXPECT_EQ(server->connections(), 2);
  EXPECT_EQ(http.counted().reused, 2U);
  stream(false);  // one that is left before its end takes its connection with it
  stream(true);
  EXPECT_EQ(server->connections(), 3);
  http.reconfigure(std::make_shared<net::endpoint>(*to), net::http_client::open_streams::go_on);
  EXPECT_EQ(http.idle_connections(), 0U);
}

TEST_F(IdleConnections, AnotherEndpointEndsStreamsWhereItIsToldTo) {
  net::http_client http(io.get_executor(), to, "x");
  server->on("GET", "/watch", reply::stream({"one\n"}).unfinished().then(reply::ending::silence));
  net::http_request request;
  request.target = "/watch";
  auto const stream = run_coro(io, http.open(request, deadline::after(5s)));
  ASSERT_TRUE(stream);
  EXPECT_EQ(*run_coro(io, (*stream)->read_some(deadline::after(5s))), "one\n");
  http.reconfigure(std::make_shared<net::endpoint>(*to), net::http_client::open_streams::go_on);
  EXPECT_EQ(run_coro(io, (*stream)->read_some(deadline::after(20ms))).error().kind, net::failure::timeout);

  auto const another = run_coro(io, http.open(request, deadline::after(5s)));
  ASSERT_TRUE(another);
  EXPECT_EQ(*run_coro(io, (*another)->read_some(deadline::after(5s))), "one\n");
  http.reconfigure(std::make_shared<net::endpoint>(*to), net::http_client::open_streams::end);
  auto const end = run_coro(io, (*another)->read_some(deadline::after(5s)));
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, net::failure::connection);
  EXPECT_THAT(end.error().message, ::testing::HasSubstr("has been replaced"));
}

TEST_F(IdleConnections, DeadOneIsCountedWhereTheRequestWasSentAgain) {
  server->on("GET", "/", {reply::answer(200, "ok"), reply::lost(), reply::answer(200, "again")});
  net::http_client http(io.get_executor(), to, "x");
  EXPECT_EQ(fetch(http), "ok");
  net::http_request request;
  request.target = "/";
  request.idempotent = true;
  auto const answer = run_coro(io, http.send(request, deadline::after(5s)));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "again");
  EXPECT_EQ(http.counted().stale, 1U);
}

TEST_F(ConnectionPool, WaitInLineEndsAtTheDeadlineAndTheLineGoesOn) {
  server->on("GET", "/busy", reply::answer(200, "ok").slowly(150ms));
  auto const first = send_aside(get("/busy"));
  auto const second = send_aside(get("/busy"));
  auto const hasty = send_aside(get("/"), deadline::after(20ms));
  auto const patient = send_aside(get("/"));
  run_coro(io, tasks.join());
  EXPECT_TRUE((*hasty)->error().is_timeout());
  EXPECT_THAT((*hasty)->error().message(), ::testing::HasSubstr("all 2 are in use"));
  EXPECT_EQ(***patient, "ok");
  EXPECT_EQ(***first, "ok");
  EXPECT_EQ(***second, "ok");
}

TEST_F(ConnectionPool, CancelledCallsGiveTheirPlacesBack) {
  server->on("GET", "/mute", reply::mute());
  codeexec::async::task_group doomed(io.get_executor());
  auto const out = std::make_shared<std::optional<codeexec::kube::result<std::string>>>();
  for (int i = 0; i < 4; ++i)
    doomed.spawn("doomed", send_into(client.get(), get("/mute"), deadline::after(5s), out));
  run_until([&] { return server->requests().size() == 2; });
  doomed.stop();
  run_coro(io, doomed.join());
  EXPECT_TRUE((*out)->error().is_cancelled());
  EXPECT_EQ(*send(get("/")), "ok");
  EXPECT_EQ(*send(get("/")), "ok");
}

TEST_F(ConnectionPool, StreamsDoNotTakePlacesFromCalls) {
  server->on("GET", "/watch", reply::stream({"x"}).unfinished().then(reply::ending::silence));
  std::vector<std::unique_ptr<codeexec::kube::byte_stream>> streams;
  for (int i = 0; i < 5; ++i)
    streams.push_back(open(get("/watch")).value());
  EXPECT_EQ(*send(get("/")), "ok");
}

TEST_F(ConnectionPool, StreamThatEndedInOrderLeavesItsConnectionToTheNextStream) {
  server->on("GET", "/watch", reply::stream({"a"}));
  for (int i = 0; i < 3; ++i) {
    auto stream = open(get("/watch"));
    ASSERT_TRUE(stream);
    while (!read(**stream)->empty()) {
    }
  }
  EXPECT_EQ(server->connections(), 1);
}

TEST_F(ConnectionPool, CallUnderWayOutlivesItsClient) {
  server->on("GET", "/slow", reply::answer(200, "late").slowly(20ms));
  auto const got = send_aside(get("/slow"));
  run_until([&] { return server->requests().size() == 1; });
  client.reset();
  run_coro(io, tasks.join());
  EXPECT_EQ(***got, "late");
}

}  // namespace
