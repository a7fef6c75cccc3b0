// Many executions: every output to the byte, nothing mixed up, nothing left.
#include <gtest/gtest.h>
#include <string>

#include "cluster.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;

/// A program whose output depends on `n` and is about `n % 7` KiB long on each stream.
json numbered(int n) {
  return python(
      "import sys\n"
      "n = " +
      std::to_string(n) +
      "\n"
      "for i in range(n % 7 * 16 + 1):\n"
      "    print(n, 'out', i, 'x' * 50)\n"
      "    print(n, 'err', i, 'y' * 50, file=sys.stderr)\n"
      "sys.exit(n % 3)\n");
}

void expect_numbered(json const& status, int n) {
  std::string out, err;
  for (int i = 0; i < n % 7 * 16 + 1; ++i) {
    out += std::to_string(n) + " out " + std::to_string(i) + " " + std::string(50, 'x') + "\n";
    err += std::to_string(n) + " err " + std::to_string(i) + " " + std::string(50, 'y') + "\n";
  }
  EXPECT_EQ(status["reason"], n % 3 == 0 ? "Completed" : "NonZeroExit") << n << status.dump(2);
  EXPECT_EQ(status["exitCode"], n % 3) << n;
  EXPECT_EQ(status["stdout"], out) << n;
  EXPECT_EQ(status["stderr"], err) << n;
  EXPECT_EQ(status["output"]["stdoutBytes"], out.size()) << n;
}

TEST(many, two_hundred_in_a_row_are_exact_and_leave_nothing) {
  workspace here;
  for (int n = 0; n < 200; ++n) {
    auto const name = "row-" + std::to_string(n);
    expect_numbered(here.run(name, numbered(n)), n);
    ASSERT_TRUE(here.remove(kube::code_executions, name));
    if (HasFatalFailure()) return;
  }
  EXPECT_TRUE(here.wait_gone(kube::code_executions, "", 30s));
  EXPECT_EQ(here.wait_no_leftovers(), std::vector<std::string>());
}

TEST(many, fifty_at_once_are_exact_and_leave_nothing) {
  workspace here;
  for (int n = 0; n < 50; ++n) {
    auto const created = here.create("at-once-" + std::to_string(n), numbered(n));
    ASSERT_TRUE(created) << created.error().describe();
  }
  for (int n = 0; n < 50; ++n) {
    expect_numbered(here.wait_final("at-once-" + std::to_string(n), 240s)["status"], n);
  }
  EXPECT_EQ(here.wait_no_leftovers(), std::vector<std::string>());
}

}  // namespace
}  // namespace codeexec::e2e
