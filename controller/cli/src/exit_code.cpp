#include "codeexec/cli/exit_code.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "codeexec/api/names.hpp"

namespace codeexec::cli::exit_codes {

namespace {

using namespace std::string_view_literals;

/// The spec or a policy is in the way: running it again changes nothing.
constexpr std::array refusals{api::reasons::invalid_spec, api::reasons::policy_violation, api::reasons::source_missing};

}  // namespace

int of(api::CodeExecutionStatus const& status) {
  auto const& reason = status.reason;
  if (reason == api::reasons::timed_out) return timed_out;
  if (reason == api::reasons::cancelled) return interrupted;
  if (reason == api::reasons::oom_killed) return signal_base + 9;
  if (std::find(refusals.begin(), refusals.end(), reason) != refusals.end()) return refused;
  if (reason == api::reasons::signaled && status.signal && *status.signal > 0 && *status.signal < 127) {
    return signal_base + static_cast<int>(*status.signal);
  }
  if ((reason == api::reasons::completed || reason == api::reasons::non_zero_exit) && status.exitCode) {
    // A process can only hand eight bits to its parent; what is not zero must not become zero on the way.
    auto const low = static_cast<int>(*status.exitCode & 0xff);
    return low == 0 && *status.exitCode != 0 ? failure : low;
  }
  return infrastructure;
}

}  // namespace codeexec::cli::exit_codes
