// One connection to a server, plain or TLS, and the HTTP/1.1 steps on it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "codeexec/base/deadline.hpp"
#include "codeexec/net/error.hpp"
#include "codeexec/net/tls.hpp"

namespace codeexec::net {

struct endpoint {
  std::string host;  ///< a name or a literal address; the latter never meets a resolver
  std::uint16_t port = 0;
  tls_context tls;          ///< null: plain
  std::string server_name;  ///< what the certificate must name; empty: host
  bool verify_name = true;
};

/// Owned by one coroutine at a time: never two reads, never two writes at once. Destroying it closes the socket without
/// a TLS goodbye, which is right after a complete message and after a failure alike.
class connection {
 public:
  using request = boost::beast::http::request<boost::beast::http::string_body>;
  using parser = boost::beast::http::response_parser<boost::beast::http::buffer_body>;

  struct step {
    boost::system::error_code ec;
    std::size_t bytes = 0;
  };

  /// Resolves, connects, shakes hands. Errors: cancelled, timeout, connect, tls.
  static boost::asio::awaitable<result<std::unique_ptr<connection>>> open(std::shared_ptr<endpoint const> to,
                                                                          base::deadline by);

  connection(connection const&) = delete;
  connection& operator=(connection const&) = delete;
  ~connection();

  /// `message` must live until the call has ended.
  boost::asio::awaitable<step> write(request const& message, base::deadline by);
  /// The status line and the headers into `into`, which must live until the call has ended.
  boost::asio::awaitable<step> read_header(parser& into, base::deadline by);
  /// Body bytes as they come, into the buffer that `into` was given. An ec of need_buffer never comes out.
  boost::asio::awaitable<step> read_some(parser& into, base::deadline by);

  /// False where the peer has closed, or has sent what nobody asked for: not to be used again.
  bool is_idle_and_open();

  /// True where bytes were read that no parser has taken yet.
  bool has_unparsed() const { return buffer_.size() != 0; }

  endpoint const& peer() const { return *to_; }
  std::string verify_failure() const;

 private:
  using tcp_stream = boost::beast::tcp_stream;
  using tls_stream = boost::beast::ssl_stream<tcp_stream>;

  connection(boost::asio::any_io_executor const& executor, std::shared_ptr<endpoint const> to);

  boost::asio::awaitable<step> handshake(base::deadline by);
  tcp_stream& lowest();
  void expire_at(base::deadline by);
  bool name_peer();

  std::shared_ptr<endpoint const> to_;
  std::optional<tcp_stream> plain_;
  std::optional<tls_stream> tls_;
  /// Bytes read ahead of the parser. Kept across messages: it may hold the beginning of the next one.
  boost::beast::flat_buffer buffer_;
};

/// What a failed step means. `fallback` where the code itself does not say.
error to_error(boost::system::error_code ec, failure fallback, std::string_view doing, bool cancelled);

}  // namespace codeexec::net
