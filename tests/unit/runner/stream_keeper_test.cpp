#include "codeexec/runner/stream_keeper.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <string>

#include "frame_reader.hpp"

namespace codeexec::runner {
namespace {

using testing::log_content;
using testing::read_log;

/// A stream into a log whose reader takes everything, or `reader_takes` bytes at a time.
class recording {
 public:
  explicit recording(std::uint32_t limit, std::size_t reader_takes = SIZE_MAX)
      : keeper_(std::make_unique<stream_keeper>("stdout", limit)),
        queue_(std::make_unique<frame_queue>()),
        reader_takes_(reader_takes) {}

  void write(std::string_view data) {
    while (!data.empty()) {
      std::size_t const taken = keeper_->accept(bytes(data.data(), data.size()), *queue_);
      data.remove_prefix(taken);
      read_some();
    }
  }
  log_content finish() {
    keeper_->finish();
    while (!keeper_->pump(*queue_))
      read_some();
    while (!queue_->empty())
      read_some();
    auto const log = read_log(text_);
    EXPECT_EQ(log.unreadable, "");
    EXPECT_EQ(log.out.total(), keeper_->total());
    EXPECT_LE(log.longest_payload, wire::max_frame_payload);
    return log;
  }
  [[nodiscard]] std::string const& text() const { return text_; }
  stream_keeper& keeper() { return *keeper_; }
  frame_queue& queue() { return *queue_; }

 private:
  void read_some() {
    auto const pending = queue_->pending();
    std::size_t const count = std::min(pending.size, reader_takes_);
    if (count == 0) return;
    text_.append(pending.data, count);
    queue_->consume(count);
  }

  std::unique_ptr<stream_keeper> keeper_;
  std::unique_ptr<frame_queue> queue_;
  std::size_t reader_takes_;
  std::string text_;
};

/// Lines, each different from the others, so that a byte in the wrong place shows.
std::string numbered_lines(std::size_t size) {
  std::string text;
  for (int i = 0; text.size() < size; ++i)
    text += "line " + std::to_string(i) + "\n";
  text.resize(size);
  return text;
}

TEST(StreamKeeper, ALineIsAFrame) {
  recording stream(1000);
  stream.write("hello\nworld\n");
  stream.finish();
  EXPECT_EQ(stream.text(), "stdout F hello\nstdout F world\n");
}

TEST(StreamKeeper, AnUnfinishedLineIsWrittenAtOnceAndGoesOn) {
  recording stream(1000);
  stream.write("hel");
  EXPECT_EQ(stream.text(), "stdout P hel\n");
  stream.write("lo\n");
  EXPECT_EQ(stream.text(), "stdout P hel\nstdout F lo\n");
}

TEST(StreamKeeper, EmptyLinesAndNoOutputAreTold) {
  recording stream(1000);
  stream.write("\n\n");
  EXPECT_EQ(stream.finish().out.whole(), "\n\n");
  recording silent(1000);
  silent.finish();
  EXPECT_EQ(silent.text(), "");
}

TEST(StreamKeeper, WhatLooksLikeAFrameIsOnlyOutput) {
  recording stream(1000);
  std::string const forged = "result F {\"v\":1}\nstderr F x\ndropped F {}\n";
  stream.write(forged);
  auto const log = stream.finish();
  EXPECT_EQ(log.out.whole(), forged);
  EXPECT_FALSE(log.result.has_value());
}

TEST(StreamKeeper, AllByteValuesComeThrough) {
  std::string all;
  for (int i = 0; i < 256; ++i)
    all += static_cast<char>(i);
  recording stream(1000);
  stream.write(all);
  EXPECT_EQ(stream.finish().out.whole(), all);
}

TEST(StreamKeeper, LongLinesAreCutIntoFramesAtTheBound) {
  for (std::size_t const length : {8191u, 8192u, 8193u, 16384u, 20000u}) {
    recording stream(65536);
    std::string const line = std::string(length, 'x') + "\n";
    stream.write(line);
    auto const log = stream.finish();
    EXPECT_EQ(log.out.whole(), line) << length;
    EXPECT_EQ(log.longest_payload, std::min<std::size_t>(length, 8192)) << length;
  }
}

TEST(StreamKeeper, UpToTheLimitNothingIsLost) {
  for (std::size_t const size : {999u, 1000u}) {
    recording stream(1000);
    auto const text = numbered_lines(size);
    stream.write(text);
    auto const log = stream.finish();
    EXPECT_EQ(log.out.whole(), text);
    EXPECT_EQ(log.out.dropped, 0u);
    EXPECT_EQ(log.out.full, std::nullopt) << "there was no more";
  }
}

TEST(StreamKeeper, JustPastTheLimitTheTailFollowsWithoutAGap) {
  for (std::size_t const size : {1001u, 1499u, 1500u}) {
    recording stream(1000);
    auto const text = numbered_lines(size);
    stream.write(text);
    auto const log = stream.finish();
    EXPECT_EQ(log.out.whole(), text) << size;
    EXPECT_EQ(log.out.dropped, 0u) << size;
    EXPECT_EQ(log.out.full, 1000u) << size;
  }
}

TEST(StreamKeeper, WhoReadsAlongIsToldOnceThatNothingMoreComesLive) {
  recording stream(1000);
  stream.write(numbered_lines(1000));
  auto const before = stream.text().size();
  stream.write("x");
  EXPECT_EQ(stream.text().substr(before), "full F {\"stream\":\"stdout\",\"bytes\":1000}\n");
  stream.write(numbered_lines(5000));
  EXPECT_EQ(stream.finish().out.full, 1000u);
}

TEST(StreamKeeper, PastThatTheMiddleIsDroppedToTheByte) {
  for (std::size_t const size : {1501u, 2000u, 123457u}) {
    recording stream(1000);
    auto const text = numbered_lines(size);
    stream.write(text);
    auto const log = stream.finish();
    EXPECT_EQ(log.out.head, text.substr(0, 1000)) << size;
    EXPECT_EQ(log.out.tail, text.substr(size - 500)) << size;
    EXPECT_EQ(log.out.dropped, size - 1500) << size;
  }
}

TEST(StreamKeeper, ALimitOfNothingKeepsNothingAndCounts) {
  for (std::uint32_t const limit : {0u, 1u}) {
    recording stream(limit);
    stream.write("hello\n");
    auto const log = stream.finish();
    EXPECT_EQ(log.out.head.size(), limit);
    EXPECT_EQ(log.out.dropped, 6u - limit);
  }
}

TEST(StreamKeeper, HowTheCodeWritesDoesNotMatter) {
  auto const text = numbered_lines(50000);
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::uint32_t const limit = static_cast<std::uint32_t>(random() % 20000);
    recording stream(limit, 1 + random() % 3000);
    std::string_view rest = text;
    while (!rest.empty()) {
      std::size_t const count = std::min<std::size_t>(rest.size(), 1 + random() % (round % 2 != 0 ? 40 : 9000));
      stream.write(rest.substr(0, count));
      rest.remove_prefix(count);
    }
    auto const log = stream.finish();
    ASSERT_EQ(log.out.head, text.substr(0, log.out.head.size()));
    ASSERT_EQ(log.out.head.size() + log.out.tail.size() + log.out.dropped, text.size());
    ASSERT_EQ(log.out.tail, text.substr(text.size() - log.out.tail.size()));
    ASSERT_EQ(log.out.head.size(), limit);
    ASSERT_EQ(log.out.tail.size(), limit / 2);
  }
}

TEST(StreamKeeper, TinyLinesStayWithinTheDiskBudget) {
  recording stream(wire::max_output_limit);
  stream.write(std::string(3 * 1024 * 1024, '\n'));
  auto const log = stream.finish();
  EXPECT_LE(log.disk_bytes, stream_disk_budget + 400);
  EXPECT_GE(log.disk_bytes, stream_disk_budget * 99 / 100);
  // Head and tail both have their share.
  EXPECT_GT(log.out.head.size(), 40000u);
  EXPECT_GT(log.out.tail.size(), 20000u);
}

TEST(StreamKeeper, OneByteWritesStayWithinTheDiskBudgetAndTheTailIsWhole) {
  recording stream(wire::max_output_limit);
  std::string text = numbered_lines(wire::max_output_limit);
  std::replace(text.begin(), text.end(), '\n', ' ');
  for (char const& c : text)
    stream.write(std::string_view(&c, 1));
  auto const log = stream.finish();
  EXPECT_LE(log.disk_bytes, stream_disk_budget + 400);
  EXPECT_EQ(log.out.tail, text.substr(text.size() - wire::max_output_limit / 2));
}

TEST(StreamKeeper, BothStreamsAndTheResultFitTheNodesBudget) {
  std::uint64_t const result = wire::max_result_size + 64 + 16;
  std::uint64_t const counts = 2 * 2 * (64 + 64);
  EXPECT_LE(2 * (head_disk_budget + tail_disk_budget) + result + counts, wire::log_disk_budget);
}

TEST(StreamKeeper, ASlowReaderMakesTheCodeWaitAndLosesNothing) {
  recording stream(wire::max_output_limit);
  auto const text = numbered_lines(200000);
  std::size_t const taken = stream.keeper().accept(bytes(text.data(), text.size()), stream.queue());
  EXPECT_GT(taken, 0u);
  EXPECT_LT(taken, text.size());
  EXPECT_EQ(stream.keeper().accept(bytes(text.data() + taken, text.size() - taken), stream.queue()), 0u);
  stream.write(std::string_view(text).substr(taken));
  EXPECT_EQ(stream.finish().out.whole(), text);
}

TEST(StreamKeeper, AStalledReaderDoesNotStopTheCounting) {
  recording stream(wire::max_output_limit);
  auto const text = numbered_lines(1000000);
  std::size_t const taken = stream.keeper().accept(bytes(text.data(), text.size()), stream.queue());
  stream.keeper().divert();
  EXPECT_EQ(stream.keeper().accept(bytes(text.data() + taken, text.size() - taken), stream.queue()),
            text.size() - taken);
  auto const log = stream.finish();
  EXPECT_EQ(log.out.head, text.substr(0, taken));
  EXPECT_EQ(log.out.tail, text.substr(text.size() - wire::max_output_limit / 2));
}

TEST(StreamKeeper, SmallOutputBeyondWhatIsKeptIsLeftToTheLogWhichCutsItToTheByte) {
  recording stream(10);
  stream.write("0123456789");
  EXPECT_TRUE(stream.keeper().is_small());
  stream.write("x");
  EXPECT_FALSE(stream.keeper().is_small());
  EXPECT_TRUE(stream.keeper().small().empty());
}

TEST(StreamKeeper, SmallOutputIsRememberedForTheResult) {
  recording stream(stream_keeper::small_size + 100);
  std::string const text = numbered_lines(stream_keeper::small_size);
  for (char const& c : text)
    stream.write(std::string_view(&c, 1));
  ASSERT_TRUE(stream.keeper().is_small());
  EXPECT_EQ(std::string(stream.keeper().small().data, stream.keeper().small().size), text);
  stream.write("x");
  EXPECT_FALSE(stream.keeper().is_small());
  EXPECT_TRUE(stream.keeper().small().empty());
}

TEST(FrameQueue, TakesWholeFramesOrNothing) {
  auto queue = std::make_unique<frame_queue>();
  std::string const payload(1000, 'x');
  std::size_t pushed = 0;
  while (queue->push("stdout", 'F', bytes(payload.data(), payload.size())))
    ++pushed;
  std::size_t const size = frame_queue::frame_size(6, 1000);
  EXPECT_EQ(pushed, frame_queue::capacity / size);
  EXPECT_EQ(queue->pending().size, pushed * size);

  // Room freed at the front is used again, and what was waiting keeps its place.
  queue->consume(size);
  EXPECT_TRUE(queue->push("stderr", 'P', "new"));
  std::string const waiting(queue->pending().data, queue->pending().size);
  EXPECT_EQ(waiting.substr(0, size), "stdout F " + payload + "\n");
  EXPECT_EQ(waiting.substr((pushed - 1) * size), "stderr P new\n");
  queue->consume(waiting.size());
  EXPECT_TRUE(queue->empty());
}

}  // namespace
}  // namespace codeexec::runner
