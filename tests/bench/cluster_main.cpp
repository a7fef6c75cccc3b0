// bench_cluster: the simulated cluster as a program of its own, so that its processor time is counted apart from the
// operator's. Also a probe that times plain requests with the operator's own client.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "codeexec/base/encoding.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/kube_client/rest_client.hpp"
#include "codeexec/kube_core/request.hpp"
#include "codeexec/kube_core/resource.hpp"
#include "codeexec/testing/test_pki.hpp"

#include "simulated_cluster.hpp"

namespace codeexec::bench {
namespace {

namespace asio = boost::asio;
using nlohmann::json;

constexpr char const* description =
    "A simulated Kubernetes cluster on loopback, for measuring the operator. Commands come as lines of JSON on "
    "standard "
    "input, each is answered by one line of JSON:\n"
    "  {\"do\":\"run\",\"count\":100,\"rate\":0,\"output\":100,\"code\":400,\"namespaces\":4,\"runs_for_ms\":0,\n"
    "   \"patience_s\":240,\"until_running\":false,\"keep\":1000}     creates CodeExecutions and waits for their "
    "results\n"
    "  {\"do\":\"fill\",\"count\":1000,\"code\":2048,\"output\":1024}    puts finished ones there\n"
    "  {\"do\":\"traffic\"}, {\"do\":\"reset\"}                         requests and bytes since the last reset\n"
    "It ends with its input.";

struct arguments {
  std::string kubeconfig;
  bool tls = false;
  bool paged_lists = false;
  std::size_t probes = 0;
  double probe_rate = 0;
  std::string method = "get";
};

std::string kubeconfig_text(std::string const& server, std::string const& ca_pem) {
  auto const authority =
      ca_pem.empty() ? std::string() : ", certificate-authority-data: " + base::base64_encode(ca_pem);
  auto const user = ca_pem.empty() ? "{}" : "{token: bench}";  // nobody sends a credential in clear text
  return "apiVersion: v1\nkind: Config\nclusters:\n- {name: bench, cluster: {server: \"" + server + "\"" + authority +
         "}}\nusers:\n- {name: bench, user: " + user +
         "}\ncontexts:\n- {name: bench, context: {cluster: bench, user: bench}}\ncurrent-context: bench\n";
}

asio::awaitable<std::string> obey(simulated_cluster& cluster, std::string line) {
  auto const command = json::parse(line, nullptr, false);
  if (!command.is_object()) co_return R"({"error":"no JSON object"})";
  auto const what = command.value("do", "");
  if (what == "fill") {
    cluster.fill(command.value("count", std::size_t{1}), command.value("code", std::size_t{2048}),
                 command.value("output", std::size_t{1024}));
    co_return "{}";
  }
  if (what == "traffic") co_return cluster.traffic();
  if (what == "reset") {
    cluster.reset_traffic();
    co_return "{}";
  }
  if (what != "run") co_return R"({"error":"no such command"})";
  workload load;
  load.count = command.value("count", load.count);
  load.rate = command.value("rate", load.rate);
  load.output = command.value("output", load.output);
  load.code = command.value("code", load.code);
  load.namespaces = std::max<std::size_t>(command.value("namespaces", load.namespaces), 1);
  load.runs_for = std::chrono::milliseconds(command.value("runs_for_ms", 0));
  load.patience = std::chrono::seconds(command.value("patience_s", 240));
  load.until_running = command.value("until_running", false);
  load.keep = command.value("keep", load.keep);
  auto running = cluster.run(load);
  co_return co_await std::move(running);
}

asio::awaitable<void> serve(simulated_cluster& cluster, net::http_server& server) {
  auto const executor = cluster.executor();
  asio::posix::stream_descriptor input(executor, ::dup(STDIN_FILENO));
  std::string buffer;
  for (;;) {
    auto const [ec, size] =
        co_await asio::async_read_until(input, asio::dynamic_buffer(buffer), '\n', asio::as_tuple(asio::use_awaitable));
    if (ec) break;
    auto line = buffer.substr(0, size - 1);
    buffer.erase(0, size);
    auto obeying = obey(cluster, std::move(line));
    auto const answer = co_await std::move(obeying);
    std::cout << answer << std::endl;
  }
  auto stopping = server.stop();
  co_await std::move(stopping);
  auto ending = cluster.stop();
  co_await std::move(ending);
}

int run_cluster(arguments const& with) {
  asio::io_context io(1);
  simulated_cluster cluster(io.get_executor(), !with.paged_lists);
  net::server_options how;
  std::string ca;
  if (with.tls) {
    testing::test_pki const pki;
    auto const own = pki.issue("bench", {"IP:127.0.0.1"});
    auto tls = net::make_server_tls(own.certificate_pem, own.key_pem);
    if (!tls) {
      std::cerr << "bench_cluster: " << tls.error().message << '\n';
      return 1;
    }
    how.tls = *tls;
    ca = pki.ca_pem();
  }
  net::http_server server(io.get_executor(), cluster, how);
  auto const bound = server.listen({asio::ip::make_address("127.0.0.1"), 0});
  if (!bound) {
    std::cerr << "bench_cluster: " << bound.error().message << '\n';
    return 1;
  }
  auto const url = std::string(with.tls ? "https" : "http") + "://127.0.0.1:" + std::to_string(bound->port());
  std::ofstream(with.kubeconfig) << kubeconfig_text(url, ca);
  std::cout << json{{"server", url}}.dump() << std::endl;
  async::task_group main(io.get_executor());
  main.spawn("commands", serve(cluster, server));
  io.run();
  return 0;
}

asio::awaitable<void> probe(kube::client& client, std::size_t count, bool writes, double rate) {
  std::vector<double> millis;
  asio::steady_timer turn(co_await asio::this_coro::executor);
  auto next = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < count + count / 10; ++i) {
    if (rate > 0) {
      next += std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(1 / rate));
      turn.expires_at(next);
      co_await turn.async_wait(asio::use_awaitable);
    }
    auto request = writes ? kube::make_patch(kube::config_maps, "default", "probe", kube::patch_type::merge,
                                             R"({"data":{"key":"value"}})", "bench")
                          : kube::make_get(kube::config_maps, "default", "probe");
    auto const by = base::deadline::after(std::chrono::seconds(10));
    auto const begin = std::chrono::steady_clock::now();
    auto sending = client.send(std::move(request), by);
    auto const answer = co_await std::move(sending);
    auto const took = std::chrono::steady_clock::now() - begin;
    if (!answer) {
      std::cerr << "bench_cluster: " << answer.error().describe() << '\n';
      std::exit(1);
    }
    // The first ones open connections and warm caches.
    if (i >= count / 10) millis.push_back(std::chrono::duration<double, std::milli>(took).count());
  }
  std::sort(millis.begin(), millis.end());
  json const out{{"p50", millis[millis.size() / 2]}, {"p99", millis[millis.size() * 99 / 100]}};
  std::cout << out.dump() << std::endl;
}

int run_probe(arguments const& with) {
  kube::config_flags flags;
  flags.kubeconfig = with.kubeconfig;
  auto const config = kube::load_config(flags, kube::process_environment());
  if (!config) {
    std::cerr << "bench_cluster: " << config.error().describe() << '\n';
    return 1;
  }
  asio::io_context io(1);
  auto client = kube::rest_client::create(io.get_executor(), *config);
  if (!client) {
    std::cerr << "bench_cluster: " << client.error().describe() << '\n';
    return 1;
  }
  async::task_group main(io.get_executor());
  main.spawn("probe", probe(**client, with.probes, with.method == "patch", with.probe_rate));
  io.run();
  return 0;
}

}  // namespace
}  // namespace codeexec::bench

int main(int argc, char** argv) {
  codeexec::bench::arguments with;
  CLI::App app(codeexec::bench::description, "bench_cluster");
  app.add_option("--kubeconfig", with.kubeconfig, "Written, or with --probe read")->required();
  app.add_flag("--tls", with.tls, "Serve https");
  app.add_flag("--paged-lists", with.paged_lists, "Refuse streaming lists, as servers before Kubernetes 1.32 do");
  app.add_option("--probe", with.probes, "Time so many requests to the server of the kubeconfig, one after another");
  app.add_option("--probe-rate", with.probe_rate, "So many a second; 0: each as soon as the one before is answered");
  app.add_option("--method", with.method, "Of the probe: get or patch")->check(CLI::IsMember({"get", "patch"}));
  CLI11_PARSE(app, argc, argv);
  codeexec::base::log::configure(codeexec::base::log::level::warn, codeexec::base::log::format::text);
  return with.probes > 0 ? codeexec::bench::run_probe(with) : codeexec::bench::run_cluster(with);
}
