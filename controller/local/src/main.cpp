// codeexec-local: the control plane and the one node, in one process and on one thread.
#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>

#include "codeexec/async/shutdown_signals.hpp"
#include "codeexec/async/task_group.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/local/control_plane.hpp"
#include "codeexec/local/job_controller.hpp"
#include "codeexec/local/node/node.hpp"

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

/// Whole or not at all: who waits for the file must never read half of it.
base::result<void> write_file(std::filesystem::path const& file, std::string const& text) {
  std::filesystem::path const fresh = file.string() + ".new";
  std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  std::error_code ec;
  if (out) {
    std::filesystem::permissions(fresh, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, ec);
    std::filesystem::rename(fresh, file, ec);
  }
  if (!out || ec) {
    return base::error("cannot write " + file.string());
  }
  return {};
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
        node_(io.get_executor(), control_plane_.objects(), options_.node) {}

  base::result<void> start() {
    auto step = control_plane_.load();
    if (!step) {
      return step;
    }
    add_runtime_class(control_plane_.objects());
    if (options_.run_node) {
      step = node_.start();
      if (!step) {
        return step;
      }
      control_plane_.set_log_source(&node_);
      jobs_.start();
    }
    step = control_plane_.listen();
    if (!step) {
      return step;
    }
    base::log::info("codeexec-local serves the Kubernetes API",
                    {kv("url", control_plane_.url()),
                     kv("pods", options_.run_node ? node_.describe_runtime() : std::string("none"))});
    if (!options_.kubeconfig_out.empty()) {
      step = write_file(options_.kubeconfig_out, local::make_kubeconfig(control_plane_.url(), options_.context));
    }
    if (step && !options_.ready_file.empty()) {
      step = write_file(options_.ready_file, "");
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
    if (options_.run_node) {
      co_await node_.stop();
    }
    control_plane_.set_log_source(nullptr);
    co_await control_plane_.stop();
    tasks_.stop();
  }

  local::program_options options_;
  int exit_code_ = EXIT_SUCCESS;
  async::shutdown_signals signals_;
  async::task_group tasks_;
  local::control_plane control_plane_;
  local::job_controller jobs_;
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
