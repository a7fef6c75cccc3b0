// From the flags of `run` to the CodeExecution that is sent. Pure: files are read by input.hpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/base/backoff.hpp"
#include "codeexec/base/result.hpp"
#include "codeexec/cli/arguments.hpp"

namespace codeexec::cli {

/// A file to place beside the code.
struct attached_file {
  std::string path;  ///< in the workspace
  std::string bytes;
};

/// What `run` read from this machine.
struct local_input {
  std::string code;
  std::vector<attached_file> files;
  std::optional<std::string> stdin_;
  std::vector<api::EnvVar> env;
};

/// The whole object but for its name. An error is a sentence about a flag or a file: it would be refused anyway, and
/// here the sentence can name what the user typed.
base::result<api::CodeExecution> build_manifest(run_options const& options, local_input input);

/// Where an attached file goes in the workspace: a relative path that stays below this folder keeps its place, so that
/// the code finds it as it does here; anything else goes by its base name.
std::string default_destination(std::string const& path);

/// A DNS label made of the file's name and `random`: "Fetch data.py" becomes "fetch-data-x7k2mq9d".
std::string generate_name(std::string_view file, base::rng& random);

/// `prefix` (a metadata.generateName) and `random`, cut so that it is no longer than a DNS label.
std::string complete_name(std::string_view prefix, base::rng& random);

/// "64Ki", "1M", "65536": bytes. Nothing where it is not a whole positive number of them.
std::optional<std::int64_t> parse_byte_size(std::string_view text);

/// A Kubernetes quantity in thousandths ("500m" is 500, "1Gi" 1024^3 * 1000). Nothing where it is malformed, not
/// positive or too large.
std::optional<std::int64_t> parse_quantity_milli(std::string_view text);

}  // namespace codeexec::cli
