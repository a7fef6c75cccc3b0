#include "codeexec/execution/log_frames.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "codeexec/base/encoding.hpp"
#include "codeexec/kube_core/stored_size.hpp"
#include "codeexec/wire/protocol.h"
#include "codeexec/wire/utf8.h"

namespace codeexec::execution {
namespace {

/// Longer than any frame: its payload (output, or the result object, which is smaller) and the prefix.
constexpr std::size_t longest_line = 2 * wire::max_frame_payload;

wire::utf8_unit next_unit(std::string_view bytes) {
  return wire::next_utf8_unit(reinterpret_cast<unsigned char const*>(bytes.data()), bytes.size());
}

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

/// Without the beginning of a character whose rest is on the other side of the cut.
std::string_view without_cut_end(std::string_view bytes) {
  std::size_t const furthest = std::min<std::size_t>(bytes.size(), 3);
  for (std::size_t back = 1; back <= furthest; ++back) {
    auto const start = bytes.size() - back;
    if (is_continuation(bytes[start])) continue;
    auto const unit = next_unit(bytes.substr(start));
    return unit.cut_short && unit.length == back ? bytes.substr(0, start) : bytes;
  }
  return bytes;
}

/// Without the end of a character whose beginning is on the other side of the cut.
std::string_view without_cut_start(std::string_view bytes) {
  std::size_t skip = 0;
  while (skip < bytes.size() && skip < 3 && is_continuation(bytes[skip]))
    ++skip;
  return bytes.substr(skip);
}

std::string marker_line(std::uint64_t missing, std::string_view stream_name) {
  return "[codeexec: " + std::to_string(missing) + (missing == 1 ? " byte of " : " bytes of ") +
         std::string(stream_name) + " left out]\n";
}

/// What the unit takes in JSON, once repaired.
std::size_t cost_of(wire::utf8_unit const& unit, std::string_view bytes) {
  constexpr std::size_t replacement = 3;
  return unit.valid ? kube::json_length(bytes.substr(0, unit.length)) : replacement;
}

std::size_t cost_of_all(std::string_view bytes) {
  std::size_t cost = 0;
  while (!bytes.empty()) {
    auto const unit = next_unit(bytes);
    cost += cost_of(unit, bytes);
    bytes.remove_prefix(unit.length);
  }
  return cost;
}

std::string_view fitting_end(std::string_view bytes, std::size_t json_budget) {
  auto cost = cost_of_all(bytes);
  while (cost > json_budget) {
    auto const unit = next_unit(bytes);
    cost -= cost_of(unit, bytes);
    bytes.remove_prefix(unit.length);
  }
  return bytes;
}

/// Head, marker, tail; the marker stands on a line of its own.
stream_text with_marker(std::string_view head, std::string_view tail, std::uint64_t total,
                        std::string_view stream_name) {
  stream_text result;
  stream_marker marker;
  marker.omitted = total - head.size() - tail.size();
  result.text = base::repair_utf8(std::string(head));
  marker.offset = result.text.size();
  if (!result.text.empty() && result.text.back() != '\n') result.text += '\n';
  result.text += marker_line(marker.omitted, stream_name);
  marker.length = result.text.size() - marker.offset;
  result.text += base::repair_utf8(std::string(tail));
  result.marker = marker;
  return result;
}

/// Shortens head and tail until the text fits its budget.
stream_text cut_to_fit(std::string_view head, std::string_view tail, std::uint64_t total, std::string_view stream_name,
                       std::size_t json_budget) {
  head = without_cut_end(head);
  tail = without_cut_start(tail);
  // The longest that it can be: all is missing, and a line break before and after it, as JSON spells them.
  auto const line = marker_line(total, stream_name).size() + 3;
  auto const room = json_budget > line ? json_budget - line : 0;
  auto const [for_head, for_tail] = share(room, cost_of_all(head), cost_of_all(tail));
  return with_marker(fitting_start(head, for_head), fitting_end(tail, for_tail), total, stream_name);
}

}  // namespace

std::pair<std::size_t, std::size_t> share(std::size_t room, std::size_t one, std::size_t other) {
  auto const half = room / 2;
  if (one <= half) return {one, std::min(other, room - one)};
  if (other <= half) return {std::min(one, room - other), other};
  return {half, half};
}

std::string_view fitting_start(std::string_view text, std::size_t json_budget) {
  std::size_t kept = 0;
  while (kept < text.size()) {
    auto const rest = text.substr(kept);
    auto const unit = next_unit(rest);
    auto const cost = cost_of(unit, rest);
    if (cost > json_budget) break;
    json_budget -= cost;
    kept += unit.length;
  }
  return text.substr(0, kept);
}

stream_capture::stream_capture(std::size_t max_bytes)
    : head_limit_(max_bytes - max_bytes / 2), tail_limit_(max_bytes / 2) {}

void stream_capture::append(std::string_view bytes) {
  total_ += bytes.size();
  if (!gap_ && head_.size() < head_limit_) {
    auto const fits = std::min(bytes.size(), head_limit_ - head_.size());
    head_.append(bytes.substr(0, fits));
    bytes.remove_prefix(fits);
  }
  if (bytes.size() > tail_limit_) {
    tail_.assign(bytes.substr(bytes.size() - tail_limit_));
    return;
  }
  tail_.append(bytes);
  if (tail_.size() > 2 * tail_limit_) tail_.erase(0, tail_.size() - tail_limit_);
}

void stream_capture::drop(std::uint64_t bytes) {
  if (bytes == 0) return;
  total_ += bytes;
  gap_ = true;
  // What stood before the gap is no longer next to what comes after it.
  tail_.clear();
}

std::string_view stream_capture::tail() const {
  std::string_view const all = tail_;
  return all.size() <= tail_limit_ ? all : all.substr(all.size() - tail_limit_);
}

stream_text render(stream_capture const& captured, std::string_view stream_name, std::uint64_t total,
                   std::size_t json_budget, bool end_read) {
  // The log may have been cut off after what was read, never before it was written: the larger count is the true one.
  total = std::max(total, captured.total());
  if (captured.whole()) {
    std::string bytes(captured.head());
    bytes += captured.tail();
    if (captured.total() < total) {
      return end_read ? cut_to_fit({}, bytes, total, stream_name, json_budget)
                      : cut_to_fit(bytes, {}, total, stream_name, json_budget);
    }
    std::string text = base::repair_utf8(bytes);
    if (kube::json_length(text) <= json_budget) return {std::move(text), std::nullopt};
    std::string_view const view = bytes;
    return cut_to_fit(view.substr(0, view.size() / 2), view.substr(view.size() / 2), total, stream_name, json_budget);
  }
  return cut_to_fit(captured.head(), captured.tail(), total, stream_name, json_budget);
}

stream_text render(std::string_view whole_text, std::string_view stream_name, std::size_t max_bytes,
                   std::size_t json_budget) {
  stream_capture captured(max_bytes);
  captured.append(whole_text);
  return render(captured, stream_name, whole_text.size(), json_budget);
}

log_capture::log_capture(std::size_t max_bytes_per_stream, std::string token)
    : token_(std::move(token)), out_(max_bytes_per_stream), err_(max_bytes_per_stream) {}

void log_capture::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    auto const newline = bytes.find('\n');
    if (newline == std::string_view::npos) {
      if (skipping_) return;
      if (partial_.size() + bytes.size() > longest_line) {
        partial_.clear();
        skipping_ = true;
        if (!result_) ++garbage_;  // what follows the result frame counts for nothing
        return;
      }
      partial_.append(bytes);
      return;
    }
    auto const line = bytes.substr(0, newline);
    bytes.remove_prefix(newline + 1);
    if (skipping_) {
      skipping_ = false;
    } else if (partial_.empty()) {
      take_line(line, true);
    } else {
      partial_.append(line);
      take_line(partial_, true);
      partial_.clear();
    }
  }
}

void log_capture::end() {
  if (!partial_.empty()) take_line(partial_, false);
  partial_.clear();
}

void log_capture::take_line(std::string_view line, bool complete) {
  if (result_) return;
  if (line.size() > longest_line) {
    ++garbage_;
    return;
  }
  bool const is_out = line.starts_with("stdout ");
  if (is_out || line.starts_with("stderr ")) {
    constexpr std::size_t prefix = sizeof("stdout F ") - 1;
    bool const well_formed = line.size() >= prefix && (line[7] == 'F' || line[7] == 'P') && line[8] == ' ';
    if (!well_formed) {
      ++garbage_;
      return;
    }
    auto& stream = is_out ? out_ : err_;
    stream.append(line.substr(prefix));
    if (line[7] == 'F' && complete) stream.append("\n");
    ++frames_;
    return;
  }
  constexpr std::string_view result_prefix = "result F ";
  constexpr std::string_view dropped_prefix = "dropped F ";
  if (complete && line.starts_with(result_prefix)) {
    auto parsed = parse_result(line.substr(result_prefix.size()), token_);
    if (parsed) {
      result_ = std::move(*parsed);
      ++frames_;
      return;
    }
  } else if (complete && line.starts_with(dropped_prefix)) {
    auto const object = nlohmann::json::parse(line.substr(dropped_prefix.size()), nullptr, false);
    if (object.is_object() && object.contains("stream") && object.contains("bytes") &&
        object["bytes"].is_number_unsigned()) {
      auto const bytes = object["bytes"].get<std::uint64_t>();
      bool const sane = bytes < (std::uint64_t{1} << 60U);
      if (sane && (object["stream"] == "stdout" || object["stream"] == "stderr")) {
        (object["stream"] == "stdout" ? out_ : err_).drop(bytes);
        ++frames_;
        return;
      }
    }
  }
  // For who reads along: what it says follows from the frames themselves.
  if (complete && line.starts_with("full F ")) return;
  ++garbage_;
}

}  // namespace codeexec::execution
