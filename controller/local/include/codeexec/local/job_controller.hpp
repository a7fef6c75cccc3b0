// The Job controller and the clean-up of finished Jobs: makes the Pods of a Job and says in its status what became of
// them, in the order and with the words of kube-controller-manager 1.36.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>

#include "codeexec/local/store.hpp"

namespace codeexec::local {

/// Thread: the executor's single one. The store must outlive it; jobs, pods, events and runtimeclasses must be served.
class job_controller {
 public:
  job_controller(boost::asio::any_io_executor executor, store& objects);
  ~job_controller();
  job_controller(job_controller const&) = delete;
  job_controller& operator=(job_controller const&) = delete;

  /// Looks at every Job there is, then follows the watches.
  void start();
  /// Ends the watches and timers; nothing is written afterwards.
  void stop();

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace codeexec::local
