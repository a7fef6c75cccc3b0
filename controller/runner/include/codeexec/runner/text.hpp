// Text in memory of a fixed size. Freestanding: the runner has neither a C++ library nor an allocator.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace codeexec::runner {

/// Bytes that somebody else owns.
struct bytes {
  char const* data = nullptr;
  size_t size = 0;

  constexpr bytes() = default;
  constexpr bytes(char const* first, size_t count) : data(first), size(count) {}
  /// A string that ends with NUL; it must outlive this view.
  bytes(char const* text) : data(text), size(strlen(text)) {}

  [[nodiscard]] bytes from(size_t offset) const { return {data + offset, size - offset}; }
  [[nodiscard]] bool empty() const { return size == 0; }
};

inline bool operator==(bytes left, bytes right) {
  return left.size == right.size && (left.size == 0 || memcmp(left.data, right.data, left.size) == 0);
}

/// Appends to memory that the derived class owns. What does not fit is left out and remembered: `overflowed()`.
class text_writer {
 public:
  text_writer(text_writer const&) = delete;
  text_writer& operator=(text_writer const&) = delete;

  void append(bytes text);
  void append(char character) { append(bytes(&character, 1)); }
  void append_decimal(uint64_t number);
  /// With leading zeros: at least `width` digits, at most 20.
  void append_padded(uint64_t number, unsigned width);
  /// Quotes included. Ill-formed UTF-8 becomes U+FFFD, one per maximal subpart; control characters are escaped.
  void append_json_string(bytes text);

  void clear() {
    size_ = 0;
    overflowed_ = false;
  }
  [[nodiscard]] bytes view() const { return {data_, size_}; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] bool overflowed() const { return overflowed_; }

 protected:
  text_writer(char* data, size_t capacity) : data_(data), capacity_(capacity) {}
  ~text_writer() = default;

 private:
  char* data_;
  size_t capacity_;
  size_t size_ = 0;
  bool overflowed_ = false;
};

template <size_t Capacity>
class text_buffer : public text_writer {
 public:
  text_buffer() : text_writer(storage_, Capacity) {}

 private:
  char storage_[Capacity];
};

/// Sentences for people are cut at this, not refused: whatever they contain, they leave the result object its room.
using message_buffer = text_buffer<512>;

/// RFC 3339 in UTC with microseconds, from microseconds since 1970 (not before it): 2026-01-31T10:00:00.123456Z
void append_rfc3339(text_writer& out, uint64_t unix_micros);

}  // namespace codeexec::runner
