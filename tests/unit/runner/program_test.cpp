#include "codeexec/runner/program.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <string>

namespace codeexec::runner {
namespace {

TEST(Program, TheCarriedRunnerIsTheBuiltOne) {
  std::ifstream file(CODEEXEC_BINARY_DIR "/bin/codeexec-runner", std::ios::binary);
  std::string const built{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  ASSERT_FALSE(built.empty());
  EXPECT_TRUE(program() == built);
}

TEST(Program, FitsASmallConfigMap) {
  EXPECT_LE(program().size(), 131072u);
  EXPECT_EQ(program().substr(0, 4),
            "\x7F"
            "ELF");
}

}  // namespace
}  // namespace codeexec::runner
