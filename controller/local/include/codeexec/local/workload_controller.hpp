// The controllers of Deployments, ReplicaSets and PodDisruptionBudgets: they carry out what workload_plan says.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>

#include "codeexec/local/store.hpp"

namespace codeexec::local {

/// Thread: the executor's single one. The store must outlive it; add_builtin_types() must have been called.
class workload_controller {
 public:
  workload_controller(boost::asio::any_io_executor executor, store& objects);
  ~workload_controller();
  workload_controller(workload_controller const&) = delete;
  workload_controller& operator=(workload_controller const&) = delete;

  /// Looks at all there is, then follows the watches.
  void start();
  /// Ends the watches and timers; nothing is written afterwards.
  void stop();

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace codeexec::local
