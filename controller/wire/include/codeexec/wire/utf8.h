// UTF-8 well-formedness, one byte at a time. Freestanding C++: the runner compiles this without a C++ library.
//
// Table 3-7 of the Unicode standard; an ill-formed input is cut into maximal subparts (section 3.9, "U+FFFD
// Substitution of Maximal Subparts"), so that runner and operator repair the same bytes to the same text.
#pragma once

#include <stddef.h>

namespace codeexec::wire {

/// What starts at `bytes`: a well-formed character of `length` bytes, or an ill-formed maximal subpart of `length`
/// bytes.
struct utf8_unit {
  size_t length;
  bool valid;
  bool cut_short;  ///< not valid only because the input ends here: more bytes might have completed it
};

/// `size` must be at least 1.
inline utf8_unit next_utf8_unit(unsigned char const* bytes, size_t size) {
  unsigned char const first = bytes[0];
  if (first < 0x80) return {1, true, false};

  size_t need;                            // continuation bytes
  unsigned char low = 0x80, high = 0xBF;  // bounds of the first of them
  if (first >= 0xC2 && first <= 0xDF) {
    need = 1;
  } else if (first >= 0xE0 && first <= 0xEF) {
    need = 2;
    if (first == 0xE0) low = 0xA0;   // no overlong forms
    if (first == 0xED) high = 0x9F;  // no surrogates
  } else if (first >= 0xF0 && first <= 0xF4) {
    need = 3;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;  // nothing above U+10FFFF
  } else {
    return {1, false, false};
  }

  for (size_t i = 1; i <= need; ++i) {
    if (i >= size) return {i, false, true};
    if (bytes[i] < low || bytes[i] > high) return {i, false, false};
    low = 0x80;
    high = 0xBF;
  }
  return {need + 1, true, false};
}

}  // namespace codeexec::wire
