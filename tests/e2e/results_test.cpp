// What the code does is what the status says: output to the byte, exit codes, signals, time.
#include <gtest/gtest.h>
#include <string>

#include "cluster.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;

TEST(results, hello_stands_in_the_status_with_everything_a_reader_wants) {
  workspace here;
  auto const created = here.create("hello", python("print('hi')"));
  ASSERT_TRUE(created) << created.error().describe();
  auto const execution = here.wait_final("hello");
  auto const& status = execution["status"];

  EXPECT_EQ(status["phase"], "Succeeded") << status.dump(2);
  EXPECT_EQ(status["reason"], "Completed");
  EXPECT_EQ(status["exitCode"], 0);
  EXPECT_EQ(status["stdout"], "hi\n");
  EXPECT_EQ(status.value("stderr", ""), "");
  EXPECT_EQ(status["output"]["stdoutBytes"], 3);
  EXPECT_EQ(status["output"]["stderrBytes"], 0);
  EXPECT_EQ(status["output"]["stdoutTruncated"], false);
  EXPECT_EQ(status["observedGeneration"], execution["metadata"]["generation"]);
  EXPECT_EQ(status["sandbox"]["verified"], true);
  EXPECT_EQ(status["sandbox"]["runtimeClassName"], "gvisor");
  EXPECT_GT(status["usage"]["wallMillis"].get<int>(), 0);
  EXPECT_GT(status["usage"]["maxRSSBytes"].get<int>(), 1 << 20);
  for (auto const* const step : {"accepted", "jobCreated", "podScheduled", "codeStarted", "codeFinished", "captured"}) {
    EXPECT_NE(status["timeline"].value(step, ""), "") << step;
  }
  for (auto const* const field :
       {"startTime", "completionTime", "jobName", "podName", "nodeName", "image", "codeSHA256"}) {
    EXPECT_NE(status.value(field, ""), "") << field;
  }
  EXPECT_EQ(condition(status, "Ready")["status"], "True");
  EXPECT_EQ(condition(status, "Complete")["status"], "True");
  EXPECT_EQ(condition(status, "Reconciling"), nullptr);
  EXPECT_EQ(condition(status, "Stalled"), nullptr);
  EXPECT_EQ(condition(status, "Failed"), nullptr);
}

TEST(results, the_two_streams_are_kept_apart) {
  workspace here;
  auto const status = here.run("streams", python("import sys\n"
                                                 "for i in range(200):\n"
                                                 "    print('out', i); print('err', i, file=sys.stderr)\n"));
  std::string out, err;
  for (int i = 0; i < 200; ++i) {
    out += "out " + std::to_string(i) + "\n";
    err += "err " + std::to_string(i) + "\n";
  }
  EXPECT_EQ(status["stdout"], out);
  EXPECT_EQ(status["stderr"], err);
}

TEST(results, an_exit_code_is_the_codes_own) {
  workspace here;
  auto const status = here.run("three", python("import sys; print('bye'); sys.exit(3)"));
  EXPECT_EQ(status["phase"], "Failed");
  EXPECT_EQ(status["reason"], "NonZeroExit");
  EXPECT_EQ(status["exitCode"], 3);
  EXPECT_EQ(status["stdout"], "bye\n");
  EXPECT_EQ(condition(status, "Ready")["status"], "False");
  EXPECT_EQ(condition(status, "Ready")["reason"], "NonZeroExit");
  EXPECT_EQ(condition(status, "Failed")["status"], "True");
  EXPECT_EQ(condition(status, "Stalled")["status"], "True");
}

TEST(results, exit_codes_that_look_like_a_timeout_or_a_kill_are_only_exit_codes) {
  workspace here;
  for (int const code : {124, 137, 143}) {
    auto const status = here.run("exit-" + std::to_string(code), bash("exit " + std::to_string(code)));
    EXPECT_EQ(status["reason"], "NonZeroExit") << code;
    EXPECT_EQ(status["exitCode"], code);
  }
}

TEST(results, a_signal_is_named_and_there_is_no_exit_code) {
  workspace here;
  auto const status = here.run("segv", python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"));
  EXPECT_EQ(status["phase"], "Failed");
  EXPECT_EQ(status["reason"], "Signaled");
  EXPECT_EQ(status["signal"], 11);
  EXPECT_FALSE(status.contains("exitCode")) << status.dump(2);
}

TEST(results, the_clock_stops_the_code_and_what_it_printed_is_kept) {
  workspace here;
  auto spec = python("import time\nprint('before', flush=True)\nwhile True: time.sleep(1)\n");
  spec["timeoutSeconds"] = 2;
  auto const status = here.run("clock", spec);
  EXPECT_EQ(status["phase"], "Failed");
  EXPECT_EQ(status["reason"], "TimedOut");
  EXPECT_EQ(status["stdout"], "before\n");
  EXPECT_GE(status["usage"]["wallMillis"].get<int>(), 2000);
  EXPECT_LT(status["usage"]["wallMillis"].get<int>(), 20000);
}

TEST(results, code_that_ignores_sigterm_is_stopped_all_the_same) {
  workspace here;
  auto spec = bash("trap '' TERM; echo deaf; while :; do sleep 1; done");
  spec["timeoutSeconds"] = 1;
  auto const status = here.run("deaf", spec);
  EXPECT_EQ(status["reason"], "TimedOut");
  EXPECT_EQ(status["stdout"], "deaf\n");
}

TEST(results, arguments_environment_and_stdin_arrive) {
  workspace here;
  auto spec = python(
      "import os, sys\n"
      "print(sys.argv[1:], os.environ['MODE'], os.environ['EMPTY'] == '', sys.stdin.read())\n");
  spec["args"] = {"--n", "3", "two words", "", "$(MODE)", "quote'\""};
  spec["env"] = {{{"name", "MODE"}, {"value", "fast"}}, {{"name", "EMPTY"}, {"value", ""}}};
  spec["stdin"] = "line 1\nline 2";
  auto const status = here.run("inputs", spec);
  EXPECT_EQ(status["stdout"], "['--n', '3', 'two words', '', '$(MODE)', 'quote\\'\"'] fast True line 1\nline 2\n")
      << status.dump(2);
}

TEST(results, files_stand_beside_the_code_and_can_be_changed) {
  workspace here;
  auto spec = python(
      "import os, lib\n"
      "print(lib.answer, open('data/in.csv').read(), open('blob.bin','rb').read())\n"
      "open('data/in.csv','a').write('more'); open('new.txt','w').write('x')\n"
      "print(sorted(os.listdir('.')), os.getcwd())\n");
  spec["files"] = {{{"path", "lib.py"}, {"content", "answer = 42\n"}},
                   {{"path", "data/in.csv"}, {"content", "a,b"}},
                   {{"path", "blob.bin"}, {"contentBase64", "AP8KDQ=="}}};
  auto const status = here.run("files", spec);
  EXPECT_EQ(status["reason"], "Completed") << status.dump(2);
  EXPECT_EQ(status["stdout"],
            "42 a,b b'\\x00\\xff\\n\\r'\n['blob.bin', 'data', 'lib.py', 'main.py', 'new.txt'] /workspace\n");
}

TEST(results, bytes_that_are_not_text_are_repaired_and_counted_as_written) {
  workspace here;
  auto const status = here.run("bytes", python("import sys; sys.stdout.buffer.write(b'a\\x00b\\xff\\xfec\\xe2\\x82')"));
  EXPECT_EQ(status["stdout"], std::string("a\0b\xEF\xBF\xBD\xEF\xBF\xBD"
                                          "c\xEF\xBF\xBD",
                                          13))
      << status.dump();
  EXPECT_EQ(status["output"]["stdoutBytes"], 8);
  EXPECT_EQ(status["output"]["stdoutTruncated"], false);
}

TEST(results, no_output_is_empty_output) {
  workspace here;
  auto const status = here.run("silent", python("pass"));
  EXPECT_EQ(status["reason"], "Completed");
  EXPECT_EQ(status["stdout"], "");
  EXPECT_EQ(status["stderr"], "");
}

TEST(results, output_below_the_cap_is_whole_whatever_its_size) {
  workspace here;
  for (int const size : {3000, 5000, 65536}) {
    auto spec =
        python("import sys\nfor i in range(" + std::to_string(size / 8) + "): sys.stdout.write('%07d\\n' % i)\n");
    auto const status = here.run("size-" + std::to_string(size), spec);
    auto const text = status["stdout"].get<std::string>();
    ASSERT_EQ(text.size(), static_cast<std::size_t>(size));
    for (int i = 0; i < size / 8; ++i) {
      ASSERT_EQ(std::stoi(text.substr(static_cast<std::size_t>(i) * 8, 7)), i);
    }
    EXPECT_EQ(status["output"]["stdoutTruncated"], false);
  }
}

TEST(results, long_output_keeps_its_first_and_last_half_and_its_true_size) {
  workspace here;
  auto spec = python(
      "import sys\nsys.stdout.write(''.join('%07d\\n' % i for i in range(1000000)))\nprint('tail', file=sys.stderr)\n");
  spec["output"] = {{"maxBytes", 4096}};
  auto const status = here.run("long", spec);
  auto const text = status["stdout"].get<std::string>();
  EXPECT_EQ(status["output"]["stdoutBytes"], 8000000);
  EXPECT_EQ(status["output"]["stdoutTruncated"], true);
  EXPECT_EQ(status["output"]["stderrTruncated"], false);
  EXPECT_EQ(status["stderr"], "tail\n");
  EXPECT_EQ(text.substr(0, 2048).substr(0, 16), "0000000\n0000001\n");
  EXPECT_EQ(text.substr(text.size() - 16), "0999998\n0999999\n");
  EXPECT_LT(text.size(), 4096u + 200u);
  EXPECT_NE(text.find("7995904"), std::string::npos) << "the marker says how many bytes are missing";
}

TEST(results, a_process_that_outlives_the_code_does_not_hold_the_result) {
  workspace here;
  auto const status = here.run("daemon", bash("(setsid sleep 600 &) ; echo done"));
  EXPECT_EQ(status["reason"], "Completed") << status.dump(2);
  EXPECT_EQ(status["stdout"], "done\n");
  EXPECT_LT(status["usage"]["wallMillis"].get<int>(), 30000);
}

TEST(results, another_language_image_and_command_can_be_named) {
  workspace here;
  EXPECT_EQ(here.run("bash", bash("echo $((6 * 7)) $BASH_VERSION | cut -c1-2"))["stdout"], "42\n");
  auto spec = python("print('x')");
  spec["image"] = "python:3.11-slim";
  spec["command"] = {"python3", "-c", "import sys; print(sys.argv[1:])"};
  spec["args"] = {"a"};
  EXPECT_EQ(here.run("command", spec)["stdout"], "['/workspace/main.py', 'a']\n");
}

}  // namespace
}  // namespace codeexec::e2e
