#include "codeexec/kube_core/names.hpp"

#include <algorithm>

#include "codeexec/base/encoding.hpp"

namespace codeexec::kube {
namespace {

constexpr std::size_t hash_digits = 10;
constexpr std::size_t max_subdomain_length = 253;

bool is_lower_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_alnum(char c) {
  return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

std::string hash_of(std::string_view text) {
  return base::sha256_hex(text).substr(0, hash_digits);
}

}  // namespace

bool is_label_value(std::string_view text) {
  if (text.empty()) return true;
  if (text.size() > max_label_length || !is_alnum(text.front()) || !is_alnum(text.back())) return false;
  for (char const c : text) {
    if (!is_alnum(c) && c != '-' && c != '_' && c != '.') return false;
  }
  return true;
}

bool is_dns_label(std::string_view text) {
  if (text.empty() || text.size() > max_label_length) return false;
  if (!is_lower_alnum(text.front()) || !is_lower_alnum(text.back())) return false;
  for (char const c : text) {
    if (!is_lower_alnum(c) && c != '-') return false;
  }
  return true;
}

bool is_dns_subdomain(std::string_view text) {
  if (text.size() > max_subdomain_length) return false;
  // The API bounds the whole name only: its parts may be longer than a DNS label.
  for (std::size_t begin = 0; begin <= text.size();) {
    auto const end = std::min(text.find('.', begin), text.size());
    auto const part = text.substr(begin, end - begin);
    if (part.empty() || !is_lower_alnum(part.front()) || !is_lower_alnum(part.back())) return false;
    for (char const c : part) {
      if (!is_lower_alnum(c) && c != '-') return false;
    }
    begin = end + 1;
  }
  return true;
}

std::string label_value(std::string_view text) {
  if (is_label_value(text)) return std::string(text);
  std::string begin;
  for (char const c : text.substr(0, max_label_length - hash_digits - 1)) {
    if (is_alnum(c)) {
      begin += c;
    } else if (!begin.empty()) {
      begin += c == '_' || c == '.' ? c : '-';
    }
  }
  return begin.empty() ? hash_of(text) : begin + "-" + hash_of(text);
}

std::string child_name(std::string_view owner_name, std::string_view owner_uid, std::size_t max_length) {
  std::string begin;
  auto const room = max_length > hash_digits + 1 ? max_length - hash_digits - 1 : 0;
  for (char const c : owner_name.substr(0, room))
    begin += is_lower_alnum(c) ? c : '-';  // dots are fine in a CodeExecution's name and not in a Pod's host name
  while (!begin.empty() && begin.back() == '-')
    begin.pop_back();
  return begin.empty() ? hash_of(owner_uid) : begin + "-" + hash_of(owner_uid);
}

}  // namespace codeexec::kube
