#include "codeexec/cli/tail_lines.hpp"

#include <algorithm>
#include <utility>

namespace codeexec::cli {

std::size_t tail_lines::begin_of_tail() const {
  if (lines_ <= 0) return text_.size();
  auto left = lines_;
  auto at = text_.size();
  // The newline at the very end closes the last line; it does not begin one.
  if (at > 0 && text_[at - 1] == '\n') --at;
  while (at > 0) {
    auto const newline = text_.rfind('\n', at - 1);
    if (newline == std::string::npos) return 0;
    if (--left == 0) return newline + 1;
    at = newline;
  }
  return 0;
}

void tail_lines::add(std::string_view bytes) {
  text_ += bytes;
  if (text_.size() < trim_at_) return;
  text_.erase(0, begin_of_tail());
  // Cut when it has doubled: each byte is moved a few times, not once for each piece.
  trim_at_ = std::max<std::size_t>(64 * 1024, text_.size() * 2);
}

std::string tail_lines::take() {
  text_.erase(0, begin_of_tail());
  return std::exchange(text_, std::string());
}

}  // namespace codeexec::cli
