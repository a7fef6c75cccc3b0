#include "codeexec/base/help.hpp"

#include <algorithm>
#include <sys/ioctl.h>

namespace codeexec::base {
namespace {

/// The line in parts of at most `width`; each after the first begins with `indent` blanks.
void append_folded(std::string& to, std::string_view line, std::size_t width, std::size_t indent) {
  std::size_t before = 0;
  while (before + line.size() > width) {
    // The blanks that it begins with are no place to break at.
    auto const first_word = std::min(line.find_first_not_of(' '), line.size());
    auto at = line.rfind(' ', width - before);
    if (at == std::string_view::npos || at < first_word) at = line.find(' ', first_word);
    if (at == std::string_view::npos) break;
    auto const rest = line.find_first_not_of(' ', at);
    if (rest == std::string_view::npos) break;
    auto const kept = line.substr(0, line.find_last_not_of(' ', at) + 1);
    to.append(before, ' ').append(kept).push_back('\n');
    line.remove_prefix(rest);
    before = indent;
  }
  to.append(before, ' ').append(line).push_back('\n');
}

}  // namespace

std::size_t columns_of(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::string fold_help(std::string_view help, std::size_t width, std::size_t column) {
  constexpr std::size_t widest = 120;
  // Narrower than this there is no room for two columns, and the terminal may break the lines itself.
  width = std::clamp(width, column + 30, widest);
  std::string out;
  std::string paragraph;
  auto const end_paragraph = [&] {
    if (!paragraph.empty()) append_folded(out, paragraph, width, 0);
    paragraph.clear();
  };
  while (!help.empty()) {
    auto const end = std::min(help.find('\n'), help.size());
    auto const line = help.substr(0, end);
    help.remove_prefix(std::min(end + 1, help.size()));
    auto const indent = std::min(line.find_first_not_of(' '), line.size());
    // The usage follows what the program is without an empty line.
    if (!line.empty() && indent == 0 && !line.starts_with("Usage:")) {
      paragraph.append(paragraph.empty() ? "" : " ").append(line);
      continue;
    }
    end_paragraph();
    bool const of_an_option = indent == column || line.starts_with("  -");
    append_folded(out, line, of_an_option || indent == 0 ? width : std::string_view::npos, column);
  }
  end_paragraph();
  return out;
}

}  // namespace codeexec::base
