// From a failed request to a sentence for a person, what to do about it, and the exit code. Pure.
#pragma once

#include <string>
#include <string_view>

#include "codeexec/kube_core/error.hpp"

namespace codeexec::cli {

/// What was tried, in the words of the sentence.
struct attempt {
  std::string verb;        ///< "create", "get", "list", "delete", "cancel", "read the log of"
  std::string name;        ///< of the CodeExecution; empty for a list
  std::string namespace_;  ///< empty: all
  std::string server;      ///< its URL
  std::string context;     ///< of the kubeconfig; empty where there is none
  std::string program;     ///< how the user calls us
};

struct explanation {
  std::string text;  ///< lines without "error:", joined by newlines, without one at the end
  int exit_code;     ///< for `run`; the other commands exit with 1
};

explanation explain(kube::error const& e, attempt const& what);

}  // namespace codeexec::cli
