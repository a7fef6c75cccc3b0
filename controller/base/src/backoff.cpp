#include "codeexec/base/backoff.hpp"

#include <algorithm>

namespace codeexec::base {

backoff::duration backoff::next(rng& random) {
  auto const base = current_;
  auto const grown = std::chrono::duration_cast<duration>(
      std::chrono::duration<double, std::milli>(static_cast<double>(current_.count()) * factor_));
  current_ = std::min(std::max(grown, current_), maximum_);
  ++failures_;
  std::uniform_real_distribution<double> spread(1.0 - jitter_, 1.0 + jitter_);
  auto const delayed = static_cast<double>(base.count()) * spread(random);
  return duration(static_cast<duration::rep>(delayed));
}

}  // namespace codeexec::base
