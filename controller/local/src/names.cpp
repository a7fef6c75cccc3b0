#include "codeexec/local/names.hpp"

#include <algorithm>

namespace codeexec::local {
namespace {

bool lower_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool alnum(char c) {
  return lower_alnum(c) || (c >= 'A' && c <= 'Z');
}
bool label_shape(std::string_view text) {
  return !text.empty() && lower_alnum(text.front()) && lower_alnum(text.back()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return lower_alnum(c) || c == '-'; });
}
bool name_shape(std::string_view text) {
  return !text.empty() && alnum(text.front()) && alnum(text.back()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; });
}
std::string too_long(std::size_t limit) {
  return "must be no more than " + std::to_string(limit) + " bytes";
}

constexpr char subdomain_rule[] =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr char label_rule[] =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

}  // namespace

std::optional<std::string> check_dns_subdomain(std::string_view text) {
  if (text.size() > 253) {
    return too_long(253);
  }
  std::string_view rest = text;
  while (true) {
    auto const dot = rest.find('.');
    if (!label_shape(rest.substr(0, dot))) {
      return subdomain_rule;
    }
    if (dot == std::string_view::npos) {
      return std::nullopt;
    }
    rest = rest.substr(dot + 1);
  }
}

std::optional<std::string> check_dns_label(std::string_view text) {
  if (text.size() > 63) {
    return too_long(63);
  }
  if (!label_shape(text)) {
    return label_rule;
  }
  return std::nullopt;
}

std::optional<std::string> check_qualified_name(std::string_view text) {
  std::string_view name = text;
  auto const slash = text.find('/');
  if (slash != std::string_view::npos) {
    if (text.find('/', slash + 1) != std::string_view::npos) {
      return "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with "
             "an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
             "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. "
             "'example.com/MyName')";
    }
    std::string_view const prefix = text.substr(0, slash);
    if (prefix.empty()) {
      return "prefix part must be non-empty";
    }
    if (auto const fault = check_dns_subdomain(prefix)) {
      return "prefix part " + *fault;
    }
    name = text.substr(slash + 1);
  }
  if (name.empty()) {
    return "name part must be non-empty";
  }
  if (name.size() > 63) {
    return "name part " + too_long(63);
  }
  if (!name_shape(name)) {
    return "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
           "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
           "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
  }
  return std::nullopt;
}

std::optional<std::string> check_label_value(std::string_view text) {
  if (text.size() > 63) {
    return too_long(63);
  }
  if (!text.empty() && !name_shape(text)) {
    return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
           "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
           "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
  }
  return std::nullopt;
}

std::optional<std::string> check_config_key(std::string_view text) {
  if (text.size() > 253) {
    return too_long(253);
  }
  bool const shape = !text.empty() && std::all_of(text.begin(), text.end(),
                                                  [](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; });
  if (!shape) {
    return "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
           "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
  }
  if (text == ".") {
    return "must not be '.'";
  }
  if (text == "..") {
    return "must not be '..'";
  }
  if (text.substr(0, 2) == "..") {
    return "must not start with '..'";
  }
  return std::nullopt;
}

}  // namespace codeexec::local
