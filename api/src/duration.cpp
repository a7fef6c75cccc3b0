#include "codeexec/api/duration.hpp"

namespace codeexec::api {

std::string format_duration(std::int64_t milliseconds) {
  if (milliseconds < 0) milliseconds = 0;
  if (milliseconds < 1000) return std::to_string(milliseconds) + "ms";
  auto const seconds = milliseconds / 1000;
  if (seconds < 60) return std::to_string(seconds) + "." + std::to_string(milliseconds % 1000 / 100) + "s";
  auto const minutes = seconds / 60;
  auto const tail = std::to_string(seconds % 60) + "s";
  if (minutes < 60) return std::to_string(minutes) + "m" + tail;
  return std::to_string(minutes / 60) + "h" + std::to_string(minutes % 60) + "m" + tail;
}

}  // namespace codeexec::api
