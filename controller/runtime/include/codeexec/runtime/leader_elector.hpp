// Takes part in the election over a Lease: the thin part that turns lease_fsm's actions into calls.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "codeexec/async/event.hpp"
#include "codeexec/async/task_group.hpp"
#include "codeexec/base/backoff.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/kube_client/client.hpp"
#include "codeexec/runtime/lease_fsm.hpp"

namespace codeexec::runtime {

struct leader_election_options {
  std::string ns;        ///< where the Lease is; the namespace must exist
  std::string name;      ///< of the Lease
  std::string identity;  ///< of this very process: see unique_identity()
  lease_timing timing;
  std::string_view field_manager;
  /// Called when the task itself fails, which is a bug: nobody would renew any more, so stop the program.
  async::task_group::failure_handler on_failure;
};

/// "<name>_<32 random hexadecimal digits>". A process that is restarted under its old name (a StatefulSet's pod, a
/// container in its pod) must not take its predecessor's Lease for its own.
std::string unique_identity(std::string_view name, base::rng& random);

struct leader_election_counters {
  std::uint64_t writes = 0;    ///< the Lease taken, renewed or given back
  std::uint64_t failures = 0;  ///< requests that did not do what they were for, a lost race included
};

/// Give it a client of its own: a renewal must not wait behind the work that it permits.
/// Lifetime: client and clock outlive it; await release() before it is destroyed. Thread: the client's.
class leader_elector {
 public:
  leader_elector(boost::asio::any_io_executor const& executor, kube::client& client, leader_election_options options,
                 base::clock const& clock, base::rng random);
  leader_elector(leader_elector const&) = delete;
  leader_elector& operator=(leader_elector const&) = delete;

  /// Begins to wait for the Lease, and to renew it once it is held.
  void start();

  /// True: it leads. False: the waiting task was cancelled, or it ended without ever leading.
  kube::task<bool> wait_leading();
  /// Ends when the Lease is lost or given back.
  kube::task<bool> wait_ended() { return ended_.wait(); }

  /// Whether work may be done at this very moment; by time, so that a process that was stopped for a while knows at
  /// once when it goes on.
  bool is_leading() const { return fsm_.is_leading(clock_.steady_now()); }
  /// It has led, and somebody else may by now.
  bool lost() const { return fsm_.where() == lease_fsm::state::lost; }
  std::string const& loss() const { return fsm_.loss(); }
  std::string const& holder() const { return fsm_.holder(); }
  std::string const& identity() const { return fsm_.identity(); }

  /// Gives the Lease back, where it is held, so that the next one need not wait for it to run out; tries once, for at
  /// most half of the renew deadline. Nothing runs any more when it ends. Idempotent.
  kube::task<void> release();

  leader_election_counters const& counters() const { return counters_; }

 private:
  using action = lease_fsm::action;

  kube::task<void> run();
  kube::task<void> take_part();
  kube::task<action> ask(base::steady_time by);
  kube::task<action> write(kube::verb method, kube::LeaseSpec spec, base::steady_time by);
  action failed(std::string_view doing, kube::error const& e);
  void tell_change();
  lease_fsm::moment now() const;

  kube::client& client_;
  leader_election_options options_;
  base::clock const& clock_;
  lease_fsm fsm_;
  nlohmann::json document_;  // the Lease as the server gave it last
  async::event wake_;        // ends a rest
  async::event leading_;     // leads, or never will
  async::event ended_;
  async::task_group tasks_;
  bool started_ = false;
  bool release_asked_ = false;
  bool writing_ = false;
  std::string told_holder_;  // as logged last
  lease_fsm::state told_ = lease_fsm::state::waiting;
  leader_election_counters counters_;
};

}  // namespace codeexec::runtime
