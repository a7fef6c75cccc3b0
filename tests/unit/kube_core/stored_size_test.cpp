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

TEST(StoredSize, OfTextIsTheSameWhoeverWroteIt) {
  nlohmann::json const object = {{"a", "\b\f\x01 <a href=\"x\">& \u2028\u20AC\u2029 \\b"}, {"b", {1, true, nullptr}}};
  // The API server's own spelling of it, and nlohmann's.
  std::string const of_go = R"({"a":"\u0008\u000c\u0001 \u003ca href=\"x\"\u003e\u0026 \u2028)"
                            "\u20AC"
                            R"(\u2029 \\b","b":[1,true,null]})";
  ASSERT_EQ(nlohmann::json::parse(of_go), object);
  EXPECT_EQ(stored_length_of_text(of_go), of_go.size());
  EXPECT_EQ(stored_length_of_text(object.dump()), of_go.size());
  EXPECT_EQ(stored_length(object), of_go.size());
}

}  // namespace
}  // namespace codeexec::kube
