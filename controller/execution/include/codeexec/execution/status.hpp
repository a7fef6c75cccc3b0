// The status of a CodeExecution, built whole: phase, conditions, output. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/execution/decide.hpp"

namespace codeexec::execution {

/// How an execution ended. `reason` Completed alone is a success.
struct conclusion {
  std::string_view reason;
  std::string message;
  std::optional<run_result> result;  ///< absent where the runner could not report
  /// Show what was read of the output, though the runner's totals are missing.
  bool output_known = false;
};

/// The current status with phase, reason and message replaced, and what else is known by now filled in.
api::CodeExecutionStatus make_progress_status(observed const& seen, std::string_view phase, std::string_view reason,
                                              std::string_view message, base::wall_time now);

/// The final status: output, reason and conditions together.
api::CodeExecutionStatus make_final_status(observed const& seen, conclusion const& end, base::wall_time now);

/// "SIGSEGV", or "signal 99".
std::string signal_name(int number);

/// A JSON merge patch (RFC 7386) that turns `from` into `to`: what is not in `to` becomes null.
nlohmann::json make_merge_patch(nlohmann::json const& from, nlohmann::json const& to);

}  // namespace codeexec::execution
