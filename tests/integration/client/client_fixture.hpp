// A scripted server, a real client of it, and a loop to run both.
#pragma once

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>

#include "codeexec/async/task_group.hpp"
#include "codeexec/kube_client/rest_client.hpp"
#include "codeexec/testing/run_coro.hpp"
#include "codeexec/testing/scripted_api_server.hpp"

namespace codeexec::testing {

using namespace std::chrono_literals;

/// What a task got from the client, for a test that looks at it later.
template <class T>
using outcome = std::shared_ptr<std::optional<kube::result<T>>>;

class manual_clock final : public base::clock {
 public:
  base::wall_time wall_now() const override {
    return base::wall_time(std::chrono::duration_cast<std::chrono::microseconds>(now_.time_since_epoch()));
  }
  base::steady_time steady_now() const override { return now_; }
  void advance(std::chrono::seconds by) { now_ += by; }

 private:
  base::steady_time now_{std::chrono::hours(1)};
};

class client_fixture : public ::testing::Test {
 protected:
  void TearDown() override {
    tasks.stop();
    run_coro(io, tasks.join());
    client.reset();
    if (server) run_coro(io, server->stop());
  }

  void serve() { server = std::make_unique<scripted_api_server>(io.get_executor()); }
  void serve_tls(scripted_api_server::tls_options const& tls) {
    server = std::make_unique<scripted_api_server>(io.get_executor(), tls);
  }

  kube::cluster_config config() const {
    kube::cluster_config out;
    out.server = server->url();
    return out;
  }

  void connect(kube::cluster_config const& to, kube::rest_client_options options = {}) {
    kube::config_environment environment;
    environment.variable = [](std::string const&) { return std::nullopt; };
    environment.read_file = [this](std::string const& path) -> base::result<std::string> {
      auto const at = files.find(path);
      if (at == files.end()) return base::error(path + ": No such file or directory");
      return {boost::system::in_place_value, at->second};
    };
    auto made = kube::rest_client::create(io.get_executor(), to, std::move(options), clock, environment);
    ASSERT_TRUE(made) << made.error().describe();
    client = std::move(*made);
  }
  void connect() { connect(config()); }

  static kube::request get(std::string target) {
    kube::request r(kube::verb::get, std::move(target));
    r.idempotent = true;
    return r;
  }
  static kube::request post(std::string target, std::string body) {
    kube::request r(kube::verb::post, std::move(target));
    r.content_type = "application/json";
    r.body = std::move(body);
    return r;
  }

  kube::result<std::string> send(kube::request r, base::deadline by = base::deadline::after(5s)) {
    return run_coro(io, client->send(std::move(r), by));
  }
  kube::result<std::unique_ptr<kube::byte_stream>> open(kube::request r,
                                                        base::deadline by = base::deadline::after(5s)) {
    return run_coro(io, client->open_stream(std::move(r), by));
  }
  kube::result<std::string> read(kube::byte_stream& stream, base::deadline by = base::deadline::after(5s)) {
    return run_coro(io, stream.read_some(by));
  }

  /// Starts a send that nobody waits for yet.
  outcome<std::string> send_aside(kube::request r, base::deadline by = base::deadline::after(5s)) {
    auto out = std::make_shared<std::optional<kube::result<std::string>>>();
    tasks.spawn("send", send_into(client.get(), std::move(r), by, out));
    return out;
  }
  static boost::asio::awaitable<void> send_into(kube::client* to, kube::request r, base::deadline by,
                                                outcome<std::string> out) {
    auto got = co_await to->send(std::move(r), by);
    out->emplace(std::move(got));
  }

  /// Turns the loop until `done`, for at most five seconds.
  template <class Predicate>
  void run_until(Predicate done) {
    auto const end = std::chrono::steady_clock::now() + 5s;
    while (!done() && std::chrono::steady_clock::now() < end) {
      io.restart();
      io.run_one_for(10ms);
    }
    ASSERT_TRUE(done());
  }

  boost::asio::io_context io;
  manual_clock clock;
  std::map<std::string, std::string> files;
  async::task_group tasks{io.get_executor()};
  std::unique_ptr<scripted_api_server> server;
  std::unique_ptr<kube::client> client;
};

}  // namespace codeexec::testing
