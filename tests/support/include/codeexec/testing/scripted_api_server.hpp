// A server on loopback that answers as its script says, byte by byte where that matters, and remembers what it was
// asked.
//
// It knows nothing of the API: a test says what a server would answer, and how the network misbehaves on the way.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codeexec/testing/test_pki.hpp"

namespace codeexec::testing {

/// What the server does with one request: pieces of bytes, each written by itself, then an ending.
class reply {
 public:
  enum class ending {
    keep_alive,  ///< the next request may come on this connection
    close,       ///< in order: with a TLS goodbye where there is TLS
    truncate,    ///< the TCP connection ends without a TLS goodbye
    reset,       ///< RST
    silence,     ///< stays open and says nothing more
  };
  struct piece {
    std::string bytes;
    std::chrono::milliseconds delay{0};  ///< before it is written
  };

  /// A whole answer with Content-Length.
  static reply answer(int status, std::string body, std::string content_type = "application/json");
  /// 200 and a chunked body, each string one chunk written by itself; ended in order.
  static reply stream(std::vector<std::string> chunks);
  /// These bytes and nothing else.
  static reply raw(std::string bytes);
  /// The request arrives and nothing comes back; the connection is reset.
  static reply lost();
  /// The request arrives and nothing comes back; the connection stays open.
  static reply mute();

  /// Before the end of the headers.
  reply&& header(std::string_view name, std::string_view value) &&;
  /// Waits before every piece.
  reply&& slowly(std::chrono::milliseconds pause) &&;
  /// Cuts all bytes of the answer into pieces of `size` bytes, each written by itself.
  reply&& in_pieces_of(std::size_t size) &&;
  /// Keeps only the first `size` bytes of the whole answer.
  reply&& cut_to(std::size_t size) &&;
  /// Without the end mark of a chunked body.
  reply&& unfinished() &&;
  reply&& then(ending how) &&;

  std::vector<piece> const& pieces() const { return pieces_; }
  ending end() const { return ending_; }

 private:
  std::vector<piece> pieces_;
  ending ending_ = ending::keep_alive;
};

struct recorded_request {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;
  int connection = 0;  ///< 1 for the first connection accepted
  std::string client;  ///< the common name of the certificate that the client showed; empty: none
};

/// Lifetime: await stop() before destruction. Thread: the executor's.
class scripted_api_server {
 public:
  struct tls_options {
    certificate server;         ///< what it shows
    std::string client_ca_pem;  ///< not empty: a client certificate of that authority is required
    int newest_version = 0;     ///< TLS1_1_VERSION, ...; 0: whatever there is
  };

  explicit scripted_api_server(boost::asio::any_io_executor executor);
  scripted_api_server(boost::asio::any_io_executor executor, tls_options const& tls);
  scripted_api_server(scripted_api_server const&) = delete;
  scripted_api_server& operator=(scripted_api_server const&) = delete;
  ~scripted_api_server();

  /// The replies to requests with this method whose target begins with `target`: the first takes the first, the last is
  /// repeated. Later rules win. Without a rule: 404 with a Status.
  void on(std::string method, std::string target, std::vector<reply> replies);
  void on(std::string method, std::string target, reply one);

  /// "http://127.0.0.1:PORT" or "https://...".
  std::string url() const;
  std::uint16_t port() const;
  std::vector<recorded_request> const& requests() const;
  int connections() const;
  /// What the clients asked for by server name indication, one entry a handshake; empty where they named nobody.
  std::vector<std::string> const& server_names() const;
  /// The most requests that were being answered at the same time.
  int most_at_once() const;
  /// Closes connections that wait for their next request, as a server does with idle ones.
  void close_idle();
  /// Writes to every connection, below any TLS: what no request asked for.
  void say_to_all(std::string const& bytes);

  boost::asio::awaitable<void> stop();

 private:
  struct state;
  std::shared_ptr<state> state_;
};

/// A metav1.Status as a real server writes it.
std::string status_body(int code, std::string_view reason, std::string_view message);

}  // namespace codeexec::testing
