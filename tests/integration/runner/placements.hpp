// Where the suites run, as far as the configure-time checks found this machine able to.
#pragma once

#include <gtest/gtest.h>

#include "sandbox.hpp"

namespace codeexec::runner::testing {

class RunnerTest : public ::testing::TestWithParam<placement> {
 protected:
  sandbox box{GetParam()};
};

inline auto const placement_name = [](auto const& info) { return std::string(name_of(info.param)); };

}  // namespace codeexec::runner::testing

#define CODEEXEC_RUN_AS_PROCESS(suite)                                                                       \
  INSTANTIATE_TEST_SUITE_P(Process, suite, ::testing::Values(codeexec::runner::testing::placement::process), \
                           codeexec::runner::testing::placement_name)
#if CODEEXEC_TEST_PID_NAMESPACES
#define CODEEXEC_RUN_AS_INIT(suite)                                                                    \
  INSTANTIATE_TEST_SUITE_P(Init, suite, ::testing::Values(codeexec::runner::testing::placement::init), \
                           codeexec::runner::testing::placement_name)
#else
#define CODEEXEC_RUN_AS_INIT(suite) GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(suite)
#endif
#if CODEEXEC_TEST_GVISOR
#define CODEEXEC_RUN_IN_GVISOR(suite)                                                                      \
  INSTANTIATE_TEST_SUITE_P(Gvisor, suite, ::testing::Values(codeexec::runner::testing::placement::gvisor), \
                           codeexec::runner::testing::placement_name)
#else
#define CODEEXEC_RUN_IN_GVISOR(suite) GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(suite)
#endif
