// The operator's command line and environment.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "codeexec/base/log.hpp"
#include "codeexec/kube_client/cluster_config.hpp"

namespace codeexec::app {

struct options {
  kube::config_flags cluster;
  std::vector<std::string> namespaces;  ///< none: all
  std::string config_file;
  std::string ready_file;
  base::log::level log_level = base::log::level::info;
  base::log::format log_format = base::log::format::text;
  int workers = 64;
};

/// Nothing to run: print `text` (help, version, or what is wrong) and end with `code`.
struct early_exit {
  int code = 0;
  std::string text;
};

/// Every flag may also stand in the environment (CODEEXEC_<FLAG>); a flag wins over it.
std::variant<options, early_exit> parse_options(int argc, char const* const* argv);

}  // namespace codeexec::app
