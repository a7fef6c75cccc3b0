// Owner of running coroutines: the only way a coroutine is started in this project.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace codeexec::async {

/// Starts named coroutines on one executor, gives each its own cancellation signal, and waits for all of them.
///
/// Lifetime: stop it and await join() before it, or anything its tasks refer to, is destroyed.
/// Thread: every member is called on the executor's (single) thread, or before its loop runs.
class task_group {
 public:
  /// Called after the failure has been logged, on the executor's thread. It may call stop().
  using failure_handler = std::function<void(std::string_view task, std::exception_ptr const& failure)>;

  explicit task_group(boost::asio::any_io_executor executor, failure_handler on_failure = {});
  task_group(task_group const&) = delete;
  task_group& operator=(task_group const&) = delete;
  /// Tasks that still run are a bug of the owner: they are named in the log and cancelled.
  ~task_group();

  /// Starts `task`. Called on the loop's thread it runs at once up to its first suspension. An exception that leaves
  /// the task is logged with `name` and reported to the failure handler; operation_aborted after a stop is neither.
  /// False, and the task never runs, once the group was stopped.
  bool spawn(std::string name, boost::asio::awaitable<void> task);

  /// Emits terminal cancellation to every task and refuses new ones; a task that has not run its first step never will.
  /// Returns at once; join() waits. Idempotent.
  void stop();

  /// Ends when no task runs any more. Cancelling the wait leaves the tasks as they are. Several may wait.
  boost::asio::awaitable<void> join();

  bool stopped() const;
  std::size_t size() const;
  /// Names of what runs, oldest first: for the log line of a stop that takes too long.
  std::vector<std::string> running() const;

  boost::asio::any_io_executor const& executor() const;

 private:
  struct state;
  static boost::asio::awaitable<void> run(std::shared_ptr<state> shared, boost::asio::awaitable<void> task);

  std::shared_ptr<state> state_;  // outlives the group where a completion handler still waits in a queue
};

}  // namespace codeexec::async
