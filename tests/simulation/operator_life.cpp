#include "operator_life.hpp"

#include <array>

#include "codeexec/async/cancellation.hpp"
#include "codeexec/testing/run_coro.hpp"

namespace codeexec::simulation {
namespace {

constexpr std::size_t most_passes_at_once = 8;

std::string describe(kube::request const& r) {
  constexpr std::array<char const*, 5> verbs{"GET", "POST", "PUT", "PATCH", "DELETE"};
  auto const at = r.target.find("/agents/");
  return std::string(verbs.at(static_cast<std::size_t>(r.method))) + " " +
         (at == std::string::npos ? r.target : r.target.substr(at + 8));
}

}  // namespace

char const* name_of(fault f) {
  constexpr std::array<char const*, 14> names{"none",      "kill_before", "kill_after",  "kill_early", "refused",
                                              "lost",      "doubled",     "late_double", "too_many",   "internal",
                                              "timed_out", "silence",     "expired",     "conflict"};
  return names.at(static_cast<std::size_t>(f));
}

class operator_life::client final : public kube::client {
 public:
  explicit client(operator_life& of) : life_(of) {}

  kube::task<kube::result<std::string>> send(kube::request r, base::deadline) override {
    auto const made = life_.send(std::move(r), false);
    if (!made) co_return kube::error(kube::error_kind::cancelled, "dead");
    auto waiting = made->ready.wait();
    auto const woken = co_await std::move(waiting);
    bool const answered = woken && made->answer.has_value();
    if (!answered) co_return kube::error(kube::error_kind::cancelled, "dead");
    co_return std::move(*made->answer);
  }

  kube::task<kube::result<std::unique_ptr<kube::byte_stream>>> open_stream(kube::request r, base::deadline) override {
    auto const made = life_.send(std::move(r), true);
    if (!made) co_return kube::error(kube::error_kind::cancelled, "dead");
    auto waiting = made->ready.wait();
    auto const woken = co_await std::move(waiting);
    bool const answered = woken && made->stream.has_value();
    if (!answered) co_return kube::error(kube::error_kind::cancelled, "dead");
    auto& stream = *made->stream;
    if (!stream) co_return stream.error();
    co_return testing::scripted_stream::body_of(*stream);
  }

 private:
  operator_life& life_;
};

operator_life::operator_life(std::string name, boost::asio::io_context& io, agenda& time, dice& random, cluster& with,
                             execution::config const& config, weather const& outside, fate what_becomes,
                             make_reconciler const& other)
    : name_(std::move(name)),
      io_(io),
      time_(time),
      random_(random),
      cluster_(with),
      outside_(outside),
      fate_(std::move(what_becomes)),
      stores_{executions_, jobs_, pods_},
      queue_({}, base::rng(random.seed())),
      client_(std::make_unique<client>(*this)),
      passes_(io.get_executor()) {
  stores_.add_indices();
  stores_.on_change([this](auto const& key, auto how_soon) { enqueue(key, how_soon); });
  auto const again = [this](runtime::object_key const& key) { enqueue(key, runtime::priority::high); };
  base::rng random_of_its_own(random.seed());
  if (other) {
    reconciler_ = other(*client_, stores_, random_of_its_own, again);
  } else {
    auto made = std::make_unique<reconciler::code_execution_reconciler>(
        io.get_executor(), *client_, stores_, config, "the runner's bytes", time, random_of_its_own, again);
    real_ = made.get();
    reconciler_ = std::move(made);
  }
  watch_executions_ = {&with.executions, &executions_};
  watch_jobs_ = {&with.jobs, &jobs_};
  watch_pods_ = {&with.pods, &pods_};
  start(watch_executions_);
  start(watch_jobs_);
  start(watch_pods_);
}

operator_life::~operator_life() {
  kill();
  passes_.stop();
  testing::run_coro(io_, passes_.join());
  if (real_ != nullptr) testing::run_coro(io_, real_->stop());
}

void operator_life::kill() {
  if (!alive_) return;
  alive_ = false;
  here_.reset();
  watch_executions_.from->forget(watch_executions_.listening);
  watch_jobs_.from->forget(watch_jobs_.listening);
  watch_pods_.from->forget(watch_pods_.listening);
}

/// Runs `what` now, or when the process goes on; never, once it is dead.
void operator_life::when_awake(std::function<void()> what) {
  if (!alive_) return;
  if (time_.now() >= paused_until_) {
    what();
    return;
  }
  std::weak_ptr<int> const here = here_;
  time_.after(paused_until_ - time_.now(), [here, what = std::move(what)] {
    if (!here.expired()) what();
  });
}

// --- watches -----------------------------------------------------------------------------------------------------

template <class T>
void operator_life::start(watch<T>& w) {
  w.listening = w.from->listen([this, &w] { deliver_later(w); });
  std::weak_ptr<int> const here = here_;
  time_.after(random_.between(1ms, 60ms), [this, here, &w] {
    if (!here.expired()) relist(w);
  });
}

/// The newest state, whole; what happened on the way to it nobody is told.
template <class T>
void operator_life::relist(watch<T>& w) {
  ++w.generation;
  w.at = w.from->size();
  std::weak_ptr<int> const here = here_;
  time_.after(random_.between(outside_.request_least, outside_.request_most),
              [this, here, &w, generation = w.generation, all = w.from->list(), at = w.at]() mutable {
                if (here.expired() || generation != w.generation) return;
                w.into->replace("", std::move(all));
                w.synced = w.connected = true;
                wake(0us);
                w.last = time_.now();
                // What came meanwhile follows.
                for (auto i = at; i < w.from->size(); ++i)
                  deliver_later(w);
              });
}

template <class T>
void operator_life::deliver_later(watch<T>& w) {
  if (!w.connected) return;
  auto lag = random_.between(outside_.watch_least, outside_.watch_most);
  if (outside_.watch_stalls > 0 && random_.chance(outside_.watch_stalls))
    lag += random_.between(0us, outside_.stall_most);
  if (outside_.watch_cuts > 0 && random_.chance(outside_.watch_cuts)) {
    ++w.generation;
    w.connected = false;
    std::weak_ptr<int> const here = here_;
    time_.after(random_.between(1ms, 3s), [this, here, &w, generation = w.generation] {
      if (!here.expired() && generation == w.generation) relist(w);
    });
    return;
  }
  w.last = std::max(w.last, time_.now() + lag);
  std::weak_ptr<int> const here = here_;
  time_.after(w.last - time_.now(), [this, here, &w, generation = w.generation] {
    if (here.expired()) return;
    when_awake([this, &w, generation] { deliver(w, generation); });
  });
}

template <class T>
void operator_life::deliver(watch<T>& w, int generation) {
  if (generation != w.generation || w.at >= w.from->size()) return;
  auto const entry = w.from->at(w.at++);
  if (entry.deleted) {
    w.into->erase(entry.id.key, entry.object);
  } else {
    w.into->apply(entry.id, entry.object);
  }
}

// --- requests ----------------------------------------------------------------------------------------------------

std::shared_ptr<call> operator_life::send(kube::request r, bool stream) {
  if (!alive_) return nullptr;
  auto const c = std::make_shared<call>(io_.get_executor());
  auto const what = fate_.of_request(r);
  if (!alive_) return c;  // the fate may be somebody's who is killed by a change of the cluster
  trace(name_ + " " + describe(r) + (what == fault::none ? "" : std::string("  <- ") + name_of(what)));
  auto const travels = random_.between(outside_.request_least, outside_.request_most);
  bool const writes = r.method != kube::verb::get;
  auto const fail_with = [&](kube::error e, duration later) {
    if (stream) {
      c->stream.emplace(std::move(e));
    } else {
      c->answer.emplace(std::move(e));
    }
    tell(c, later);
  };
  auto const status = [](int code, char const* reason) {
    return kube::error::from_status(
        code, json{{"kind", "Status"}, {"reason", reason}, {"message", "scripted"}, {"code", code}}.dump(),
        code == 429 ? std::optional(std::chrono::seconds(1)) : std::nullopt);
  };
  // Done, whatever is told of it.
  auto const done_after = [&](duration later) {
    time_.after(later, [&in = cluster_, r, stream] {
      if (!stream) (void)in.serve(r);
    });
  };
  switch (what) {
    case fault::none:
      answer(c, r, stream, travels);
      break;
    case fault::kill_before:
      fate_.dies(*this);
      break;
    case fault::kill_after:
      done_after(travels);
      fate_.dies(*this);
      break;
    case fault::kill_early:
      done_after(random_.between(50ms, 8s));
      if (writes && fate_.doubled_late) fate_.doubled_late(r);
      fate_.dies(*this);
      break;
    case fault::refused:
      fail_with(kube::error(kube::error_kind::connect, "scripted"), travels);
      break;
    case fault::lost:
      done_after(travels);
      fail_with(kube::error(kube::error_kind::connection, "scripted"), travels * 2);
      break;
    case fault::doubled:
      if (writes) done_after(travels / 2);
      answer(c, r, stream, travels);
      break;
    case fault::late_double:
      // Nobody on the way sends a creation again seconds later.
      if (writes && r.method != kube::verb::post) done_after(random_.between(100ms, 20s));
      answer(c, r, stream, travels);
      break;
    case fault::too_many:
      fail_with(status(429, "TooManyRequests"), travels);
      break;
    case fault::internal:
      fail_with(status(500, "InternalError"), travels);
      break;
    case fault::timed_out:
      done_after(travels);
      fail_with(status(504, "Timeout"), travels * 2);
      break;
    case fault::expired:
      fail_with(status(410, "Expired"), travels);
      break;
    case fault::conflict:
      fail_with(status(409, "Conflict"), travels);
      break;
    case fault::silence:
      done_after(travels);
      fail_with(kube::error(kube::error_kind::timeout, "scripted"), 30s);
      break;
  }
  return c;
}

void operator_life::answer(std::shared_ptr<call> const& c, kube::request const& r, bool stream, duration travels) {
  // A request that is on its way arrives, whether its sender lives or not.
  std::weak_ptr<int> const here = here_;
  time_.after(travels, [this, here, c, r, stream, &in = cluster_, back = travels] {
    if (stream) {
      c->stream.emplace(in.open_log(r));
    } else {
      c->answer.emplace(in.serve(r));
    }
    if (!here.expired()) tell(c, back);
  });
}

void operator_life::tell(std::shared_ptr<call> const& c, duration travels) {
  std::weak_ptr<int> const here = here_;
  time_.after(travels, [this, here, c] {
    if (here.expired()) return;
    when_awake([c] { c->ready.set(); });
  });
}

// --- passes ------------------------------------------------------------------------------------------------------

void operator_life::enqueue(runtime::object_key const& key, runtime::priority how_soon) {
  if (!alive_) return;
  queue_.add(key, how_soon, time_.steady_now());
  wake(0us);
}

void operator_life::wake(duration delay) {
  auto const at = time_.now() + delay;
  if (wakes_at_ && *wakes_at_ <= at) return;
  wakes_at_ = at;
  std::weak_ptr<int> const here = here_;
  time_.after(delay, [this, here, at] {
    if (here.expired() || wakes_at_ != at) return;
    wakes_at_.reset();
    when_awake([this] { pump(); });
  });
}

/// As runtime::controller does it, in simulated time.
void operator_life::pump() {
  if (!alive_ || !watch_executions_.synced || !watch_jobs_.synced || !watch_pods_.synced) return;
  while (in_flight_ < most_passes_at_once) {
    auto item = queue_.take(time_.steady_now());
    if (!item) break;
    ++in_flight_;
    ++passes_made_;
    passes_.spawn("pass", pass(std::move(*item)));
  }
  auto const due = queue_.next_due();
  if (due && in_flight_ < most_passes_at_once) wake(std::chrono::duration_cast<duration>(*due - time_.steady_now()));
}

kube::task<void> operator_life::pass(runtime::work_queue::item item) {
  auto working = reconciler_->reconcile(item.key, "1");
  auto const result = co_await std::move(working);
  auto const now = time_.steady_now();
  switch (result.what()) {
    case runtime::outcome::kind::done:
      queue_.forget(item.key);
      break;
    case runtime::outcome::kind::requeue:
      queue_.forget(item.key);
      queue_.add_at(item.key, item.how_soon, now + result.delay());
      break;
    case runtime::outcome::kind::retry:
      trace(name_ + " will try again: " + result.why());
      queue_.add_rate_limited(item.key, item.how_soon, now, result.delay());
      break;
  }
  queue_.done(item.key, now);
  --in_flight_;
  if (alive_) wake(0us);
}

}  // namespace codeexec::simulation
