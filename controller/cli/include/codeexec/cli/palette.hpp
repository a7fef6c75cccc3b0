// Colours, where they are wanted. Pure: who asks the terminal is console.hpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "codeexec/cli/arguments.hpp"

namespace codeexec::cli {

/// What a piece of text is, not how it looks: the sixteen colours that every terminal's theme keeps readable, no more.
enum class tint { plain, title, faint, good, busy, waiting, bad };

class palette {
 public:
  explicit palette(bool on = false) : on_(on) {}

  bool on() const { return on_; }
  /// The text between the sequences that colour it and end it; as it is where there are no colours.
  std::string operator()(tint how, std::string_view text) const;

 private:
  bool on_;
};

/// The variables that say what a terminal wants. Nothing: not set.
struct colour_wishes {
  std::optional<std::string> no_color;  ///< NO_COLOR: any text but the empty one says no (no-color.org)
  std::optional<std::string> term;      ///< TERM: "dumb", or none at all, takes no escape sequences
};
bool wants_colour(colour_choice said, bool is_terminal, colour_wishes const& wishes);

/// The tint of a phase, and of what is said about one in that phase.
tint tint_of_phase(std::string_view phase);

}  // namespace codeexec::cli
