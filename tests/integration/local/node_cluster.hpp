// A cluster without an API server: store, Job controller and the real node, on one loop that a test turns by hand.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <string>
#include <unistd.h>
#include <vector>

#include "codeexec/async/task_group.hpp"
#include "codeexec/local/builtin_types.hpp"
#include "codeexec/local/job_controller.hpp"
#include "codeexec/local/node/node.hpp"
#include "codeexec/local/store.hpp"

namespace codeexec::local::testing {

using nlohmann::json;

class cluster {
 public:
  explicit cluster(node_options options = {}) : objects(base::system_clock(), base::rng(std::random_device()())) {
    add_builtin_types(objects);
    add_default_namespaces(objects);
    EXPECT_TRUE(objects.create(kube::runtime_classes, json{{"apiVersion", "node.k8s.io/v1"},
                                                           {"kind", "RuntimeClass"},
                                                           {"metadata", {{"name", "gvisor"}}},
                                                           {"handler", "runsc"}}));
    folder = std::filesystem::temp_directory_path() / ("cxn" + std::to_string(getpid()));
    options.state_dir = folder;
    options.pull_settle = std::chrono::milliseconds(50);
    machine = std::make_unique<node>(context.get_executor(), objects, options);
    controller = std::make_unique<job_controller>(context.get_executor(), objects);
    auto const begun = machine->start();
    EXPECT_TRUE(begun) << begun.error().message;
    controller->start();
  }
  ~cluster() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }

  void stop() {
    if (machine != nullptr) {
      controller->stop();
      run(machine->stop());
      machine.reset();
    }
  }

  /// Runs a coroutine to its end.
  void run(boost::asio::awaitable<void> what) {
    async::task_group group(context.get_executor());
    group.spawn("test", std::move(what));
    EXPECT_TRUE(until([&] { return group.size() == 0; }));
  }

  /// Turns the loop until `done` or the time is over.
  bool until(std::function<bool()> const& done, std::chrono::seconds limit = std::chrono::seconds(40)) {
    auto const end = std::chrono::steady_clock::now() + limit;
    while (!done() && std::chrono::steady_clock::now() < end) {
      context.restart();
      context.run_one_for(std::chrono::milliseconds(50));
    }
    return done();
  }

  json job(std::string const& name, std::vector<std::string> command, json pod_spec = json::object(),
           json job_spec = json::object()) {
    json container{{"name", "code"}, {"image", "python:3.11-slim"}, {"command", std::move(command)}};
    if (pod_spec.contains("container")) {
      container.update(pod_spec["container"]);
      pod_spec.erase("container");
    }
    pod_spec["restartPolicy"] = "Never";
    pod_spec["containers"] = json::array({container});
    job_spec["backoffLimit"] = 0;
    job_spec["template"] = json{{"spec", pod_spec}};
    return json{{"apiVersion", "batch/v1"},
                {"kind", "Job"},
                {"metadata", {{"name", name}, {"namespace", "default"}}},
                {"spec", job_spec}};
  }
  void create(json const& what) {
    auto const made = objects.create(kube::jobs, what);
    ASSERT_TRUE(made) << made.error().message;
  }

  json job_now(std::string const& name) const {
    auto const found = objects.get(kube::jobs, "default", name);
    return found ? *found : json();
  }
  bool finished(std::string const& name) const {
    auto const now = job_now(name);
    return condition(now, "Complete").is_object() || condition(now, "Failed").is_object();
  }
  json pod_of(std::string const& job_name) const {
    for (auto const& pod : objects.list(kube::pods, "default")) {
      if ((*pod)["metadata"]["labels"].value("job-name", "") == job_name) {
        return *pod;
      }
    }
    return {};
  }
  static json condition(json const& what, std::string const& type) {
    auto const& all = at_path(what, "status.conditions");
    if (all.is_array()) {
      for (auto const& one : all) {
        if (one["type"] == type && one["status"] == "True") {
          return one;
        }
      }
    }
    return {};
  }
  static json state_of(json const& pod) {
    auto const& all = at_path(pod, "status.containerStatuses");
    return all.is_array() && !all.empty() ? all[0]["state"] : json();
  }
  /// Runs, and has written this.
  bool until_it_says(std::string const& job_name, std::string const& text) {
    return until([&] {
      auto const pod = pod_of(job_name);
      return state_of(pod).contains("running") && log(pod) == text;
    });
  }
  std::string waiting_reason(std::string const& job_name) const {
    return string_at(state_of(pod_of(job_name)), "waiting.reason");
  }
  std::vector<std::string> event_messages(std::string const& reason) const {
    std::vector<std::string> out;
    for (auto const& event : objects.list(kube::core_events, "default")) {
      if ((*event)["reason"] == reason) {
        out.push_back((*event)["message"]);
      }
    }
    return out;
  }
  std::string log(json const& pod, pod_log_options options = {}) {
    auto const found = objects.get(kube::pods, "default", pod["metadata"]["name"].get<std::string>());
    auto opened = machine->open_log(found, std::move(options), [] {});
    if (!opened) {
      return "refused: " + opened.error().message;
    }
    if (*opened == nullptr) {
      return "no content";
    }
    std::string text;
    for (int i = 0; i < 1000; ++i) {
      auto chunk = (*opened)->next(4096);
      text += chunk.bytes;
      if (chunk.end) {
        break;
      }
    }
    return text;
  }

  boost::asio::io_context context{1};
  store objects;
  std::filesystem::path folder;
  std::unique_ptr<node> machine;
  std::unique_ptr<job_controller> controller;
};

}  // namespace codeexec::local::testing
