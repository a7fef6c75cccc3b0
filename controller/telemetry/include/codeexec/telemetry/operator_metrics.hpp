// From what was counted to what Prometheus reads.
#pragma once

#include <chrono>
#include <string>

#include "codeexec/telemetry/operator_counters.hpp"
#include "codeexec/telemetry/process_usage.hpp"

namespace codeexec::telemetry {

/// The answer to a scrape, in text format 0.0.4. `counted` null: the loop did not answer, and what it alone knows is
/// left out. `silence`: since the loop turned last. Pure.
std::string render_metrics(operator_counters const* counted, process_usage const& used,
                           std::chrono::steady_clock::duration silence);

}  // namespace codeexec::telemetry
