// Who leads, decided over a Lease: a state machine without clock, timer or socket. leader_elector turns its actions
// into calls.
//
// The rules, those of client-go's leaderelection:
//   - Somebody else's Lease is judged by our own steady clock alone: it has run out when it was not seen to change for
//     the time that its holder asked for. Times written in it are for people; a wall clock may jump as it likes.
//   - The holder counts from the moment a renewal was sent, everybody else from the moment they saw it, which is later.
//     So a holder that cannot renew stops (renew_deadline) before anybody else may start (lease): as long as steady
//     clocks run equally fast, two never lead at once.
//   - Every write names the version that was read: of two that try, the server refuses one.
//   - A write whose answer was lost may have been done. Then the Lease is found to be ours, and is renewed.
// It is no fence: a request that was sent while leading may arrive later. Whatever the leader writes stays idempotent.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "codeexec/base/backoff.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/kube_core/error.hpp"
#include "codeexec/kube_core/lease.hpp"

namespace codeexec::runtime {

struct lease_timing {
  std::chrono::milliseconds lease{15'000};           ///< others wait so long since they last saw a change
  std::chrono::milliseconds renew_deadline{10'000};  ///< the leader gives up so long after its last renewal was sent
  std::chrono::milliseconds retry{2'000};            ///< between tries; those who wait spread theirs (1 to 2.2 times)
};

/// What is wrong with these, as a sentence about the flags; empty where nothing is.
std::string check(lease_timing const& timing);

class lease_fsm {
 public:
  /// Both clocks, read at once.
  struct moment {
    base::steady_time steady;
    base::wall_time wall;
  };

  // What to do next.
  /// Read the Lease.
  struct ask {
    base::steady_time by;
  };
  /// Make it: there was none.
  struct create {
    kube::LeaseSpec spec;
    base::steady_time by;
  };
  /// Replace it, against the version that was read or written last.
  struct replace {
    kube::LeaseSpec spec;
    base::steady_time by;
  };
  /// Do nothing for a while.
  struct rest {
    std::chrono::steady_clock::duration time;
  };
  /// It is over: lost, or given back.
  struct over {};
  using action = std::variant<ask, create, replace, rest, over>;

  enum class state {
    waiting,   ///< somebody else leads, or nobody can be asked
    leading,   ///< until held_until()
    giving,    ///< giving the Lease back; no longer leading
    released,  ///< nothing is held
    lost,      ///< led, and may not any more
  };

  /// `identity` must not be that of any other process, not even of this one's predecessor.
  lease_fsm(std::string identity, lease_timing timing, base::rng random);

  action start(moment now);
  /// The Lease as it was read.
  action on_found(kube::LeaseSpec const& spec, moment now);
  /// It does not exist.
  action on_absent(moment now);
  /// create or replace was done.
  action on_written(moment now);
  /// Any of the three failed.
  action on_failed(kube::error const& e, moment now);
  action on_rested(moment now);
  /// Instead of resting on: give the Lease back, where it is held.
  action release(moment now);

  state where() const { return state_; }
  /// Whether work may be done at this moment. Turns false by time alone.
  bool is_leading(base::steady_time now) const { return state_ == state::leading && now < held_until_; }
  base::steady_time held_until() const { return held_until_; }
  /// Who holds it, as far as is known; empty: nobody.
  std::string const& holder() const;
  std::string const& identity() const { return identity_; }
  /// Why it was lost: a sentence.
  std::string const& loss() const { return loss_; }

 private:
  action look(moment now) const;
  action write(kube::LeaseSpec spec, moment now);
  action take(moment now);
  action renew(moment now);
  action give_back(moment now);
  action pause(moment now);
  action lose(std::string why);
  bool ran_out(kube::LeaseSpec const& spec, base::steady_time now) const;
  base::steady_time request_end(moment now) const;
  kube::LeaseSpec ours(moment now) const;

  std::string identity_;
  lease_timing timing_;
  base::rng random_;
  state state_ = state::waiting;
  std::optional<kube::LeaseSpec> observed_;
  base::steady_time observed_at_{};
  kube::LeaseSpec pending_;      // what the write under way says
  base::steady_time sent_{};     // when it was sent
  bool exists_ = false;          // the write under way replaces
  bool version_known_ = false;   // nobody is known to have written since the version we hold
  bool looked_at_once_ = false;  // after a conflict, without a rest between
  base::steady_time held_until_{};
  std::string loss_;
};

}  // namespace codeexec::runtime
