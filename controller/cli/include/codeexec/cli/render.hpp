// Text for people and for programs: tables, one-line summaries, YAML and JSON. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/base/time.hpp"

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

/// Left-aligned columns, three spaces between, the last one not padded. Rows shorter than the head are filled.
std::string render_table(std::vector<std::string> const& head, std::vector<std::vector<std::string>> const& rows);

struct table_options {
  bool with_namespace = false;
  bool wide = false;
};
std::string render_list(std::vector<api::CodeExecution> const& items, table_options how, base::wall_time now);

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

}  // namespace codeexec::cli
