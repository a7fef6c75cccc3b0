// Looks at everything of ours now and then, and removes what no execution needs any more.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/base/backoff.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/execution/config.hpp"
#include "codeexec/execution/sweep.hpp"
#include "codeexec/kube_client/client.hpp"
#include "codeexec/reconciler/code_execution_reconciler.hpp"

namespace codeexec::reconciler {

/// Jobs and Pods are known from the caches; ConfigMaps and NetworkPolicies are listed, their metadata alone. A round
/// that finds nothing costs these two requests for each of `namespaces` (none: for all together).
///
/// Nothing that a living execution needs is touched: every deletion names the UID of what was looked at; what
/// executions share is removed only after the API server has said that its namespace has none, while whoever begins one
/// waits.
///
/// A right that is missing, or an API, is no failure: what cannot be listed or deleted stays.
///
/// Lifetime: everything it is given outlives it. Thread: the client's. The stores must have synced, and only one
/// operator may sweep: the one that leads.
class sweeper {
 public:
  sweeper(kube::client& client, stores const& what, code_execution_reconciler& by, execution::config const& with,
          std::vector<std::string> namespaces, base::clock const& clock, base::rng random);

  /// Sweeps at once, and then every `sweep_interval`, more or less. Ends when it is cancelled.
  kube::task<void> run();
  /// One round.
  kube::task<void> sweep();

  struct counters {
    std::uint64_t rounds = 0;
    std::uint64_t removed = 0;
  };
  counters const& counted() const { return counters_; }

 private:
  /// What is too young, or was asked for too lately, stays for the next round.
  std::chrono::seconds settle() const;
  execution::sweep_view look_at_caches() const;
  /// Reads Jobs without an owner, of which there are hardly ever any: the cache does not keep whose they were.
  kube::task<std::vector<execution::swept_object>> read_ownerless_jobs();
  kube::task<std::vector<execution::swept_object>> list(kube::resource type, std::string ns);
  kube::task<void> remove(execution::swept_object what);
  kube::task<void> remove_shared(execution::swept_object what);
  kube::task<void> remove_now(execution::swept_object what);
  /// Somebody may have deleted the policy while executions rely on it.
  kube::task<void> restore_policies();
  execution::execution_state state_of(std::string const& uid) const;

  kube::client& client_;
  stores stores_;
  code_execution_reconciler& reconciler_;
  execution::config const& config_;
  std::vector<std::string> namespaces_;
  base::clock const& clock_;
  base::rng random_;
  counters counters_;
};

}  // namespace codeexec::reconciler
