#include "codeexec/kube_core/stored_size.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace codeexec::kube {
namespace {

TEST(StoredSize, CountsTextInGosSpelling) {
  EXPECT_EQ(json_length("plain"), 5U);
  EXPECT_EQ(json_length("\"\\\n\t\r"), 10U);
  EXPECT_EQ(json_length(std::string("\0\x1F<>&\b\f", 7)), 42U);
  EXPECT_EQ(json_length("\u2028\u2029\u20AC"), 15U);
  EXPECT_EQ(json_length("\x7F"), 1U);
}

TEST(StoredSize, AnObjectTakesWhatItsTextsTake) {
  for (std::string const text :
       {"", "plain", "\"quoted\\", "a\nb\tc\r", "\b\f\x01", "<a href=\"x\">&", "\u2028\u20AC\u2029", "\\b"}) {
    nlohmann::json const object = {{"a", text}, {"b", {1, true, nullptr}}};
    EXPECT_EQ(stored_length(object), std::string(R"({"a":"","b":[1,true,null]})").size() + json_length(text)) << text;
  }
}

}  // namespace
}  // namespace codeexec::kube
