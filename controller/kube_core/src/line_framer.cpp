#include "codeexec/kube_core/line_framer.hpp"

#include <algorithm>
#include <utility>

namespace codeexec::kube {

void line_framer::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    auto const newline = bytes.find('\n');
    if (newline == std::string_view::npos) {
      append(bytes);
      return;
    }
    append(bytes.substr(0, newline));
    complete_.push_back({std::exchange(partial_, {}), std::exchange(skipping_, false)});
    bytes.remove_prefix(newline + 1);
  }
}

void line_framer::append(std::string_view bytes) {
  auto const room = max_line_ - std::min(partial_.size(), max_line_);
  if (bytes.size() > room) skipping_ = true;
  partial_.append(bytes.substr(0, room));
}

std::optional<line_framer::line> line_framer::next() {
  if (complete_.empty()) return std::nullopt;
  auto first = std::move(complete_.front());
  complete_.pop_front();
  return first;
}

std::optional<line_framer::line> line_framer::take_partial() {
  if (!has_partial()) return std::nullopt;
  return line{std::exchange(partial_, {}), std::exchange(skipping_, false)};
}

}  // namespace codeexec::kube
