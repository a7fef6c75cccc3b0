#include "codeexec/runner/lifecycle.hpp"

namespace codeexec::runner {
namespace {

uint64_t earlier(uint64_t left, uint64_t right) {
  return left < right ? left : right;
}

}  // namespace

lifecycle::lifecycle(uint64_t now, uint64_t timeout_ms, uint64_t grace_ms)
    : timeout_at_(timeout_ms == 0 ? never : now + timeout_ms * 1000), grace_(grace_ms * 1000), last_output_(now) {}

void lifecycle::stop_requested(uint64_t now) {
  // After its end, or a second time, there is nothing left to ask of the command.
  if (stopping_ || command_ended_) return;
  stopping_ = true;
  kill_at_ = now + grace_;
}

void lifecycle::command_ended(uint64_t now) {
  command_ended_ = true;
  ended_at_ = now;
}

lifecycle::action lifecycle::next(uint64_t now) {
  if (command_ended_ && pipes_closed_) return action::finish;
  if (!command_ended_ && !stopping_ && now >= timeout_at_) {
    stop_requested(now);
    timed_out_ = true;
  }
  if (stopping_ && !term_sent_ && !command_ended_) {
    term_sent_ = true;
    return action::terminate;
  }
  return now >= deadline() ? action::finish : action::wait;
}

uint64_t lifecycle::deadline() const {
  // Whoever is being stopped has its grace, also for the rest of its process group.
  if (stopping_) return kill_at_;
  if (!command_ended_) return timeout_at_;
  uint64_t const quiet_since = last_output_ > ended_at_ ? last_output_ : ended_at_;
  return earlier(quiet_since + idle_micros, ended_at_ + linger_micros);
}

}  // namespace codeexec::runner
