// Keeps the queue of execution/admission_queue in step with what the stores show, and wakes whoever is admitted.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/execution/admission_queue.hpp"
#include "codeexec/execution/config.hpp"
#include "codeexec/kube_core/job.hpp"
#include "codeexec/runtime/object_key.hpp"
#include "codeexec/runtime/store.hpp"

namespace codeexec::reconciler {

/// Lifetime: stores and configuration outlive it; the stores may go on changing afterwards. Thread: the stores'.
class admissions {
 public:
  /// Before the first object is in a store. `wake` is called for every execution that gets a slot because of another.
  admissions(runtime::store<api::CodeExecution>& executions, runtime::store<kube::Job>& jobs,
             execution::config const& with, std::function<void(runtime::object_key const&)> wake);
  admissions(admissions const&) = delete;
  admissions& operator=(admissions const&) = delete;
  ~admissions();

  /// Every store is filled: slots are given away from now on. Before, nobody knows who holds one.
  void open();

  execution::admission look(std::string const& uid) const;
  execution::admission_queue const& queue() const;

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace codeexec::reconciler
