#include "codeexec/net/tls.hpp"

#include <boost/asio/buffer.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace codeexec::net {
namespace asio = boost::asio;

base::result<tls_context> make_client_tls(tls_options const& options) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  auto* const native = context->native_handle();
  if (SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION) != 1) return base::error("TLS 1.2 is not available");
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION);
  // Servers that offer HTTP/2 choose it unless told that we speak HTTP/1.1 alone. The call's result is 0 on success.
  static constexpr unsigned char alpn[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  if (SSL_CTX_set_alpn_protos(native, alpn, sizeof alpn) != 0) return base::error("ALPN is not available");

  boost::system::error_code ec;
  context->set_verify_mode(options.verify ? asio::ssl::verify_peer : asio::ssl::verify_none, ec);
  if (!options.ca_pem.empty()) {
    context->add_certificate_authority(asio::buffer(options.ca_pem), ec);
    if (ec) return base::error("the certificate authority holds no usable certificate: " + ec.message());
    // As Go's clients do: what somebody names as an anchor is one, an intermediate whose root is not given too.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(native), X509_V_FLAG_PARTIAL_CHAIN);
  } else if (options.verify) {
    context->set_default_verify_paths(ec);
    if (ec) return base::error("the machine's certificate store cannot be read: " + ec.message());
  }

  if (options.certificate_pem.empty() != options.key_pem.empty()) {
    return base::error("a client certificate needs both certificate and key");
  }
  if (!options.certificate_pem.empty()) {
    context->use_certificate_chain(asio::buffer(options.certificate_pem), ec);
    if (ec) return base::error("the client certificate is unusable: " + ec.message());
    // Without this OpenSSL would ask for the passphrase of an encrypted key on the terminal.
    context->set_password_callback([](std::size_t, asio::ssl::context::password_purpose) { return std::string(); }, ec);
    context->use_private_key(asio::buffer(options.key_pem), asio::ssl::context::pem, ec);
    if (ec) return base::error("the client key is unusable: " + ec.message());
    if (SSL_CTX_check_private_key(native) != 1) {
      ERR_clear_error();
      return base::error("the client key does not belong to the client certificate");
    }
  }
  return context;
}

}  // namespace codeexec::net
