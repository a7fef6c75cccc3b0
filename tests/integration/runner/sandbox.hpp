// Runs the real codeexec-runner: as a plain process, as PID 1 of a PID namespace, or in gVisor.
#pragma once

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "../../unit/runner/frame_reader.hpp"

namespace codeexec::runner::testing {

enum class placement { process, init, gvisor };

char const* name_of(placement where);

enum class log_reader {
  reads,
  reads_slowly,  ///< a little at a time, with pauses
  is_gone,       ///< closed its end before the code writes
  stalls,        ///< holds its end open and takes nothing
};

struct outcome {
  int exit_code = -1;
  std::string raw_log;
  std::string complaints;  ///< the runner's stderr
  log_content log;
  nlohmann::json message;  ///< the termination message; discarded where it is no JSON
  std::string raw_message;
  std::chrono::milliseconds took{};
  bool stdout_left_blocking = true;
};

/// One run, with folders of its own that go with it.
class sandbox {
 public:
  explicit sandbox(placement where);
  ~sandbox();
  sandbox(sandbox const&) = delete;
  sandbox& operator=(sandbox const&) = delete;

  /// A file of the input folder, which the runner copies (flag --input) where any was added.
  void add_input(std::string const& path, std::string const& content, bool executable = false);
  /// Where the test sees the input; for links.
  [[nodiscard]] std::filesystem::path input_folder() const { return base_ / "input"; }
  /// As the code sees them.
  [[nodiscard]] std::string input_path() const;
  [[nodiscard]] std::string workspace_path() const;
  [[nodiscard]] std::string termination_log_path() const;

  std::vector<std::string> flags;
  log_reader reader = log_reader::reads;
  bool use_input = false;

  /// The whole run. Fails the test where it takes more than 30 s.
  outcome run(std::vector<std::string> const& command);
  outcome python(std::string const& code) { return run({"python3", "-c", code}); }

  /// The same in two steps, for what happens meanwhile.
  void start(std::vector<std::string> const& command);
  /// What has been written to the log so far, once `text` is part of it.
  void wait_for_log(std::string const& text);
  /// SIGTERM from where the kubelet's comes: outside the runner's PID namespace.
  void terminate();
  outcome finish();

 private:
  std::vector<std::string> command_line(std::vector<std::string> const& command) const;
  void write_bundle(std::vector<std::string> const& command) const;
  std::vector<std::string> runner_arguments(std::vector<std::string> const& command) const;
  bool read_more(int timeout_ms);
  void kill_started();

  placement where_;
  std::filesystem::path base_;
  std::string id_;
  int pid_ = -1;
  int log_fd_ = -1;
  int log_write_fd_ = -1;
  int complaints_fd_ = -1;
  std::chrono::steady_clock::time_point started_;
  outcome outcome_;
};

}  // namespace codeexec::runner::testing
