#include "codeexec/runtime/event_recorder.hpp"

#include <boost/asio/this_coro.hpp>

#include "codeexec/async/cancellation.hpp"
#include "codeexec/base/log.hpp"

namespace codeexec::runtime {
namespace asio = boost::asio;
namespace log = base::log;

namespace {
constexpr std::chrono::seconds request_timeout{10};
}  // namespace

event_recorder::event_recorder(asio::any_io_executor const& executor, kube::client& client, kube::event_reporter who,
                               event_queue_options options, base::clock const& clock)
    : client_(client),
      clock_(clock),
      queue_(std::move(who), options, now()),
      wake_(executor),
      idle_(executor),
      tasks_(executor) {}

void event_recorder::start() {
  auto task = run();
  tasks_.spawn("events", std::move(task));
}

void event_recorder::record(kube::occurrence what) {
  bool const taken = queue_.record(std::move(what), now());
  if (taken) wake_.pulse();
}

kube::task<void> event_recorder::stop(base::deadline by) {
  queue_.hurry();
  wake_.pulse();
  while (!queue_.is_idle() && tasks_.size() > 0) {
    auto const in_time = co_await idle_.wait_until(by);
    if (!in_time) break;
  }
  tasks_.stop();
  co_await tasks_.join();
  auto const unwritten = queue_.abandon();
  if (unwritten > 0) log::warn("events are left unwritten", {log::kv("events", unwritten)});
}

kube::task<void> event_recorder::run() {
  for (;;) {
    auto const state = co_await asio::this_coro::cancellation_state;
    if (async::is_cancelled(state)) co_return;
    auto request = queue_.take(now());
    if (!request) {
      auto until = base::deadline::never();
      auto const due = queue_.next_due(clock_.steady_now());
      if (due) until = base::deadline::after(*due - clock_.steady_now());
      co_await wake_.wait_until(until);
      continue;
    }
    auto const by = base::deadline::after(request_timeout);
    auto sending = client_.send(std::move(*request), by);
    auto const answer = co_await std::move(sending);
    std::optional<kube::error> failure;
    if (!answer) {
      failure = answer.error();
      complain(*failure);
    }
    queue_.conclude(failure, now());
    idle_.pulse();
  }
}

/// Once for each kind of trouble: a right that is missing would fill the log.
void event_recorder::complain(kube::error const& e) {
  if (e.is_cancelled()) return;
  auto const what = std::to_string(e.http_status()) + e.reason();
  auto const how_bad = what == complained_ ? log::level::debug : log::level::warn;
  complained_ = what;
  log::write(how_bad, "event not written", {log::kv("error", e.describe_for_log())});
}

event_queue::moment event_recorder::now() const {
  return event_queue::moment{clock_.steady_now(), clock_.wall_now()};
}

}  // namespace codeexec::runtime
