#include "codeexec/cli/top_screen.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>
#include <tuple>
#include <utility>

#include "codeexec/api/names.hpp"
#include "codeexec/cli/duration.hpp"
#include "codeexec/cli/grid.hpp"
#include "codeexec/cli/render.hpp"

namespace codeexec::cli {

namespace {

/// "Position " of the text taken off, and the number after it.
bool take_number(std::string_view& text, std::string_view before, std::int64_t& number) {
  if (!text.starts_with(before)) return false;
  text.remove_prefix(before.size());
  auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

constexpr std::int64_t nowhere = std::numeric_limits<std::int64_t>::max();

bool is_running(top_entry const& e) {
  return e.phase == api::phases::running;
}

/// Running first, the longest first; then what is on its way; then the queue in its order; then what is suspended.
auto place_of(top_entry const& e) {
  auto const rank = is_running(e)                         ? 0
                    : e.reason == api::reasons::suspended ? 3
                    : e.reason == api::reasons::queued    ? 2
                                                          : 1;
  auto const since = is_running(e) ? e.started : e.created;
  auto const at = since ? since->time_since_epoch().count() : nowhere;
  return std::tuple(rank, e.position.value_or(nowhere), at, e.namespace_, e.name);
}

std::string count_text(std::map<std::string, std::int64_t> const& of, std::string const& key) {
  auto const at = of.find(key);
  return std::to_string(at == of.end() ? 0 : at->second);
}

/// What the message says beyond what the columns do.
std::string detail_of(top_entry const& e) {
  if (e.ends) return "ending";
  if (e.position) {
    auto const open = e.message.find('(');
    auto const close = e.message.rfind(')');
    if (open != std::string::npos && close != std::string::npos && close > open) {
      return printable(std::string_view(e.message).substr(open + 1, close - open - 1));
    }
    return {};
  }
  return printable(e.message);
}

std::vector<cell> row_of(top_entry const& e, bool with_namespace, base::wall_time now) {
  auto const how = tint_of_phase(e.phase);
  std::vector<cell> row;
  if (with_namespace) row.push_back({printable(e.namespace_)});
  row.push_back({printable(e.name)});
  row.push_back({e.phase.empty() ? "-" : printable(e.phase), how});
  row.push_back({e.reason.empty() ? "no status yet" : printable(e.reason), how});
  row.push_back({e.position ? std::to_string(*e.position) + "/" + std::to_string(e.waiting) : "-"});
  auto const since = is_running(e) ? e.started : e.created;
  auto const seconds =
      since ? std::optional(std::chrono::duration_cast<std::chrono::seconds>(now - *since)) : std::nullopt;
  auto const about = is_running(e) && !e.started_exactly ? "~" : "";
  row.push_back({seconds ? about + format_age(*seconds) : "-"});
  row.push_back({is_running(e) && e.timeout_seconds > 0 ? format_age(std::chrono::seconds(e.timeout_seconds)) : "-"});
  row.push_back({detail_of(e), tint::faint});
  return row;
}

}  // namespace

bool read_position(std::string const& message, std::int64_t& position, std::int64_t& waiting) {
  std::string_view rest = message;
  return take_number(rest, "Position ", position) && take_number(rest, " of ", waiting) && position > 0 &&
         waiting >= position;
}

void top_model::see(api::CodeExecution const& one) {
  auto& state = by_uid_[one.metadata.uid];
  state.listed = true;
  state.over = one.status.is_final();
  auto& e = state.entry;
  e = top_entry{};
  e.phase = one.status.phase;
  if (state.over) return;
  e.namespace_ = one.metadata.namespace_;
  e.name = one.metadata.name;
  e.reason = one.status.reason;
  e.message = one.status.message;
  e.created = base::parse_time(one.metadata.creationTimestamp);
  if (auto const running = running_since(one.status)) {
    e.started = running->since;
    e.started_exactly = running->exact;
  }
  e.timeout_seconds = one.spec.timeoutSeconds.value_or(0);
  e.ends = one.metadata.being_deleted() || one.spec.cancel;
  std::int64_t position = 0;
  if (e.reason == api::reasons::queued && read_position(e.message, position, e.waiting)) e.position = position;
}

void top_model::lose(std::string const& uid) {
  by_uid_.erase(uid);
}

void top_model::begin_list() {
  for (auto& [uid, state] : by_uid_)
    state.listed = false;
}

void top_model::end_list() {
  std::erase_if(by_uid_, [](auto const& one) { return !one.second.listed; });
}

std::vector<top_entry> top_model::entries() const {
  std::vector<top_entry> found;
  for (auto const& [uid, state] : by_uid_) {
    if (!state.over) found.push_back(state.entry);
  }
  std::sort(found.begin(), found.end(),
            [](top_entry const& a, top_entry const& b) { return place_of(a) < place_of(b); });
  return found;
}

std::map<std::string, std::int64_t> top_model::phases() const {
  std::map<std::string, std::int64_t> counts;
  for (auto const& [uid, state] : by_uid_)
    // One that nobody has written a status of yet waits, too.
    ++counts[state.entry.phase.empty() ? std::string(api::phases::pending) : state.entry.phase];
  return counts;
}

std::map<std::string, std::int64_t> top_model::waiting_reasons() const {
  std::map<std::string, std::int64_t> counts;
  for (auto const& [uid, state] : by_uid_) {
    if (state.over || is_running(state.entry)) continue;
    ++counts[state.entry.reason.empty() ? "no status yet" : state.entry.reason];
  }
  return counts;
}

std::string render_top(top_model const& model, top_options_shown const& how, screen const& on) {
  std::vector<std::string> lines;
  auto const add = [&](tint as, std::string const& text) {
    lines.push_back(on.colours(as, on.width == 0 ? text : fit(text, on.width)));
  };
  auto const live = how.height != 0;
  auto const clock = base::format_time(on.now).substr(11, 8) + " UTC";
  if (live) add(tint::title, "codeexec top, " + printable(how.scope) + ", " + clock);
  if (!how.trouble.empty()) add(tint::bad, how.trouble);

  auto const phases = model.phases();
  std::string waits;
  for (auto const& [reason, count] : model.waiting_reasons())
    waits += (waits.empty() ? "" : ", ") + printable(reason) + " " + std::to_string(count);
  auto const counts = [&](bool with_reasons) {
    return "Running " + count_text(phases, "Running") + "   Pending " + count_text(phases, "Pending") +
           (with_reasons && !waits.empty() ? " (" + waits + ")" : "") + "   Succeeded " +
           count_text(phases, "Succeeded") + "   Failed " + count_text(phases, "Failed");
  };
  // The reasons are in the table too: the first to go where it is narrow.
  auto const whole = counts(true);
  add(tint::plain, on.width == 0 || display_width(whole) <= on.width ? whole : counts(false));

  auto const entries = model.entries();
  if (entries.empty()) {
    add(tint::faint, "Nothing runs and nothing waits.");
  } else {
    std::vector<column> columns;
    if (how.with_namespace) columns.push_back({"NAMESPACE", 8, 0, true});
    columns.push_back({"NAME", 12, 0, true});
    columns.push_back({"PHASE", 0, 3});
    columns.push_back({"REASON", 6, 0});
    columns.push_back({"QUEUE", 0, 2});
    columns.push_back({"TIME"});
    columns.push_back({"LIMIT", 0, 4});
    columns.push_back({"DETAIL", 12, 5});
    auto shown = entries.size();
    if (live) {
      auto const used = lines.size() + 2;  // the head of the table, and the line about keys
      auto const room = how.height > used ? how.height - used : 1;
      if (shown > room) shown = room > 1 ? room - 1 : 1;
    }
    std::vector<std::vector<cell>> rows;
    for (std::size_t i = 0; i < shown; ++i)
      rows.push_back(row_of(entries[i], how.with_namespace, on.now));
    grid_options table;
    table.width = on.width;
    table.colours = on.colours;
    auto text = render_grid(columns, rows, table);
    while (!text.empty()) {
      auto const end = text.find('\n');
      lines.push_back(text.substr(0, end));
      text.erase(0, end + 1);
    }
    if (shown < entries.size()) add(tint::faint, "… and " + std::to_string(entries.size() - shown) + " more");
  }
  if (live) add(tint::faint, "q: quit");
  if (live && lines.size() > how.height) lines.resize(how.height);
  std::string text;
  for (auto const& one : lines)
    text += one + "\n";
  return text;
}

}  // namespace codeexec::cli
