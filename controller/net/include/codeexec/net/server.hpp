// An HTTP/1.1 server, plain or TLS: for the one-machine stand-in and for tests.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/verb.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codeexec/async/task_group.hpp"
#include "codeexec/base/result.hpp"
#include "codeexec/net/tls.hpp"

namespace codeexec::net {

struct server_request {
  boost::beast::http::verb method = boost::beast::http::verb::get;
  std::string target;
  boost::beast::http::fields headers;
  std::string body;
  /// The body was longer than the server takes; it was read to its end and dropped, so that the answer arrives.
  bool body_too_large = false;

  std::string header(std::string_view name) const;
};

using header_list = std::vector<std::pair<std::string, std::string>>;

/// One request's answer. Lives as long as the handler's call. Exactly one of respond() and begin_stream().
class exchange {
 public:
  exchange() = default;
  exchange(exchange const&) = delete;
  exchange& operator=(exchange const&) = delete;
  virtual ~exchange() = default;

  /// The whole answer. False: the client is gone.
  virtual boost::asio::awaitable<bool> respond(int status, header_list headers, std::string body) = 0;

  /// Status and headers of an answer that comes in chunks. `on_gone` is called once, on the server's thread, when the
  /// client closes the connection while the answer is under way; not after the handler has returned.
  virtual boost::asio::awaitable<bool> begin_stream(int status, header_list headers, std::function<void()> on_gone) = 0;
  /// One chunk, sent at once. False: the client is gone, or took nothing for the write timeout.
  virtual boost::asio::awaitable<bool> write(std::string chunk) = 0;
  // The stream ends when the handler returns, and its connection serves the next request, as with Go's server. Not
  // where the client said `Connection: close`, or asked by HEAD.

  /// Ends the connection at once and without a word, as a failing network does: the client sees "connection reset".
  virtual void reset() = 0;

  /// Says nothing more, as the far end of a connection that is half open: comes back once the client has closed it.
  /// Cancellable.
  virtual boost::asio::awaitable<void> fall_silent() = 0;
};

class request_handler {
 public:
  request_handler() = default;
  request_handler(request_handler const&) = delete;
  request_handler& operator=(request_handler const&) = delete;
  virtual ~request_handler() = default;

  /// Many at once, all on the server's thread. Cancelled (terminal) when the server stops. An exception is logged and
  /// closes the connection.
  virtual boost::asio::awaitable<void> handle(server_request request, exchange& answer) = 0;
};

struct server_options {
  std::size_t max_body = 3u * 1024u * 1024u;
  std::size_t max_header = 64u * 1024u;
  std::size_t max_connections = 4096;      ///< beyond, new ones wait in the kernel's queue
  std::chrono::seconds idle{300};          ///< between requests, and for the rest of one that has begun
  std::chrono::seconds write_timeout{30};  ///< for a client that takes nothing
  tls_context tls;                         ///< null: plain HTTP
};

/// TLS 1.2 or newer with this certificate (chain) and key, both PEM; clients are not asked for one.
base::result<tls_context> make_server_tls(std::string const& certificate_pem, std::string const& key_pem);

/// Thread: one executor. Lifetime: the handler must outlive it; await stop() before destruction.
class http_server {
 public:
  http_server(boost::asio::any_io_executor executor, request_handler& handler, server_options options = {});
  http_server(http_server const&) = delete;
  http_server& operator=(http_server const&) = delete;
  ~http_server();

  /// Binds and accepts from now on. Port 0: any free one. The bound endpoint, or why not.
  base::result<boost::asio::ip::tcp::endpoint> listen(boost::asio::ip::tcp::endpoint where);

  /// The same with a socket that listens already, made by somebody else (in another network namespace, say). The server
  /// owns it from now on, also where this fails.
  base::result<void> adopt(int listening);

  /// Accepts nothing any more, cancels what is under way, waits for it.
  boost::asio::awaitable<void> stop();

  std::size_t connections() const;

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace codeexec::net
