// Durations, sizes, languages, exit codes: the small translations between people and the API.
#include <gtest/gtest.h>

#include "codeexec/api/names.hpp"
#include "codeexec/cli/duration.hpp"
#include "codeexec/cli/exit_code.hpp"
#include "codeexec/cli/language.hpp"
#include "codeexec/cli/manifest.hpp"

namespace codeexec::cli {
namespace {

using namespace std::chrono_literals;

TEST(Seconds, AreReadAsPeopleWriteThem) {
  EXPECT_EQ(parse_seconds("30s"), 30);
  EXPECT_EQ(parse_seconds("5m"), 300);
  EXPECT_EQ(parse_seconds("1h30m"), 5400);
  EXPECT_EQ(parse_seconds("1d2h3m4s"), 93784);
  EXPECT_EQ(parse_seconds("45"), 45);
  EXPECT_EQ(parse_seconds("0m5s"), 5);
}

TEST(Seconds, AreNotGuessed) {
  for (auto const* text :
       {"", "s", "0", "0s", "-1s", "1.5h", "1m30", "1s1s", "30s1h", "1w", "99999999999", "1 s", "100ms", "25000d"}) {
    EXPECT_FALSE(parse_seconds(text)) << text;
  }
}

TEST(Age, IsWrittenAsKubectlDoes) {
  EXPECT_EQ(format_age(-5s), "0s");
  EXPECT_EQ(format_age(0s), "0s");
  EXPECT_EQ(format_age(119s), "119s");
  EXPECT_EQ(format_age(120s), "2m");
  EXPECT_EQ(format_age(192s), "3m12s");
  EXPECT_EQ(format_age(10min), "10m");
  EXPECT_EQ(format_age(179min), "179m");
  EXPECT_EQ(format_age(185min), "3h5m");
  EXPECT_EQ(format_age(9h), "9h");
  EXPECT_EQ(format_age(50h), "2d2h");
  EXPECT_EQ(format_age(24h * 30), "30d");
}

TEST(RunTime, IsPreciseWhereItIsShort) {
  EXPECT_EQ(format_run_time(80ms), "0.08s");
  EXPECT_EQ(format_run_time(9994ms), "9.99s");
  EXPECT_EQ(format_run_time(12345ms), "12.3s");
  EXPECT_EQ(format_run_time(192000ms), "3m12s");
  EXPECT_EQ(format_run_time(-1ms), "0.00s");
}

TEST(Language, IsToldByTheSuffix) {
  EXPECT_EQ(guess_language("a/b.py", ""), "python");
  EXPECT_EQ(guess_language("B.PY", ""), "python");
  EXPECT_EQ(guess_language("x.sh", ""), "bash");
  EXPECT_EQ(guess_language("x.mjs", ""), "node");
  EXPECT_EQ(guess_language("x.rb", ""), "ruby");
  EXPECT_EQ(guess_language("x.pl", ""), "perl");
  EXPECT_EQ(guess_language("x.py", "#!/bin/sh\n"), "python");
}

TEST(Language, IsToldByTheFirstLineWhereTheNameSaysNothing) {
  EXPECT_EQ(guess_language("tool", "#!/usr/bin/env python3\nprint()"), "python");
  EXPECT_EQ(guess_language("tool", "#!/usr/bin/python3.11 -u\n"), "python");
  EXPECT_EQ(guess_language("", "#! /bin/sh -e\r\n"), "bash");
  EXPECT_EQ(guess_language("x.txt", "#!/usr/bin/env -S node --test\n"), "node");
  EXPECT_EQ(guess_language("x", "#!/usr/bin/env LANG=C perl"), "perl");
}

TEST(Language, IsNotGuessedFromAnythingElse) {
  EXPECT_FALSE(guess_language("x.txt", "print(1)"));
  EXPECT_FALSE(guess_language("py", "print(1)"));
  EXPECT_FALSE(guess_language("x", "#!/usr/bin/env"));
  EXPECT_FALSE(guess_language("x", "#!"));
  EXPECT_FALSE(guess_language("x", "#!/opt/3\n"));
  EXPECT_FALSE(guess_language("x.py/run", "\n#!/bin/sh"));
}

TEST(Quantity, IsReadAsKubernetesReadsIt) {
  EXPECT_EQ(parse_quantity_milli("500m"), 500);
  EXPECT_EQ(parse_quantity_milli("2"), 2000);
  EXPECT_EQ(parse_quantity_milli("0.5"), 500);
  EXPECT_EQ(parse_quantity_milli("1Ki"), 1024 * 1000);
  EXPECT_EQ(parse_quantity_milli("1.5Gi"), 1536LL * 1024 * 1024 * 1000);
  for (auto const* text : {"", "m", "-1", "0", "1 Gi", "1GiB", "9999999999999999999", "9999999999Ti", ".", "1e"}) {
    EXPECT_FALSE(parse_quantity_milli(text)) << text;
  }
}

TEST(ByteSize, IsWholeAndPositive) {
  EXPECT_EQ(parse_byte_size("64Ki"), 65536);
  EXPECT_EQ(parse_byte_size("65536"), 65536);
  EXPECT_EQ(parse_byte_size("1M"), 1000000);
  for (auto const* text : {"", "0", "1000m", "1.5", "x"})
    EXPECT_FALSE(parse_byte_size(text)) << text;
}

api::CodeExecutionStatus ended(std::string_view reason, std::optional<std::int64_t> exit_code = {},
                               std::optional<std::int64_t> signal = {}) {
  api::CodeExecutionStatus status;
  status.reason = reason;
  status.exitCode = exit_code;
  status.signal = signal;
  return status;
}

TEST(ExitCode, IsTheCodesOwnWhereItEndedByItself) {
  using namespace api::reasons;
  EXPECT_EQ(exit_codes::of(ended(completed, 0)), 0);
  EXPECT_EQ(exit_codes::of(ended(non_zero_exit, 3)), 3);
  EXPECT_EQ(exit_codes::of(ended(non_zero_exit, 255)), 255);
  EXPECT_EQ(exit_codes::of(ended(non_zero_exit, 124)), 124);
  EXPECT_EQ(exit_codes::of(ended(non_zero_exit, 256)), 1);  // never 0 for a failure
}

TEST(ExitCode, IsDistinctForEverythingElse) {
  using namespace api::reasons;
  EXPECT_EQ(exit_codes::of(ended(signaled, {}, 9)), 137);
  EXPECT_EQ(exit_codes::of(ended(signaled, {}, 15)), 143);
  EXPECT_EQ(exit_codes::of(ended(oom_killed, 137)), 137);
  EXPECT_EQ(exit_codes::of(ended(timed_out)), 124);
  EXPECT_EQ(exit_codes::of(ended(timed_out, 0)), 124);  // it ended in time to say 0, but too late
  EXPECT_EQ(exit_codes::of(ended(cancelled)), 130);
  for (auto const refusal : {invalid_spec, policy_violation, source_missing}) {
    EXPECT_EQ(exit_codes::of(ended(refusal)), 125) << refusal;
  }
  for (auto const trouble : {startup_timed_out, image_pull_failed, unschedulable, quota_exceeded, runtime_class_missing,
                             pod_rejected, sandbox_unverified, evicted, node_lost, output_lost, internal_error}) {
    EXPECT_EQ(exit_codes::of(ended(trouble)), 126) << trouble;
  }
}

TEST(ExitCode, OfAReasonFromTheFutureIsNoSuccess) {
  EXPECT_EQ(exit_codes::of(ended("BrandNew", 0)), 126);
  EXPECT_EQ(exit_codes::of(ended(api::reasons::completed)), 126);  // Completed, but no code: not to be believed
}

}  // namespace
}  // namespace codeexec::cli
