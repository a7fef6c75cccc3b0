// Columns of text that fit the terminal they are shown on. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "codeexec/cli/palette.hpp"

namespace codeexec::cli {

/// Printable text already (render.hpp's printable()).
struct cell {
  std::string text;
  tint how = tint::plain;
};

struct column {
  std::string title;
  /// It may be cut down to this many columns where the terminal is narrow; 0: never.
  std::size_t least = 0;
  /// Where cutting is not enough, columns go, those with the highest number first; 0: it stays.
  int goes = 0;
  /// Cut in the middle: names end in what tells them apart.
  bool keep_end = false;
  std::size_t room = 0;  ///< at least as wide, whatever stands in it
};

struct grid_options {
  std::size_t width = 0;  ///< of the terminal; 0: no bound
  bool head = true;
  palette colours{};
};

/// A line per row, each no wider than the bound, none with spaces at its end. Where even the least widths do not fit,
/// lines are cut.
std::string render_grid(std::vector<column> const& columns, std::vector<std::vector<cell>> const& rows,
                        grid_options const& how);

/// "fetch-da…mq9d": cut in the middle to at most `width` columns.
std::string fit_middle(std::string const& text, std::size_t width);

/// The text at most `width` columns wide per line, broken between words where there are any; at least one line.
std::vector<std::string> wrap(std::string const& text, std::size_t width);

}  // namespace codeexec::cli
