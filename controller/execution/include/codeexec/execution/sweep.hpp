// What no execution needs any more, found by looking at everything of ours at once. Pure.
//
// In the ordinary course nothing needs sweeping: what belongs to one execution goes with its Job. A sweep is for what
// lost its owner by an orphaning deletion, and for what a namespace's executions share and its last one leaves behind.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codeexec/base/time.hpp"

namespace codeexec::execution {

/// Something that carries our label.
struct swept_object {
  enum class kind { job, pod, input, runner, network_policy };
  kind what = kind::job;
  std::string ns;
  std::string name;
  std::string uid;
  std::string execution_uid;  ///< by its label; empty where it has none. Of runners and policies: none
  bool owned = false;         ///< it has an owner: the garbage collector looks after it
  base::wall_time created{};
};

enum class execution_state { absent, unfinished, finished };

struct sweep_view {
  std::vector<swept_object> objects;
  std::function<execution_state(std::string const& uid)> state_of;
  /// Namespaces with a CodeExecution, a Job or a Pod of ours, in whatever state.
  std::set<std::string> used_namespaces;
  std::string current_runner;                                     ///< name of this operator's runner ConfigMap
  std::set<std::pair<std::string, std::string>> runners_of_jobs;  ///< namespace and name, as Jobs name them
  std::set<std::string> namespaces_of_older_jobs;                 ///< which do not name theirs
};

/// The part of `objects` that is to go. What is younger than `settle` stays: the watches may not have shown yet what it
/// belongs to.
std::vector<swept_object> find_leftovers(sweep_view const& view, base::wall_time now, std::chrono::seconds settle);

/// "job", "network_policy": for logs.
std::string_view name_of(swept_object::kind what);

}  // namespace codeexec::execution
