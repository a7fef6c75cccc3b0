#include "codeexec/api/trace_context.hpp"

#include <algorithm>
#include <cstddef>
#include <set>

#include "codeexec/api/names.hpp"

namespace codeexec::api {
namespace {

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char const c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_zero(std::string_view text) {
  return text.find_first_not_of('0') == std::string_view::npos;
}

std::string_view without_blanks(std::string_view text) {
  auto const begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool is_key_character(char const c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '*' || c == '/' || c == '@';
}

bool is_key(std::string_view key) {
  if (key.empty() || key.size() > 256) return false;
  bool const begins_well = (key[0] >= 'a' && key[0] <= 'z') || (key[0] >= '0' && key[0] <= '9');
  return begins_well && std::all_of(key.begin(), key.end(), is_key_character) &&
         std::count(key.begin(), key.end(), '@') <= 1;
}

bool is_value(std::string_view value) {
  return !value.empty() && value.size() <= 256 && value.back() != ' ' &&
         std::all_of(value.begin(), value.end(),
                     [](char const c) { return c >= 0x20 && c <= 0x7E && c != ',' && c != '='; });
}

}  // namespace

bool is_valid_traceparent(std::string_view text) {
  constexpr std::size_t length = 55;
  if (text.size() < length) return false;
  auto const format = text.substr(0, 2);
  auto const trace = text.substr(3, 32);
  auto const parent = text.substr(36, 16);
  auto const flags = text.substr(53, 2);
  if (text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  if (!is_lower_hex(format) || !is_lower_hex(trace) || !is_lower_hex(parent) || !is_lower_hex(flags)) return false;
  if (format == "ff" || is_zero(trace) || is_zero(parent)) return false;
  if (format == "00") return text.size() == length;
  // A later version may say more behind what is known of it. An annotation has no reason to be long.
  bool const printable = std::all_of(text.begin(), text.end(), [](char const c) { return c > 0x20 && c < 0x7F; });
  return text.size() == length || (text[length] == '-' && text.size() <= 256 && printable);
}

bool is_valid_tracestate(std::string_view text) {
  constexpr std::size_t most_members = 32;
  constexpr std::size_t most_bytes = 512;  // what everybody must hand on at least
  if (text.size() > most_bytes) return false;
  std::set<std::string_view> keys;
  std::size_t members = 0;
  while (true) {
    auto const end = std::min(text.find(','), text.size());
    auto const member = without_blanks(text.substr(0, end));
    if (!member.empty()) {
      auto const equals = member.find('=');
      if (equals == std::string_view::npos || !is_key(member.substr(0, equals))) return false;
      if (!is_value(member.substr(equals + 1)) || !keys.insert(member.substr(0, equals)).second) return false;
      if (++members > most_members) return false;
    }
    if (end == text.size()) break;
    text.remove_prefix(end + 1);
  }
  return members > 0;
}

std::optional<trace_context> read_trace_context(std::map<std::string, std::string> const& all) {
  auto const parent = all.find(std::string(annotations::traceparent));
  if (parent == all.end() || !is_valid_traceparent(parent->second)) return std::nullopt;
  trace_context found{parent->second, {}};
  auto const state = all.find(std::string(annotations::tracestate));
  if (state != all.end() && is_valid_tracestate(state->second)) found.tracestate = state->second;
  return found;
}

}  // namespace codeexec::api
