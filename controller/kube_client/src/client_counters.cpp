#include "codeexec/kube_client/client_counters.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace codeexec::kube {

void latency_histogram::observe(std::chrono::steady_clock::duration took) {
  auto const seconds = std::chrono::duration<double>(took).count();
  auto const bucket = std::distance(bounds.begin(), std::lower_bound(bounds.begin(), bounds.end(), seconds));
  ++counts[static_cast<std::size_t>(bucket)];
  ++count;
  sum += seconds;
}

void client_counters::observe(request_kind kind, int code, std::chrono::steady_clock::duration took) {
  auto& seen = requests[std::move(kind)];
  ++seen.codes[code];
  seen.latency.observe(took);
}

}  // namespace codeexec::kube
