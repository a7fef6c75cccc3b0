#include <boost/asio/buffer.hpp>
#include <openssl/ssl.h>

#include "codeexec/net/server.hpp"

namespace codeexec::net {

namespace asio = boost::asio;

base::result<tls_context> make_server_tls(std::string const& certificate_pem, std::string const& key_pem) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  auto* const native = context->native_handle();
  if (SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION) != 1) {
    return base::error("TLS 1.2 is not available");
  }
  boost::system::error_code ec;
  context->use_certificate_chain(asio::buffer(certificate_pem), ec);
  if (ec) {
    return base::error("the server's certificate is unusable: " + ec.message());
  }
  context->use_private_key(asio::buffer(key_pem), asio::ssl::context::pem, ec);
  if (ec) {
    return base::error("the server's key is unusable: " + ec.message());
  }
  return context;
}

}  // namespace codeexec::net
