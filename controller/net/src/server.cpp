#include "codeexec/net/server.hpp"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/detect_ssl.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <cstdio>
#include <optional>
#include <unistd.h>

#include "codeexec/async/cancellation.hpp"
#include "codeexec/async/event.hpp"
#include "codeexec/base/log.hpp"

namespace codeexec::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

/// Far beyond this, whoever sends is not worth an answer.
constexpr std::size_t drain_factor = 16;

constexpr std::chrono::seconds handshake_limit{10};

/// What a client may send while its stream is under way, as the beginning of its next request.
constexpr std::size_t most_read_ahead = 64 * 1024;

using request_parser = http::request_parser<http::buffer_body>;

/// One connection, plain or TLS. Shared by the task that serves it and the one that watches it for a goodbye; either
/// may end first. At most one read and one write at a time.
class line {
 public:
  line(tcp::socket socket, tls_context const& tls) : left(socket.get_executor()), watch_ended(socket.get_executor()) {
    if (tls) {
      tls_.emplace(std::move(socket), *tls);
    } else {
      plain_.emplace(std::move(socket));
    }
  }
  line(line const&) = delete;
  line& operator=(line const&) = delete;

  beast::tcp_stream& lowest() { return tls_ ? tls_->next_layer() : *plain_; }

  /// The TLS handshake, where there is one. False: of no further use.
  asio::awaitable<bool> open() {
    if (!tls_) {
      co_return true;
    }
    lowest().expires_after(handshake_limit);
    auto const [detect_ec, is_tls] = co_await beast::async_detect_ssl(lowest(), buffer, as_result);
    if (detect_ec) {
      co_return false;
    }
    if (!is_tls) {
      // What Go's server answers to http:// on this port: a sentence instead of garbage.
      std::string const answer =
          "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
          "Client sent an HTTP request to an HTTPS server.\n";
      (void)co_await asio::async_write(lowest(), asio::buffer(answer), as_result);
      co_return false;
    }
    auto const [ec, used] = co_await tls_->async_handshake(asio::ssl::stream_base::server, buffer.data(), as_result);
    if (ec) {
      base::log::debug("TLS handshake failed", {base::log::kv("error", ec.message())});
      co_return false;
    }
    buffer.consume(used);
    lowest().expires_never();
    co_return true;
  }

  asio::awaitable<beast::error_code> read_header(request_parser& into) {
    if (tls_) {
      auto const [ec, bytes] = co_await http::async_read_header(*tls_, buffer, into, as_result);
      co_return ec;
    }
    auto const [ec, bytes] = co_await http::async_read_header(*plain_, buffer, into, as_result);
    co_return ec;
  }
  asio::awaitable<beast::error_code> read_body(request_parser& into) {
    if (tls_) {
      auto const [ec, bytes] = co_await http::async_read_some(*tls_, buffer, into, as_result);
      co_return ec;
    }
    auto const [ec, bytes] = co_await http::async_read_some(*plain_, buffer, into, as_result);
    co_return ec;
  }
  /// Of what belongs to no request yet.
  asio::awaitable<beast::error_code> read_ahead() {
    constexpr std::size_t piece = 256;
    auto const into = buffer.prepare(piece);
    if (tls_) {
      auto const [ec, bytes] = co_await tls_->async_read_some(into, as_result);
      buffer.commit(bytes);
      co_return ec;
    }
    auto const [ec, bytes] = co_await plain_->async_read_some(into, as_result);
    buffer.commit(bytes);
    co_return ec;
  }
  asio::awaitable<beast::error_code> write(std::string bytes) {
    if (tls_) {
      auto const [ec, sent] = co_await asio::async_write(*tls_, asio::buffer(bytes), as_result);
      co_return ec;
    }
    auto const [ec, sent] = co_await asio::async_write(*plain_, asio::buffer(bytes), as_result);
    co_return ec;
  }

  /// Without a TLS goodbye: after a complete message it says nothing new, and after half a one it would be a lie.
  void close() {
    boost::system::error_code ignored;
    lowest().socket().shutdown(tcp::socket::shutdown_both, ignored);
    lowest().close();
  }
  /// The peer sees "connection reset".
  void reset() {
    boost::system::error_code ignored;
    lowest().socket().set_option(asio::socket_base::linger(true, 0), ignored);
    lowest().close();
  }

  beast::flat_buffer buffer;  // read, and not taken yet
  std::function<void()> on_gone;
  bool gone = false;
  async::event left;  // set with it
  bool end_watch = false;
  async::event watch_ended;

 private:
  std::optional<beast::tcp_stream> plain_;
  std::optional<beast::ssl_stream<beast::tcp_stream>> tls_;
};

std::string head(int status, header_list const& headers, bool close) {
  std::string out = "HTTP/1.1 " + std::to_string(status) + " ";
  auto const reason = http::obsolete_reason(static_cast<http::status>(status));
  out.append(reason.data(), reason.size());
  out += "\r\n";
  for (auto const& [name, value] : headers) {
    out += name + ": " + value + "\r\n";
  }
  if (close) {
    out += "Connection: close\r\n";
  }
  return out;
}

class connection_exchange : public exchange {
 public:
  connection_exchange(std::shared_ptr<line> on, async::task_group& group, std::chrono::seconds timeout, bool close,
                      bool head_only)
      : line_(std::move(on)), group_(group), timeout_(timeout), close_(close), head_only_(head_only) {}
  ~connection_exchange() override { line_->on_gone = nullptr; }

  asio::awaitable<bool> respond(int status, header_list headers, std::string body) override {
    answered_ = true;
    // 204 and 304 have no body by definition, and so no length either.
    bool const bodiless = status == 204 || status == 304;
    if (!bodiless) {
      headers.emplace_back("Content-Length", std::to_string(body.size()));
    }
    std::string const start = head(status, headers, close_) + "\r\n";
    if (bodiless || head_only_) {
      body.clear();
    }
    bool const sent = co_await send(start, body);
    co_return sent;
  }

  asio::awaitable<bool> begin_stream(int status, header_list headers, std::function<void()> on_gone) override {
    answered_ = true;
    streaming_ = true;
    headers.emplace_back("Transfer-Encoding", "chunked");
    line_->on_gone = std::move(on_gone);
    notice_goodbye();
    // Of a body that nobody asked for the client would read the beginning as the next answer.
    close_ = close_ || head_only_;
    std::string const start = head(status, headers, close_) + "\r\n";
    std::string const none;
    bool const sent = co_await send(start, none);
    co_return sent;
  }

  asio::awaitable<bool> write(std::string chunk) override {
    if (chunk.empty()) {
      co_return !broken_ && !line_->gone;
    }
    std::array<char, 24> size{};
    int const length = std::snprintf(size.data(), size.size(), "%zx\r\n", chunk.size());
    std::string const start(size.data(), static_cast<std::size_t>(length));
    chunk += "\r\n";
    bool const sent = co_await send(start, chunk);
    co_return sent;
  }

  void reset() override {
    broken_ = true;
    line_->reset();
  }

  asio::awaitable<void> fall_silent() override {
    if (!streaming_) {
      notice_goodbye();
    }
    co_await line_->left.wait();
    broken_ = true;
  }

  asio::awaitable<bool> finish() {
    if (!streaming_) {
      co_return answered_ && !broken_;
    }
    std::string const last = "0\r\n\r\n";
    std::string const none;
    bool const sent = co_await send(last, none);
    if (!sent || close_) {
      co_return sent;
    }
    // The next request is read by whoever serves the connection: the watcher's read must be over by then.
    line_->end_watch = true;
    line_->lowest().cancel();
    if (watched_) {
      co_await line_->watch_ended.wait();
    }
    co_return !line_->gone;
  }
  bool keeps_connection() const { return !close_; }

 private:
  /// Without a read under way nobody would notice that the client of a silent answer has left.
  void notice_goodbye() {
    line_->end_watch = false;
    line_->watch_ended.reset();
    watched_ = group_.spawn("client watcher", watch_for_goodbye(line_));
  }

  static asio::awaitable<void> watch_for_goodbye(std::shared_ptr<line> on) {
    beast::error_code ec;
    while (!ec && !on->end_watch && on->buffer.size() < most_read_ahead) {
      // Of the two timers of the stream this resets the reader's alone, where a write is under way: silence is no
      // failure here.
      on->lowest().expires_never();
      ec = co_await on->read_ahead();
    }
    bool const was_ended = on->end_watch && (!ec || ec == asio::error::operation_aborted);
    if (!was_ended) {
      on->gone = true;
      on->left.set();
      if (on->on_gone) {
        on->on_gone();
      }
    }
    on->watch_ended.set();
  }

  /// `a` and `b` must live until the call has ended: its callers await it with locals of theirs.
  asio::awaitable<bool> send(std::string const& a, std::string const& b) {
    if (broken_ || line_->gone) {
      co_return false;
    }
    line_->lowest().expires_after(timeout_);
    // In one piece: over TLS head and body then share their records. (Two buffers lose the second where it is long.)
    std::string whole = a + b;
    auto const ec = co_await line_->write(std::move(whole));
    if (!broken_) {
      line_->lowest().expires_never();
      broken_ = static_cast<bool>(ec);
    }
    co_return !broken_;
  }

  std::shared_ptr<line> line_;
  async::task_group& group_;
  std::chrono::seconds timeout_;
  bool close_;
  bool head_only_;
  bool answered_ = false;
  bool streaming_ = false;
  bool watched_ = false;
  bool broken_ = false;
};

}  // namespace

std::string server_request::header(std::string_view name) const {
  auto const found = headers.find(beast::string_view(name.data(), name.size()));
  return found == headers.end() ? std::string() : std::string(found->value());
}

struct http_server::state {
  state(asio::any_io_executor executor, request_handler& h, server_options o)
      : handler(h), options(std::move(o)), group(executor), acceptor(executor), room(executor) {}

  /// False: the connection is of no further use.
  asio::awaitable<bool> read_request(std::shared_ptr<line> on, server_request& into, bool& keep_alive);
  asio::awaitable<void> serve(std::shared_ptr<line> on);
  static asio::awaitable<void> serve_counted(std::shared_ptr<state> self, tcp::socket socket);
  static asio::awaitable<void> accept(std::shared_ptr<state> self);

  request_handler& handler;
  server_options options;
  async::task_group group;
  tcp::acceptor acceptor;
  async::event room;
  std::size_t open = 0;
};

asio::awaitable<bool> http_server::state::read_request(std::shared_ptr<line> on, server_request& into,
                                                       bool& keep_alive) {
  request_parser parser;
  parser.header_limit(static_cast<std::uint32_t>(options.max_header));
  parser.body_limit(boost::none);
  on->lowest().expires_after(options.idle);
  auto const header_ec = co_await on->read_header(parser);
  if (header_ec) {
    bool const malformed = header_ec.category() == http::make_error_code(http::error::bad_method).category();
    if (malformed && header_ec != http::error::end_of_stream && header_ec != http::error::partial_message) {
      base::log::debug("request refused", {base::log::kv("error", header_ec.message())});
    }
    co_return false;
  }
  if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    std::string const go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    auto const ec = co_await on->write(go_on);
    if (ec) {
      co_return false;
    }
  }
  std::string body;
  std::vector<char> chunk(parser.is_done() ? 0 : 64 * 1024);
  std::size_t total = 0;
  while (!parser.is_done()) {
    parser.get().body().data = chunk.data();
    parser.get().body().size = chunk.size();
    on->lowest().expires_after(options.idle);
    auto ec = co_await on->read_body(parser);
    if (ec == http::error::need_buffer) {
      ec = {};
    }
    if (ec) {
      co_return false;
    }
    std::size_t const got = chunk.size() - parser.get().body().size;
    total += got;
    if (total > options.max_body * drain_factor) {
      co_return false;
    }
    if (total <= options.max_body) {
      body.append(chunk.data(), got);
    } else {
      into.body_too_large = true;
      body.clear();
    }
  }
  on->lowest().expires_never();
  keep_alive = parser.keep_alive();
  auto message = parser.release();
  into.method = message.method();
  into.target.assign(message.target().data(), message.target().size());
  into.headers = std::move(message.base());
  into.body = std::move(body);
  co_return true;
}

asio::awaitable<void> http_server::state::serve(std::shared_ptr<line> on) {
  bool const opened = co_await on->open();
  while (opened) {
    server_request request;
    bool keep_alive = false;
    bool const got = co_await read_request(on, request, keep_alive);
    if (!got) {
      break;
    }
    bool const head_only = request.method == http::verb::head;
    connection_exchange answer(on, group, options.write_timeout, !keep_alive, head_only);
    co_await handler.handle(std::move(request), answer);
    on->on_gone = nullptr;  // what it refers to went with the handler's call
    bool const finished = co_await answer.finish();
    if (!finished || !answer.keeps_connection()) {
      break;
    }
  }
  on->close();
}

asio::awaitable<void> http_server::state::serve_counted(std::shared_ptr<state> self, tcp::socket socket) {
  struct counted {
    explicit counted(std::shared_ptr<state> s) : owner(std::move(s)) { ++owner->open; }
    ~counted() {
      --owner->open;
      owner->room.pulse();
    }
    counted(counted const&) = delete;
    counted& operator=(counted const&) = delete;
    std::shared_ptr<state> owner;
  };
  counted const one(self);
  auto on = std::make_shared<line>(std::move(socket), self->options.tls);
  struct closer {
    ~closer() { target->lowest().close(); }
    std::shared_ptr<line> target;
  };
  // However the task ends: the reader of a streamed connection must see its socket closed.
  closer const at_end{on};
  co_await self->serve(on);
}

asio::awaitable<void> http_server::state::accept(std::shared_ptr<state> self) {
  while (true) {
    while (self->open >= self->options.max_connections) {
      bool const pulsed = co_await self->room.wait();
      if (!pulsed) {
        co_return;
      }
    }
    auto [ec, socket] = co_await self->acceptor.async_accept(as_result);
    if (ec == asio::error::operation_aborted || ec == asio::error::bad_descriptor) {
      co_return;
    }
    if (ec) {
      base::log::warn("accept failed", {base::log::kv("error", ec.message())});
      // Out of descriptors, most likely: give those that are open a moment to close.
      asio::steady_timer pause(self->group.executor(), std::chrono::milliseconds(50));
      auto const [waited] = co_await pause.async_wait(as_result);
      if (waited) {
        co_return;
      }
      continue;
    }
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    (void)self->group.spawn("connection", serve_counted(self, std::move(socket)));
  }
}

http_server::http_server(asio::any_io_executor executor, request_handler& handler, server_options options)
    : state_(std::make_shared<state>(std::move(executor), handler, std::move(options))) {}

http_server::~http_server() = default;

base::result<tcp::endpoint> http_server::listen(tcp::endpoint where) {
  boost::system::error_code ec;
  auto& acceptor = state_->acceptor;
  acceptor.open(where.protocol(), ec);
  if (!ec) {
    acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  }
  if (!ec) {
    acceptor.bind(where, ec);
  }
  if (!ec) {
    acceptor.listen(tcp::acceptor::max_listen_connections, ec);
  }
  if (ec) {
    boost::system::error_code ignored;
    acceptor.close(ignored);  // another address may be tried
    return base::error("cannot listen on " + where.address().to_string() + ":" + std::to_string(where.port()) + ": " +
                       ec.message());
  }
  tcp::endpoint const bound = acceptor.local_endpoint(ec);
  (void)state_->group.spawn("accept", state::accept(state_));
  return bound;
}

base::result<void> http_server::adopt(int listening) {
  boost::system::error_code ec;
  state_->acceptor.assign(tcp::v4(), listening, ec);
  if (ec) {
    ::close(listening);
    return base::error("cannot use a listening socket: " + ec.message());
  }
  (void)state_->group.spawn("accept", state::accept(state_));
  return {};
}

asio::awaitable<void> http_server::stop() {
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  state_->group.stop();
  co_await state_->group.join();
}

std::size_t http_server::connections() const {
  return state_->open;
}

}  // namespace codeexec::net
