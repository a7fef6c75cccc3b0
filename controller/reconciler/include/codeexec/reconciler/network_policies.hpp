// The NetworkPolicy that denies executions the network: one in each namespace, made when first needed.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <string>
#include <string_view>

#include "codeexec/base/time.hpp"
#include "codeexec/kube_client/client.hpp"
#include "codeexec/reconciler/namespace_checks.hpp"

namespace codeexec::reconciler {

/// Lifetime: client and clock outlive it. Thread: the client's.
class network_policies {
 public:
  network_policies(boost::asio::any_io_executor executor, kube::client& client, base::clock const& clock);

  /// Sees to it that the policy stands in the namespace and denies everything: makes it, or reads it. One of ours that
  /// somebody has edited is put right. One without our label is somebody else's: good as it is or not used, never
  /// changed. Costs nothing where that was done within `max_age`; callers for one namespace share one request.
  ///
  /// An error of kind `config` means that it cannot be had, and says what to do: no right to it, no such API.
  kube::task<kube::result<void>> ensure(std::string ns, std::chrono::seconds max_age) {
    return checks_.ensure(std::move(ns), max_age);
  }
  /// For whoever is about to remove it.
  namespace_checks& checks() { return checks_; }

 private:
  kube::task<kube::result<void>> check(std::string ns, bool expect_it);
  kube::task<kube::result<void>> put_right(std::string ns, std::string resource_version);

  kube::client& client_;
  namespace_checks checks_;
};

}  // namespace codeexec::reconciler
