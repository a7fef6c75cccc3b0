// A cluster as a user of its API has it: whatever CODEEXEC_E2E_KUBECONFIG names, else the stand-in that the suite's
// fixture started. Nothing here, and nothing in the tests, knows which.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/kube_core/error.hpp"
#include "codeexec/kube_core/request.hpp"

namespace codeexec::e2e {

using nlohmann::json;

/// What the API answered: the body, or the error.
using answer = kube::result<json>;

/// Blocking calls.
class cluster {
 public:
  /// The one under test, made once per test process.
  static cluster& instance();

  explicit cluster(std::string kubeconfig);
  cluster(cluster const&) = delete;
  cluster& operator=(cluster const&) = delete;
  ~cluster();

  /// The kubeconfig file in use, for programs that tests start.
  std::string const& kubeconfig() const { return kubeconfig_; }

  answer send(kube::request request);

  /// Of the stand-in alone: sets the faults that it makes (put with {"rules": [...]}) or reads what became of them
  /// (get).
  json faults(kube::verb method, json const& body = nullptr);

 private:
  struct impl;
  std::string kubeconfig_;
  std::unique_ptr<impl> impl_;
};

/// A namespace of its own for each test, deleted with everything in it at the end.
class workspace {
 public:
  explicit workspace(cluster& where = cluster::instance());
  workspace(workspace const&) = delete;
  workspace& operator=(workspace const&) = delete;
  ~workspace();

  std::string const& name() const { return name_; }

  /// Creates a CodeExecution with this spec.
  answer create(std::string_view name, json spec);
  answer get(kube::resource const& type, std::string_view name);
  /// Objects of this type in the namespace; those that carry `label` (a selector), where given.
  std::vector<json> list(kube::resource const& type, std::string_view label = {});
  answer remove(kube::resource const& type, std::string_view name);
  answer merge_patch(kube::resource const& type, std::string_view name, json patch, std::string_view subresource = {});

  /// Waits until `done` says so of the CodeExecution; the test fails, and the newest state comes back, where it does
  /// not in time.
  json wait_until(std::string_view name, std::chrono::seconds limit, bool (*done)(json const& execution));
  /// Waits until its status says that the code runs.
  json wait_running(std::string_view name, std::chrono::seconds limit = std::chrono::seconds(30));
  /// Waits until it is Succeeded or Failed.
  json wait_final(std::string_view name, std::chrono::seconds limit = std::chrono::seconds(60));
  /// Creates, waits, gives back the finished status.
  json run(std::string_view name, json spec, std::chrono::seconds limit = std::chrono::seconds(60));

  /// Waits until nothing of this type is in the namespace.
  bool wait_gone(kube::resource const& type, std::string_view label, std::chrono::seconds limit);
  /// Jobs, Pods and ConfigMaps that belong to executions (the shared runner ConfigMap does not).
  std::vector<std::string> leftovers();
  /// Waits until there are none; what is left otherwise.
  std::vector<std::string> wait_no_leftovers(std::chrono::seconds limit = std::chrono::seconds(30));

 private:
  cluster& cluster_;
  std::string name_;
};

/// {"language": "python", "code": code}
json python(std::string_view code);
json bash(std::string_view code);

/// The condition of this type, or null.
json condition(json const& status, std::string_view type);

/// What a program did that was run to its end.
struct program_outcome {
  int exit_code = -1;  ///< 128 + signal where one ended it
  std::string out;
  std::string err;
  std::chrono::milliseconds took{0};
};

/// How a program is run.
struct program_options {
  std::string input = {};                       ///< its standard input, then end of file
  std::map<std::string, std::string> env = {};  ///< besides the caller's
  std::chrono::seconds limit{60};               ///< killed then
  int interrupt_with = 0;                       ///< a signal to send ...
  std::string interrupt_after = {};             ///< ... once this text stands on stdout or stderr
};

program_outcome run_program(std::vector<std::string> const& command, program_options const& options = {});
/// kubectl-codeexec of this build, with KUBECONFIG set.
program_outcome codeexec_cli(std::vector<std::string> arguments, program_options options = {});

}  // namespace codeexec::e2e
