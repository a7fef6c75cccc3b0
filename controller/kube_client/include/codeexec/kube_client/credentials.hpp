// What proves to the API server who we are, request by request.
#pragma once

#include <memory>
#include <string>

#include "codeexec/base/deadline.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/kube_client/client.hpp"
#include "codeexec/kube_client/cluster_config.hpp"
#include "codeexec/kube_core/error.hpp"

namespace codeexec::kube {

/// Thread: the client's. Implementations stand in src/credentials/, one small class each.
class credentials {
 public:
  credentials() = default;
  credentials(credentials const&) = delete;
  credentials& operator=(credentials const&) = delete;
  virtual ~credentials() = default;

  /// The value of the Authorization header; empty: none. A coroutine, because some have to run a program or ask a
  /// service. Errors: kind `config` (or timeout, cancelled). The value is a secret: never logged.
  virtual task<result<std::string>> authorization(base::deadline by) = 0;

  /// The server answered 401: whatever is remembered is stale. The next authorization() gets it anew.
  virtual void rejected() = 0;
};

/// `clock` must outlive what is returned.
std::unique_ptr<credentials> make_credentials(identity const& who, base::clock const& clock,
                                              config_environment const& environment);

}  // namespace codeexec::kube
