// A cluster in memory for tests of the reconciler: objects by path, versions, preconditions, owners, and what a watch
// would show. It knows only what the reconciler asks for; the stand-in is the place for more.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "codeexec/api/json.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/base/encoding.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/execution/build.hpp"
#include "codeexec/reconciler/cached_objects.hpp"
#include "codeexec/reconciler/code_execution_reconciler.hpp"
#include "codeexec/testing/run_coro.hpp"
#include "codeexec/testing/scripted_client.hpp"

namespace codeexec::reconciler::testing {

using namespace std::chrono_literals;
using codeexec::testing::run_coro;
using codeexec::testing::scripted_client;
using codeexec::testing::scripted_stream;
using nlohmann::json;

class fake_clock final : public base::clock {
 public:
  base::wall_time wall_now() const override { return wall_; }
  base::steady_time steady_now() const override { return steady_; }
  void advance(std::chrono::microseconds by) {
    wall_ += by;
    steady_ += by;
  }

 private:
  base::wall_time wall_ = *base::parse_time("2026-01-31T10:00:00Z");
  base::steady_time steady_{};
};

class mini_cluster {
 public:
  enum class fault {
    none,
    refused,       ///< the request did not arrive
    lost,          ///< it was done, and the answer did not arrive
    forbidden,     ///< the right for it is missing
    unauthorized,  ///< the server cannot tell who asks
    conflict,      ///< the server could not do it just now, and calls that a conflict
    expired,       ///< 410, which nobody says to such a call
  };

  mini_cluster() : client(io.get_executor()) {
    client.on_send = [this](kube::request const& r) -> std::optional<kube::result<std::string>> {
      calls.push_back(name_of(r));
      auto const what = fault_at ? fault_at(calls.size() - 1, r) : fault::none;
      if (what == fault::refused) return kube::error(kube::error_kind::connect, "scripted");
      if (what == fault::forbidden) return status_error(403, "Forbidden", "it may not");
      if (what == fault::unauthorized) return status_error(401, "Unauthorized", "Unauthorized");
      if (what == fault::conflict) return status_error(409, "Conflict", "try again");
      if (what == fault::expired) return status_error(410, "Expired", "scripted");
      auto answer = serve(r);
      clock.advance(3ms);
      if (what == fault::lost) return kube::error(kube::error_kind::connection, "scripted");
      return answer;
    };
    client.on_open = [this](kube::request const& r) -> std::optional<kube::result<std::shared_ptr<scripted_stream>>> {
      calls.push_back(name_of(r));
      auto const what = fault_at ? fault_at(calls.size() - 1, r) : fault::none;
      if (what == fault::unauthorized) return status_error(401, "Unauthorized", "Unauthorized");
      if (what != fault::none) return kube::error(kube::error_kind::connect, "scripted");
      return open_log(r);
    };
  }

  boost::asio::io_context io;
  scripted_client client;
  fake_clock clock;
  std::map<std::string, json> objects;  ///< by "jobs/agents/hello"
  std::vector<std::string> calls;       ///< "POST jobs", "PATCH codeexecutions/status", "GET pods/log"
  std::function<fault(std::size_t, kube::request const&)> fault_at;
  std::string log;  ///< of every container
  bool log_available = true;
  int jobs_ever = 0;
  int pods_started = 0;

  static std::string id(std::string_view plural, std::string_view name) {
    return std::string(plural) + "/agents/" + std::string(name);
  }

  /// What a person applies.
  void apply(std::string const& name, json spec, json metadata = json::object()) {
    json object{{"apiVersion", "codeexec.dev/v1alpha1"}, {"kind", "CodeExecution"}, {"spec", std::move(spec)}};
    metadata["name"] = name;
    object["metadata"] = std::move(metadata);
    create("codeexecutions", std::move(object));
  }
  json& execution(std::string const& name = "hello") { return objects.at(id("codeexecutions", name)); }
  json status(std::string const& name = "hello") { return execution(name).value("status", json::object()); }
  bool has(std::string_view plural) const { return count(plural) > 0; }
  std::size_t count(std::string_view plural) const {
    std::size_t n = 0;
    for (auto const& [key, value] : objects)
      n += key.starts_with(std::string(plural) + "/") ? 1U : 0U;
    return n;
  }
  json* first(std::string_view plural) {
    for (auto& [key, value] : objects) {
      if (key.starts_with(std::string(plural) + "/")) return &value;
    }
    return nullptr;
  }
  void touch(json& object) { object["metadata"]["resourceVersion"] = std::to_string(++version_); }

  /// What the Job controller, the scheduler and the kubelet do: a Pod for every Job, running once its input is there.
  void run_nodes() {
    std::vector<json> wanted;
    for (auto const& [key, job] : objects) {
      if (key.starts_with("jobs/") && pod_of(job["metadata"]["uid"]) == nullptr) wanted.push_back(job);
    }
    for (auto const& job : wanted) {
      json pod = job["spec"]["template"];
      pod["metadata"]["name"] = job["metadata"]["name"].get<std::string>() + "-abcde";
      pod["metadata"]["ownerReferences"] = json::array({json{{"apiVersion", "batch/v1"},
                                                             {"kind", "Job"},
                                                             {"name", job["metadata"]["name"]},
                                                             {"uid", job["metadata"]["uid"]},
                                                             {"controller", true}}});
      pod["spec"]["nodeName"] = "node-1";
      pod["status"] = {{"phase", "Pending"}};
      create("pods", std::move(pod));
    }
    for (auto& [key, pod] : objects) {
      if (!key.starts_with("pods/") || pod["status"]["phase"] != "Pending") continue;
      auto const input = pod["spec"]["volumes"][1]["configMap"]["name"].get<std::string>();
      if (!objects.contains(id("configmaps", input))) continue;
      ++pods_started;
      pod["status"] = {{"phase", "Running"},
                       {"containerStatuses",
                        json::array({json{{"name", "code"},
                                          {"image", "python:3.11-slim"},
                                          {"imageID", "sha256:1"},
                                          {"state", {{"running", {{"startedAt", "2026-01-31T10:00:00Z"}}}}}}})}};
      touch(pod);
    }
  }
  /// The container has ended with this termination message.
  void end_containers(std::function<std::string(std::string const& token)> message) {
    for (auto& [key, pod] : objects) {
      if (!key.starts_with("pods/") || pod["status"]["phase"] != "Running") continue;
      pod["status"]["containerStatuses"][0]["state"] = {
          {"terminated", {{"exitCode", 0}, {"reason", "Completed"}, {"message", message(token_of(pod))}}}};
      pod["status"]["phase"] = "Succeeded";
      touch(pod);
    }
  }
  static std::string token_of(json const& pod) {
    auto const& command = pod["spec"]["containers"][0]["command"];
    for (std::size_t i = 0; i + 1 < command.size(); ++i) {
      if (command[i] == "--token") return command[i + 1];
    }
    return {};
  }
  static std::string result(std::string const& token, std::string const& fields = R"("end":"exited","exitCode":0)") {
    return R"({"v":1,"token":")" + token + R"(",)" + fields +
           R"(,"gvisor":true,"stdoutBytes":3,"stderrBytes":0,"stdout":"hi\n","stderr":""})";
  }

  void remove(std::string const& key) {
    auto const found = objects.find(key);
    if (found == objects.end()) return;
    std::string const uid = found->second["metadata"]["uid"];
    objects.erase(found);
    // The garbage collector.
    std::vector<std::string> orphans;
    for (auto const& [other, object] : objects) {
      for (auto const& owner : object["metadata"].value("ownerReferences", json::array())) {
        if (owner["uid"] == uid) orphans.push_back(other);
      }
    }
    for (auto const& orphan : orphans)
      remove(orphan);
  }
  /// What a person deletes.
  void delete_execution(std::string const& name = "hello") {
    auto& object = execution(name);
    if (object["metadata"].value("finalizers", json::array()).empty()) {
      remove(id("codeexecutions", name));
      return;
    }
    object["metadata"]["deletionTimestamp"] = base::format_time(clock.wall_now());
    touch(object);
  }

  json* create(std::string_view plural, json object) {
    object["metadata"]["namespace"] = "agents";
    object["metadata"]["uid"] = std::string(plural) + "-" + std::to_string(++version_);
    object["metadata"]["creationTimestamp"] = base::format_time(clock.wall_now());
    object["metadata"]["generation"] = 1;
    touch(object);
    if (plural == "jobs") ++jobs_ever;
    auto const key = id(plural, object["metadata"]["name"].get<std::string>());
    return &objects.insert_or_assign(key, std::move(object)).first->second;
  }

  /// The Pod's log as far as it is written; `follow` waits for more until the container has ended.
  std::vector<std::shared_ptr<scripted_stream>> open_logs;

 private:
  json* pod_of(json const& job_uid) {
    for (auto& [key, pod] : objects) {
      if (!key.starts_with("pods/")) continue;
      if (pod["metadata"]["ownerReferences"][0]["uid"] == job_uid) return &pod;
    }
    return nullptr;
  }

  static std::string verb_of(kube::verb v) {
    switch (v) {
      case kube::verb::get:
        return "GET";
      case kube::verb::post:
        return "POST";
      case kube::verb::put:
        return "PUT";
      case kube::verb::patch:
        return "PATCH";
      case kube::verb::remove:
        return "DELETE";
    }
    return {};
  }
  static std::vector<std::string> parts_of(kube::request const& r) {
    std::vector<std::string> parts;
    std::string path = r.target.substr(0, r.target.find('?'));
    for (std::size_t at = 1; at <= path.size();) {
      auto const slash = std::min(path.find('/', at), path.size());
      parts.push_back(path.substr(at, slash - at));
      at = slash + 1;
    }
    // .../namespaces/<ns>/<plural>[/<name>[/<subresource>]]
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      if (parts[i] == "namespaces") return {parts.begin() + static_cast<std::ptrdiff_t>(i) + 2, parts.end()};
    }
    // Of all namespaces: /api/v1/<plural>, /apis/<group>/<version>/<plural>.
    return {parts.back()};
  }
  static std::string name_of(kube::request const& r) {
    auto const parts = parts_of(r);
    return verb_of(r.method) + " " + parts[0] + (parts.size() > 2 ? "/" + parts[2] : "");
  }
  static kube::error status_error(int code, std::string const& reason, std::string const& message) {
    json const body{
        {"kind", "Status"}, {"status", "Failure"}, {"reason", reason}, {"message", message}, {"code", code}};
    return kube::error::from_status(code, body.dump());
  }

  static bool is_selected(kube::request const& r, json const& object) {
    constexpr std::string_view parameter = "labelSelector=";
    auto const at = r.target.find(parameter);
    if (at == std::string::npos) return true;
    auto selector = r.target.substr(at + parameter.size());
    selector.resize(std::min(selector.find('&'), selector.size()));
    auto const labels = object["metadata"].value("labels", json::object());
    return std::any_of(labels.items().begin(), labels.items().end(), [&](auto const& label) {
      return selector == base::percent_encode(label.key() + "=" + label.value().template get<std::string>());
    });
  }

  kube::result<std::string> serve(kube::request const& r) {
    auto const parts = parts_of(r);
    auto const& plural = parts[0];
    if (r.method == kube::verb::post) {
      auto object = json::parse(r.body);
      auto const name = object["metadata"]["name"].get<std::string>();
      if (objects.contains(id(plural, name)))
        return status_error(409, "AlreadyExists", plural + " \"" + name + "\" already exists");
      if (on_create) {
        auto refused = on_create(plural, object);
        if (refused) return *refused;
      }
      return create(plural, std::move(object))->dump();
    }
    if (r.method == kube::verb::get && on_get) {
      auto refused = on_get(plural);
      if (refused) return *refused;
    }
    if (parts.size() == 1) {
      json items = json::array();
      for (auto const& event : events)
        if (plural == "events") items.push_back(event);
      for (auto const& [key, object] : objects)
        if (key.starts_with(plural + "/") && is_selected(r, object)) items.push_back(object);
      return json{{"kind", "List"}, {"metadata", {{"resourceVersion", "1"}}}, {"items", items}}.dump();
    }
    auto const key = id(plural, parts[1]);
    auto const found = objects.find(key);
    if (found == objects.end()) return status_error(404, "NotFound", plural + " \"" + parts[1] + "\" not found");
    auto& object = found->second;
    if (r.method == kube::verb::get) return object.dump();
    if (r.method == kube::verb::remove) {
      auto const body = r.body.empty() ? json::object() : json::parse(r.body);
      if (body.contains("preconditions") && body["preconditions"].value("uid", "") != object["metadata"]["uid"]) {
        return status_error(409, "Conflict", "the UID in the precondition does not match");
      }
      auto const state = body.value("preconditions", json::object()).value("resourceVersion", "");
      if (!state.empty() && state != object["metadata"]["resourceVersion"])
        return status_error(409, "Conflict", "the ResourceVersion in the precondition does not match");
      remove(key);
      return std::string("{}");
    }
    json const before = object;
    if (r.method == kube::verb::put) {
      auto next = json::parse(r.body);
      if (next["metadata"].value("resourceVersion", "") != object["metadata"]["resourceVersion"])
        return status_error(409, "Conflict", "the object has been modified");
      for (char const* field : {"uid", "creationTimestamp", "namespace"})
        next["metadata"][field] = object["metadata"][field];
      object = std::move(next);
      touch(object);
      return object.dump();
    }
    auto const patch = json::parse(r.body);
    if (patch.is_array()) {
      try {
        object = object.patch(patch);
      } catch (json::exception const&) {
        return status_error(422, "Invalid", "the server rejected our request due to an error in our request");
      }
    } else {
      if (patch.contains("metadata") && patch["metadata"].contains("resourceVersion") &&
          patch["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"]) {
        return status_error(409, "Conflict", "the object has been modified");
      }
      if (parts.size() > 2) {
        auto const refused = on_status ? on_status(patch) : std::nullopt;
        if (refused) return *refused;
        object.merge_patch(json{{"status", patch["status"]}});
      } else {
        object.merge_patch(patch);
        if (object != before) {
          object["metadata"]["managedFields"] =
              json::array({json{{"manager", api::field_manager}, {"time", base::format_time(clock.wall_now())}}});
        }
      }
    }
    if (object != before) touch(object);
    auto answer = object.dump();
    if (object["metadata"].contains("deletionTimestamp") &&
        object["metadata"].value("finalizers", json::array()).empty()) {
      remove(key);
    }
    return answer;
  }

  kube::result<std::shared_ptr<scripted_stream>> open_log(kube::request const& r) {
    auto const parts = parts_of(r);
    auto const found = objects.find(id("pods", parts[1]));
    if (found == objects.end() || !log_available) return status_error(404, "NotFound", "pods not found");
    auto stream = std::make_shared<scripted_stream>(io.get_executor());
    if (!log.empty()) stream->push(log);
    bool const follow = r.target.find("follow=true") != std::string::npos;
    bool const runs = found->second["status"]["phase"] == "Running";
    if (!follow || !runs) stream->end();
    open_logs.push_back(stream);
    return stream;
  }

 public:
  std::vector<json> events;
  std::function<std::optional<kube::error>(std::string const& plural, json const& object)> on_create;
  std::function<std::optional<kube::error>(json const& patch)> on_status;
  std::function<std::optional<kube::error>(std::string const& plural)> on_get;

 private:
  int version_ = 100;
};

/// One life of the operator: killed and replaced by making another.
class operator_process {
 public:
  explicit operator_process(mini_cluster& with, execution::config const& config = default_config())
      : cluster_(with),
        what_{executions, jobs, pods},
        reconciler((what_.add_indices(), with.io.get_executor()), with.client, what_, config, "runner's bytes",
                   with.clock, base::rng(7), [this](auto const&) { woken = true; }) {
    what_.on_change([this](auto const&, auto) { woken = true; });
  }
  ~operator_process() { run_coro(cluster_.io, reconciler.stop()); }
  operator_process(operator_process const&) = delete;
  operator_process& operator=(operator_process const&) = delete;

  static execution::config const& default_config() {
    static execution::config const config;
    return config;
  }

  /// The watches show everything.
  void watch() {
    fill(executions, "codeexecutions", &decode_cached_execution);
    fill(jobs, "jobs", &kube::decode_job);
    if (!pods_lag) fill(pods, "pods", &kube::decode_pod);
  }

  runtime::outcome pass(std::string const& name = "hello") {
    return run_coro(cluster_.io, reconciler.reconcile(runtime::object_key("agents", name), "1"));
  }

  /// Passes until nothing is left to do but to wait.
  void settle(std::string const& name = "hello", bool with_watch = true) {
    for (int i = 0; i < 100; ++i) {
      woken = false;
      if (with_watch) watch();
      auto const end = pass(name);
      cluster_.io.restart();
      cluster_.io.poll();
      if (with_watch) watch();
      if (end.what() == runtime::outcome::kind::retry) cluster_.clock.advance(200ms);
      if (end.what() != runtime::outcome::kind::retry && !woken) return;
    }
    throw std::runtime_error("the operator does not come to rest");
  }

  stores const& all_stores() const { return what_; }

  runtime::store<api::CodeExecution> executions;
  runtime::store<kube::Job> jobs;
  runtime::store<kube::Pod> pods;
  bool woken = false;
  bool pods_lag = false;  ///< the watch of Pods shows nothing new

 private:
  template <class T, class Decode>
  void fill(runtime::store<T>& into, std::string const& plural, Decode decode) {
    std::vector<std::pair<runtime::object_id, std::shared_ptr<T const>>> all;
    for (auto const& [key, object] : cluster_.objects) {
      if (!key.starts_with(plural + "/")) continue;
      auto decoded = decode(object);
      auto& value = std::get<T>(decoded);
      runtime::object_id id(runtime::object_key("agents", value.metadata.name), value.metadata.uid,
                            value.metadata.resourceVersion);
      all.emplace_back(std::move(id), std::make_shared<T const>(std::move(value)));
    }
    into.replace("", std::move(all));
  }

  mini_cluster& cluster_;
  stores what_;

 public:
  code_execution_reconciler reconciler;
};

}  // namespace codeexec::reconciler::testing
