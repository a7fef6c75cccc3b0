// What must stand once in each namespace, for all executions in it: looked at now and then, by one for all who ask.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "codeexec/async/event.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/kube_client/client.hpp"

namespace codeexec::reconciler {

/// Lifetime: the clock and whatever the check uses outlive it. Thread: the client's.
class namespace_checks {
 public:
  /// Sees to it that the thing stands in the namespace. `expect_it`: it did when it was last looked at.
  using check = std::function<kube::task<kube::result<void>>(std::string ns, bool expect_it)>;

  /// `what`: for the error of one that waited in vain.
  namespace_checks(boost::asio::any_io_executor executor, base::clock const& clock, std::string what, check how);

  /// Costs nothing where a check has succeeded within `max_age`; callers for one namespace share one check.
  kube::task<kube::result<void>> ensure(std::string ns, std::chrono::seconds max_age);

  /// For whoever is about to remove the thing. False: somebody has asked for it within `idle`, or a check is under way.
  /// True: whoever asks from now on waits until end_removal(), and checks then.
  bool begin_removal(std::string const& ns, std::chrono::seconds idle);
  void end_removal(std::string const& ns);

 private:
  struct entry {
    base::steady_time asked{};
    base::steady_time checked{};
    bool was_checked = false;
    std::shared_ptr<async::event> under_way;  // set when the check or the removal that is under way has ended
  };

  boost::asio::any_io_executor executor_;
  base::clock const& clock_;
  std::string what_;
  check check_;
  std::unordered_map<std::string, entry> namespaces_;
};

}  // namespace codeexec::reconciler
