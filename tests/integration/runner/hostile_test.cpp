// Code that is out to lie about itself, or to outlive its end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <string>

#include "placements.hpp"

namespace codeexec::runner::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char forged[] = R"({"v":1,"end":"exited","exitCode":0,"forged":true})";

/// Anywhere.
class Hostile : public RunnerTest {};

TEST_P(Hostile, AProcessThatGoesOnWritingTheTerminationLogDoesNotHaveTheLastWord) {
  box.flags = {"--token", "s3cret"};
  auto const run = box.run(
      {"sh", "-c",
       "setsid sh -c 'while :; do echo \"$1\" > \"$0\"; done' \"$0\" \"$1\" >/dev/null 2>&1 & sleep 0.5; exit 9",
       box.termination_log_path(), forged});
  EXPECT_EQ(run.exit_code, 9);
  ASSERT_TRUE(run.message.is_object()) << run.raw_message;
  EXPECT_EQ(run.message["exitCode"], 9);
  EXPECT_EQ(run.message["token"], "s3cret");
  EXPECT_FALSE(run.message.contains("forged"));
}

TEST_P(Hostile, ATerminationLogFilledByTheCodeIsEmptiedFirst) {
  auto const run = box.run({"sh", "-c", "head -c 100000 /dev/zero > \"$0\"; exit 2", box.termination_log_path()});
  ASSERT_TRUE(run.message.is_object());
  EXPECT_EQ(run.message["exitCode"], 2);
  EXPECT_LT(run.raw_message.size(), 4096u);
}

TEST_P(Hostile, FramesThatTheCodePrintsAreOutput) {
  std::string const lines = std::string("result F ") + forged + "\nstderr F me\n";
  auto const run = box.run({"printf", "%s", lines});
  EXPECT_EQ(run.log.out.whole(), lines);
  EXPECT_EQ(run.log.err.whole(), "");
  EXPECT_EQ(*run.log.result, run.message);
}

TEST_P(Hostile, TheTokenIsNotToBeFound) {
  box.flags = {"--token", "s3cret"};
  auto const run = box.python(R"(
import os
for name in ('cmdline', 'environ', 'mem'):
    try: data = open(f'/proc/{os.getppid()}/{name}', 'rb').read()
    except OSError as error: data = b''
    print(name, b's3' + b'cret' in data, b'--token' in data))");
  EXPECT_EQ(run.log.out.whole(), "cmdline False True\nenviron False False\nmem False False\n");
  EXPECT_EQ(run.message["token"], "s3cret");
}

TEST_P(Hostile, AProcessInASessionOfItsOwnDoesNotOutliveTheTimeout) {
  box.flags = {"--timeout-ms", "700", "--grace-ms", "200"};
  auto const run = box.run(
      {"sh", "-c", "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$; sleep 25; sleep 25' & wait; sleep 25"});
  EXPECT_EQ(run.message["end"], "timedOut");
  EXPECT_LT(run.took, 9s);
  int const survivor = std::atoi(run.log.out.whole().c_str());
  ASSERT_GT(survivor, 1);
  if (GetParam() == placement::process) {
    EXPECT_EQ(kill(survivor, 0), -1) << survivor << " lives";
  }
}

TEST_P(Hostile, AForkBombEndsWithItsTime) {
  box.flags = {"--timeout-ms", "1000", "--grace-ms", "100"};
  // Bounded in width and in time, for the sake of the machine: a bomb that replaces its dead may outlive a runner that
  // is not PID 1, and would then never end.
  auto const run = box.python(R"(
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end = time.time() + 5
os.fork(); os.fork(); os.fork(); os.fork()
while time.time() < end:
    if os.fork() == 0:
        os.setsid()
    else:
        time.sleep(0.02)
        os._exit(0))");
  EXPECT_THAT(run.message["end"], ::testing::AnyOf("timedOut", "exited"));
  EXPECT_LT(run.took, 10s);
}

CODEEXEC_RUN_AS_PROCESS(Hostile);
CODEEXEC_RUN_AS_INIT(Hostile);
CODEEXEC_RUN_IN_GVISOR(Hostile);

/// Where the runner is PID 1: what the code can do to it by its number.
class HostileToInit : public RunnerTest {};

TEST_P(HostileToInit, TheCodeCanNeitherKillNorStopNorEndTheRunner) {
  box.flags = {"--timeout-ms", "20000"};
  auto const run =
      box.run({"sh", "-c", "for s in STOP KILL TERM INT HUP SEGV; do kill -$s 1; done; sleep 0.3; echo alive; exit 4"});
  EXPECT_EQ(run.exit_code, 4);
  EXPECT_EQ(run.log.out.whole(), "alive\n");
  EXPECT_EQ(run.message["end"], "exited");
  EXPECT_EQ(run.message["exitCode"], 4);
}

TEST_P(HostileToInit, TheClockHoldsAgainstCodeThatStopsEverything) {
  box.flags = {"--timeout-ms", "1000", "--grace-ms", "200"};
  auto const run = box.run({"sh", "-c", "kill -STOP 1; kill -STOP -1; echo alive; sleep 20"});
  EXPECT_EQ(run.message["end"], "timedOut");
  EXPECT_LT(run.took, 9s);
}

CODEEXEC_RUN_AS_INIT(HostileToInit);
CODEEXEC_RUN_IN_GVISOR(HostileToInit);

/// In gVisor, as the unprivileged user of a real pod.
class HostileInGvisor : public RunnerTest {};

TEST_P(HostileInGvisor, AFrameForgedThroughProcLacksTheToken) {
  box.flags = {"--token", "s3cret"};
  auto const run = box.run({"sh", "-c", "echo \"result F $0\" > /proc/1/fd/1; exit 6", forged});
  EXPECT_EQ(run.exit_code, 6);
  // The last line is the runner's; what the code slipped in before it can be told from it.
  auto const last = run.raw_log.rfind("\nresult F ");
  auto const first = run.raw_log.find("result F ");
  auto const own = run.raw_log.substr(last == std::string::npos ? first : last + 1);
  EXPECT_THAT(own, HasSubstr("\"token\":\"s3cret\""));
  EXPECT_THAT(own, Not(HasSubstr("forged")));
  EXPECT_EQ(run.message["exitCode"], 6);
}

TEST_P(HostileInGvisor, TheRunnersMemoryIsClosedToTheCode) {
  auto const run = box.python(R"(
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print(libc.ptrace(16, 1, 0, 0))
try: open('/proc/1/mem', 'rb'); print('open')
except OSError: print('closed'))");
  EXPECT_EQ(run.log.out.whole(), "-1\nclosed\n");
}

TEST_P(HostileInGvisor, ProcessesAreBounded) {
  box.flags = {"--max-processes", "20"};
  auto const run = box.python(R"(
import os, time
made = 0
try:
    while made < 100:
        if os.fork() == 0: time.sleep(20); os._exit(0)
        made += 1
except BlockingIOError: pass
print(0 < made < 20))");
  EXPECT_EQ(run.log.out.whole(), "True\n");
  EXPECT_EQ(run.exit_code, 0);
}

CODEEXEC_RUN_IN_GVISOR(HostileInGvisor);

/// What only a plain process can do to others on the machine.
class AsAProcess : public RunnerTest {};

TEST_P(AsAProcess, TheLogIsLeftBlockingForWhoeverSharesIt) {
  auto const run = box.run({"true"});
  EXPECT_TRUE(run.stdout_left_blocking);
}

TEST_P(AsAProcess, NothingOutlivesTheRunnersEnd) {
  auto const run =
      box.run({"sh", "-c",
               "setsid sleep 25 >/dev/null 2>&1 & echo $!; (setsid sh -c 'sleep 25; sleep 25' & ) >/dev/null 2>&1"});
  EXPECT_EQ(run.exit_code, 0);
  int const survivor = std::atoi(run.log.out.whole().c_str());
  ASSERT_GT(survivor, 1);
  EXPECT_EQ(kill(survivor, 0), -1) << survivor << " lives";
  EXPECT_FALSE(run.message.contains("stillOpen"));
}

CODEEXEC_RUN_AS_PROCESS(AsAProcess);

}  // namespace
}  // namespace codeexec::runner::testing
