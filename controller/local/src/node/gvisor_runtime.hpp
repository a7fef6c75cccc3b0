// Containers in gVisor: one `runsc run` per container, its output through one pipe, its end through a pidfd.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "codeexec/base/result.hpp"
#include "codeexec/local/node/container_runtime.hpp"
#include "codeexec/local/node/oci_bundle.hpp"

#include "cgroup.hpp"

namespace codeexec::local {

/// Runs a tiny program in `root` with each platform this runsc may have, fastest first, until one works and the program
/// sees gVisor's kernel. Blocks for about 0.3 s. The failure says what was tried and what came out.
base::result<runsc_features> test_gvisor(std::string const& runsc, container_spec probe);

class gvisor_runtime : public container_runtime {
 public:
  /// `groups` may be null: no limits.
  gvisor_runtime(boost::asio::any_io_executor executor, std::filesystem::path runsc, runsc_features features,
                 std::shared_ptr<cgroup_manager> groups);

  base::result<std::unique_ptr<container>> start(container_spec spec, container_events events) override;
  std::string describe() const override;
  bool sandboxed() const override { return true; }
  std::string_view scheme() const override { return "containerd"; }

 private:
  boost::asio::any_io_executor executor_;
  std::filesystem::path runsc_;
  runsc_features features_;
  std::shared_ptr<cgroup_manager> groups_;
};

}  // namespace codeexec::local
