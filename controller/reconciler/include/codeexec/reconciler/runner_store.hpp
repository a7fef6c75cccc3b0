// The runner in the cluster: one immutable ConfigMap per namespace, named after its content.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <string>
#include <string_view>

#include "codeexec/base/time.hpp"
#include "codeexec/kube_client/client.hpp"
#include "codeexec/reconciler/namespace_checks.hpp"

namespace codeexec::reconciler {

/// Lifetime: client, clock and the runner's bytes outlive it. Thread: the client's.
class runner_store {
 public:
  runner_store(boost::asio::any_io_executor executor, kube::client& client, base::clock const& clock,
               std::string_view runner);

  std::string const& name() const { return name_; }

  /// Sees to it that the ConfigMap stands in the namespace and holds exactly the runner: makes it, or reads and
  /// compares it. Costs nothing where that was done within `max_age`; callers for one namespace share one request. An
  /// error of kind `config` means that something else has its name: it is never used.
  kube::task<kube::result<void>> ensure(std::string ns, std::chrono::seconds max_age) {
    return checks_.ensure(std::move(ns), max_age);
  }
  /// For whoever is about to remove it.
  namespace_checks& checks() { return checks_; }

 private:
  kube::task<kube::result<void>> check(std::string ns, bool expect_it);
  kube::result<void> compare(std::string_view ns, std::string_view body) const;

  kube::client& client_;
  std::string_view runner_;
  std::string sha256_;
  std::string name_;
  namespace_checks checks_;
};

}  // namespace codeexec::reconciler
