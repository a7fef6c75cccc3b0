// A program that is run for what it prints, beside the loop.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace codeexec::kube {

struct program {
  std::string command;  ///< without a slash it is looked for in PATH
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;  ///< wins over our own environment, which it gets otherwise
  /// Either puts it into our process group, so that a terminal serves both of us and a Ctrl-C ends both. Else it has
  /// one of its own, which is ended with it where it is ended.
  bool stdin_is_ours = false;  ///< else it reads nothing
  bool stderr_is_ours = false;
  std::chrono::milliseconds limit{60'000};
};

struct program_end {
  enum class how {
    exited,         ///< by itself, with `code`
    signaled,       ///< by signal `code`, which was not ours
    not_found,      ///< there is no such command
    not_started,    ///< errno in `code`
    timed_out,      ///< it was still running at its limit, and was ended
    wrote_too_much  ///< more than 1 MiB, and was ended
  };
  how what = how::exited;
  int code = 0;
  std::string output;      ///< standard output
  std::string last_words;  ///< the last line of standard error that says something; empty where it went to ours
};

/// Destroying it ends the program (SIGKILL, its process group where it has its own) and waits for that.
class running_program {
 public:
  running_program() = default;
  running_program(running_program const&) = delete;
  running_program& operator=(running_program const&) = delete;
  virtual ~running_program() = default;
};

using program_handler = std::function<void(program_end end)>;
/// Starts it and returns at once. `done` is called once, from the executor's loop and never from within this call;
/// never at all where the returned object is destroyed before.
using program_runner = std::function<std::unique_ptr<running_program>(boost::asio::any_io_executor executor,
                                                                      program what, program_handler done)>;

/// The real one. What the program writes to standard error is logged line by line, unless that is ours.
/// Thread: the executor's.
program_runner system_programs();

}  // namespace codeexec::kube
