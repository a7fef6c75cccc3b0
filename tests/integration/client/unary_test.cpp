// Whole exchanges: what is sent, what comes back, and each way it can go wrong.
#include "client_fixture.hpp"

namespace {
using namespace codeexec::testing;
using codeexec::base::deadline;
using codeexec::kube::error_kind;
using ::testing::HasSubstr;
using ::testing::Not;

class UnaryCall : public client_fixture {
 protected:
  void SetUp() override {
    serve();
    connect();
  }
};

TEST_F(UnaryCall, RequestCarriesWhatTheApiExpects) {
  auto to = config();
  to.server += "/prefix/";
  to.who = codeexec::kube::token_identity{"abc"};
  codeexec::kube::rest_client_options options;
  options.user_agent = "codeexec-controller/1.0 (linux/amd64)";
  connect(to, options);
  server->on("POST", "/prefix/apis/x", reply::answer(201, R"({"made":true})"));
  auto const answer = send(post("/apis/x?fieldManager=m", R"({"a":1})"));
  ASSERT_TRUE(answer) << answer.error().describe();
  EXPECT_EQ(*answer, R"({"made":true})");

  auto const& seen = server->requests().at(0);
  EXPECT_EQ(seen.target, "/prefix/apis/x?fieldManager=m");
  EXPECT_EQ(seen.body, R"({"a":1})");
  EXPECT_EQ(seen.headers.at("authorization"), "Bearer abc");
  EXPECT_EQ(seen.headers.at("user-agent"), "codeexec-controller/1.0 (linux/amd64)");
  EXPECT_EQ(seen.headers.at("accept"), "application/json");
  EXPECT_EQ(seen.headers.at("content-type"), "application/json");
  EXPECT_EQ(seen.headers.at("content-length"), "7");
  EXPECT_EQ(seen.headers.at("host"), "127.0.0.1:" + std::to_string(server->port()));
}

TEST_F(UnaryCall, AnswerIsTheSameHoweverItsBytesAreSplit) {
  std::string const body = "{\"text\":\"\xE2\x82\xAC\"}";
  for (std::size_t size : {1U, 2U, 3U, 5U, 17U, 1000U}) {
    server->on("GET", "/whole", reply::answer(200, body).in_pieces_of(size));
    server->on("GET", "/chunked", reply::stream({"{\"text\"", ":", "\"\xE2", "\x82\xAC\"}"}).in_pieces_of(size));
    EXPECT_EQ(*send(get("/whole")), body);
    EXPECT_EQ(*send(get("/chunked")), body);
  }
}

TEST_F(UnaryCall, AnswerWithoutBodyIsEmpty) {
  server->on("GET", "/log", reply::answer(204, ""));
  EXPECT_EQ(*send(get("/log")), "");
  EXPECT_EQ(*send(get("/log")), "");
  EXPECT_EQ(server->connections(), 1);
}

TEST_F(UnaryCall, BodyThatEndsWithTheConnectionIsWhole) {
  server->on("GET", "/", reply::raw("HTTP/1.1 200 OK\r\n\r\nold style").then(reply::ending::close));
  EXPECT_EQ(*send(get("/a")), "old style");
  EXPECT_EQ(*send(get("/b")), "old style");
  EXPECT_EQ(server->connections(), 2);
}

TEST_F(UnaryCall, InterimAnswersAreSkipped) {
  server->on("GET", "/",
             reply::raw("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"
                        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  EXPECT_EQ(*send(get("/")), "ok");
}

TEST_F(UnaryCall, ServersRefusalsBecomeTypedErrors) {
  auto const refuse = [&](int status, std::string_view reason) {
    server->on("POST", "/", reply::answer(status, status_body(status, reason, "because")));
    auto answer = send(post("/apis/x", "{}"));
    EXPECT_FALSE(answer);
    auto const e = answer.error();
    EXPECT_EQ(e.kind(), error_kind::api);
    EXPECT_EQ(e.http_status(), status);
    EXPECT_EQ(e.message(), "because");
    return e;
  };
  EXPECT_TRUE(refuse(404, "NotFound").is_not_found());
  EXPECT_TRUE(refuse(409, "AlreadyExists").is_already_exists());
  EXPECT_TRUE(refuse(409, "Conflict").is_conflict());
  EXPECT_TRUE(refuse(410, "Expired").is_gone());
  EXPECT_TRUE(refuse(422, "Invalid").is_invalid());
  EXPECT_TRUE(refuse(403, "Forbidden").is_forbidden());
  EXPECT_TRUE(refuse(500, "InternalError").is_retryable());
  EXPECT_EQ(refuse(409, "Conflict").describe(), "POST /apis/x: 409 Conflict: because");
}

TEST_F(UnaryCall, RedirectIsNotFollowedAndTheTokenStaysHere) {
  server->on("GET", "/", reply::answer(302, "").header("Location", server->url() + "/elsewhere"));
  auto const answer = send(get("/"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().http_status(), 302);
  EXPECT_THAT(answer.error().message(), HasSubstr("not followed"));
  EXPECT_FALSE(answer.error().is_retryable());
  EXPECT_EQ(server->requests().size(), 1U);
}

TEST_F(UnaryCall, AnswerThatNeverComesEndsAtTheDeadline) {
  server->on("GET", "/", reply::mute());
  auto const begin = std::chrono::steady_clock::now();
  auto const answer = send(get("/"), deadline::after(50ms));
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().is_timeout());
  EXPECT_FALSE(answer.error().is_oversized()) << "of an answer that does not begin nobody knows how long it is";
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 4s);
}

TEST_F(UnaryCall, AnswerThatStopsHalfWayEndsAtTheDeadline) {
  auto const whole = reply::answer(200, "0123456789");
  auto const body = whole.pieces().at(0).bytes.find("\r\n\r\n") + 4;
  for (auto const size : {body - 10, body, body + 5}) {
    server->on("GET", "/", reply(whole).cut_to(size).then(reply::ending::silence));
    auto const answer = send(get("/"), deadline::after(50ms));
    ASSERT_FALSE(answer);
    EXPECT_TRUE(answer.error().is_timeout());
    EXPECT_EQ(answer.error().is_oversized(), size >= body) << "it had begun to come, and is not in time";
  }
}

TEST_F(UnaryCall, DeadlineThatHasPassedSendsNothing) {
  auto const answer = send(post("/", "{}"), deadline(std::chrono::steady_clock::now() - 1s));
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().is_timeout());
  EXPECT_TRUE(server->requests().empty());
}

TEST_F(UnaryCall, AnswerThatBreaksOffAnywhereIsAnErrorAndNeverAShorterAnswer) {
  auto const whole = reply::answer(200, "0123456789").pieces().at(0).bytes.size();
  for (auto const how : {reply::ending::close, reply::ending::reset}) {
    for (std::size_t cut = 0; cut < whole; ++cut) {
      server->on("POST", "/", reply::answer(200, "0123456789").cut_to(cut).then(how));
      auto const answer = send(post("/", "{}"));
      ASSERT_FALSE(answer) << cut;
      EXPECT_EQ(answer.error().kind(), error_kind::connection) << cut << ": " << answer.error().describe();
    }
  }
}

TEST_F(UnaryCall, WhatIsNotHttpIsAProtocolError) {
  for (std::string const text : {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/3.7 200 OK\r\n\r\n",
                                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    server->on("GET", "/", reply::raw(text).then(reply::ending::close));
    auto const answer = send(get("/"));
    ASSERT_FALSE(answer) << text;
    EXPECT_EQ(answer.error().kind(), error_kind::protocol) << answer.error().describe();
    EXPECT_FALSE(answer.error().is_oversized()) << text;
  }
}

TEST_F(UnaryCall, AnswerBeyondTheLimitIsRefusedAndItsConnectionDropped) {
  codeexec::kube::rest_client_options options;
  options.max_body = 1000;
  connect(config(), options);
  server->on("GET", "/fits", reply::answer(200, std::string(1000, 'x')));
  server->on("GET", "/large", reply::answer(200, std::string(1'000'000, 'x')));
  server->on("GET", "/endless", reply::stream(std::vector<std::string>(50, std::string(20'000, 'x'))));
  EXPECT_EQ(send(get("/fits"))->size(), 1000U);
  for (std::string const target : {"/large", "/endless"}) {
    auto const answer = send(get(target));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind(), error_kind::protocol);
    EXPECT_TRUE(answer.error().is_oversized());
    EXPECT_THAT(answer.error().message(), HasSubstr("1000"));
  }
  EXPECT_EQ(send(get("/fits"))->size(), 1000U);
  EXPECT_EQ(server->connections(), 3);
}

TEST_F(UnaryCall, HeadersBeyondTheLimitAreRefused) {
  server->on("GET", "/", reply::answer(200, "").header("X", std::string(100'000, 'x')));
  auto const answer = send(get("/"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), error_kind::protocol);
}

TEST_F(UnaryCall, AnswerOfManyMegabytesArrivesWhole) {
  std::string const body(9U * 1024 * 1024, 'x');
  server->on("GET", "/", reply::answer(200, body));
  EXPECT_EQ(*send(get("/")), body);
}

TEST_F(UnaryCall, NobodyListeningIsAConnectError) {
  auto to = config();
  run_coro(io, server->stop());
  server.reset();
  connect(to);
  auto const answer = send(get("/api"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), error_kind::connect);
  EXPECT_THAT(answer.error().describe(), HasSubstr("GET /api: cannot connect: connecting to 127.0.0.1:"));
}

TEST_F(UnaryCall, CancelledCallEndsAtOnceWithTheWordCancelled) {
  server->on("GET", "/", reply::mute());
  auto const got = send_aside(get("/"));
  run_until([&] { return server->requests().size() == 1; });
  tasks.stop();
  run_coro(io, tasks.join());
  ASSERT_TRUE(got->has_value());
  EXPECT_TRUE((*got)->error().is_cancelled()) << (*got)->error().describe();
}

class Authentication : public client_fixture {
 protected:
  void SetUp() override {
    serve();
    files["/token"] = "one";
    auto to = config();
    to.who = codeexec::kube::token_file_identity{"/token"};
    connect(to);
  }
};

TEST_F(Authentication, RotatedTokenIsPickedUpOnRefusalAndTheCallSucceeds) {
  auto const refused = reply::answer(401, status_body(401, "Unauthorized", "Unauthorized"));
  server->on("POST", "/", {reply::answer(200, "first"), refused, reply::answer(200, "second")});
  EXPECT_EQ(*send(post("/", "{}")), "first");
  files["/token"] = "two";
  EXPECT_EQ(*send(post("/", "{}")), "second");
  EXPECT_EQ(server->requests().at(1).headers.at("authorization"), "Bearer one");
  EXPECT_EQ(server->requests().at(2).headers.at("authorization"), "Bearer two");
}

TEST_F(Authentication, RefusalOfTheOnlyTokenIsAnErrorAndNotALoop) {
  server->on("GET", "/", reply::answer(401, status_body(401, "Unauthorized", "Unauthorized")));
  auto const answer = send(get("/"));
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().is_unauthorized());
  EXPECT_EQ(server->requests().size(), 1U);
  auto const stream = open(get("/"));
  ASSERT_FALSE(stream);
  EXPECT_TRUE(stream.error().is_unauthorized());
  EXPECT_EQ(server->requests().size(), 2U);
}

TEST_F(Authentication, TokenIsInNoErrorMessage) {
  files["/token"] = "s3cret";
  clock.advance(61s);
  server->on("GET", "/", {reply::answer(401, "no"), reply::lost()});
  EXPECT_THAT(send(get("/")).error().describe(), Not(HasSubstr("s3cret")));
  EXPECT_THAT(send(get("/")).error().describe(), Not(HasSubstr("s3cret")));
}

TEST_F(Authentication, MissingTokenFileSendsNothingAndMayAppearLater) {
  files.clear();
  auto const answer = send(get("/"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), error_kind::connect);
  EXPECT_TRUE(answer.error().is_retryable());
  EXPECT_TRUE(server->requests().empty());
}

}  // namespace
