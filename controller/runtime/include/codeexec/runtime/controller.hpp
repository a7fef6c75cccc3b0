// Takes keys from a work queue and reconciles them, many at a time on one thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "codeexec/async/event.hpp"
#include "codeexec/async/task_group.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/kube_client/client.hpp"
#include "codeexec/runtime/informer.hpp"
#include "codeexec/runtime/work_queue.hpp"

namespace codeexec::runtime {

/// How a pass ended.
class outcome {
 public:
  using duration = std::chrono::steady_clock::duration;
  enum class kind { done, requeue, retry };

  /// Nothing to do until something changes. The key's backoff starts over.
  static outcome done() { return outcome(kind::done, {}, {}); }
  /// As done(), and look again after `delay`: for what depends on time alone (a timeout, a TTL).
  static outcome requeue_after(duration delay) { return outcome(kind::requeue, delay, {}); }
  /// It failed and may succeed later: again after the key's backoff, or after `at_least` where that is longer.
  static outcome retry(std::string why, duration at_least = {}) {
    return outcome(kind::retry, at_least, std::move(why));
  }
  /// The same for a request that failed; waits as long as the server asked (Retry-After).
  static outcome retry(kube::error const& e) {
    return retry(e.describe_for_log(), e.retry_after().value_or(std::chrono::seconds{}));
  }

  kind what() const { return kind_; }
  duration delay() const { return delay_; }
  std::string const& why() const { return why_; }

 private:
  outcome(kind k, duration delay, std::string why) : kind_(k), delay_(delay), why_(std::move(why)) {}

  kind kind_;
  duration delay_;
  std::string why_;
};

/// What the operator does about one object.
class reconciler {
 public:
  reconciler() = default;
  reconciler(reconciler const&) = delete;
  reconciler& operator=(reconciler const&) = delete;
  virtual ~reconciler() = default;

  /// One pass: level-based (the key says which object, never what happened to it), idempotent, and never run twice at
  /// once for one key. `reconcile_id` names the pass in log lines. Passes of different keys interleave at each
  /// co_await. Cancelled (terminal) only where a stop's grace period or controller_options::pass_limit has run out. An
  /// exception is a bug: it is logged, counted and treated as retry().
  virtual kube::task<outcome> reconcile(object_key key, std::string reconcile_id) = 0;
};

struct controller_options {
  std::string name = "codeexecution";  ///< in log lines and task names
  /// Passes under way at once. Many, since a pass mostly waits for the API server.
  std::size_t concurrency = 64;
  /// A pass that takes longer hangs: it is cancelled, logged, and tried again after the key's backoff. Far longer than
  /// the deadlines of a pass's requests add up to.
  std::chrono::steady_clock::duration pass_limit = std::chrono::minutes(2);
  work_queue::options queue;
  /// Called when the loop itself fails, which is a bug: nothing would be reconciled any more, so stop the program.
  async::task_group::failure_handler on_failure;
};

struct controller_counters {
  std::uint64_t passes = 0;      ///< ended, in whatever way
  std::uint64_t requeues = 0;    ///< outcome::requeue_after
  std::uint64_t retries = 0;     ///< outcome::retry
  std::uint64_t exceptions = 0;  ///< passes that threw: bugs
  std::uint64_t overruns = 0;    ///< passes that were cancelled at their time limit; retried, and so counted there too
};

/// Lifetime: reconciler, clock and informers outlive it; await stop() before it is destroyed.
/// Thread: every member on the executor's (single) thread, or before its loop runs.
class controller {
 public:
  controller(boost::asio::any_io_executor const& executor, reconciler& what, base::clock const& clock, base::rng random,
             controller_options options = {});
  controller(controller const&) = delete;
  controller& operator=(controller const&) = delete;

  /// The key is to be reconciled. May be called at any time, also by a pass about its own key, and from handlers of a
  /// store; keys that are enqueued before everything has synced wait.
  void enqueue(object_key const& key, priority how_soon);
  void enqueue_after(object_key const& key, priority how_soon, work_queue::duration delay);

  /// Begins. No pass runs before all of `sources` have synced: a half-filled store looks like deleted objects.
  void start(std::vector<informer_base*> sources);

  /// Takes no further key; ends when the passes under way have ended. Those that have not after `grace` are named in
  /// the log and cancelled.
  kube::task<void> stop(std::chrono::steady_clock::duration grace);

  bool has_started_passes() const { return running_; }  ///< all sources have synced
  std::size_t in_flight() const { return in_flight_; }
  /// When the pass under way began that has been so the longest; nothing where there is none.
  std::optional<base::steady_time> oldest_pass() const {
    return began_.empty() ? std::nullopt : std::optional(began_.front());
  }
  work_queue const& queue() const { return queue_; }
  controller_counters const& counters() const { return counters_; }

 private:
  kube::task<void> run(std::vector<informer_base*> sources);
  using began_at = std::list<base::steady_time>::iterator;
  kube::task<void> pass(work_queue::item item, std::string reconcile_id, began_at began);
  void tell_end(work_queue::item const& item, std::string const& reconcile_id, outcome const& result,
                work_queue::duration took) const;
  void conclude(work_queue::item const& item, std::string const& reconcile_id, outcome const& result, bool threw);
  std::string next_id();

  reconciler& reconciler_;
  base::clock const& clock_;
  base::rng random_;
  controller_options options_;
  work_queue queue_;
  async::event wake_;  // pulsed when a key was added or a pass has ended
  async::event idle_;  // pulsed when the last pass under way has ended
  async::task_group loop_;
  async::task_group passes_;
  std::size_t in_flight_ = 0;
  std::list<base::steady_time> began_;  // the passes under way, oldest first
  bool running_ = false;
  bool stopping_ = false;
  controller_counters counters_;
};

}  // namespace codeexec::runtime
