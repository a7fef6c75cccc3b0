// A container's log with its readers.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "codeexec/local/log_source.hpp"
#include "codeexec/local/node/log_buffer.hpp"

namespace codeexec::local {

/// Shared by the container, which writes, and the readers, which may outlive it.
class container_log : public std::enable_shared_from_this<container_log> {
 public:
  container_log(boost::asio::any_io_executor executor, std::size_t max_bytes)
      : executor_(std::move(executor)), buffer_(max_bytes) {}

  log_buffer const& buffer() const { return buffer_; }
  void append(std::string_view bytes, base::wall_time now);
  void close();
  void clear() { buffer_.clear(); }

  std::unique_ptr<log_stream> open(pod_log_options const& options, std::function<void()> wake);

 private:
  struct reader {
    std::function<void()> wake;
    bool posted = false;
  };
  class stream;
  void wake_readers();

  boost::asio::any_io_executor executor_;
  log_buffer buffer_;
  std::vector<std::weak_ptr<reader>> readers_;
};

}  // namespace codeexec::local
