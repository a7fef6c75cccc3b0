// What a user of CodeExecution would notice, wherever the runner runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

#include "placements.hpp"

namespace codeexec::runner::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class Runner : public RunnerTest {
 protected:
  /// What must be true of every run that came to its end with a reader of its log.
  static void expect_complete(outcome const& run) {
    EXPECT_EQ(run.log.unreadable, "") << run.complaints;
    ASSERT_TRUE(run.log.result.has_value()) << run.raw_log << run.complaints;
    EXPECT_EQ(*run.log.result, run.message) << run.raw_message;
    EXPECT_LE(run.raw_message.size(), 4096u);
    EXPECT_EQ(run.message["v"], 1);
    EXPECT_EQ(run.message["stdoutBytes"], run.log.out.total());
    EXPECT_EQ(run.message["stderrBytes"], run.log.err.total());
    EXPECT_EQ(run.complaints, "");
  }

  outcome expect_not_started(std::vector<std::string> const& command, std::string const& error, int exit_code,
                             std::string const& named) {
    auto const run = box.run(command);
    expect_complete(run);
    EXPECT_EQ(run.message["end"], "notStarted");
    EXPECT_EQ(run.message["error"], error);
    EXPECT_THAT(run.message.value("message", ""), HasSubstr(named));
    EXPECT_FALSE(run.message.contains("exitCode"));
    EXPECT_FALSE(run.message.contains("startedAt"));
    EXPECT_EQ(run.exit_code, exit_code);
    return run;
  }
};

TEST_P(Runner, OutputExitCodeTimesAndUsageAreReported) {
  auto const run = box.python(R"(
import sys
block = bytearray(40 << 20)
for i in range(0, len(block), 1024): block[i] = 1
print('hi')
print('oops', file=sys.stderr)
sys.exit(3))");
  expect_complete(run);
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_EQ(run.log.out.whole(), "hi\n");
  EXPECT_EQ(run.log.err.whole(), "oops\n");
  EXPECT_EQ(run.message["end"], "exited");
  EXPECT_EQ(run.message["exitCode"], 3);
  EXPECT_EQ(run.message["stdout"], "hi\n");
  EXPECT_EQ(run.message["stderr"], "oops\n");
  EXPECT_EQ(run.message["gvisor"], GetParam() == placement::gvisor);
  EXPECT_GT(run.message["maxRSSBytes"], 40u << 20);
  EXPECT_LT(run.message["maxRSSBytes"], 400u << 20);
  EXPECT_GT(run.message["cpuMillis"], 0);
  EXPECT_GT(run.message["wallMillis"], 0);
  EXPECT_LE(run.message["wallMillis"], run.took.count());
  EXPECT_LT(run.message["startedAt"], run.message["finishedAt"]);
  EXPECT_FALSE(run.message.contains("stillOpen"));
}

TEST_P(Runner, ExitCodesAreTheCodesOwn) {
  for (int const code : {0, 1, 255}) {
    sandbox one(GetParam());
    auto const run = one.run({"sh", "-c", "exit " + std::to_string(code)});
    expect_complete(run);
    EXPECT_EQ(run.exit_code, code);
    EXPECT_EQ(run.message["exitCode"], code);
    EXPECT_EQ(run.message["stdoutBytes"], 0);
    EXPECT_EQ(run.message["stdout"], "");
  }
}

TEST_P(Runner, ASignalThatEndsTheCodeIsNamed) {
  for (int const signal : {9, 11, 15}) {
    sandbox one(GetParam());
    auto const run = one.run({"sh", "-c", "kill -" + std::to_string(signal) + " $$"});
    expect_complete(run);
    EXPECT_EQ(run.exit_code, 128 + signal);
    EXPECT_EQ(run.message["end"], "signaled");
    EXPECT_EQ(run.message["signal"], signal);
    EXPECT_FALSE(run.message.contains("exitCode"));
  }
}

TEST_P(Runner, TheCodeStartsWithDefaultSignalsWhateverTheParentIgnored) {
  auto const run = box.run({"sh", "-c", "kill -USR1 $$; echo survived"});
  expect_complete(run);
  EXPECT_EQ(run.message["signal"], 10);
  EXPECT_EQ(run.log.out.whole(), "");
}

TEST_P(Runner, TheCodeHasNoDescriptorsButItsOwn) {
  auto const run = box.python("import os; print([fd for fd in range(3, 64) if os.path.exists(f'/proc/self/fd/{fd}')])");
  expect_complete(run);
  EXPECT_EQ(run.log.out.whole(), "[]\n");
}

TEST_P(Runner, TheCodeLeadsItsOwnSessionAndProcessGroup) {
  auto const run = box.python("import os; print(os.getpid() == os.getpgid(0) == os.getsid(0))");
  EXPECT_EQ(run.log.out.whole(), "True\n");
}

TEST_P(Runner, TheClockEndsCodeThatDoesNotListen) {
  box.flags = {"--timeout-ms", "400", "--grace-ms", "300"};
  auto const run = box.run({"sh", "-c", "trap '' TERM; echo before; sleep 20; sleep 20"});
  expect_complete(run);
  EXPECT_EQ(run.exit_code, 124);
  EXPECT_EQ(run.message["end"], "timedOut");
  EXPECT_EQ(run.message["signal"], 9);
  EXPECT_EQ(run.message["stdout"], "before\n");
  EXPECT_GE(run.message["wallMillis"], 700);
  EXPECT_LT(run.took, 10s);
}

TEST_P(Runner, TheClockLetsCodeThatListensEndByItself) {
  box.flags = {"--timeout-ms", "1500", "--grace-ms", "10000"};
  auto const run = box.run({"sh", "-c", "trap 'echo cleaned; exit 7' TERM; echo ready; while :; do sleep 0.1; done"});
  expect_complete(run);
  EXPECT_EQ(run.exit_code, 124);
  EXPECT_EQ(run.message["end"], "timedOut");
  EXPECT_EQ(run.message["exitCode"], 7);
  EXPECT_EQ(run.log.out.whole(), "ready\ncleaned\n");
  EXPECT_LT(run.took, 9s);
}

TEST_P(Runner, TheClockReachesEveryProcessOfTheGroup) {
  box.flags = {"--timeout-ms", "500", "--grace-ms", "10000"};
  auto const run = box.run({"sh", "-c", "sleep 20 & sleep 20 & wait"});
  expect_complete(run);
  EXPECT_EQ(run.message["end"], "timedOut");
  EXPECT_EQ(run.message["signal"], 15);
  EXPECT_LT(run.took, 9s);
}

TEST_P(Runner, TheClockWakesCodeThatHasStoppedItself) {
  box.flags = {"--timeout-ms", "500", "--grace-ms", "10000"};
  auto const run = box.run({"sh", "-c", "kill -STOP $$"});
  expect_complete(run);
  EXPECT_EQ(run.message["end"], "timedOut");
  EXPECT_EQ(run.message["signal"], 15);
  EXPECT_LT(run.took, 9s);
}

TEST_P(Runner, ADeletedPodStillReportsWhatItHad) {
  box.flags = {"--grace-ms", "10000"};
  box.start({"sh", "-c", "trap 'echo bye; exit 5' TERM; echo started; while :; do sleep 0.1; done"});
  box.wait_for_log("stdout F started\n");
  box.terminate();
  auto const run = box.finish();
  expect_complete(run);
  EXPECT_EQ(run.exit_code, 143);
  EXPECT_EQ(run.message["end"], "terminated");
  EXPECT_EQ(run.message["exitCode"], 5);
  EXPECT_EQ(run.message["stdout"], "started\nbye\n");
}

TEST_P(Runner, ADeletedPodWhoseCodeDoesNotListenEndsAfterTheGrace) {
  box.flags = {"--grace-ms", "300"};
  box.start({"sh", "-c", "trap '' TERM; echo started; sleep 20; sleep 20"});
  box.wait_for_log("stdout F started\n");
  box.terminate();
  auto const run = box.finish();
  expect_complete(run);
  EXPECT_EQ(run.exit_code, 143);
  EXPECT_EQ(run.message["end"], "terminated");
  EXPECT_EQ(run.message["signal"], 9);
}

TEST_P(Runner, OutputIsInTheLogTheMomentItIsWritten) {
  box.start({"sh", "-c", "echo first; printf half; read -r line < /dev/zero & sleep 20"});
  box.wait_for_log("stdout F first\nstdout P half\n");
  box.terminate();
  box.finish();
}

TEST_P(Runner, ADaemonThatHoldsThePipeDoesNotHoldTheResult) {
  auto const run = box.run({"sh", "-c", "setsid sh -c 'echo from the daemon; sleep 20' & sleep 0.5; echo done"});
  expect_complete(run);
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.message["end"], "exited");
  EXPECT_EQ(run.message["stillOpen"], true);
  EXPECT_EQ(run.log.out.whole(), "from the daemon\ndone\n");
  EXPECT_LT(run.took, 9s);
}

TEST_P(Runner, WhatADaemonWritesShortlyAfterTheEndIsKept) {
  auto const run = box.run({"sh", "-c", "(sleep 0.1; echo late) & echo done"});
  expect_complete(run);
  EXPECT_EQ(run.log.out.whole(), "done\nlate\n");
  EXPECT_FALSE(run.message.contains("stillOpen"));
}

TEST_P(Runner, OrphansAreReaped) {
  auto const run = box.python(R"(
import os, time
runner = os.getppid()
for i in range(20):
    if os.fork() == 0:
        if os.fork() == 0: os._exit(0)
        time.sleep(0.01)
        os._exit(0)
    os.wait()
def zombies():
    count = 0
    for name in os.listdir('/proc'):
        if not name.isdigit(): continue
        try: fields = open(f'/proc/{name}/stat').read().rsplit(')', 1)[1].split()
        except OSError: continue
        count += fields[0] == 'Z' and int(fields[1]) == runner
    return count
for i in range(100):
    if zombies() == 0: break
    time.sleep(0.05)
print(zombies()))");
  expect_complete(run);
  EXPECT_EQ(run.log.out.whole(), "0\n");
}

TEST_P(Runner, BinaryOutputComesThroughToTheByteAndIsRepairedOnlyInTheResult) {
  auto const run = box.python("import sys; sys.stdout.buffer.write(bytes(range(256)) * 3)");
  expect_complete(run);
  std::string all;
  for (int i = 0; i < 768; ++i)
    all += static_cast<char>(i % 256);
  EXPECT_EQ(run.log.out.whole(), all);
  EXPECT_THAT(run.message["stdout"].get<std::string>(), HasSubstr("\x7F\xEF\xBF\xBD"));
  EXPECT_EQ(run.message["stdoutBytes"], 768);
}

TEST_P(Runner, TenMebibytesAreCutToTheByte) {
  box.flags = {"--max-output-bytes", "262144"};
  auto const run = box.python(R"(
import sys
for i in range(0, 1048576, 4096):
    sys.stdout.write(''.join('%09d\n' % n for n in range(i, i + 4096))))");
  expect_complete(run);
  auto const line = [](int n) {
    char text[16];
    std::snprintf(text, sizeof text, "%09d\n", n);
    return std::string(text);
  };
  std::string head;
  for (int n = 0; head.size() < 262144; ++n)
    head += line(n);
  std::string tail;
  for (int n = 1048576 - 13108; n < 1048576; ++n)
    tail += line(n);
  EXPECT_EQ(run.log.out.head, head.substr(0, 262144));
  EXPECT_EQ(run.log.out.tail, tail.substr(tail.size() - 131072));
  EXPECT_EQ(run.log.out.dropped, 10485760u - 262144 - 131072);
  EXPECT_EQ(run.message["stdoutBytes"], 10485760);
  EXPECT_FALSE(run.message.contains("stdout"));
}

TEST_P(Runner, AFloodOfTinyLinesStaysWithinTheNodesLog) {
  box.flags = {"--max-output-bytes", "262144"};
  auto const run = box.python(R"(
import os
for i in range(64):
    os.write(1, b'\n' * 16384)
    os.write(2, b'\n' * 16384))");
  expect_complete(run);
  EXPECT_LE(run.log.disk_bytes, 9u << 20);
  EXPECT_EQ(run.message["stdoutBytes"], 1048576);
  EXPECT_EQ(run.message["stderrBytes"], 1048576);
}

TEST_P(Runner, AFloodOnStdoutDoesNotStarveStderr) {
  box.flags = {"--timeout-ms", "2000", "--grace-ms", "100", "--max-output-bytes", "1000"};
  auto const run = box.run({"sh", "-c", "yes & sleep 0.5; echo important >&2; wait"});
  expect_complete(run);
  EXPECT_EQ(run.log.err.whole(), "important\n");
  EXPECT_EQ(run.log.out.head.size(), 1000u);
  EXPECT_GT(run.log.out.total(), 1000000u);
}

TEST_P(Runner, StandardInputIsEmptyUnlessAFileIsGiven) {
  auto const empty = box.run({"wc", "-c"});
  EXPECT_EQ(empty.log.out.whole(), "0\n");

  sandbox fed(GetParam());
  fed.add_input("stdin", std::string("a\0b\n", 4));
  fed.flags = {"--stdin", fed.input_path() + "/stdin"};
  auto const run = fed.run({"cat"});
  expect_complete(run);
  EXPECT_EQ(run.log.out.whole(), std::string("a\0b\n", 4));
}

TEST_P(Runner, InputIsCopiedFromAVolumeAsTheKubeletLaysItOut) {
  box.add_input("..2026_01_31/main.py", "import os; print(open('data/in.csv').read(), os.access('run.sh', os.X_OK))\n");
  box.add_input("..2026_01_31/data/in.csv", "a,b\n1,2\n");
  box.add_input("..2026_01_31/data/..odd", "");
  box.add_input("..2026_01_31/run.sh", "#!/bin/sh\n", true);
  std::filesystem::create_symlink("..2026_01_31", box.input_folder() / "..data");
  for (auto const* name : {"main.py", "data", "run.sh"}) {
    std::filesystem::create_symlink(std::filesystem::path("..data") / name, box.input_folder() / name);
  }
  auto const run = box.run({"sh", "-c", "python3 main.py; find . | sort; touch data/new main.py; pwd"});
  expect_complete(run);
  EXPECT_EQ(run.log.out.whole(), "a,b\n1,2\n True\n.\n./data\n./data/..odd\n./data/in.csv\n./main.py\n./run.sh\n" +
                                     box.workspace_path() + "\n");
  EXPECT_EQ(run.log.err.whole(), "");
}

TEST_P(Runner, InputThatCannotBeCopiedIsNamed) {
  box.use_input = true;
  std::filesystem::create_symlink("nowhere", box.input_folder() / "broken");
  expect_not_started({"true"}, "setupFailed", 125, "broken': No such file");

  sandbox missing(GetParam());
  missing.flags = {"--input", "/does/not/exist"};
  auto const run = missing.run({"true"});
  EXPECT_EQ(run.message["error"], "setupFailed");
  EXPECT_THAT(run.message.value("message", ""), HasSubstr("'/does/not/exist'"));
}

TEST_P(Runner, AMissingStandardInputIsNamed) {
  box.flags = {"--stdin", "/does/not/exist"};
  expect_not_started({"true"}, "setupFailed", 125, "/does/not/exist");
}

TEST_P(Runner, AMissingWorkspaceIsNamed) {
  box.flags = {"--workspace", "/does/not/exist"};
  expect_not_started({"true"}, "setupFailed", 125, "/does/not/exist");
}

TEST_P(Runner, ACommandThatIsNotInPathIsNotFound) {
  expect_not_started({"pythn3"}, "commandNotFound", 127, "'pythn3' was not found in PATH, which is /usr/bin:/bin");
}

TEST_P(Runner, ACommandWithAPathThatIsNotThereIsNotFound) {
  expect_not_started({"./main"}, "commandNotFound", 127, "'./main' does not exist");
}

TEST_P(Runner, AFileWithoutExecutePermissionIsNotExecutable) {
  box.add_input("main", "#!/bin/sh\n");
  expect_not_started({"./main"}, "commandNotExecutable", 126, "'./main' has no execute permission");
}

TEST_P(Runner, AFolderIsNotExecutable) {
  expect_not_started({"/usr"}, "commandNotExecutable", 126, "'/usr' is a directory");
}

TEST_P(Runner, AScriptWhoseInterpreterIsMissingSaysSo) {
  box.add_input("main", "#!/no/such/interpreter\n", true);
  expect_not_started({"./main"}, "commandNotFound", 127, "the interpreter or loader that it names does not");
}

TEST_P(Runner, AFileThatIsNoProgramSaysSo) {
  box.add_input("main", "print('hi')\n", true);
  expect_not_started({"./main"}, "commandNotExecutable", 126, "nor a script that names its interpreter");
}

TEST_P(Runner, AScriptOfTheInputRunsByItsOwnFirstLine) {
  box.add_input("main", "#!/bin/sh\necho \"$0 $1\"\n", true);
  auto const run = box.run({"./main", "an argument"});
  expect_complete(run);
  EXPECT_EQ(run.log.out.whole(), "./main an argument\n");
}

TEST_P(Runner, RequireSandboxIsRefusedEverywhereButInGvisor) {
  box.flags = {"--require-sandbox"};
  if (GetParam() == placement::gvisor) {
    auto const run = box.run({"echo", "in"});
    expect_complete(run);
    EXPECT_EQ(run.log.out.whole(), "in\n");
    EXPECT_EQ(run.message["gvisor"], true);
  } else {
    auto const run = expect_not_started({"echo", "in"}, "sandboxUnverified", 125, "gVisor");
    EXPECT_EQ(run.log.out.whole(), "");
    EXPECT_EQ(run.message["gvisor"], false);
  }
}

TEST_P(Runner, AWrongFlagIsReportedWhereItWillBeRead) {
  box.flags = {"--tmeout-ms", "5"};
  auto const run = box.run({"true"});
  EXPECT_EQ(run.exit_code, 125);
  EXPECT_THAT(run.complaints, HasSubstr("unknown flag --tmeout-ms"));
  EXPECT_EQ(run.message["error"], "setupFailed");
  EXPECT_EQ(run.message["message"], "unknown flag --tmeout-ms");
}

TEST_P(Runner, HelpAndVersionArePlainText) {
  box.flags = {"--help"};
  auto const help = box.run({});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.raw_log, HasSubstr("usage: codeexec-runner"));
  EXPECT_EQ(help.raw_message, "");

  sandbox other(GetParam());
  other.flags = {"--version"};
  auto const version = other.run({});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.raw_log, ::testing::StartsWith("codeexec-runner 0."));
}

TEST_P(Runner, WithoutATerminationLogTheLogHasTheResult) {
  box.flags = {"--termination-log", "/does/not/exist"};
  auto const run = box.run({"echo", "hi"});
  EXPECT_EQ(run.exit_code, 0);
  ASSERT_TRUE(run.log.result.has_value());
  EXPECT_EQ((*run.log.result)["stdout"], "hi\n");
  EXPECT_EQ(run.raw_message, "");
}

TEST_P(Runner, ALogWhoseReaderIsGoneDisturbsNobody) {
  box.reader = log_reader::is_gone;
  auto const run = box.python("print('x' * 300000); import sys; sys.exit(3)");
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_EQ(run.message["end"], "exited");
  EXPECT_EQ(run.message["stdoutBytes"], 300001);
}

TEST_P(Runner, ASlowReaderStillGetsBothStreamsWhole) {
  box.reader = log_reader::reads_slowly;
  box.flags = {"--max-output-bytes", "262144"};
  auto const run = box.python(R"(
import os
for i in range(64):
    os.write(1, b'out %08d\n' % i * 300)
    os.write(2, b'err %08d\n' % i * 300))");
  expect_complete(run);
  std::string out;
  std::string err;
  for (int i = 0; i < 64; ++i) {
    for (int k = 0; k < 300; ++k) {
      char line[32];
      std::snprintf(line, sizeof line, " %08d\n", i);
      out += std::string("out") + line;
      err += std::string("err") + line;
    }
  }
  EXPECT_EQ(run.log.out.whole(), out);
  EXPECT_EQ(run.log.err.whole(), err);
}

TEST_P(Runner, ALogThatNobodyReadsDoesNotStopTheClock) {
  box.reader = log_reader::stalls;
  box.flags = {"--timeout-ms", "1000", "--grace-ms", "200", "--max-output-bytes", "262144"};
  auto const run = box.run({"yes"});
  EXPECT_EQ(run.exit_code, 124);
  EXPECT_EQ(run.message["end"], "timedOut");
  EXPECT_LT(run.message["wallMillis"], 5000);
  EXPECT_GT(run.message["stdoutBytes"], 65536);
  EXPECT_LT(run.took, 15s);
}

CODEEXEC_RUN_AS_PROCESS(Runner);
CODEEXEC_RUN_AS_INIT(Runner);
CODEEXEC_RUN_IN_GVISOR(Runner);

}  // namespace
}  // namespace codeexec::runner::testing
