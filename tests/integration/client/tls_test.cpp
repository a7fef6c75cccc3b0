// TLS: who is trusted, who is refused and why, and how an encrypted stream ends.
#include <openssl/ssl.h>

#include "client_fixture.hpp"

namespace {
using namespace codeexec::testing;
using codeexec::base::deadline;
using codeexec::kube::error_kind;
using ::testing::AnyOf;
using ::testing::HasSubstr;

class Tls : public client_fixture {
 protected:
  void start(certificate const& shown, std::string const& client_ca = {}) {
    serve_tls({shown, client_ca});
    server->on("GET", "/", reply::answer(200, "ok"));
  }
  void start() { start(pki.issue("server", {"IP:127.0.0.1", "DNS:localhost"})); }

  codeexec::kube::cluster_config trusting(test_pki const& authority) const {
    auto out = config();
    out.certificate_authority.data = authority.ca_pem();
    return out;
  }

  std::string refusal() {
    auto const answer = send(get("/"));
    EXPECT_FALSE(answer);
    if (answer) return "";
    EXPECT_EQ(answer.error().kind(), error_kind::tls) << answer.error().describe();
    EXPECT_TRUE(server->requests().empty());
    return answer.error().message();
  }

  test_pki pki;
};

TEST_F(Tls, ServerWithACertificateForItsAddressIsTrusted) {
  start();
  connect(trusting(pki));
  EXPECT_EQ(*send(get("/")), "ok");
  EXPECT_EQ(*send(get("/")), "ok");
  EXPECT_EQ(server->connections(), 1);
}

TEST_F(Tls, ServerOfAnotherAuthorityIsRefusedBeforeAnythingIsSent) {
  start();
  test_pki const other;
  connect(trusting(other));
  EXPECT_THAT(refusal(), AnyOf(HasSubstr("unable to get local issuer certificate"),
                               HasSubstr("certificate signature failure"), HasSubstr("self-signed")));
}

TEST_F(Tls, IntermediateIsAnAnchorWithoutItsRoot) {
  auto const intermediate = pki.intermediate();
  start(intermediate.issue("server", {"IP:127.0.0.1"}));
  connect(trusting(intermediate));
  EXPECT_EQ(*send(get("/")), "ok");
}

TEST_F(Tls, IntermediateVouchesForNothingOfItsSiblings) {
  start(pki.intermediate().issue("server", {"IP:127.0.0.1"}));
  connect(trusting(pki.intermediate()));
  EXPECT_THAT(refusal(),
              AnyOf(HasSubstr("unable to get local issuer certificate"), HasSubstr("certificate signature failure")));
}

TEST_F(Tls, IntermediateThatTheServerShowsLeadsToTheRoot) {
  auto const intermediate = pki.intermediate();
  auto shown = intermediate.issue("server", {"IP:127.0.0.1"});
  shown.certificate_pem += intermediate.ca_pem();
  start(shown);
  connect(trusting(pki));
  EXPECT_EQ(*send(get("/")), "ok");
}

TEST_F(Tls, CertificateForAnotherHostIsRefused) {
  start(pki.issue("127.0.0.1", {"DNS:api.example", "IP:10.0.0.1"}));
  connect(trusting(pki));
  EXPECT_THAT(refusal(), HasSubstr("IP address mismatch"));
}

TEST_F(Tls, CommonNameAloneIsNotAName) {
  start(pki.issue("localhost"));
  auto to = trusting(pki);
  to.tls_server_name = "localhost";
  connect(to);
  EXPECT_THAT(refusal(), HasSubstr("hostname mismatch"));
}

TEST_F(Tls, ExpiredCertificateIsRefused) {
  start(pki.issue("server", {"IP:127.0.0.1"}, -1));
  connect(trusting(pki));
  EXPECT_THAT(refusal(), HasSubstr("certificate has expired"));
}

TEST_F(Tls, ServerNameOfTheConfigurationIsWhatTheCertificateMustSay) {
  start(pki.issue("server", {"DNS:kubernetes.default.svc"}));
  auto to = trusting(pki);
  to.tls_server_name = "kubernetes.default.svc";
  connect(to);
  EXPECT_EQ(*send(get("/")), "ok");
}

TEST_F(Tls, NameIsIndicatedAndAnAddressIsNot) {
  start();
  auto to = trusting(pki);
  connect(to);
  EXPECT_EQ(*send(get("/")), "ok");
  to.tls_server_name = "localhost";
  connect(to);
  EXPECT_EQ(*send(get("/")), "ok");
  EXPECT_THAT(server->server_names(), ::testing::ElementsAre("", "localhost"));
}

TEST_F(Tls, NameWithTheRootsDotIsTheSameName) {
  start();
  auto to = trusting(pki);
  to.tls_server_name = "localhost.";
  connect(to);
  EXPECT_EQ(*send(get("/")), "ok");
  EXPECT_THAT(server->server_names(), ::testing::ElementsAre("localhost"));
}

TEST_F(Tls, WildcardStandsForOneLabelAndNoMore) {
  start(pki.issue("server", {"DNS:*.cluster.example"}));
  auto to = trusting(pki);
  to.tls_server_name = "api.cluster.example";
  connect(to);
  EXPECT_EQ(*send(get("/")), "ok");
  to.tls_server_name = "a.b.cluster.example";
  connect(to);
  auto const answer = send(get("/"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), error_kind::tls);
  EXPECT_THAT(answer.error().message(), HasSubstr("hostname mismatch"));
}

TEST_F(Tls, AddressInsideANameIsNotTheAddress) {
  start(pki.issue("server", {"DNS:127.0.0.1"}));
  connect(trusting(pki));
  EXPECT_THAT(refusal(), HasSubstr("IP address mismatch"));
}

TEST_F(Tls, ServerOfBeforeTls12IsRefused) {
  scripted_api_server::tls_options old;
  old.server = pki.issue("server", {"IP:127.0.0.1"});
  old.newest_version = TLS1_1_VERSION;
  serve_tls(old);
  connect(trusting(pki));
  EXPECT_THAT(refusal(), HasSubstr("TLS handshake with 127.0.0.1"));
}

TEST_F(Tls, ServerOfTls12IsFine) {
  scripted_api_server::tls_options older;
  older.server = pki.issue("server", {"IP:127.0.0.1"});
  older.newest_version = TLS1_2_VERSION;
  serve_tls(older);
  server->on("GET", "/", reply::answer(200, "ok"));
  connect(trusting(pki));
  EXPECT_EQ(*send(get("/")), "ok");
  EXPECT_EQ(*send(get("/")), "ok");
  EXPECT_EQ(server->connections(), 1);
}

TEST_F(Tls, InsecureAcceptsAnyCertificate) {
  start(pki.issue("whoever", {"DNS:elsewhere"}, -1));
  auto to = config();
  to.insecure_skip_tls_verify = true;
  connect(to);
  EXPECT_EQ(*send(get("/")), "ok");
}

TEST_F(Tls, ClientCertificateIsShownWhereItIsAskedFor) {
  start(pki.issue("server", {"IP:127.0.0.1"}), pki.ca_pem());
  auto to = trusting(pki);
  auto const me = pki.issue("me");
  to.client_certificate.data = me.certificate_pem;
  to.client_key.data = me.key_pem;
  connect(to);
  EXPECT_EQ(*send(get("/")), "ok");
}

TEST_F(Tls, MissingClientCertificateIsATlsError) {
  start(pki.issue("server", {"IP:127.0.0.1"}), pki.ca_pem());
  connect(trusting(pki));
  // In TLS 1.3 the refusal arrives after the client's handshake is done: as an alert, or as a connection gone.
  auto const answer = send(get("/"));
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().kind(), AnyOf(error_kind::tls, error_kind::connection)) << answer.error().describe();
  EXPECT_TRUE(server->requests().empty());
}

TEST_F(Tls, ClientCertificateOfAnotherAuthorityIsRefused) {
  start(pki.issue("server", {"IP:127.0.0.1"}), pki.ca_pem());
  auto to = trusting(pki);
  test_pki const other;
  auto const stranger = other.issue("me");
  to.client_certificate.data = stranger.certificate_pem;
  to.client_key.data = stranger.key_pem;
  connect(to);
  auto const answer = send(get("/"));
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().kind(), AnyOf(error_kind::tls, error_kind::connection)) << answer.error().describe();
  EXPECT_TRUE(server->requests().empty());
}

TEST_F(Tls, BytesThatNoKeyMadeInTheMiddleOfAnAnswerAreABrokenConnection) {
  start();
  connect(trusting(pki));
  server->on("GET", "/watch", reply::stream({"one\n"}).unfinished().then(reply::ending::silence));
  auto const stream = open(get("/watch"));
  ASSERT_EQ(*read(**stream), "one\n");
  server->say_to_all(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
  auto const bytes = read(**stream);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().kind(), error_kind::connection) << bytes.error().describe();
}

TEST_F(Tls, PlainServerIsATlsErrorAndNotAHang) {
  serve();
  auto to = trusting(pki);
  to.server = "https://127.0.0.1:" + std::to_string(server->port());
  connect(to);
  auto const answer = send(get("/"), deadline::after(2s));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), error_kind::tls) << answer.error().describe();
}

TEST_F(Tls, ServerThatNeverShakesHandsEndsAtTheDeadline) {
  boost::asio::ip::tcp::acceptor silent(io, {boost::asio::ip::address_v4::loopback(), 0});
  start();
  auto to = trusting(pki);
  to.server = "https://127.0.0.1:" + std::to_string(silent.local_endpoint().port());
  connect(to);
  EXPECT_TRUE(send(get("/"), deadline::after(50ms)).error().is_timeout());
}

TEST_F(Tls, UnusableCertificateMaterialIsAConfigurationError) {
  start();
  auto to = config();
  to.certificate_authority.data = "not a certificate";
  auto const made = codeexec::kube::rest_client::create(io.get_executor(), to);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind(), error_kind::config);
}

TEST_F(Tls, RotatedAuthorityIsTrustedWithinAMinuteAndWithoutARestart) {
  test_pki const next;
  start(next.issue("server", {"IP:127.0.0.1"}));
  files["/ca.crt"] = pki.ca_pem();
  auto to = config();
  to.certificate_authority.file = "/ca.crt";
  connect(to);
  EXPECT_EQ(send(get("/")).error().kind(), error_kind::tls);
  files["/ca.crt"] = next.ca_pem();
  clock.advance(59s);
  EXPECT_EQ(send(get("/")).error().kind(), error_kind::tls);
  clock.advance(1s);
  EXPECT_EQ(*send(get("/")), "ok");
  files["/ca.crt"] = "half a file";
  clock.advance(61s);
  EXPECT_EQ(*send(get("/")), "ok");
}

/// Our certificate and its key in files that somebody else replaces.
class RotatedCertificate : public Tls {
 protected:
  void SetUp() override {
    start(pki.issue("server", {"IP:127.0.0.1"}), pki.ca_pem());
    files["/me.crt"] = one.certificate_pem;
    files["/me.key"] = one.key_pem;
    auto to = trusting(pki);
    to.client_certificate.file = "/me.crt";
    to.client_key.file = "/me.key";
    connect(to);
  }
  /// As whom the server sees us.
  std::string caller() {
    auto const answer = send(get("/"));
    EXPECT_TRUE(answer) << answer.error().describe();
    return server->requests().back().client;
  }
  certificate const one = pki.issue("one");
  certificate const two = pki.issue("two");
};

TEST_F(RotatedCertificate, IsShownWithinAMinuteOnANewConnection) {
  EXPECT_EQ(caller(), "one");
  files["/me.crt"] = two.certificate_pem;
  files["/me.key"] = two.key_pem;
  clock.advance(59s);
  EXPECT_EQ(caller(), "one");
  clock.advance(1s);
  EXPECT_EQ(caller(), "two");
  EXPECT_EQ(caller(), "two");
  EXPECT_EQ(server->connections(), 2);
}

TEST_F(RotatedCertificate, OldPairServesWhileOnlyOneOfTheTwoIsReplaced) {
  EXPECT_EQ(caller(), "one");
  files["/me.crt"] = two.certificate_pem;
  clock.advance(60s);
  EXPECT_EQ(caller(), "one");
  files["/me.key"] = two.key_pem;
  EXPECT_EQ(caller(), "one");
  clock.advance(60s);
  EXPECT_EQ(caller(), "two");
  files["/me.key"] = one.key_pem;
  clock.advance(60s);
  EXPECT_EQ(caller(), "two");
  files["/me.crt"] = one.certificate_pem;
  clock.advance(60s);
  EXPECT_EQ(caller(), "one");
}

TEST_F(RotatedCertificate, WatchOfTheOldOneEndsAndThatOfARotatedAuthorityAloneDoesNot) {
  server->on("GET", "/watch", reply::stream({"one\n"}).unfinished().then(reply::ending::silence));
  files["/ca.crt"] = pki.ca_pem();
  auto to = trusting(pki);
  to.certificate_authority.data.clear();
  to.certificate_authority.file = "/ca.crt";
  to.client_certificate.file = "/me.crt";
  to.client_key.file = "/me.key";
  connect(to);
  auto const stream = open(get("/watch"));
  ASSERT_TRUE(stream);
  EXPECT_EQ(*read(**stream), "one\n");
  files["/ca.crt"] += test_pki().ca_pem();
  clock.advance(60s);
  EXPECT_EQ(caller(), "one");
  EXPECT_TRUE(read(**stream, deadline::after(20ms)).error().is_timeout());

  auto const next = open(get("/watch"));
  ASSERT_TRUE(next);
  EXPECT_EQ(*read(**next), "one\n");
  files["/me.crt"] = two.certificate_pem;
  files["/me.key"] = two.key_pem;
  clock.advance(60s);
  EXPECT_EQ(caller(), "two");
  auto const end = read(**next);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind(), error_kind::connection) << end.error().describe();
}

TEST_F(RotatedCertificate, RefusalOfTheOldOneMakesItLookAtOnceAndTryAgain) {
  auto const refused = reply::answer(401, status_body(401, "Unauthorized", "Unauthorized"));
  server->on("POST", "/", {refused, reply::answer(201, "made"), refused, refused});
  files["/me.crt"] = two.certificate_pem;
  files["/me.key"] = two.key_pem;
  EXPECT_EQ(*send(post("/", "{}")), "made");
  ASSERT_EQ(server->requests().size(), 2U);
  EXPECT_EQ(server->requests()[0].client, "one");
  EXPECT_EQ(server->requests()[1].client, "two");
  auto const answer = send(post("/", "{}"));
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().is_unauthorized());
  EXPECT_EQ(server->requests().size(), 3U) << "the same once more would be refused once more";
}

TEST_F(Tls, StreamCutWithoutAGoodbyeIsAnErrorAndNeverAnEnd) {
  start();
  connect(trusting(pki));
  for (auto const how : {reply::ending::truncate, reply::ending::reset, reply::ending::close}) {
    server->on("GET", "/watch", reply::stream({"one\n"}).unfinished().then(how));
    auto const stream = open(get("/watch"));
    std::optional<codeexec::kube::error> failure;
    if (!stream) failure = stream.error();
    while (!failure) {
      auto const bytes = read(**stream);
      if (!bytes) {
        failure = bytes.error();
        break;
      }
      ASSERT_FALSE(bytes->empty());
    }
    EXPECT_EQ(failure->kind(), error_kind::connection) << failure->describe();
  }
}

TEST_F(Tls, MissingGoodbyeAfterAWholeMessageDoesNoHarm) {
  start();
  connect(trusting(pki));
  server->on("GET", "/x", reply::answer(200, "whole").then(reply::ending::truncate));
  EXPECT_EQ(*send(get("/x")), "whole");
  EXPECT_EQ(*send(get("/")), "ok");
}

TEST_F(Tls, BodyWithoutALengthNeedsTheGoodbye) {
  start();
  connect(trusting(pki));
  server->on("GET", "/x", reply::raw("HTTP/1.1 200 OK\r\n\r\nhalf?").then(reply::ending::truncate));
  auto const cut = send(get("/x"));
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().kind(), error_kind::connection);
  server->on("GET", "/x", reply::raw("HTTP/1.1 200 OK\r\n\r\nwhole").then(reply::ending::close));
  EXPECT_EQ(*send(get("/x")), "whole");
}

TEST_F(Tls, IdleConnectionThatTheServerClosedIsReplaced) {
  start();
  connect(trusting(pki));
  server->on("POST", "/", reply::answer(200, "ok"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(*send(post("/", "{}")), "ok");
    server->close_idle();
    io.run_for(5ms);
    io.restart();
  }
  EXPECT_EQ(server->connections(), 3);
}

TEST_F(Tls, CancelledCallEndsAtOnce) {
  start();
  connect(trusting(pki));
  server->on("GET", "/mute", reply::mute());
  auto const got = send_aside(get("/mute"));
  run_until([&] { return server->requests().size() == 1; });
  tasks.stop();
  run_coro(io, tasks.join());
  EXPECT_TRUE((*got)->error().is_cancelled());
}

}  // namespace
