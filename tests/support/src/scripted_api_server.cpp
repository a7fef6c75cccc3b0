#include "codeexec/testing/scripted_api_server.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "codeexec/async/deadline.hpp"
#include "codeexec/async/task_group.hpp"
#include "codeexec/net/openssl_handles.hpp"

namespace codeexec::testing {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr std::string_view end_of_headers = "\r\n\r\n";

std::string hexadecimal(std::size_t value) {
  std::string digits;
  do {
    digits.insert(digits.begin(), "0123456789abcdef"[value % 16]);
    value /= 16;
  } while (value > 0);
  return digits;
}

std::string head(int status, std::string_view headers) {
  return "HTTP/1.1 " + std::to_string(status) + " " +
         std::string(http::obsolete_reason(http::int_to_status(static_cast<unsigned>(status)))) + "\r\n" +
         std::string(headers) + std::string(end_of_headers);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

struct rule {
  std::string method;
  std::string target;
  std::vector<reply> replies;
  std::size_t next = 0;
};

}  // namespace

reply reply::answer(int status, std::string body, std::string content_type) {
  reply r;
  auto const bodiless = status == 204 || status == 304;
  auto const headers = bodiless
                           ? std::string("Date: Thu, 01 Jan 2026 00:00:00 GMT")
                           : "Content-Type: " + content_type + "\r\nContent-Length: " + std::to_string(body.size());
  r.pieces_.push_back({head(status, headers) + (bodiless ? "" : body), {}});
  return r;
}

reply reply::stream(std::vector<std::string> chunks) {
  reply r;
  r.pieces_.push_back({head(200, "Content-Type: application/json\r\nTransfer-Encoding: chunked"), {}});
  for (auto const& chunk : chunks)
    r.pieces_.push_back({hexadecimal(chunk.size()) + "\r\n" + chunk + "\r\n", {}});
  r.pieces_.push_back({"0\r\n\r\n", {}});
  return r;
}

reply reply::raw(std::string bytes) {
  reply r;
  r.pieces_.push_back({std::move(bytes), {}});
  return r;
}

reply reply::lost() {
  return reply().then(ending::reset);
}

reply reply::mute() {
  return reply().then(ending::silence);
}

reply&& reply::header(std::string_view name, std::string_view value) && {
  auto& bytes = pieces_.at(0).bytes;
  bytes.insert(bytes.find(end_of_headers), "\r\n" + std::string(name) + ": " + std::string(value));
  return std::move(*this);
}

reply&& reply::slowly(std::chrono::milliseconds pause) && {
  for (auto& one : pieces_)
    one.delay = pause;
  return std::move(*this);
}

reply&& reply::in_pieces_of(std::size_t size) && {
  std::string all;
  for (auto const& one : pieces_)
    all += one.bytes;
  pieces_.clear();
  for (std::size_t at = 0; at < all.size(); at += size)
    pieces_.push_back({all.substr(at, size), {}});
  return std::move(*this);
}

reply&& reply::cut_to(std::size_t size) && {
  for (auto& one : pieces_) {
    auto const keep = std::min(size, one.bytes.size());
    one.bytes.resize(keep);
    size -= keep;
  }
  return std::move(*this);
}

reply&& reply::unfinished() && {
  pieces_.pop_back();
  return std::move(*this);
}

reply&& reply::then(ending how) && {
  ending_ = how;
  return std::move(*this);
}

struct scripted_api_server::state : std::enable_shared_from_this<state> {
  explicit state(asio::any_io_executor const& executor)
      : acceptor(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0)), tasks(executor) {}

  reply next_reply(recorded_request const& request) {
    for (auto at = rules.rbegin(); at != rules.rend(); ++at) {
      if (at->method != request.method || !request.target.starts_with(at->target) || at->replies.empty()) continue;
      auto const index = std::min(at->next++, at->replies.size() - 1);
      return at->replies[index];
    }
    return reply::answer(404, status_body(404, "NotFound", "the script says nothing about this"));
  }

  tcp::acceptor acceptor;
  std::optional<asio::ssl::context> tls;
  async::task_group tasks;
  std::vector<rule> rules;
  std::vector<recorded_request> requests;
  std::set<tcp::socket*> open;
  std::set<tcp::socket*> waiting;  ///< connections that wait for a request
  std::vector<std::string> server_names;
  int accepted = 0;
  int at_once = 0;
  int most_at_once = 0;

  static asio::awaitable<void> accept_loop(std::shared_ptr<state> self);
  static asio::awaitable<void> serve_plain(std::shared_ptr<state> self, std::shared_ptr<beast::tcp_stream> stream,
                                           int number);
  static asio::awaitable<void> serve_tls(std::shared_ptr<state> self,
                                         std::shared_ptr<beast::ssl_stream<beast::tcp_stream>> stream, int number);
  template <class Stream>
  static asio::awaitable<reply::ending> serve(std::shared_ptr<state> self, std::shared_ptr<Stream> stream, int number,
                                              std::string client);
};

namespace {
template <class State>
class being_answered {
 public:
  explicit being_answered(std::shared_ptr<State> of) : of_(std::move(of)) {
    of_->most_at_once = std::max(of_->most_at_once, ++of_->at_once);
  }
  being_answered(being_answered const&) = delete;
  being_answered& operator=(being_answered const&) = delete;
  ~being_answered() { --of_->at_once; }

 private:
  std::shared_ptr<State> of_;
};

template <class State>
class listed {
 public:
  listed(std::shared_ptr<State> in, tcp::socket* socket) : in_(std::move(in)), socket_(socket) {
    in_->open.insert(socket_);
  }
  listed(listed const&) = delete;
  listed& operator=(listed const&) = delete;
  ~listed() { in_->open.erase(socket_); }

 private:
  std::shared_ptr<State> in_;
  tcp::socket* socket_;
};

std::string common_name_of_peer(SSL* ssl) {
  net::certificate_ptr const shown(SSL_get1_peer_certificate(ssl));
  std::array<char, 256> name{};
  if (!shown) return {};
  X509_NAME_get_text_by_NID(X509_get_subject_name(shown.get()), NID_commonName, name.data(),
                            static_cast<int>(name.size()));
  return name.data();
}

void reset(tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}
}  // namespace

template <class Stream>
asio::awaitable<reply::ending> scripted_api_server::state::serve(std::shared_ptr<state> self,
                                                                 std::shared_ptr<Stream> stream, int number,
                                                                 std::string client) {
  beast::flat_buffer buffer;
  auto* const socket = &beast::get_lowest_layer(*stream).socket();
  listed const among_open(self, socket);
  for (;;) {
    http::request_parser<http::string_body> parser;
    parser.body_limit(boost::none);
    self->waiting.insert(socket);
    auto const [failed, bytes] = co_await http::async_read(*stream, buffer, parser, token);
    self->waiting.erase(socket);
    if (failed) co_return reply::ending::truncate;

    recorded_request request;
    request.method = std::string(parser.get().method_string());
    request.target = std::string(parser.get().target());
    for (auto const& field : parser.get())
      request.headers[lower(field.name_string())] = std::string(field.value());
    request.body = parser.get().body();
    request.connection = number;
    request.client = client;
    auto const answer = self->next_reply(request);
    self->requests.push_back(std::move(request));
    being_answered const counted(self);

    for (auto const& piece : answer.pieces()) {
      if (piece.delay.count() > 0) co_await async::sleep_for(piece.delay);
      auto const part = asio::buffer(piece.bytes);
      auto const [broken, written] = co_await asio::async_write(*stream, part, token);
      if (broken) co_return reply::ending::truncate;
    }
    if (answer.end() == reply::ending::silence) co_await async::sleep_until(base::deadline::never());
    if (answer.end() != reply::ending::keep_alive) co_return answer.end();
  }
}

asio::awaitable<void> scripted_api_server::state::serve_plain(std::shared_ptr<state> self,
                                                              std::shared_ptr<beast::tcp_stream> stream, int number) {
  auto const ending = co_await serve(self, stream, number, std::string());
  if (ending == reply::ending::reset) reset(stream->socket());
}

asio::awaitable<void> scripted_api_server::state::serve_tls(
    std::shared_ptr<state> self, std::shared_ptr<beast::ssl_stream<beast::tcp_stream>> stream, int number) {
  auto const [failed] = co_await stream->async_handshake(asio::ssl::stream_base::server, token);
  auto const* const name = SSL_get_servername(stream->native_handle(), TLSEXT_NAMETYPE_host_name);
  self->server_names.emplace_back(name == nullptr ? "" : name);
  if (failed) co_return;
  auto const ending = co_await serve(self, stream, number, common_name_of_peer(stream->native_handle()));
  if (ending == reply::ending::reset) reset(stream->next_layer().socket());
  if (ending == reply::ending::close) {
    stream->next_layer().expires_after(std::chrono::seconds(1));
    co_await stream->async_shutdown(token);
  }
}

asio::awaitable<void> scripted_api_server::state::accept_loop(std::shared_ptr<state> self) {
  auto const executor = co_await asio::this_coro::executor;
  for (;;) {
    tcp::socket socket(executor);
    auto const [failed] = co_await self->acceptor.async_accept(socket, token);
    if (failed) co_return;
    socket.set_option(tcp::no_delay(true));
    auto const number = ++self->accepted;
    auto const name = "connection " + std::to_string(number);
    if (self->tls) {
      auto stream = std::make_shared<beast::ssl_stream<beast::tcp_stream>>(std::move(socket), *self->tls);
      self->tasks.spawn(name, serve_tls(self, stream, number));
    } else {
      auto stream = std::make_shared<beast::tcp_stream>(std::move(socket));
      self->tasks.spawn(name, serve_plain(self, stream, number));
    }
  }
}

scripted_api_server::scripted_api_server(asio::any_io_executor executor) : state_(std::make_shared<state>(executor)) {
  state_->tasks.spawn("accept", state::accept_loop(state_));
}

scripted_api_server::scripted_api_server(asio::any_io_executor executor, tls_options const& tls)
    : state_(std::make_shared<state>(executor)) {
  auto& context = state_->tls.emplace(asio::ssl::context::tls_server);
  context.use_certificate_chain(asio::buffer(tls.server.certificate_pem));
  context.use_private_key(asio::buffer(tls.server.key_pem), asio::ssl::context::pem);
  if (tls.newest_version != 0) {
    SSL_CTX_set_security_level(context.native_handle(), 0);  // Debian's default forbids what such a server speaks
    SSL_CTX_set_max_proto_version(context.native_handle(), tls.newest_version);
  }
  if (!tls.client_ca_pem.empty()) {
    context.add_certificate_authority(asio::buffer(tls.client_ca_pem));
    context.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
  }
  state_->tasks.spawn("accept", state::accept_loop(state_));
}

scripted_api_server::~scripted_api_server() = default;

void scripted_api_server::on(std::string method, std::string target, std::vector<reply> replies) {
  state_->rules.push_back({std::move(method), std::move(target), std::move(replies), 0});
}

void scripted_api_server::on(std::string method, std::string target, reply one) {
  on(std::move(method), std::move(target), std::vector<reply>{std::move(one)});
}

std::string scripted_api_server::url() const {
  return (state_->tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port());
}

std::uint16_t scripted_api_server::port() const {
  return state_->acceptor.local_endpoint().port();
}

std::vector<recorded_request> const& scripted_api_server::requests() const {
  return state_->requests;
}

int scripted_api_server::connections() const {
  return state_->accepted;
}

std::vector<std::string> const& scripted_api_server::server_names() const {
  return state_->server_names;
}

int scripted_api_server::most_at_once() const {
  return state_->most_at_once;
}

void scripted_api_server::close_idle() {
  for (auto* const socket : state_->waiting) {
    boost::system::error_code ignored;
    socket->shutdown(tcp::socket::shutdown_both, ignored);
  }
}

void scripted_api_server::say_to_all(std::string const& bytes) {
  for (auto* const socket : state_->open) {
    boost::system::error_code ignored;
    socket->send(asio::buffer(bytes), 0, ignored);
  }
}

asio::awaitable<void> scripted_api_server::stop() {
  state_->tasks.stop();
  auto const shared = state_;
  co_await shared->tasks.join();
}

std::string status_body(int code, std::string_view reason, std::string_view message) {
  nlohmann::json const body = {{"kind", "Status"},    {"apiVersion", "v1"}, {"metadata", nlohmann::json::object()},
                               {"status", "Failure"}, {"message", message}, {"reason", reason},
                               {"code", code}};
  return body.dump();
}

}  // namespace codeexec::testing
