#include "codeexec/kube_core/names.hpp"

#include <gtest/gtest.h>

namespace {
using namespace codeexec::kube;

TEST(LabelValue, FittingTextStaysAsItIs) {
  EXPECT_EQ(label_value("hello-1.b_C"), "hello-1.b_C");
  EXPECT_EQ(label_value(std::string(63, 'a')), std::string(63, 'a'));
  EXPECT_EQ(label_value(""), "");
}

TEST(LabelValue, LongTextsWithTheSameBeginningStayApart) {
  auto const one = label_value(std::string(253, 'a') + "1");
  auto const two = label_value(std::string(253, 'a') + "2");
  EXPECT_NE(one, two);
  EXPECT_TRUE(is_label_value(one));
  EXPECT_EQ(one.size(), 63U);
  EXPECT_EQ(one.substr(0, 52), std::string(52, 'a'));
}

TEST(LabelValue, WhateverComesInFits) {
  for (std::string const text : {"-", "a b", "..", "\xC3\xA9t\xC3\xA9", "a-", "/x/", "_"}) {
    EXPECT_TRUE(is_label_value(label_value(text))) << text << " -> " << label_value(text);
    EXPECT_FALSE(label_value(text).empty());
  }
}

TEST(ChildName, IsStableReadableAndDependsOnTheOwnersUid) {
  auto const name = child_name("hello", "0b6a");
  EXPECT_EQ(name, child_name("hello", "0b6a"));
  EXPECT_NE(name, child_name("hello", "0b6b"));
  EXPECT_EQ(name.substr(0, 6), "hello-");
  EXPECT_EQ(name.size(), 16U);
}

TEST(ChildName, IsADnsLabelWhateverTheOwnerIsCalled) {
  for (std::string const& owner :
       {std::string("a.b.c"), std::string(253, 'x'), std::string(51, 'y') + ".z", std::string("..."), std::string()}) {
    auto const name = child_name(owner, "uid");
    EXPECT_TRUE(is_dns_label(name)) << name;
    EXPECT_TRUE(is_dns_label(child_name(owner, "uid", 40)));
    EXPECT_LE(child_name(owner, "uid", 40).size(), 40U);
  }
}

TEST(DnsNames, AreJudgedAsTheApiDoes) {
  EXPECT_TRUE(is_dns_subdomain("a"));
  EXPECT_TRUE(is_dns_subdomain("a.b-c.d0"));
  for (std::string const bad : {"", ".", "a.", ".a", "a..b", "A", "a_b", "-a", "a-", "a.-b"})
    EXPECT_FALSE(is_dns_subdomain(bad)) << bad;
  EXPECT_FALSE(is_dns_subdomain(std::string(254, 'a')));
  EXPECT_FALSE(is_dns_label("a.b"));
  EXPECT_FALSE(is_dns_label(std::string(64, 'a')));
}

}  // namespace
