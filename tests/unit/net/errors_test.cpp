#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "codeexec/net/connection.hpp"

namespace {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using codeexec::net::failure;
using codeexec::net::to_error;

failure kind_of(boost::system::error_code ec, bool cancelled = false) {
  return to_error(ec, failure::connection, "reading", cancelled).kind;
}

TEST(NetErrors, TimeoutAndCancellationAreNotGuessedFromAnAbortedOperation) {
  EXPECT_EQ(kind_of(asio::error::operation_aborted, true), failure::cancelled);
  EXPECT_EQ(kind_of(asio::error::operation_aborted, false), failure::connection);
  EXPECT_EQ(kind_of(beast::error::timeout), failure::timeout);
  EXPECT_EQ(kind_of(beast::error::timeout, true), failure::cancelled);
}

TEST(NetErrors, ConnectionThatEndsEarlyIsBrokenWhateverItIsCalled) {
  EXPECT_EQ(kind_of(asio::error::eof), failure::connection);
  EXPECT_EQ(kind_of(asio::error::connection_reset), failure::connection);
  EXPECT_EQ(kind_of(asio::error::broken_pipe), failure::connection);
  EXPECT_EQ(kind_of(asio::ssl::error::stream_truncated), failure::connection);
  EXPECT_EQ(kind_of(http::error::end_of_stream), failure::connection);
  EXPECT_EQ(kind_of(http::error::partial_message), failure::connection);
}

TEST(NetErrors, WhatIsNotHttpAndWhatIsTooLargeAreToldApart) {
  EXPECT_EQ(kind_of(http::error::bad_version), failure::protocol);
  EXPECT_EQ(kind_of(http::error::bad_chunk), failure::protocol);
  EXPECT_EQ(kind_of(http::error::header_limit), failure::too_large);
  EXPECT_EQ(kind_of(http::error::body_limit), failure::too_large);
}

TEST(NetErrors, OnlyAnAlertIsTheWordOfThePeerAboutTls) {
  auto const with_reason = [](int reason) {
    return boost::system::error_code(static_cast<int>(ERR_PACK(ERR_LIB_SSL, 0, reason)),
                                     asio::error::get_ssl_category());
  };
  EXPECT_EQ(kind_of(with_reason(SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED)), failure::tls);
  EXPECT_EQ(kind_of(with_reason(SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC)), failure::connection);
  auto const shaking_hands = to_error(with_reason(SSL_R_CERTIFICATE_VERIFY_FAILED), failure::tls, "", false);
  EXPECT_EQ(shaking_hands.kind, failure::tls);
}

}  // namespace
