// A control plane on loopback, in a thread of its own, and a blocking client that speaks plain HTTP to it.
#pragma once

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <future>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <poll.h>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "codeexec/async/task_group.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/local/control_plane.hpp"

namespace codeexec::local::testing {

namespace asio = boost::asio;
namespace http = boost::beast::http;

struct answer {
  int status = 0;
  http::fields headers;
  std::string body;

  nlohmann::json json() const { return nlohmann::json::parse(body, nullptr, false); }
  std::string header(char const* name) const {
    auto const found = headers.find(name);
    return found == headers.end() ? std::string() : std::string(found->value());
  }
};

using headers = std::vector<std::pair<std::string, std::string>>;

/// One connection. Every step fails after 20 s rather than hang.
class client {
 public:
  explicit client(std::uint16_t port) : socket_(io_) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
    timeval const limit{20, 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }

  void send(std::string const& method, std::string const& target, headers const& fields = {},
            std::string const& body = {}) {
    http::request<http::string_body> request;
    request.method_string(method);
    request.target(target);
    request.version(11);
    request.set(http::field::host, "127.0.0.1");
    for (auto const& [name, value] : fields) {
      request.set(name, value);
    }
    request.body() = body;
    request.prepare_payload();
    http::write(socket_, request);
  }

  answer receive() {
    http::response_parser<http::string_body> parser;
    parser.body_limit(boost::none);
    http::read(socket_, buffer_, parser);
    answer out;
    out.status = static_cast<int>(parser.get().result_int());
    out.headers = parser.get().base();
    out.body = parser.get().body();
    return out;
  }

  answer exchange(std::string const& method, std::string const& target, headers const& fields = {},
                  std::string const& body = {}) {
    send(method, target, fields, body);
    return receive();
  }

  /// Headers, then the next `count` lines of a stream, as documents or (`text`) as they are, with the newline.
  std::pair<int, std::vector<nlohmann::json>> lines(std::size_t count, bool text = false) {
    if (!stream_) {
      stream_.emplace();
      stream_->body_limit(boost::none);
      http::read_header(socket_, buffer_, *stream_);
    }
    std::vector<nlohmann::json> out;
    while (out.size() < count) {
      auto const end = pending_.find('\n');
      if (end != std::string::npos) {
        std::string const line = pending_.substr(0, end + 1);
        out.push_back(text ? nlohmann::json(line) : nlohmann::json::parse(line, nullptr, false));
        pending_.erase(0, end + 1);
        continue;
      }
      if (stream_->is_done()) {
        // An answer that is no stream ends without a newline.
        if (!pending_.empty()) {
          out.push_back(text ? nlohmann::json(pending_) : nlohmann::json::parse(pending_, nullptr, false));
          pending_.clear();
        }
        break;
      }
      char piece[8192];
      stream_->get().body().data = piece;
      stream_->get().body().size = sizeof piece;
      boost::system::error_code ec;
      http::read_some(socket_, buffer_, *stream_, ec);
      if (ec && ec != http::error::need_buffer) {
        break;
      }
      pending_.append(piece, sizeof piece - stream_->get().body().size);
    }
    return {static_cast<int>(stream_->get().result_int()), std::move(out)};
  }

  /// Whether nothing more comes for so long, not even the connection's end.
  bool hears_nothing_for(std::chrono::milliseconds length) {
    pollfd until{socket_.native_handle(), POLLIN, 0};
    return ::poll(&until, 1, static_cast<int>(length.count())) == 0;
  }

  void close() { socket_.close(); }

 private:
  asio::io_context io_;
  asio::ip::tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
  std::optional<http::response_parser<http::buffer_body>> stream_;
  std::string pending_;
};

class live_server {
 public:
  explicit live_server(control_plane_options options = {})
      : plane(io_.get_executor(), base::system_clock(), base::rng(7), std::move(options)), tasks_(io_.get_executor()) {
    auto const loaded = plane.load();
    EXPECT_TRUE(loaded) << loaded.error().message;
    auto const listening = plane.listen();
    EXPECT_TRUE(listening) << listening.error().message;
    thread_ = std::thread([this] { io_.run(); });
  }
  ~live_server() {
    asio::post(io_, [this] { (void)tasks_.spawn("stop", stop()); });
    thread_.join();
  }
  live_server(live_server const&) = delete;
  live_server& operator=(live_server const&) = delete;

  std::uint16_t port() const {
    std::string const address = plane.address();
    return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  }
  answer call(std::string const& method, std::string const& target, headers const& fields = {},
              std::string const& body = {}) const {
    client one(port());
    return one.exchange(method, target, fields, body);
  }
  answer post(std::string const& target, nlohmann::json const& body) const {
    return call("POST", target, {{"Content-Type", "application/json"}}, body.dump());
  }
  answer get(std::string const& target) const { return call("GET", target); }

  asio::any_io_executor executor() { return io_.get_executor(); }
  async::task_group& tasks() { return tasks_; }

  /// Runs `work` on the server's thread and waits for it.
  void on_thread(std::function<void()> work) {
    std::promise<void> done;
    asio::post(io_, [&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  asio::awaitable<void> stop() {
    co_await plane.stop();
    tasks_.stop();
  }

  asio::io_context io_{1};

 public:
  control_plane plane;

 private:
  async::task_group tasks_;
  std::thread thread_;
};

}  // namespace codeexec::local::testing
