#include "codeexec/runner/result.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

namespace codeexec::runner {
namespace {

std::string text_of(result const& from) {
  auto out = std::make_unique<result_buffer>();
  write_result(from, *out);
  EXPECT_FALSE(out->overflowed());
  return {out->view().data, out->size()};
}

nlohmann::json json_of(result const& from) {
  auto parsed = nlohmann::json::parse(text_of(from), nullptr, false);
  EXPECT_FALSE(parsed.is_discarded());
  return parsed;
}

result finished() {
  result from;
  from.end = wire::end_exited;
  from.has_exit_code = true;
  from.started = true;
  from.started_at_micros = 1769853600123456;
  from.wall_micros = 100000;
  from.cpu_micros = 80999;
  from.max_rss_bytes = 9437184;
  from.gvisor = true;
  from.stdout_bytes = 3;
  from.has_output = true;
  from.stdout_text = "hi\n";
  from.stderr_text = "";
  return from;
}

TEST(Result, IsTheDocumentedObjectInOneLine) {
  auto from = finished();
  from.token = "8Jx2";
  EXPECT_EQ(text_of(from),
            R"({"v":1,"token":"8Jx2","end":"exited","exitCode":0,"startedAt":"2026-01-31T10:00:00.123456Z",)"
            R"("finishedAt":"2026-01-31T10:00:00.223456Z","wallMillis":100,"cpuMillis":80,"maxRSSBytes":9437184,)"
            R"("gvisor":true,"stdoutBytes":3,"stderrBytes":0,"stdout":"hi\n","stderr":""})");
}

TEST(Result, FieldsThatDoNotApplyAreAbsent) {
  auto const exited = json_of(finished());
  for (auto const* field : {"token", "signal", "error", "message", "stillOpen"})
    EXPECT_FALSE(exited.contains(field));

  result refused;
  refused.error = wire::error_sandbox_unverified;
  refused.message = "not \"here\"";
  auto const parsed = json_of(refused);
  EXPECT_EQ(parsed["end"], "notStarted");
  EXPECT_EQ(parsed["error"], "sandboxUnverified");
  EXPECT_EQ(parsed["message"], "not \"here\"");
  for (auto const* field : {"exitCode", "signal", "startedAt", "finishedAt", "wallMillis", "cpuMillis", "maxRSSBytes",
                            "stdout", "stderr"}) {
    EXPECT_FALSE(parsed.contains(field)) << field;
  }
}

TEST(Result, ASignalReplacesTheExitCode) {
  auto from = finished();
  from.end = wire::end_signaled;
  from.has_exit_code = false;
  from.signal = 11;
  from.still_open = true;
  auto const parsed = json_of(from);
  EXPECT_EQ(parsed["signal"], 11);
  EXPECT_EQ(parsed["stillOpen"], true);
  EXPECT_FALSE(parsed.contains("exitCode"));
}

TEST(Result, OutputIsInWhereItFitsToTheByteAndOutWhereNot) {
  auto from = finished();
  std::size_t const frame = text_of(from).size() - 4;  // "hi\n" takes four characters
  std::string const fits(wire::max_result_size - frame, 'x');
  from.stdout_text = bytes(fits.data(), fits.size());
  EXPECT_EQ(text_of(from).size(), wire::max_result_size);
  EXPECT_EQ(json_of(from)["stdout"], fits);

  std::string const too_long = fits + "x";
  from.stdout_text = bytes(too_long.data(), too_long.size());
  auto const without = json_of(from);
  EXPECT_FALSE(without.contains("stdout"));
  EXPECT_FALSE(without.contains("stderr"));
  EXPECT_EQ(without["exitCode"], 0);
}

TEST(Result, BinaryOutputIsRepairedAndNeverBreaksTheLine) {
  auto from = finished();
  std::string const raw("\0\xFF\n\r\x1B\"\\", 7);
  from.stdout_text = bytes(raw.data(), raw.size());
  auto const text = text_of(from);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(json_of(from)["stdout"], std::string("\0\xEF\xBF\xBD\n\r\x1B\"\\", 9));
}

TEST(Result, TheWorstMessageStillFits) {
  result refused;
  std::string const token(wire::max_token_size, 'a');
  refused.token = bytes(token.data(), token.size());
  refused.error = wire::error_setup_failed;
  message_buffer message;
  for (int i = 0; i < 2000; ++i)
    message.append('\x01');
  refused.message = message.view();
  EXPECT_EQ(json_of(refused)["error"], "setupFailed");
}

TEST(Result, ExitCodesAreTheDocumentedOnes) {
  auto from = finished();
  from.exit_code = 42;
  EXPECT_EQ(runner_exit_code(from), 42);
  from.end = wire::end_timed_out;
  EXPECT_EQ(runner_exit_code(from), 124);
  from.end = wire::end_terminated;
  EXPECT_EQ(runner_exit_code(from), 143);

  from.end = wire::end_signaled;
  from.has_exit_code = false;
  from.signal = 9;
  EXPECT_EQ(runner_exit_code(from), 137);

  result refused;
  refused.error = wire::error_sandbox_unverified;
  EXPECT_EQ(runner_exit_code(refused), 125);
  refused.error = wire::error_setup_failed;
  EXPECT_EQ(runner_exit_code(refused), 125);
  refused.error = wire::error_command_not_executable;
  EXPECT_EQ(runner_exit_code(refused), 126);
  refused.error = wire::error_command_not_found;
  EXPECT_EQ(runner_exit_code(refused), 127);
}

}  // namespace
}  // namespace codeexec::runner
