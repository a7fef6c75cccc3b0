#include "codeexec/net/gzip.hpp"

#include <gtest/gtest.h>

#include "codeexec/testing/gzip.hpp"

namespace {
using codeexec::net::failure;
using codeexec::net::gzip_decoder;
using codeexec::testing::gzip;

std::string text_of(std::size_t size) {
  std::string text;
  for (unsigned i = 0; text.size() < size; ++i)
    text += "{\"name\":\"" + std::to_string(i * 2654435761U) + "\"},";
  text.resize(size);
  return text;
}

codeexec::net::result<std::string> unfold(std::string_view bytes, std::size_t limit, std::size_t piece) {
  gzip_decoder decoder(limit);
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    auto const taken = decoder.feed(bytes.substr(at, piece));
    if (!taken) return taken.error();
  }
  return decoder.finish();
}

TEST(Gzip, TextIsTheSameHoweverItsBytesAreSplit) {
  for (std::size_t const size : {0U, 1U, 1000U, 65'535U, 65'536U, 65'537U, 300'000U}) {
    auto const text = text_of(size);
    auto const packed = gzip(text);
    for (std::size_t const piece : {1U, 2U, 7U, 4096U, 1'000'000U}) {
      auto const got = unfold(packed, 1'000'000, piece);
      ASSERT_TRUE(got) << got.error().message;
      EXPECT_EQ(*got, text);
    }
  }
}

TEST(Gzip, MembersOneAfterTheOtherAreOneText) {
  EXPECT_EQ(*unfold(gzip("one ") + gzip("") + gzip("two"), 100, 3), "one two");
}

TEST(Gzip, ExactlyTheLimitFitsAndOneByteMoreDoesNot) {
  for (std::size_t const size : {1U, 1000U, 65'536U, 200'000U}) {
    auto const packed = gzip(text_of(size));
    EXPECT_TRUE(unfold(packed, size, 4096));
    auto const refused = unfold(packed, size - 1, 4096);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, failure::too_large);
  }
}

TEST(Gzip, BombStopsAtTheLimitAndNotAtTheEndOfMemory) {
  auto const bomb = gzip(std::string(30U * 1024 * 1024, '\0'));
  ASSERT_LT(bomb.size(), 60'000U);
  gzip_decoder decoder(1024 * 1024);
  auto const taken = decoder.feed(bomb);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().kind, failure::too_large);
  EXPECT_EQ(decoder.take_beginning().size(), 1024U * 1024);
}

TEST(Gzip, WhatIsNotGzipOrIsDamagedIsRefused) {
  auto const packed = gzip(text_of(1000));
  auto damaged = packed;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x55);
  auto bad_sum = packed;
  bad_sum[bad_sum.size() - 6] = static_cast<char>(bad_sum[bad_sum.size() - 6] ^ 1);
  for (auto const& bytes : {std::string("{\"kind\":\"List\"}"), damaged, bad_sum, packed + "trailing"}) {
    auto const got = unfold(bytes, 1'000'000, 64);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().kind, failure::protocol);
  }
}

TEST(Gzip, EveryCutIsSeen) {
  auto const packed = gzip(text_of(200));
  for (std::size_t cut = 0; cut < packed.size(); ++cut) {
    auto const got = unfold(std::string_view(packed).substr(0, cut), 1000, 1000);
    ASSERT_FALSE(got) << cut;
    EXPECT_EQ(got.error().kind, failure::protocol);
  }
}

}  // namespace
