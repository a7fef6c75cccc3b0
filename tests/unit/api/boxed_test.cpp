#include "codeexec/api/boxed.hpp"

#include <gtest/gtest.h>
#include <string>

namespace codeexec::api {
namespace {

TEST(Boxed, TakesAPointersRoomAndIsEmptyAtFirst) {
  static_assert(sizeof(boxed<std::string>) == sizeof(void*));
  boxed<std::string> const none;
  EXPECT_FALSE(none);
  EXPECT_EQ(none.value_or("otherwise"), "otherwise");
  EXPECT_EQ(none, boxed<std::string>());
}

TEST(Boxed, ACopyHasAValueOfItsOwn) {
  boxed<std::string> a = "one";
  auto b = a;
  EXPECT_EQ(a, b);
  *b = "two";
  EXPECT_EQ(a, "one");
  EXPECT_NE(a, b);
  a = b;
  b.reset();
  EXPECT_FALSE(b);
  EXPECT_EQ(a, "two");
  a = b;
  EXPECT_FALSE(a) << "a copy of nothing";
}

TEST(Boxed, WhatWasMovedFromIsEmpty) {
  boxed<std::string> a;
  a.emplace("one");
  auto const b = std::move(a);
  EXPECT_EQ(b, "one");
  EXPECT_FALSE(a.has_value());  // NOLINT(bugprone-use-after-move): that is what is promised
}

}  // namespace
}  // namespace codeexec::api
