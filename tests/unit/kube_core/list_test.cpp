#include "codeexec/kube_core/list.hpp"

#include <gtest/gtest.h>

#include "transcripts.hpp"

namespace {
using codeexec::kube::decode_list;
using codeexec::kube::error_kind;

TEST(List, RecordedListsDecode) {
  auto const documents = codeexec::testing::transcript("lists.jsonl");
  std::size_t pages = 0;
  std::size_t items = 0;
  for (auto const& document : documents) {
    auto const page = decode_list(document.dump());
    ASSERT_TRUE(page) << page.error().describe();
    EXPECT_EQ(page->resource_version, document["metadata"]["resourceVersion"]);
    EXPECT_EQ(page->items.size(), document["items"].size());
    if (!page->continue_token.empty()) ++pages;
    items += page->items.size();
  }
  EXPECT_GE(pages, 1U);
  EXPECT_GE(items, 20U);
}

TEST(List, FirstPageSaysHowToGoOn) {
  auto const page = decode_list(codeexec::testing::transcript_lines("lists.jsonl")[0]);
  ASSERT_TRUE(page);
  EXPECT_EQ(page->continue_token, "<continue:1>");
  EXPECT_EQ(page->items.size(), 2U);
}

TEST(List, ItemsThatAreNullAreNone) {
  auto const page = decode_list(R"({"metadata":{"resourceVersion":"5","remainingItemCount":3},"items":null})");
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->items.empty());
  EXPECT_EQ(page->remaining, 3);
}

TEST(List, BodyThatIsNoListIsAnErrorThatSaysWhy) {
  for (std::string const body : {"", "{", "[]", "3", "{}", R"({"metadata":{}})", R"({"metadata":{},"items":{}})",
                                 R"({"metadata":{"resourceVersion":5},"items":[]})", R"({"metadata":7,"items":[]})"}) {
    auto const page = decode_list(body);
    ASSERT_FALSE(page) << body;
    EXPECT_EQ(page.error().kind(), error_kind::decode);
  }
  EXPECT_EQ(decode_list(R"({"metadata":{"resourceVersion":5},"items":[]})").error().message(),
            "the list: metadata.resourceVersion: expected a string, got a number");
}

}  // namespace
