// Each byte of a stream reaches the user once, wherever the live log broke off.
#include "codeexec/cli/output_merge.hpp"

#include <algorithm>
#include <gtest/gtest.h>

#include "codeexec/base/encoding.hpp"
#include "codeexec/execution/log_frames.hpp"

namespace codeexec::cli {
namespace {

stream_progress::stored whole(std::string const& text, std::size_t raw_size) {
  stream_progress::stored all;
  all.name = "stdout";
  all.text = text;
  all.total_bytes = static_cast<std::int64_t>(raw_size);
  return all;
}

/// What a user sees: the live bytes, then the rest.
std::string seen(std::string const& live, stream_progress::remainder const& rest) {
  return live + rest.head + (rest.missing > 0 ? "<" + std::to_string(rest.missing) + " missing>" : "") + rest.tail;
}

TEST(StreamProgress, KnowsByTheLengthThatBytesWereReplaced) {
  auto const repaired = [](std::string const& raw) {
    auto const text = base::repair_utf8(raw);
    return whole(text, raw.size()).is_repaired();
  };
  EXPECT_TRUE(repaired("a\xFF"));
  EXPECT_FALSE(repaired("aé"));
  EXPECT_FALSE(repaired("a\xEF\xBF\xBD")) << "the code wrote it";
  std::string const shown = "a\n[gap]\n\xEF\xBF\xBD";
  auto cut = whole(shown, 12);
  cut.truncated = true;
  EXPECT_FALSE(cut.is_repaired()) << "nobody says what is missing";
  cut.omitted = api::OmittedOutput{8, 2, 6};
  EXPECT_TRUE(cut.is_repaired());
  cut.total_bytes = 13;
  EXPECT_FALSE(cut.is_repaired());
}

TEST(StreamProgress, TextIsWholeForEverySplitPointAlsoWithinCharacters) {
  std::string const text =
      "aé€😀\nNUL:\0 end 😀"
      "é\n";
  for (std::size_t split = 0; split <= text.size(); ++split) {
    stream_progress progress;
    progress.live(text.substr(0, split));
    EXPECT_EQ(seen(text.substr(0, split), progress.rest(whole(text, text.size()))), text) << split;
  }
}

TEST(StreamProgress, TextIsWholeHoweverTheLiveBytesWereCutIntoFrames) {
  std::string const text = "x😀y€zé";
  for (std::size_t split = 0; split <= text.size(); ++split) {
    for (std::size_t first = 0; first <= split; ++first) {
      stream_progress progress;
      progress.live(text.substr(0, first));
      progress.live(text.substr(first, split - first));
      EXPECT_EQ(seen(text.substr(0, split), progress.rest(whole(text, text.size()))), text) << split << " " << first;
    }
  }
}

TEST(StreamProgress, BinaryOutputIsNeitherRepeatedNorLostAroundTheSplit) {
  // Ill-formed in every way that matters: lone continuation, cut characters, bytes that never occur.
  std::string const raw =
      "a\x80"
      "b\xE2\x82"
      "c\xF0\x9F\x98"
      "d\xFF\xC3";
  auto const repaired = base::repair_utf8(raw);
  for (std::size_t split = 0; split <= raw.size(); ++split) {
    auto const live = raw.substr(0, split);
    stream_progress progress;
    progress.live(live);
    auto const all = seen(live, progress.rest(whole(repaired, raw.size())));
    // Raw before the split, repaired after it: repairing all of it must give what the status has, but that a character
    // cut by the split is raw on one side only.
    EXPECT_EQ(base::repair_utf8(all), repaired) << split;
  }
}

TEST(StreamProgress, NothingIsLeftOnceEverythingWasLive) {
  stream_progress progress;
  progress.live("all of it\n");
  EXPECT_TRUE(progress.rest(whole("all of it\n", 10)).empty());
  EXPECT_TRUE(stream_progress().rest(whole("", 0)).empty());
}

/// A stream that was too long for the status, as the operator renders it.
struct long_stream {
  std::string raw;
  execution::stream_text text;
  stream_progress::stored stored;

  explicit long_stream(std::string bytes, std::size_t max) : raw(std::move(bytes)) {
    execution::stream_capture captured(max);
    captured.append(raw);
    text = execution::render(captured, "stdout", raw.size(), 1 << 20);
    stored.name = "stdout";
    stored.text = text.text;
    stored.total_bytes = static_cast<std::int64_t>(raw.size());
    stored.truncated = text.marker.has_value();
    if (!text.marker) return;
    auto const number = [](auto count) { return static_cast<std::int64_t>(count); };
    stored.omitted =
        api::OmittedOutput{number(text.marker->omitted), number(text.marker->offset), number(text.marker->length)};
  }
};

/// `shown` must be `raw` with one gap where it says so.
void expect_honest(std::string const& raw, std::string const& live, stream_progress::remainder const& rest,
                   std::size_t split) {
  auto const before = live + rest.head;
  EXPECT_EQ(before, raw.substr(0, before.size())) << split;
  auto const after = before.size() + static_cast<std::size_t>(rest.missing);
  ASSERT_LE(after, raw.size()) << split;
  EXPECT_EQ(rest.tail, raw.substr(after)) << split;
}

TEST(StreamProgress, TruncatedTextContinuesAfterEverySplitPointAndCountsTheGapRight) {
  std::string raw;
  for (int i = 0; i < 60; ++i)
    raw += "line " + std::to_string(i) + " é\n";
  long_stream const stream(raw, 100);
  ASSERT_TRUE(stream.text.marker);
  for (std::size_t split = 0; split <= raw.size(); ++split) {
    stream_progress progress;
    progress.live(raw.substr(0, split));
    expect_honest(raw, raw.substr(0, split), progress.rest(stream.stored), split);
  }
}

TEST(StreamProgress, TruncatedTextWithoutLineBreaksIsCutAtTheMarkerNotAtOurNewline) {
  std::string const raw(500, 'x');
  long_stream const stream(raw, 100);
  ASSERT_TRUE(stream.text.marker);
  for (std::size_t split = 0; split <= raw.size(); ++split) {
    stream_progress progress;
    progress.live(raw.substr(0, split));
    expect_honest(raw, raw.substr(0, split), progress.rest(stream.stored), split);
  }
}

TEST(StreamProgress, ALineThatLooksLikeTheMarkerIsOutput) {
  std::string raw = "[codeexec: 7 bytes of stdout left out]\n";
  for (int i = 0; i < 40; ++i)
    raw += "line " + std::to_string(i) + "\n";
  raw += "[codeexec: 3 bytes of stdout left out]\nend\n";
  long_stream const stream(raw, 160);
  ASSERT_TRUE(stream.text.marker);
  for (std::size_t split = 0; split <= raw.size(); ++split) {
    stream_progress progress;
    progress.live(raw.substr(0, split));
    expect_honest(raw, raw.substr(0, split), progress.rest(stream.stored), split);
  }
}

TEST(StreamProgress, APlaceThatTheTextDoesNotHaveIsNoPlace) {
  for (auto const& [offset, length] : {std::pair{-1, 3}, std::pair{3, -1}, std::pair{4, 1}, std::pair{0, 5}}) {
    stream_progress::stored odd;
    odd.name = "stdout";
    odd.text = "text";
    odd.total_bytes = 10;
    odd.truncated = true;
    odd.omitted = api::OmittedOutput{6, offset, length};
    auto const rest = stream_progress().rest(odd);
    EXPECT_EQ(rest.head, "text");
    EXPECT_EQ(rest.missing, 6);
  }
}

TEST(StreamProgress, AGapInTheLogIsNotFilledTwice) {
  std::string raw;
  for (int i = 0; i < 60; ++i)
    raw += "line " + std::to_string(i) + "\n";
  long_stream const stream(raw, 100);
  // The log: the first 100 bytes, a gap, the last 50; broken off somewhere in those.
  auto const tail_from = raw.size() - 50;
  for (std::size_t split = tail_from; split <= raw.size(); ++split) {
    stream_progress progress;
    progress.live(raw.substr(0, 100));
    progress.dropped(static_cast<std::int64_t>(tail_from - 100));
    progress.live(raw.substr(tail_from, split - tail_from));
    auto const rest = progress.rest(stream.stored);
    EXPECT_EQ(rest.missing, 0) << split;
    EXPECT_EQ(rest.head + rest.tail, raw.substr(split)) << split;
  }
}

TEST(StreamProgress, CountsWhatTheOperatorCouldNotSaveAsMissing) {
  stream_progress progress;
  progress.live("abc");
  stream_progress::stored lost;
  lost.name = "stdout";
  lost.total_bytes = 10;
  lost.truncated = true;
  EXPECT_EQ(progress.rest(lost).missing, 7);
}

}  // namespace
}  // namespace codeexec::cli
