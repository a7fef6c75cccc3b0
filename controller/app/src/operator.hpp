// The whole operator, put together: the only place that knows every part.
#pragma once

#include "codeexec/execution/config.hpp"
#include "codeexec/kube_client/cluster_config.hpp"

#include "options.hpp"

namespace codeexec::app {

/// Runs until a signal, or until a part of it fails that nothing can go on without. Returns the exit code.
int run_operator(options const& with, execution::config const& config, kube::cluster_config const& cluster);

}  // namespace codeexec::app
