#include "codeexec/net/url.hpp"

#include <gtest/gtest.h>

namespace {
using codeexec::net::is_ip_address;
using codeexec::net::parse_url;

TEST(Url, AddressesOfServersAreUnderstood) {
  struct {
    std::string text;
    bool tls;
    std::string host;
    int port;
    std::string path;
    std::string authority;
  } const cases[] = {
      {"https://10.0.0.1", true, "10.0.0.1", 443, "", "10.0.0.1"},
      {"http://localhost:8080/", false, "localhost", 8080, "", "localhost:8080"},
      {"https://[::1]:6443", true, "::1", 6443, "", "[::1]:6443"},
      {"https://[fd00::1]", true, "fd00::1", 443, "", "[fd00::1]"},
      {"https://rancher.example/k8s/clusters/c-1/", true, "rancher.example", 443, "/k8s/clusters/c-1",
       "rancher.example"},
      {"http://a:443", false, "a", 443, "", "a:443"},
  };
  for (auto const& expected : cases) {
    auto const url = parse_url(expected.text);
    ASSERT_TRUE(url) << expected.text << ": " << url.error().message;
    EXPECT_EQ(url->tls, expected.tls);
    EXPECT_EQ(url->host, expected.host);
    EXPECT_EQ(url->port, expected.port);
    EXPECT_EQ(url->path, expected.path);
    EXPECT_EQ(url->authority(), expected.authority);
    EXPECT_EQ(parse_url(url->to_string())->to_string(), url->to_string());
  }
}

TEST(Url, WhatIsNotAServersAddressIsRefusedWithASentence) {
  for (std::string const text : {"",
                                 "localhost:8080",
                                 "ftp://a",
                                 "https://",
                                 "https://:443",
                                 "https://a:",
                                 "https://a:0",
                                 "https://a:65536",
                                 "https://a:1x",
                                 "https://[::1",
                                 "https://[a]:1",
                                 "https://[10.0.0.1]",
                                 "https://[::1]x",
                                 "https://a b",
                                 "https://user:pass@a",
                                 "https://a/?x",
                                 "https://a#f",
                                 "https://a/b c",
                                 "https://::1",
                                 "https://a\r\nX: y"}) {
    auto const url = parse_url(text);
    EXPECT_FALSE(url) << text;
    EXPECT_GT(url.error().message.size(), 10U);
  }
}

TEST(Url, PasswordInAnAddressDoesNotReachTheMessage) {
  EXPECT_EQ(parse_url("https://me:hunter2@a").error().message.find("hunter2"), std::string::npos);
}

TEST(Url, LiteralAddressesAreToldFromNames) {
  EXPECT_TRUE(is_ip_address("127.0.0.1"));
  EXPECT_TRUE(is_ip_address("::1"));
  EXPECT_FALSE(is_ip_address("localhost"));
  EXPECT_FALSE(is_ip_address("1.2.3"));
}

}  // namespace
