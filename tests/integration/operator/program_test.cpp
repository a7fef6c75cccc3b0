// codeexec-controller as people start it: arguments, environment, configuration files, signals. No API server: the one
// it is pointed at refuses every connection.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <signal.h>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace codeexec {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

std::string read_file(fs::path const& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class folder {
 public:
  folder() {
    std::string name = (fs::temp_directory_path() / "codeexec-operator-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path = name;
  }
  ~folder() { fs::remove_all(path); }
  folder(folder const&) = delete;
  folder& operator=(folder const&) = delete;

  fs::path write(std::string const& name, std::string const& text) const {
    std::ofstream(path / name) << text;
    return path / name;
  }
  fs::path path;
};

/// One run of the program, with an environment of its own.
class controller_program {
 public:
  explicit controller_program(std::vector<std::string> arguments, std::vector<std::string> environment = {}) {
    arguments.insert(arguments.begin(), CODEEXEC_BINARY_DIR "/bin/codeexec-controller");
    environment.push_back("HOME=" + here_.path.string());
    auto const pointers = [](std::vector<std::string>& of) {
      std::vector<char*> out;
      for (auto& one : of)
        out.push_back(one.data());
      out.push_back(nullptr);
      return out;
    };
    auto const argv = pointers(arguments);
    auto const envp = pointers(environment);
    std::string const output = (here_.path / "output").string();
    pid_ = fork();
    if (pid_ == 0) {
      int const file = open(output.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
      dup2(file, 1);
      dup2(file, 2);
      execve(argv[0], argv.data(), envp.data());
      _exit(111);
    }
  }
  ~controller_program() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  controller_program(controller_program const&) = delete;
  controller_program& operator=(controller_program const&) = delete;

  std::string output() const { return read_file(here_.path / "output"); }
  void signal(int number) const { kill(pid_, number); }

  bool says(std::string const& text) const {
    for (auto const end = std::chrono::steady_clock::now() + 10s; std::chrono::steady_clock::now() < end;) {
      if (output().find(text) != std::string::npos) return true;
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }
  /// The exit code, 1000 + the signal that ended it, or -1 where it goes on running.
  int wait() {
    for (auto const end = std::chrono::steady_clock::now() + 10s; std::chrono::steady_clock::now() < end;) {
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
      }
      std::this_thread::sleep_for(5ms);
    }
    return -1;
  }

 private:
  folder here_;
  pid_t pid_ = -1;
};

constexpr char const* nobody = "http://127.0.0.1:1";

TEST(Program, SaysItsVersion) {
  controller_program p({"--version"});
  EXPECT_EQ(p.wait(), 0);
  EXPECT_EQ(p.output().rfind("codeexec-controller ", 0), 0U) << p.output();
}

TEST(Program, HelpNamesEveryFlagWithItsVariable) {
  controller_program p({"--help"});
  EXPECT_EQ(p.wait(), 0);
  auto const help = p.output();
  for (std::string flag :
       {"kubeconfig", "context", "server", "namespace", "config", "workers", "log-level", "log-format", "ready-file"}) {
    EXPECT_NE(help.find("--" + flag), std::string::npos) << flag;
    std::string variable = "CODEEXEC_";
    for (char const c : flag)
      variable += c == '-' ? '_' : static_cast<char>(std::toupper(c));
    EXPECT_NE(help.find(variable), std::string::npos) << variable;
  }
}

struct mistake {
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::string says;
};

TEST(Program, WrongArgumentsAreOneSentenceAndCode2) {
  folder here;
  auto const bad = here.write("bad.yaml", "defaults:\n  timeoutSecs: 3\n").string();
  std::vector<mistake> const mistakes{
      {{"--bogus"}, {}, "--bogus"},
      {{"--log-level", "loud"}, {}, "loud"},
      {{"--workers", "0"}, {}, "--workers"},
      {{}, {"CODEEXEC_LOG_FORMAT=xml"}, "xml"},
      {{"--server", nobody, "--config", bad}, {}, bad + ": line 2, column 3: defaults.timeoutSecs: unknown key"},
      {{"--server", nobody, "--config", "/no/such/file"}, {}, "/no/such/file: cannot be read"},
      {{"--kubeconfig", "/no/such/kubeconfig"}, {}, "/no/such/kubeconfig"},
      {{"--server", "ftp://x"}, {}, "--server"},
      {{}, {}, "kubeconfig"},
  };
  for (auto const& one : mistakes) {
    controller_program p(one.arguments, one.environment);
    EXPECT_EQ(p.wait(), 2) << one.says << "\n" << p.output();
    auto const output = p.output();
    EXPECT_NE(output.find(one.says), std::string::npos) << output;
    EXPECT_LE(std::count(output.begin(), output.end(), '\n'), 2) << output;
  }
}

TEST(Program, WithoutAnApiServerItTriesOnAndStopsInOrder) {
  folder here;
  auto const ready = here.path / "ready";
  controller_program p({"--server", nobody, "--ready-file", ready.string()});
  EXPECT_TRUE(p.says("will try again")) << p.output();
  EXPECT_FALSE(fs::exists(ready)) << "it is not ready before it has read everything";
  p.signal(SIGTERM);
  EXPECT_EQ(p.wait(), 0) << p.output();
  EXPECT_NE(p.output().find("stopped"), std::string::npos);
}

TEST(Program, AnInterruptStopsItToo) {
  controller_program p({"--server", nobody});
  EXPECT_TRUE(p.says("will try again"));
  p.signal(SIGINT);
  EXPECT_EQ(p.wait(), 0);
}

TEST(Program, TheEnvironmentCountsAndAFlagWinsOverIt) {
  controller_program p({"--log-format", "json"}, {std::string("CODEEXEC_SERVER=") + nobody, "CODEEXEC_NAMESPACE=a,b",
                                                  "CODEEXEC_LOG_FORMAT=text"});
  EXPECT_TRUE(p.says("will try again"));
  auto const log = p.output();
  EXPECT_EQ(log.front(), '{') << log;
  EXPECT_NE(log.find("\"namespaces\":\"a,b\""), std::string::npos) << log;
  p.signal(SIGTERM);
  EXPECT_EQ(p.wait(), 0);
}

TEST(Program, TheSampleConfigurationIsAccepted) {
  controller_program p({"--server", nobody, "--config", CODEEXEC_SOURCE_DIR "/config/operator.yaml"});
  EXPECT_TRUE(p.says("runtimes=5")) << p.output();
  p.signal(SIGTERM);
  EXPECT_EQ(p.wait(), 0);
}

}  // namespace
}  // namespace codeexec
