// Byte streams stacked on each other (TCP, TLS over it, TLS over that again) behind one type.
//
// Asio composes streams as templates: every operation on every stack would be code of its own, and TLS inside TLS
// multiplies it beyond reason. Here each layer sees the one below through two virtual calls, so that HTTP is compiled
// once.
#pragma once

#include <algorithm>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "codeexec/net/tls.hpp"

namespace codeexec::net {

/// A handler of any type, with what Asio asks a handler about. Called once.
class completion {
 public:
  using executor_type = boost::asio::any_io_executor;
  using cancellation_slot_type = boost::asio::cancellation_slot;

  template <class Handler>
  completion(Handler handler, executor_type const& otherwise)
      : executor_(boost::asio::get_associated_executor(handler, otherwise)),
        slot_(boost::asio::get_associated_cancellation_slot(handler)),
        handler_(std::make_unique<held<Handler>>(std::move(handler))) {}

  executor_type get_executor() const noexcept { return executor_; }
  cancellation_slot_type get_cancellation_slot() const noexcept { return slot_; }
  void operator()(boost::system::error_code ec, std::size_t bytes) {
    std::exchange(handler_, nullptr)->call(ec, bytes);
  }

 private:
  struct any {
    any() = default;
    any(any const&) = delete;
    any& operator=(any const&) = delete;
    virtual ~any() = default;
    virtual void call(boost::system::error_code ec, std::size_t bytes) = 0;
  };
  template <class Handler>
  struct held final : any {
    explicit held(Handler h) : handler(std::move(h)) {}
    void call(boost::system::error_code ec, std::size_t bytes) override { std::move(handler)(ec, bytes); }
    Handler handler;
  };

  executor_type executor_;
  cancellation_slot_type slot_;
  std::unique_ptr<any> handler_;
};

class layer {
 public:
  layer() = default;
  layer(layer const&) = delete;
  layer& operator=(layer const&) = delete;
  virtual ~layer() = default;

  virtual void read_some(boost::asio::mutable_buffer into, completion done) = 0;
  virtual void write_some(boost::asio::const_buffer from, completion done) = 0;
  /// Where the timeouts are.
  virtual boost::beast::tcp_stream& tcp() = 0;
};

/// A layer as Asio wants a stream to look. Must stay where it is while an operation is under way.
class layer_stream {
 public:
  using executor_type = boost::asio::any_io_executor;
  using lowest_layer_type = boost::beast::tcp_stream;

  explicit layer_stream(layer& over) : over_(&over) {}

  executor_type get_executor() { return over_->tcp().get_executor(); }
  lowest_layer_type& lowest_layer() { return over_->tcp(); }
  lowest_layer_type const& lowest_layer() const { return over_->tcp(); }

  template <class Buffers, class Token>
  auto async_read_some(Buffers const& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [](auto handler, layer* over, boost::asio::mutable_buffer into) {
          over->read_some(into, completion(std::move(handler), over->tcp().get_executor()));
        },
        token, over_, first_of<boost::asio::mutable_buffer>(buffers));
  }

  template <class Buffers, class Token>
  auto async_write_some(Buffers const& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [](auto handler, layer* over, boost::asio::const_buffer from) {
          over->write_some(from, completion(std::move(handler), over->tcp().get_executor()));
        },
        token, over_, flat(buffers));
  }

 private:
  /// What headers and a small body together may have to leave as one segment and one TLS record.
  static constexpr std::size_t max_flat = 64U * 1024;

  template <class Buffer, class Buffers>
  static Buffer first_of(Buffers const& buffers) {
    for (auto at = boost::asio::buffer_sequence_begin(buffers); at != boost::asio::buffer_sequence_end(buffers); ++at) {
      Buffer const one(*at);
      if (one.size() != 0) return one;
    }
    return Buffer();
  }

  template <class Buffers>
  boost::asio::const_buffer flat(Buffers const& buffers) {
    auto const first = first_of<boost::asio::const_buffer>(buffers);
    auto const total = boost::asio::buffer_size(buffers);
    if (first.size() == total || first.size() >= max_flat) return first;
    scratch_.resize(std::min(total, max_flat));
    return boost::asio::buffer(scratch_.data(), boost::asio::buffer_copy(boost::asio::buffer(scratch_), buffers));
  }

  layer* over_;
  std::string scratch_;
};

class tcp_layer final : public layer {
 public:
  explicit tcp_layer(boost::asio::any_io_executor const& executor) : stream_(executor) {}
  void read_some(boost::asio::mutable_buffer into, completion done) override {
    stream_.async_read_some(into, std::move(done));
  }
  void write_some(boost::asio::const_buffer from, completion done) override {
    stream_.async_write_some(from, std::move(done));
  }
  boost::beast::tcp_stream& tcp() override { return stream_; }

 private:
  boost::beast::tcp_stream stream_;
};

class tls_layer final : public layer {
 public:
  tls_layer(std::unique_ptr<layer> below, tls_context context)
      : context_(std::move(context)), below_(std::move(below)), ssl_(layer_stream(*below_), *context_) {}
  void read_some(boost::asio::mutable_buffer into, completion done) override {
    ssl_.async_read_some(into, std::move(done));
  }
  void write_some(boost::asio::const_buffer from, completion done) override {
    ssl_.async_write_some(from, std::move(done));
  }
  boost::beast::tcp_stream& tcp() override { return below_->tcp(); }
  boost::asio::ssl::stream<layer_stream>& ssl() { return ssl_; }

 private:
  tls_context context_;
  std::unique_ptr<layer> below_;
  boost::asio::ssl::stream<layer_stream> ssl_;
};

}  // namespace codeexec::net
