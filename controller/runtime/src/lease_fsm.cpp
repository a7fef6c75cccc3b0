#include "codeexec/runtime/lease_fsm.hpp"

#include <algorithm>

namespace codeexec::runtime {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

/// As client-go's JitterFactor: waiters come back after 1 to 2.2 times the retry period, each at another time.
constexpr double jitter = 1.2;

std::string text_of(milliseconds time) {
  return time.count() % 1000 == 0 ? std::to_string(time.count() / 1000) + "s" : std::to_string(time.count()) + "ms";
}

}  // namespace

std::string check(lease_timing const& timing) {
  if (timing.lease < 1s) return "--leader-elect-lease-duration must be at least 1s: a Lease counts whole seconds";
  if (timing.lease % 1s != 0s) return "--leader-elect-lease-duration must be whole seconds: a Lease counts no others";
  if (timing.retry <= 0ms) return "--leader-elect-retry-period must be more than nothing";
  if (timing.renew_deadline >= timing.lease) {
    return "--leader-elect-renew-deadline (" + text_of(timing.renew_deadline) +
           ") must be less than --leader-elect-lease-duration (" + text_of(timing.lease) +
           "): the leader must stop before another may start";
  }
  if (timing.renew_deadline < 2 * timing.retry) {
    return "--leader-elect-renew-deadline (" + text_of(timing.renew_deadline) +
           ") must be at least twice --leader-elect-retry-period (" + text_of(timing.retry) +
           "): one renewal that fails must not end the leadership";
  }
  return {};
}

lease_fsm::lease_fsm(std::string identity, lease_timing timing, base::rng random)
    : identity_(std::move(identity)), timing_(timing), random_(random) {}

std::string const& lease_fsm::holder() const {
  static std::string const nobody;
  return observed_ ? observed_->holderIdentity : nobody;
}

lease_fsm::action lease_fsm::start(moment now) {
  return look(now);
}

lease_fsm::action lease_fsm::on_found(kube::LeaseSpec const& spec, moment now) {
  if (!observed_ || *observed_ != spec) {
    observed_ = spec;
    observed_at_ = now.steady;
  }
  version_known_ = true;
  bool const mine = spec.holderIdentity == identity_;
  switch (state_) {
    case state::waiting:
      // A write of ours whose answer was lost; it counts from the next one, whose time of sending is known.
      if (mine) return renew(now);
      if (!spec.holderIdentity.empty() && !ran_out(spec, now.steady)) return pause(now);
      return take(now);
    case state::leading:
      if (!mine) {
        return lose(spec.holderIdentity.empty() ? "somebody has cleared the Lease"
                                                : "the Lease is held by " + spec.holderIdentity);
      }
      if (now.steady >= held_until_) return lose("the Lease could not be renewed in time");
      return renew(now);
    case state::giving:
      if (mine && now.steady < held_until_) return give_back(now);
      state_ = state::released;
      return over{};
    case state::released:
    case state::lost:
      break;
  }
  return over{};
}

lease_fsm::action lease_fsm::on_absent(moment now) {
  version_known_ = false;
  switch (state_) {
    case state::waiting:
      observed_.reset();
      return take(now);
    case state::leading:
      if (now.steady >= held_until_) return lose("the Lease was deleted and could not be made anew in time");
      exists_ = false;
      return write(ours(now), now);
    case state::giving:
      state_ = state::released;
      break;
    case state::released:
    case state::lost:
      break;
  }
  return over{};
}

lease_fsm::action lease_fsm::on_written(moment now) {
  observed_ = pending_;
  observed_at_ = now.steady;
  version_known_ = true;
  looked_at_once_ = false;
  if (state_ == state::giving) {
    state_ = state::released;
    return over{};
  }
  if (state_ != state::waiting && state_ != state::leading) return over{};
  held_until_ = std::max(held_until_, sent_ + timing_.renew_deadline);
  if (now.steady >= held_until_) {
    if (state_ == state::leading) return lose("the answer to a renewal took longer than the renew deadline");
    return renew(now);
  }
  state_ = state::leading;
  return pause(now);
}

lease_fsm::action lease_fsm::on_failed(kube::error const& e, moment now) {
  version_known_ = false;
  if (state_ == state::giving) {
    bool const again = e.is_conflict() && !looked_at_once_ && now.steady < held_until_;
    if (again) {
      looked_at_once_ = true;
      return look(now);
    }
    state_ = state::released;
    return over{};
  }
  if (state_ == state::released || state_ == state::lost) return over{};
  if (state_ == state::leading) {
    if (now.steady >= held_until_) return lose("the Lease could not be renewed in time: " + e.describe());
    // Somebody was faster, or we were: a lost answer's write has moved the version. Which, decides who leads: look at
    // once, but not again and again.
    bool const moved = e.is_conflict() || e.is_already_exists() || e.is_not_found();
    if (moved && !looked_at_once_) {
      looked_at_once_ = true;
      return look(now);
    }
  }
  return pause(now);
}

lease_fsm::action lease_fsm::on_rested(moment now) {
  looked_at_once_ = false;
  if (state_ == state::released || state_ == state::lost) return over{};
  if (state_ != state::leading) return look(now);
  if (now.steady >= held_until_) return lose("the Lease could not be renewed in time");
  return version_known_ ? renew(now) : look(now);
}

lease_fsm::action lease_fsm::release(moment now) {
  bool const held = is_leading(now.steady);
  bool const known = version_known_;
  if (state_ != state::lost) state_ = held ? state::giving : state::released;
  if (!held) return over{};
  looked_at_once_ = false;
  return known ? give_back(now) : look(now);
}

bool lease_fsm::ran_out(kube::LeaseSpec const& spec, base::steady_time now) const {
  auto const asked_for = std::chrono::seconds(spec.leaseDurationSeconds);
  return now >= observed_at_ + (asked_for > 0s ? asked_for : timing_.lease);
}

/// Half of the renew deadline: a request that hangs leaves time for another.
base::steady_time lease_fsm::request_end(moment now) const {
  auto const end = now.steady + timing_.renew_deadline / 2;
  return state_ == state::waiting ? end : std::min(end, held_until_);
}

kube::LeaseSpec lease_fsm::ours(moment now) const {
  kube::LeaseSpec spec;
  bool const already = observed_ && observed_->holderIdentity == identity_;
  spec.holderIdentity = identity_;
  spec.leaseDurationSeconds = std::chrono::duration_cast<std::chrono::seconds>(timing_.lease).count();
  spec.renewTime = now.wall;
  // A wall clock that stands still or was set back must not make a renewal look like none.
  if (already && observed_->renewTime == spec.renewTime) *spec.renewTime += 1us;
  spec.acquireTime = already && observed_->acquireTime ? *observed_->acquireTime : now.wall;
  spec.leaseTransitions = observed_ ? observed_->leaseTransitions + (already ? 0 : 1) : 0;
  return spec;
}

lease_fsm::action lease_fsm::look(moment now) const {
  return ask{request_end(now)};
}

lease_fsm::action lease_fsm::write(kube::LeaseSpec spec, moment now) {
  pending_ = std::move(spec);
  sent_ = now.steady;
  auto const by = request_end(now);
  if (exists_) return replace{pending_, by};
  return create{pending_, by};
}

lease_fsm::action lease_fsm::take(moment now) {
  exists_ = observed_.has_value();
  return write(ours(now), now);
}

lease_fsm::action lease_fsm::renew(moment now) {
  exists_ = true;
  return write(ours(now), now);
}

lease_fsm::action lease_fsm::give_back(moment now) {
  auto spec = *observed_;
  spec.holderIdentity.clear();
  spec.leaseDurationSeconds = 1;
  spec.acquireTime = now.wall;
  spec.renewTime = now.wall;
  exists_ = true;
  return write(std::move(spec), now);
}

lease_fsm::action lease_fsm::pause(moment now) {
  if (state_ == state::leading) {
    auto const left = held_until_ - now.steady;
    return rest{std::min<std::chrono::steady_clock::duration>(timing_.retry, left)};
  }
  std::uniform_real_distribution<double> spread(1.0, 1.0 + jitter);
  auto const time =
      std::chrono::duration<double, std::milli>(static_cast<double>(timing_.retry.count()) * spread(random_));
  return rest{std::chrono::duration_cast<std::chrono::steady_clock::duration>(time)};
}

lease_fsm::action lease_fsm::lose(std::string why) {
  state_ = state::lost;
  loss_ = std::move(why);
  return over{};
}

}  // namespace codeexec::runtime
