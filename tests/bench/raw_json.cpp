#include "raw_json.hpp"

#include <algorithm>
#include <vector>

namespace codeexec::bench::raw {
namespace {

/// Just behind the string that begins at `from`.
std::size_t end_of_string(std::string_view text, std::size_t from) {
  for (auto at = from + 1;;) {
    at = text.find('"', at);
    if (at == std::string_view::npos) return text.size();
    std::size_t backslashes = 0;
    while (text[at - 1 - backslashes] == '\\')
      ++backslashes;
    ++at;
    if (backslashes % 2 == 0) return at;
  }
}

std::size_t end_of_value(std::string_view text, std::size_t from) {
  if (from >= text.size()) return text.size();
  if (text[from] == '"') return end_of_string(text, from);
  if (text[from] != '{' && text[from] != '[') return std::min(text.find_first_of(",}]", from), text.size());
  int depth = 0;
  for (auto at = from; at < text.size();) {
    char const c = text[at];
    if (c == '"') {
      at = end_of_string(text, at);
      continue;
    }
    ++at;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return at;
  }
  return text.size();
}

struct entry {
  std::string_view key;  // with its quotes
  std::string_view value;
  std::string merged;  // instead of `value`, where it is not empty
};

std::vector<entry> members(std::string_view object) {
  std::vector<entry> all;
  if (object.empty() || object.front() != '{') return all;
  std::size_t at = 1;
  while (at < object.size() && object[at] == '"') {
    auto const key_end = end_of_string(object, at);
    auto const end = end_of_value(object, key_end + 1);
    all.push_back({object.substr(at, key_end - at), object.substr(key_end + 1, end - key_end - 1), {}});
    at = end + 1;  // behind the comma or the end
  }
  return all;
}

}  // namespace

std::string quoted(std::string_view text) {
  std::string out = "\"";
  out.reserve(text.size() + text.size() / 16 + 2);
  for (char const c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      constexpr std::string_view digits = "0123456789abcdef";
      out += "\\u00";
      out += digits[static_cast<unsigned char>(c) >> 4U];
      out += digits[static_cast<unsigned char>(c) & 15U];
    } else {
      out += c;
    }
  }
  return out += '"';
}

std::string_view member(std::string_view object, std::string_view key) {
  if (object.empty() || object.front() != '{') return {};
  std::size_t at = 1;
  while (at < object.size() && object[at] == '"') {
    auto const key_end = end_of_string(object, at);
    auto const end = end_of_value(object, key_end + 1);
    if (object.substr(at + 1, key_end - at - 2) == key) return object.substr(key_end + 1, end - key_end - 1);
    at = end + 1;
  }
  return {};
}

std::string_view at(std::string_view object, std::initializer_list<std::string_view> path) {
  for (auto const key : path)
    object = member(object, key);
  return object;
}

std::string unquoted(std::string_view value) {
  if (value.size() < 2 || value.front() != '"') return {};
  return std::string(value.substr(1, value.size() - 2));
}

std::string merge(std::string_view target, std::string_view patch) {
  if (patch.empty() || patch.front() != '{') return std::string(patch);
  auto all = members(target);
  for (auto& change : members(patch)) {
    auto const found = std::find_if(all.begin(), all.end(), [&](entry const& one) { return one.key == change.key; });
    if (change.value == "null") {
      if (found != all.end()) all.erase(found);
      continue;
    }
    bool const is_object = change.value.front() == '{';
    if (found == all.end()) {
      if (is_object) change.merged = merge({}, change.value);
      all.push_back(std::move(change));
    } else if (is_object) {
      found->merged = merge(found->value, change.value);
    } else {
      found->value = change.value;
    }
  }
  std::string out = "{";
  std::size_t size = 2;
  for (auto const& one : all)
    size += one.key.size() + std::max(one.value.size(), one.merged.size()) + 2;
  out.reserve(size);
  for (auto const& one : all) {
    if (out.size() > 1) out += ',';
    out += one.key;
    out += ':';
    out += one.merged.empty() ? one.value : std::string_view(one.merged);
  }
  return out += '}';
}

}  // namespace codeexec::bench::raw
