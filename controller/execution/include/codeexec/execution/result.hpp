// The result object: what the runner says about the code it ran (controller/wire/README.md), read from the termination
// message or from the log's last frame.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "codeexec/base/result.hpp"
#include "codeexec/base/time.hpp"

namespace codeexec::execution {

struct run_result {
  enum class ending {
    exited,       ///< by itself: exit_code
    signaled,     ///< by a signal: signal
    timed_out,    ///< the runner's clock ended it
    terminated,   ///< the runner was told to stop: the pod was deleted, or a deadline passed
    not_started,  ///< the code never ran: why, message
  };
  enum class refusal { none, sandbox_unverified, command_not_found, command_not_executable, setup_failed };

  ending end = ending::exited;
  std::optional<int> exit_code;
  std::optional<int> signal;
  refusal why = refusal::none;
  std::string message;  ///< the runner's sentence, with not_started

  std::optional<base::wall_time> started_at;
  std::optional<base::wall_time> finished_at;
  std::int64_t wall_millis = 0;
  std::int64_t cpu_millis = 0;
  std::int64_t max_rss_bytes = 0;
  bool gvisor = false;  ///< the runner saw gVisor's kernel from inside

  std::uint64_t stdout_bytes = 0;  ///< what the code wrote, kept or not
  std::uint64_t stderr_bytes = 0;
  /// Both streams whole, as valid UTF-8, where they were small enough; otherwise neither.
  std::optional<std::string> stdout_text;
  std::optional<std::string> stderr_text;
  bool still_open = false;  ///< a process that outlived the command held a pipe when the runner stopped waiting

  bool has_output() const { return stdout_text.has_value() && stderr_text.has_value(); }
};

/// Strict about what is decided by it (version, token, end, codes, sizes), indifferent to fields it does not know. The
/// text comes from inside the sandbox: anything may stand there, and only one with the `token` that the runner was
/// given is the runner's own. Never throws; the error says what is wrong with it, without quoting it.
base::result<run_result> parse_result(std::string_view text, std::string_view token);

}  // namespace codeexec::execution
