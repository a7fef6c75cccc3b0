// codeexec-controller check: what a CodeExecution would become, without a cluster.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/execution/config.hpp"

namespace codeexec::app {

/// What became of one document of a file.
struct explanation {
  std::string title;                    ///< CodeExecution "hello" in namespace "agents"
  std::vector<std::string> facts;       ///< "image: python:3.11-slim", where it would run
  std::vector<nlohmann::json> objects;  ///< what would be made of it, in order
  std::string verdict;                  ///< why it would not run; empty where it would
  std::vector<std::string> problems;    ///< "spec.timeoutSeconds: 900 is more than the allowed 600"
};

/// `runner`: its bytes; they are shown by name and hash. `others`: ConfigMaps that codeFrom may read. `ns`: of
/// --namespace; empty: the object's own.
explanation explain(nlohmann::json const& object, std::vector<nlohmann::json> const& others,
                    execution::config const& with, std::string_view ns, std::string_view runner);

/// The command: the arguments after "check". Writes to stdout and stderr; the exit code: 0 all would run, 1 some would
/// not, 2 the arguments, the configuration or the file are wrong.
int run_check(int argc, char const* const* argv);

}  // namespace codeexec::app
