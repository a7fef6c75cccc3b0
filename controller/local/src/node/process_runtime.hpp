// The fallback: containers as plain processes of this machine, as far from it as the kernel lets us put them.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "codeexec/base/result.hpp"
#include "codeexec/local/node/container_runtime.hpp"

#include "cgroup.hpp"

namespace codeexec::local {

/// Tries, from the most to the least, which namespaces a child may have (mount always: without it a pod has no
/// volumes). Runs a tiny program as a container would run. The failure says what the kernel refused.
base::result<unsigned long> test_namespaces(container_spec const& probe);

class process_runtime : public container_runtime {
 public:
  /// `namespaces` as test_namespaces() found them.
  process_runtime(boost::asio::any_io_executor executor, unsigned long namespaces,
                  std::shared_ptr<cgroup_manager> groups);

  base::result<std::unique_ptr<container>> start(container_spec spec, container_events events) override;
  std::string describe() const override;
  bool sandboxed() const override { return false; }
  std::string_view scheme() const override { return "process"; }

 private:
  boost::asio::any_io_executor executor_;
  unsigned long namespaces_;
  std::shared_ptr<cgroup_manager> groups_;
};

}  // namespace codeexec::local
