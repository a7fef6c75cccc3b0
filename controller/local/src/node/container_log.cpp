#include "container_log.hpp"

#include <algorithm>

namespace codeexec::local {

class container_log::stream : public log_stream {
 public:
  stream(std::shared_ptr<container_log> log, std::shared_ptr<reader> me, pod_log_options const& options)
      : log_(std::move(log)), reader_(std::move(me)), follow_(options.follow), timestamps_(options.timestamps) {
    auto const& buffer = log_->buffer_;
    at_ = buffer.tail(options.tail_lines);
    if (options.since) {
      auto const since = buffer.since(*options.since);
      at_ = since.line > at_.line ? since : at_;
    }
    if (options.limit_bytes) {
      left_ = static_cast<std::size_t>(std::max<std::int64_t>(*options.limit_bytes, 0));
    }
  }

  chunk next(std::size_t max_bytes) override {
    chunk out;
    out.bytes = log_->buffer_.read(at_, std::min(max_bytes, left_), timestamps_);
    if (out.bytes.size() > left_) {
      out.bytes.resize(left_);
    }
    left_ -= out.bytes.size();
    bool const all_read = out.bytes.empty() && (!follow_ || log_->buffer_.closed());
    out.end = left_ == 0 || all_read;
    return out;
  }

 private:
  std::shared_ptr<container_log> log_;
  std::shared_ptr<reader> reader_;
  bool follow_;
  bool timestamps_;
  log_buffer::place at_;
  std::size_t left_ = static_cast<std::size_t>(-1);
};

void container_log::append(std::string_view bytes, base::wall_time now) {
  buffer_.append(bytes, now);
  wake_readers();
}

void container_log::close() {
  buffer_.close();
  wake_readers();
}

std::unique_ptr<log_stream> container_log::open(pod_log_options const& options, std::function<void()> wake) {
  auto me = std::make_shared<reader>();
  me->wake = std::move(wake);
  readers_.push_back(me);
  return std::make_unique<stream>(shared_from_this(), std::move(me), options);
}

void container_log::wake_readers() {
  auto const ended = [](auto const& r) { return r.expired(); };
  readers_.erase(std::remove_if(readers_.begin(), readers_.end(), ended), readers_.end());
  for (auto const& weak : readers_) {
    auto const one = weak.lock();
    if (one == nullptr || one->posted || !one->wake) {
      continue;
    }
    one->posted = true;
    boost::asio::post(executor_, [weak] {
      if (auto const me = weak.lock()) {
        me->posted = false;
        me->wake();
      }
    });
  }
}

}  // namespace codeexec::local
