// What a connection is worth after a streamed answer: the next request, as with Go's server.
#include "codeexec/net/server.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <gtest/gtest.h>
#include <optional>

#include "codeexec/async/event.hpp"
#include "codeexec/net/http_client.hpp"
#include "codeexec/testing/run_coro.hpp"
#include "codeexec/testing/test_pki.hpp"

namespace {
namespace asio = boost::asio;
using namespace std::chrono_literals;
using namespace codeexec::net;
using asio::ip::tcp;
using codeexec::base::deadline;
using codeexec::testing::run_coro;

/// A stream of two chunks at /stream, the second where `go_on` is set; "plain" everywhere else.
class two_answers : public request_handler {
 public:
  explicit two_answers(asio::any_io_executor const& executor) : go_on(executor), began(executor) {}

  asio::awaitable<void> handle(server_request request, exchange& with) override {
    targets.push_back(request.target);
    if (request.target != "/stream") {
      auto responding = with.respond(200, header_list(), "plain");
      co_await std::move(responding);
      co_return;
    }
    std::function<void()> on_gone = [this] { ++goodbyes; };
    auto beginning = with.begin_stream(200, header_list(), std::move(on_gone));
    co_await std::move(beginning);
    co_await with.write("one ");
    began.set();
    co_await go_on.wait();
    co_await with.write("two");
  }

  codeexec::async::event go_on;
  codeexec::async::event began;
  std::vector<std::string> targets;
  int goodbyes = 0;
};

class StreamedAnswer : public ::testing::TestWithParam<char const*> {
 protected:
  void SetUp() override {
    bool const tls = std::string(GetParam()) == "tls";
    server_options options;
    auto to = std::make_shared<endpoint>();
    if (tls) {
      codeexec::testing::test_pki const pki;
      auto const issued = pki.issue("server", {"IP:127.0.0.1"});
      options.tls = *make_server_tls(issued.certificate_pem, issued.key_pem);
      tls_options trust;
      trust.ca_pem = pki.ca_pem();
      to->tls = *make_client_tls(trust);
    }
    server.emplace(io.get_executor(), handler, options);
    address = *server->listen({asio::ip::address_v4::loopback(), 0});
    to->host = "127.0.0.1";
    to->port = address.port();
    client.emplace(io.get_executor(), to, "127.0.0.1");
  }
  void TearDown() override { run_coro(io, server->stop()); }

  /// The status and the body of an answer that is read as it comes.
  std::string stream(std::string const& target, boost::beast::http::verb method = boost::beast::http::verb::get) {
    return run_coro(io, read(*client, target, method));
  }
  static asio::awaitable<std::string> read(http_client& client, std::string target, boost::beast::http::verb method) {
    http_request request;
    request.method = method;
    request.target = std::move(target);
    auto opening = client.open(std::move(request), deadline::after(5s));
    auto opened = co_await std::move(opening);
    if (!opened) co_return opened.error().message;
    std::string all;
    for (;;) {
      auto const chunk = co_await (*opened)->read_some(deadline::after(5s));
      if (!chunk) co_return chunk.error().message;
      if (chunk->empty()) co_return all;
      all += *chunk;
    }
  }
  void wait_for_the_first_chunk() { EXPECT_TRUE(run_coro(io, handler.began.wait())); }
  /// Of what a client wrote to the server: everything until it closes, or until `last` has come.
  std::string exchange_raw(std::string const& written, std::string const& last) {
    tcp::socket socket(io);
    socket.connect(address);
    asio::write(socket, asio::buffer(written));
    return run_coro(io, read_raw(socket, last));
  }
  static asio::awaitable<std::string> read_raw(tcp::socket& socket, std::string last) {
    std::string all;
    std::array<char, 4096> buffer{};
    while (last.empty() || all.find(last) == std::string::npos) {
      boost::system::error_code ec;
      auto const got =
          co_await socket.async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, ec));
      if (ec) break;
      all.append(buffer.data(), got);
    }
    co_return all;
  }

  asio::io_context io{1};
  two_answers handler{io.get_executor()};
  std::optional<http_server> server;
  std::optional<http_client> client;
  tcp::endpoint address;
};
INSTANTIATE_TEST_SUITE_P(Both, StreamedAnswer, ::testing::Values("plain", "tls"),
                         [](auto const& one) { return std::string(one.param); });

TEST_P(StreamedAnswer, LeavesItsConnectionToTheNext) {
  handler.go_on.set();
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(stream("/stream"), "one two");
  EXPECT_EQ(stream("/other"), "plain");
  EXPECT_EQ(client->counted().opened, 1U);
  EXPECT_EQ(client->counted().reused, 5U);
  EXPECT_EQ(server->connections(), 1U);
  EXPECT_EQ(handler.goodbyes, 0);
}

TEST_P(StreamedAnswer, EndsWithAClientThatLeaves) {
  {
    http_request request;
    request.target = "/stream";
    auto opened = run_coro(io, client->open(std::move(request), deadline::after(5s)));
    ASSERT_TRUE(opened);
    wait_for_the_first_chunk();
  }
  while (handler.goodbyes == 0)
    io.run_one_for(1s);
  handler.go_on.set();
  while (server->connections() > 0)
    io.run_one_for(1s);
  EXPECT_EQ(handler.goodbyes, 1);
  // Nobody is left who could be disturbed by that.
  EXPECT_EQ(stream("/stream"), "one two");
}

class StreamedAnswerInPlain : public StreamedAnswer {};
INSTANTIATE_TEST_SUITE_P(Plain, StreamedAnswerInPlain, ::testing::Values("plain"));

TEST_P(StreamedAnswerInPlain, RequestThatCameMeanwhileIsAnsweredAfterIt) {
  tcp::socket socket(io);
  socket.connect(address);
  std::string const first = "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n";
  std::string const second = "GET /second HTTP/1.1\r\nHost: x\r\n\r\n";
  asio::write(socket, asio::buffer(first));
  wait_for_the_first_chunk();
  asio::write(socket, asio::buffer(second));
  io.run_for(20ms);  // it lies there, and waits for its turn
  EXPECT_EQ(handler.targets, std::vector<std::string>{"/stream"});
  handler.go_on.set();
  auto const all = run_coro(io, read_raw(socket, "plain"));
  EXPECT_NE(all.find("two\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n"), std::string::npos) << all;
  EXPECT_EQ(handler.targets, (std::vector<std::string>{"/stream", "/second"}));
}

TEST_P(StreamedAnswerInPlain, IsTheLastOneForAClientThatSaysSo) {
  handler.go_on.set();
  auto const all = exchange_raw("GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "");
  EXPECT_NE(all.find("Connection: close\r\n"), std::string::npos) << all;
  EXPECT_TRUE(all.ends_with("two\r\n0\r\n\r\n")) << all;
}

TEST_P(StreamedAnswerInPlain, ToAHeadRequestIsTheLastOneToo) {
  handler.go_on.set();
  auto const all = exchange_raw("HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\nGET /second HTTP/1.1\r\nHost: x\r\n\r\n", "");
  EXPECT_NE(all.find("Connection: close\r\n"), std::string::npos) << all;
  EXPECT_EQ(handler.targets, std::vector<std::string>{"/stream"});
}

TEST_P(StreamedAnswerInPlain, ClientThatSendsOnAndOnMeanwhileIsSentAway) {
  tcp::socket socket(io);
  socket.connect(address);
  asio::write(socket, asio::buffer(std::string("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")));
  wait_for_the_first_chunk();
  asio::write(socket, asio::buffer(std::string(100'000, 'x')));
  while (handler.goodbyes == 0)
    io.run_one_for(1s);
  handler.go_on.set();
  while (server->connections() > 0)
    io.run_one_for(1s);
  EXPECT_EQ(handler.targets, std::vector<std::string>{"/stream"});
}

}  // namespace
