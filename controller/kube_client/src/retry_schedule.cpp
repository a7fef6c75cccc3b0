#include "codeexec/kube_client/retry_schedule.hpp"

namespace codeexec::kube {
namespace {

constexpr std::chrono::milliseconds first_wait{200};
constexpr std::chrono::milliseconds longest_wait{5'000};
constexpr double growth = 2.0;
constexpr double jitter = 0.5;

}  // namespace

retry_schedule::retry_schedule(int max_tries)
    : tries_left_(max_tries - 1), backoff_(first_wait, longest_wait, growth, jitter) {}

std::optional<retry_schedule::duration> retry_schedule::next(int http_status,
                                                             std::optional<std::chrono::seconds> retry_after,
                                                             duration left, base::rng& random) {
  bool const refused = http_status == 429 || (http_status == 503 && retry_after.has_value());
  if (!refused || tries_left_ <= 0) return std::nullopt;
  --tries_left_;
  auto const wait = duration(retry_after.value_or(std::chrono::seconds(0))) + backoff_.next(random);
  if (wait >= left) return std::nullopt;
  return wait;
}

}  // namespace codeexec::kube
