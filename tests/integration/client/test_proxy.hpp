// An HTTP proxy on loopback, small enough to be trusted by a test: tunnels (CONNECT), and answers plain requests
// itself.
#pragma once

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codeexec/async/deadline.hpp"
#include "codeexec/async/task_group.hpp"
#include "codeexec/testing/test_pki.hpp"

namespace codeexec::testing {

/// Lifetime: await stop() before destruction.
class test_proxy {
 public:
  struct seen {
    std::string method;
    std::string target;
    std::string authorization;
  };

  explicit test_proxy(boost::asio::any_io_executor executor) : state_(std::make_shared<state>(executor)) {
    state_->tasks.spawn("accept", accept(state_));
  }
  test_proxy(boost::asio::any_io_executor executor, certificate const& shown)
      : state_(std::make_shared<state>(executor)) {
    auto& tls = state_->tls.emplace(boost::asio::ssl::context::tls_server);
    tls.use_certificate_chain(boost::asio::buffer(shown.certificate_pem));
    tls.use_private_key(boost::asio::buffer(shown.key_pem), boost::asio::ssl::context::pem);
    state_->tasks.spawn("accept", accept(state_));
  }

  std::uint16_t port() const { return state_->acceptor.local_endpoint().port(); }
  std::vector<seen> const& requests() const { return state_->requests; }

  /// To CONNECT, instead of a tunnel: these bytes. Empty: nothing, ever.
  void answer_with(std::string bytes) { state_->answer = std::move(bytes); }
  /// Where every tunnel leads, whatever name was asked for: only the proxy can resolve it.
  void lead_to(std::uint16_t port) { state_->target = port; }

  boost::asio::awaitable<void> stop() {
    auto const shared = state_;
    shared->tasks.stop();
    co_await shared->tasks.join();
  }

 private:
  using tcp = boost::asio::ip::tcp;
  using tls_stream = boost::asio::ssl::stream<tcp::socket>;
  static constexpr auto token = boost::asio::as_tuple(boost::asio::use_awaitable);

  struct state {
    explicit state(boost::asio::any_io_executor const& executor)
        : acceptor(executor, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)), tasks(executor) {}
    tcp::acceptor acceptor;
    std::optional<boost::asio::ssl::context> tls;
    async::task_group tasks;
    std::vector<seen> requests;
    std::optional<std::string> answer;
    std::uint16_t target = 0;
  };

  static boost::asio::awaitable<void> accept(std::shared_ptr<state> self) {
    auto const executor = co_await boost::asio::this_coro::executor;
    for (;;) {
      tcp::socket socket(executor);
      auto const [failed] = co_await self->acceptor.async_accept(socket, token);
      if (failed) co_return;
      socket.set_option(tcp::no_delay(true));
      if (self->tls) {
        self->tasks.spawn("tls", serve_tls(self, std::make_shared<tls_stream>(std::move(socket), *self->tls)));
      } else {
        self->tasks.spawn("plain", serve(self, std::make_shared<tcp::socket>(std::move(socket))));
      }
    }
  }

  static boost::asio::awaitable<void> serve_tls(std::shared_ptr<state> self, std::shared_ptr<tls_stream> client) {
    auto const [failed] = co_await client->async_handshake(boost::asio::ssl::stream_base::server, token);
    if (failed) co_return;
    co_await serve(self, client);
  }

  template <class Stream>
  static boost::asio::awaitable<void> serve(std::shared_ptr<state> self, std::shared_ptr<Stream> client) {
    namespace http = boost::beast::http;
    boost::beast::flat_buffer buffer;
    for (;;) {
      http::request_parser<http::string_body> parser;
      auto const [failed, bytes] = co_await http::async_read(*client, buffer, parser, token);
      if (failed) co_return;
      auto const& request = parser.get();
      seen one;
      one.method = std::string(request.method_string());
      one.target = std::string(request.target());
      one.authorization = std::string(request[http::field::proxy_authorization]);
      self->requests.push_back(std::move(one));

      bool const tunnel = request.method() == http::verb::connect;
      std::string answer = tunnel ? "HTTP/1.1 200 Connection established\r\n\r\n"
                                  : "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nvia proxy";
      if (self->answer) answer = *self->answer;
      if (answer.empty()) co_await async::sleep_until(base::deadline::never());
      auto const said = boost::asio::buffer(answer);
      auto const [broken, written] = co_await boost::asio::async_write(*client, said, token);
      if (broken) co_return;
      if (!tunnel) continue;
      if (self->answer) co_return;

      auto const executor = co_await boost::asio::this_coro::executor;
      auto const server = std::make_shared<tcp::socket>(executor);
      tcp::endpoint const there(boost::asio::ip::address_v4::loopback(), self->target);
      auto const [refused] = co_await server->async_connect(there, token);
      if (refused) co_return;
      self->tasks.spawn("back", relay(server, client));
      co_await relay(client, server);
      co_return;
    }
  }

  template <class From, class To>
  static boost::asio::awaitable<void> relay(std::shared_ptr<From> from, std::shared_ptr<To> to) {
    std::array<char, 16384> chunk{};
    for (;;) {
      auto const into = boost::asio::buffer(chunk);
      auto const [ended, bytes] = co_await from->async_read_some(into, token);
      if (ended) break;
      auto const got = boost::asio::buffer(chunk.data(), bytes);
      auto const [broken, written] = co_await boost::asio::async_write(*to, got, token);
      if (broken) break;
    }
    boost::system::error_code ignored;
    to->lowest_layer().close(ignored);
  }

  std::shared_ptr<state> state_;
};

}  // namespace codeexec::testing
