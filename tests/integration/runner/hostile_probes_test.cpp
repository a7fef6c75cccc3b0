// What hostile code reaches from inside a sandbox, attempt by attempt: each is one line of a table, with what must come
// of it. A table shares one sandbox; every attempt is a process of its own there, so that none spoils another.
#include <gtest/gtest.h>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "placements.hpp"

namespace codeexec::runner::testing {
namespace {

struct attempt {
  std::string what;     ///< is attacked
  std::string program;  ///< Python: an expression, or statements that end with one
  std::string outcome;  ///< what must come of it: a regular expression for the whole answer
};

/// What the programs share. An answer is "done", the name of an error, or what the attempt gives back.
constexpr char tools[] = R"(
secret = b's3' + b'cret'  # not to be found in the arguments that this program itself is
import ctypes, errno, fcntl, json, os, resource, select, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(4096)

def name(number):
    return errno.errorcode.get(number, str(number))

def call(function, *arguments):
    ctypes.set_errno(0)
    long = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = getattr(libc, function)(*long)
    return name(ctypes.get_errno()) if result == -1 else 'done'

numbers = {'bpf': (321, 280), 'perf_event_open': (298, 241), 'userfaultfd': (323, 282), 'add_key': (248, 217),
           'keyctl': (250, 219), 'kexec_load': (246, 104), 'pivot_root': (155, 41), 'clone': (56, 220),
           'setns': (308, 268), 'init_module': (175, 105), 'kcmp': (312, 272), 'io_uring_setup': (425, 425),
           'open_tree': (428, 428), 'fsopen': (430, 430), 'pidfd_send_signal': (424, 424), 'pidfd_open': (434, 434),
           'pidfd_getfd': (438, 438), 'clone3': (435, 435), 'process_madvise': (440, 440)}
def raw(function, *arguments):
    return call('syscall', numbers[function][os.uname().machine == 'aarch64'], *arguments)

def tried(action):
    try:
        result = action()
    except OSError as error:
        return name(error.errno) if error.errno and error.errno > 0 else type(error).__name__
    return 'done' if result is None else str(result)

def reads(path):
    return tried(lambda: open(path, 'rb').read(65536))

def writes(path, mode='r+b'):
    def write():
        with open(path, mode, 0) as file: file.write(b'x')
    return tried(write)

def connects(family, kind, address):
    def connect():
        s = socket.socket(family, kind)
        s.settimeout(2)
        s.connect(address)
    return tried(connect)
)";

std::string indented(std::string const& program) {
  std::string out = "    ";
  for (char const c : program) {
    out += c;
    if (c == '\n') out += "    ";
  }
  return out;
}

/// The attempts as functions whose last line is their answer, and the loop that runs them.
std::string as_python(std::vector<attempt> const& attempts) {
  std::string text = tools;
  std::string list;
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    auto const& program = attempts[i].program;
    auto const last = program.rfind('\n');
    auto const start = last == std::string::npos ? 0 : last + 1;
    text += "def attempt_" + std::to_string(i) + "():\n" +
            indented(program.substr(0, start) + "return " + program.substr(start)) + "\n";
    list += "attempt_" + std::to_string(i) + ", ";
  }
  return text + "for index, action in enumerate([" + list + R"(]):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        try: answer = action()
        except BaseException as error: answer = repr(error)
        print(json.dumps([index, str(answer)]), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
)";
}

/// In gVisor, as the unprivileged user of a real pod.
class HostileProbes : public RunnerTest {
 protected:
  void none_succeeds(std::vector<attempt> const& attempts) {
    box.flags.insert(box.flags.end(), {"--token", "s3cret", "--timeout-ms", "25000", "--max-output-bytes", "262144"});
    auto const run = box.python(as_python(attempts));
    EXPECT_EQ(run.exit_code, 0) << run.log.err.whole();
    ASSERT_TRUE(run.message.is_object()) << run.raw_message;
    EXPECT_EQ(run.message["token"], "s3cret");
    EXPECT_EQ(run.message["end"], "exited");
    EXPECT_EQ(run.log.unreadable, "");
    std::map<std::size_t, std::string> answers;
    std::istringstream lines(run.log.out.whole());
    for (std::string line; std::getline(lines, line);) {
      auto const read = nlohmann::json::parse(line, nullptr, false);
      if (read.is_array() && read.size() == 2) answers[read[0].get<std::size_t>()] = read[1].get<std::string>();
    }
    for (std::size_t i = 0; i < attempts.size(); ++i) {
      auto const answer = answers.find(i);
      if (answer == answers.end()) {
        ADD_FAILURE() << attempts[i].what << ": no answer\n" << run.log.err.whole();
        continue;
      }
      EXPECT_TRUE(std::regex_match(answer->second, std::regex(attempts[i].outcome)))
          << attempts[i].what << ": got " << answer->second << ", must be " << attempts[i].outcome;
    }
  }
};

TEST_P(HostileProbes, OfTheRunnerNothingIsToBeReadThatTheCodeShouldNotKnow) {
  none_succeeds({
      {"the token in the runner's command line", "secret in open('/proc/1/cmdline', 'rb').read()", "False"},
      {"the token in the runner's environment", "secret in open('/proc/1/environ', 'rb').read()", "False"},
      {"the token in any file of /proc/1", R"(found = []
for file in os.listdir('/proc/1'):
    try: data = open('/proc/1/' + file, 'rb').read(1 << 20)
    except OSError: continue
    if secret in data: found.append(file)
found)",
       "\\[\\]"},
      {"the token in the code's own environment and arguments",
       "secret in (open('/proc/self/environ', 'rb').read() + open('/proc/self/cmdline', "
       "'rb').read().split(b'import')[0])",
       "False"},
      {"the runner's memory, through /proc", "reads('/proc/1/mem')", "EACCES|EPERM|ENOENT"},
      {"the runner's memory, to be written", "writes('/proc/1/mem')", "EACCES|EPERM|ENOENT"},
      {"the runner's memory, by process_vm_readv", "call('process_vm_readv', 1, buffer, 1, buffer, 1, 0)",
       "EPERM|ENOSYS|ESRCH"},
      {"the runner's memory, by process_vm_writev", "call('process_vm_writev', 1, buffer, 1, buffer, 1, 0)",
       "EPERM|ENOSYS|ESRCH"},
      {"the runner's program, through /proc/1/exe", "tried(lambda: open('/proc/1/exe', 'rb').read(4))",
       "EACCES|EPERM|ENOENT"},
      {"the runner's root, through /proc/1/root", "tried(lambda: os.listdir('/proc/1/root/'))", "EACCES|EPERM|ENOENT"},
      {"the runner's folder, through /proc/1/cwd", "tried(lambda: os.listdir('/proc/1/cwd/'))", "EACCES|EPERM|ENOENT"},
      {"the runner by ptrace attach", "call('ptrace', 16, 1, 0, 0)", "EPERM"},
      {"the runner by ptrace seize", "call('ptrace', 0x4206, 1, 0, 0)", "EPERM"},
      {"the runner by a pidfd", "raw('pidfd_open', 1, 0)", "EPERM|ENOSYS"},
      {"the runner's descriptors by pidfd_getfd", "raw('pidfd_getfd', 3, 1, 0)", "EPERM|ENOSYS|EBADF"},
      {"the runner's descriptors by kcmp", "raw('kcmp', 1, os.getpid(), 0, 0, 0)", "EPERM|ENOSYS"},
      {"the runner's signals, through its signalfd", R"(opened = []
for number in os.listdir('/proc/1/fd'):
    if 'signalfd' not in os.readlink('/proc/1/fd/' + number): continue
    opened.append(tried(lambda: os.open('/proc/1/fd/' + number, os.O_RDONLY | os.O_NONBLOCK)))
opened)",
       "\\[('(ENODEV|ENXIO|EACCES|EINVAL)'(, )?)*\\]"},
      {"descriptors that the runner left open for the code",
       "sorted(n for n in os.listdir('/proc/self/fd') if not n.isdigit() or int(n) > 3)", "\\[\\]"},
  });
}

TEST_P(HostileProbes, TheRunnerCannotBeStoppedEndedOrSlowed) {
  none_succeeds({
      {"kill(1, SIGKILL)", "tried(lambda: os.kill(1, signal.SIGKILL))", "EPERM"},
      {"kill(1, SIGSTOP)", "tried(lambda: os.kill(1, signal.SIGSTOP))", "EPERM"},
      {"kill(1, SIGTERM): nobody was told to stop", "tried(lambda: os.kill(1, signal.SIGTERM))", "EPERM"},
      {"tgkill", "call('tgkill', 1, 1, 9)", "EPERM"},
      {"sigqueue", "call('sigqueue', 1, 9, 0)", "EPERM"},
      {"a pidfd of the runner, signalled", "raw('pidfd_send_signal', os.open('/proc/1', os.O_RDONLY), 9, 0, 0)",
       "EPERM|ENOSYS|EBADF"},
      {"SIGKILL as the owner of a descriptor (F_SETOWN)", R"(read, write = os.pipe()
answer = tried(lambda: fcntl.fcntl(read, fcntl.F_SETOWN, 1))
fcntl.fcntl(read, 10, signal.SIGKILL)
fcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
os.write(write, b'x')
answer)",
       "EPERM"},
      {"the same by its process group", "tried(lambda: fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, -1))", "EPERM"},
      {"the same by F_SETOWN_EX", "call('fcntl', os.pipe()[0], 15, buffer)", "EPERM"},
      {"the same by ioctl FIOSETOWN", "call('ioctl', os.pipe()[0], 0x8901, buffer)", "EPERM"},
      {"the same by ioctl SIOCSPGRP", "call('ioctl', os.pipe()[0], 0x8902, buffer)", "EPERM"},
      {"a signal as the runner's child (CLONE_PARENT)", "raw('clone', 0x8000 | 9, 0, 0, 0, 0)", "EPERM"},
      {"the same by clone3", "raw('clone3', buffer, 88)", "ENOSYS"},
      {"the runner's limits", "tried(lambda: resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0)))", "EPERM|.*Error.*"},
      {"the runner's process group", "tried(lambda: os.setpgid(1, 0))", "ESRCH|EPERM|EACCES"},
      {"the runner's session", "tried(lambda: os.setpgid(0, 1))", "EPERM|ESRCH"},
      {"the runner's place with the OOM killer", "writes('/proc/1/oom_score_adj')", "EACCES|EPERM|EINVAL|ENOENT"},
      {"the runner's name", "writes('/proc/1/comm')", "EACCES|EPERM|EINVAL"},
      {"the runner's program file", "writes('/runner/codeexec-runner')", "EACCES|EROFS|ETXTBSY|EPERM"},
      {"the runner's program file, to be removed", "tried(lambda: os.unlink('/runner/codeexec-runner'))",
       "EACCES|EROFS|EPERM"},
      {"the runner's program file, its rights", "tried(lambda: os.chmod('/runner/codeexec-runner', 0o777))",
       "EROFS|EPERM"},
      {"a program in its place", "writes('/runner/new', 'wb')", "EACCES|EROFS|EPERM"},
      {"and signals to oneself still arrive", "tried(lambda: os.kill(os.getpid(), 0))", "done"},
      {"and a descriptor of one's own still has an owner", R"(read, write = os.pipe()
got = []
signal.signal(signal.SIGIO, lambda *_: got.append(1))
fcntl.fcntl(read, fcntl.F_SETOWN, os.getpid())
fcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC)
os.write(write, b'x')
until = time.time() + 5
while not got and time.time() < until: time.sleep(0.01)
got)",
       "\\[1\\]"},
      {"and threads and programs still start", R"(import subprocess, threading
t = threading.Thread(target=lambda: None)
t.start(); t.join()
subprocess.run(['true']).returncode)",
       "0"},
  });
}

TEST_P(HostileProbes, ThereIsNoWayToMoreRights) {
  none_succeeds({
      {"the user is nobody", "(os.getresuid(), os.getresgid(), os.getgroups())",
       R"(\(\(65532, 65532, 65532\), \(65532, 65532, 65532\), \[(65532)?\]\))"},
      {"capabilities: none",
       "sorted({l.split()[1] for l in open('/proc/self/status') if l.startswith(('CapEff','CapPrm','CapInh'))})",
       "\\['0000000000000000'\\]"},
      {"no_new_privs is set", "libc.prctl(39, 0, 0, 0, 0)", "1"},
      {"setuid(0)", "tried(lambda: os.setuid(0))", "EPERM|EINVAL"},
      {"setgid(0)", "tried(lambda: os.setgid(0))", "EPERM|EINVAL"},
      {"setgroups", "tried(lambda: os.setgroups([0]))", "EPERM|EINVAL"},
      {"a user namespace, and with it every capability", "call('unshare', 0x10000000)", "EPERM"},
      {"a mount namespace", "call('unshare', 0x20000)", "EPERM"},
      {"a PID namespace, out of the runner's reach", "call('unshare', 0x20000000)", "EPERM"},
      {"a network namespace", "call('unshare', 0x40000000)", "EPERM"},
      {"a child in a user namespace", "raw('clone', 0x10000000 | 17, 0, 0, 0, 0)", "EPERM"},
      {"another process' namespace", "tried(lambda: call('setns', os.open('/proc/1/ns/pid', os.O_RDONLY), 0))",
       "E(INVAL|PERM|ACCES|NOENT|NOTSUP|OPNOTSUPP)"},
      {"mount", "call('mount', b'none', b'/tmp', b'tmpfs', 0, 0)", "EPERM"},
      {"a mount over the termination log", "call('mount', b'/tmp', b'/dev/termination-log', b'', 4096, 0)",
       "EPERM|ENOTDIR"},
      {"a read-only mount made writable", "call('mount', b'none', b'/input', b'', 32, 0)", "EPERM"},
      {"umount", "call('umount2', b'/input', 2)", "EPERM"},
      {"the new mount API", "(raw('fsopen', b'tmpfs', 0), raw('open_tree', -100, b'/', 1))",
       "\\('E(PERM|NOSYS)', 'E(PERM|NOSYS)'\\)"},
      {"chroot", "call('chroot', b'/tmp')", "EPERM"},
      {"pivot_root", "raw('pivot_root', b'/tmp', b'/tmp')", "EPERM|EINVAL"},
      {"the host's disk and memory, through device files of one's own",
       R"(os.mknod('/tmp/disk', 0o60666, os.makedev(8, 0))
os.mknod('/tmp/memory', 0o20666, os.makedev(1, 1))
(reads('/tmp/disk'), reads('/tmp/memory')))",
       R"(PermissionError.*|\('E(PERM|NXIO|NODEV|ACCES)', 'E(PERM|NXIO|NODEV|ACCES)'\))"},
      {"a kernel module", "raw('init_module', buffer, 10, b'')", "EPERM|ENOSYS"},
      {"another kernel", "raw('kexec_load', 0, 0, 0, 0)", "EPERM|ENOSYS"},
      {"a program for the kernel (bpf)", "raw('bpf', 5, buffer, 120)", "EPERM|ENOSYS"},
      {"the processor's counters", "raw('perf_event_open', buffer, 0, -1, -1, 0)",
       "E(PERM|NOSYS|NODEV|INVAL|NOENT|ACCES)"},
      {"page faults by hand", "raw('userfaultfd', 0)", "EPERM|ENOSYS"},
      {"the kernel's keys", "(raw('add_key', b'user', b'x', buffer, 4, -3), raw('keyctl', 0, -3, 1))",
       ".*E(ACCES|PERM|NOSYS).*"},
      {"reboot", "call('reboot', 0x1234567)", "EPERM|ENOSYS|EINVAL"},
      {"swap", "call('swapon', b'/tmp', 0)", "EPERM|ENOSYS"},
      {"process accounting", "call('acct', b'/tmp/acct')", "EPERM|ENOSYS"},
      {"a file by its handle", "call('open_by_handle_at', -100, buffer, 0)",
       "E(PERM|NOSYS|OPNOTSUPP|NOTSUP|BADF|INVAL|STALE)"},
      {"the host's name", "call('sethostname', b'evil', 4)", "EPERM"},
      {"sysctl", "writes('/proc/sys/kernel/hostname', 'wb')", "EACCES|EROFS|EPERM"},
      {"sysrq", "writes('/proc/sysrq-trigger', 'wb')", "EACCES|EROFS|EPERM"},
      {"the core pattern", "writes('/proc/sys/kernel/core_pattern', 'wb')", "EACCES|EROFS|EPERM"},
      {"a cgroup", "tried(lambda: os.mkdir('/sys/fs/cgroup/mine'))", "E(ACCES|ROFS|PERM|NOENT)"},
      {"real-time priority", "tried(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))",
       "EPERM|EINVAL|ENOSYS"},
      {"core dumps", "resource.getrlimit(resource.RLIMIT_CORE)", "\\(0, 0\\)"},
      {"a limit raised again", "tried(lambda: resource.setrlimit(resource.RLIMIT_CORE, (1, 1)))", "EPERM|.*Error.*"},
  });
}

TEST_P(HostileProbes, TheClockCannotBeTurned) {
  none_succeeds({
      {"settimeofday", "call('settimeofday', buffer, 0)", "EPERM|ENOSYS"},
      {"clock_settime", "call('clock_settime', 0, buffer)", "EPERM|ENOSYS|EINVAL"},
      {"adjtimex", "call('adjtimex', ctypes.create_string_buffer(b'\\x01', 208))", "EPERM|ENOSYS"},
      {"a time namespace", "call('unshare', 0x80)", "EPERM|EINVAL"},
      {"a clock of /proc", "writes('/proc/self/timens_offsets', 'wb')", "E(NOENT|ACCES|PERM|ROFS)"},
  });
}

TEST_P(HostileProbes, NobodyIsToBeReachedOverTheNetwork) {
  none_succeeds({
      {"the metadata address", "connects(socket.AF_INET, socket.SOCK_STREAM, ('169.254.169.254', 80))",
       "E(HOST|NET)UNREACH"},
      {"the metadata address by IPv6", "connects(socket.AF_INET6, socket.SOCK_STREAM, ('fd00:ec2::254', 80))",
       "E(HOST|NET)UNREACH|EAFNOSUPPORT"},
      {"the API server", "connects(socket.AF_INET, socket.SOCK_STREAM, ('10.96.0.1', 443))", "E(HOST|NET)UNREACH"},
      {"the kubelet, as a neighbour on loopback", "connects(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', 10250))",
       "ECONNREFUSED|E(HOST|NET)UNREACH"},
      {"a datagram to a nameserver",
       "tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53)))",
       "E(HOST|NET)UNREACH"},
      {"a name by DNS", "tried(lambda: socket.getaddrinfo('metadata.google.internal', 80))", "gaierror"},
      {"the container runtime's socket",
       "connects(socket.AF_UNIX, socket.SOCK_STREAM, '/run/containerd/containerd.sock')", "ENOENT"},
      {"the host's abstract sockets", "connects(socket.AF_UNIX, socket.SOCK_STREAM, '\\0/containerd')", "ECONNREFUSED"},
      {"a raw socket", "tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close())", "EPERM|EACCES"},
      {"a packet socket", "tried(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close())",
       "EPERM|EACCES|EAFNOSUPPORT"},
      {"the host's machines behind vsock", "tried(lambda: socket.socket(40, socket.SOCK_STREAM).close())",
       "EAFNOSUPPORT|EPERM|ENODEV"},
      {"the kernel's ciphers", "tried(lambda: socket.socket(38, socket.SOCK_SEQPACKET).close())", "EAFNOSUPPORT|EPERM"},
      {"interfaces but loopback", "[n for _, n in socket.if_nameindex() if n != 'lo']", "\\[\\]"},
      {"routes", "[l for l in open('/proc/net/route').read().splitlines()[1:] if l.split()[:1] not in ([], ['lo'])]",
       "\\[\\]"},
  });
}

TEST_P(HostileProbes, OfTheHostNothingIsToBeSeen) {
  box.add_input("main.txt", "given");
  none_succeeds({
      {"processes of the host", "[p for p in os.listdir('/proc') if p.isdigit() and int(p) > 1000]", "\\[\\]"},
      {"the host's kernel", "'gVisor' in open('/proc/version').read() or os.uname().release == '4.4.0'", "True"},
      {"the host's name",
       "os.uname().nodename == " + std::string("'") +
           [] {
             char name[256] = {};
             gethostname(name, sizeof name - 1);
             return std::string(name);
           }() +
           "'",
       "False"},
      {"paths of the host in the mount table", "'/codeexec-runner-' in open('/proc/self/mountinfo').read()", "False"},
      {"accounts of the host", "reads('/etc/shadow')", "ENOENT|EACCES"},
      {"a service account's token", "tried(lambda: os.listdir('/var/run/secrets'))", "ENOENT"},
      {"addresses of services in the environment", "[v for v in os.environ if 'KUBERNETES' in v or '_SERVICE_' in v]",
       "\\[\\]"},
      {"the host's memory", "(reads('/dev/mem'), reads('/proc/kcore'))",
       "\\('E(NOENT|ACCES|PERM)', 'E(NOENT|ACCES|PERM)'\\)"},
      {"the host's log", "'Starting gVisor' in ''.join(map(chr, (libc.klogctl(3, buffer, 4096), buffer.value)[1]))",
       "True"},
      {"the host's symbols", "reads('/proc/kallsyms')", "ENOENT|EACCES|b''"},
      {"the host's disks",
       "[d for d in os.listdir('/dev') if d.startswith(('sd', 'vd', 'nvme', 'dm-', 'loop', 'xvd'))]", "\\[\\]"},
      {"the host's disks in /sys", "os.listdir('/sys/block') if os.path.isdir('/sys/block') else []", "\\[\\]"},
      {"the host's firmware", "os.listdir('/sys/firmware') if os.path.isdir('/sys/firmware') else []", "\\[\\]"},
      {"the host's root",
       "sorted(set(os.listdir('/')) - "
       "{'bin','dev','etc','input','lib','lib64','proc','runner','sys','tmp','usr','workspace'})",
       "\\[\\]"},
      {"the input, to be changed", "writes('/input/main.txt')", "EACCES|EROFS"},
      {"the input, to be added to", "writes('/input/new', 'wb')", "EACCES|EROFS"},
      {"the input's copy is the code's own", "writes('/workspace/main.txt', 'wb')", "done|EACCES"},
      {"the image", "writes('/usr/bin/python3')", "EACCES|EROFS|ETXTBSY"},
      {"the root folder", "writes('/new', 'wb')", "EACCES|EROFS"},
      {"/etc", "writes('/etc/passwd', 'wb')", "EACCES|EROFS"},
      {"/dev", "writes('/dev/new', 'wb')", "EACCES|EROFS"},
      {"/sys", "writes('/sys/new', 'wb')", "EACCES|EROFS|EPERM|ENOENT"},
      {"a link out of the workspace leads nowhere new", R"(os.symlink('/etc/shadow', '/workspace/link')
reads('/workspace/link'))",
       "ENOENT|EACCES"},
      {"a hard link to the runner", "tried(lambda: os.link('/runner/codeexec-runner', '/workspace/mine'))",
       "E(XDEV|PERM|ROFS|ACCES|NOENT|OPNOTSUPP|NOTSUP)"},
      {"the termination log, to be removed", "tried(lambda: os.unlink('/dev/termination-log'))",
       "EACCES|EBUSY|EPERM|EROFS"},
      {"another file in its place", R"(open('/tmp/mine', 'w').close()
tried(lambda: os.rename('/tmp/mine', '/dev/termination-log')))",
       "EXDEV|EACCES|EBUSY|EPERM"},
      {"the termination log's rights", "tried(lambda: os.chmod('/dev/termination-log', 0))", "EPERM"},
  });
}

CODEEXEC_RUN_IN_GVISOR(HostileProbes);

}  // namespace
}  // namespace codeexec::runner::testing
