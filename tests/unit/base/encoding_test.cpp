#include "codeexec/base/encoding.hpp"

#include <gtest/gtest.h>
#include <random>
#include <set>
#include <string>

namespace codeexec::base {
namespace {

std::string random_bytes(std::mt19937_64& random, std::size_t size) {
  std::string out(size, '\0');
  for (auto& c : out)
    c = static_cast<char>(random() & 0xFF);
  return out;
}

TEST(base64, has_the_test_vectors_of_rfc_4648) {
  struct row {
    char const* bytes;
    char const* text;
  };
  for (auto const& [bytes, text] : {row{"", ""}, row{"f", "Zg=="}, row{"fo", "Zm8="}, row{"foo", "Zm9v"},
                                    row{"foob", "Zm9vYg=="}, row{"fooba", "Zm9vYmE="}, row{"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text), bytes);
  }
  EXPECT_EQ(base64_encode("\xFB\xFF\xFE"), "+//+");
}

TEST(base64, gives_back_every_byte_string) {
  for (int first = 0; first < 256; ++first) {
    std::string const one(1, static_cast<char>(first));
    ASSERT_EQ(base64_decode(base64_encode(one)), one);
    for (int second = 0; second < 256; ++second) {
      auto const two = one + static_cast<char>(second);
      ASSERT_EQ(base64_decode(base64_encode(two)), two);
    }
  }
  std::mt19937_64 random(20260131);
  for (std::size_t size = 0; size < 300; ++size) {
    auto const bytes = random_bytes(random, size);
    auto const text = base64_encode(bytes);
    ASSERT_EQ(text.size(), (size + 2) / 3 * 4);
    ASSERT_EQ(base64_decode(text), bytes);
  }
}

TEST(base64, line_breaks_are_skipped_wherever_they_stand) {
  EXPECT_EQ(base64_decode("Zm9v\nYmFy\n"), "foobar");
  EXPECT_EQ(base64_decode("Zm\r\n9vYg=\r\n=\r\n"), "foob");
  EXPECT_EQ(base64_decode("\n"), "");
}

TEST(base64, malformed_text_is_nothing) {
  for (auto const* text : {"Z", "Zg", "Zg=", "Zg===", "Zm8", "Zm8==", "=", "==", "====", "Zm9v=", "Zm9v====",
                           "Zg==Zg==", "Z=g=", "Zm 9v", "Zm9v ", "Zm-_", "Zm9v\t", "Zm9v.", "\xC3\xA4\xC3\xA4"}) {
    EXPECT_EQ(base64_decode(text), std::nullopt) << text;
  }
  EXPECT_EQ(base64_decode(std::string_view("Zm9\0", 4)), std::nullopt);
}

TEST(base64, one_value_has_one_text) {
  // The bits of the last digit that belong to no byte must be zero: of all texts "xy==" 256 are base64, not 4096.
  std::set<std::string> seen;
  int accepted = 0;
  std::string const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (char const x : alphabet) {
    for (char const y : alphabet) {
      auto const decoded = base64_decode(std::string{x, y, '=', '='});
      if (!decoded) continue;
      ++accepted;
      seen.insert(*decoded);
    }
  }
  EXPECT_EQ(accepted, 256);
  EXPECT_EQ(seen.size(), 256U);
}

TEST(sha256, has_the_published_test_vectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(percent, only_unreserved_characters_stand_for_themselves) {
  EXPECT_EQ(percent_encode("AZaz09-._~"), "AZaz09-._~");
  EXPECT_EQ(percent_encode("a/b c?d=e&f"), "a%2Fb%20c%3Fd%3De%26f");
  EXPECT_EQ(percent_encode("codeexec.dev/execution-uid in (a,b)"), "codeexec.dev%2Fexecution-uid%20in%20%28a%2Cb%29");
  EXPECT_EQ(percent_encode("\xC3\xA4"), "%C3%A4");
  EXPECT_EQ(percent_encode(std::string_view("\0", 1)), "%00");
}

TEST(percent, every_byte_comes_back) {
  std::string all;
  for (int i = 0; i < 256; ++i)
    all += static_cast<char>(i);
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(percent_decode("%c3%A4"), "\xC3\xA4");
}

TEST(percent, plus_is_a_space_only_where_it_is_said_to_be) {
  EXPECT_EQ(percent_decode("a+b"), "a+b");
  EXPECT_EQ(percent_decode("a+b%2B", true), "a b+");
}

TEST(percent, a_broken_escape_is_nothing) {
  for (auto const* text : {"%", "%4", "a%", "%zz", "%4z", "%%41", "% 41", "%-1"}) {
    EXPECT_EQ(percent_decode(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace codeexec::base
