// The languages of the default configuration: code, arguments, input, output, exit code, each in its own words.
#include <gtest/gtest.h>
#include <string>

#include "cluster.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;

struct language {
  char const* name;
  char const* code;  ///< says "NAME ARG INPUT" on stdout and "err" on stderr, and exits with 3
};

void PrintTo(language const& one, std::ostream* out) {
  *out << one.name;
}

class runtimes : public ::testing::TestWithParam<language> {};

TEST_P(runtimes, run_code_with_arguments_and_input) {
  std::string const name = GetParam().name;
  workspace here;
  ASSERT_TRUE(here.create(
      name, {{"language", name}, {"code", GetParam().code}, {"args", {"an argument"}}, {"stdin", "input"}}));
  auto const execution = here.wait_until(name, 120s, [](json const& e) {
    auto const status = e.value("status", json::object());
    return status.value("reason", "") == "PullingImage" || status.value("phase", "") == "Succeeded" ||
           status.value("phase", "") == "Failed";
  });
  auto const& status = execution["status"];
  if (status["reason"] == "PullingImage") {
    GTEST_SKIP() << "This cluster has no image for " << name << ": " << status["message"].get<std::string>();
  }
  EXPECT_EQ(status["reason"], "NonZeroExit") << status.dump(2);
  EXPECT_EQ(status["exitCode"], 3);
  EXPECT_EQ(status["stdout"], name + " an argument input\n");
  EXPECT_EQ(status["stderr"], "err\n");
  EXPECT_EQ(status["output"]["stdoutTruncated"], false);
}

INSTANTIATE_TEST_SUITE_P(
    default_configuration, runtimes,
    ::testing::Values(
        language{
            "python",
            "import sys\nprint('python', sys.argv[1], sys.stdin.read())\nprint('err', file=sys.stderr)\nsys.exit(3)\n"},
        language{"bash", "read -r line\necho \"bash $1 $line\"\necho err >&2\nexit 3\n"},
        language{"node",
                 "const input = require('fs').readFileSync(0, 'utf8');\nconsole.log('node', process.argv[2], input);\n"
                 "console.error('err');\nprocess.exitCode = 3;\n"},
        language{"ruby", "puts \"ruby #{ARGV[0]} #{$stdin.read}\"\nwarn 'err'\nexit 3\n"},
        language{"perl",
                 "use strict; use warnings;\nmy $in = <STDIN>;\nprint \"perl $ARGV[0] $in\\n\";\nprint STDERR "
                 "\"err\\n\";\nexit 3;\n"}),
    [](auto const& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace codeexec::e2e
