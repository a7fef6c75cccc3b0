#include "cluster.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <stdexcept>
#include <thread>

#include "codeexec/kube_client/rest_client.hpp"
#include "codeexec/testing/run_coro.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto call_limit = 30s;
constexpr auto look_interval = 20ms;
constexpr std::string_view manager = "codeexec-e2e";

std::string default_kubeconfig() {
  auto const* const given = std::getenv("CODEEXEC_E2E_KUBECONFIG");
  if (given != nullptr && *given != '\0') return given;
  return CODEEXEC_BINARY_DIR "/e2e/kubeconfig";
}

/// Writes down which tests ran, for whoever judges at the end what all of them together needed
/// (tests/install/rights_used.py, which makes the folder).
class attendance : public ::testing::EmptyTestEventListener {
  void OnTestEnd(::testing::TestInfo const& test) override {
    std::filesystem::path const folder = CODEEXEC_BINARY_DIR "/operator-calls/ran";
    if (test.result()->Failed() || !std::filesystem::is_directory(folder)) return;
    std::string name = std::string(test.test_suite_name()) + "." + test.name();
    std::replace(name.begin(), name.end(), '/', '~');
    std::ofstream(folder / (std::string(program_invocation_short_name) + "." + name));
  }
};
bool const attendance_is_taken = (::testing::UnitTest::GetInstance()->listeners().Append(new attendance), true);

kube::task<kube::result<std::string>> send_one(kube::client* to, kube::request what) {
  auto got = co_await to->send(std::move(what), base::deadline::after(call_limit));
  co_return got;
}

}  // namespace

struct cluster::impl {
  boost::asio::io_context io;
  std::unique_ptr<kube::rest_client> client;
};

cluster& cluster::instance() {
  static cluster made{default_kubeconfig()};
  return made;
}

cluster::cluster(std::string kubeconfig) : kubeconfig_(std::move(kubeconfig)), impl_(std::make_unique<impl>()) {
  kube::config_flags flags;
  flags.kubeconfig = kubeconfig_;
  auto config = kube::load_config(flags, kube::process_environment());
  if (!config) throw std::runtime_error("no cluster to test against: " + config.error().describe());
  kube::rest_client_options options;
  options.user_agent = "codeexec-e2e";
  auto made = kube::rest_client::create(impl_->io.get_executor(), std::move(*config), options);
  if (!made) throw std::runtime_error("no cluster to test against: " + made.error().describe());
  impl_->client = std::move(*made);
}

cluster::~cluster() = default;

answer cluster::send(kube::request request) {
  auto call = send_one(impl_->client.get(), std::move(request));
  auto got = testing::run_coro(impl_->io, std::move(call), call_limit + 5s);
  if (!got) return got.error();
  auto body = json::parse(*got, nullptr, false);
  if (body.is_discarded()) return kube::error(kube::error_kind::decode, "the answer is no JSON");
  return body;
}

json cluster::faults(kube::verb method, json const& body) {
  kube::request request;
  request.method = method;
  request.target = "/faults";
  if (!body.is_null()) {
    request.body = body.dump();
    request.content_type = "application/json";
  }
  auto const got = send(std::move(request));
  EXPECT_TRUE(got) << got.error().describe();
  return got ? *got : json::object();
}

workspace::workspace(cluster& where) : cluster_(where) {
  std::random_device random;
  name_ = "e2e-" + std::to_string(random());
  json const body = {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", name_}}}};
  auto const made = cluster_.send(kube::make_create(kube::namespaces, "", body.dump(), manager));
  if (!made) throw std::runtime_error("cannot make namespace " + name_ + ": " + made.error().describe());
}

workspace::~workspace() {
  // The cluster may have been killed by the test: nothing to clean then.
  auto const ignored = cluster_.send(kube::make_delete(kube::namespaces, "", name_, {}));
}

answer workspace::create(std::string_view name, json spec) {
  json const body = {{"apiVersion", "codeexec.dev/v1alpha1"},
                     {"kind", "CodeExecution"},
                     {"metadata", {{"name", name}, {"namespace", name_}}},
                     {"spec", std::move(spec)}};
  return cluster_.send(kube::make_create(kube::code_executions, name_, body.dump(), manager));
}

answer workspace::get(kube::resource const& type, std::string_view name) {
  return cluster_.send(kube::make_get(type, name_, name));
}

std::vector<json> workspace::list(kube::resource const& type, std::string_view label) {
  kube::list_options options;
  options.label_selector = label;
  auto const got = cluster_.send(kube::make_list(type, name_, options));
  if (!got) {
    ADD_FAILURE() << "list " << type.plural << ": " << got.error().describe();
    return {};
  }
  return (*got)["items"].get<std::vector<json>>();
}

answer workspace::remove(kube::resource const& type, std::string_view name) {
  return cluster_.send(kube::make_delete(type, name_, name, {}));
}

answer workspace::merge_patch(kube::resource const& type, std::string_view name, json patch,
                              std::string_view subresource) {
  return cluster_.send(
      kube::make_patch(type, name_, name, kube::patch_type::merge, patch.dump(), manager, subresource));
}

json workspace::wait_until(std::string_view name, std::chrono::seconds limit, bool (*done)(json const&)) {
  auto const until = steady_clock::now() + limit;
  json newest;
  do {
    auto const got = get(kube::code_executions, name);
    if (got) {
      newest = *got;
      if (done(newest)) return newest;
    }
    std::this_thread::sleep_for(look_interval);
  } while (steady_clock::now() < until);
  ADD_FAILURE() << name << " did not get there within " << limit.count() << " s: " << newest.dump(2);
  if (!newest.contains("status")) newest["status"] = json::object();
  return newest;
}

json workspace::wait_running(std::string_view name, std::chrono::seconds limit) {
  return wait_until(name, limit, [](json const& execution) {
    return execution.contains("status") && execution["status"].value("phase", "") == "Running";
  });
}

json workspace::wait_final(std::string_view name, std::chrono::seconds limit) {
  return wait_until(name, limit, [](json const& execution) {
    auto const phase = execution.contains("status") ? execution["status"].value("phase", "") : std::string();
    return phase == "Succeeded" || phase == "Failed";
  });
}

json workspace::run(std::string_view name, json spec, std::chrono::seconds limit) {
  auto const created = create(name, std::move(spec));
  if (!created) {
    ADD_FAILURE() << name << ": " << created.error().describe();
    return json::object();
  }
  return wait_final(name, limit)["status"];
}

bool workspace::wait_gone(kube::resource const& type, std::string_view label, std::chrono::seconds limit) {
  auto const until = steady_clock::now() + limit;
  while (!list(type, label).empty()) {
    if (steady_clock::now() > until) return false;
    std::this_thread::sleep_for(look_interval);
  }
  return true;
}

std::vector<std::string> workspace::leftovers() {
  std::vector<std::string> left;
  for (auto const& type : {kube::jobs, kube::pods, kube::config_maps}) {
    for (auto const& object : list(type, "codeexec.dev/component=execution")) {
      left.push_back(std::string(type.plural) + "/" + object["metadata"]["name"].get<std::string>());
    }
  }
  return left;
}

std::vector<std::string> workspace::wait_no_leftovers(std::chrono::seconds limit) {
  auto const until = steady_clock::now() + limit;
  auto left = leftovers();
  while (!left.empty() && steady_clock::now() < until) {
    std::this_thread::sleep_for(look_interval);
    left = leftovers();
  }
  return left;
}

json python(std::string_view code) {
  return {{"language", "python"}, {"code", code}};
}

json bash(std::string_view code) {
  return {{"language", "bash"}, {"code", code}};
}

json condition(json const& status, std::string_view type) {
  if (!status.contains("conditions")) return nullptr;
  for (auto const& one : status["conditions"]) {
    if (one["type"] == type) return one;
  }
  return nullptr;
}

}  // namespace codeexec::e2e
