// Durations as a person reads them.
#pragma once

#include <cstdint>
#include <string>

namespace codeexec::api {

/// The text of status.duration: "0ms", "87ms", "1.2s", "59.9s", "2m5s", "1h0m7s". Cut, not rounded; negative is "0ms".
std::string format_duration(std::int64_t milliseconds);

}  // namespace codeexec::api
