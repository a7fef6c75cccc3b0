// The command line as a value. Pure: no file is opened and nothing is printed here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace codeexec::cli {

/// Which cluster, as kubectl's flags of the same names say it. Empty: what the kubeconfig says.
struct cluster_options {
  std::string kubeconfig;
  std::string context;
  std::string server;
  std::string namespace_;
};

enum class output_format { text, wide, json, yaml, name };
enum class stdin_choice { automatic, always, never };

struct run_options {
  std::string file;  ///< "-": the code comes on standard input
  std::vector<std::string> args;
  std::optional<std::string> language;
  std::optional<std::string> image;
  std::vector<std::string> env;    ///< "K=V", or "K" for our own variable's value
  std::vector<std::string> files;  ///< "PATH" or "PATH=DEST"
  stdin_choice stdin_ = stdin_choice::automatic;
  std::optional<std::int64_t> timeout_seconds;
  std::optional<std::int64_t> startup_timeout_seconds;
  std::optional<std::string> cpu;
  std::optional<std::string> memory;
  std::optional<std::string> network;  ///< "Allow" or "Deny"
  std::optional<std::string> runtime_class;
  std::optional<std::int64_t> max_output_bytes;
  std::optional<std::int64_t> ttl_seconds;
  std::optional<std::string> name;
  bool keep = false;
  bool detach = false;
  output_format output = output_format::text;
};

struct get_options {
  std::string name;  ///< empty: all
  bool all_namespaces = false;
  std::string selector;
  output_format output = output_format::text;
};

struct logs_options {
  std::string name;
  bool follow = false;
};

struct delete_options {
  std::vector<std::string> names;
  bool wait = true;
};

struct cancel_options {
  std::vector<std::string> names;
};

struct version_options {};

using command = std::variant<run_options, get_options, logs_options, delete_options, cancel_options, version_options>;

struct command_line {
  command what;
  cluster_options cluster;
  bool quiet = false;
};

/// Nothing is to be done but to print and leave: help, or a mistake in the command line.
struct leave {
  int exit_code = 0;
  std::string text;  ///< for stdout where exit_code is 0, else for stderr; ends with a newline
};

/// "kubectl codeexec" where argv[0] names a kubectl plugin, else its base name: how help and errors call us.
std::string program_name(std::string_view argv0);

/// `arguments` without argv[0].
std::variant<command_line, leave> parse_command_line(std::string_view argv0, std::vector<std::string> arguments);

}  // namespace codeexec::cli
