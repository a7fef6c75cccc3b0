// What a network and a server do wrong, at each stage of an exchange.
#include <arpa/inet.h>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>
#include <dirent.h>
#include <future>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "codeexec/net/http_client.hpp"

#include "client_fixture.hpp"

namespace {
using namespace codeexec::testing;
using codeexec::base::deadline;
using codeexec::kube::error_kind;
using ::testing::HasSubstr;
namespace asio = boost::asio;
namespace net = codeexec::net;

class Fault : public client_fixture {
 protected:
  void SetUp() override {
    serve();
    connect();
  }
  static codeexec::kube::result<std::string> result_of_open(
      codeexec::kube::result<std::unique_ptr<codeexec::kube::byte_stream>> opened) {
    if (!opened) return opened.error();
    return std::string();
  }
};

TEST_F(Fault, AnswerThatTricklesInEndsAtTheDeadlineThoughEachByteIsInTime) {
  server->on("GET", "/", reply::answer(200, std::string(500, 'x')).in_pieces_of(1).slowly(20ms));
  auto const answer = send(get("/"), deadline::after(100ms));
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().is_timeout());
}

TEST_F(Fault, CallWithoutADeadlineEndsAllTheSame) {
  codeexec::kube::rest_client_options options;
  options.call_timeout = 0s;
  connect(config(), options);
  server->on("GET", "/", reply::mute());
  EXPECT_TRUE(send(get("/"), deadline::never()).error().is_timeout());
  EXPECT_TRUE(open(get("/"), deadline::never()).error().is_timeout());
}

TEST_F(Fault, RefusalWhoseTextBreaksOffIsStillTheRefusal) {
  for (auto const how : {reply::ending::close, reply::ending::reset}) {
    auto const whole = reply::answer(409, status_body(409, "Conflict", "changed meanwhile"));
    auto const header = whole.pieces().at(0).bytes.find("\r\n\r\n") + 4;
    server->on("POST", "/", reply(whole).cut_to(header + 10).then(how));
    auto const answer = send(post("/", "{}"));
    ASSERT_FALSE(answer);
    // A reset may overtake what was sent before it.
    if (answer.error().kind() == error_kind::connection && how == reply::ending::reset) continue;
    EXPECT_TRUE(answer.error().is_conflict()) << answer.error().describe();
  }
}

TEST_F(Fault, RefusalOfAnySizeIsReadToALimitAndNoFurther) {
  server->on("GET", "/", reply::answer(503, "<html>" + std::string(20U * 1024 * 1024, 'x'), "text/html"));
  for (int i = 0; i < 2; ++i) {
    auto const answer = i == 0 ? send(get("/")) : result_of_open(open(get("/")));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().http_status(), 503);
    EXPECT_EQ(answer.error().reason(), "ServiceUnavailable");
    EXPECT_THAT(answer.error().message(), ::testing::StartsWith("<html>xxx"));
    EXPECT_LE(answer.error().message().size(), 256U);
  }
  EXPECT_EQ(server->connections(), 2) << "what was not read to its end is not used again";
}

TEST_F(Fault, ChunksMayCarryExtensionsAndTrailers) {
  server->on("GET", "/",
             reply::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                        "3;name=value;flag;quoted=\"a;b\"\r\none\r\n3\r\ntwo\r\n0;last\r\nX-Sum: 1\r\n\r\n"));
  EXPECT_EQ(*send(get("/")), "onetwo");
  EXPECT_EQ(*send(get("/")), "onetwo");
  EXPECT_EQ(server->connections(), 1);
}

TEST_F(Fault, ExtensionWithoutAnEndDoesNotFillTheMemory) {
  auto const endless = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;" + std::string(4U * 1024 * 1024, 'x');
  server->on("GET", "/", reply::raw(endless).then(reply::ending::silence));
  auto const answer = send(get("/"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), error_kind::protocol) << answer.error().describe();
}

TEST_F(Fault, ClaimedLengthBeyondTheLimitIsRefusedBeforeItIsRead) {
  server->on("GET", "/",
             reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n").then(reply::ending::silence));
  auto const answer = send(get("/"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), error_kind::protocol);
}

TEST_F(Fault, AnswersThatContradictThemselvesAreNoHttp) {
  for (std::string const head : {"Content-Length: 2\r\nContent-Length: 3", "Content-Length: -1", "Content-Length: 0x2",
                                 "Transfer-Encoding: chunked\r\nContent-Length: 2", "No colon here"}) {
    server->on("GET", "/", reply::raw("HTTP/1.1 200 OK\r\n" + head + "\r\n\r\nok").then(reply::ending::close));
    auto const answer = send(get("/"));
    ASSERT_FALSE(answer) << head;
    EXPECT_EQ(answer.error().kind(), error_kind::protocol) << head << ": " << answer.error().describe();
  }
}

TEST_F(Fault, InterimAnswersWithoutEndAreNoAnswer) {
  std::string many;
  for (int i = 0; i < 1000; ++i)
    many += "HTTP/1.1 100 Continue\r\n\r\n";
  server->on("GET", "/",
             {reply::raw(many).then(reply::ending::silence),
              reply::raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")});
  EXPECT_EQ(send(get("/")).error().kind(), error_kind::protocol);
  EXPECT_EQ(send(get("/")).error().kind(), error_kind::protocol);
}

TEST_F(Fault, RefusalBeforeTheBodyWasSentIsHeard) {
  // The server answers from the headers alone and closes while megabytes are still on their way to it.
  asio::ip::tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  struct early {
    static asio::awaitable<void> serve(asio::ip::tcp::acceptor* on) {
      auto socket = co_await on->async_accept(asio::use_awaitable);
      std::array<char, 1024> some{};
      auto const into = asio::buffer(some);
      co_await socket.async_read_some(into, asio::use_awaitable);
      std::string const text = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig";
      auto const answer = asio::buffer(text);
      co_await asio::async_write(socket, answer, asio::use_awaitable);
    }
  };
  tasks.spawn("early", early::serve(&acceptor));
  auto to = config();
  to.server = "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
  connect(to);
  auto const answer = send(post("/", std::string(30U * 1024 * 1024, 'x')));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().http_status(), 413) << answer.error().describe();
}

TEST_F(Fault, LostAnswerToAWriteIsReportedAsLostAndTheWriteIsThere) {
  int done = 0;
  server->on("POST", "/", {reply::answer(201, "warm"), reply::lost()});
  server->on("PATCH", "/", reply::answer(200, "x").cut_to(20).then(reply::ending::close));
  EXPECT_TRUE(send(post("/", "{}")));
  for (auto const method : {codeexec::kube::verb::post, codeexec::kube::verb::patch}) {
    auto r = post("/", "{}");
    r.method = method;
    auto const answer = send(r);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind(), error_kind::connection) << answer.error().describe();
    EXPECT_TRUE(answer.error().is_retryable());
    ++done;
  }
  EXPECT_EQ(server->requests().size(), static_cast<std::size_t>(1 + done));
}

/// The socket of ours that is connected to `port`.
int client_socket(std::uint16_t port) {
  std::unique_ptr<DIR, int (*)(DIR*)> const folder(::opendir("/proc/self/fd"), ::closedir);
  while (auto const* const entry = ::readdir(folder.get())) {
    auto const fd = std::atoi(entry->d_name);
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 && peer.sin_family == AF_INET &&
        ntohs(peer.sin_port) == port) {
      return fd;
    }
  }
  return -1;
}

TEST_F(Fault, KernelFindsAPeerThatIsGoneInAboutAMinute) {
  server->on("GET", "/watch", reply::stream({"one\n"}).unfinished().then(reply::ending::silence));
  auto const stream = open(get("/watch"));
  ASSERT_TRUE(stream);
  auto const fd = client_socket(server->port());
  ASSERT_GE(fd, 0);
  auto const option = [fd](int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    EXPECT_EQ(::getsockopt(fd, level, name, &value, &size), 0);
    return value;
  };
  EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_NODELAY), 1);
  auto const silent =
      option(IPPROTO_TCP, TCP_KEEPIDLE) + option(IPPROTO_TCP, TCP_KEEPINTVL) * option(IPPROTO_TCP, TCP_KEEPCNT);
  EXPECT_GE(silent, 30);
  EXPECT_LE(silent, 75);
  EXPECT_LE(option(IPPROTO_TCP, TCP_USER_TIMEOUT), 75'000);
  EXPECT_GE(option(IPPROTO_TCP, TCP_USER_TIMEOUT), 30'000);
}

/// Names that answer as the test says.
std::shared_ptr<net::resolver> names(net::resolver::addresses answer) {
  return std::make_shared<net::resolver>(
      [answer = std::move(answer)](std::string const&) -> net::result<net::resolver::addresses> { return answer; });
}

TEST_F(Fault, AddressThatRefusesLeavesTheTurnToTheNext) {
  server->on("GET", "/", reply::answer(200, "ok"));
  auto to = std::make_shared<net::endpoint>();
  to->host = "api.example";
  to->port = server->port();
  net::http_client_options options;
  options.names = names({asio::ip::make_address("127.77.77.77"), asio::ip::make_address("127.0.0.1")});
  net::http_client http(io.get_executor(), to, "api.example", options);
  net::http_request request;
  request.target = "/";
  auto const answer = run_coro(io, http.send(request, deadline::after(5s)));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "ok");
}

TEST_F(Fault, OwnConnectTimeoutIsAConnectErrorBecauseNothingWasSent) {
  // Listens, and its queue is full: the kernel answers no further handshake.
  asio::ip::tcp::acceptor full(io);
  full.open(asio::ip::tcp::v4());
  full.bind({asio::ip::address_v4::loopback(), 0});
  full.listen(0);
  std::vector<std::unique_ptr<asio::ip::tcp::socket>> queue;
  for (int i = 0; i < 4; ++i) {
    queue.push_back(std::make_unique<asio::ip::tcp::socket>(io));
    queue.back()->async_connect(full.local_endpoint(), [](boost::system::error_code) {});
  }
  io.run_for(20ms);
  auto to = std::make_shared<net::endpoint>();
  to->host = "127.0.0.1";
  to->port = full.local_endpoint().port();
  to->connect_timeout = 1s;
  net::http_client http(io.get_executor(), to, "x");
  auto const begin = std::chrono::steady_clock::now();
  auto const answer = run_coro(io, http.send(net::http_request(), deadline::after(15s)));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, net::failure::connect);
  EXPECT_THAT(answer.error().message, HasSubstr("no answer within 1 s"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
  queue.clear();
}

TEST_F(Fault, StuckNameServerEndsAtTheDeadline) {
  auto const release = std::make_shared<std::promise<void>>();
  auto const released = release->get_future().share();
  auto to = std::make_shared<net::endpoint>();
  to->host = "api.example";
  to->port = 1;
  net::http_client_options options;
  options.names =
      std::make_shared<net::resolver>([released](std::string const&) -> net::result<net::resolver::addresses> {
        released.wait();
        return net::error(net::failure::connect, "late");
      });
  net::http_client http(io.get_executor(), to, "x", options);
  auto const answer = run_coro(io, http.send(net::http_request(), deadline::after(50ms)));
  release->set_value();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, net::failure::timeout);
}

}  // namespace
