#include "codeexec/local/node/log_buffer.hpp"

#include <algorithm>

namespace codeexec::local {

bool log_buffer::open_line() const {
  return !lines_.empty() && lines_.back().bytes.back() != '\n';
}

void log_buffer::append(std::string_view bytes, base::wall_time now) {
  while (!bytes.empty()) {
    bool const goes_on = open_line();
    bool const full = goes_on && lines_.back().bytes.size() >= max_line;
    if (!goes_on || full) {
      lines_.push_back(line{now, {}, !goes_on});
      size_ += line_overhead;
    }
    auto& into = lines_.back().bytes;
    auto const newline = bytes.find('\n');
    auto const wanted = newline == std::string_view::npos ? bytes.size() : newline + 1;
    auto const taken = std::min(wanted, max_line - into.size());
    into.append(bytes.substr(0, taken));
    size_ += taken;
    bytes.remove_prefix(taken);
    while (size_ > max_bytes_ && lines_.size() > 1) {
      size_ -= lines_.front().bytes.size() + line_overhead;
      lines_.pop_front();
      ++first_;
    }
  }
}

void log_buffer::clear() {
  first_ = end_line();
  lines_.clear();
  size_ = 0;
}

log_buffer::place log_buffer::tail(std::optional<std::int64_t> lines) const {
  if (!lines) {
    return place{first_, 0};
  }
  auto at = lines_.size();
  std::int64_t found = 0;
  while (at > 0 && found < *lines) {
    --at;
    if (lines_[at].fresh) {
      ++found;
    }
  }
  return place{first_ + at, 0};
}

log_buffer::place log_buffer::since(base::wall_time time) const {
  auto const found =
      std::find_if(lines_.begin(), lines_.end(), [&](line const& l) { return l.fresh && l.time >= time; });
  return place{first_ + static_cast<std::uint64_t>(found - lines_.begin()), 0};
}

std::string log_buffer::read(place& at, std::size_t max, bool timestamps) const {
  if (at.line < first_) {
    at = place{first_, 0};
  }
  std::string out;
  while (at.line < end_line() && out.size() < max) {
    auto const& from = lines_[static_cast<std::size_t>(at.line - first_)];
    if (timestamps && at.byte == 0 && from.fresh) {
      auto prefix = base::format_micro_time(from.time);
      prefix += ' ';
      if (!out.empty() && out.size() + prefix.size() >= max) {
        break;
      }
      out += prefix;
    }
    auto const room = max > out.size() ? max - out.size() : 1;
    auto const taken = std::min(room, from.bytes.size() - at.byte);
    out.append(from.bytes, at.byte, taken);
    at.byte += taken;
    if (at.byte < from.bytes.size()) {
      break;
    }
    // The newest line may still grow; a reader that stands behind its last byte stays in it.
    bool const newest = at.line + 1 == end_line();
    if (newest && from.bytes.back() != '\n' && from.bytes.size() < max_line) {
      break;
    }
    at = place{at.line + 1, 0};
  }
  return out;
}

std::string log_buffer::last(std::size_t lines, std::size_t bytes) const {
  auto at = tail(static_cast<std::int64_t>(lines));
  auto text = read(at, size_ + 1, false);
  if (text.size() > bytes) {
    text.erase(0, text.size() - bytes);
  }
  return text;
}

}  // namespace codeexec::local
