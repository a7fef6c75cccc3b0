#include "codeexec/base/deadline.hpp"

#include <gtest/gtest.h>

namespace codeexec::base {
namespace {

using std::chrono::hours;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

TEST(deadline, has_passed_from_its_very_moment_on) {
  EXPECT_TRUE(deadline(steady_clock::now()).passed());
  EXPECT_TRUE(deadline::after(seconds(0)).passed());
  EXPECT_TRUE(deadline::after(seconds(-1)).passed());
  EXPECT_FALSE(deadline::after(hours(1)).passed());
}

TEST(deadline, never_never_passes) {
  EXPECT_TRUE(deadline::never().is_never());
  EXPECT_FALSE(deadline::never().passed());
}

TEST(deadline, the_earlier_of_two_counts) {
  auto const soon = deadline::after(seconds(1));
  auto const late = deadline::after(hours(1));
  EXPECT_EQ(soon.min(late).at(), soon.at());
  EXPECT_EQ(late.min(soon).at(), soon.at());
  EXPECT_EQ(soon.min(deadline::never()).at(), soon.at());
  EXPECT_EQ(deadline::never().min(soon).at(), soon.at());
}

TEST(deadline, a_budget_longer_than_the_clock_counts_is_never_rather_than_already_over) {
  EXPECT_TRUE(deadline::after(steady_clock::duration::max()).is_never());
  EXPECT_FALSE(deadline::after(steady_clock::duration::max() - nanoseconds(1)).passed());
}

}  // namespace
}  // namespace codeexec::base
