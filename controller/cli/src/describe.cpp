#include "codeexec/cli/describe.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "codeexec/api/names.hpp"
#include "codeexec/cli/duration.hpp"
#include "codeexec/cli/grid.hpp"
#include "codeexec/cli/manifest.hpp"
#include "codeexec/cli/render.hpp"

namespace codeexec::cli {

namespace {

using std::chrono::milliseconds;
using namespace std::string_view_literals;

constexpr std::size_t label_width = 13;
/// Of each stream, at its end.
constexpr std::size_t shown_lines = 4;
constexpr std::size_t shown_events = 6;
/// Where no terminal says how wide it is.
constexpr std::size_t usual_width = 100;

std::string text_field(nlohmann::json const& object, char const* name) {
  auto const at = object.find(name);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

milliseconds between(base::wall_time from, base::wall_time to) {
  return std::chrono::duration_cast<milliseconds>(to - from);
}

/// Steps are often shorter than format_run_time() tells apart.
std::string format_step(base::wall_time from, base::wall_time to) {
  auto const us = (to - from).count();
  if (us >= 0 && us < 1'000'000) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), us < 10'000 ? "%.1fms" : "%.0fms", static_cast<double>(us) / 1000.0);
    return text.data();
  }
  // Two machines' clocks: the node's may be behind the operator's.
  if (us < 0) return "-" + format_step(to, from);
  return format_run_time(between(from, to));
}

/// `length` of `total` beginning at `offset`, drawn in `width` columns; what took any time is seen.
std::string draw_bar(double offset, double length, double total, std::size_t width) {
  if (total <= 0 || width == 0) return {};
  constexpr std::array<std::string_view, 9> parts{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
  auto const columns = static_cast<double>(width);
  auto const begin = std::min(columns - 1, std::floor(offset / total * columns));
  auto eighths = static_cast<std::size_t>(std::max(1.0, std::round(length / total * columns * 8)));
  eighths = std::min(eighths, (width - static_cast<std::size_t>(begin)) * 8);
  std::string bar(static_cast<std::size_t>(begin), ' ');
  for (; eighths >= 8; eighths -= 8)
    bar += parts[8];
  bar += parts[eighths];
  return bar;
}

std::string ago(std::string const& time, base::wall_time now) {
  auto const at = base::parse_time(time);
  if (!at) return "-";
  return format_age(std::chrono::duration_cast<std::chrono::seconds>(now - *at));
}

/// Kubernetes keeps when a pod was scheduled to the second: such a step may lie anywhere within it.
bool is_coarse(base::wall_time at) {
  return at.time_since_epoch().count() % 1'000'000 == 0;
}

std::string clock_time(base::wall_time at) {
  auto const text = base::format_micro_time(at);  // 2026-01-31T10:00:00.123456Z
  return text.substr(11, is_coarse(at) ? 8 : 12);
}

std::string joined(std::vector<std::string> const& words, std::string_view between_them) {
  std::string text;
  for (auto const& word : words)
    text += (text.empty() ? std::string() : std::string(between_them)) + word;
  return text;
}

std::string plural(std::int64_t count, char const* one, char const* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

class description {
 public:
  description(describe_input const& what, screen const& on)
      : what_(what),
        spec_(what.execution.spec),
        status_(what.execution.status),
        on_(on),
        width_(on.width == 0 ? usual_width : on.width) {}

  std::string render() {
    head();
    spec();
    timeline();
    outcome();
    output();
    conditions();
    events();
    return std::move(text_);
  }

 private:
  void line(std::string const& text) { text_ += text + "\n"; }
  /// Untinted text, cut where a terminal is that narrow.
  std::string fitted(std::string const& text, std::size_t indent = 0) const {
    return on_.width == 0 ? text : fit(text, on_.width > indent ? on_.width - indent : 1);
  }
  /// The whole value, over several lines where it must be.
  void field(std::string const& label, std::string const& value, tint how = tint::plain) {
    auto head = label + ":";
    head.resize(std::max(label_width, head.size() + 1), ' ');
    auto const room = width_ > label_width + 20 ? width_ - label_width : 20;
    auto first = true;
    for (auto const& part : wrap(value.empty() ? "-" : value, room)) {
      line((first ? on_.colours(tint::title, head) : std::string(label_width, ' ')) +
           on_.colours(value.empty() ? tint::faint : how, fitted(part, label_width)));
      first = false;
    }
  }
  void section(std::string const& title) { line(on_.colours(tint::title, fitted(title))); }

  void head() {
    auto const& meta = what_.execution.metadata;
    field("Name", printable(meta.namespace_.empty() ? meta.name : meta.namespace_ + "/" + meta.name));
    std::string state = status_.phase.empty() ? "no status yet: no operator has taken it up" : printable(status_.phase);
    if (!status_.reason.empty() && status_.reason != status_.phase) state += ", " + printable(status_.reason);
    if (status_.exitCode) state += ", exit code " + std::to_string(*status_.exitCode);
    if (status_.signal) state += ", " + signal_name(*status_.signal);
    if (meta.being_deleted()) state += ", being deleted";
    field("State", state, tint_of_phase(status_.phase));
    if (!status_.message.empty()) field("Message", printable(status_.message));
    std::string wishes;
    if (spec_.cancel) wishes = "cancel";
    if (spec_.suspend) wishes += wishes.empty() ? "suspend" : ", suspend";
    if (!wishes.empty()) field("Asked for", wishes);
    field("Created", printable(meta.creationTimestamp) + " (" + ago(meta.creationTimestamp, on_.now) + " ago)");
    if (!meta.labels.empty()) {
      std::vector<std::string> labels;
      for (auto const& [key, value] : meta.labels)
        labels.push_back(printable(key + "=" + value));
      field("Labels", joined(labels, " "));
    }
  }

  void spec() {
    std::vector<std::string> code;
    code.push_back(spec_.language ? printable(*spec_.language) : "python (default)");
    if (spec_.codeFrom) {
      auto const& from = spec_.codeFrom->configMapKeyRef;
      code.push_back("from ConfigMap " + printable(from.name) + ", key " + printable(from.key));
    } else if (spec_.code) {
      code.push_back(format_bytes(static_cast<std::int64_t>(spec_.code->size())));
    }
    if (!spec_.files.empty()) code.push_back(plural(static_cast<std::int64_t>(spec_.files.size()), "file", "files"));
    if (spec_.stdin_ && !spec_.stdin_->empty())
      code.push_back("stdin " + format_bytes(static_cast<std::int64_t>(spec_.stdin_->size())));
    if (!status_.codeSHA256.empty()) code.push_back("SHA-256 " + printable(status_.codeSHA256).substr(0, 12));
    field("Code", joined(code, ", "));
    if (!spec_.command.empty()) field("Command", quoted(spec_.command));
    if (!spec_.args.empty()) field("Arguments", quoted(spec_.args));
    if (!spec_.env.empty()) {
      // Names alone: a value may be what its owner would not show on a screen.
      std::vector<std::string> names;
      for (auto const& one : spec_.env)
        names.push_back(printable(one.name));
      field("Environment", joined(names, ", "));
    }
    auto image = printable(!status_.image.empty() ? status_.image : spec_.image.value_or(std::string()));
    if (auto const digest = status_.imageID.find("sha256:"); digest != std::string::npos) {
      image += " (" + printable(status_.imageID).substr(digest, 19) + "…)";
    }
    field("Image", image);
    std::vector<std::string> bounds;
    // What the spec leaves open is the operator's configuration, which nobody here may read.
    bounds.push_back(spec_.timeoutSeconds ? "timeout " + format_age(std::chrono::seconds(*spec_.timeoutSeconds))
                                          : "timeout: the operator's default");
    for (auto const& [name, amount] : spec_.resources.limits)
      bounds.push_back(printable(name) + " " + printable(amount));
    bounds.push_back(spec_.network ? "network " + printable(*spec_.network) : "network: the operator's default");
    field("Bounds", joined(bounds, ", "));
  }

  static std::string quoted(std::vector<std::string> const& words) {
    std::vector<std::string> shown;
    for (auto const& word : words)
      shown.push_back(in_quotes(word));
    return joined(shown, " ");
  }

  void timeline() {
    auto const line_of = status_.timeline.value_or(api::Timeline{});
    struct step {
      char const* name;
      std::string const* at;
    };
    std::array<step, 6> const steps{{{"accepted", &line_of.accepted},
                                     {"job created", &line_of.jobCreated},
                                     {"pod scheduled", &line_of.podScheduled},
                                     {"code started", &line_of.codeStarted},
                                     {"code finished", &line_of.codeFinished},
                                     {"captured", &line_of.captured}}};
    std::optional<base::wall_time> first;
    std::optional<base::wall_time> last;
    for (auto const& one : steps) {
      auto const at = base::parse_time(*one.at);
      if (!at || (first && is_coarse(*at) && std::chrono::abs(*at - *last) < std::chrono::seconds(1))) continue;
      if (!first || *at < *first) first = at;
      if (!last || *at > *last) last = at;
    }
    if (!first) {
      field("Timeline", status_.is_final() ? "not recorded" : "nothing has happened yet");
      return;
    }
    auto const total = static_cast<double>((*last - *first).count());
    // The last step of one that goes on is not its end.
    auto const took = status_.is_final() ? format_step(*first, *last) + " in all"
                                         : format_step(*first, std::max(*last, on_.now)) + " so far";
    section("Timeline:    " + took + ", clock times in UTC");
    constexpr std::size_t before_bar = 2 + 14 + 14 + 9 + 2;
    auto const bar_width = width_ > before_bar + 8 ? std::min<std::size_t>(width_ - before_bar, 48) : 0;
    std::optional<base::wall_time> previous;
    for (auto const& one : steps) {
      auto const at = base::parse_time(*one.at);
      std::string row = "  " + padded(one.name, 14);
      if (!at) {
        auto const told_later = one.at == &line_of.codeStarted && status_.phase == api::phases::running;
        auto const* const why = status_.is_final() ? "not recorded" : told_later ? "told at the end" : "not yet";
        line(on_.colours(tint::faint, fitted(row + why)));
        continue;
      }
      row += padded(clock_time(*at), 14);
      if (!previous) {
        line(fitted(row.substr(0, row.find_last_not_of(' ') + 1)));
        previous = at;
        continue;
      }
      if (is_coarse(*at) && std::chrono::abs(*at - *previous) < std::chrono::seconds(1)) {
        line(fitted(row + right("<1s", 8)));
        continue;
      }
      row += right((is_coarse(*at) ? "~" : "") + format_step(*previous, *at), 8);
      std::string bar;
      if (total > 0 && bar_width > 0) {
        auto const offset = static_cast<double>((*previous - *first).count());
        auto const length = static_cast<double>((*at - *previous).count());
        bar = draw_bar(std::max(0.0, offset), std::max(0.0, length), total, bar_width);
      }
      auto const code_itself = one.at == &line_of.codeFinished;
      line(fitted(row) + (bar.empty() ? "" : "  " + on_.colours(code_itself ? tint::good : tint::busy, bar)));
      previous = at;
    }
    if (auto const running = running_since(status_)) {
      auto const time = format_age(std::chrono::duration_cast<std::chrono::seconds>(on_.now - running->since));
      line(fitted(running->exact ? "  running for " + time : "  running; its pod was scheduled " + time + " ago"));
    }
  }

  static std::string padded(std::string text, std::size_t width) {
    text.resize(std::max(width, text.size()), ' ');
    return text;
  }
  static std::string right(std::string const& text, std::size_t width) {
    return text.size() >= width ? text : std::string(width - text.size(), ' ') + text;
  }

  void outcome() {
    if (status_.usage) {
      auto const& usage = *status_.usage;
      auto text = "ran " + format_run_time(milliseconds(usage.wallMillis)) + ", CPU " +
                  format_run_time(milliseconds(usage.cpuMillis));
      if (usage.wallMillis > 0) text += " (" + std::to_string(usage.cpuMillis * 100 / usage.wallMillis) + " %)";
      text += ", memory up to " + format_bytes(usage.maxRSSBytes);
      auto const limit = spec_.resources.limits.find("memory");
      if (limit != spec_.resources.limits.end()) {
        auto const bound = parse_quantity_milli(limit->second);
        if (bound && *bound >= 1000) text += " of " + format_bytes(*bound / 1000);
      }
      field("Usage", text);
    } else {
      field("Usage", status_.is_final() ? "not measured" : "known at the end", tint::faint);
    }
    if (status_.sandbox) {
      auto const& box = *status_.sandbox;
      auto const name = box.runtimeClassName.empty() ? std::string("no RuntimeClass") : printable(box.runtimeClassName);
      field("Sandbox", box.verified ? name + ", verified: the runner saw gVisor from inside" : name + ", NOT verified",
            box.verified ? tint::good : tint::bad);
    } else {
      field("Sandbox", status_.is_final() ? "not known" : "not known yet", tint::faint);
    }
    std::vector<std::string> where;
    if (!status_.podName.empty()) where.push_back("pod " + printable(status_.podName));
    if (!status_.nodeName.empty()) where.push_back("node " + printable(status_.nodeName));
    if (where.empty() && !status_.jobName.empty()) where.push_back("job " + printable(status_.jobName));
    field("Ran on", joined(where, ", "));
  }

  void stream(char const* name, api::boxed<std::string> const& text, std::int64_t bytes, bool truncated) {
    std::string summary = format_bytes(bytes) + " written";
    if (truncated) {
      summary += ", the middle left out";
    } else if (!text && bytes > 0) {
      summary += ", not kept";
    }
    std::vector<std::string_view> lines;
    std::string_view rest = text ? std::string_view(*text) : std::string_view();
    while (!rest.empty()) {
      auto const end = std::min(rest.find('\n'), rest.size());
      lines.push_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    auto const from = lines.size() > shown_lines ? lines.size() - shown_lines : 0;
    if (from > 0)
      summary += ", the last " + std::to_string(shown_lines) + " of " + std::to_string(lines.size()) + " lines";
    field(name, summary, tint::plain);
    // A line may be as long as the stream; nobody sees more of it here, nor need it be looked at.
    constexpr std::size_t longest = 1024;
    for (std::size_t i = from; i < lines.size(); ++i)
      line("  " + on_.colours(tint::faint, "│ ") +
           fit(printable(lines[i].substr(0, longest)), width_ > 4 ? width_ - 4 : 1));
  }

  void output() {
    if (!status_.output && !status_.stdout_ && !status_.stderr_) {
      field("Output", status_.is_final() ? "none was kept" : "kept at the end; until then: logs -f", tint::faint);
      return;
    }
    auto const sizes = status_.output.value_or(api::OutputStatus{});
    auto const size_of = [&](std::int64_t said, api::boxed<std::string> const& text) {
      return status_.output ? said : static_cast<std::int64_t>(text ? text->size() : 0);
    };
    stream("Stdout", status_.stdout_, size_of(sizes.stdoutBytes, status_.stdout_), sizes.stdoutTruncated);
    stream("Stderr", status_.stderr_, size_of(sizes.stderrBytes, status_.stderr_), sizes.stderrTruncated);
  }

  void conditions() {
    if (status_.conditions.empty()) {
      field("Conditions", "none yet", tint::faint);
      return;
    }
    section("Conditions:");
    std::vector<std::vector<cell>> rows;
    for (auto const& one : status_.conditions) {
      auto const is_good =
          (one.status == "True") == (one.type != api::conditions::stalled && one.type != api::conditions::failed);
      auto const how = one.type == api::conditions::reconciling ? tint::busy : is_good ? tint::good : tint::bad;
      rows.push_back({{"  " + printable(one.type)},
                      {printable(one.status), how},
                      {printable(one.reason)},
                      {ago(one.lastTransitionTime, on_.now)}});
    }
    grid_options how;
    how.width = on_.width;
    how.head = false;
    text_ += render_grid({{"type"}, {"status"}, {"reason", 8}, {"age", 0, 1}}, rows, how_with(how));
  }

  grid_options how_with(grid_options how) const {
    how.colours = on_.colours;
    return how;
  }

  void events() {
    if (!what_.no_events_because.empty()) {
      field("Events", what_.no_events_because, tint::faint);
      return;
    }
    if (what_.events.empty()) {
      field("Events", "none", tint::faint);
      return;
    }
    auto const from = what_.events.size() > shown_events ? what_.events.size() - shown_events : 0;
    section(from == 0 ? std::string("Events:")
                      : "Events:      the last " + std::to_string(shown_events) + " of " +
                            std::to_string(what_.events.size()));
    std::vector<std::vector<cell>> rows;
    for (auto i = from; i < what_.events.size(); ++i) {
      auto const& one = what_.events[i];
      auto reason = printable(one.reason);
      if (one.count > 1) reason += " (x" + std::to_string(one.count) + ")";
      rows.push_back({{"  " + ago(one.last_seen, on_.now)},
                      {printable(one.type), one.type == "Warning" ? tint::bad : tint::plain},
                      {reason},
                      {printable(one.message)}});
    }
    grid_options how;
    how.width = on_.width;
    how.head = false;
    text_ += render_grid({{"age"}, {"type", 0, 1}, {"reason", 10}, {"message", 16}}, rows, how_with(how));
  }

  describe_input const& what_;
  api::CodeExecutionSpec const& spec_;
  api::CodeExecutionStatus const& status_;
  screen const& on_;
  std::size_t width_;
  std::string text_;
};

}  // namespace

std::string format_bytes(std::int64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
  constexpr std::array units{"KiB", "MiB", "GiB", "TiB"};
  auto amount = static_cast<double>(bytes) / 1024.0;
  std::size_t unit = 0;
  for (; amount >= 1024 && unit + 1 < units.size(); ++unit)
    amount /= 1024;
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), amount < 9.95 ? "%.1f %s" : "%.0f %s", amount, units[unit]);
  return text.data();
}

std::vector<told_event> read_events(std::vector<nlohmann::json> const& items) {
  std::vector<told_event> found;
  for (auto const& item : items) {
    if (!item.is_object()) continue;
    told_event one;
    one.type = text_field(item, "type");
    one.reason = text_field(item, "reason");
    // The same Event through the other group: note and series are the newer one's words.
    one.message = text_field(item, "message");
    if (one.message.empty()) one.message = text_field(item, "note");
    auto const take_count = [&](nlohmann::json const& from) {
      auto const at = from.find("count");
      if (at != from.end() && at->is_number_integer()) one.count = std::max<std::int64_t>(1, at->get<std::int64_t>());
    };
    take_count(item);
    one.last_seen = text_field(item, "lastTimestamp");
    if (one.last_seen.empty()) one.last_seen = text_field(item, "eventTime");
    if (auto const series = item.find("series"); series != item.end() && series->is_object()) {
      take_count(*series);
      auto const last = text_field(*series, "lastObservedTime");
      if (!last.empty()) one.last_seen = last;
    }
    if (auto const meta = item.find("metadata"); one.last_seen.empty() && meta != item.end() && meta->is_object()) {
      one.last_seen = text_field(*meta, "creationTimestamp");
    }
    found.push_back(std::move(one));
  }
  std::stable_sort(found.begin(), found.end(), [](told_event const& a, told_event const& b) {
    auto const at = base::parse_time(a.last_seen);
    auto const other = base::parse_time(b.last_seen);
    return at && other && *at < *other;
  });
  return found;
}

std::string render_description(describe_input const& what, screen const& on) {
  return description(what, on).render();
}

}  // namespace codeexec::cli
