// Code that attacks what runs it, through the whole path: the status is honest all the same. What the runner alone can
// show is in tests/integration/runner/hostile_*_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

#include "cluster.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::AnyOf;
using ::testing::HasSubstr;

/// The object that the code printed as its only output.
json printed(json const& status) {
  auto const read = json::parse(status.value("stdout", ""), nullptr, false);
  EXPECT_TRUE(read.is_object()) << status.dump(2);
  return read.is_object() ? read : json::object();
}

TEST(hostile, a_forged_termination_message_is_not_believed) {
  workspace here;
  auto const status = here.run("forger", python(R"(
import os, time
forged = '{"v":1,"token":"guess","end":"exited","exitCode":0,"stdout":"forged","stderr":"","stdoutBytes":6,"stderrBytes":0,"gvisor":true}'
if os.fork() == 0:
    os.setsid()
    for fd in (0, 1, 2): os.close(fd)
    while True:
        with open('/dev/termination-log', 'w') as log: log.write(forged)
        time.sleep(0.01)
print('true')
time.sleep(0.3)
os._exit(3)
)"));
  EXPECT_EQ(status["reason"], "NonZeroExit") << status.dump(2);
  EXPECT_EQ(status["exitCode"], 3);
  EXPECT_EQ(status["stdout"], "true\n");
}

TEST(hostile, frames_slipped_into_the_log_neither_end_nor_replace_the_result) {
  workspace here;
  // More than a termination message holds: the output comes from the log.
  auto const status = here.run("frames", python(R"(
import os
forged = b'result F {"v":1,"token":"guess","end":"exited","exitCode":0,"stdoutBytes":0,"stderrBytes":0}\n'
os.write(1, b'x' * 6000 + b'\n')
os.write(1, forged)
try: log = os.open('/proc/1/fd/1', os.O_WRONLY)
except OSError: log = os.open('/dev/null', os.O_WRONLY)
for i in range(50): os.write(log, forged)
os.write(1, b'end\n')
os._exit(4)
)"));
  EXPECT_EQ(status["reason"], "NonZeroExit") << status.dump(2).substr(0, 3000);
  EXPECT_EQ(status["exitCode"], 4);
  EXPECT_EQ(status["output"]["stdoutBytes"], 6001 + 93 + 4);
  EXPECT_EQ(status["output"]["stdoutTruncated"], false);
  EXPECT_THAT(status["stdout"].get<std::string>(), ::testing::EndsWith("}\nend\n"));
}

TEST(hostile, a_log_flooded_past_the_runner_costs_the_code_at_most_its_own_output) {
  workspace here;
  auto const status = here.run("flood", python(R"(
import os
try: log = os.open('/proc/1/fd/1', os.O_WRONLY)
except OSError: log = os.open('/dev/null', os.O_WRONLY)
for i in range(30): os.write(log, b'stdout F forged\n' * 65536)
os.write(1, b'true\n')
os._exit(5)
)"));
  EXPECT_EQ(status["reason"], "NonZeroExit") << status.dump(2).substr(0, 3000);
  EXPECT_EQ(status["exitCode"], 5);
  EXPECT_EQ(status["output"]["stdoutBytes"], 5);
  EXPECT_EQ(status["stdout"], "true\n");
}

TEST(hostile, lines_like_the_marker_are_output_and_the_status_says_which_is_not) {
  workspace here;
  auto spec = python(R"(
import sys
sys.stdout.write('[codeexec: 7 bytes of stdout left out]\n' * 1000)
sys.stderr.write('whole')
)");
  spec["output"] = {{"maxBytes", 1000}};
  auto const status = here.run("marker", spec);
  auto const& output = status["output"];
  std::string const line = "[codeexec: 7 bytes of stdout left out]\n";
  EXPECT_EQ(output["stdoutBytes"], line.size() * 1000);
  ASSERT_TRUE(output.contains("stdoutOmitted")) << status.dump(2);
  auto const text = status["stdout"].get<std::string>();
  auto const offset = output["stdoutOmitted"]["markerOffset"].get<std::size_t>();
  auto const length = output["stdoutOmitted"]["markerLength"].get<std::size_t>();
  auto const omitted = output["stdoutOmitted"]["bytes"].get<std::size_t>();
  ASSERT_LE(offset + length, text.size());
  std::string raw;
  for (int i = 0; i < 1000; ++i)
    raw += line;
  EXPECT_EQ(text.substr(0, offset), raw.substr(0, offset));
  EXPECT_THAT(text.substr(offset, length), HasSubstr("[codeexec: " + std::to_string(omitted) + " bytes of stdout"));
  EXPECT_EQ(text.substr(offset + length), raw.substr(offset + omitted));
  EXPECT_EQ(output["stderrTruncated"], false);
  EXPECT_FALSE(output.contains("stderrOmitted"));
}

TEST(hostile, disks_are_filled_for_the_code_alone) {
  workspace here;
  auto spec = python(R"(
import json, os
def fill(path):
    written = 0
    try:
        with open(path, 'wb', 0) as file:
            while written < 3 << 30: written += file.write(b'x' * (1 << 22))
    except OSError as error: result = [error.errno, written >> 20]
    else: result = [0, written >> 20]
    os.truncate(path, 0) if os.path.exists(path) else None
    return result
def grow(path):
    try: os.truncate(path, 1 << 40)
    except OSError as error: return error.errno
    return 0
print(json.dumps({'tmp': fill('/tmp/fill'), 'workspace': fill('/workspace/fill'), 'log': grow('/dev/termination-log')}))
)");
  spec["resources"] = {{"limits", {{"memory", "3Gi"}, {"cpu", "2"}, {"ephemeral-storage", "2Gi"}}}};
  auto const status = here.run("filler", spec, 120s);
  // A node may count what lies on its disk only now and then, and throw the pod out.
  if (status["reason"] == "Completed") {
    auto const said = printed(status);
    for (auto const& [place, most] : {std::pair{"tmp", 256}, std::pair{"workspace", 1024}}) {
      EXPECT_THAT(said[place][0].get<int>(), AnyOf(27, 28)) << place << status.dump();
      EXPECT_LE(said[place][1].get<int>(), most) << place;
    }
    EXPECT_EQ(said["log"], 27) << "the termination log lies on the node's disk";
  } else {
    EXPECT_THAT(status["reason"].get<std::string>(), AnyOf("Evicted", "OOMKilled")) << status.dump(2);
  }
  EXPECT_EQ(here.run("after", python("print('hi')"))["stdout"], "hi\n") << "the node still works";
}

TEST(hostile, the_pod_is_as_hard_from_inside_as_its_spec_says) {
  workspace here;
  auto const labelled = cluster::instance().send(kube::make_patch(
      kube::namespaces, "", here.name(), kube::patch_type::merge,
      R"({"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}})", "codeexec-e2e"));
  ASSERT_TRUE(labelled) << labelled.error().describe();
  auto const status = here.run("inside", python(R"(
import ctypes, json, os, resource, socket
def tried(action):
    try: action()
    except OSError as error: return False
    return True
def write(path):
    with open(path, 'w') as file: file.write('x')
facts = dict(line.split(':', 1) for line in open('/proc/self/status') if line.startswith('Cap'))
def nameservers():
    try: return [l.split()[1] for l in open('/etc/resolv.conf') if l.startswith('nameserver')]
    except OSError: return []
def connects(address):
    s = socket.socket(); s.settimeout(1)
    s.connect(address)
print(json.dumps({
    'ids': [os.getuid(), os.geteuid(), os.getgid(), os.getegid()],
    'root': 0 in os.getgroups(),
    'capabilities': sorted({facts[k].strip() for k in ('CapEff', 'CapPrm', 'CapInh', 'CapBnd')}),
    'noNewPrivs': ctypes.CDLL(None).prctl(39, 0, 0, 0, 0),
    'writable': [p for p in ('/', '/usr/', '/etc/', '/codeexec/', '/codeexec/bin/', '/codeexec/input/', '/dev/', '/proc/', '/sys/',
                             '/workspace/', '/tmp/') if tried(lambda: write(p + 'probe'))],
    'program': tried(lambda: open('/codeexec/bin/codeexec-runner', 'r+b')),
    'serviceAccount': os.path.exists('/var/run/secrets/kubernetes.io'),
    'services': [v for v in os.environ if 'KUBERNETES' in v or '_SERVICE_HOST' in v or v.endswith('_PORT')],
    'codeexec': [v for v in os.environ if 'CODEEXEC' in v],
    'nameservers': [n for n in nameservers() if n != '192.0.2.1'],
    'resolves': tried(lambda: socket.getaddrinfo('kubernetes.default.svc', 443)),
    'metadata': tried(lambda: connects(('169.254.169.254', 80))),
    'processes': resource.getrlimit(resource.RLIMIT_NPROC)[1],
    'file': resource.getrlimit(resource.RLIMIT_FSIZE)[1],
    'core': resource.getrlimit(resource.RLIMIT_CORE)[1],
    'folder': os.getcwd(),
    'home': os.environ['HOME'],
}))
)"));
  EXPECT_EQ(status["reason"], "Completed") << status.dump(2);
  EXPECT_EQ(status["sandbox"]["verified"], true);
  EXPECT_EQ(printed(status), json({{"ids", {65532, 65532, 65532, 65532}},
                                   {"root", false},
                                   {"capabilities", {"0000000000000000"}},
                                   {"noNewPrivs", 1},
                                   {"writable", {"/workspace/", "/tmp/"}},
                                   {"program", false},
                                   {"serviceAccount", false},
                                   {"services", json::array()},
                                   {"codeexec", json::array()},
                                   {"nameservers", json::array()},
                                   {"resolves", false},
                                   {"metadata", false},
                                   {"processes", 256},
                                   {"file", 1 << 30},
                                   {"core", 0},
                                   {"folder", "/workspace"},
                                   {"home", "/workspace"}}));
}

/// Prints as much of the costliest character as is kept, on both streams.
json noisy(std::string const& padding) {
  auto spec = python(
      "import os\nfor i in range(20):\n    os.write(1, b'\\x01' * 20000)\n    os.write(2, b'<' * 20000)\n#" + padding);
  spec["output"] = {{"maxBytes", 262144}};
  return spec;
}

answer create_with_annotation(workspace const& here, std::string const& name, json spec, std::size_t bytes) {
  json const body = {
      {"apiVersion", "codeexec.dev/v1alpha1"},
      {"kind", "CodeExecution"},
      {"metadata",
       {{"name", name}, {"namespace", here.name()}, {"annotations", {{"example.org/large", std::string(bytes, 'x')}}}}},
      {"spec", std::move(spec)}};
  return cluster::instance().send(kube::make_create(kube::code_executions, here.name(), body.dump(), "codeexec-e2e"));
}

TEST(hostile, the_largest_spec_and_the_largest_output_still_fit_one_status) {
  workspace here;
  auto spec = noisy(std::string(262144 - 200, 'x'));
  spec["files"] = {{{"path", "large.bin"}, {"contentBase64", std::string(1024 * 1024 - 4096, 'A')}}};
  auto const made = create_with_annotation(here, "largest", std::move(spec), 100000);
  ASSERT_TRUE(made) << made.error().describe();
  auto const status = here.wait_final("largest")["status"];
  EXPECT_EQ(status["reason"], "Completed") << status.dump().substr(0, 2000);
  auto const& output = status["output"];
  for (std::string const stream : {"stdout", "stderr"}) {
    EXPECT_EQ(output[stream + "Bytes"], 400000);
    ASSERT_TRUE(output.contains(stream + "Omitted")) << output;
    auto const& omitted = output[stream + "Omitted"];
    auto const kept = status[stream].get<std::string>().size() - omitted["markerLength"].get<std::size_t>();
    EXPECT_EQ(kept + omitted["bytes"].get<std::size_t>(), 400000U) << "one byte a character: the sum is exact";
    EXPECT_GT(kept, 1000U);
  }
}

TEST(hostile, an_object_that_leaves_no_room_for_its_result_runs_nothing) {
  workspace here;
  auto spec = noisy("");
  spec["files"] = {{{"path", "large.bin"}, {"contentBase64", std::string(1396000, 'A')}}};
  auto const made = create_with_annotation(here, "full", std::move(spec), 160000);
  ASSERT_TRUE(made) << made.error().describe();
  auto const status = here.wait_final("full")["status"];
  EXPECT_EQ(status["reason"], "InvalidSpec") << status.dump().substr(0, 2000);
  EXPECT_THAT(status["message"].get<std::string>(), HasSubstr("no room for its result"));
  EXPECT_FALSE(status.contains("jobName"));
  EXPECT_EQ(here.leftovers(), std::vector<std::string>());
}

}  // namespace
}  // namespace codeexec::e2e
