// Whole programs that attack the runner and their own sandbox, each with what must be true once they are over. All of
// them, on top of that: the result is the runner's own and the same on both channels, nothing follows it, and the log
// keeps to its share of the node's disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>
#include <string>
#include <vector>

#include "placements.hpp"

namespace codeexec::runner::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AnyOf;
using ::testing::HasSubstr;

using flag_list = std::vector<std::string>;

void ends_with_code(outcome const& run, int code) {
  EXPECT_EQ(run.message["end"], "exited") << run.raw_message;
  EXPECT_EQ(run.message["exitCode"], code) << run.raw_message << run.log.err.whole();
  EXPECT_EQ(run.exit_code, code);
}

void ends_by_the_clock(outcome const& run) {
  EXPECT_EQ(run.message["end"], "timedOut") << run.raw_message;
  EXPECT_EQ(run.exit_code, 124);
  // Start, clock, grace, and what a busy machine adds.
  EXPECT_LT(run.took, 20s);
}

std::uint64_t bytes_of(outcome const& run, char const* stream) {
  return run.message.value(stream, std::uint64_t{0});
}

std::string repeated(std::string const& text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i)
    out += text;
  return out;
}

struct hostile_program {
  char const* name;    ///< what is attacked, and what must hold
  flag_list flags;     ///< of the runner
  char const* python;  ///< the attack
  void (*holds)(outcome const& run);
  bool writes_past_the_runner = false;  ///< into the log itself: lines that are no frames of the runner's are expected
};

// --- output
// ------------------------------------------------------------------------------------------------------------

hostile_program const output_attacks[] = {
    {"AGigabyteOfOutputIsCountedToTheByteAndTheRunnerStaysSmall",
     {},
     R"(
import os
block = b'0123456789abcde\n' * 65536
for i in range(1024): os.write(1, block)
size = [line for line in open('/proc/1/status') if line.startswith('VmRSS')][0]
os.write(2, size.split()[1].encode())
)",
     [](outcome const& run) {
       ends_with_code(run, 0);
       EXPECT_EQ(bytes_of(run, "stdoutBytes"), 1073741824u);
       EXPECT_EQ(run.log.out.head, repeated("0123456789abcde\n", 4096));
       EXPECT_EQ(run.log.out.tail, repeated("0123456789abcde\n", 2048));
       EXPECT_EQ(run.log.out.total(), 1073741824u);
       EXPECT_LT(run.raw_log.size(), 400'000u);
       EXPECT_LT(std::atoi(run.log.err.whole().c_str()), 4096) << "KiB of the runner's memory";
     }},
    {"AMillionEmptyLinesStayWithinTheLogsShareOfTheDisk",
     {"--max-output-bytes", "262144"},
     R"(
import os
for i in range(1000): os.write(1, b'\n' * 1000)
os.write(2, b'whole\n')
)",
     [](outcome const& run) {
       ends_with_code(run, 0);
       EXPECT_EQ(bytes_of(run, "stdoutBytes"), 1000000u);
       EXPECT_EQ(run.log.out.total(), 1000000u);
       EXPECT_EQ(run.log.err.whole(), "whole\n");
     }},
    {"OneLineOf64MiBIsCutIntoFrames",
     {},
     R"(
import os
for i in range(64): os.write(1, b'x' * 1048576)
)",
     [](outcome const& run) {
       ends_with_code(run, 0);
       EXPECT_EQ(bytes_of(run, "stdoutBytes"), 67108864u);
       EXPECT_LE(run.log.longest_payload, 8192u);
     }},
    {"BytesOfEveryKindArriveAsTheyAre",
     {},
     R"(
import os
os.write(1, bytes(range(256)) * 8)
os.write(1, b'\x1b[2J\x1b]0;owned\x07\xe2\x80\xae\xf0\x9f\x92\xa9\xed\xa0\x80\xc0\x80\xf8\x88\x80\x80\x80\r\r\n\0\0')
)",
     [](outcome const& run) {
       ends_with_code(run, 0);
       std::string all(256, '\0');
       std::iota(all.begin(), all.end(), '\0');
       EXPECT_EQ(
           run.log.out.whole(),
           repeated(all, 8) + std::string("\x1b[2J\x1b]0;owned\x07\xe2\x80\xae\xf0\x9f\x92\xa9\xed\xa0\x80\xc0\x80"
                                          "\xf8\x88\x80\x80\x80\r\r\n\0\0",
                                          36));
     }},
    {"NoOutputAtAllIsAnEmptyResult",
     {},
     "pass",
     [](outcome const& run) {
       ends_with_code(run, 0);
       EXPECT_EQ(run.message["stdout"], "");
       EXPECT_EQ(run.message["stderr"], "");
     }},
    {"FramesOfEveryKindAreOutputWhereTheCodePrintsThem",
     {},
     R"(
import os
for part in (b'x', b'\nresult F {"v":1,"end":"exited","exitCode":0}\n', b'stdo', b'ut F forged\n', b'\rdropped F {"stream":"stdout","bytes":9}\n'):
    os.write(1, part)
    os.write(2, part)
os._exit(7)
)",
     [](outcome const& run) {
       ends_with_code(run, 7);
       std::string const all =
           "x\nresult F {\"v\":1,\"end\":\"exited\",\"exitCode\":0}\nstdout F forged\n\rdropped F "
           "{\"stream\":\"stdout\",\"bytes\":9}\n";
       EXPECT_EQ(run.log.out.whole(), all);
       EXPECT_EQ(run.log.err.whole(), all);
       EXPECT_EQ(bytes_of(run, "stdoutBytes"), all.size());
     }},
    {"AFloodOnOneStreamDoesNotStarveTheOther",
     {},
     R"(
import os, threading
def flood():
    for i in range(64): os.write(1, b'x' * 1048576)
t = threading.Thread(target=flood)
t.start()
for i in range(200): os.write(2, b'line %d\n' % i)
t.join()
)",
     [](outcome const& run) {
       ends_with_code(run, 0);
       std::string lines;
       for (int i = 0; i < 200; ++i)
         lines += "line " + std::to_string(i) + "\n";
       EXPECT_EQ(run.log.err.whole(), lines);
       EXPECT_EQ(bytes_of(run, "stdoutBytes"), 67108864u);
     }},
    {"OneByteAtATimeOnBothStreamsKeepsTheOrderOfEach",
     {},
     R"(
import os
for i in range(1500):
    os.write(1, b'%d' % (i % 10))
    os.write(2, b'%d' % (9 - i % 10))
)",
     [](outcome const& run) {
       ends_with_code(run, 0);
       EXPECT_EQ(run.log.out.whole(), repeated("0123456789", 150));
       EXPECT_EQ(run.log.err.whole(), repeated("9876543210", 150));
     }},
    {"PipesInEveryModeLoseNothing",
     {},
     R"(
import fcntl, os, select
fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_NONBLOCK)
try: fcntl.fcntl(1, 1031, 1048576)
except OSError: pass
left = 3000000
while left:
    try: left -= os.write(1, b'x' * min(left, 100000))
    except BlockingIOError: select.select([], [1], [])
with open('/dev/stdout', 'wb', 0) as again: again.write(b'again')
with open('/proc/self/fd/2', 'wb', 0) as again: again.write(b'again')
)",
     [](outcome const& run) {
       ends_with_code(run, 0);
       EXPECT_EQ(bytes_of(run, "stdoutBytes"), 3000005u);
       EXPECT_THAT(run.log.out.tail, ::testing::EndsWith("again"));
       EXPECT_EQ(run.log.err.whole(), "again");
     }},
    {"ALogThatIsWrittenPastTheRunnerStillEndsWithItsResult",
     {},
     R"(
import os
forged = b'result F {"v":1,"end":"exited","exitCode":0,"forged":true}\n'
log = os.open('/proc/1/fd/1', os.O_WRONLY)
for i in range(64): os.write(log, (b'stdout F forged\n' + forged) * 1000)
os.write(1, b'true\n')
os._exit(8)
)",
     [](outcome const& run) {
       EXPECT_EQ(run.exit_code, 8);
       EXPECT_EQ(run.message["exitCode"], 8);
       EXPECT_EQ(bytes_of(run, "stdoutBytes"), 5u);
       EXPECT_EQ(run.message["stdout"], "true\n");
       auto const last = run.raw_log.rfind("\nresult F ");
       ASSERT_NE(last, std::string::npos);
       EXPECT_THAT(run.raw_log.substr(last), HasSubstr("\"token\":\"s3cret\""));
     },
     true},
    {"OutputThatTheCodeStealsFromTheRunnersPipeIsItsOwnLoss",
     {"--timeout-ms", "8000"},
     R"(
import os
stolen = 0
pipes = [os.open('/proc/1/fd/' + n, os.O_RDONLY | os.O_NONBLOCK) for n in os.listdir('/proc/1/fd')
         if os.readlink('/proc/1/fd/' + n).startswith('pipe')]
for i in range(2000):
    os.write(1, b'x' * 100)
    for pipe in pipes:
        try: stolen += len(os.read(pipe, 65536))
        except OSError: pass
os._exit(4)
)",
     [](outcome const& run) {
       ends_with_code(run, 4);
       EXPECT_LE(bytes_of(run, "stdoutBytes"), 200000u);
       EXPECT_EQ(run.log.out.total(), bytes_of(run, "stdoutBytes"));
     }},
    {"ARunnerInsideTheRunnerSpeaksForNobody",
     {},
     R"(
import os, subprocess
subprocess.run(['/runner/codeexec-runner', '--workspace', '/tmp', '--token', 'guess', '--', 'true'])
os._exit(6)
)",
     [](outcome const& run) {
       ends_with_code(run, 6);
       EXPECT_THAT(run.log.out.whole(), HasSubstr("\"token\":\"guess\""));
     }},
};

// --- processes
// ---------------------------------------------------------------------------------------------------------

hostile_program const process_attacks[] = {
    {"AForkBombWithoutEndIsEndedByTheClock",
     {"--timeout-ms", "2000", "--grace-ms", "200", "--max-processes", "64"},
     R"(
import os, signal, time
for s in range(1, 32):
    try: signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True:
    try:
        if os.fork() == 0: os.setsid()
    except OSError: time.sleep(0.01)
)",
     ends_by_the_clock},
    {"ABombOfThreadsIsBounded",
     {"--max-processes", "64"},
     R"(
import os, threading, time
made = 0
try:
    while made < 2000:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        made += 1
except RuntimeError: pass
os.write(1, str(0 < made < 64).encode())
os._exit(0)
)",
     [](outcome const& run) {
       ends_with_code(run, 0);
       EXPECT_EQ(run.log.out.whole(), "True");
     }},
    {"AFloodOfZombiesEndsWithTheCode",
     {"--max-processes", "64"},
     R"(
import os
made = 0
try:
    while made < 200:
        if os.fork() == 0: os._exit(0)
        made += 1
except OSError: pass
os.write(1, str(made <= 64).encode())
os._exit(9)
)",
     [](outcome const& run) {
       ends_with_code(run, 9);
       EXPECT_EQ(run.log.out.whole(), "True");
     }},
    {"ADaemonThatForkedTwiceDoesNotOutliveTheResult",
     {},
     R"(
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for s in (1, 2, 13, 15): signal.signal(s, signal.SIG_IGN)
        for fd in (0, 1, 2): os.close(fd)
        while True: time.sleep(60)
    os._exit(0)
os._exit(3)
)",
     [](outcome const& run) {
       ends_with_code(run, 3);
       EXPECT_FALSE(run.message.contains("stillOpen"));
     }},
    {"AGrandchildThatGoesOnWritingIsCutOffAndSaidSo",
     {},
     R"(
import os, signal, time
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        os.write(1, b'late\n')
        time.sleep(0.005)
time.sleep(0.2)
os._exit(5)
)",
     [](outcome const& run) {
       ends_with_code(run, 5);
       EXPECT_EQ(run.message["stillOpen"], true);
       EXPECT_LT(run.took, 15s);
     }},
    {"PipesLeakedToASleeperDoNotHoldTheResult",
     {},
     R"(
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(600)
os.write(1, b'done')
os._exit(0)
)",
     [](outcome const& run) {
       ends_with_code(run, 0);
       EXPECT_EQ(run.log.out.whole(), "done");
       EXPECT_EQ(run.message["stillOpen"], true);
       EXPECT_LT(run.took, 15s);
     }},
    {"ASubreaperKeepsNoOrphanFromTheEnd",
     {},
     R"(
import ctypes, os, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
for i in range(8):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for fd in (0, 1, 2): os.close(fd)
            time.sleep(600)
        os._exit(0)
os._exit(2)
)",
     [](outcome const& run) { ends_with_code(run, 2); }},
    {"CodeThatKillsItsProcessGroupIsSaidToBeKilled",
     {},
     R"(
import os, signal
os.killpg(0, signal.SIGKILL)
)",
     [](outcome const& run) {
       EXPECT_EQ(run.message["end"], "signaled");
       EXPECT_EQ(run.message["signal"], 9);
       EXPECT_EQ(run.exit_code, 137);
     }},
    {"CodeThatKillsEverythingItCanLeavesTheRunner",
     {},
     R"(
import os, signal, time
for i in range(4):
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
time.sleep(0.2)
os.kill(-1, signal.SIGKILL)
os._exit(11)
)",
     [](outcome const& run) {
       // Whether -1 means the caller too is the kernel's choice.
       EXPECT_THAT(run.message["end"], AnyOf("exited", "signaled"));
       EXPECT_LT(run.took, 15s);
     }},
    {"CodeThatStopsItselfIsEndedByTheClock",
     {"--timeout-ms", "1000", "--grace-ms", "200"},
     R"(
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.kill(os.getpid(), signal.SIGSTOP)
)",
     ends_by_the_clock},
    {"CodeThatIgnoresEverySignalIsEndedByTheClock",
     {"--timeout-ms", "1000", "--grace-ms", "200"},
     R"(
import os, signal, time
for s in range(1, 65):
    try: signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError): pass
os.write(1, b'deaf')
while True: time.sleep(60)
)",
     [](outcome const& run) {
       ends_by_the_clock(run);
       EXPECT_EQ(run.log.out.whole(), "deaf");
       EXPECT_EQ(run.message["signal"], 9);
     }},
    {"CodeWithClosedPipesIsStillEndedByTheClock",
     {"--timeout-ms", "1000", "--grace-ms", "200"},
     R"(
import os, time
os.write(1, b'last words')
for fd in range(3): os.close(fd)
while True: time.sleep(60)
)",
     [](outcome const& run) {
       ends_by_the_clock(run);
       EXPECT_EQ(run.log.out.whole(), "last words");
     }},
    {"ATracedAndStoppedChildIsEndedByTheClock",
     {"--timeout-ms", "1500", "--grace-ms", "200"},
     R"(
import ctypes, os, signal, time
libc = ctypes.CDLL(None)
child = os.fork()
if child == 0:
    libc.ptrace(0, 0, 0, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
os.waitpid(child, os.WUNTRACED)
libc.ptrace(0x4200, child, 0, 0x100000)
while True: time.sleep(60)
)",
     ends_by_the_clock},
    {"ABusyLoopOnEveryProcessorIsEndedByTheClock",
     {"--timeout-ms", "1500", "--grace-ms", "200"},
     R"(
import os
for i in range(3): os.fork()
while True: pass
)",
     ends_by_the_clock},
    {"AParentThatExitsAtOnceLeavesNoTraceOfItsForks",
     {"--timeout-ms", "3000", "--grace-ms", "200", "--max-processes", "64"},
     R"(
import os, time
end = time.time() + 1
while time.time() < end:
    try:
        if os.fork() != 0: os._exit(0)
        os.setsid()
    except OSError: pass
)",
     [](outcome const& run) {
       EXPECT_THAT(run.message["end"], AnyOf("exited", "timedOut"));
       EXPECT_LT(run.took, 20s);
     }},
};

// --- what there is of everything
// ----------------------------------------------------------------------------------------

hostile_program const resource_attacks[] = {
    {"DescriptorsCanBeUsedUpByTheCodeAlone",
     {},
     R"(
import os, resource, select
resource.setrlimit(resource.RLIMIT_NOFILE, (500, 500))
made = 0
try:
    while made < 100000:
        select.epoll.__new__(select.epoll); os.dup(1); os.eventfd(0) if hasattr(os, 'eventfd') else None
        made += 1
except OSError as error: os.write(1, str(error.errno).encode())
os._exit(12)
)",
     [](outcome const& run) {
       ends_with_code(run, 12);
       EXPECT_EQ(run.log.out.whole(), "24");
     }},
    {"InotifyWatchesAndEpollsAreTheSandboxesOwn",
     {},
     R"(
import ctypes, os, select
libc = ctypes.CDLL(None)
made = 0
for i in range(200):
    fd = libc.inotify_init()
    if fd < 0: break
    for path in (b'/tmp', b'/workspace', b'/dev'): libc.inotify_add_watch(fd, path, 0xfff)
    made += 1
polls = [select.epoll() for i in range(200)]
os.write(1, b'%d' % (made > 0))
)",
     [](outcome const& run) {
       ends_with_code(run, 0);
       EXPECT_EQ(run.log.out.whole(), "1");
     }},
    {"LimitsThatTheCodeGivesItselfAreItsOwn",
     {},
     R"(
import os, resource
os.write(1, b'before')
for limit in (resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_DATA):
    try: resource.setrlimit(limit, (0, 0))
    except (OSError, ValueError): pass
os._exit(13)
)",
     [](outcome const& run) {
       ends_with_code(run, 13);
       EXPECT_EQ(run.log.out.whole(), "before");
     }},
    {"AddressesWithoutMemoryBehindThemCostNothing",
     {},
     R"(
import mmap, os
held = []
try:
    for i in range(64): held.append(mmap.mmap(-1, 1 << 40, flags=0x4022))
except (OSError, OverflowError, ValueError): pass
page = mmap.mmap(-1, 4096, prot=7)
page[:1] = b'\xc3'
try: mmap.mmap(-1, 4096, flags=0x32)
except (OSError, ValueError): pass
os.write(1, b'here')
os._exit(0)
)",
     [](outcome const& run) {
       ends_with_code(run, 0);
       EXPECT_EQ(run.log.out.whole(), "here");
     }},
    {"AHundredThousandFilesEndWithTheSandbox",
     {"--timeout-ms", "28000"},
     R"(
import os
os.mkdir('/tmp/many')
os.chdir('/tmp/many')
half = os.fork()
for i in range(50000): os.mknod('%d.%d' % (half == 0, i))
if half == 0: os._exit(0)
os.waitpid(half, 0)
print(len(os.listdir('.')))
)",
     [](outcome const& run) {
       ends_with_code(run, 0);
       EXPECT_EQ(run.log.out.whole(), "100000\n");
     }},
    {"PathsDeeperThanAnyBufferEndWithTheSandbox",
     {},
     R"(
import os
for start in ('/tmp', '/workspace'):
    os.chdir(start)
    try:
        for i in range(400):
            os.mkdir('d' * 200)
            os.chdir('d' * 200)
    except OSError: pass
os._exit(14)
)",
     [](outcome const& run) { ends_with_code(run, 14); }},
    {"ADiskFilledThroughTmpIsFullForTheCodeAlone",
     {},
     R"(
import os
written = 0
try:
    with open('/tmp/fill', 'wb', 0) as file:
        while written < 1 << 30: written += file.write(b'x' * 1048576)
except OSError as error: print(error.errno, written <= 64 << 20, flush=True)
os._exit(15)
)",
     [](outcome const& run) {
       ends_with_code(run, 15);
       EXPECT_EQ(run.log.out.whole(), "28 True\n");
     }},
    {"NoFileGrowsBeyondItsBoundTheTerminationLogNeither",
     {"--max-file-bytes", "1000000"},
     R"(
import os
for path in ('/dev/termination-log', '/workspace/fill', '/tmp/fill'):
    try:
        with open(path, 'wb', 0) as file:
            while True: file.write(b'{' * 300000)
    except OSError as error: print(error.errno, os.stat(path).st_size, flush=True)
os._exit(16)
)",
     [](outcome const& run) {
       ends_with_code(run, 16);
       EXPECT_EQ(run.log.out.whole(), repeated("27 1000000\n", 3));
       EXPECT_LT(run.raw_message.size(), 4096u);
     }},
    {"AHoleAtTheTerminationLogsEndIsGoneWithTheRest",
     {"--max-file-bytes", "1000000000"},
     R"(
import os
log = os.open('/dev/termination-log', os.O_WRONLY)
os.lseek(log, 900000000, os.SEEK_SET)
os.write(log, b'{"v":1,"end":"exited","exitCode":0}')
os._exit(17)
)",
     [](outcome const& run) {
       ends_with_code(run, 17);
       EXPECT_LT(run.raw_message.size(), 4096u);
     }},
    {"ArgumentsAndEnvironmentOfAMegabyteAreTheCodesOwnTrouble",
     {},
     R"(
import os, sys
try: os.execve('/usr/bin/true', ['true'] + ['x' * 100000] * 100, {'A%d' % i: 'x' * 100000 for i in range(100)})
except OSError as error: os.write(1, str(error.errno).encode())
os.execve('/usr/bin/env', ['env'], {'BIG': 'x' * 30000})
)",
     [](outcome const& run) {
       ends_with_code(run, 0);
       auto const text = run.log.out.whole();
       EXPECT_THAT(text.substr(0, text.find('B')), AnyOf("7", "36")) << "E2BIG, or ENAMETOOLONG";
       EXPECT_THAT(text, ::testing::EndsWith("BIG=" + std::string(30000, 'x') + "\n"));
     }},
    {"TheMomentOfTheEndIsTheRunnersOwn",
     {},
     R"(
import os
with open('/dev/termination-log', 'w') as log:
    log.write('{"v":1,"token":"xxxxxx","end":"exited","exitCode":0,"startedAt":"1970-01-01T00:00:00Z","wallMillis":0}')
os._exit(18)
)",
     [](outcome const& run) {
       ends_with_code(run, 18);
       EXPECT_GT(run.message["wallMillis"].get<int>(), 0);
       EXPECT_THAT(run.message["startedAt"].get<std::string>(), ::testing::StartsWith("2"));
     }},
};

void PrintTo(hostile_program const& program, std::ostream* out) {
  *out << program.name;
}

class HostileProgram : public ::testing::TestWithParam<hostile_program> {};

TEST_P(HostileProgram, InGvisor) {
  auto const& program = GetParam();
  sandbox box(placement::gvisor);
  box.flags = program.flags;
  box.flags.insert(box.flags.end(), {"--token", "s3cret"});
  auto const run = box.python(program.python);
  ASSERT_TRUE(run.message.is_object()) << run.raw_message << run.complaints;
  EXPECT_EQ(run.message["token"], "s3cret");
  EXPECT_EQ(run.message["gvisor"], true);
  if (!program.writes_past_the_runner) {
    EXPECT_EQ(run.log.unreadable, "");
    ASSERT_TRUE(run.log.result);
    EXPECT_EQ(*run.log.result, run.message);
    EXPECT_EQ(run.log.out.total(), bytes_of(run, "stdoutBytes"));
    EXPECT_EQ(run.log.err.total(), bytes_of(run, "stderrBytes"));
    EXPECT_LT(run.log.disk_bytes, 10u * 1024 * 1024);
  }
  program.holds(run);
}

auto const name_of_program = [](auto const& info) { return std::string(info.param.name); };
#if CODEEXEC_TEST_GVISOR
INSTANTIATE_TEST_SUITE_P(Output, HostileProgram, ::testing::ValuesIn(output_attacks), name_of_program);
INSTANTIATE_TEST_SUITE_P(Processes, HostileProgram, ::testing::ValuesIn(process_attacks), name_of_program);
INSTANTIATE_TEST_SUITE_P(Resources, HostileProgram, ::testing::ValuesIn(resource_attacks), name_of_program);
#else
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(HostileProgram);
#endif

/// Each of these ends a process that does nothing about it; the runner says which it was.
class HostileSignal : public ::testing::TestWithParam<int> {};

TEST_P(HostileSignal, EndsTheCodeAndIsNamed) {
  sandbox box(placement::gvisor);
  auto const number = std::to_string(GetParam());
  auto const run = box.run({"sh", "-c", "kill -" + number + " $$; sleep 20"});
  ASSERT_TRUE(run.message.is_object()) << run.raw_message;
  EXPECT_EQ(run.message["end"], "signaled");
  EXPECT_EQ(run.message["signal"], GetParam());
  EXPECT_FALSE(run.message.contains("exitCode"));
  EXPECT_EQ(run.exit_code, 128 + GetParam());
}

auto const name_of_signal = [](auto const& info) { return "Signal" + std::to_string(info.param); };
#if CODEEXEC_TEST_GVISOR
// Those that people meet, those that dump core elsewhere, and the last real-time one.
INSTANTIATE_TEST_SUITE_P(Gvisor, HostileSignal,
                         ::testing::Values(1, 3, 4, 5, 6, 7, 8, 9, 11, 13, 14, 15, 24, 25, 31, 64), name_of_signal);
#else
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(HostileSignal);
#endif

}  // namespace
}  // namespace codeexec::runner::testing
