// One connection to a server, plain or TLS, and the HTTP/1.1 steps on it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/span_body.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/base/deadline.hpp"
#include "codeexec/net/error.hpp"
#include "codeexec/net/resolver.hpp"
#include "codeexec/net/tls.hpp"

namespace codeexec::net {

/// An HTTP proxy. To a TLS server it opens a tunnel (CONNECT); requests to a plain server are sent to it whole, with
/// the absolute URL as their target (http_client does that).
struct proxy {
  std::string host;
  std::uint16_t port = 0;
  tls_context tls;            ///< null: the way to the proxy itself is plain
  std::string authorization;  ///< value of Proxy-Authorization; empty: none. A secret
};

struct endpoint {
  std::string host;  ///< a name or a literal address; the latter never meets a resolver
  std::uint16_t port = 0;
  tls_context tls;          ///< null: plain
  std::string server_name;  ///< what the certificate must name; empty: host
  bool verify_name = true;
  std::shared_ptr<proxy const> via;  ///< null: straight. Else the proxy resolves `host`
  /// For all of name, TCP, proxy and TLS. Shorter than a call's deadline, so that a peer that does not answer is told
  /// apart from a server that is slow.
  std::chrono::seconds connect_timeout{15};
};

class layer;
class layer_stream;

/// Owned by one coroutine at a time: never two reads, never two writes at once. Destroying it closes the socket without
/// a TLS goodbye, which is right after a complete message and after a failure alike.
class connection {
 public:
  using request = boost::beast::http::request<boost::beast::http::span_body<char const>>;
  using parser = boost::beast::http::response_parser<boost::beast::http::buffer_body>;

  struct step {
    boost::system::error_code ec;
    std::size_t bytes = 0;
  };

  /// Resolves, connects (to one address after the other, each with a fair part of the time), asks the proxy, shakes
  /// hands. Errors: cancelled, timeout (of `by`), connect (the endpoint's own timeout too), tls, protocol (of a proxy).
  static boost::asio::awaitable<result<std::unique_ptr<connection>>> open(std::shared_ptr<endpoint const> to,
                                                                          std::shared_ptr<resolver> names,
                                                                          base::deadline by);

  connection(connection const&) = delete;
  connection& operator=(connection const&) = delete;
  ~connection();

  /// `message`, and the body it refers to, must live until the call has ended.
  boost::asio::awaitable<step> write(request const& message, base::deadline by);
  /// The status line and the headers into `into`, which must live until the call has ended.
  boost::asio::awaitable<step> read_header(parser& into, base::deadline by);
  /// Body bytes as they come, into the buffer that `into` was given. An ec of need_buffer never comes out.
  boost::asio::awaitable<step> read_some(parser& into, base::deadline by);

  /// False where the peer has closed, or has sent what nobody asked for: not to be used again.
  bool is_idle_and_open();

  /// Ends what is being read or written, and makes it useless for what would come after.
  void cut();
  bool is_cut() const { return cut_; }

  /// True where bytes were read that no parser has taken yet.
  bool has_unparsed() const { return buffer_.size() != 0; }

  endpoint const& peer() const { return *to_; }

 private:
  connection(boost::asio::any_io_executor const& executor, std::shared_ptr<endpoint const> to);
  static boost::asio::awaitable<result<std::unique_ptr<connection>>> establish(std::shared_ptr<endpoint const> to,
                                                                               std::shared_ptr<resolver> names,
                                                                               base::deadline by);
  boost::asio::awaitable<result<void>> connect(std::vector<boost::asio::ip::address> addresses, std::uint16_t port,
                                               std::string where, base::deadline by);
  boost::asio::awaitable<result<void>> ask_proxy(base::deadline by);
  /// Puts TLS on top of what there is.
  boost::asio::awaitable<result<void>> shake_hands(tls_context with, std::string name, bool verify_name,
                                                   std::string where, base::deadline by);
  void expire_at(base::deadline by);

  std::shared_ptr<endpoint const> to_;
  std::unique_ptr<layer> top_;
  boost::beast::tcp_stream& tcp_;  ///< the bottom of it
  std::unique_ptr<layer_stream> stream_;
  /// Bytes read ahead of the parser. Kept across messages: it may hold the beginning of the next one. Bounded, because
  /// the parser looks for the end of a line in it: of a header, of a chunk's extensions.
  boost::beast::flat_buffer buffer_;
  bool cut_ = false;
};

/// What a failed step means. `fallback` where the code itself does not say. A TLS alert is the peer's refusal; any
/// other trouble with TLS is one of `fallback` too, unless that is failure::tls.
error to_error(boost::system::error_code ec, failure fallback, std::string_view doing, bool cancelled);

}  // namespace codeexec::net
