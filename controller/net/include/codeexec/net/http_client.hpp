// HTTP/1.1 to one server: a bounded pool of kept-alive connections, streamed and whole answers.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/verb.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codeexec/base/deadline.hpp"
#include "codeexec/net/connection.hpp"
#include "codeexec/net/error.hpp"

namespace codeexec::net {

struct http_request {
  boost::beast::http::verb method = boost::beast::http::verb::get;
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;  ///< Host, Connection and Content-Length are ours
  /// Shared, because the caller may have to send it once more; null: none.
  std::shared_ptr<std::string const> body;
  /// Sending it twice does no more than once: it may be repeated where a kept-alive connection turns out dead.
  bool idempotent = false;
  /// The server may compress the answer. For send() alone, which takes it apart again.
  bool accept_gzip = false;
  /// Asked once there is a connection to send it on, before its first byte: why it must not be sent any more. That ends
  /// it with failure::cancelled. Null: nothing speaks against it.
  std::function<std::optional<std::string>()> objection;
};

struct http_response {
  int status = 0;
  boost::beast::http::fields headers;
  std::string body;
};

/// The body of an answer as it comes. Destroying it before the end closes the connection.
class response_stream {
 public:
  response_stream(response_stream const&) = delete;
  response_stream& operator=(response_stream const&) = delete;
  ~response_stream();

  int status() const;
  boost::beast::http::fields const& headers() const;

  /// At least one byte as soon as there is one; an empty string at the orderly end, and after it. A body that breaks
  /// off is failure::connection, never an end; one in an encoding that nobody asked for is failure::protocol.
  /// Cancellable (terminal). After an error only destruction makes sense.
  boost::asio::awaitable<result<std::string>> read_some(base::deadline by);

  /// The whole rest, decompressed; failure::too_large, and the connection closed, where it is longer than `limit`.
  boost::asio::awaitable<result<std::string>> read_rest(std::size_t limit, base::deadline by);

  /// As much of it as comes, at most `limit` bytes, for an answer whose status is what matters. Only cancellation is an
  /// error. Where something is missing, the connection is closed.
  boost::asio::awaitable<result<std::string>> read_beginning(std::size_t limit, base::deadline by);

 private:
  friend class http_client;
  struct state;
  explicit response_stream(std::unique_ptr<state> s);
  boost::asio::awaitable<result<std::size_t>> read_into(char* to, std::size_t size, base::deadline by);
  boost::asio::awaitable<result<std::string>> read_plain(std::size_t limit, base::deadline by);
  boost::asio::awaitable<result<std::string>> read_gzip(std::size_t limit, base::deadline by);
  std::unique_ptr<state> state_;
};

struct http_client_options {
  /// For whole exchanges; those beyond wait in line. Streams have their own, of which as many are kept when they ended.
  std::size_t max_connections = 16;
  std::chrono::seconds max_idle{45};         ///< a kept connection that was unused for longer is closed, not used
  std::size_t max_body = 64U * 1024 * 1024;  ///< of a whole answer, decompressed
  std::size_t max_refusal = 1024 * 1024;     ///< of an answer outside 2xx: what is beyond is cut off
  std::shared_ptr<resolver> names;           ///< null: one of its own
};

/// Since the client was made.
struct http_counters {
  std::uint64_t opened = 0;  ///< connections
  std::uint64_t reused = 0;  ///< requests sent on a kept connection
  std::uint64_t stale = 0;   ///< of those, sent again because the connection was dead
};

/// Redirects are answers like any other and never followed: a credential must not go where an answer points.
///
/// Lifetime: streams and calls under way may outlive it. Thread: one executor. Both calls are cancellable (terminal).
class http_client {
 public:
  http_client(boost::asio::any_io_executor executor, std::shared_ptr<endpoint const> to, std::string host_header,
              http_client_options options = {});
  http_client(http_client const&) = delete;
  http_client& operator=(http_client const&) = delete;
  ~http_client();

  /// Sends, and reads the whole answer, whatever its status. Waits in line while all connections are in use.
  boost::asio::awaitable<result<http_response>> send(http_request request, base::deadline by);

  /// Sends, and returns with the headers of the answer, whatever its status. On a connection that a stream has left at
  /// its orderly end, or on a new one.
  boost::asio::awaitable<result<std::unique_ptr<response_stream>>> open(http_request request, base::deadline by);

  enum class open_streams { go_on, end };
  /// Calls from now on go there (a rotated CA, another client certificate); those before, which may still wait in line,
  /// go where they would have gone. Kept connections are closed; those of whole exchanges serve until the exchange is
  /// over; a stream, which has no end of its own, goes on or ends with failure::connection.
  void reconfigure(std::shared_ptr<endpoint const> to, open_streams with);

  std::size_t idle_connections() const;
  http_counters const& counted() const;

 private:
  enum class purpose { call, stream };
  struct pool;
  std::shared_ptr<pool> pool_;
  friend class response_stream;
};

}  // namespace codeexec::net
