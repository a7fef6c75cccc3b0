#include "codeexec/async/task_group.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <list>

#include "codeexec/async/cancellation.hpp"
#include "codeexec/async/event.hpp"
#include "codeexec/base/log.hpp"

namespace codeexec::async {
namespace asio = boost::asio;
namespace log = base::log;

bool is_abort(std::exception_ptr const& failure) {
  if (!failure) return false;
  try {
    std::rethrow_exception(failure);
  } catch (boost::system::system_error const& e) {
    return is_abort(e.code());
  } catch (...) {
    return false;
  }
}

std::string describe(std::exception_ptr const& failure) {
  if (!failure) return "no exception";
  try {
    std::rethrow_exception(failure);
  } catch (std::exception const& e) {
    return e.what();
  } catch (...) {
    return "an exception of unknown type";
  }
}

struct task_group::state {
  struct child {
    explicit child(std::string n) : name(std::move(n)) {}
    std::string name;
    asio::cancellation_signal cancel;
  };
  using children_list = std::list<std::shared_ptr<child>>;

  state(asio::any_io_executor ex, failure_handler handler)
      : executor(std::move(ex)), on_failure(std::move(handler)), empty(executor) {
    empty.set();
  }

  void stop() {
    stopped = true;
    // Emitted on the loop's thread, because co_spawn forwards a signal from elsewhere through a queue, as a bare
    // pointer into the child. A cancelled task may end others on the way; the copy keeps the walk and each child valid.
    asio::dispatch(executor, [snapshot = children] {
      for (auto const& one : snapshot)
        one->cancel.emit(asio::cancellation_type::terminal);
    });
  }

  void ended(children_list::iterator at, std::exception_ptr const& failure) {
    auto const name = std::move((*at)->name);
    children.erase(at);
    if (failure && !(stopped && is_abort(failure))) {
      log::error("task failed", {log::kv("task", name), log::kv("error", describe(failure))});
      if (on_failure) on_failure(name, failure);
    }
    if (children.empty()) empty.set();
  }

  asio::any_io_executor executor;
  failure_handler on_failure;
  children_list children;
  event empty;
  bool stopped = false;
};

asio::awaitable<void> task_group::run(std::shared_ptr<state> shared, asio::awaitable<void> task) {
  if (shared->stopped) co_return;  // stopped before the loop came to the first step
  std::exception_ptr failure;
  try {
    co_await std::move(task);
  } catch (...) {
    failure = std::current_exception();
  }
  // co_spawn posts once more after a task that never waited. Cancelled by then (a task that stops its own group), that
  // step would throw where nothing catches it: std::terminate.
  co_await asio::this_coro::throw_if_cancelled(false);
  if (failure) std::rethrow_exception(failure);
}

task_group::task_group(asio::any_io_executor executor, failure_handler on_failure)
    : state_(std::make_shared<state>(std::move(executor), std::move(on_failure))) {}

task_group::~task_group() {
  state_->on_failure = {};
  if (state_->children.empty()) return;
  for (auto const& name : running())
    log::error("task still runs though its group ends", {log::kv("task", name)});
  state_->stop();
}

bool task_group::spawn(std::string name, asio::awaitable<void> task) {
  if (state_->stopped) return false;
  state_->empty.reset();
  auto const child = std::make_shared<state::child>(std::move(name));
  auto const at = state_->children.insert(state_->children.end(), child);
  // The handler holds the child, because the signal must outlive the coroutine that is connected to it.
  auto on_end = [shared = state_, child, at](std::exception_ptr failure) { shared->ended(at, failure); };
  asio::co_spawn(state_->executor, run(state_, std::move(task)),
                 asio::bind_cancellation_slot(child->cancel.slot(), std::move(on_end)));
  return true;
}

void task_group::stop() {
  state_->stop();
}

asio::awaitable<void> task_group::join() {
  auto const shared = state_;
  while (!shared->children.empty()) {
    auto const woken = co_await shared->empty.wait();
    if (!woken) co_return;
  }
}

bool task_group::stopped() const {
  return state_->stopped;
}

std::size_t task_group::size() const {
  return state_->children.size();
}

std::vector<std::string> task_group::running() const {
  std::vector<std::string> names;
  names.reserve(state_->children.size());
  for (auto const& one : state_->children)
    names.push_back(one->name);
  return names;
}

asio::any_io_executor const& task_group::executor() const {
  return state_->executor;
}

}  // namespace codeexec::async
