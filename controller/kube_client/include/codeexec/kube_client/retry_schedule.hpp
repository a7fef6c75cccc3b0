// When to send again what a server refused without having done anything.
#pragma once

#include <chrono>
#include <optional>

#include "codeexec/base/backoff.hpp"

namespace codeexec::kube {

/// For one call: a value, no clock, no timer.
///
/// Refused without acting is a 429 (priority and fairness, an eviction that a budget forbids for now) and a 503 with a
/// Retry-After. Any other 5xx may have done its work, a broken connection too: those are the caller's to judge.
class retry_schedule {
 public:
  using duration = base::backoff::duration;

  /// `max_tries` counts the first one.
  explicit retry_schedule(int max_tries);

  /// How long to wait before the same request is sent again: what the server asked for and a jittered backoff on top,
  /// so that those who were refused together do not come back together. Nothing: the answer is the caller's, because it
  /// is no such refusal, the tries are used up, or there is not so much time left.
  std::optional<duration> next(int http_status, std::optional<std::chrono::seconds> retry_after, duration left,
                               base::rng& random);

 private:
  int tries_left_;
  base::backoff backoff_;
};

}  // namespace codeexec::kube
