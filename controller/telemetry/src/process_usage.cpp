#include "codeexec/telemetry/process_usage.hpp"

#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>

namespace codeexec::telemetry {
namespace {

/// Of /proc/self/stat, what stands behind the program's name (proc(5): from the third field on).
std::istringstream stat_fields() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  auto const name_end = line.rfind(')');
  return std::istringstream(name_end == std::string::npos ? std::string() : line.substr(name_end + 1));
}

double boot_time() {
  std::ifstream file("/proc/stat");
  std::string word;
  while (file >> word) {
    double seconds = 0;
    if (word == "btime" && file >> seconds) return seconds;
  }
  return 0;
}

/// Of the process, which does not change.
double start_time(double since_boot) {
  static double const boot = boot_time();
  return boot == 0 ? 0 : boot + since_boot;
}

}  // namespace

process_usage read_process_usage() {
  process_usage used;
  auto fields = stat_fields();
  std::string skipped;
  auto const skip = [&](int count) {
    for (int i = 0; i < count; ++i)
      fields >> skipped;
  };
  double user = 0;
  double system = 0;
  double started = 0;
  double resident_pages = 0;
  skip(11);  // state to cmajflt: fields 3 to 13
  fields >> user >> system;
  skip(4);  // cutime, cstime, priority, nice
  fields >> used.threads;
  skip(1);  // itrealvalue
  fields >> started >> used.virtual_bytes >> resident_pages;
  auto const ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  used.cpu_seconds = (user + system) / ticks;
  used.start_time = start_time(started / ticks);
  used.resident_bytes = static_cast<std::uint64_t>(resident_pages) * static_cast<std::uint64_t>(::getpagesize());

  std::error_code ec;
  for (std::filesystem::directory_iterator at("/proc/self/fd", ec), end; !ec && at != end; at.increment(ec))
    ++used.open_descriptors;
  // The one that the count itself was made with.
  if (used.open_descriptors > 0) --used.open_descriptors;
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    used.most_descriptors = limit.rlim_cur;
  return used;
}

}  // namespace codeexec::telemetry
