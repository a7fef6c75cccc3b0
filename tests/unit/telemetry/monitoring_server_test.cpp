// The two servers on loopback, asked by a client of a few lines; the loop is one that the test turns, or does not.
#include "codeexec/telemetry/monitoring_server.hpp"

#include <atomic>
#include <boost/asio/connect.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <thread>

namespace codeexec::telemetry {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
namespace asio = boost::asio;
using asio::ip::tcp;

class MonitoringServer : public ::testing::Test {
 protected:
  MonitoringServer() {
    state.set_synced("pods");
    state.set_role(role::leading);
    auto const loopback = **parse_listen_address("127.0.0.1:0");
    probes = describe(*server.listen_for_probes(loopback));
    scrapes = describe(*server.listen_for_scrapes(loopback));
    server.start();
  }
  ~MonitoringServer() override {
    server.stop();
    keep.reset();
    if (turning.joinable()) turning.join();
  }
  void turn() {
    turning = std::thread([this] { loop.run(); });
  }

  /// The whole answer to the bytes sent.
  static std::string exchange(std::string const& address, std::string const& sent) {
    asio::io_context io;
    tcp::socket socket(io);
    auto const colon = address.rfind(':');
    socket.connect(tcp::endpoint(asio::ip::make_address(address.substr(0, colon)),
                                 static_cast<unsigned short>(std::stoi(address.substr(colon + 1)))));
    boost::system::error_code ec;
    asio::write(socket, asio::buffer(sent), ec);
    std::string answer;
    asio::read(socket, asio::dynamic_buffer(answer), ec);
    return answer;
  }
  static std::string get(std::string const& address, std::string const& target) {
    return exchange(address, "GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  }

  asio::io_context loop{1};
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> keep{asio::make_work_guard(loop)};
  health state{{"pods"}, base::system_clock().steady_now()};
  std::atomic<int> collected = 0;
  monitoring_server server{loop.get_executor(), state, base::system_clock(), [this] {
                             ++collected;
                             operator_counters c;
                             c.executions.started = 3;
                             return c;
                           }};
  std::string probes;
  std::string scrapes;
  std::thread turning;
};

TEST_F(MonitoringServer, ProbesAreAnsweredWhetherTheLoopTurnsOrNot) {
  auto const live = get(probes, "/healthz");
  EXPECT_THAT(live, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(live, HasSubstr("\r\n\r\nok\n"));
  auto const ready = get(probes, "/readyz");
  EXPECT_THAT(ready, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ready, HasSubstr("ok: leading\n"));
  EXPECT_THAT(get(probes, "/readyz?verbose"), HasSubstr("[+]cache pods ok"));
  state.set_role(role::stopping);
  EXPECT_THAT(get(probes, "/readyz"), StartsWith("HTTP/1.1 503 "));
}

TEST_F(MonitoringServer, AScrapeAsksTheLoopOnceASecond) {
  turn();
  auto const answer = get(scrapes, "/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_THAT(answer, HasSubstr("\ncodeexec_executions_started_total 3\n"));
  auto const began = std::chrono::steady_clock::now();
  int asked = 0;
  for (; asked < 20; ++asked)
    get(scrapes, "/metrics");
  auto const took = std::chrono::steady_clock::now() - began;
  EXPECT_LE(collected, 2 + std::chrono::duration_cast<std::chrono::seconds>(took).count());
}

TEST_F(MonitoringServer, AHangingLoopIsToldOf) {
  auto const answer = get(scrapes, "/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(answer, HasSubstr("\ncodeexec_loop_silence_seconds "));
  EXPECT_THAT(answer, Not(HasSubstr("codeexec_executions_started_total")));
  // It comes back, and so do the numbers.
  turn();
  EXPECT_THAT(get(scrapes, "/metrics"), HasSubstr("\ncodeexec_executions_started_total 3\n"));
}

TEST_F(MonitoringServer, EachServesItsOwnAndOnlyToReaders) {
  turn();
  EXPECT_THAT(get(probes, "/metrics"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(get(scrapes, "/healthz"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(get(scrapes, "/metrics/../secrets"), StartsWith("HTTP/1.1 404 "));
  auto const posted =
      exchange(scrapes, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(posted, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(posted, HasSubstr("Allow: GET, HEAD\r\n"));
  auto const head = exchange(probes, "HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(head, ::testing::EndsWith("\r\n\r\n"));
}

TEST_F(MonitoringServer, WhatIsTooLargeIsCutOff) {
  std::string const large(64 * 1024, 'x');
  EXPECT_EQ(exchange(probes, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: " + large + "\r\n\r\n"), "");
  auto const with_body = exchange(
      probes, "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\nConnection: close\r\n\r\n" + large);
  EXPECT_EQ(with_body, "");
  EXPECT_THAT(exchange(probes, "nonsense\r\n\r\n"), Not(HasSubstr("200")));
  // And the next one is served.
  EXPECT_THAT(get(probes, "/healthz"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(MonitoringServer, TheAddressMustBeFree) {
  monitoring_server second(loop.get_executor(), state, base::system_clock(), [] { return operator_counters(); });
  auto const taken = **parse_listen_address(probes);
  auto const bound = second.listen_for_probes(taken);
  ASSERT_FALSE(bound);
  EXPECT_THAT(bound.error().message, HasSubstr(probes));
}

}  // namespace
}  // namespace codeexec::telemetry
