// The last lines of a text that comes in pieces. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace codeexec::cli {

/// Keeps little more than the lines asked for.
class tail_lines {
 public:
  explicit tail_lines(std::int64_t lines) : lines_(lines) {}

  void add(std::string_view bytes);
  /// The last lines so far; an unfinished one counts as one. Empties it.
  std::string take();

 private:
  std::size_t begin_of_tail() const;

  std::int64_t lines_;
  std::string text_;
  std::size_t trim_at_ = 64 * 1024;
};

}  // namespace codeexec::cli
