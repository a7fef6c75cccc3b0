#include "codeexec/runtime/controller.hpp"

#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cassert>
#include <cstdio>
#include <exception>

#include "codeexec/async/cancellation.hpp"
#include "codeexec/async/deadline.hpp"
#include "codeexec/base/log.hpp"

namespace codeexec::runtime {
namespace asio = boost::asio;
namespace log = base::log;

namespace {

/// Passes started before the loop lets sockets and timers have their turn. Few: in a flood the watches would fall
/// behind, and passes that are made from old news ask the server for what a watch is about to bring.
constexpr int passes_per_turn = 8;

}  // namespace

controller::controller(asio::any_io_executor const& executor, reconciler& what, base::clock const& clock,
                       base::rng random, controller_options options)
    : reconciler_(what),
      clock_(clock),
      random_(random),
      options_(std::move(options)),
      queue_(options_.queue, base::rng(random_())),
      wake_(executor),
      idle_(executor),
      loop_(executor, options_.on_failure),
      passes_(executor) {
  assert(options_.concurrency > 0);
}

void controller::enqueue(object_key const& key, priority how_soon) {
  queue_.add(key, how_soon, clock_.steady_now());
  wake_.pulse();
}

void controller::enqueue_after(object_key const& key, priority how_soon, work_queue::duration delay) {
  queue_.add_at(key, how_soon, clock_.steady_now() + delay);
  wake_.pulse();
}

void controller::start(std::vector<informer_base*> sources) {
  auto task = run(std::move(sources));
  loop_.spawn("controller " + options_.name, std::move(task));
}

kube::task<void> controller::run(std::vector<informer_base*> sources) {
  for (auto* const source : sources) {
    auto const synced = co_await source->wait_synced();
    if (!synced) co_return;
    log::info("store has synced", {log::kv("controller", options_.name), log::kv("resource", source->name())});
  }
  running_ = true;
  log::info("controller runs", {log::kv("controller", options_.name),
                                log::kv("concurrency", static_cast<std::uint64_t>(options_.concurrency))});
  while (!stopping_) {
    int started = 0;
    while (in_flight_ < options_.concurrency && started < passes_per_turn) {
      auto const now = clock_.steady_now();
      auto item = queue_.take(now);
      if (!item) break;
      ++started;
      ++in_flight_;
      auto const began = began_.insert(began_.end(), now);
      auto task_name = "reconcile " + item->key.describe();
      auto task = pass(std::move(*item), next_id(), began);
      passes_.spawn(std::move(task_name), std::move(task));
    }
    if (started == passes_per_turn) {
      co_await asio::post(asio::use_awaitable);
      continue;
    }
    // Nothing was suspended since the last take(), so no wake-up can have been missed.
    auto until = base::deadline::never();
    auto const due = queue_.next_due();
    if (due && in_flight_ < options_.concurrency) until = base::deadline::after(*due - clock_.steady_now());
    co_await wake_.wait_until(until);
    auto const state = co_await asio::this_coro::cancellation_state;
    if (async::is_cancelled(state)) co_return;
  }
}

kube::task<void> controller::pass(work_queue::item item, std::string reconcile_id, began_at began) {
  std::exception_ptr failure;
  auto result = outcome::done();
  try {
    auto const by = base::deadline::after(options_.pass_limit);
    auto work = async::with_deadline(reconciler_.reconcile(item.key, reconcile_id), by);
    auto ended = co_await std::move(work);
    if (ended) {
      result = std::move(*ended);
    } else {
      ++counters_.overruns;
      auto const limit = std::chrono::duration_cast<std::chrono::seconds>(options_.pass_limit);
      result = outcome::retry("the pass had not ended after " + std::to_string(limit.count()) + " s: cancelled");
    }
  } catch (...) {
    failure = std::current_exception();
  }
  // Cut off by a stop whose grace has run out: neither a success nor a bug. Whoever starts next sees the object again.
  bool const cut_off = failure && passes_.stopped() && async::is_abort(failure);
  bool const threw = failure && !cut_off;
  if (threw) {
    ++counters_.exceptions;
    result = outcome::retry(async::describe(failure));
  }
  tell_end(item, reconcile_id, result, clock_.steady_now() - *began);
  began_.erase(began);
  conclude(item, reconcile_id, result, threw);
}

void controller::tell_end(work_queue::item const& item, std::string const& reconcile_id, outcome const& result,
                          work_queue::duration took) const {
  if (!log::enabled(log::level::debug)) return;
  using millis = std::chrono::milliseconds;
  auto const what = result.what();
  auto const* const how = what == outcome::kind::done ? "done" : what == outcome::kind::requeue ? "requeue" : "retry";
  log::debug("reconciled", {log::kv("controller", options_.name), log::kv("namespace", item.key.ns),
                            log::kv("name", item.key.name), log::kv("reconcile_id", reconcile_id),
                            log::kv("result", how), log::kv("millis", std::chrono::duration_cast<millis>(took).count()),
                            log::kv("waited_millis", std::chrono::duration_cast<millis>(item.waited).count())});
}

void controller::conclude(work_queue::item const& item, std::string const& reconcile_id, outcome const& result,
                          bool threw) {
  auto const now = clock_.steady_now();
  ++counters_.passes;
  switch (result.what()) {
    case outcome::kind::done:
      queue_.forget(item.key);
      break;
    case outcome::kind::requeue:
      ++counters_.requeues;
      queue_.forget(item.key);
      queue_.add_at(item.key, item.how_soon, now + result.delay());
      break;
    case outcome::kind::retry: {
      ++counters_.retries;
      auto const delay = queue_.add_rate_limited(item.key, item.how_soon, now, result.delay());
      log::write(threw ? log::level::error : log::level::warn,
                 threw ? "reconcile threw an exception, will be tried again" : "reconcile failed, will be tried again",
                 {log::kv("controller", options_.name), log::kv("namespace", item.key.ns),
                  log::kv("name", item.key.name), log::kv("reconcile_id", reconcile_id), log::kv("error", result.why()),
                  log::kv("failures", item.failures + 1),
                  log::kv("retry_in_ms", std::chrono::duration_cast<std::chrono::milliseconds>(delay).count())});
      break;
    }
  }
  queue_.done(item.key, now);
  --in_flight_;
  wake_.pulse();
  if (in_flight_ == 0) idle_.pulse();
}

kube::task<void> controller::stop(std::chrono::steady_clock::duration grace) {
  stopping_ = true;
  loop_.stop();
  co_await loop_.join();
  auto const until = base::deadline::after(grace);
  while (in_flight_ > 0) {
    auto const in_time = co_await idle_.wait_until(until);
    if (!in_time) break;
  }
  if (in_flight_ > 0) {
    for (auto const& name : passes_.running()) {
      log::warn("grace period is over, cancelling", {log::kv("controller", options_.name), log::kv("task", name)});
    }
  }
  passes_.stop();
  co_await passes_.join();
}

std::string controller::next_id() {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(random_()));
  return text.data();
}

}  // namespace codeexec::runtime
