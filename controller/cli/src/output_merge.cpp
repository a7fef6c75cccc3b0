#include "codeexec/cli/output_merge.hpp"

#include <algorithm>
#include <optional>

#include "codeexec/base/encoding.hpp"
#include "codeexec/wire/utf8.h"

namespace codeexec::cli {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

/// How many bytes at the end may be the beginning of a character that goes on.
std::size_t unfinished(std::string_view bytes) {
  auto const furthest = std::min<std::size_t>(bytes.size(), 3);
  for (std::size_t back = 1; back <= furthest; ++back) {
    auto const rest = bytes.substr(bytes.size() - back);
    if ((static_cast<unsigned char>(rest.front()) & 0xC0U) == 0x80U) continue;
    auto const unit = wire::next_utf8_unit(reinterpret_cast<unsigned char const*>(rest.data()), rest.size());
    return unit.cut_short && unit.length == back ? back : 0;
  }
  return 0;
}

/// The text after `repaired` bytes and, raw, after `carry`: whether the carry became a character or was replaced.
std::string_view after(std::string_view text, std::size_t repaired, std::string_view carry) {
  text.remove_prefix(std::min(repaired, text.size()));
  if (carry.empty()) return text;
  if (text.starts_with(carry)) return text.substr(carry.size());
  if (text.starts_with(replacement)) return text.substr(replacement.size());
  return text;
}

std::int64_t count_replaced(std::string_view text) {
  std::int64_t count = 0;
  for (auto at = text.find(replacement); at != std::string_view::npos; at = text.find(replacement, at + 3))
    ++count;
  return count;
}

/// Bytes that the code wrote for this text. Where something was replaced: as if for one byte each, which is what most
/// ill-formed bytes are.
std::int64_t raw_size(std::string_view text) {
  return static_cast<std::int64_t>(text.size()) - 2 * count_replaced(text);
}

/// The text without the beginning that `raw` bytes made.
std::string_view skip_raw(std::string_view text, std::int64_t raw) {
  while (raw > 0 && !text.empty()) {
    if (text.starts_with(replacement)) {
      text.remove_prefix(replacement.size());
    } else {
      text.remove_prefix(1);
    }
    --raw;
  }
  return text;
}

struct parts {
  std::string_view head;
  std::string_view tail;
  std::int64_t missing = 0;
};

/// The text around the line that says what was left out. The code may have written such lines itself, so its place is
/// taken from the status, never from the text.
std::optional<parts> split_at_marker(stream_progress::stored const& all) {
  if (!all.omitted || all.omitted->markerOffset < 0 || all.omitted->markerLength < 0) return std::nullopt;
  auto const offset = static_cast<std::size_t>(all.omitted->markerOffset);
  auto const length = static_cast<std::size_t>(all.omitted->markerLength);
  if (offset > all.text.size() || length > all.text.size() - offset) return std::nullopt;
  return parts{all.text.substr(0, offset), all.text.substr(offset + length), all.omitted->bytes};
}

}  // namespace

bool stream_progress::stored::is_repaired() const {
  if (text.find(replacement) == std::string_view::npos || (truncated && !omitted)) return false;
  auto const kept = static_cast<std::int64_t>(text.size());
  return (truncated ? kept - omitted->markerLength + omitted->bytes : kept) != total_bytes;
}

stream_progress::stored stored_stream(api::CodeExecutionStatus const& status, stream_name which) {
  auto const is_out = which == stream_name::out;
  auto const& text = is_out ? status.stdout_ : status.stderr_;
  stream_progress::stored all;
  all.name = is_out ? "stdout" : "stderr";
  if (text) all.text = *text;
  if (status.output) {
    all.total_bytes = is_out ? status.output->stdoutBytes : status.output->stderrBytes;
    all.truncated = is_out ? status.output->stdoutTruncated : status.output->stderrTruncated;
    all.omitted = is_out ? status.output->stdoutOmitted : status.output->stderrOmitted;
  } else {
    all.total_bytes = static_cast<std::int64_t>(all.text.size());
  }
  return all;
}

void stream_progress::live(std::string_view bytes) {
  position_ += static_cast<std::int64_t>(bytes.size());
  std::string joined = std::move(carry_);
  joined += bytes;
  auto const open = unfinished(joined);
  carry_ = joined.substr(joined.size() - open);
  joined.resize(joined.size() - open);
  repaired_ += static_cast<std::int64_t>(base::repair_utf8(std::move(joined)).size());
}

void stream_progress::dropped(std::int64_t count) {
  position_ += count;
  dropped_ += count;
  carry_.clear();
}

stream_progress::remainder stream_progress::rest(stored const& all) const {
  remainder result;
  if (position_ >= all.total_bytes && (position_ > 0 || all.text.empty())) return result;
  auto const passed = static_cast<std::size_t>(repaired_);
  if (!all.truncated) {
    // After a gap in the log the status has more than was printed; the place is then only known in raw bytes.
    result.head = dropped_ == 0 ? after(all.text, passed, carry_) : skip_raw(all.text, position_);
    return result;
  }
  auto const split = split_at_marker(all);
  if (!split) {
    // Nobody says where: what has been seen is not repeated.
    result.head = after(all.text, passed, carry_);
    result.missing = std::max<std::int64_t>(0, all.total_bytes - position_ - raw_size(result.head));
    return result;
  }
  if (dropped_ == 0 && passed + carry_.size() <= split->head.size()) {
    result.head = after(split->head, passed, carry_);
    result.missing = split->missing;
    result.tail = split->tail;
    return result;
  }
  auto const tail_start = all.total_bytes - raw_size(split->tail);
  if (position_ <= tail_start) {
    result.missing = tail_start - position_;
    result.tail = split->tail;
  } else {
    result.tail = skip_raw(split->tail, position_ - tail_start);
  }
  return result;
}

}  // namespace codeexec::cli
