// A whole codeexec-local on loopback, in a thread of its own: control plane, Job controller and node, wired as its
// main() does it. Tokens are checked and roles honoured, as on the cluster that was recorded.
#pragma once

#include <filesystem>
#include <unistd.h>

#include "codeexec/local/job_controller.hpp"
#include "codeexec/local/node/node.hpp"
#include "codeexec/local/yaml.hpp"

#include "apiserver_support.hpp"

namespace codeexec::local::testing {

class live_cluster {
 public:
  live_cluster() {
    server_.on_thread([this] {
      (void)server_.plane.objects().create(kube::runtime_classes,
                                           {{"metadata", {{"name", "gvisor"}}}, {"handler", "runsc"}});
      node_options options;
      options.name = "real-node";
      // A second try would change the Pod whose image cannot be pulled while it is being compared.
      options.pull_backoff = std::chrono::minutes(5);
      folder_ = std::filesystem::temp_directory_path() / ("cxl" + std::to_string(getpid()));
      options.state_dir = folder_;
      machine_ = std::make_unique<node>(server_.executor(), server_.plane.objects(), options);
      jobs_ = std::make_unique<job_controller>(server_.executor(), server_.plane.objects());
      auto const begun = machine_->start();
      EXPECT_TRUE(begun) << begun.error().message;
      jobs_->start();
      server_.plane.set_log_source(machine_.get());
      auto const config = parse_yaml(server_.plane.kubeconfig("local"));
      EXPECT_TRUE(config) << config.error().message;
      administrator_token_ = config->at("users").at(0).at("user").at("token");
    });
  }
  ~live_cluster() {
    std::promise<void> done;
    asio::post(server_.executor(), [&] {
      jobs_->stop();
      server_.plane.set_log_source(nullptr);
      (void)server_.tasks().spawn("stop the node", stop(&done));
    });
    done.get_future().wait();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  live_cluster(live_cluster const&) = delete;
  live_cluster& operator=(live_cluster const&) = delete;

  std::uint16_t port() const { return server_.port(); }
  std::string const& administrator_token() const { return administrator_token_; }
  answer call(std::string const& method, std::string const& target, headers const& fields,
              std::string const& body) const {
    return server_.call(method, target, fields, body);
  }

 private:
  static control_plane_options guarded() {
    control_plane_options out;
    out.access_control = true;
    return out;
  }

  asio::awaitable<void> stop(std::promise<void>* done) {
    co_await machine_->stop();
    machine_.reset();
    jobs_.reset();
    done->set_value();
  }

  live_server server_{guarded()};
  std::string administrator_token_;
  std::filesystem::path folder_;
  std::unique_ptr<node> machine_;
  std::unique_ptr<job_controller> jobs_;
};

}  // namespace codeexec::local::testing
