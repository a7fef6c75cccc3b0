#include "codeexec/net/connection.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <vector>

#include "codeexec/async/cancellation.hpp"
#include "codeexec/async/event.hpp"
#include "codeexec/net/url.hpp"

namespace codeexec::net {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);

/// The answer of the resolver's thread, which may come after nobody waits for it any more.
struct lookup {
  explicit lookup(asio::any_io_executor const& executor) : resolver(executor), done(executor) {}
  tcp::resolver resolver;
  async::event done;
  boost::system::error_code ec;
  std::vector<tcp::endpoint> endpoints;
};

/// getaddrinfo cannot be interrupted: at the deadline its result is given up, not its thread.
asio::awaitable<result<std::vector<tcp::endpoint>>> resolve(std::string host, std::uint16_t port, base::deadline by) {
  boost::system::error_code ec;
  auto const address = asio::ip::make_address(host, ec);
  if (!ec) co_return std::vector<tcp::endpoint>{tcp::endpoint(address, port)};

  auto const executor = co_await asio::this_coro::executor;
  auto const state = std::make_shared<lookup>(executor);
  state->resolver.async_resolve(host, std::to_string(port),
                                [state](boost::system::error_code failed, tcp::resolver::results_type const& found) {
                                  state->ec = failed;
                                  for (auto const& entry : found)
                                    state->endpoints.push_back(entry.endpoint());
                                  state->done.set();
                                });
  auto const answered = co_await state->done.wait_until(by);
  if (!answered) {
    state->resolver.cancel();
    auto const cancellation = co_await asio::this_coro::cancellation_state;
    if (async::is_cancelled(cancellation)) co_return error(failure::cancelled, "resolving " + host);
    co_return error(failure::timeout, "resolving " + host);
  }
  if (state->ec) co_return error(failure::connect, "cannot resolve " + host + ": " + state->ec.message());
  co_return std::move(state->endpoints);
}

void set_option(tcp::socket& socket, int level, int name, int value) {
  // Best effort: a kernel without the option still gives a usable connection.
  static_cast<void>(::setsockopt(socket.native_handle(), level, name, &value, sizeof value));
}

/// HTTP/1.1 has no ping. The kernel finds a peer that is gone: probes on an idle connection, and a bound on how long
/// sent bytes may stay unacknowledged.
void prepare(tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, 3);
  set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, 60'000);
}

}  // namespace

error to_error(boost::system::error_code ec, failure fallback, std::string_view doing, bool cancelled) {
  std::string const what(doing);
  // The task's own state comes first: an aborted operation alone does not say who aborted it.
  if (cancelled) return error(failure::cancelled, what);
  if (ec == beast::error::timeout) return error(failure::timeout, what);
  if (ec == http::error::body_limit || ec == http::error::header_limit || ec == http::error::buffer_overflow) {
    return error(failure::too_large, what + ": " + ec.message());
  }
  if (ec == http::error::end_of_stream || ec == http::error::partial_message || ec == asio::error::eof ||
      ec == asio::ssl::error::stream_truncated) {
    return error(fallback, what + ": the server closed the connection");
  }
  if (ec.category() == make_error_code(http::error::end_of_stream).category()) {
    return error(failure::protocol, what + ": " + ec.message());
  }
  if (ec.category() == asio::error::get_ssl_category()) return error(failure::tls, what + ": " + ec.message());
  return error(fallback, what + ": " + ec.message());
}

void throw_exception_from_error(error const& e, boost::source_location const&) {
  throw std::runtime_error(e.message);
}

connection::connection(asio::any_io_executor const& executor, std::shared_ptr<endpoint const> to) : to_(std::move(to)) {
  if (to_->tls) {
    tls_.emplace(executor, *to_->tls);
  } else {
    plain_.emplace(executor);
  }
}

connection::~connection() = default;

beast::tcp_stream& connection::lowest() {
  return tls_ ? tls_->next_layer() : *plain_;
}

void connection::expire_at(base::deadline by) {
  if (by.is_never()) {
    lowest().expires_never();
  } else {
    lowest().expires_at(by.at());
  }
}

std::string connection::verify_failure() const {
  if (!tls_) return {};
  auto const verdict = SSL_get_verify_result(const_cast<tls_stream&>(*tls_).native_handle());
  return verdict == X509_V_OK ? std::string() : X509_verify_cert_error_string(verdict);
}

bool connection::name_peer() {
  auto const& name = to_->server_name.empty() ? to_->host : to_->server_name;
  auto* const ssl = tls_->native_handle();
  // RFC 6066: the server name indication is for names, never for literal addresses.
  if (!is_ip_address(name)) {
    // What the macro SSL_set_tlsext_host_name does, without its C cast.
    auto* const text = static_cast<void*>(const_cast<char*>(name.c_str()));
    if (SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, text) != 1) return false;
  }
  if (!to_->verify_name) return true;
  // OpenSSL's own check rather than a callback after it: a mismatch then has its own verdict and message.
  auto* const parameters = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(parameters,
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (is_ip_address(name)) return X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str()) == 1;
  return X509_VERIFY_PARAM_set1_host(parameters, name.c_str(), name.size()) == 1;
}

asio::awaitable<result<std::unique_ptr<connection>>> connection::open(std::shared_ptr<endpoint const> to,
                                                                      base::deadline by) {
  auto const executor = co_await asio::this_coro::executor;
  auto const bracketed = to->host.find(':') == std::string::npos ? to->host : "[" + to->host + "]";
  auto const where = bracketed + ":" + std::to_string(to->port);
  auto const endpoints = co_await resolve(to->host, to->port, by);
  if (!endpoints) co_return endpoints.error();

  std::unique_ptr<connection> self(new connection(executor, to));
  self->expire_at(by);
  auto const [refused, chosen] = co_await self->lowest().async_connect(*endpoints, token);
  if (refused) {
    auto const cancellation = co_await asio::this_coro::cancellation_state;
    co_return to_error(refused, failure::connect, "connecting to " + where, async::is_cancelled(cancellation));
  }
  prepare(self->lowest().socket());

  if (self->tls_) {
    if (!self->name_peer()) co_return error(failure::tls, "the server name " + to->host + " cannot be used");
    auto const shaken = co_await self->handshake(by);
    if (shaken.ec) {
      auto const cancellation = co_await asio::this_coro::cancellation_state;
      auto failed = to_error(shaken.ec, failure::tls, "TLS handshake with " + where, async::is_cancelled(cancellation));
      auto const verdict = self->verify_failure();
      if (failed.kind == failure::tls && !verdict.empty()) failed.message += " (" + verdict + ")";
      co_return failed;
    }
  }
  co_return std::move(self);
}

asio::awaitable<connection::step> connection::handshake(base::deadline by) {
  expire_at(by);
  auto const [ec] = co_await tls_->async_handshake(asio::ssl::stream_base::client, token);
  co_return step{ec, 0};
}

asio::awaitable<connection::step> connection::write(request const& message, base::deadline by) {
  expire_at(by);
  if (tls_) {
    auto const [ec, bytes] = co_await http::async_write(*tls_, message, token);
    co_return step{ec, bytes};
  }
  auto const [ec, bytes] = co_await http::async_write(*plain_, message, token);
  co_return step{ec, bytes};
}

asio::awaitable<connection::step> connection::read_header(parser& into, base::deadline by) {
  expire_at(by);
  if (tls_) {
    auto const [ec, bytes] = co_await http::async_read_header(*tls_, buffer_, into, token);
    co_return step{ec, bytes};
  }
  auto const [ec, bytes] = co_await http::async_read_header(*plain_, buffer_, into, token);
  co_return step{ec, bytes};
}

asio::awaitable<connection::step> connection::read_some(parser& into, base::deadline by) {
  expire_at(by);
  step out;
  // async_read_some, not async_read: the latter returns only when the body's buffer is full, and an event would wait
  // for the events after it.
  if (tls_) {
    auto const [ec, bytes] = co_await http::async_read_some(*tls_, buffer_, into, token);
    out = step{ec, bytes};
  } else {
    auto const [ec, bytes] = co_await http::async_read_some(*plain_, buffer_, into, token);
    out = step{ec, bytes};
  }
  if (out.ec == http::error::need_buffer) out.ec = {};
  co_return out;
}

bool connection::is_idle_and_open() {
  if (buffer_.size() != 0) return false;
  char byte = 0;
  auto const got = ::recv(lowest().socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  // Bytes that wait here belong to no answer of ours: a TLS goodbye, or a server out of step. (Session tickets come
  // with the handshake and are read with the first answer.)
  return got < 0 && errno == EAGAIN;
}

}  // namespace codeexec::net
