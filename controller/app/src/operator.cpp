#include "operator.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <malloc.h>
#include <memory>
#include <optional>
#include <random>
#include <unistd.h>

#include "codeexec/api/json.hpp"
#include "codeexec/async/deadline.hpp"
#include "codeexec/async/shutdown_signals.hpp"
#include "codeexec/async/task_group.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/execution/occurrences.hpp"
#include "codeexec/execution/policy.hpp"
#include "codeexec/kube_client/credentials.hpp"
#include "codeexec/kube_client/rest_client.hpp"
#include "codeexec/reconciler/cached_objects.hpp"
#include "codeexec/reconciler/code_execution_reconciler.hpp"
#include "codeexec/reconciler/sweeper.hpp"
#include "codeexec/runner/program.hpp"
#include "codeexec/runtime/controller.hpp"
#include "codeexec/runtime/event_recorder.hpp"
#include "codeexec/runtime/guarded_client.hpp"
#include "codeexec/runtime/informer.hpp"
#include "codeexec/runtime/leader_elector.hpp"
#include "codeexec/telemetry/health.hpp"
#include "codeexec/telemetry/monitoring_server.hpp"
#include "codeexec/version/version.hpp"

namespace codeexec::app {
namespace {

using base::log::kv;
namespace asio = boost::asio;

/// For the Events that wait when everything else has stopped.
constexpr std::chrono::seconds event_grace{3};

base::rng make_rng() {
  std::random_device entropy;
  std::seed_seq seed{entropy(), entropy(), entropy(), entropy()};
  return base::rng(seed);
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "unknown";
  return name.data();
}

/// Two connections to one API server, with one proof of who we are. Renewing the lease, and writing Events, must not
/// wait behind the work, nor the work behind them.
struct clients {
  std::unique_ptr<kube::rest_client> work;
  std::unique_ptr<kube::rest_client> aside;
};

/// How often the loop shows that it turns.
constexpr std::chrono::milliseconds heartbeat{500};

std::vector<std::string> cache_names() {
  return {std::string(kube::code_executions.plural), std::string(kube::jobs.plural), std::string(kube::pods.plural)};
}

class whole {
 public:
  whole(asio::io_context& io, options const& with, execution::config const& config, clients connected,
        std::string const& own_namespace)
      : with_(with),
        config_(config),
        // The flag bounds what is asked for at all; the configuration, what of it is served.
        watched_(with.namespaces.empty() ? config.named_namespaces() : with.namespaces),
        clients_(std::move(connected)),
        random_(make_rng()),
        guarded_(*clients_.work, [this] { return !elector_ || elector_->is_leading(); }),
        executions_(io.get_executor(), guarded_, execution_collection(), reconciler::decode_cached_execution,
                    base::system_clock(), next_rng()),
        jobs_(io.get_executor(), guarded_,
              collection(kube::jobs, reconciler::children_selector(), reconciler::job_fields()), kube::decode_job,
              base::system_clock(), next_rng()),
        pods_(io.get_executor(), guarded_,
              collection(kube::pods, reconciler::children_selector(), reconciler::pod_fields()), kube::decode_pod,
              base::system_clock(), next_rng()),
        stores_{executions_.objects(), jobs_.objects(), pods_.objects()},
        reconciler_(io.get_executor(), guarded_, stores_, config, runner::program(), base::system_clock(), next_rng(),
                    [this](auto const& key) { controller_.enqueue(key, runtime::priority::high); }),
        controller_(io.get_executor(), reconciler_, base::system_clock(), next_rng(), controller_options()),
        sweeper_(guarded_, stores_, reconciler_, config, watched_, base::system_clock(), next_rng()),
        events_(io.get_executor(), *clients_.aside, reporter(), event_options(), base::system_clock()),
        signals_(io.get_executor()),
        level_signals_(io.get_executor(), SIGUSR1, SIGUSR2),
        health_(cache_names(), base::system_clock().steady_now()),
        reflectors_(io.get_executor(), [this](auto, auto const&) { fail(); }),
        sweeps_(io.get_executor(), [this](auto, auto const&) { fail(); }),
        main_(io.get_executor(), [this](auto, auto const&) { fail(); }),
        stop_(io.get_executor()) {
    stores_.add_indices();
    stores_.on_change([this](auto const& key, auto how_soon) { controller_.enqueue(key, how_soon); });
    reconciler_.on_occurrence([this](kube::occurrence what) {
      if (execution::is_told(with_.events, what)) events_.record(std::move(what));
    });
    if (with_.leader.wanted) {
      elector_.emplace(io.get_executor(), *clients_.aside, election(own_namespace), base::system_clock(), next_rng());
    }
  }

  void start() {
    executions_.start(reflectors_);
    jobs_.start(reflectors_);
    pods_.start(reflectors_);
    events_.start();
    health_.set_role(with_.leader.wanted ? telemetry::role::standby : telemetry::role::alone);
    main_.spawn("signals", watch_signals());
    main_.spawn("log level", watch_level_signals());
    main_.spawn("heartbeat", beat());
    main_.spawn("readiness", announce());
    for (runtime::informer_base* const cache :
         {static_cast<runtime::informer_base*>(&executions_), static_cast<runtime::informer_base*>(&jobs_),
          static_cast<runtime::informer_base*>(&pods_)})
      main_.spawn("readiness " + cache->name(), tell_when_filled(*cache));
    main_.spawn("stop", stop_in_order());
    main_.spawn("work", work());
  }

  int exit_code() const { return exit_code_; }
  telemetry::health const& health() const { return health_; }

  /// On the loop's thread.
  telemetry::operator_counters count() const {
    telemetry::operator_counters all;
    all.executions = reconciler_.counted();
    all.classes = config_.namespace_classes();
    all.slots = reconciler_.queue().count(all.classes.size());
    auto const now = base::system_clock().wall_now();
    for (auto const& one : all.slots) {
      auto const since = base::parse_time(one.oldest);
      all.oldest_waiting.push_back(since ? std::max(now - *since, base::wall_time::duration{})
                                         : base::wall_time::duration{});
    }
    all.tracked = reconciler_.records();
    all.passes = controller_.counters();
    all.in_flight = controller_.in_flight();
    all.workers = static_cast<std::size_t>(with_.workers);
    auto const oldest = controller_.oldest_pass();
    if (oldest) all.oldest_pass = base::system_clock().steady_now() - *oldest;
    all.queue = controller_.queue().counters();
    all.ready_high = controller_.queue().ready(runtime::priority::high);
    all.ready_normal = controller_.queue().ready(runtime::priority::normal);
    all.delayed = controller_.queue().delayed();
    all.api = clients_.work->counted();
    all.api += clients_.aside->counted();
    auto const cache = [&all](auto const& informer) {
      all.caches.push_back({informer.name(), informer.counters(), informer.malformed(), informer.objects().size(),
                            informer.has_synced()});
    };
    cache(executions_);
    cache(jobs_);
    cache(pods_);
    all.log_readers = reconciler_.log_readers();
    all.log_followers_limit = static_cast<std::size_t>(std::max(config_.max_log_followers, 0));
    all.events = events_.counters();
    all.events_waiting = events_.waiting();
    all.leading = !elector_ || elector_->is_leading();
    if (elector_) all.lease = elector_->counters();
    all.sweeps = sweeper_.counted();
    all.loop_lag = lag_;
    return all;
  }

 private:
  runtime::informer_options collection(kube::resource const& type, std::string selector, kube::projection keep) const {
    runtime::informer_options what;
    what.type = type;
    what.namespaces = watched_;
    what.label_selector = std::move(selector);
    what.keep = std::move(keep);
    return what;
  }
  runtime::informer_options execution_collection() const {
    auto what = collection(kube::code_executions, "", reconciler::execution_fields());
    what.lighter = reconciler::finished_execution();
    return what;
  }
  runtime::controller_options controller_options() {
    runtime::controller_options how;
    how.concurrency = static_cast<std::size_t>(with_.workers);
    how.on_failure = [this](auto, auto const&) { fail(); };
    return how;
  }
  runtime::leader_election_options election(std::string const& own_namespace) {
    runtime::leader_election_options how;
    how.ns = with_.leader.ns.empty() ? own_namespace : with_.leader.ns;
    how.name = with_.leader.name;
    how.identity =
        runtime::unique_identity(with_.leader.identity.empty() ? host_name() : with_.leader.identity, random_);
    how.timing = with_.leader.timing;
    how.field_manager = api::field_manager;
    how.on_failure = [this](auto, auto const&) { fail(); };
    return how;
  }
  static kube::event_reporter reporter() {
    return kube::event_reporter{std::string(api::field_manager), std::string(api::field_manager) + "-" + host_name()};
  }
  runtime::event_queue_options event_options() const {
    runtime::event_queue_options how;
    how.per_second = with_.event_qps;
    how.burst = static_cast<int>(std::ceil(with_.event_qps * 5));
    how.field_manager = api::field_manager;
    return how;
  }
  base::rng next_rng() { return base::rng(random_()); }

  /// A part ended that nothing goes on without. Restarting the program is the honest repair: all state is in the
  /// cluster.
  void fail() {
    exit_code_ = exit_codes::failed;
    stop_.set();
  }

  kube::task<void> watch_signals() {
    auto const first = co_await signals_.next();
    if (first == 0) co_return;
    base::log::info("stopping", {kv("signal", first), kv("under_way", controller_.in_flight())});
    stop_.set();
    auto const second = co_await signals_.next();
    if (second == 0) co_return;
    base::log::warn("leaving at once", {kv("signal", second)});
    std::_Exit(128 + second);
  }

  /// Both can be sent again and again: they say which level, not one more or less.
  kube::task<void> watch_level_signals() {
    for (;;) {
      auto const [ec, number] = co_await level_signals_.async_wait(asio::as_tuple(asio::use_awaitable));
      if (ec) co_return;
      auto const level = number == SIGUSR1 ? base::log::level::debug : with_.log_level;
      base::log::set_level(level);
      base::log::warn("log level set by a signal", {kv("log_level", base::log::name_of(level))});
    }
  }

  /// Shows the probes that the loop turns, and measures how late it comes to what is due.
  kube::task<void> beat() {
    auto const& clock = base::system_clock();
    for (;;) {
      auto const due = clock.steady_now() + heartbeat;
      auto const slept = co_await async::sleep_for(heartbeat);
      if (!slept) co_return;
      auto const now = clock.steady_now();
      lag_.record(now - due);
      health_.beat(now, controller_.oldest_pass());
    }
  }

  kube::task<void> tell_when_filled(runtime::informer_base& cache) {
    auto const filled = co_await cache.wait_synced();
    if (filled) health_.set_synced(cache.name());
  }

  kube::task<void> announce() {
    auto const executions = co_await executions_.wait_synced();
    auto const jobs = co_await jobs_.wait_synced();
    auto const pods = co_await pods_.wait_synced();
    if (!executions || !jobs || !pods) co_return;
    base::log::info("ready", {kv("executions", executions_.objects().size()), kv("jobs", jobs_.objects().size()),
                              kv("pods", pods_.objects().size())});
    // What the first lists took beside what is kept.
    ::malloc_trim(0);
    synced_ = true;
    write_ready_file();
  }

  void write_ready_file() const {
    if (with_.ready_file.empty() || !synced_) return;
    std::ofstream file(with_.ready_file);
    file << (elector_ ? (elector_->is_leading() ? "leading" : "standby") : "ready") << '\n';
    if (!file.flush()) base::log::warn("ready file cannot be written", {kv("file", with_.ready_file)});
  }

  /// The caches fill meanwhile, so that whoever takes over begins at once.
  kube::task<void> work() {
    if (elector_) {
      elector_->start();
      auto const leads = co_await elector_->wait_leading();
      if (leads) {
        health_.set_role(telemetry::role::leading);
        write_ready_file();
        begin();
      }
      co_await elector_->wait_ended();
      if (elector_->lost()) lose();
    } else {
      begin();
    }
  }

  void begin() {
    controller_.start({&executions_, &jobs_, &pods_});
    sweeps_.spawn("sweep", sweep());
  }

  kube::task<void> sweep() {
    auto const executions = co_await executions_.wait_synced();
    auto const jobs = co_await jobs_.wait_synced();
    auto const pods = co_await pods_.wait_synced();
    if (!executions || !jobs || !pods) co_return;
    co_await sweeper_.run();
  }

  /// Whoever leads by now must find nobody else at work. No write leaves any more: the guarded client sees to that.
  void lose() {
    if (stop_.is_set()) return;
    exit_code_ = exit_codes::lease_lost;
    stop_.set();
  }

  kube::task<void> stop_in_order() {
    auto const told = co_await stop_.wait();
    if (!told) co_return;
    health_.set_role(telemetry::role::stopping);
    bool const at_once = exit_code_ == exit_codes::lease_lost;
    std::chrono::steady_clock::duration const grace = at_once ? std::chrono::milliseconds(0) : with_.stop_grace;
    sweeps_.stop();
    co_await controller_.stop(grace);
    co_await sweeps_.join();
    co_await reconciler_.stop();
    reflectors_.stop();
    co_await reflectors_.join();
    // Before the Events: the next one need not wait for them.
    if (elector_) co_await elector_->release();
    auto const by = base::deadline::after(event_grace);
    co_await events_.stop(by);
    if (!with_.ready_file.empty()) std::remove(with_.ready_file.c_str());
    base::log::info("stopped",
                    {kv("jobs_made", reconciler_.counted().started), kv("succeeded", reconciler_.counted().succeeded),
                     kv("failed", reconciler_.counted().failed), kv("events_written", events_.counters().written),
                     kv("events_dropped", events_.counters().dropped)});
    main_.stop();
  }

  options const& with_;
  execution::config const& config_;
  std::vector<std::string> watched_;
  clients clients_;
  base::rng random_;
  std::optional<runtime::leader_elector> elector_;
  runtime::guarded_client guarded_;
  runtime::informer<api::CodeExecution> executions_;
  runtime::informer<kube::Job> jobs_;
  runtime::informer<kube::Pod> pods_;
  reconciler::stores stores_;
  reconciler::code_execution_reconciler reconciler_;
  runtime::controller controller_;
  reconciler::sweeper sweeper_;
  runtime::event_recorder events_;
  async::shutdown_signals signals_;
  asio::signal_set level_signals_;
  telemetry::health health_;
  telemetry::lag_histogram lag_;
  async::task_group reflectors_;
  async::task_group sweeps_;
  async::task_group main_;
  async::event stop_;
  int exit_code_ = exit_codes::stopped;
  bool synced_ = false;
};

/// False: said why.
bool listen(telemetry::monitoring_server& server, options const& with) {
  auto const tell = [](char const* what, base::result<asio::ip::tcp::endpoint> const& bound) {
    if (bound) {
      base::log::info("serving", {kv("what", what), kv("address", telemetry::describe(*bound))});
    } else {
      base::log::error("cannot serve", {kv("what", what), kv("error", bound.error().message)});
    }
    return bound.has_value();
  };
  if (with.health_bind_address && !tell("health", server.listen_for_probes(*with.health_bind_address))) return false;
  return !with.metrics_bind_address || tell("metrics", server.listen_for_scrapes(*with.metrics_bind_address));
}

}  // namespace

int run_operator(options const& with, execution::config const& config, kube::cluster_config const& cluster) {
  asio::io_context io(1);
  kube::rest_client_options how;
  how.user_agent = kube::make_user_agent("codeexec-controller", CODEEXEC_VERSION);
  how.max_connections = 32;
  how.qps = with.kube_api_qps;
  how.burst = with.kube_api_burst;
  how.call_timeout = with.kube_api_timeout;
  how.who = kube::make_credentials(io.get_executor(), cluster, base::system_clock(), kube::process_environment());
  auto work = kube::rest_client::create(io.get_executor(), cluster, how);
  how.max_connections = 4;
  how.qps = 0;
  auto aside = kube::rest_client::create(io.get_executor(), cluster, how);
  if (!work || !aside) {
    base::log::error("the API server cannot be talked to",
                     {kv("error", (work ? aside.error() : work.error()).message())});
    return exit_codes::misused;
  }
  clients connected{std::move(*work), std::move(*aside)};
  // Before the first word: whoever reads that may send a signal, which must find its handler.
  whole all(io, with, config, std::move(connected), cluster.namespace_);
  std::string namespaces;
  for (auto const& ns : with.namespaces.empty() ? config.named_namespaces() : with.namespaces)
    namespaces += (namespaces.empty() ? "" : ",") + ns;
  base::log::info("starting", {kv("version", CODEEXEC_VERSION), kv("commit", commit()), kv("server", cluster.server),
                               kv("from", cluster.origin), kv("namespaces", namespaces.empty() ? "all" : namespaces),
                               kv("runtimes", config.runtimes.size()), kv("require_sandbox", config.require_sandbox)});
  for (auto const& risk : execution::describe_risks(config))
    base::log::warn("risk in the configuration", {kv("risk", risk)});
  telemetry::monitoring_server monitoring(io.get_executor(), all.health(), base::system_clock(),
                                          [&all] { return all.count(); });
  if (!listen(monitoring, with)) return exit_codes::misused;
  if (with.health_bind_address || with.metrics_bind_address) monitoring.start();
  all.start();
  io.run();
  monitoring.stop();
  return all.exit_code();
}

}  // namespace codeexec::app
