#include "codeexec/execution/log_frames.hpp"

#include <gtest/gtest.h>
#include <random>

#include "codeexec/base/encoding.hpp"
#include "codeexec/kube_core/stored_size.hpp"

#include "make.hpp"

namespace codeexec::execution {
namespace {

constexpr std::size_t plenty = 1 << 20;

std::string text_of(log_capture const& log, std::size_t budget = plenty) {
  auto const total = log.result() ? log.result()->stdout_bytes : log.out().total();
  return render(log.out(), "stdout", total, budget).text;
}

log_capture capture(std::string const& lines, std::size_t max_bytes = 64) {
  log_capture log(max_bytes, "secret");
  log.feed(lines);
  log.end();
  return log;
}

TEST(LogFrames, PutsLinesAndPartsTogetherPerStream) {
  auto const log = capture("stdout F one\nstderr P oo\nstdout P tw\nstderr F ps\nstdout P o\n");
  EXPECT_EQ(text_of(log), "one\ntwo");
  EXPECT_EQ(render(log.err(), "stderr", 0, plenty).text, "oops\n");
  EXPECT_EQ(log.frames(), 5U);
}

TEST(LogFrames, DoesNotCareWhereTheBytesAreSplit) {
  std::string const lines = "stdout F h\xC3\xA4\n\xFF noise\nstdout P a\nstdout F \nstdout F stdout F b\nresult F " +
                            testing::exited(0) + "\n";
  auto const whole = capture(lines);
  ASSERT_TRUE(whole.result());
  for (std::size_t first = 0; first <= lines.size(); ++first) {
    log_capture log(64, "secret");
    log.feed(lines.substr(0, first));
    log.feed(lines.substr(first));
    log.end();
    ASSERT_TRUE(log.result()) << "split at " << first;
    ASSERT_EQ(text_of(log), text_of(whole)) << "split at " << first;
    ASSERT_EQ(log.garbage_lines(), 1U);
  }
  log_capture bytewise(64, "secret");
  for (char const c : lines)
    bytewise.feed(std::string(1, c));
  EXPECT_EQ(text_of(bytewise), text_of(whole));
}

TEST(LogFrames, AFrameForWhoReadsAlongIsNoGarbageAndChangesNothing) {
  auto const log = capture("stdout F x\nfull F {\"stream\":\"stdout\",\"bytes\":2}\nstdout F y\n");
  EXPECT_EQ(log.garbage_lines(), 0U);
  EXPECT_EQ(log.out().total(), 4U);
}

TEST(LogFrames, WhatFollowsTheResultCountsForNothingHoweverLongAndHoweverCut) {
  auto const lines = "result F " + testing::exited(0) + "\n" + std::string(40'000, 'x') + "\nmore\n";
  EXPECT_EQ(capture(lines).garbage_lines(), 0U);
  log_capture in_pieces(64, "secret");
  for (std::size_t at = 0; at < lines.size(); at += 1000)
    in_pieces.feed(std::string_view(lines).substr(at, 1000));
  in_pieces.end();
  EXPECT_TRUE(in_pieces.result());
  EXPECT_EQ(in_pieces.garbage_lines(), 0U);
}

TEST(LogFrames, WhatTheCodePrintsCannotBeAFrame) {
  auto const log = capture("stdout F result F " + testing::exited(0) + "\nstdout F stderr F x\n");
  EXPECT_FALSE(log.result());
  EXPECT_EQ(log.err().total(), 0U);
}

TEST(LogFrames, AResultWithoutTheTokenIsGarbage) {
  auto const log = capture("result F " + testing::result_json(R"("end":"exited","exitCode":0)", "guess") +
                           "\nresult F " + testing::exited(3) + "\n");
  ASSERT_TRUE(log.result());
  EXPECT_EQ(log.result()->exit_code, 3);
  EXPECT_EQ(log.garbage_lines(), 1U);
}

TEST(LogFrames, NothingAfterTheResultCounts) {
  auto const log = capture("result F " + testing::exited(0) + "\nstdout F late\nresult F " + testing::exited(9) + "\n");
  EXPECT_EQ(log.result()->exit_code, 0);
  EXPECT_EQ(log.out().total(), 0U);
}

TEST(LogFrames, ALogCutInALineKeepsWhatWasRead) {
  auto const log = capture("stdout F one\nstdout F tw");
  EXPECT_EQ(text_of(log), "one\ntw");
}

TEST(LogFrames, EndlessLinesTakeNoMemoryAndDoNotHideWhatFollows) {
  log_capture log(64, "secret");
  for (int i = 0; i < 100; ++i)
    log.feed(std::string(10000, 'x'));
  log.feed("\nstdout F ok\n");
  EXPECT_EQ(text_of(log), "ok\n");
  EXPECT_EQ(log.garbage_lines(), 1U);
}

TEST(LogFrames, OutputUpToTheBoundIsWhole) {
  for (std::size_t size = 0; size <= 10; ++size) {
    auto const log = capture("stdout P " + std::string(size, 'a') + "\n", 10);
    auto const shown = render(log.out(), "stdout", size, plenty);
    EXPECT_EQ(shown.text, std::string(size, 'a'));
    EXPECT_FALSE(shown.marker);
  }
}

TEST(LogFrames, BeyondTheBoundHeadAndTailStayAndTheMarkerCountsToTheByte) {
  auto const log = capture("stdout P 0123456789abcdef\n", 10);
  auto const shown = render(log.out(), "stdout", 16, plenty);
  ASSERT_TRUE(shown.marker);
  EXPECT_EQ(shown.text, "01234\n[codeexec: 6 bytes of stdout left out]\nbcdef");
}

TEST(LogFrames, DroppedBytesAreCountedAtTheirPlace) {
  auto const log = capture("stdout P 01234567\ndropped F {\"stream\":\"stdout\",\"bytes\":1000}\nstdout P xyz\n", 10);
  EXPECT_EQ(log.out().total(), 1011U);
  EXPECT_EQ(render(log.out(), "stdout", 1011, plenty).text, "01234\n[codeexec: 1003 bytes of stdout left out]\nxyz");
}

TEST(LogFrames, ABrokenOffLogSaysWhatTheRunnerCountedAndNobodyHas) {
  auto const log = capture("stdout P 0123\n", 100);
  EXPECT_EQ(render(log.out(), "stdout", 10, plenty).text, "0123\n[codeexec: 6 bytes of stdout left out]\n");
}

TEST(LogFrames, CutsOnlyBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 20; ++i)
    text += "\xE2\x82\xAC";  // euro signs, three bytes each
  for (std::size_t bound = 1; bound < text.size(); ++bound) {
    auto const log = capture("stdout P " + text + "\n", bound);
    auto const shown = render(log.out(), "stdout", text.size(), plenty);
    ASSERT_TRUE(base::is_valid_utf8(shown.text));
    ASSERT_EQ(shown.text.find("\xEF\xBF\xBD"), std::string::npos) << "a replacement character at bound " << bound;
    // What is kept and what is said to be left out add up.
    auto const at = shown.text.find("[codeexec: ");
    ASSERT_NE(at, std::string::npos);
    std::size_t kept = 0;
    for (std::size_t i = 0; i + 2 < shown.text.size(); ++i)
      kept += shown.text.compare(i, 3, "\xE2\x82\xAC") == 0 ? 3U : 0U;
    ASSERT_EQ(kept + std::stoul(shown.text.substr(at + 11)), text.size());
  }
}

TEST(LogFrames, IllFormedBytesAndNulsAreRepairedOnlyWhereTheyAreShown) {
  auto const log = capture(std::string("stdout P a\xFF") + '\0' + "b\xE2\x82\n");
  EXPECT_EQ(log.out().total(), 6U);
  EXPECT_EQ(text_of(log), std::string("a\xEF\xBF\xBD") + '\0' + "b\xEF\xBF\xBD");
}

TEST(LogFrames, OutputThatGrowsByEscapingStaysWithinItsBudget) {
  for (char const c : {'\0', '<', '\x01', '\xFF', '"'}) {
    std::string const noisy(200000, c);
    log_capture log(262144, "secret");
    for (std::size_t i = 0; i < noisy.size(); i += 8000)
      log.feed("stdout P " + noisy.substr(i, 8000) + "\n");
    auto const shown = render(log.out(), "stdout", noisy.size(), 300000);
    EXPECT_LE(kube::json_length(shown.text), 300000U);
    EXPECT_GE(kube::json_length(shown.text), 299900U) << "more was cut than needed";
  }
}

/// Streams of every kind of byte, from a seed.
std::string stream_of(std::mt19937& random, std::size_t pieces) {
  static std::vector<std::string> const kinds{"a",
                                              "line\n",
                                              "\n",
                                              "\xC3\xA4",
                                              "\xE2\x82\xAC",
                                              "\xF0\x9F\x98\x80",
                                              "\x01",
                                              "<",
                                              "\"",
                                              "\xFF",
                                              "\xE2\x82",
                                              "\x80\x80\x80\x80",
                                              "\u2028",
                                              "\r",
                                              "[codeexec: 3 bytes of stdout left out]\n"};
  std::string out;
  for (std::size_t i = 0; i < pieces; ++i)
    out += kinds[random() % kinds.size()];
  return out;
}

/// What is before the marker and after it must be the stream's own beginning and end, repaired, and what is between
/// them must be as long as it says.
void expect_honest(std::string const& raw, stream_text const& shown, std::string const& where) {
  ASSERT_TRUE(base::is_valid_utf8(shown.text)) << where;
  if (!shown.marker) {
    ASSERT_EQ(shown.text, base::repair_utf8(raw)) << where;
    return;
  }
  auto const& [offset, length, omitted] = *shown.marker;
  ASSERT_LE(offset + length, shown.text.size()) << where;
  ASSERT_LE(omitted, raw.size()) << where;
  auto line = shown.text.substr(offset, length);
  if (line.front() == '\n') line.erase(0, 1);
  ASSERT_EQ(line,
            "[codeexec: " + std::to_string(omitted) + (omitted == 1 ? " byte" : " bytes") + " of stdout left out]\n")
      << where;
  ASSERT_TRUE(offset == 0 || shown.text[offset] == '\n' || shown.text[offset - 1] == '\n')
      << "not on a line of its own";
  auto const before = shown.text.substr(0, offset);
  auto const after = shown.text.substr(offset + length);
  bool found = false;
  for (std::size_t cut = 0; cut + omitted <= raw.size() && !found; ++cut) {
    found = base::repair_utf8(raw.substr(0, cut)) == before && base::repair_utf8(raw.substr(cut + omitted)) == after;
  }
  ASSERT_TRUE(found) << where << ": " << shown.text;
}

TEST(LogFrames, EveryTruncationIsHonestToTheByteAndSaysWhereItsMarkerIs) {
  for (unsigned seed = 0; seed < 1500; ++seed) {
    std::mt19937 random(seed);
    auto const raw = stream_of(random, random() % 40);
    auto const max_bytes = 1 + random() % 60;
    auto const budget = random() % 3 == 0 ? random() % 200 : plenty;
    stream_capture captured(max_bytes);
    for (std::size_t at = 0; at < raw.size();) {
      auto const count = std::min<std::size_t>(1 + random() % 9, raw.size() - at);
      captured.append(std::string_view(raw).substr(at, count));
      at += count;
    }
    auto const where = "seed " + std::to_string(seed);
    auto const shown = render(captured, "stdout", raw.size(), budget);
    ASSERT_NO_FATAL_FAILURE(expect_honest(raw, shown, where));
    if (budget > 60) {
      ASSERT_LE(kube::json_length(shown.text), budget) << where;
    }
    bool const all_fits = raw.size() <= max_bytes && kube::json_length(base::repair_utf8(raw)) <= budget;
    ASSERT_EQ(shown.marker.has_value(), !all_fits) << where;
  }
}

TEST(LogFrames, OfALogThatBrokeOffWhatIsMissingStandsWhereItIs) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    std::mt19937 random(seed);
    auto const raw = stream_of(random, 1 + random() % 30);
    auto const where = "seed " + std::to_string(seed);
    auto const cut = random() % raw.size();
    stream_capture beginning(1000);
    beginning.append(std::string_view(raw).substr(0, cut));
    ASSERT_NO_FATAL_FAILURE(expect_honest(raw, render(beginning, "stdout", raw.size(), plenty), where));
    stream_capture end(1000);
    end.append(std::string_view(raw).substr(cut));
    ASSERT_NO_FATAL_FAILURE(expect_honest(raw, render(end, "stdout", raw.size(), plenty, true), where));
  }
}

TEST(LogFrames, TwoThatShareARoomHaveWhatTheyWantOrHalfOfIt) {
  for (std::size_t room = 0; room <= 24; ++room) {
    for (std::size_t one = 0; one <= 30; ++one) {
      for (std::size_t other = 0; other <= 30; ++other) {
        auto const [first, second] = share(room, one, other);
        ASSERT_LE(first + second, room);
        ASSERT_GE(first, std::min(one, room / 2));
        ASSERT_GE(second, std::min(other, room / 2));
        if (one + other <= room) {
          ASSERT_EQ(first, one);
          ASSERT_EQ(second, other);
        } else {
          ASSERT_GE(first + second + 1, room) << "room is left that somebody wants";
        }
      }
    }
  }
}

TEST(LogFrames, MemoryIsBoundedWhateverComes) {
  stream_capture stream(1000);
  for (int i = 0; i < 100000; ++i)
    stream.append("0123456789");
  EXPECT_EQ(stream.total(), 1000000U);
  EXPECT_EQ(stream.head().size(), 500U);
  EXPECT_EQ(stream.tail().size(), 500U);
  EXPECT_FALSE(stream.whole());
}

}  // namespace
}  // namespace codeexec::execution
