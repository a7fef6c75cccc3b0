#include "codeexec/runner/text.hpp"

#include "codeexec/wire/utf8.h"

namespace codeexec::runner {

void text_writer::append(bytes text) {
  size_t const room = capacity_ - size_;
  if (text.size > room) {
    overflowed_ = true;
    text.size = room;
  }
  if (text.size != 0) memcpy(data_ + size_, text.data, text.size);
  size_ += text.size;
}

void text_writer::append_decimal(uint64_t number) {
  append_padded(number, 1);
}

void text_writer::append_padded(uint64_t number, unsigned width) {
  char digits[20];  // 2^64 has 20
  size_t begin = sizeof digits;
  while (number != 0 || sizeof digits - begin < width) {
    digits[--begin] = static_cast<char>('0' + number % 10);
    number /= 10;
  }
  append(bytes(digits + begin, sizeof digits - begin));
}

void text_writer::append_json_string(bytes text) {
  static constexpr char hex[] = "0123456789abcdef";
  append('"');
  while (!text.empty()) {
    auto const unit = wire::next_utf8_unit(reinterpret_cast<unsigned char const*>(text.data), text.size);
    char const first = text.data[0];
    if (!unit.valid) {
      append("\xEF\xBF\xBD");  // U+FFFD
    } else if (first == '"' || first == '\\') {
      append('\\');
      append(first);
    } else if (first == '\n') {
      append("\\n");
    } else if (first == '\t') {
      append("\\t");
    } else if (first == '\r') {
      append("\\r");
    } else if (static_cast<unsigned char>(first) < 0x20) {
      append("\\u00");
      append(hex[static_cast<unsigned char>(first) >> 4]);
      append(hex[first & 0x0F]);
    } else {
      append(bytes(text.data, unit.length));
    }
    text = text.from(unit.length);
  }
  append('"');
}

void append_rfc3339(text_writer& out, uint64_t unix_micros) {
  uint64_t const seconds = unix_micros / 1000000;
  uint64_t const second_of_day = seconds % 86400;
  uint64_t days = seconds / 86400;

  // Years are counted from March here, so that the leap day is the last of its year.
  days += 719468;  // from 0000-03-01 to 1970-01-01
  uint64_t const era = days / 146097;
  uint64_t const day_of_era = days % 146097;
  uint64_t const year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  uint64_t const day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  uint64_t const month_from_march = (5 * day_of_year + 2) / 153;
  uint64_t const day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  uint64_t const month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  uint64_t const year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);

  out.append_padded(year, 4);
  out.append('-');
  out.append_padded(month, 2);
  out.append('-');
  out.append_padded(day, 2);
  out.append('T');
  out.append_padded(second_of_day / 3600, 2);
  out.append(':');
  out.append_padded(second_of_day / 60 % 60, 2);
  out.append(':');
  out.append_padded(second_of_day % 60, 2);
  out.append('.');
  out.append_padded(unix_micros % 1000000, 6);
  out.append('Z');
}

}  // namespace codeexec::runner
