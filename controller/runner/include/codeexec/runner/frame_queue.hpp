// What waits to be written to the container's log: whole frames in a buffer of fixed size.
#pragma once

#include "codeexec/runner/text.hpp"

namespace codeexec::runner {

class frame_queue {
 public:
  static constexpr size_t capacity = 65536;

  /// Appends "<word> <tag> <payload>\n", or nothing at all where it does not fit: then returns false.
  bool push(bytes word, char tag, bytes payload);

  /// What is to be written next. Valid until the next call that is not const.
  [[nodiscard]] bytes pending() const { return {storage_ + begin_, end_ - begin_}; }
  [[nodiscard]] bool empty() const { return begin_ == end_; }
  /// The first `count` bytes of pending() were written.
  void consume(size_t count);
  void clear() { begin_ = end_ = 0; }

  static constexpr size_t frame_size(size_t word, size_t payload) { return word + 3 + payload + 1; }

 private:
  char storage_[capacity];
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace codeexec::runner
