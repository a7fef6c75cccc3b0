#include "codeexec/cli/grid.hpp"

#include <algorithm>

#include "codeexec/cli/render.hpp"

namespace codeexec::cli {

namespace {

constexpr std::size_t grid_gap = 3;
constexpr std::size_t narrow_gap = 2;

/// Which columns are shown, how wide, and with how much space between.
struct grid_plan {
  std::vector<std::size_t> widths;
  std::vector<bool> shown;
  std::size_t gap = grid_gap;

  std::size_t total() const {
    std::size_t sum = 0;
    std::size_t count = 0;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (!shown[i]) continue;
      sum += widths[i];
      ++count;
    }
    return count == 0 ? 0 : sum + gap * (count - 1);
  }
};

/// Takes from the widest column that may still lose, one column of the terminal at a time.
bool shrink(grid_plan& plan, std::vector<column> const& columns) {
  auto widest = columns.size();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (!plan.shown[i] || columns[i].least == 0 || plan.widths[i] <= columns[i].least) continue;
    if (widest == columns.size() || plan.widths[i] > plan.widths[widest]) widest = i;
  }
  if (widest == columns.size()) return false;
  --plan.widths[widest];
  return true;
}

bool drop_one(grid_plan& plan, std::vector<column> const& columns) {
  auto first = columns.size();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (!plan.shown[i] || columns[i].goes == 0) continue;
    if (first == columns.size() || columns[i].goes > columns[first].goes) first = i;
  }
  if (first == columns.size()) return false;
  plan.shown[first] = false;
  return true;
}

grid_plan plan_grid(std::vector<column> const& columns, std::vector<std::size_t> const& natural, std::size_t width) {
  grid_plan plan;
  plan.widths = natural;
  plan.shown.assign(columns.size(), true);
  if (width == 0) return plan;
  if (plan.total() > width) plan.gap = narrow_gap;
  while (plan.total() > width) {
    if (shrink(plan, columns)) continue;
    if (!drop_one(plan, columns)) break;
    // With one column less the others have room again.
    plan.widths = natural;
  }
  return plan;
}

}  // namespace

std::string fit_middle(std::string const& text, std::size_t width) {
  if (display_width(text) <= width) return text;
  if (width < 8) return fit(text, width);
  // From the end so many bytes that their width fits; a name is ASCII, anything else is cut at its end.
  auto const tail = std::min<std::size_t>(width / 2, 9) - 1;
  auto const ascii = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (!ascii) return fit(text, width);
  return fit(text, width - tail) + text.substr(text.size() - tail);
}

std::string render_grid(std::vector<column> const& columns, std::vector<std::vector<cell>> const& rows,
                        grid_options const& how) {
  std::vector<std::size_t> natural;
  for (auto const& one : columns)
    natural.push_back(std::max(one.room, how.head ? display_width(one.title) : 0));
  for (auto const& row : rows) {
    for (std::size_t i = 0; i < std::min(row.size(), natural.size()); ++i) {
      natural[i] = std::max(natural[i], display_width(row[i].text));
    }
  }
  auto const plan = plan_grid(columns, natural, how.width);
  std::string text;
  auto const add = [&](std::vector<cell> const& row) {
    std::string line;
    std::size_t used = 0;  // columns of the terminal, padding that nothing follows left out
    std::size_t padding = 0;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (!plan.shown[i]) continue;
      auto const& one = i < row.size() ? row[i] : cell{};
      auto shown = columns[i].keep_end ? fit_middle(one.text, plan.widths[i]) : fit(one.text, plan.widths[i]);
      if (how.width != 0 && used + padding + display_width(shown) > how.width) {
        shown = fit(shown, how.width > used + padding ? how.width - used - padding : 0);
      }
      auto const width = display_width(shown);
      if (width > 0) {
        line.append(padding, ' ');
        line += how.colours(one.how, shown);
        used += padding + width;
        padding = 0;
      }
      padding += plan.widths[i] - std::min(width, plan.widths[i]) + plan.gap;
    }
    text += line + "\n";
  };
  if (how.head) {
    std::vector<cell> titles;
    for (auto const& one : columns)
      titles.push_back(cell{one.title, tint::title});
    add(titles);
  }
  for (auto const& row : rows)
    add(row);
  return text;
}

std::vector<std::string> wrap(std::string const& text, std::size_t width) {
  std::vector<std::string> lines;
  std::string line;
  std::size_t at = 0;
  while (at < text.size()) {
    auto const space = std::min(text.find(' ', at), text.size());
    auto const word = text.substr(at, space - at);
    at = space + 1;
    if (word.empty()) continue;
    auto const both = display_width(line) + 1 + display_width(word);
    if (!line.empty() && both > width) {
      lines.push_back(std::move(line));
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
    // A word alone that is too long: a digest, a path.
    while (display_width(line) > width && width > 1) {
      auto head = fit(line, width);
      head.erase(head.size() - std::string_view("…").size());
      if (head.empty()) break;
      auto rest = line.substr(head.size());
      lines.push_back(std::move(head));
      line = std::move(rest);
    }
  }
  if (!line.empty() || lines.empty()) lines.push_back(std::move(line));
  return lines;
}

}  // namespace codeexec::cli
