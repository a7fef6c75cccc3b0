#include "codeexec/base/backoff.hpp"

#include <algorithm>

namespace codeexec::base {

backoff::duration backoff::next(rng& random) {
  auto const base = std::min(current_, maximum_);
  // Compared before it is converted: a double may be larger than any duration.
  auto const grown = static_cast<double>(base.count()) * factor_;
  current_ = grown >= static_cast<double>(maximum_.count())
                 ? maximum_
                 : std::max(duration(static_cast<duration::rep>(grown)), base);
  ++failures_;
  std::uniform_real_distribution<double> spread(1.0 - jitter_, 1.0 + jitter_);
  auto const delayed = static_cast<double>(base.count()) * spread(random);
  return duration(static_cast<duration::rep>(delayed));
}

}  // namespace codeexec::base
