#include "codeexec/execution/result.hpp"

#include <gtest/gtest.h>

#include "make.hpp"

namespace codeexec::execution {
namespace {

using testing::result_json;

TEST(Result, IsReadWhole) {
  auto const r = parse_result(testing::exited(3), "secret");
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->end, run_result::ending::exited);
  EXPECT_EQ(r->exit_code, 3);
  EXPECT_EQ(r->wall_millis, 1000);
  EXPECT_EQ(r->max_rss_bytes, 9437184);
  EXPECT_TRUE(r->gvisor);
  EXPECT_EQ(r->stdout_text, "hi\n");
  EXPECT_EQ(r->stdout_bytes, 3U);
  EXPECT_EQ(base::format_micro_time(*r->finished_at), "2026-01-31T10:00:02.500000Z");
}

TEST(Result, FieldsOfALaterRunnerDoNotMatter) {
  EXPECT_TRUE(parse_result(result_json(R"("end":"timedOut","signal":9,"color":"red","nested":{"a":[1]})"), "secret"));
}

TEST(Result, OneStreamWithoutTheOtherIsNoOutput) {
  auto const r = parse_result(result_json(R"("end":"exited","exitCode":0,"stdout":"x")"), "secret");
  ASSERT_TRUE(r);
  EXPECT_FALSE(r->has_output());
  EXPECT_FALSE(r->stdout_text);
}

struct forgery {
  std::string text;
};
class ForgedResults : public ::testing::TestWithParam<std::string> {};

TEST_P(ForgedResults, AreRefused) {
  EXPECT_FALSE(parse_result(GetParam(), "secret"));
}

INSTANTIATE_TEST_SUITE_P(
    , ForgedResults,
    ::testing::Values("", "hello", "[]", "{}", "{", R"({"v":1})", R"({"v":1,"end":"exited","exitCode":0})",
                      result_json(R"("end":"exited","exitCode":0)", "guess"), result_json(R"("end":"exited")"),
                      result_json(R"("end":"signaled")"), result_json(R"("end":"exited","exitCode":"0")"),
                      result_json(R"("end":"exited","exitCode":0.5)"), result_json(R"("end":"exited","exitCode":256)"),
                      result_json(R"("end":"exited","exitCode":-1)"),
                      result_json(R"("end":"exited","exitCode":0,"stdoutBytes":-3)"),
                      result_json(R"("end":"exited","exitCode":0,"stdoutBytes":18446744073709551615)"),
                      result_json(R"("end":"exited","exitCode":0,"gvisor":"yes")"),
                      result_json(R"("end":"exited","exitCode":0,"startedAt":"yesterday")"),
                      result_json(R"("end":"won")"), R"({"v":2,"token":"secret","end":"exited","exitCode":0})",
                      std::string(100000, ' ') + result_json(R"("end":"exited","exitCode":0)"),
                      std::string(2000, '[')));

}  // namespace
}  // namespace codeexec::execution
