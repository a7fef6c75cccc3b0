#include "codeexec/cli/frame_reader.hpp"

#include <gtest/gtest.h>
#include <string>

namespace codeexec::cli {
namespace {

struct collected {
  std::string out;
  std::string err;
  std::int64_t dropped_out = 0;
  std::int64_t dropped_err = 0;
  std::int64_t full_out = 0;
  std::int64_t full_err = 0;
  std::string order;
  frame_reader reader{frame_reader::handler{
      [this](stream_name to, std::string_view bytes) {
        (to == stream_name::out ? out : err) += bytes;
        order += to == stream_name::out ? 'o' : 'e';
      },
      [this](stream_name to, std::int64_t count) {
        (to == stream_name::out ? dropped_out : dropped_err) += count;
        order += 'd';
      },
      [this](stream_name to, std::int64_t count) {
        (to == stream_name::out ? full_out : full_err) = count;
        order += 'f';
      },
  }};
};

TEST(FrameReader, GivesBackTheBytesOfBothStreamsInTheirOrder) {
  collected seen;
  seen.reader.feed("stdout F hello\nstderr P part\nstdout F \nstderr F ial\n");
  EXPECT_EQ(seen.out, "hello\n\n");
  EXPECT_EQ(seen.err, "partial\n");
  EXPECT_EQ(seen.order, "oeoe");
  EXPECT_FALSE(seen.reader.ended());
}

TEST(FrameReader, TellsThatNothingMoreComesLive) {
  collected seen;
  seen.reader.feed(
      "stderr F x\nfull F {\"stream\":\"stderr\",\"bytes\":2}\nfull F {\"stream\":\"stdin\",\"bytes\":2}\n");
  EXPECT_EQ(seen.full_err, 2);
  EXPECT_EQ(seen.full_out, 0);
  EXPECT_EQ(seen.order, "ef");
}

TEST(FrameReader, DoesNotCareWhereTheNetworkCutsTheLog) {
  std::string const log = "stdout F a b  c\nstderr P \xff\n" + std::string("stdout P n\0l\n", 13) +
                          "dropped F {\"stream\":\"stdout\",\"bytes\":12}\nstdout F end\nresult F {}\n";
  for (std::size_t cut = 0; cut <= log.size(); ++cut) {
    collected seen;
    seen.reader.feed(std::string_view(log).substr(0, cut));
    seen.reader.feed(std::string_view(log).substr(cut));
    EXPECT_EQ(seen.out, std::string("a b  c\nn\0lend\n", 14)) << cut;
    EXPECT_EQ(seen.err, "\xff") << cut;
    EXPECT_EQ(seen.dropped_out, 12) << cut;
    EXPECT_TRUE(seen.reader.ended()) << cut;
  }
}

TEST(FrameReader, PrintsNothingOfLinesThatAreNoFrames) {
  collected seen;
  for (auto const* line :
       {"", "hello", "stdout", "stdout F", "stdout  F x", "stdout X x", "stdoutF x", "STDOUT F x", "log F x",
        "dropped F {", "dropped F {\"stream\":\"stdin\",\"bytes\":1}", "dropped F {\"stream\":\"stdout\",\"bytes\":-1}",
        "dropped F {\"stream\":1,\"bytes\":1}", "dropped F 7", "dropped P {\"stream\":\"stdout\",\"bytes\":1}",
        "result P {}", "runc: something went wrong"}) {
    seen.reader.feed(std::string(line) + "\n");
  }
  EXPECT_EQ(seen.order, "");
  EXPECT_FALSE(seen.reader.ended());
}

TEST(FrameReader, ALineWithoutEndDoesNotFillOurMemoryOrTheScreen) {
  collected seen;
  for (int i = 0; i < 100; ++i)
    seen.reader.feed("stdout F " + std::string(10'000, 'x'));
  seen.reader.feed("\nstdout F after\n");
  EXPECT_EQ(seen.out, "after\n");
}

}  // namespace
}  // namespace codeexec::cli
