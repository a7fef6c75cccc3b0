#include "codeexec/cli/terminal_filter.hpp"

#include <cstddef>

#include "codeexec/base/encoding.hpp"

namespace codeexec::cli {

namespace {

constexpr char escape = '\x1b';
constexpr std::string_view not_a_character = "\xEF\xBF\xBD";
/// No honest sequence of those that are passed on is longer.
constexpr std::size_t longest_sequence = 64;

unsigned char byte_of(char c) {
  return static_cast<unsigned char>(c);
}

/// How many bytes a character with this first byte has; 0 where none begins with it.
std::size_t length_by_lead(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  if (lead >= 0xF0 && lead < 0xF5) return 4;
  return 0;
}

bool is_harmless_final(char c) {
  return c == 'm' || c == 'K' || c == 'C' || c == 'D' || c == 'G';
}

void show_control(char c, std::string& out) {
  out += '^';
  out += byte_of(c) == 0x7F ? '?' : static_cast<char>(c + '@');
}

}  // namespace

void terminal_filter::show_held(std::string& out) {
  if (held_.empty()) return;
  if (held_.front() == escape) {
    show_control(escape, out);
    out += std::string_view(held_).substr(1);
  } else {
    out += not_a_character;
  }
  held_.clear();
}

void terminal_filter::take(char c, std::string& out) {
  auto const byte = byte_of(c);
  if (!held_.empty() && held_.front() == escape) {
    bool const begins = held_.size() == 1;
    if (begins && c == '[') {
      held_ += c;
      return;
    }
    bool const parameter = !begins && ((c >= '0' && c <= '9') || c == ';' || c == ':');
    if (parameter && held_.size() < longest_sequence) {
      held_ += c;
      return;
    }
    if (!begins && is_harmless_final(c)) {
      out += held_ + c;
      if (c == 'm') coloured_ = !(held_ == "\x1b[" || held_ == "\x1b[0");
      held_.clear();
      return;
    }
    show_held(out);
    // The byte that made it none of ours stands for itself.
  } else if (!held_.empty()) {
    if ((byte & 0xC0) == 0x80) {
      held_ += c;
      if (held_.size() < length_by_lead(byte_of(held_.front()))) return;
      auto const repaired = base::repair_utf8(held_);
      bool const control = held_.size() == 2 && byte_of(held_[0]) == 0xC2 && byte_of(held_[1]) < 0xA0;
      // Marks that turn the direction of writing round make a line read as what it is not.
      bool const turns = held_ >= "\xE2\x80\xAA" && held_ <= "\xE2\x80\xAE";
      bool const isolates = held_ >= "\xE2\x81\xA6" && held_ <= "\xE2\x81\xA9";
      out += control || turns || isolates ? std::string(not_a_character) : repaired;
      held_.clear();
      return;
    }
    show_held(out);
  }
  if (c == escape) {
    held_ = c;
  } else if (c == '\n' || c == '\t' || c == '\r' || c == '\b') {
    out += c;
  } else if (byte < 0x20 || byte == 0x7F) {
    show_control(c, out);
  } else if (byte < 0x80) {
    out += c;
  } else if (length_by_lead(byte) != 0) {
    held_ = c;
  } else {
    out += not_a_character;
  }
}

std::string terminal_filter::pass(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (auto const c : bytes)
    take(c, out);
  return out;
}

std::string terminal_filter::finish() {
  std::string out;
  show_held(out);
  if (coloured_) out += "\x1b[0m";
  coloured_ = false;
  return out;
}

}  // namespace codeexec::cli
