// kubectl-codeexec as a person uses it: it feels like running the script here.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>

#include "cluster.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;

/// A script in a folder of its own.
class script {
 public:
  script(std::string const& name, std::string const& text) {
    auto pattern = (std::filesystem::temp_directory_path() / "codeexec-e2e-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ / name;
    std::ofstream(path_) << text;
  }
  script(script const&) = delete;
  script& operator=(script const&) = delete;
  ~script() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path folder_;
  std::filesystem::path path_;
};

TEST(command_line, running_a_script_gives_its_output_and_exit_code) {
  workspace here;
  script const file("hello.py",
                    "import sys\nprint('hello', sys.argv[1:])\nprint('oops', file=sys.stderr)\nsys.exit(7)\n");
  auto const got = codeexec_cli({"run", "-n", here.name(), file.path(), "--", "-x", "a b"});
  EXPECT_EQ(got.exit_code, 7) << got.err;
  EXPECT_EQ(got.out, "hello ['-x', 'a b']\n");
  EXPECT_NE(got.err.find("oops\n"), std::string::npos);
  EXPECT_TRUE(here.wait_gone(kube::code_executions, "", 20s)) << "it cleans up after itself";
}

TEST(command_line, a_program_from_standard_input) {
  workspace here;
  program_options options;
  options.input = "print(6 * 7)\n";
  auto const got = codeexec_cli({"run", "-n", here.name(), "-l", "python", "-"}, options);
  EXPECT_EQ(got.exit_code, 0) << got.err;
  EXPECT_EQ(got.out, "42\n");
}

TEST(command_line, output_comes_while_the_code_runs_and_interrupting_cleans_up) {
  workspace here;
  script const file("slow.py", "import time\nprint('first', flush=True)\ntime.sleep(60)\n");
  program_options options;
  options.interrupt_with = SIGINT;
  options.interrupt_after = "first\n";
  options.limit = 40s;
  auto const got = codeexec_cli({"run", "-n", here.name(), file.path()}, options);
  EXPECT_EQ(got.out, "first\n");
  EXPECT_EQ(got.exit_code, 130) << got.err;
  EXPECT_LT(got.took, 35s);
  EXPECT_TRUE(here.wait_gone(kube::code_executions, "", 40s));
  EXPECT_EQ(here.wait_no_leftovers(), std::vector<std::string>());
}

TEST(command_line, a_timeout_has_an_exit_code_of_its_own) {
  workspace here;
  script const file("forever.sh", "echo started\nsleep 100\n");
  auto const got = codeexec_cli({"run", "-n", here.name(), "--timeout", "1s", file.path()});
  EXPECT_EQ(got.exit_code, 124) << got.err;
  EXPECT_EQ(got.out, "started\n");
}

TEST(command_line, long_output_arrives_whole_up_to_the_cap_without_doubles) {
  workspace here;
  script const file("lines.py", "for i in range(6000): print('%08d' % i)\n");
  auto const got = codeexec_cli({"run", "-n", here.name(), file.path()});
  std::string wanted;
  for (int i = 0; i < 6000; ++i) {
    auto const digits = std::to_string(i);
    wanted += std::string(8 - digits.size(), '0') + digits + "\n";
  }
  EXPECT_EQ(got.exit_code, 0) << got.err;
  EXPECT_TRUE(got.out == wanted) << got.out.size() << " bytes where " << wanted.size() << " were written";
}

TEST(command_line, a_refusal_is_a_sentence_with_the_field) {
  workspace here;
  auto const got = codeexec_cli({"run", "-n", here.name(), "-l", "cobol", "-"}, [] {
    program_options options;
    options.input = "x";
    return options;
  }());
  EXPECT_EQ(got.exit_code, 125) << got.err;
  EXPECT_NE(got.err.find("spec.language"), std::string::npos) << got.err;
  EXPECT_EQ(got.out, "");
}

TEST(command_line, wrong_usage_exits_with_2) {
  EXPECT_EQ(codeexec_cli({"run", "--no-such-flag", "x.py"}).exit_code, 2);
  EXPECT_EQ(codeexec_cli({"run", "/no/such/file.py"}).exit_code, 2);
  EXPECT_EQ(codeexec_cli({"frobnicate"}).exit_code, 2);
}

TEST(command_line, keep_then_get_logs_and_delete) {
  workspace here;
  script const file("keep.py", "import sys; print('kept'); print('e', file=sys.stderr)\n");
  auto const ran = codeexec_cli({"run", "-n", here.name(), "--keep", "--name", "kept", file.path()});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  auto const got = codeexec_cli({"get", "-n", here.name()});
  EXPECT_NE(got.out.find("kept"), std::string::npos) << got.out;
  EXPECT_NE(got.out.find("Succeeded"), std::string::npos);
  auto const logs = codeexec_cli({"logs", "-n", here.name(), "kept"});
  EXPECT_EQ(logs.out, "kept\n");
  EXPECT_EQ(logs.err, "e\n");
  auto const as_json = codeexec_cli({"get", "-n", here.name(), "kept", "-o", "json"});
  EXPECT_EQ(json::parse(as_json.out)["status"]["stdout"], "kept\n");
  EXPECT_EQ(codeexec_cli({"delete", "-n", here.name(), "kept"}).exit_code, 0);
  EXPECT_TRUE(here.wait_gone(kube::code_executions, "", 20s));
}

TEST(command_line, cancel_says_what_was_kept_and_describe_tells_the_story) {
  workspace here;
  script const file("slow.py", "import time\nprint('first', flush=True)\ntime.sleep(120)\n");
  ASSERT_EQ(codeexec_cli({"run", "-n", here.name(), "--detach", "--name", "slow", file.path()}).exit_code, 0);
  program_options until_first;
  until_first.interrupt_with = SIGINT;
  until_first.interrupt_after = "first\n";
  auto const followed = codeexec_cli({"logs", "-f", "-n", here.name(), "slow"}, until_first);
  EXPECT_EQ(followed.out, "first\n");
  EXPECT_EQ(followed.exit_code, 130);
  // Output may be there before the status says that it runs.
  auto top = codeexec_cli({"top", "-n", here.name()});
  auto const until = std::chrono::steady_clock::now() + 30s;
  while (top.out.find("Running 1 ") == std::string::npos && std::chrono::steady_clock::now() < until)
    top = codeexec_cli({"top", "-n", here.name()});
  EXPECT_NE(top.out.find("Running 1 "), std::string::npos) << top.out;
  auto const cancelled = codeexec_cli({"cancel", "-n", here.name(), "--all"});
  EXPECT_EQ(cancelled.exit_code, 0) << cancelled.err;
  EXPECT_NE(cancelled.out.find("\"slow\" cancelled; kept: 6 bytes of stdout, 0 bytes of stderr\n"), std::string::npos)
      << cancelled.out;
  auto const told = codeexec_cli({"describe", "-n", here.name(), "slow"});
  EXPECT_EQ(told.exit_code, 0) << told.err;
  for (auto const* part : {"Failed, Cancelled", "code started", "first", "Usage:", "Sandbox:", "Conditions:"})
    EXPECT_NE(told.out.find(part), std::string::npos) << part << "\n" << told.out;
}

TEST(command_line, a_suspended_one_waits_for_resume_and_completion_knows_it) {
  workspace here;
  script const file("held.yaml",
                    "apiVersion: codeexec.dev/v1alpha1\nkind: CodeExecution\nmetadata: {name: held}\n"
                    "spec: {code: \"print(42)\", suspend: true}\n");
  ASSERT_EQ(codeexec_cli({"run", "-n", here.name(), "--detach", file.path()}).exit_code, 0);
  auto const waits = [&] {
    return codeexec_cli({"__complete", "-n", here.name(), "resume", ""}).out.find("held\t") != std::string::npos;
  };
  auto const until = std::chrono::steady_clock::now() + 30s;
  while (!waits() && std::chrono::steady_clock::now() < until) {
  }
  EXPECT_TRUE(waits());
  EXPECT_EQ(codeexec_cli({"resume", "-n", here.name(), "held"}).exit_code, 0);
  auto const logs = codeexec_cli({"logs", "-f", "-n", here.name(), "held"});
  EXPECT_EQ(logs.out, "42\n") << logs.err;
  auto const path = codeexec_cli({"get", "-n", here.name(), "held", "-o", "jsonpath={.status.exitCode}"});
  EXPECT_EQ(path.out, "0");
}

TEST(command_line, every_sample_ends_as_its_comment_says) {
  workspace here;
  struct wanted {
    char const* name;
    int exit_code;
    char const* on_stdout;
    char const* on_stderr;
  };
  for (auto const& sample :
       {wanted{"csv-table", 0, "", ""}, wanted{"bash-pipeline", 0, "", ""},
        wanted{"traceback", 1, "", "Traceback (most recent call last)"}, wanted{"too-much-output", 0, "", ""},
        wanted{"never-ends", 124, "", ""}, wanted{"try-to-escape", 0, "", ""}}) {
    auto const file = std::string(CODEEXEC_SOURCE_DIR "/config/samples/") + sample.name + ".yaml";
    auto const got = codeexec_cli({"run", "-n", here.name(), file});
    EXPECT_EQ(got.exit_code, sample.exit_code) << sample.name << ": " << got.err;
    EXPECT_NE(got.out.find(sample.on_stdout), std::string::npos) << sample.name << ": " << got.out;
    EXPECT_NE(got.err.find(sample.on_stderr), std::string::npos) << sample.name << ": " << got.err;
    EXPECT_NE(got.out, "") << sample.name;
  }
}

}  // namespace
}  // namespace codeexec::e2e
