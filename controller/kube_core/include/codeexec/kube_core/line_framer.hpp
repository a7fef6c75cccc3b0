// Bytes to lines: the frame of a watch and of a log. A chunk of HTTP says nothing about where a line ends.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace codeexec::kube {

/// A value: no I/O, no thread. Memory: the complete lines not yet taken, and at most `max_line` bytes of the one that
/// is on its way.
class line_framer {
 public:
  struct line {
    std::string text;  ///< without the newline
    /// The line was longer than the limit: `text` is its beginning, the rest was skipped up to the newline.
    bool truncated = false;
  };

  explicit line_framer(std::size_t max_line) : max_line_(max_line) {}

  void feed(std::string_view bytes);
  /// The oldest complete line, or nothing.
  std::optional<line> next();

  /// What has come of a line that is not complete. A stream of events that ends here broke off: the caller drops it. A
  /// log that ends here ends with a line without a newline: the caller takes it.
  std::optional<line> take_partial();
  bool has_partial() const { return !partial_.empty() || skipping_; }

 private:
  void append(std::string_view bytes);

  std::size_t max_line_;
  std::string partial_;
  bool skipping_ = false;  ///< the limit was passed; dropping up to the newline
  std::deque<line> complete_;
};

}  // namespace codeexec::kube
