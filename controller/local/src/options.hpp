// The command line of codeexec-local.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "codeexec/base/log.hpp"
#include "codeexec/local/control_plane.hpp"
#include "codeexec/local/node/node.hpp"

namespace codeexec::local {

struct program_options {
  control_plane_options control_plane;
  node_options node;
  bool run_node = true;
  std::string kubeconfig_out;
  std::string context = "codeexec-local";
  std::string ready_file;
  std::vector<std::string> manifests;  ///< files and folders of objects to make at start
  /// A kubeconfig for a ServiceAccount: its namespace, its name, the file.
  struct account_kubeconfig {
    std::string ns;
    std::string name;
    std::string file;
  };
  std::vector<account_kubeconfig> accounts;
  base::log::level log_level = base::log::level::info;
  base::log::format log_format = base::log::format::text;
};

/// --help, --version, or a mistake.
struct early_exit {
  int code;
  std::string text;
};

std::variant<program_options, early_exit> parse_options(int argc, char const* const* argv);

}  // namespace codeexec::local
