#include "codeexec/runtime/leader_elector.hpp"

#include <array>
#include <boost/asio/this_coro.hpp>
#include <cinttypes>
#include <cstdio>

#include "codeexec/async/cancellation.hpp"
#include "codeexec/async/deadline.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/kube_core/json.hpp"
#include "codeexec/kube_core/request.hpp"

namespace codeexec::runtime {
namespace asio = boost::asio;
namespace log = base::log;
using nlohmann::json;

std::string unique_identity(std::string_view name, base::rng& random) {
  std::array<char, 40> digits{};
  std::uint64_t const high = random();
  std::uint64_t const low = random();
  std::snprintf(digits.data(), digits.size(), "_%016" PRIx64 "%016" PRIx64, high, low);
  return std::string(name) + digits.data();
}

leader_elector::leader_elector(asio::any_io_executor const& executor, kube::client& client,
                               leader_election_options options, base::clock const& clock, base::rng random)
    : client_(client),
      options_(std::move(options)),
      clock_(clock),
      fsm_(options_.identity, options_.timing, random),
      wake_(executor),
      leading_(executor),
      ended_(executor),
      tasks_(executor, options_.on_failure) {}

void leader_elector::start() {
  started_ = true;
  log::info("waiting for the lease",
            {log::kv("namespace", options_.ns), log::kv("lease", options_.name), log::kv("identity", identity())});
  auto task = run();
  tasks_.spawn("leader election", std::move(task));
}

kube::task<bool> leader_elector::wait_leading() {
  auto const woken = co_await leading_.wait();
  co_return woken&& fsm_.where() == lease_fsm::state::leading;
}

kube::task<void> leader_elector::release() {
  release_asked_ = true;
  // Nothing is held and no write is under way that might take it: whatever is being waited for is of no use any more.
  bool const idle = fsm_.where() == lease_fsm::state::waiting && !writing_;
  if (idle) tasks_.stop();
  wake_.pulse();
  co_await tasks_.join();
  ended_.set();
  leading_.set();
}

kube::task<void> leader_elector::run() {
  struct at_end {
    leader_elector& self;
    ~at_end() {
      self.ended_.set();
      self.leading_.set();
    }
  };
  at_end const whatever_happens{*this};
  auto part = take_part();
  co_await std::move(part);
}

kube::task<void> leader_elector::take_part() {
  auto next = fsm_.start(now());
  for (;;) {
    auto const state = co_await asio::this_coro::cancellation_state;
    if (async::is_cancelled(state)) co_return;
    tell_change();
    auto const where = fsm_.where();
    bool const may_hold = where == lease_fsm::state::waiting || where == lease_fsm::state::leading;
    if (release_asked_ && may_hold) next = fsm_.release(now());
    if (auto const* const a = std::get_if<lease_fsm::ask>(&next)) {
      auto step = ask(a->by);
      next = co_await std::move(step);
    } else if (auto* const c = std::get_if<lease_fsm::create>(&next)) {
      auto step = write(kube::verb::post, std::move(c->spec), c->by);
      next = co_await std::move(step);
    } else if (auto* const r = std::get_if<lease_fsm::replace>(&next)) {
      auto step = write(kube::verb::put, std::move(r->spec), r->by);
      next = co_await std::move(step);
    } else if (auto const* const pause = std::get_if<lease_fsm::rest>(&next)) {
      auto const until = base::deadline::after(pause->time);
      co_await wake_.wait_until(until);
      // Woken to release, or the time is over; in the first case what comes of this is replaced above.
      next = fsm_.on_rested(now());
    } else {
      tell_change();
      co_return;
    }
  }
}

kube::task<leader_elector::action> leader_elector::ask(base::steady_time by) {
  auto request = kube::make_get(kube::leases, options_.ns, options_.name);
  base::deadline const end(by);
  auto sending = client_.send(std::move(request), end);
  auto const answer = co_await std::move(sending);
  if (!answer) {
    if (answer.error().is_not_found()) {
      document_ = nullptr;
      co_return fsm_.on_absent(now());
    }
    co_return failed("read", answer.error());
  }
  auto object = kube::parse_answer(*answer);
  auto const decoded = kube::decode_lease(object);
  if (auto const* const problem = std::get_if<api::decode_error>(&decoded)) {
    kube::error const e(kube::error_kind::decode, "the Lease cannot be read: " + problem->describe());
    co_return failed("read", e);
  }
  document_ = std::move(object);
  co_return fsm_.on_found(std::get<kube::Lease>(decoded).spec, now());
}

kube::task<leader_elector::action> leader_elector::write(kube::verb method, kube::LeaseSpec spec,
                                                         base::steady_time by) {
  auto const make = [&] {
    if (method == kube::verb::post) {
      auto const body = kube::make_lease(options_.name, spec);
      return kube::make_create(kube::leases, options_.ns, body.dump(-1, ' ', false, json::error_handler_t::replace),
                               options_.field_manager);
    }
    auto const body = kube::with_spec(document_, spec);
    return kube::make_replace(kube::leases, options_.ns, options_.name,
                              body.dump(-1, ' ', false, json::error_handler_t::replace), options_.field_manager);
  };
  auto request = make();
  base::deadline const end(by);
  writing_ = true;
  auto sending = client_.send(std::move(request), end);
  auto const answer = co_await std::move(sending);
  writing_ = false;
  if (!answer) co_return failed("write", answer.error());
  auto object = kube::parse_answer(*answer);
  auto const decoded = kube::decode_lease(object);
  if (auto const* const problem = std::get_if<api::decode_error>(&decoded)) {
    // It was done, but the version is unknown.
    kube::error const e(kube::error_kind::decode, "the answer cannot be read: " + problem->describe());
    co_return failed("write", e);
  }
  ++counters_.writes;
  document_ = std::move(object);
  co_return fsm_.on_written(now());
}

leader_elector::action leader_elector::failed(std::string_view doing, kube::error const& e) {
  auto next = fsm_.on_failed(e, now());
  if (e.is_cancelled()) return next;
  ++counters_.failures;
  // Of two that try, one is refused: that is how it works.
  bool const usual = fsm_.where() == lease_fsm::state::waiting && (e.is_conflict() || e.is_already_exists());
  log::write(usual ? log::level::debug : log::level::warn, "lease request failed",
             {log::kv("doing", doing), log::kv("namespace", options_.ns), log::kv("lease", options_.name),
              log::kv("error", e.describe())});
  return next;
}

void leader_elector::tell_change() {
  auto const where = fsm_.where();
  if (where != told_) {
    told_ = where;
    if (where == lease_fsm::state::leading) {
      log::info("leading", {log::kv("lease", options_.name), log::kv("identity", identity())});
      leading_.set();
    } else if (where == lease_fsm::state::lost) {
      log::error("the lease is lost", {log::kv("lease", options_.name), log::kv("why", fsm_.loss())});
    } else if (where == lease_fsm::state::released) {
      bool const ours = fsm_.holder().empty();
      log::info(ours ? "lease released" : "the lease may still be ours", {log::kv("lease", options_.name)});
    }
  }
  if (where == lease_fsm::state::waiting && told_holder_ != fsm_.holder()) {
    told_holder_ = fsm_.holder();
    if (!told_holder_.empty()) log::info("standing by", {log::kv("leader", told_holder_)});
  }
}

lease_fsm::moment leader_elector::now() const {
  return lease_fsm::moment{clock_.steady_now(), clock_.wall_now()};
}

}  // namespace codeexec::runtime
