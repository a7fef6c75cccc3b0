// Durations as people write them and as kubectl shows them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace codeexec::cli {

/// "30s", "5m", "1h30m", "2d", or a bare number of seconds. Nothing where it is none of these, is zero or has no place
/// in 32 bits.
std::optional<std::int64_t> parse_seconds(std::string_view text);

/// An age the way `kubectl get` writes it: two digits' worth of precision, "45s", "3m12s", "5h", "2d4h", "400d".
std::string format_age(std::chrono::seconds age);

/// A run time, precise where it is short: "0.08s", "12.3s", "3m12s".
std::string format_run_time(std::chrono::milliseconds time);

}  // namespace codeexec::cli
