#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>
#include <gtest/gtest.h>

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

}  // namespace
