#include "codeexec/net/connection.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/write.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include "codeexec/async/cancellation.hpp"
#include "codeexec/net/url.hpp"

#include "layer.hpp"

namespace codeexec::net {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);

constexpr std::uint32_t max_proxy_header = 64U * 1024;
/// Of bytes read ahead; more than any header may have.
constexpr std::size_t max_buffer = 256U * 1024;
/// Beast reads no more at once than the buffer has room for, 512 bytes where nobody made any: a call of the kernel, and
/// of everything that waits for it, for each half kilobyte of an answer.
constexpr std::size_t first_buffer = 8U * 1024;
constexpr std::size_t full_buffer = 64U * 1024;
/// What one of several addresses gets at least.
constexpr std::chrono::seconds least_connect_time{2};

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

std::string authority_of(std::string const& host, std::uint16_t port) {
  auto const bracketed = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return bracketed + ":" + std::to_string(port);
}

/// An equal part of what is left, but not so little that no far server could answer in it.
std::chrono::steady_clock::duration fair_part(base::deadline by, std::size_t tries_left) {
  auto const left = by.at() - std::chrono::steady_clock::now();
  auto const part = left / static_cast<std::chrono::steady_clock::rep>(std::max<std::size_t>(tries_left, 1));
  return std::max<std::chrono::steady_clock::duration>(part, least_connect_time);
}

bool name_peer(SSL* ssl, std::string name, bool verify) {
  if (name.ends_with('.')) name.pop_back();  // certificates name hosts without the root's dot
  // RFC 6066: the server name indication is for names, never for literal addresses.
  if (!is_ip_address(name)) {
    // What the macro SSL_set_tlsext_host_name does, without its C cast.
    if (SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) != 1) return false;
  }
  if (!verify) return true;
  // OpenSSL's own check rather than a callback after it: a mismatch then has its own verdict and message.
  auto* const parameters = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(parameters,
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (is_ip_address(name)) return X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str()) == 1;
  return X509_VERIFY_PARAM_set1_host(parameters, name.c_str(), name.size()) == 1;
}

bool is_alert(boost::system::error_code ec) {
  return ERR_GET_REASON(static_cast<unsigned long>(ec.value())) >= SSL_AD_REASON_OFFSET;
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
  if (ec.category() == asio::error::get_ssl_category() && is_alert(ec)) {
    return error(failure::tls, what + ": " + ec.message());
  }
  return error(fallback, what + ": " + ec.message());
}

void throw_exception_from_error(error const& e, boost::source_location const&) {
  throw std::runtime_error(e.message);
}

connection::connection(asio::any_io_executor const& executor, std::shared_ptr<endpoint const> to)
    : to_(std::move(to)),
      top_(std::make_unique<tcp_layer>(executor)),
      tcp_(top_->tcp()),
      stream_(std::make_unique<layer_stream>(*top_)),
      buffer_(max_buffer) {
  buffer_.reserve(first_buffer);
}

connection::~connection() = default;

void connection::expire_at(base::deadline by) {
  if (by.is_never()) {
    tcp_.expires_never();
  } else {
    tcp_.expires_at(by.at());
  }
}

asio::awaitable<result<std::unique_ptr<connection>>> connection::open(std::shared_ptr<endpoint const> to,
                                                                      std::shared_ptr<resolver> names,
                                                                      base::deadline by) {
  auto const own_limit = base::deadline::after(to->connect_timeout);
  auto opened = co_await establish(to, names, by.min(own_limit));
  if (!opened && opened.error().kind == failure::timeout && own_limit.at() < by.at()) {
    // The caller still has time; nothing was sent.
    co_return error(failure::connect, opened.error().message + ": no answer within " +
                                          std::to_string(to->connect_timeout.count()) + " s");
  }
  co_return std::move(opened);
}

asio::awaitable<result<std::unique_ptr<connection>>> connection::establish(std::shared_ptr<endpoint const> to,
                                                                           std::shared_ptr<resolver> names,
                                                                           base::deadline by) {
  auto const executor = co_await asio::this_coro::executor;
  auto const& host = to->via ? to->via->host : to->host;
  auto const port = to->via ? to->via->port : to->port;
  auto const where = (to->via ? "the proxy " : "") + authority_of(host, port);
  auto const addresses = co_await names->resolve(host, by);
  if (!addresses) co_return addresses.error();

  std::unique_ptr<connection> self(new connection(executor, to));
  auto const connected = co_await self->connect(*addresses, port, where, by);
  if (!connected) co_return connected.error();

  if (to->via && to->via->tls) {
    auto const met = co_await self->shake_hands(to->via->tls, host, true, where, by);
    if (!met) co_return met.error();
  }
  if (to->via && to->tls) {
    auto const let_through = co_await self->ask_proxy(by);
    if (!let_through) co_return let_through.error();
  }
  if (to->tls) {
    auto const& name = to->server_name.empty() ? to->host : to->server_name;
    auto const server = authority_of(to->host, to->port);
    auto const met = co_await self->shake_hands(to->tls, name, to->verify_name, server, by);
    if (!met) co_return met.error();
  }
  co_return std::move(self);
}

asio::awaitable<result<void>> connection::connect(std::vector<asio::ip::address> addresses, std::uint16_t port,
                                                  std::string where, base::deadline by) {
  boost::system::error_code failed = asio::error::host_not_found;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    tcp_.close();
    // An address that swallows everything must not use up the time of those after it.
    expire_at(by.min(base::deadline::after(fair_part(by, addresses.size() - i))));
    tcp::endpoint const address(addresses[i], port);
    auto const [ec] = co_await tcp_.async_connect(address, token);
    auto const cancellation = co_await asio::this_coro::cancellation_state;
    if (async::is_cancelled(cancellation)) co_return error(failure::cancelled, "connecting to " + where);
    failed = ec;
    if (!ec) break;
    if (by.passed()) break;
  }
  if (failed) co_return to_error(failed, failure::connect, "connecting to " + where, false);
  prepare(tcp_.socket());
  co_return result<void>();
}

asio::awaitable<result<void>> connection::ask_proxy(base::deadline by) {
  auto const target = authority_of(to_->host, to_->port);
  request ask(http::verb::connect, target, 11);
  ask.set(http::field::host, target);
  if (!to_->via->authorization.empty()) ask.set(http::field::proxy_authorization, to_->via->authorization);
  parser answer;
  answer.skip(true);  // no body follows a CONNECT's answer that we would read
  answer.header_limit(max_proxy_header);

  auto done = co_await write(ask, by);
  if (!done.ec) done = co_await read_header(answer, by);
  auto const doing = "asking the proxy " + authority_of(to_->via->host, to_->via->port) + " for " + target;
  if (done.ec) {
    auto const cancellation = co_await asio::this_coro::cancellation_state;
    co_return to_error(done.ec, failure::connect, doing, async::is_cancelled(cancellation));
  }
  auto const status = answer.get().result_int();
  if (status < 200 || status > 299) {
    auto const known = http::obsolete_reason(http::int_to_status(status));
    co_return error(failure::connect, doing + ": it answered " + std::to_string(status) + " " + std::string(known));
  }
  // The client speaks first in TLS: whatever came after the answer is not from the server.
  if (buffer_.size() != 0) co_return error(failure::protocol, doing + ": it sent more than its answer");
  co_return result<void>();
}

asio::awaitable<result<void>> connection::shake_hands(tls_context with, std::string name, bool verify_name,
                                                      std::string where, base::deadline by) {
  auto tls = std::make_unique<tls_layer>(std::move(top_), std::move(with));
  auto& ssl = tls->ssl();
  top_ = std::move(tls);
  stream_ = std::make_unique<layer_stream>(*top_);
  auto* const native = ssl.native_handle();
  if (!name_peer(native, name, verify_name))
    co_return error(failure::tls, "the server name " + name + " cannot be used");
  expire_at(by);
  auto const [ec] = co_await ssl.async_handshake(asio::ssl::stream_base::client, token);
  if (!ec) co_return result<void>();
  auto const cancellation = co_await asio::this_coro::cancellation_state;
  auto failed = to_error(ec, failure::tls, "TLS handshake with " + where, async::is_cancelled(cancellation));
  auto const verdict = SSL_get_verify_result(native);
  if (failed.kind == failure::tls && verdict != X509_V_OK) {
    failed.message += " (" + std::string(X509_verify_cert_error_string(verdict)) + ")";
  }
  co_return failed;
}

asio::awaitable<connection::step> connection::write(request const& message, base::deadline by) {
  expire_at(by);
  auto const [ec, bytes] = co_await http::async_write(*stream_, message, token);
  co_return step{ec, bytes};
}

asio::awaitable<connection::step> connection::read_header(parser& into, base::deadline by) {
  expire_at(by);
  auto const [ec, bytes] = co_await http::async_read_header(*stream_, buffer_, into, token);
  co_return step{ec, bytes};
}

asio::awaitable<connection::step> connection::read_some(parser& into, base::deadline by) {
  expire_at(by);
  // async_read_some, not async_read: the latter returns only when the body's buffer is full, and an event would wait
  // for the events after it.
  auto [ec, bytes] = co_await http::async_read_some(*stream_, buffer_, into, token);
  if (ec == http::error::need_buffer) ec = {};
  // Where a lot comes, a lot is read at once.
  if (bytes >= buffer_.capacity() / 2 && buffer_.capacity() < full_buffer) buffer_.reserve(full_buffer);
  co_return step{ec, bytes};
}

void connection::cut() {
  cut_ = true;
  // Not closed: the one who reads still holds it, and learns of it by the end of what comes.
  boost::system::error_code ignored;
  tcp_.socket().shutdown(tcp::socket::shutdown_both, ignored);
}

bool connection::is_idle_and_open() {
  if (buffer_.size() != 0) return false;
  char byte = 0;
  auto const got = ::recv(tcp_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  // Bytes that wait here belong to no answer of ours: a TLS goodbye, or a server out of step. (Session tickets come
  // with the handshake and are read with the first answer.)
  return got < 0 && errno == EAGAIN;
}

}  // namespace codeexec::net
