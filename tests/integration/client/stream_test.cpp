// Watches and followed logs: bytes as they come, for as long as they come, and an honest end.
#include "codeexec/kube_core/line_framer.hpp"
#include "codeexec/kube_core/watch_event.hpp"

#include "client_fixture.hpp"

namespace {
using namespace codeexec::testing;
using codeexec::base::deadline;
using codeexec::kube::error_kind;

class Stream : public client_fixture {
 protected:
  void SetUp() override {
    serve();
    connect();
  }

  /// Reads to the end: the bytes, and the error that ended them if any did.
  std::pair<std::string, std::optional<codeexec::kube::error>> read_all(codeexec::kube::byte_stream& stream) {
    std::string all;
    for (;;) {
      auto const bytes = read(stream);
      if (!bytes) return {all, bytes.error()};
      if (bytes->empty()) return {all, std::nullopt};
      all += *bytes;
    }
  }
};

TEST_F(Stream, EventArrivesBeforeTheNextOneIsSent) {
  server->on("GET", "/watch", reply::stream({"one\n"}).unfinished().then(reply::ending::silence));
  auto const stream = open(get("/watch"));
  ASSERT_TRUE(stream);
  EXPECT_EQ(*read(**stream, deadline::after(2s)), "one\n");
  EXPECT_TRUE(read(**stream, deadline::after(20ms)).error().is_timeout());
}

TEST_F(Stream, OrderlyEndIsAnEmptyStringAgainAndAgain) {
  server->on("GET", "/watch", reply::stream({"one\n", "two\n"}));
  auto const stream = open(get("/watch"));
  auto const [bytes, failure] = read_all(**stream);
  EXPECT_EQ(bytes, "one\ntwo\n");
  EXPECT_FALSE(failure);
  EXPECT_EQ(*read(**stream), "");
}

TEST_F(Stream, EventsAreTheSameHoweverTheirBytesAreSplit) {
  std::string const line =
      "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"\xC3\xA9\xE2\x82\xAC\",\"resourceVersion\":\"1\"}}}\n";
  for (std::size_t size : {1U, 2U, 3U, 7U, 64U, 4096U}) {
    server->on("GET", "/watch", reply::stream({line, line + line.substr(0, 30), line.substr(30)}).in_pieces_of(size));
    auto const stream = open(get("/watch"));
    ASSERT_TRUE(stream);
    codeexec::kube::line_framer framer(1 << 20);
    auto const [bytes, failure] = read_all(**stream);
    EXPECT_FALSE(failure);
    framer.feed(bytes);
    int events = 0;
    while (auto const one = framer.next()) {
      auto const event = codeexec::kube::decode_watch_event(one->text);
      EXPECT_TRUE(std::holds_alternative<codeexec::kube::object_event>(event));
      ++events;
    }
    EXPECT_EQ(events, 3);
    EXPECT_FALSE(framer.has_partial());
  }
}

TEST_F(Stream, BodyFarBeyondEightMebibytesGoesThrough) {
  std::vector<std::string> const chunks(20, std::string(512U * 1024, 'x'));
  server->on("GET", "/watch", reply::stream(chunks));
  auto const stream = open(get("/watch"));
  auto const [bytes, failure] = read_all(**stream);
  EXPECT_FALSE(failure) << failure->describe();
  EXPECT_EQ(bytes.size(), 10U * 1024 * 1024);
}

TEST_F(Stream, BodyThatBreaksOffIsAnErrorAndNeverAnEnd) {
  for (auto const how : {reply::ending::close, reply::ending::reset}) {
    server->on("GET", "/watch", reply::stream({"one\n"}).unfinished().then(how));
    auto const stream = open(get("/watch"));
    // A reset may overtake the headers; the stream then does not even open.
    auto const failure = stream ? read_all(**stream).second : std::optional(stream.error());
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->kind(), error_kind::connection) << failure->describe();
    EXPECT_TRUE(failure->is_retryable());
  }
}

TEST_F(Stream, EveryCutOfAChunkedBodyIsAnError) {
  auto const whole = [] { return reply::stream({"one\n", "two\n"}).in_pieces_of(100'000); };
  auto const size = whole().pieces().at(0).bytes.size();
  for (std::size_t cut = 0; cut < size; ++cut) {
    server->on("GET", "/watch", whole().cut_to(cut).then(reply::ending::close));
    auto const stream = open(get("/watch"));
    auto const failure = stream ? read_all(**stream).second : std::optional(stream.error());
    ASSERT_TRUE(failure) << cut;
    EXPECT_EQ(failure->kind(), error_kind::connection) << cut;
  }
}

TEST_F(Stream, RefusalIsATypedErrorWithItsMessage) {
  server->on("GET", "/watch", reply::answer(410, status_body(410, "Expired", "too old resource version: 1 (895)")));
  auto const stream = open(get("/watch?resourceVersion=1"));
  ASSERT_FALSE(stream);
  EXPECT_TRUE(stream.error().is_gone());
  EXPECT_EQ(stream.error().describe(), "GET /watch: 410 Expired: too old resource version: 1 (895)");
}

TEST_F(Stream, RefusalWhoseBodyNeverEndsIsStillTheRefusal) {
  server->on("GET", "/watch",
             reply::raw("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n").then(reply::ending::silence));
  auto const stream = open(get("/watch"), deadline::after(50ms));
  ASSERT_FALSE(stream);
  EXPECT_TRUE(stream.error().is_forbidden());
}

TEST_F(Stream, HeadersThatNeverComeEndAtTheDeadline) {
  server->on("GET", "/watch", reply::mute());
  EXPECT_TRUE(open(get("/watch"), deadline::after(30ms)).error().is_timeout());
}

TEST_F(Stream, DeadlineOfTheOpeningDoesNotEndTheStream) {
  server->on("GET", "/watch", reply::stream({"a", "b", "c", "d", "e", "f"}).slowly(40ms));
  auto const stream = open(get("/watch"), deadline::after(150ms));
  ASSERT_TRUE(stream);
  auto const [bytes, failure] = read_all(**stream);
  EXPECT_FALSE(failure) << failure->describe();
  EXPECT_EQ(bytes, "abcdef");
}

boost::asio::awaitable<void> read_into(codeexec::kube::byte_stream* stream, outcome<std::string> out) {
  auto got = co_await stream->read_some(deadline::never());
  out->emplace(std::move(got));
}

TEST_F(Stream, CancelledReadEndsAtOnceWithTheWordCancelled) {
  server->on("GET", "/watch", reply::stream({"one\n"}).unfinished().then(reply::ending::silence));
  auto const stream = open(get("/watch"));
  ASSERT_EQ(*read(**stream), "one\n");
  auto const got = std::make_shared<std::optional<codeexec::kube::result<std::string>>>();
  tasks.spawn("read", read_into(stream->get(), got));
  io.poll();
  io.restart();
  tasks.stop();
  run_coro(io, tasks.join());
  ASSERT_TRUE(got->has_value());
  EXPECT_TRUE((*got)->error().is_cancelled());
}

TEST_F(Stream, DroppedStreamDoesNotServeTheNextCall) {
  server->on("GET", "/watch", reply::stream({"one\n"}).unfinished().then(reply::ending::silence));
  server->on("GET", "/x", reply::answer(200, "ok"));
  {
    auto const stream = open(get("/watch"));
    ASSERT_EQ(*read(**stream), "one\n");
  }
  EXPECT_EQ(*send(get("/x")), "ok");
  EXPECT_EQ(server->connections(), 2);
}

TEST_F(Stream, OutlivesItsClient) {
  server->on("GET", "/watch", reply::stream({"a", "b"}).slowly(10ms));
  auto const stream = open(get("/watch"));
  client.reset();
  auto const [bytes, failure] = read_all(**stream);
  EXPECT_EQ(bytes, "ab");
  EXPECT_FALSE(failure);
}

}  // namespace
