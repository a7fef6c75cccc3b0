// What proves to the API server who we are, request by request.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "codeexec/base/deadline.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/kube_client/client.hpp"
#include "codeexec/kube_client/cluster_config.hpp"
#include "codeexec/kube_client/program.hpp"
#include "codeexec/kube_core/error.hpp"

namespace codeexec::kube {

/// Certificate chain and key for TLS, as PEM.
struct client_certificate {
  std::string certificate_pem;
  std::string key_pem;
};

/// What proves who we are. All of it is secret: never logged.
struct credential {
  std::string authorization;  ///< value of the Authorization header; empty: none
  /// To be shown in the TLS handshake, in place of the configuration's; null: nothing to add. Another object: another
  /// certificate.
  std::shared_ptr<client_certificate const> certificate;

  bool operator==(credential const&) const = default;
};

/// Thread: the client's. Implementations stand in src/credentials/, one small class each.
class credentials {
 public:
  credentials() = default;
  credentials(credentials const&) = delete;
  credentials& operator=(credentials const&) = delete;
  virtual ~credentials() = default;

  /// What to send a request with now. A coroutine, because some have to run a program. Errors: kind `connect`: nothing
  /// was sent, and it may go better later (or timeout); `config`: a token that no header can hold.
  virtual task<result<credential>> current(base::deadline by) = 0;

  /// The server answered 401 to a request that was sent with `used`: if that is what is remembered, it is stale, and
  /// the next current() gets another. Where many requests are refused at once, only the first changes anything.
  virtual void rejected(credential const& used) = 0;
};

/// `executor` is where the client's calls run; `clock` must outlive what is returned; `run` starts exec plugins.
std::unique_ptr<credentials> make_credentials(boost::asio::any_io_executor executor, cluster_config const& config,
                                              base::clock const& clock, config_environment const& environment,
                                              program_runner run = system_programs());

}  // namespace codeexec::kube
