// A container that is one child process of ours (runsc, or the program itself): output through a pipe, end through a
// pidfd.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>

#include "codeexec/local/node/container_runtime.hpp"

#include "cgroup.hpp"
#include "process.hpp"

namespace codeexec::local {

struct process_container_options {
  process_options child;  ///< output and cgroups are filled in here
  container_spec spec;
  container_events events;
  /// A FIFO that whoever sets the container up writes to when it begins; empty: it has begun once it is started.
  std::filesystem::path begun;
  /// Sends a signal to the container's first process; SIGKILL goes to the child itself.
  std::function<void(process& child, int number)> signal;
  /// What to make of the child's end, before the cgroup is gone.
  std::function<container_exit(process_exit end)> judge;
  std::shared_ptr<cgroup_manager> groups;
};

base::result<std::unique_ptr<container>> start_process_container(boost::asio::any_io_executor executor,
                                                                 process_container_options options);

}  // namespace codeexec::local
