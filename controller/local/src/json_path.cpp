#include "codeexec/local/json_path.hpp"

#include <charconv>

#include "codeexec/local/object.hpp"

namespace codeexec::local {

using nlohmann::json;

namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') {
    text.remove_prefix(1);
  }
  while (!text.empty() && text.back() == ' ') {
    text.remove_suffix(1);
  }
  return text;
}

/// A constant of a filter: 'text', "text", a number, true, false.
json constant_of(std::string_view text) {
  text = trimmed(text);
  if (text.size() >= 2 && (text.front() == '\'' || text.front() == '"') && text.back() == text.front()) {
    return std::string(text.substr(1, text.size() - 2));
  }
  return json::parse(text, nullptr, false);
}

}  // namespace

base::result<json_path> json_path::compile(std::string_view source) {
  json_path out;
  std::string_view rest = trimmed(source);
  auto const refuse = [source](char const* why) {
    return base::error("JSONPath \"" + std::string(source) + "\": " + why);
  };
  if (rest.size() >= 2 && rest.front() == '{' && rest.back() == '}') {
    rest = rest.substr(1, rest.size() - 2);
  }
  if (!rest.empty() && rest.front() == '$') {
    rest.remove_prefix(1);
  }
  bool first = true;
  while (!rest.empty()) {
    step s{step::kind::field, {}, 0, {}, nullptr};
    if (rest.front() == '[') {
      std::size_t end = 1;
      char quote = 0;
      for (; end < rest.size() && (quote != 0 || rest[end] != ']'); ++end) {
        if (quote != 0) {
          quote = rest[end] == quote ? char(0) : quote;
        } else if (rest[end] == '\'' || rest[end] == '"') {
          quote = rest[end];
        }
      }
      if (end >= rest.size()) {
        return refuse("bracket without end");
      }
      std::string_view inner = trimmed(rest.substr(1, end - 1));
      rest.remove_prefix(end + 1);
      if (inner == "*") {
        s.what = step::kind::all;
      } else if (inner.size() >= 2 && (inner.front() == '\'' || inner.front() == '"')) {
        s.name = inner.substr(1, inner.size() - 2);
      } else if (inner.starts_with("?(") && inner.ends_with(")")) {
        std::string_view const condition = inner.substr(2, inner.size() - 3);
        auto const sign = std::min(condition.find("=="), condition.find("!="));
        std::string_view const left = trimmed(condition.substr(0, sign));
        if (sign == std::string_view::npos || !left.starts_with("@.")) {
          return refuse("unsupported filter");
        }
        s.what = step::kind::filter;
        s.name = left.substr(2);
        s.comparison = condition.substr(sign, 2);
        s.constant = constant_of(condition.substr(sign + 2));
        if (s.constant.is_discarded()) {
          return refuse("unsupported constant in a filter");
        }
      } else {
        s.what = step::kind::index;
        auto const done = std::from_chars(inner.data(), inner.data() + inner.size(), s.index);
        if (done.ec != std::errc() || done.ptr != inner.data() + inner.size()) {
          return refuse("unsupported index");
        }
      }
    } else {
      if (rest.front() == '.') {
        rest.remove_prefix(1);
      } else if (!first) {
        return refuse("expected '.' or '['");
      }
      // A dot of the name itself is written "\.".
      while (!rest.empty() && rest.front() != '.' && rest.front() != '[') {
        if (rest.front() == '\\' && rest.size() > 1) {
          rest.remove_prefix(1);
        }
        s.name.push_back(rest.front());
        rest.remove_prefix(1);
      }
      if (s.name.empty()) {
        return refuse("empty field name");
      }
      if (s.name == "*") {
        s.what = step::kind::all;
      }
    }
    out.steps_.push_back(std::move(s));
    first = false;
  }
  return out;
}

std::vector<json const*> json_path::find(json const& value) const {
  std::vector<json const*> now{&value};
  for (step const& s : steps_) {
    std::vector<json const*> next;
    for (json const* one : now) {
      switch (s.what) {
        case step::kind::field:
          if (one->is_object()) {
            auto const found = one->find(s.name);
            if (found != one->end()) {
              next.push_back(&*found);
            }
          }
          break;
        case step::kind::index:
          if (one->is_array()) {
            auto const size = static_cast<std::int64_t>(one->size());
            std::int64_t const at = s.index < 0 ? s.index + size : s.index;
            if (at >= 0 && at < size) {
              next.push_back(&(*one)[static_cast<std::size_t>(at)]);
            }
          }
          break;
        case step::kind::all:
          if (one->is_structured()) {
            for (json const& inner : *one) {
              next.push_back(&inner);
            }
          }
          break;
        case step::kind::filter:
          if (one->is_array()) {
            for (json const& inner : *one) {
              if ((at_path(inner, s.name) == s.constant) == (s.comparison == "==")) {
                next.push_back(&inner);
              }
            }
          }
          break;
      }
    }
    now = std::move(next);
  }
  return now;
}

}  // namespace codeexec::local
