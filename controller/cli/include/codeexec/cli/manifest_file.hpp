// A FILE of `run` that is a whole CodeExecution instead of a program. Pure: the file is read by input.hpp.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "codeexec/base/result.hpp"
#include "codeexec/cli/arguments.hpp"

namespace codeexec::cli {

/// The object to send, as it stands in the file: the server says which of its fields it does not know.
struct manifest_file {
  nlohmann::json object;   ///< metadata is an object; metadata.name is --name where that is given
  std::string namespace_;  ///< metadata.namespace; may be empty
};

/// Nothing where FILE is a program: its name does not end in .yaml, .yml or .json, or it holds no CodeExecution and its
/// language is said by --language or its #! line. An error is a sentence about the file, or about a flag that does not
/// go with it; `namespace_flag` is -n, or empty.
base::result<std::optional<manifest_file>> find_manifest(run_options const& options, std::string const& namespace_flag,
                                                         std::string const& text);

}  // namespace codeexec::cli
