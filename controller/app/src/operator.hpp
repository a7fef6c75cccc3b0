// The whole operator, put together: the only place that knows every part.
#pragma once

#include "codeexec/execution/config.hpp"
#include "codeexec/kube_client/cluster_config.hpp"

#include "options.hpp"

namespace codeexec::app {

namespace exit_codes {
inline constexpr int stopped = 0;     ///< by a signal, in order
inline constexpr int failed = 1;      ///< a part that nothing goes on without
inline constexpr int misused = 2;     ///< arguments, configuration, credentials
inline constexpr int lease_lost = 3;  ///< it led; somebody else may by now
}  // namespace exit_codes

/// Runs until a signal, until it loses the lease, or until a part of it fails that nothing can go on without. Returns
/// the exit code. A second signal does not let it return: the process ends with 128 + n.
int run_operator(options const& with, execution::config const& config, kube::cluster_config const& cluster);

}  // namespace codeexec::app
