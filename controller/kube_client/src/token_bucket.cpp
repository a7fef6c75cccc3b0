#include "codeexec/kube_client/token_bucket.hpp"

#include <algorithm>

namespace codeexec::kube {

token_bucket::token_bucket(double per_second, int burst, base::steady_time now)
    : per_second_(per_second), burst_(std::max(burst, 1)), tokens_(burst_), at_(now) {}

void token_bucket::refill(base::steady_time now) {
  if (now <= at_) return;
  auto const passed = std::chrono::duration<double>(now - at_).count();
  tokens_ = std::min(burst_, tokens_ + passed * per_second_);
  at_ = now;
}

token_bucket::duration token_bucket::take(base::steady_time now) {
  bool taken = false;
  return take(now, duration::max(), taken);
}

token_bucket::duration token_bucket::take(base::steady_time now, duration at_most, bool& taken) {
  taken = true;
  if (unlimited()) return duration::zero();
  refill(now);
  auto const missing = std::max(1.0 - tokens_, 0.0);
  auto const wait = std::chrono::ceil<duration>(std::chrono::duration<double>(missing / per_second_));
  taken = wait <= at_most;
  if (taken) tokens_ -= 1;
  return wait;
}

void token_bucket::give_back(base::steady_time now) {
  if (unlimited()) return;
  refill(now);
  tokens_ = std::min(burst_, tokens_ + 1);
}

}  // namespace codeexec::kube
