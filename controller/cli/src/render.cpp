#include "codeexec/cli/render.hpp"

#include <algorithm>
#include <clocale>
#include <csignal>
#include <cwchar>
#include <utility>

#include "codeexec/api/names.hpp"
#include "codeexec/base/encoding.hpp"
#include "codeexec/base/text.hpp"
#include "codeexec/cli/duration.hpp"
#include "codeexec/cli/grid.hpp"
#include "codeexec/wire/utf8.h"
#include "codeexec/yaml_reader/yaml_writer.hpp"

namespace codeexec::cli {

namespace {

/// The widths of Unicode come from the C library, which knows them by locale; ours is set for this thread alone and
/// only while we ask, so that nothing else changes its ways.
class unicode_locale {
 public:
  unicode_locale() : before_(uselocale(shared())) {}
  unicode_locale(unicode_locale const&) = delete;
  unicode_locale& operator=(unicode_locale const&) = delete;
  ~unicode_locale() { uselocale(before_); }

 private:
  static locale_t shared() {
    static locale_t const locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", locale_t{});
    return locale;
  }
  locale_t before_;
};

struct character {
  std::string_view bytes;
  char32_t code;
};

/// Takes the first character of repaired UTF-8 off `text`.
character next_character(std::string_view& text) {
  auto const unit = wire::next_utf8_unit(reinterpret_cast<unsigned char const*>(text.data()), text.size());
  auto const length = std::max<std::size_t>(1, unit.length);
  auto const bytes = text.substr(0, length);
  auto const first = static_cast<unsigned char>(bytes.front());
  auto code = static_cast<char32_t>(length == 1 ? first : first & (0xFFU >> (length + 1)));
  for (std::size_t i = 1; i < length; ++i)
    code = (code << 6) | (static_cast<unsigned char>(bytes[i]) & 0x3FU);
  text.remove_prefix(length);
  return {bytes, code};
}

std::size_t width_of(char32_t code) {
  auto const width = ::wcwidth(static_cast<wchar_t>(code));
  return width < 0 ? 0 : static_cast<std::size_t>(width);
}

std::string dash_if_empty(std::string text) {
  return text.empty() ? "-" : text;
}

std::string age_cell(std::string const& since, base::wall_time now) {
  auto const time = base::parse_time(since);
  if (!time) return "-";
  return format_age(std::chrono::duration_cast<std::chrono::seconds>(now - *time));
}

std::string duration_cell(api::CodeExecutionStatus const& status, base::wall_time now) {
  if (status.usage && status.is_final()) return format_run_time(std::chrono::milliseconds(status.usage->wallMillis));
  if (status.is_final()) {
    auto const start = base::parse_time(status.startTime);
    auto const completed = base::parse_time(status.completionTime);
    if (!start || !completed) return "-";
    return format_run_time(std::chrono::duration_cast<std::chrono::milliseconds>(*completed - *start));
  }
  auto const running = running_since(status);
  if (!running) return "-";
  // The kubelet counts whole seconds.
  auto const time = format_age(std::chrono::duration_cast<std::chrono::seconds>(now - running->since));
  return running->exact ? time : "~" + time;
}

}  // namespace

std::optional<running_time> running_since(api::CodeExecutionStatus const& status) {
  if (status.phase != api::phases::running) return std::nullopt;
  auto const timeline = status.timeline.value_or(api::Timeline{});
  for (auto const* exact : {&status.startTime, &timeline.codeStarted}) {
    if (auto const at = base::parse_time(*exact)) return running_time{*at, true};
  }
  for (auto const* about : {&timeline.podScheduled, &timeline.jobCreated}) {
    if (auto const at = base::parse_time(*about)) return running_time{*at, false};
  }
  return std::nullopt;
}

std::size_t display_width(std::string_view utf8) {
  unicode_locale const with_widths;
  auto const text = base::repair_utf8(std::string(utf8));
  std::string_view rest = text;
  std::size_t columns = 0;
  while (!rest.empty())
    columns += width_of(next_character(rest).code);
  return columns;
}

std::string fit(std::string_view utf8, std::size_t columns) {
  if (display_width(utf8) <= columns) return std::string(utf8);
  if (columns == 0) return {};
  unicode_locale const with_widths;
  auto const text = base::repair_utf8(std::string(utf8));
  std::string_view rest = text;
  std::string result;
  std::size_t used = 0;
  while (!rest.empty()) {
    auto const next = next_character(rest);
    auto const width = width_of(next.code);
    if (used + width > columns - 1) break;
    used += width;
    result += next.bytes;
  }
  return result + "…";
}

std::string printable(std::string_view text) {
  auto const repaired = base::repair_utf8(std::string(text));
  std::string_view rest = repaired;
  std::string result;
  while (!rest.empty()) {
    auto const next = next_character(rest);
    if (next.code == '\n' || next.code == '\t' || next.code == '\r') {
      if (!result.empty() && result.back() != ' ') result += ' ';
    } else if (next.code < 0x20 || (next.code >= 0x7f && next.code < 0xa0)) {
      result += "\xEF\xBF\xBD";
    } else if ((next.code >= 0x202A && next.code <= 0x202E) || (next.code >= 0x2066 && next.code <= 0x2069)) {
      result += "\xEF\xBF\xBD";  // turns the direction of writing round: the line reads as what it is not
    } else {
      result += next.bytes;
    }
  }
  while (result.ends_with(' '))
    result.pop_back();
  return result;
}

std::string in_quotes(std::string_view text) {
  return base::in_quotes(printable(text));
}

std::string signal_name(std::int64_t number) {
  if (number > 0 && number < 64) {
    if (auto const* const name = sigabbrev_np(static_cast<int>(number))) return std::string("SIG") + name;
  }
  return "signal " + std::to_string(number);
}

std::string exit_cell(api::CodeExecutionStatus const& status) {
  if (status.exitCode) return std::to_string(*status.exitCode);
  if (status.signal) return signal_name(*status.signal);
  return "-";
}

std::string render_list(std::vector<api::CodeExecution> const& items, table_options const& how, base::wall_time now) {
  std::vector<column> columns;
  if (how.with_namespace) columns.push_back({"NAMESPACE", 8, 0, true});
  columns.push_back({"NAME", 12, 0, true});
  columns.push_back({"PHASE"});
  columns.push_back({"REASON", 8, 0});
  columns.push_back({"EXIT"});
  columns.push_back({"DURATION", 0, 2});
  columns.push_back({"AGE", 0, 1});
  if (how.wide) {
    columns.push_back({"POD", 12, 4, true});
    columns.push_back({"NODE", 8, 3});
  }
  auto const row_for = [&](api::CodeExecution const& item) {
    auto const& status = item.status;
    auto const terminating = item.metadata.being_deleted();
    auto const as = terminating ? tint::waiting : tint_of_phase(status.phase);
    std::vector<cell> row;
    if (how.with_namespace) row.push_back({printable(item.metadata.namespace_)});
    row.push_back({printable(item.metadata.name)});
    row.push_back({terminating ? "Terminating" : dash_if_empty(printable(status.phase)), as});
    row.push_back({dash_if_empty(printable(status.reason)), as});
    row.push_back({exit_cell(status)});
    row.push_back({duration_cell(status, now)});
    row.push_back({age_cell(item.metadata.creationTimestamp, now)});
    if (how.wide) {
      row.push_back({dash_if_empty(printable(status.podName))});
      row.push_back({dash_if_empty(printable(status.nodeName))});
    }
    return row;
  };
  std::vector<std::vector<cell>> rows;
  for (auto const& item : items)
    rows.push_back(row_for(item));
  grid_options grid;
  grid.width = how.width;
  grid.head = how.head;
  grid.colours = how.colours;
  if (!how.room_for.empty()) {
    for (auto& one : columns)
      one.room = display_width(one.title);
    for (auto const& item : how.room_for) {
      auto const row = row_for(item);
      for (std::size_t i = 0; i < columns.size(); ++i)
        columns[i].room = std::max(columns[i].room, display_width(row[i].text));
    }
  }
  return render_grid(columns, rows, grid);
}

std::string to_yaml(nlohmann::json const& value) {
  return yaml::write_document(value);
}

std::string to_json_text(nlohmann::json const& value) {
  return value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string closing_sentence(api::CodeExecutionStatus const& status) {
  namespace reasons = api::reasons;
  auto const& reason = status.reason;
  if (reason == reasons::completed || reason == reasons::non_zero_exit) return {};
  auto const said = printable(status.message);
  if (!said.empty()) return printable(reason) + ": " + said;
  if (reason == reasons::signaled && status.signal) return "ended by " + signal_name(*status.signal);
  return reason.empty() ? "ended without a reason" : printable(reason);
}

std::string missing_sentence(std::string_view stream, std::int64_t bytes) {
  return std::to_string(bytes) + (bytes == 1 ? " byte of " : " bytes of ") + std::string(stream) +
         " left out here; --max-output (spec.output.maxBytes) keeps more";
}

std::string full_sentence(std::string_view stream, std::int64_t bytes) {
  return std::string(stream) + " has more than " + std::to_string(bytes) +
         " bytes: the rest is counted, and its end comes with the result";
}

std::string repaired_sentence(std::string_view stream) {
  return std::string(stream) + " is not all UTF-8: here, from the status, what is none is U+FFFD";
}

}  // namespace codeexec::cli
