// TLS contexts for clients: TLS 1.2 or newer, the peer always verified unless a person asked otherwise.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "codeexec/base/result.hpp"

namespace codeexec::net {

struct tls_options {
  std::string ca_pem;           ///< what to trust, each for itself; empty: the machine's own store
  std::string certificate_pem;  ///< chain of the client's certificate; empty: none
  std::string key_pem;
  bool verify = true;
};

using tls_context = std::shared_ptr<boost::asio::ssl::context>;

/// Errors say which of the PEM texts is unusable; no key material is ever part of a message.
base::result<tls_context> make_client_tls(tls_options const& options);

}  // namespace codeexec::net
