// TLS contexts from a cluster's configuration, made anew when a file behind them changes.
#pragma once

#include <optional>

#include "codeexec/base/time.hpp"
#include "codeexec/kube_client/cluster_config.hpp"
#include "codeexec/kube_client/credentials.hpp"
#include "codeexec/net/tls.hpp"

namespace codeexec::kube {

class tls_source {
 public:
  tls_source(cluster_config const& config, base::clock const& clock, config_environment environment);

  /// The first context. Errors: kind `config`.
  result<net::tls_context> load();

  struct change {
    net::tls_context context;     ///< null: none
    bool another_client = false;  ///< it shows another certificate of ours than the one before
  };

  /// Another context where a file has changed since, or where `certificate` is another object than last time. Looks at
  /// files at most once a minute; those that cannot be used now leave the context in use as it is, and are looked at
  /// again. Errors: kind `connect`: `certificate` is unusable.
  result<change> poll(std::shared_ptr<client_certificate const> const& certificate);

  /// The server did not take what was shown: the next poll() looks at the files, whenever it last did.
  void look_again() { looked_at_.reset(); }

 private:
  base::result<net::tls_options> read() const;
  change poll_files();

  pem_source certificate_authority_;
  pem_source client_certificate_;
  pem_source client_key_;
  bool verify_;
  base::clock const& clock_;
  config_environment environment_;
  net::tls_options in_use_;
  std::shared_ptr<client_certificate const> given_;  ///< in place of the configuration's
  std::optional<base::steady_time> looked_at_;       ///< nothing: looked at again at the next poll()
};

}  // namespace codeexec::kube
