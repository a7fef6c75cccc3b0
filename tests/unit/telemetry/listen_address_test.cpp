#include "codeexec/telemetry/listen_address.hpp"

#include <gtest/gtest.h>
#include <string>

namespace codeexec::telemetry {
namespace {

TEST(ListenAddress, APortAloneIsEveryAddress) {
  auto const parsed = parse_listen_address(":8081");
  ASSERT_TRUE(parsed && *parsed);
  EXPECT_TRUE((*parsed)->every_address);
  EXPECT_EQ(describe((*parsed)->where), "[::]:8081");
}

TEST(ListenAddress, OneAddressAlone) {
  for (std::string const text : {"127.0.0.1:8080", "[::1]:8080", "0.0.0.0:0"}) {
    auto const parsed = parse_listen_address(text);
    ASSERT_TRUE(parsed && *parsed) << text;
    EXPECT_FALSE((*parsed)->every_address);
    EXPECT_EQ(describe((*parsed)->where), text);
  }
}

TEST(ListenAddress, NothingAndZeroSwitchItOff) {
  for (std::string const text : {"", "0"}) {
    auto const parsed = parse_listen_address(text);
    ASSERT_TRUE(parsed);
    EXPECT_FALSE(*parsed);
  }
}

TEST(ListenAddress, WhatIsNoneIsRefusedWithExamples) {
  for (std::string const text :
       {"8080", ":", ":http", ":65536", ":-1", "::1:8080", "[127.0.0.1]:80", "localhost:80", "1.2.3:80", ":80 "}) {
    auto const parsed = parse_listen_address(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().message.find("127.0.0.1:8080"), std::string::npos);
  }
}

}  // namespace
}  // namespace codeexec::telemetry
