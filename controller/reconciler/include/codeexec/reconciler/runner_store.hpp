// The runner in the cluster: one immutable ConfigMap per namespace, named after its content.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "codeexec/async/event.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/kube_client/client.hpp"

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
  kube::task<kube::result<void>> ensure(std::string ns, std::chrono::seconds max_age);

 private:
  struct entry {
    base::steady_time checked{};
    bool was_checked = false;
    std::shared_ptr<async::event> under_way;  // set when the request that is under way has ended
  };

  kube::task<kube::result<void>> check(std::string ns, bool expect_it);
  kube::result<void> compare(std::string_view ns, std::string_view body) const;

  boost::asio::any_io_executor executor_;
  kube::client& client_;
  base::clock const& clock_;
  std::string_view runner_;
  std::string sha256_;
  std::string name_;
  std::unordered_map<std::string, entry> namespaces_;
};

}  // namespace codeexec::reconciler
