#include "codeexec/cli/json_path.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "codeexec/cli/render.hpp"

namespace codeexec::cli {

namespace {

using found_values = std::vector<nlohmann::json const*>;

struct path_error {
  std::string sentence;
};

/// A list's elements or an object's values.
void add_children(nlohmann::json const& of, found_values& into) {
  if (!of.is_structured()) return;
  for (auto const& child : of)
    into.push_back(&child);
}

/// Itself and everything below. Bounded: no answer is nested deeper than kube_core lets one be.
void add_descendants(nlohmann::json const& of, found_values& into) {
  into.push_back(&of);
  if (!of.is_structured()) return;
  for (auto const& child : of)
    add_descendants(child, into);
}

found_values pick_field(found_values const& from, std::string const& name) {
  found_values found;
  for (auto const* one : from) {
    if (!one->is_object()) continue;
    if (auto const at = one->find(name); at != one->end()) found.push_back(&*at);
  }
  return found;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// What stands between brackets.
found_values pick_bracket(found_values const& from, std::string_view inside) {
  found_values found;
  if (inside == "*") {
    for (auto const* one : from)
      add_children(*one, found);
    return found;
  }
  if (inside.size() >= 2 && (inside.front() == '\'' || inside.front() == '"') && inside.back() == inside.front()) {
    return pick_field(from, std::string(inside.substr(1, inside.size() - 2)));
  }
  auto const colon = inside.find(':');
  auto const first = whole_number(inside.substr(0, colon));
  auto const is_slice = colon != std::string_view::npos;
  auto const last = is_slice ? whole_number(inside.substr(colon + 1)) : std::nullopt;
  auto const first_is_left_out = is_slice && colon == 0;
  auto const last_is_left_out = is_slice && colon + 1 == inside.size();
  if ((!first && !first_is_left_out) || (is_slice && !last && !last_is_left_out)) {
    throw path_error{"[" + std::string(inside) + "] is none of [0], [1:3], [*] and ['key']; filters are not supported"};
  }
  for (auto const* one : from) {
    if (!one->is_array()) continue;
    auto const size = static_cast<std::int64_t>(one->size());
    auto const place = [size](std::int64_t index) { return index < 0 ? index + size : index; };
    auto const begin = first ? place(*first) : 0;
    auto const end = !is_slice ? begin + 1 : last ? place(*last) : size;
    for (auto i = std::max<std::int64_t>(begin, 0); i < std::min(end, size); ++i)
      found.push_back(&(*one)[static_cast<std::size_t>(i)]);
  }
  return found;
}

bool ends_a_name(char c) {
  return c == '.' || c == '[' || c == ' ';
}

found_values follow_path(found_values from, std::string_view path) {
  auto const whole = std::string(path);
  if (path.starts_with('$') || path.starts_with('@')) path.remove_prefix(1);
  while (!path.empty()) {
    if (path.front() == '[') {
      std::size_t end = 1;
      char quote = 0;
      for (; end < path.size() && (quote != 0 || path[end] != ']'); ++end) {
        if (quote != 0) {
          if (path[end] == quote) quote = 0;
        } else if (path[end] == '\'' || path[end] == '"') {
          quote = path[end];
        }
      }
      if (end >= path.size()) throw path_error{in_quotes(whole) + " has a bracket without its end"};
      from = pick_bracket(from, path.substr(1, end - 1));
      path.remove_prefix(end + 1);
      continue;
    }
    if (path.front() != '.') throw path_error{in_quotes(whole) + " is no path; write {.status.stdout}"};
    path.remove_prefix(1);
    if (path.starts_with('.')) {
      found_values all;
      for (auto const* one : from)
        add_descendants(*one, all);
      from = std::move(all);
      path.remove_prefix(1);
    }
    std::string name;
    while (!path.empty() && !ends_a_name(path.front())) {
      // "codeexec\.dev/x" is one key.
      if (path.front() == '\\' && path.size() > 1) path.remove_prefix(1);
      name += path.front();
      path.remove_prefix(1);
    }
    if (name.empty()) {
      if (path.empty()) break;  // "{.}": the whole
      if (path.front() == '[') continue;
      throw path_error{in_quotes(whole) + " has a dot without a name"};
    }
    if (name == "*") {
      found_values children;
      for (auto const* one : from)
        add_children(*one, children);
      from = std::move(children);
    } else {
      from = pick_field(from, name);
    }
  }
  return from;
}

std::string bare(nlohmann::json const& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string unquote(std::string_view text) {
  std::string result;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] != '\\' || i + 2 >= text.size()) {
      result += text[i];
      continue;
    }
    ++i;
    result += text[i] == 'n' ? '\n' : text[i] == 't' ? '\t' : text[i] == 'r' ? '\r' : text[i];
  }
  return result;
}

/// A piece of the template: text, a path, or a range with what is repeated.
struct template_part {
  enum class kind { text, path, range } what = kind::text;
  std::string text;
  std::vector<template_part> repeated{};
};

std::string_view without_spaces(std::string_view text) {
  while (text.starts_with(' '))
    text.remove_prefix(1);
  while (text.ends_with(' '))
    text.remove_suffix(1);
  return text;
}

/// Where the brace that was opened before `at` is closed.
std::size_t closing_brace(std::string_view text, std::size_t at) {
  char quote = 0;
  for (; at < text.size(); ++at) {
    auto const c = text[at];
    if (quote != 0) {
      if (c == '\\') {
        ++at;
      } else if (c == quote) {
        quote = 0;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '}') {
      return at;
    }
  }
  throw path_error{"the template has a \"{\" without its \"}\""};
}

std::vector<template_part> parse_template(std::string_view text, std::size_t& at, int depth) {
  constexpr int deepest = 8;
  if (depth > deepest) throw path_error{"the template has too many ranges within ranges"};
  std::vector<template_part> parts;
  while (at < text.size()) {
    auto const open = std::min(text.find('{', at), text.size());
    if (open > at) {
      parts.push_back({template_part::kind::text, std::string(text.substr(at, open - at))});
      at = open;
      continue;
    }
    auto const close = closing_brace(text, at + 1);
    auto const inside = without_spaces(text.substr(at + 1, close - at - 1));
    at = close + 1;
    if (inside == "end") {
      if (depth == 0) throw path_error{"the template has an {end} without its {range}"};
      return parts;
    }
    if (inside.starts_with("range ")) {
      template_part loop{template_part::kind::range, std::string(without_spaces(inside.substr(6)))};
      loop.repeated = parse_template(text, at, depth + 1);
      parts.push_back(std::move(loop));
    } else if (inside.size() >= 2 && (inside.front() == '"' || inside.front() == '\'') &&
               inside.back() == inside.front()) {
      parts.push_back({template_part::kind::text, unquote(inside)});
    } else if (inside.empty()) {
      throw path_error{"the template has empty braces"};
    } else {
      parts.push_back({template_part::kind::path, std::string(inside)});
    }
  }
  if (depth > 0) throw path_error{"the template has a {range} without its {end}"};
  return parts;
}

void write_parts(std::vector<template_part> const& parts, nlohmann::json const& of, std::string& out) {
  for (auto const& part : parts) {
    if (part.what == template_part::kind::text) {
      out += part.text;
      continue;
    }
    auto const values = follow_path({&of}, part.text);
    if (part.what == template_part::kind::range) {
      for (auto const* one : values)
        write_parts(part.repeated, *one, out);
      continue;
    }
    for (std::size_t i = 0; i < values.size(); ++i)
      out += (i == 0 ? "" : " ") + bare(*values[i]);
  }
}

}  // namespace

base::result<std::string> render_json_path(std::string const& pattern, nlohmann::json const& object) {
  // As kubectl: a path may stand there without its braces.
  auto const whole =
      pattern.find('{') == std::string::npos && !pattern.empty()
          ? "{" + std::string(pattern.front() == '.' || pattern.front() == '[' || pattern.front() == '$' ? "" : ".") +
                pattern + "}"
          : pattern;
  try {
    std::size_t at = 0;
    auto const parts = parse_template(whole, at, 0);
    std::string out;
    write_parts(parts, object, out);
    return {boost::system::in_place_value, std::move(out)};
  } catch (path_error const& e) {
    return base::error("-o jsonpath: " + e.sentence);
  }
}

}  // namespace codeexec::cli
