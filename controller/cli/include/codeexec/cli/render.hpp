// Text for people and for programs: tables, one-line summaries, YAML and JSON. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/cli/palette.hpp"

namespace codeexec::cli {

/// Columns a terminal needs for the text: wide characters take two, combining ones none.
std::size_t display_width(std::string_view utf8);

/// Cuts to at most `columns`, ending in an ellipsis where something was cut.
std::string fit(std::string_view utf8, std::size_t columns);

/// Control characters and broken UTF-8 replaced, so that a text from the cluster cannot drive the terminal. Line breaks
/// become spaces.
std::string printable(std::string_view text);
/// The printable text in double quotes: a name or an argument within a sentence.
std::string in_quotes(std::string_view text);

struct table_options {
  bool with_namespace = false;
  bool wide = false;
  bool head = true;
  std::size_t width = 0;  ///< of the terminal; 0: no bound
  palette colours{};
  /// The columns are as wide as these need too: rows that come later stand below a table that is there already.
  std::vector<api::CodeExecution> room_for{};
};
std::string render_list(std::vector<api::CodeExecution> const& items, table_options const& how, base::wall_time now);

/// Since when the code runs. Where nobody has said when its container started, only when its pod was scheduled is
/// known, or its Job made.
struct running_time {
  base::wall_time since;
  bool exact = false;
};
std::optional<running_time> running_since(api::CodeExecutionStatus const& status);

/// Exit code as the table shows it: "0", "SIGKILL", or "-" where there is none yet.
std::string exit_cell(api::CodeExecutionStatus const& status);

/// "SIGSEGV", or "signal 77".
std::string signal_name(std::int64_t number);

/// The same data; strings that YAML could take for something else are quoted, texts of several lines stay readable.
std::string to_yaml(nlohmann::json const& value);
std::string to_json_text(nlohmann::json const& value);

/// The sentence that `run` ends with, empty where the code's own output says it all (it ended by itself).
std::string closing_sentence(api::CodeExecutionStatus const& status);

/// "3 of 70 KiB ..." is what stays away where output was cut; see stream_progress. Name: "stdout".
std::string missing_sentence(std::string_view stream, std::int64_t bytes);
/// Why nothing more of a stream comes while the code runs: so many bytes are all that is shown live.
std::string full_sentence(std::string_view stream, std::int64_t bytes);
/// What the status has of a stream is not what the code wrote: stream_progress::stored::is_repaired().
std::string repaired_sentence(std::string_view stream);

}  // namespace codeexec::cli
