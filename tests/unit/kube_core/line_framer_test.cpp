#include "codeexec/kube_core/line_framer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vector>

namespace {
using codeexec::kube::line_framer;

std::vector<std::string> drain(line_framer& framer) {
  std::vector<std::string> lines;
  while (auto line = framer.next())
    lines.push_back(line->truncated ? line->text + "[cut]" : line->text);
  return lines;
}

TEST(LineFramer, GivesWholeLinesWhereverTheChunksAreSplit) {
  std::string const text = "{\"a\":1}\nsecond \xC3\xA9\xE2\x82\xAC\n\nlast\n";
  for (std::size_t split = 0; split <= text.size(); ++split) {
    for (std::size_t second = split; second <= text.size(); ++second) {
      line_framer framer(100);
      framer.feed(std::string_view(text).substr(0, split));
      framer.feed(std::string_view(text).substr(split, second - split));
      framer.feed(std::string_view(text).substr(second));
      EXPECT_THAT(drain(framer), testing::ElementsAre("{\"a\":1}", "second \xC3\xA9\xE2\x82\xAC", "", "last"));
      EXPECT_FALSE(framer.has_partial());
    }
  }
}

TEST(LineFramer, LineThatBrokeOffIsNotALine) {
  line_framer framer(100);
  framer.feed("whole\nhal");
  EXPECT_THAT(drain(framer), testing::ElementsAre("whole"));
  EXPECT_TRUE(framer.has_partial());
  auto const partial = framer.take_partial();
  ASSERT_TRUE(partial);
  EXPECT_EQ(partial->text, "hal");
  EXPECT_FALSE(framer.take_partial());
}

TEST(LineFramer, LineOverTheLimitIsCutAndTheNextOneIsWhole) {
  for (std::size_t chunk : {1U, 3U, 7U, 100U}) {
    line_framer framer(5);
    std::string const text = "12345\n123456\nab\n" + std::string(1000, 'x') + "\ncd\n";
    for (std::size_t at = 0; at < text.size(); at += chunk)
      framer.feed(std::string_view(text).substr(at, chunk));
    EXPECT_THAT(drain(framer), testing::ElementsAre("12345", "12345[cut]", "ab", "xxxxx[cut]", "cd"));
  }
}

TEST(LineFramer, NulAndCarriageReturnArePartOfTheLine) {
  line_framer framer(100);
  framer.feed(std::string_view("a\0b\r\n", 5));
  EXPECT_THAT(drain(framer), testing::ElementsAre(std::string("a\0b\r", 4)));
}

}  // namespace
