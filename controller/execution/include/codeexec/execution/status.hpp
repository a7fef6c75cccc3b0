// The status of a CodeExecution, built whole: phase, conditions, output. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/execution/decide.hpp"
#include "codeexec/kube_core/stored_size.hpp"

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

/// A final status again, as seen at the object's present generation: the result and its times stay as they are.
api::CodeExecutionStatus make_seen_status(api::CodeExecution const& finished);

/// Of the bytes that an object may take in the store, those kept free for its final status without output: conditions,
/// message, names, times, and what the API server notes of the write. Code is not started where they are not there
/// (`memory::object_bytes`), so that its result can always be written.
inline constexpr std::size_t reserved_for_status = 32 * 1024;
/// Of a message in the status, in JSON: the kubelet and the API server bound theirs less.
inline constexpr std::size_t max_message_json = 4096;
/// `message`, or its beginning where it takes more.
std::string bounded_message(std::string_view message);
/// With more than this in memory::object_bytes nothing is started.
inline constexpr std::size_t max_startable_bytes = kube::max_stored_bytes - reserved_for_status;

/// "SIGSEGV", or "signal 99".
std::string signal_name(int number);

/// A JSON merge patch (RFC 7386) that turns `from` into `to`: what is not in `to` becomes null.
nlohmann::json make_merge_patch(nlohmann::json const& from, nlohmann::json const& to);

}  // namespace codeexec::execution
