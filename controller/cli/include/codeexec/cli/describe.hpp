// One CodeExecution whole, on one screen. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/cli/palette.hpp"

namespace codeexec::cli {

/// What is shown of a Kubernetes Event.
struct told_event {
  std::string type;  ///< "Normal" or "Warning"
  std::string reason;
  std::string message;
  std::string last_seen;  ///< RFC 3339, or empty
  std::int64_t count = 1;
};
/// Events of the core group or of events.k8s.io, whichever fields they use; the newest last.
std::vector<told_event> read_events(std::vector<nlohmann::json> const& items);

struct describe_input {
  api::CodeExecution execution;
  std::vector<told_event> events;
  std::string no_events_because;  ///< why they could not be read; empty: they could
};

struct screen {
  std::size_t width = 0;  ///< 0: no bound
  palette colours{};
  base::wall_time now;
};

/// Lines, each within the width where one is given. What is not known is said to be so.
std::string render_description(describe_input const& what, screen const& on);

/// "9.0 MiB", "512 bytes".
std::string format_bytes(std::int64_t bytes);

}  // namespace codeexec::cli
