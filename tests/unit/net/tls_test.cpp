#include "codeexec/net/tls.hpp"

#include <gtest/gtest.h>

#include "codeexec/testing/test_pki.hpp"

namespace {
using codeexec::net::make_client_tls;
using codeexec::net::tls_options;
using codeexec::testing::test_pki;

TEST(Tls, ContextVerifiesAndSpeaksNothingOlderThanTls12) {
  test_pki const pki;
  tls_options options;
  options.ca_pem = pki.ca_pem();
  auto const context = make_client_tls(options);
  ASSERT_TRUE(context);
  EXPECT_EQ(SSL_CTX_get_verify_mode((*context)->native_handle()), SSL_VERIFY_PEER);
  EXPECT_EQ(SSL_CTX_get_min_proto_version((*context)->native_handle()), TLS1_2_VERSION);
}

TEST(Tls, MaterialThatCannotWorkIsNamedAndNeverShown) {
  test_pki const pki;
  auto const one = pki.issue("one");
  auto const other = pki.issue("other");
  auto const message = [](std::string ca, std::string certificate, std::string key) {
    tls_options options;
    options.ca_pem = std::move(ca);
    options.certificate_pem = std::move(certificate);
    options.key_pem = std::move(key);
    auto const context = make_client_tls(options);
    return context ? std::string() : context.error().message;
  };
  EXPECT_EQ(message(pki.ca_pem(), one.certificate_pem, one.key_pem), "");
  EXPECT_NE(message("not PEM", "", "").find("certificate authority"), std::string::npos);
  EXPECT_NE(message(pki.ca_pem(), one.certificate_pem, "").find("both"), std::string::npos);
  EXPECT_NE(message(pki.ca_pem(), "", one.key_pem).find("both"), std::string::npos);
  EXPECT_NE(message(pki.ca_pem(), "x", one.key_pem).find("client certificate"), std::string::npos);
  EXPECT_NE(message(pki.ca_pem(), one.certificate_pem, "x").find("client key"), std::string::npos);
  auto const mismatch = message(pki.ca_pem(), one.certificate_pem, other.key_pem);
  EXPECT_NE(mismatch, "");
  EXPECT_EQ(mismatch.find(other.key_pem.substr(40, 40)), std::string::npos);
}

}  // namespace
