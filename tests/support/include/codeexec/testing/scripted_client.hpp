// An API server that says what the test told it to say: kube::client without a socket.
//
//     scripted_client client(io.get_executor());
//     client.will_send(R"({"items":[]...})");        // the next send()
//     auto stream = client.will_open();              // the next open_stream()
//     stream->push(R"({"type":"ADDED",...})" "\n");  // at once or later
//
// Where nothing is scripted a call waits, as for a server that does not answer, until its deadline or its cancellation.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/this_coro.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codeexec/async/cancellation.hpp"
#include "codeexec/async/event.hpp"
#include "codeexec/kube_client/client.hpp"

namespace codeexec::testing {

/// A queue that one coroutine reads, and that ends as the kube::client contract says: `cancelled` or `timeout`.
template <class T>
class scripted_answers {
 public:
  explicit scripted_answers(boost::asio::any_io_executor const& executor) : changed_(executor) {}

  void push(kube::result<T> answer) {
    answers_.push_back(std::move(answer));
    changed_.pulse();
  }
  std::size_t left() const { return answers_.size(); }

  kube::task<kube::result<T>> next(base::deadline by) {
    while (answers_.empty()) {
      auto const woken = co_await changed_.wait_until(by);
      if (woken) continue;
      auto const state = co_await boost::asio::this_coro::cancellation_state;
      if (async::is_cancelled(state)) co_return kube::error(kube::error_kind::cancelled, "cancelled");
      co_return kube::error(kube::error_kind::timeout, "deadline passed");
    }
    auto answer = std::move(answers_.front());
    answers_.pop_front();
    co_return answer;
  }

 private:
  std::deque<kube::result<T>> answers_;
  async::event changed_;
};

/// The body of a streamed answer, held by the test: what it pushes, read_some() returns, one push at a time.
class scripted_stream {
 public:
  explicit scripted_stream(boost::asio::any_io_executor const& executor) : chunks_(executor) {}

  void push(std::string bytes) { chunks_.push(std::move(bytes)); }
  void push_line(std::string line) { chunks_.push(std::move(line) + "\n"); }
  /// The server ends the body in order.
  void end() { chunks_.push(std::string()); }
  void fail(kube::error e) { chunks_.push(std::move(e)); }

  bool is_open() const { return open_; }       ///< opened and not closed yet
  bool was_opened() const { return opened_; }  ///< at some time
  std::size_t unread() const { return chunks_.left(); }

  /// What the code under test holds.
  static std::unique_ptr<kube::byte_stream> body_of(std::shared_ptr<scripted_stream> script) {
    return std::make_unique<body>(std::move(script));
  }

 private:
  class body final : public kube::byte_stream {
   public:
    explicit body(std::shared_ptr<scripted_stream> script) : script_(std::move(script)) {
      script_->open_ = script_->opened_ = true;
    }
    ~body() override { script_->open_ = false; }
    kube::task<kube::result<std::string>> read_some(base::deadline by) override { return script_->chunks_.next(by); }

   private:
    std::shared_ptr<scripted_stream> script_;
  };

  scripted_answers<std::string> chunks_;
  bool open_ = false;
  bool opened_ = false;
};

/// Lifetime and thread: as kube::client says; the test scripts it on the same thread.
class scripted_client final : public kube::client {
 public:
  /// What a call was about, in the order of the calls.
  struct call {
    kube::verb method;
    std::string target;
    std::string body;
  };

  explicit scripted_client(boost::asio::any_io_executor executor)
      : executor_(std::move(executor)), sends_(executor_), opens_(executor_) {}

  /// The next send() that nobody answered yet.
  void will_send(kube::result<std::string> answer) { sends_.push(std::move(answer)); }
  /// The next open_stream().
  std::shared_ptr<scripted_stream> will_open() {
    auto script = std::make_shared<scripted_stream>(executor_);
    opens_.push(script);
    return script;
  }
  void will_refuse_open(kube::error e) { opens_.push(std::move(e)); }

  /// Answers by rule instead of by turn, where set: nothing leaves the call to the queue.
  std::function<std::optional<kube::result<std::string>>(kube::request const&)> on_send;
  std::function<std::optional<kube::result<std::shared_ptr<scripted_stream>>>(kube::request const&)> on_open;

  std::vector<call> const& calls() const { return calls_; }
  boost::asio::any_io_executor const& executor() const { return executor_; }

  kube::task<kube::result<std::string>> send(kube::request r, base::deadline by) override {
    auto const objection = r.objection ? r.objection() : std::nullopt;
    if (objection) co_return kube::error(kube::error_kind::cancelled, *objection);
    calls_.push_back({r.method, r.target, r.body});
    if (on_send) {
      auto answer = on_send(r);
      if (answer) co_return std::move(*answer);
    }
    auto waiting = sends_.next(by);
    auto answer = co_await std::move(waiting);
    co_return answer;
  }

  kube::task<kube::result<std::unique_ptr<kube::byte_stream>>> open_stream(kube::request r,
                                                                           base::deadline by) override {
    calls_.push_back({r.method, r.target, r.body});
    if (on_open) {
      auto answer = on_open(r);
      if (answer) co_return opened(std::move(*answer));
    }
    auto waiting = opens_.next(by);
    auto answer = co_await std::move(waiting);
    co_return opened(std::move(answer));
  }

 private:
  static kube::result<std::unique_ptr<kube::byte_stream>> opened(
      kube::result<std::shared_ptr<scripted_stream>> answer) {
    if (!answer) return answer.error();
    return scripted_stream::body_of(std::move(*answer));
  }

  boost::asio::any_io_executor executor_;
  scripted_answers<std::string> sends_;
  scripted_answers<std::shared_ptr<scripted_stream>> opens_;
  std::vector<call> calls_;
};

}  // namespace codeexec::testing
