// What `run` says on stderr while nothing else is to be seen. Pure: terminal.hpp draws it.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "codeexec/api/code_execution.hpp"

namespace codeexec::cli {

/// How the execution stands, in a few words: "waiting for a place in the queue", "pulling the image". Of the metadata
/// it looks at the finalizer: the operator adds it when it accepts, often long before there is a status.
std::string describe_progress(api::CodeExecution const& object);

/// Decides which lines and which spinner frames are shown.
class progress {
 public:
  struct style {
    bool quiet = false;
    bool animated = false;  ///< stderr is a terminal that understands escape sequences
    bool colour = false;
  };
  progress(style how, std::string name) : how_(how), name_(std::move(name)) {}

  /// A line to print for good (with its newline) because the execution has moved on; empty where there is nothing new
  /// to say, or where the spinner says it. Of one reason it prints one line, or two where the first had no message:
  /// messages that take turns (a pull, the wait for the next) say nothing new.
  std::string update(api::CodeExecution const& object);

  /// One frame of the spinner for a terminal of so many columns, without a newline, to be drawn over the previous one.
  /// Empty where none is shown: after output has begun the code speaks.
  std::string frame(std::chrono::milliseconds elapsed, std::size_t columns) const;

  /// What to ask the user once nobody has accepted it for a while: no operator may be there at all. Empty where it
  /// is not the time, or was said already.
  std::string doubt(api::CodeExecution const& object, std::chrono::milliseconds elapsed);
  static constexpr std::chrono::seconds doubt_after{10};

  /// The code has written something.
  void output_began() { output_began_ = true; }

 private:
  style how_;
  std::string name_;
  std::string shown_;                ///< by the spinner
  std::optional<std::string> told_;  ///< the phase and reason of the last line
  bool told_why_ = false;            ///< that line had a message
  bool output_began_ = false;
  bool doubted_ = false;
};

}  // namespace codeexec::cli
