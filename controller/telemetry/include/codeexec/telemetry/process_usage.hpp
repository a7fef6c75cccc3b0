// What this process uses of the machine, as every Prometheus client library tells it.
#pragma once

#include <cstdint>
#include <optional>

namespace codeexec::telemetry {

struct process_usage {
  double cpu_seconds = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_descriptors = 0;
  std::optional<std::uint64_t> most_descriptors;  ///< nothing: no limit
  double start_time = 0;                          ///< seconds since 1970
  std::uint64_t threads = 0;
};

/// From /proc/self. What cannot be read stays zero.
process_usage read_process_usage();

}  // namespace codeexec::telemetry
