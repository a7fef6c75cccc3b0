#include "operator.hpp"

#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>

#include "codeexec/api/json.hpp"
#include "codeexec/async/shutdown_signals.hpp"
#include "codeexec/async/task_group.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/kube_client/rest_client.hpp"
#include "codeexec/reconciler/code_execution_reconciler.hpp"
#include "codeexec/runner/program.hpp"
#include "codeexec/runtime/controller.hpp"
#include "codeexec/runtime/informer.hpp"

namespace codeexec::app {
namespace {

using base::log::kv;
namespace asio = boost::asio;

/// What is under way at a stop gets this long; every request has a shorter deadline of its own or may be repeated.
constexpr std::chrono::seconds stop_grace{20};

base::rng make_rng() {
  std::random_device entropy;
  std::seed_seq seed{entropy(), entropy(), entropy(), entropy()};
  return base::rng(seed);
}

class whole {
 public:
  whole(asio::io_context& io, options const& with, execution::config const& config,
        std::unique_ptr<kube::client> client)
      : with_(with),
        client_(std::move(client)),
        random_(make_rng()),
        executions_(io.get_executor(), *client_, collection(kube::code_executions, ""), api::decode_code_execution,
                    base::system_clock(), next_rng()),
        jobs_(io.get_executor(), *client_, collection(kube::jobs, reconciler::children_selector()), kube::decode_job,
              base::system_clock(), next_rng()),
        pods_(io.get_executor(), *client_, collection(kube::pods, reconciler::children_selector()), kube::decode_pod,
              base::system_clock(), next_rng()),
        stores_{executions_.objects(), jobs_.objects(), pods_.objects()},
        reconciler_(io.get_executor(), *client_, stores_, config, runner::program(), base::system_clock(), next_rng(),
                    [this](auto const& key) { controller_.enqueue(key, runtime::priority::high); }),
        controller_(io.get_executor(), reconciler_, base::system_clock(), next_rng(), controller_options()),
        signals_(io.get_executor()),
        reflectors_(io.get_executor(), [this](auto, auto const&) { fail(); }),
        main_(io.get_executor(), [this](auto, auto const&) { fail(); }),
        stop_(io.get_executor()) {
    stores_.add_indices();
    stores_.on_change([this](auto const& key, auto how_soon) { controller_.enqueue(key, how_soon); });
  }

  void start() {
    executions_.start(reflectors_);
    jobs_.start(reflectors_);
    pods_.start(reflectors_);
    controller_.start({&executions_, &jobs_, &pods_});
    main_.spawn("signals", watch_signals());
    main_.spawn("readiness", announce());
    main_.spawn("stop", stop_in_order());
  }

  int exit_code() const { return failed_ ? 1 : 0; }

 private:
  runtime::informer_options collection(kube::resource const& type, std::string selector) const {
    runtime::informer_options what;
    what.type = type;
    what.namespaces = with_.namespaces;
    what.label_selector = std::move(selector);
    return what;
  }
  runtime::controller_options controller_options() {
    runtime::controller_options how;
    how.concurrency = static_cast<std::size_t>(with_.workers);
    how.on_failure = [this](auto, auto const&) { fail(); };
    return how;
  }
  base::rng next_rng() { return base::rng(random_()); }

  /// A part ended that nothing goes on without. Restarting the program is the honest repair: all state is in the
  /// cluster.
  void fail() {
    failed_ = true;
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

  kube::task<void> announce() {
    auto const executions = co_await executions_.wait_synced();
    auto const jobs = co_await jobs_.wait_synced();
    auto const pods = co_await pods_.wait_synced();
    if (!executions || !jobs || !pods) co_return;
    base::log::info("ready", {kv("executions", executions_.objects().size()), kv("jobs", jobs_.objects().size()),
                              kv("pods", pods_.objects().size())});
    if (with_.ready_file.empty()) co_return;
    std::ofstream file(with_.ready_file);
    file << "ready\n";
    if (!file.flush()) base::log::warn("ready file cannot be written", {kv("file", with_.ready_file)});
  }

  kube::task<void> stop_in_order() {
    auto const told = co_await stop_.wait();
    if (!told) co_return;
    co_await controller_.stop(stop_grace);
    co_await reconciler_.stop();
    reflectors_.stop();
    co_await reflectors_.join();
    if (!with_.ready_file.empty()) std::remove(with_.ready_file.c_str());
    base::log::info("stopped",
                    {kv("jobs_made", reconciler_.counted().started), kv("succeeded", reconciler_.counted().succeeded),
                     kv("failed", reconciler_.counted().failed)});
    main_.stop();
  }

  options const& with_;
  std::unique_ptr<kube::client> client_;
  base::rng random_;
  runtime::informer<api::CodeExecution> executions_;
  runtime::informer<kube::Job> jobs_;
  runtime::informer<kube::Pod> pods_;
  reconciler::stores stores_;
  reconciler::code_execution_reconciler reconciler_;
  runtime::controller controller_;
  async::shutdown_signals signals_;
  async::task_group reflectors_;
  async::task_group main_;
  async::event stop_;
  bool failed_ = false;
};

}  // namespace

int run_operator(options const& with, execution::config const& config, kube::cluster_config const& cluster) {
  asio::io_context io(1);
  kube::rest_client_options how;
  how.user_agent = "codeexec-controller/" CODEEXEC_VERSION " (linux)";
  how.max_connections = 32;
  auto client = kube::rest_client::create(io.get_executor(), cluster, how);
  if (!client) {
    base::log::error("the API server cannot be talked to", {kv("error", client.error().message())});
    return 2;
  }
  // Before the first word: whoever reads that may send a signal, which must find its handler.
  whole operator_(io, with, config, std::move(*client));
  std::string namespaces;
  for (auto const& ns : with.namespaces)
    namespaces += (namespaces.empty() ? "" : ",") + ns;
  base::log::info("starting", {kv("version", CODEEXEC_VERSION), kv("server", cluster.server),
                               kv("from", cluster.origin), kv("namespaces", namespaces.empty() ? "all" : namespaces),
                               kv("runtimes", config.runtimes.size()), kv("require_sandbox", config.require_sandbox)});
  operator_.start();
  io.run();
  return operator_.exit_code();
}

}  // namespace codeexec::app
