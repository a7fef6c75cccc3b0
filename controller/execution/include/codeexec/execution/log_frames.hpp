// What the code wrote, put together again from the container's log (controller/wire/README.md): bytes in as they come,
// bounded memory, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "codeexec/execution/result.hpp"

namespace codeexec::execution {

/// One stream's first and last bytes. Keeps at most `max_bytes` for good (half as much again while it fills).
class stream_capture {
 public:
  explicit stream_capture(std::size_t max_bytes);

  void append(std::string_view bytes);
  /// `bytes` more were written, which nobody kept.
  void drop(std::uint64_t bytes);

  /// Bytes written as far as the log tells: kept, passed by, dropped.
  std::uint64_t total() const { return total_; }
  /// Every byte of total() is here.
  bool whole() const { return kept() == total_; }

  /// From the start of the stream without a gap.
  std::string_view head() const { return head_; }
  /// Up to the end of what was read; follows head() directly where whole().
  std::string_view tail() const;

 private:
  std::uint64_t kept() const { return head_.size() + tail().size(); }

  std::size_t head_limit_;
  std::size_t tail_limit_;
  std::string head_;
  std::string tail_;  // up to twice the limit, so that the front is not moved for every frame
  std::uint64_t total_ = 0;
  bool gap_ = false;
};

/// The line in a stream's text that stands for what is missing there. The code may print the same words: only this says
/// which line is ours.
struct stream_marker {
  std::size_t offset = 0;     ///< in the text's UTF-8 bytes: what is before it is the stream's beginning
  std::size_t length = 0;     ///< its line breaks included: what is after it is the stream's end
  std::uint64_t omitted = 0;  ///< bytes of the stream, as the code wrote them

  friend bool operator==(stream_marker const&, stream_marker const&) = default;
};

/// The text of a stream as the status shows it.
struct stream_text {
  std::string text;                     ///< valid UTF-8
  std::optional<stream_marker> marker;  ///< absent where the text is the whole stream
};

/// Divides `room` between two that want `one` and `other` of it: each gets what it wants, or at least half.
std::pair<std::size_t, std::size_t> share(std::size_t room, std::size_t one, std::size_t other);

/// The longest beginning of `text`, cut between characters, that takes at most `json_budget` bytes in JSON.
std::string_view fitting_start(std::string_view text, std::size_t json_budget);

/// Renders `captured` of a stream that, by the runner's own count, had `total` bytes. Cut only between characters;
/// ill-formed bytes become U+FFFD; where bytes are missing a line of its own says how many, at their place:
/// "[codeexec: 1234 bytes of stdout left out]". At most `json_budget` bytes as JSON (kube::json_length), where that is
/// enough for the line: of output that grows by escaping (control characters, ill-formed bytes) less is kept.
/// `end_read`: the log was read to its last frame, so what is missing stood before what was read (the node rotated it
/// away), not after it.
stream_text render(stream_capture const& captured, std::string_view stream_name, std::uint64_t total,
                   std::size_t json_budget, bool end_read = false);
/// The same for a stream that arrived whole and repaired, in a result object.
stream_text render(std::string_view whole_text, std::string_view stream_name, std::size_t max_bytes,
                   std::size_t json_budget);

/// Reads a container's log. Lines that are no frames (a runtime's own messages) are counted and skipped; whatever
/// follows the result frame is ignored.
class log_capture {
 public:
  /// `token`: what the runner was given; a result frame with another one is the code's own work.
  log_capture(std::size_t max_bytes_per_stream, std::string token);

  void feed(std::string_view bytes);
  /// No more will come: a last line without its newline (a log cut by a byte limit) counts as far as it goes.
  void end();

  /// The result frame, once it was there and good.
  std::optional<run_result> const& result() const { return result_; }
  stream_capture const& out() const { return out_; }
  stream_capture const& err() const { return err_; }
  /// Frames understood, the result frame included.
  std::uint64_t frames() const { return frames_; }
  std::uint64_t garbage_lines() const { return garbage_; }

 private:
  void take_line(std::string_view line, bool complete);

  std::string token_;
  stream_capture out_;
  stream_capture err_;
  std::optional<run_result> result_;
  std::string partial_;
  bool skipping_ = false;  // inside a line longer than any frame
  std::uint64_t frames_ = 0;
  std::uint64_t garbage_ = 0;
};

}  // namespace codeexec::execution
