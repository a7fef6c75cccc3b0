#include "codeexec/base/text.hpp"

#include <gtest/gtest.h>

namespace codeexec::base {
namespace {

TEST(Text, LowersAsciiLettersAlone) {
  EXPECT_EQ(to_lower("Content-TYPE: @[`{"), "content-type: @[`{");
  EXPECT_EQ(to_lower("\xC3\x84rger"), "\xC3\x84rger");
  EXPECT_EQ(to_lower(""), "");
}

TEST(Text, QuotesWhatItIsGiven) {
  EXPECT_EQ(in_quotes("a b"), "\"a b\"");
  EXPECT_EQ(in_quotes(""), "\"\"");
}

}  // namespace
}  // namespace codeexec::base
