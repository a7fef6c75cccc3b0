#include "codeexec/local/pattern.hpp"

// Boost's own switch: matcher state on the heap, bounded, an exception where the bound is hit.
#define BOOST_REGEX_NON_RECURSIVE
#include <algorithm>
#include <boost/regex.hpp>
#include <optional>

namespace codeexec::local {
namespace {

// RE2's "." does not match a newline and its "^" only the beginning of the text; Perl's do otherwise by default.
auto const match_flags = boost::match_not_dot_newline | boost::match_single_line;

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80u; });
}

/// One wide character for each code point; bytes that are not UTF-8 stay as they are.
std::wstring widen(std::string_view text) {
  std::wstring out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    auto const first = static_cast<unsigned char>(text[i]);
    std::size_t const length = first < 0xC0u ? 1 : first < 0xE0u ? 2 : first < 0xF0u ? 3 : 4;
    unsigned int code = length == 1 ? first : first & (0x7Fu >> length);
    if (i + length > text.size()) {
      out.push_back(static_cast<wchar_t>(first));
      ++i;
      continue;
    }
    for (std::size_t j = 1; j < length; ++j) {
      code = (code << 6) | (static_cast<unsigned char>(text[i + j]) & 0x3Fu);
    }
    out.push_back(static_cast<wchar_t>(code));
    i += length;
  }
  return out;
}

}  // namespace

struct pattern::machine {
  boost::regex bytes;  ///< for texts of ASCII alone, which are nearly all
  boost::wregex code_points;
  bool ascii = true;
};

base::result<pattern> pattern::compile(std::string_view source) {
  machine made;
  std::wstring const wide = widen(source);
  made.ascii = is_ascii(source);
  made.bytes.assign(source.data(), source.data() + source.size(), boost::regex::perl | boost::regex::no_except);
  made.code_points.assign(wide, boost::regex::perl | boost::regex::no_except);
  if (made.bytes.status() != 0 || made.code_points.status() != 0) {
    return base::error("not a regular expression: " + std::string(source));
  }
  pattern out;
  out.machine_ = std::make_shared<machine const>(std::move(made));
  return out;
}

bool pattern::found_in(std::string_view text) const {
  try {
    if (machine_->ascii && is_ascii(text)) {
      return boost::regex_search(text.data(), text.data() + text.size(), machine_->bytes, match_flags);
    }
    return boost::regex_search(widen(text), machine_->code_points, match_flags);
  } catch (std::runtime_error const&) {
    return false;  // the pattern backtracks too much on this text
  }
}

}  // namespace codeexec::local
