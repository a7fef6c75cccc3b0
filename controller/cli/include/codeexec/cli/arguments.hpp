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

enum class output_format { text, wide, json, yaml, name, jsonpath };
/// Colours: where the stream is a terminal that takes them, always, or never.
enum class colour_choice { automatic, always, never };
/// Which of the code's streams are shown.
enum class stream_choice { both, out, err };
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
  bool raw = false;  ///< output reaches a terminal as it is
  output_format output = output_format::text;
};

struct get_options {
  std::vector<std::string> names;  ///< none: all
  bool all_namespaces = false;
  bool watch = false;
  bool no_headers = false;
  std::string selector;
  std::string field_selector;
  output_format output = output_format::text;
  std::string path;  ///< of -o jsonpath=PATH
};

struct describe_options {
  std::vector<std::string> names;
};

struct logs_options {
  std::string name;
  bool follow = false;
  bool raw = false;
  std::optional<std::int64_t> tail;  ///< lines of each stream
  stream_choice streams = stream_choice::both;
};

struct top_options {
  bool all_namespaces = false;
  bool once = false;
  std::string selector;
};

/// Which ones `delete`, `cancel` and `resume` are about: names, or a selector, or all of the namespace.
struct chosen_ones {
  std::vector<std::string> names;
  std::string selector;
  bool all = false;
};

struct delete_options {
  chosen_ones which;
  bool interactive = false;
  bool wait = true;
  std::int64_t timeout_seconds = 60;  ///< for each one
};

struct cancel_options {
  chosen_ones which;
  bool interactive = false;
  bool wait = true;
  std::int64_t timeout_seconds = 60;  ///< for each one
};

struct resume_options {
  chosen_ones which;
};

struct version_options {
  bool client_only = false;
  output_format output = output_format::text;
};

struct completion_options {
  std::string shell;  ///< "bash", "zsh" or "fish"
};

/// The words typed so far, the last one perhaps begun (completion.hpp).
struct complete_options {
  std::vector<std::string> words;
};

struct manual_options {};

using command =
    std::variant<run_options, get_options, describe_options, logs_options, top_options, cancel_options, resume_options,
                 delete_options, version_options, completion_options, complete_options, manual_options>;

struct command_line {
  command what;
  cluster_options cluster;
  bool quiet = false;
  colour_choice colour = colour_choice::automatic;
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

/// "hello" of "hello", "cex/hello" and "codeexecution.codeexec.dev/hello", as `get -o name` prints it.
std::string plain_name(std::string const& given);

// What there is to type, for the manual page and for completion: read off the same definitions that parse it.
struct flag_info {
  std::string short_name;  ///< "-n", or empty
  std::string long_name;   ///< "--namespace"
  std::string value;       ///< "NAME", "allow|deny"; empty where it takes none
  std::string help;
  std::string group;
};
struct command_info {
  std::string name;  ///< empty: the program itself
  std::string usage;
  std::string summary;
  std::string footer;
  std::vector<flag_info> flags;
};

/// The program itself first, then its commands in the order of the help.
std::vector<command_info> command_reference(std::string_view argv0);

}  // namespace codeexec::cli
