// Through a proxy: tunnels to TLS servers, whole requests for plain ones, and what a proxy may do wrong.
#include "codeexec/net/http_client.hpp"

#include "client_fixture.hpp"
#include "test_proxy.hpp"

namespace {
using namespace codeexec::testing;
using codeexec::base::deadline;
using codeexec::kube::error_kind;
using ::testing::HasSubstr;
using ::testing::Not;
namespace net = codeexec::net;

class Proxy : public client_fixture {
 protected:
  void SetUp() override {
    serve_tls({pki.issue("server", {"DNS:api.internal"}), {}});
    server->on("GET", "/", reply::answer(200, "secret of the server"));
    server->on("POST", "/", reply::answer(201, "made"));
  }
  void TearDown() override {
    tasks.stop();
    run_coro(io, tasks.join());
    client.reset();
    if (proxy) run_coro(io, proxy->stop());
    client_fixture::TearDown();
  }
  void start() {
    proxy = std::make_unique<test_proxy>(io.get_executor());
    proxy->lead_to(server->port());
  }
  /// To a name that nobody but the proxy could resolve.
  codeexec::kube::cluster_config through(std::string user = {}, std::string password = {}) const {
    codeexec::kube::cluster_config to;
    to.server = "https://api.internal:6443";
    to.certificate_authority.data = pki.ca_pem();
    codeexec::kube::proxy_config via;
    via.host = "127.0.0.1";
    via.port = proxy->port();
    via.user = std::move(user);
    via.password = std::move(password);
    to.proxy = via;
    return to;
  }
  codeexec::kube::error failure(deadline by = deadline::after(5s)) {
    auto const answer = send(get("/"), by);
    EXPECT_FALSE(answer);
    EXPECT_TRUE(server->requests().empty());
    return answer ? codeexec::kube::error() : answer.error();
  }

  test_pki pki;
  std::unique_ptr<test_proxy> proxy;
};

TEST_F(Proxy, TlsServerIsReachedThroughATunnelThatTheProxyCannotLookInto) {
  start();
  connect(through());
  EXPECT_EQ(*send(get("/")), "secret of the server");
  EXPECT_EQ(*send(post("/", "{}")), "made");
  ASSERT_EQ(proxy->requests().size(), 1U) << "a tunnel is kept like any connection";
  EXPECT_EQ(proxy->requests()[0].method, "CONNECT");
  EXPECT_EQ(proxy->requests()[0].target, "api.internal:6443");
  EXPECT_EQ(proxy->requests()[0].authorization, "");
  EXPECT_EQ(server->server_names().at(0), "api.internal");
}

TEST_F(Proxy, UserAndPasswordAreForTheProxyAlone) {
  start();
  connect(through("me", "p:ss w\xC3\xB6rd"));
  EXPECT_TRUE(send(get("/")));
  EXPECT_EQ(proxy->requests().at(0).authorization, "Basic bWU6cDpzcyB3w7ZyZA==");
  EXPECT_EQ(server->requests().at(0).headers.count("proxy-authorization"), 0U);
}

TEST_F(Proxy, StreamGoesThroughToo) {
  start();
  connect(through());
  server->on("GET", "/watch", reply::stream({"one\n"}).unfinished().then(reply::ending::silence));
  auto const stream = open(get("/watch"));
  ASSERT_TRUE(stream) << stream.error().describe();
  EXPECT_EQ(*read(**stream), "one\n");
}

TEST_F(Proxy, CertificateOfTheServerIsVerifiedAsEver) {
  start();
  auto to = through();
  test_pki const other;
  to.certificate_authority.data = other.ca_pem();
  connect(to);
  EXPECT_EQ(failure().kind(), error_kind::tls);
  to = through();
  to.server = "https://another.internal:6443";
  connect(to);
  EXPECT_THAT(failure().message(), HasSubstr("hostname mismatch"));
}

TEST_F(Proxy, RefusalOfTheProxyIsNamedAndHidesThePassword) {
  start();
  proxy->answer_with("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 5000\r\n\r\n<html>");
  connect(through("me", "hunter2"));
  auto const e = failure();
  EXPECT_EQ(e.kind(), error_kind::connect);
  EXPECT_THAT(e.describe(), HasSubstr("the proxy 127.0.0.1:" + std::to_string(proxy->port())));
  EXPECT_THAT(e.describe(), HasSubstr("407 Proxy Authentication Required"));
  EXPECT_THAT(e.describe(), Not(HasSubstr("hunter2")));
}

TEST_F(Proxy, WhatIsNoProxyIsAnErrorAndNeverABypass) {
  start();
  struct {
    std::string bytes;
    error_kind kind;
  } const cases[] = {
      {"SSH-2.0-OpenSSH_9.2\r\n\r\n", error_kind::protocol},
      {"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n", error_kind::protocol},
      {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n", error_kind::connect},
      {"HTTP/1.1 200 OK\r\n", error_kind::connect},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x'), error_kind::protocol},
  };
  for (auto const& bad : cases) {
    proxy->answer_with(bad.bytes);
    connect(through());
    auto const e = failure();
    EXPECT_EQ(e.kind(), bad.kind) << bad.bytes.substr(0, 40) << ": " << e.describe();
  }
}

TEST_F(Proxy, SilentProxyEndsAtTheDeadline) {
  start();
  proxy->answer_with("");
  connect(through());
  EXPECT_TRUE(failure(deadline::after(50ms)).is_timeout());
}

TEST_F(Proxy, NobodyListeningNamesTheProxy) {
  start();
  auto const to = through();
  run_coro(io, proxy->stop());
  proxy.reset();
  connect(to);
  auto const e = failure();
  EXPECT_EQ(e.kind(), error_kind::connect);
  EXPECT_THAT(e.message(), HasSubstr("connecting to the proxy 127.0.0.1:"));
}

TEST_F(Proxy, PlainServerIsAskedForByItsWholeAddress) {
  start();
  auto to = through("me", "pw");
  to.server = "http://api.internal:8001/prefix";
  connect(to);
  EXPECT_EQ(*send(get("/api?x=1")), "via proxy");
  EXPECT_EQ(*send(get("/api?x=2")), "via proxy");
  ASSERT_EQ(proxy->requests().size(), 2U);
  EXPECT_EQ(proxy->requests()[0].target, "http://api.internal:8001/prefix/api?x=1");
  EXPECT_EQ(proxy->requests()[0].authorization, "Basic bWU6cHc=");
  EXPECT_EQ(proxy->requests()[1].authorization, "Basic bWU6cHc=");
}

/// The proxy's own certificate is checked against the machine's store, which a test leaves alone: so below the client.
class TlsProxy : public Proxy {
 protected:
  std::shared_ptr<net::endpoint> endpoint(test_pki const& trusted_for_proxy, bool tls_server = true) {
    proxy = std::make_unique<test_proxy>(io.get_executor(), pki.issue("proxy", {"IP:127.0.0.1"}));
    proxy->lead_to(server->port());
    auto via = std::make_shared<net::proxy>();
    via->host = "127.0.0.1";
    via->port = proxy->port();
    net::tls_options trust;
    trust.ca_pem = trusted_for_proxy.ca_pem();
    via->tls = *net::make_client_tls(trust);
    auto to = std::make_shared<net::endpoint>();
    to->host = "api.internal";
    to->port = 6443;
    trust.ca_pem = pki.ca_pem();
    if (tls_server) to->tls = *net::make_client_tls(trust);
    to->via = via;
    return to;
  }
  net::result<net::http_response> fetch(std::shared_ptr<net::endpoint> to) {
    net::http_client http(io.get_executor(), to, "api.internal:6443");
    net::http_request request;
    request.target = "/";
    return run_coro(io, http.send(std::move(request), deadline::after(5s)));
  }
};

TEST_F(TlsProxy, TlsServerIsReachedThroughTlsInTls) {
  server->on("GET", "/", reply::answer(200, std::string(300'000, 'x')));
  auto const answer = fetch(endpoint(pki));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body.size(), 300'000U);
  EXPECT_EQ(proxy->requests().at(0).method, "CONNECT");
  EXPECT_EQ(server->server_names().at(0), "api.internal");
}

TEST_F(TlsProxy, PlainServerIsAskedForOverTls) {
  auto const answer = fetch(endpoint(pki, false));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "via proxy");
  EXPECT_EQ(proxy->requests().at(0).target, "http://api.internal:6443/");
}

TEST_F(TlsProxy, ProxyThatIsNotTrustedLearnsNothing) {
  test_pki const other;
  auto const answer = fetch(endpoint(other));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, net::failure::tls);
  EXPECT_THAT(answer.error().message, HasSubstr("the proxy"));
  EXPECT_TRUE(proxy->requests().empty());
}

}  // namespace
