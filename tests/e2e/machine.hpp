// A stand-in and operators of a test's own: for tests that kill them.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iostream>
#include <memory>
#include <signal.h>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "cluster.hpp"

namespace codeexec::e2e {

/// The folder of codeexec-local and codeexec-controller: this build's, or what CODEEXEC_PROGRAMS names.
inline std::string program_folder() {
  auto const* const given = std::getenv("CODEEXEC_PROGRAMS");
  return given != nullptr && *given != '\0' ? given : CODEEXEC_BINARY_DIR "/bin";
}

/// A child of ours, its output in a file.
class program {
 public:
  program(std::vector<std::string> const& command, std::filesystem::path const& log) {
    pid_ = ::fork();
    if (pid_ == 0) {
      auto const out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
      auto const in = ::open("/dev/null", O_RDONLY);
      ::dup2(in, 0);
      ::dup2(out, 1);
      ::dup2(out, 2);
      std::vector<char*> argv;
      for (auto const& word : command)
        argv.push_back(const_cast<char*>(word.c_str()));
      argv.push_back(nullptr);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
  }
  program(program const&) = delete;
  program& operator=(program const&) = delete;
  ~program() { end(SIGKILL); }

  pid_t pid() const { return pid_; }
  void signal(int number) const { ::kill(pid_, number); }
  /// Sends the signal and waits; the wait status.
  int end(int with) {
    if (pid_ <= 0) return 0;
    ::kill(pid_, with);
    return wait();
  }
  /// Whether it has ended; without waiting for that.
  bool has_ended() {
    if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
    return pid_ <= 0;
  }
  /// The wait status, once it has ended by itself.
  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
};

/// A stand-in of its own, and a folder for whatever else a test starts; the logs stay where the test fails. The test is
/// the administrator, its operators have the rights of config/rbac.
class machine {
 public:
  /// Without the definition and the operator's rights: for who installs them.
  struct bare {};
  explicit machine(bare) : machine({}, true) {}
  explicit machine(std::vector<std::string> local_flags = {}) : machine(std::move(local_flags), false) {}
  machine(std::vector<std::string> local_flags, bool empty) : local_flags_(std::move(local_flags)), empty_(empty) {
    auto pattern = (std::filesystem::temp_directory_path() / "codeexec-crash-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    start_local();
    cluster_ = std::make_unique<cluster>(kubeconfig().string());
  }
  machine(machine const&) = delete;
  machine& operator=(machine const&) = delete;
  ~machine() {
    cluster_.reset();
    if (local_) local_->end(SIGTERM);
    if (::testing::Test::HasFailure()) {
      show_logs();
    } else {
      std::error_code ignored;
      std::filesystem::remove_all(folder_, ignored);
    }
  }

  cluster& api() { return *cluster_; }
  program& local() { return *local_; }
  std::filesystem::path const& folder() const { return folder_; }
  std::filesystem::path kubeconfig() const { return folder_ / "kubeconfig"; }

  /// An operator whose log and ready file are named after `name`.
  std::unique_ptr<program> start_operator(std::string const& name, std::vector<std::string> const& flags = {}) const {
    std::filesystem::remove(ready_file(name));
    std::vector<std::string> command{program_folder() + "/codeexec-controller", "--kubeconfig",
                                     operator_kubeconfig().string(), "--ready-file", ready_file(name).string()};
    command.insert(command.end(), flags.begin(), flags.end());
    return std::make_unique<program>(command, folder_ / (name + ".log"));
  }
  /// What the operator's ready file says; empty before it is there.
  std::string readiness(std::string const& name) const {
    std::ifstream file(ready_file(name));
    std::string word;
    file >> word;
    return word;
  }

 private:
  std::filesystem::path operator_kubeconfig() const { return folder_ / "operator.kubeconfig"; }
  std::filesystem::path ready_file(std::string const& name) const { return folder_ / (name + ".ready"); }
  /// Their ends: where the test ran elsewhere, nobody comes to the files.
  void show_logs() const {
    constexpr std::size_t shown = 30;
    std::cerr << "logs kept in " << folder_ << "\n";
    std::error_code ignored;
    for (auto const& entry : std::filesystem::directory_iterator(folder_, ignored)) {
      if (entry.path().extension() != ".log") continue;
      std::ifstream in(entry.path());
      std::deque<std::string> lines;
      for (std::string line; std::getline(in, line);) {
        lines.push_back(std::move(line));
        if (lines.size() > shown) lines.pop_front();
      }
      for (auto const& line : lines)
        std::cerr << entry.path().stem().string() << "> " << line << "\n";
    }
  }

  void start_local() {
    std::vector<std::string> command{
        program_folder() + "/codeexec-local", "--listen",         "127.0.0.1:0",         "--state-dir",
        (folder_ / "node").string(),          "--kubeconfig-out", kubeconfig().string(), "--auth"};
    if (!empty_)
      command.insert(command.end(), {"--crds", CODEEXEC_SOURCE_DIR "/crds", "--manifests",
                                     CODEEXEC_SOURCE_DIR "/config/rbac/cluster.yaml", "--account-kubeconfig",
                                     "codeexec-system/codeexec-controller=" + operator_kubeconfig().string()});
    if (std::find(local_flags_.begin(), local_flags_.end(), "--images") == local_flags_.end())
      command.insert(command.end(), {"--images", CODEEXEC_SOURCE_DIR "/config/local/images.yaml"});
    // What was asked for is judged at the end (tests/install/rights_used.py); a release may not know the flag.
    std::filesystem::path const calls = CODEEXEC_BINARY_DIR "/operator-calls";
    if (std::getenv("CODEEXEC_PROGRAMS") == nullptr && std::filesystem::is_directory(calls))
      command.insert(command.end(), {"--audit-log-path", (calls / (folder_.filename().string() + ".jsonl")).string()});
    command.insert(command.end(), local_flags_.begin(), local_flags_.end());
    local_ = std::make_unique<program>(command, folder_ / "local.log");
    auto const until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!std::filesystem::exists(kubeconfig()) && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }

  std::vector<std::string> local_flags_;
  bool empty_ = false;
  std::filesystem::path folder_;
  std::unique_ptr<program> local_;
  std::unique_ptr<cluster> cluster_;
};

}  // namespace codeexec::e2e
