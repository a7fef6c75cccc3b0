// codeexec-local: the control plane and the one node, in one process and on one thread.
#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <random>

#include "codeexec/async/shutdown_signals.hpp"
#include "codeexec/async/task_group.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/local/certificates.hpp"
#include "codeexec/local/control_plane.hpp"
#include "codeexec/local/job_controller.hpp"
#include "codeexec/local/node/node.hpp"
#include "codeexec/local/workload_controller.hpp"

#include "options.hpp"

namespace {

using namespace codeexec;
using base::log::kv;
namespace asio = boost::asio;

base::rng make_rng() {
  std::random_device entropy;
  std::seed_seq seed{entropy(), entropy(), entropy(), entropy()};
  return base::rng(seed);
}

/// The class that the operator's pods ask for by default; whether its handler works here is the node's business.
void add_runtime_class(local::store& objects) {
  if (!objects.get(kube::runtime_classes, {}, "gvisor")) {
    nlohmann::json value = {{"metadata", {{"name", "gvisor"}}}, {"handler", "runsc"}};
    (void)objects.create(kube::runtime_classes, std::move(value));
  }
}

class program {
 public:
  program(asio::io_context& io, local::program_options options)
      : options_(std::move(options)),
        signals_(io.get_executor()),
        tasks_(io.get_executor(), [this](auto, auto const&) { exit_code_ = EXIT_FAILURE; }),
        control_plane_(io.get_executor(), base::system_clock(), make_rng(), options_.control_plane),
        jobs_(io.get_executor(), control_plane_.objects()),
        workloads_(io.get_executor(), control_plane_.objects()),
        node_(io.get_executor(), control_plane_.objects(), options_.node) {}

  base::result<void> start() {
    auto step = control_plane_.load();
    if (!step) {
      return step;
    }
    add_runtime_class(control_plane_.objects());
    for (auto const& path : options_.manifests) {
      step = control_plane_.add_objects(path);
      if (!step) {
        return step;
      }
    }
    if (options_.run_node) {
      node_.set_cluster(&control_plane_.for_pods());
      step = node_.start();
      if (!step) {
        return step;
      }
      control_plane_.set_log_source(&node_);
      control_plane_.set_pod_ports(&node_);
      jobs_.start();
      workloads_.start();
    }
    step = control_plane_.listen();
    if (!step) {
      return step;
    }
    base::log::info("codeexec-local serves the Kubernetes API",
                    {kv("url", control_plane_.url()),
                     kv("pods", options_.run_node ? node_.describe_runtime() : std::string("none"))});
    step = write_account_kubeconfigs();
    if (step && !options_.kubeconfig_out.empty()) {
      step = local::write_private_file(options_.kubeconfig_out, control_plane_.kubeconfig(options_.context));
    }
    if (step && !options_.ready_file.empty()) {
      step = local::write_private_file(options_.ready_file, "");
    }
    if (step) {
      (void)tasks_.spawn("signals", wait_for_signals());
    }
    return step;
  }

  /// After a start() that failed half-way: what it started is stopped.
  void abandon() { (void)tasks_.spawn("stop", stop()); }

  int exit_code() const { return exit_code_; }

 private:
  base::result<void> write_account_kubeconfigs() const {
    constexpr std::chrono::hours year{365 * 24};
    for (auto const& one : options_.accounts) {
      auto const token = control_plane_.make_token(one.ns, one.name, year);
      if (!token) {
        return base::error("--account-kubeconfig: " + token.error().message);
      }
      auto written = local::write_private_file(one.file, control_plane_.kubeconfig(options_.context, *token, one.ns));
      if (!written) {
        return written;
      }
    }
    return {};
  }

  asio::awaitable<void> wait_for_signals() {
    int const first = co_await signals_.next();
    base::log::info("stopping", {kv("signal", first)});
    (void)tasks_.spawn("stop", stop());
    int const second = co_await signals_.next();
    if (second != 0) {
      std::_Exit(EXIT_FAILURE);
    }
  }

  asio::awaitable<void> stop() {
    // No new pods, then no running ones; the API answers until the last status is written.
    jobs_.stop();
    workloads_.stop();
    if (options_.run_node) {
      co_await node_.stop();
    }
    control_plane_.set_log_source(nullptr);
    control_plane_.set_pod_ports(nullptr);
    co_await control_plane_.stop();
    tasks_.stop();
  }

  local::program_options options_;
  int exit_code_ = EXIT_SUCCESS;
  async::shutdown_signals signals_;
  async::task_group tasks_;
  local::control_plane control_plane_;
  local::job_controller jobs_;
  local::workload_controller workloads_;
  local::node node_;
};

}  // namespace

int main(int argc, char** argv) {
  auto parsed = local::parse_options(argc, argv);
  if (auto const* const end = std::get_if<local::early_exit>(&parsed)) {
    (end->code == 0 ? std::cout : std::cerr) << end->text;
    return end->code;
  }
  auto& options = std::get<local::program_options>(parsed);
  base::log::configure(options.log_level, options.log_format);

  asio::io_context io(1);
  program all(io, std::move(options));
  auto const started = all.start();
  if (!started) {
    std::cerr << "codeexec-local: " << started.error().message << '\n';
    all.abandon();
  }
  io.run();
  return started ? all.exit_code() : EXIT_FAILURE;
}
