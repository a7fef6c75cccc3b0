// What the parts of the operator have counted, copied at one moment on the loop's thread: plain values from then on, so
// that making text of them costs the loop nothing.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/base/histogram.hpp"
#include "codeexec/execution/admission_queue.hpp"
#include "codeexec/kube_client/client_counters.hpp"
#include "codeexec/reconciler/code_execution_reconciler.hpp"
#include "codeexec/reconciler/sweeper.hpp"
#include "codeexec/runtime/controller.hpp"
#include "codeexec/runtime/event_queue.hpp"
#include "codeexec/runtime/leader_elector.hpp"
#include "codeexec/runtime/watch_fsm.hpp"

namespace codeexec::telemetry {

inline constexpr std::array<double, 10> lag_bounds{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5};
using lag_histogram = base::histogram<lag_bounds>;

struct operator_counters {
  reconciler::counters executions;
  /// The configuration's classes of namespaces, their slots and lines; and how long the oldest of each line is there.
  std::vector<std::string> classes;
  std::vector<execution::admission_queue::depth> slots;
  std::vector<std::chrono::steady_clock::duration> oldest_waiting;
  std::size_t tracked = 0;

  runtime::controller_counters passes;
  std::size_t in_flight = 0;
  std::size_t workers = 0;
  std::chrono::steady_clock::duration oldest_pass{0};
  runtime::work_queue_counters queue;
  std::size_t ready_high = 0;
  std::size_t ready_normal = 0;
  std::size_t delayed = 0;

  kube::client_counters api;  ///< of all clients together

  struct cache {
    std::string_view resource;
    runtime::watch_counters watches;
    std::uint64_t malformed = 0;
    std::size_t objects = 0;
    bool synced = false;
  };
  std::vector<cache> caches;

  std::size_t log_readers = 0;
  std::size_t log_followers_limit = 0;

  runtime::event_counters events;
  std::size_t events_waiting = 0;

  bool leading = false;
  runtime::leader_election_counters lease;

  reconciler::sweeper::counters sweeps;
  lag_histogram loop_lag;
};

}  // namespace codeexec::telemetry
