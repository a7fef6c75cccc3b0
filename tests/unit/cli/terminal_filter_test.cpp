#include "codeexec/cli/terminal_filter.hpp"

#include <gtest/gtest.h>

#include "codeexec/cli/tail_lines.hpp"

namespace codeexec::cli {
namespace {

std::string shown(std::string const& bytes) {
  terminal_filter filter;
  auto text = filter.pass(bytes);
  return text + filter.finish();
}

TEST(TerminalFilter, PassesWhatProgramsNeed) {
  for (std::string const text : {"plain\ttext\r\n", "\x1b[31mred\x1b[0m", "\x1b[1;38:5:9mx\x1b[m", "10 %\r20 %\x1b[K\b",
                                 "\x1b[12C\x1b[3D\x1b[1G", "日本 é 😀\n"}) {
    EXPECT_EQ(shown(text), text);
  }
}

TEST(TerminalFilter, ShowsWhatWouldDriveTheTerminal) {
  EXPECT_EQ(shown("\x1b]0;title\x07x"), "^[]0;title^Gx");
  EXPECT_EQ(shown("\x1b]52;c;ZXZpbA==\x1b\\"), "^[]52;c;ZXZpbA==^[\\");
  EXPECT_EQ(shown("\x1b[2J\x1b[1A\x1b[6n"), "^[[2J^[[1A^[[6n");
  EXPECT_EQ(shown("\x1b[?1049h"), "^[[?1049h");
  EXPECT_EQ(shown("\x1b"
                  "c\x1bP+q\x1b\\"),
            "^[c^[P+q^[\\");
  EXPECT_EQ(shown(std::string("a\0b\x7f", 4)), "a^@b^?");
}

TEST(TerminalFilter, ReplacesOneByteControlsAndWhatIsNoText) {
  EXPECT_EQ(shown("\xC2\x9B"
                  "2J"),
            "\xEF\xBF\xBD"
            "2J");
  EXPECT_EQ(shown("\x9B"
                  "2J"),
            "\xEF\xBF\xBD"
            "2J");
  EXPECT_EQ(shown("a\xFF\xC3"), "a\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(shown("\xE2\x80\xAE"
                  "evil"),
            "\xEF\xBF\xBD"
            "evil");
  EXPECT_EQ(shown("\xC3\x1b[31m"), "\xEF\xBF\xBD\x1b[31m\x1b[0m");
}

TEST(TerminalFilter, NoPartOfASequenceSlipsThroughWhereverItIsCut) {
  std::string const whole =
      "a\x1b[31mb\x1b]0;t\x07\xE2\x82\xAC\x1b[2Jc\xC2\x9B"
      "d\x1b[0m\n";
  auto const wanted = shown(whole);
  for (std::size_t first = 0; first <= whole.size(); ++first) {
    for (std::size_t second = first; second <= whole.size(); ++second) {
      terminal_filter filter;
      auto text = filter.pass(whole.substr(0, first));
      text += filter.pass(whole.substr(first, second - first));
      text += filter.pass(whole.substr(second));
      EXPECT_EQ(text + filter.finish(), wanted) << first << " " << second;
    }
  }
}

TEST(TerminalFilter, EndsAColourThatTheCodeLeftOn) {
  EXPECT_EQ(shown("\x1b[31mred"), "\x1b[31mred\x1b[0m");
  EXPECT_EQ(shown("\x1b[31mred\x1b[m"), "\x1b[31mred\x1b[m");
  EXPECT_EQ(shown("half\x1b[3"), "half^[[3");
}

TEST(TailLines, KeepsTheLastLinesHoweverTheyCome) {
  tail_lines whole(2);
  whole.add("one\ntwo\nthree\n");
  EXPECT_EQ(whole.take(), "two\nthree\n");
  tail_lines open(2);
  for (auto const* part : {"on", "e\ntw", "o\n", "thr", "ee"})
    open.add(part);
  EXPECT_EQ(open.take(), "two\nthree");
  tail_lines none(0);
  none.add("one\n");
  EXPECT_EQ(none.take(), "");
  tail_lines few(5);
  few.add("one\n");
  EXPECT_EQ(few.take(), "one\n");
}

TEST(TailLines, DoesNotGrowWithWhatIsPast) {
  tail_lines tail(1);
  std::string const line(999, 'x');
  for (int i = 0; i < 10'000; ++i)
    tail.add(line + "\n");
  tail.add("last\n");
  EXPECT_EQ(tail.take(), "last\n");
}

}  // namespace
}  // namespace codeexec::cli
