// What a container wrote, kept in memory, bounded as the kubelet bounds its file. Pure: time is passed in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "codeexec/base/time.hpp"

namespace codeexec::local {

/// Lines with the time of their first byte. Where the bound is passed, the oldest lines go. A line counts with
/// `line_overhead` bytes more than it has, as the prefix in the kubelet's file does; so a million empty lines are
/// bounded too.
class log_buffer {
 public:
  static constexpr std::size_t line_overhead = 64;
  /// A longer line is kept in pieces of this size, so that one endless line is bounded as well.
  static constexpr std::size_t max_line = 16 * 1024;

  explicit log_buffer(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  void append(std::string_view bytes, base::wall_time now);
  /// No more bytes will come.
  void close() { closed_ = true; }
  bool closed() const { return closed_; }
  /// Forgets everything (the runtime's own words about a command that never ran are no log).
  void clear();

  /// A place: a line's number since the beginning, and a byte in it.
  struct place {
    std::uint64_t line = 0;
    std::size_t byte = 0;
  };
  /// The beginning of the last `lines` lines; nothing: the oldest line kept.
  place tail(std::optional<std::int64_t> lines) const;
  /// The first line begun at or after that time.
  place since(base::wall_time time) const;

  /// Up to `max` bytes from `at`, which moves on. With timestamps, each line is preceded by its time and a space (never
  /// cut in the middle of that, so at least one line's time fits into any call). Empty: nothing there yet.
  std::string read(place& at, std::size_t max, bool timestamps) const;

  /// The last `lines` lines, of them at most the last `bytes` bytes: what a termination message falls back to.
  std::string last(std::size_t lines, std::size_t bytes) const;

  std::size_t kept_bytes() const { return size_; }
  bool empty() const { return lines_.empty(); }

 private:
  struct line {
    base::wall_time time;
    std::string bytes;  ///< with its newline, where it has one
    bool fresh = true;  ///< false: goes on where the line before was cut at max_line
  };
  bool open_line() const;
  std::uint64_t end_line() const { return first_ + lines_.size(); }

  std::deque<line> lines_;
  std::uint64_t first_ = 0;  ///< number of lines_.front()
  std::size_t size_ = 0;
  std::size_t max_bytes_;
  bool closed_ = false;
};

}  // namespace codeexec::local
