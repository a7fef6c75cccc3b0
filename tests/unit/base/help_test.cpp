#include "codeexec/base/help.hpp"

#include <gtest/gtest.h>

namespace codeexec::base {
namespace {

constexpr char const* help =
    "Runs code that nobody trusts, each in a sandbox of its own.\n"
    "Usage: program [OPTIONS]\n"
    "\n"
    "Options:\n"
    "  -h,--help         Print this\n"
    "  --a-very-long-flag-of-ours (Env:A_VERY_LONG_FLAG_OF_OURS_TOO)\n"
    "                    What this flag is for takes more than a line to say\n"
    "  --short N         Of this, too, there is more to say than fits\n"
    "\n"
    "Every flag has a variable;\n"
    "a flag wins.\n"
    "\n"
    "  program --short 1 --a-very-long-flag-of-ours true\n";

TEST(Help, IsFoldedAtTheTerminalsWidth) {
  EXPECT_EQ(fold_help(help, 50, 20),
            "Runs code that nobody trusts, each in a sandbox of\n"
            "its own.\n"
            "Usage: program [OPTIONS]\n"
            "\n"
            "Options:\n"
            "  -h,--help         Print this\n"
            "  --a-very-long-flag-of-ours\n"
            "                    (Env:A_VERY_LONG_FLAG_OF_OURS_TOO)\n"
            "                    What this flag is for takes\n"
            "                    more than a line to say\n"
            "  --short N         Of this, too, there is more to\n"
            "                    say than fits\n"
            "\n"
            "Every flag has a variable; a flag wins.\n"
            "\n"
            "  program --short 1 --a-very-long-flag-of-ours true\n");
}

TEST(Help, IsNotFoldedWhereThereIsRoomAndNotWiderThanOneReads) {
  std::string const wide = "  --short N         Of this, too, there is more to say than fits\n";
  EXPECT_EQ(fold_help(wide, 64, 20), wide);
  std::string const words = "  --" + std::string(200, 'x') + " " + std::string(100, 'y') + "\n";
  EXPECT_EQ(fold_help(words, 300, 20),
            "  --" + std::string(200, 'x') + "\n" + std::string(20, ' ') + std::string(100, 'y') + "\n");
  EXPECT_EQ(fold_help("", 80, 20), "");
}

TEST(Help, HasEightyColumnsWhereThereIsNoTerminal) {
  EXPECT_EQ(columns_of(-1), 80U);
}

}  // namespace
}  // namespace codeexec::base
