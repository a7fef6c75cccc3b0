// What untrusted output may do to a terminal: colours and redrawing its own line. Pure.
#pragma once

#include <string>
#include <string_view>

namespace codeexec::cli {

/// One stream's bytes on their way to a terminal. What programs need is passed on: text, tabs, line breaks, carriage
/// return and backspace, colours (CSI ... m), erasing in the line (CSI K) and moving within it (CSI C, D, G).
/// Everything else is shown instead of done: ESC as ^[, other control characters as ^X, the C1 controls and bytes that
/// are no UTF-8 as U+FFFD. So output cannot leave its line (and overwrite what others printed), set the title or the
/// clipboard, hide text, change modes, or make the terminal type an answer into the shell.
class terminal_filter {
 public:
  /// Sequences and characters may come in pieces; what is begun is held back until it is whole.
  std::string pass(std::string_view bytes);
  /// What was held back, and the end of a colour that is still on.
  std::string finish();

 private:
  void take(char c, std::string& out);
  void show_held(std::string& out);

  std::string held_;  ///< the beginning of a sequence or of a character
  bool coloured_ = false;
};

}  // namespace codeexec::cli
