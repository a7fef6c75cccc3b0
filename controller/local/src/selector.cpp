#include "codeexec/local/selector.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "codeexec/local/names.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

struct word {
  std::string text;
  bool symbol = false;
};

std::vector<word> split(std::string_view text) {
  std::vector<word> out;
  for (std::size_t i = 0; i < text.size();) {
    char const c = text[i];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++i;
      continue;
    }
    if (std::string_view("=!(),<>").find(c) != std::string_view::npos) {
      std::string symbol(1, c);
      if ((c == '=' || c == '!') && i + 1 < text.size() && text[i + 1] == '=') {
        symbol += '=';
      }
      i += symbol.size();
      out.push_back({symbol, true});
      continue;
    }
    std::size_t const from = i;
    while (i < text.size() && std::string_view("=!(),<> \t\r\n").find(text[i]) == std::string_view::npos) {
      ++i;
    }
    out.push_back({std::string(text.substr(from, i - from)), false});
  }
  return out;
}

status_error unparsable(std::string const& what) {
  return status_error::bad_request("unable to parse requirement: " + what);
}

std::optional<std::int64_t> number(std::string const& text) {
  std::int64_t out = 0;
  auto const done = std::from_chars(text.data(), text.data() + text.size(), out);
  return done.ec == std::errc() && done.ptr == text.data() + text.size() ? std::optional(out) : std::nullopt;
}

std::string printed(json const& value) {
  if (value.is_string()) {
    return value.get<std::string>();
  }
  return value.is_null() ? std::string() : value.dump();
}

}  // namespace

result<label_selector> label_selector::parse(std::string_view text) {
  label_selector out;
  std::vector<word> const words = split(text);
  std::size_t i = 0;
  auto const at = [&](std::string_view symbol) {
    return i < words.size() && words[i].symbol && words[i].text == symbol;
  };
  while (i < words.size()) {
    requirement r;
    bool const negated = at("!");
    i += negated ? 1 : 0;
    if (i >= words.size() || words[i].symbol) {
      return unparsable("found '" + (i < words.size() ? words[i].text : "") + "', expected: identifier");
    }
    r.key = words[i++].text;
    if (auto const fault = check_qualified_name(r.key)) {
      return unparsable("key: Invalid value: " + json(r.key).dump() + ": " + *fault);
    }
    if (negated) {
      r.what = op::absent;
    } else if (at("=") || at("==") || at("!=")) {
      r.what = words[i++].text == "!=" ? op::not_in : op::in;
      if (i < words.size() && words[i].symbol && words[i].text != ",") {
        return unparsable("found '" + words[i].text + "', expected: identifier");
      }
      r.values.push_back(i < words.size() && !words[i].symbol ? words[i++].text : std::string());
    } else if (at("<") || at(">")) {
      r.what = words[i++].text == "<" ? op::less : op::greater;
      if (i >= words.size() || !number(words[i].text)) {
        return unparsable("for 'Gt', 'Lt' operators, the value must be an integer");
      }
      r.values.push_back(words[i++].text);
    } else if (i < words.size() && !words[i].symbol && (words[i].text == "in" || words[i].text == "notin")) {
      r.what = words[i++].text == "in" ? op::in : op::not_in;
      if (!at("(")) {
        return unparsable("found '" + (i < words.size() ? words[i].text : "") + "' expected: '('");
      }
      ++i;
      while (!at(")")) {
        if (i >= words.size()) {
          return unparsable("found '', expected: ',' or ')'");
        }
        if (words[i].symbol && words[i].text != ",") {
          return unparsable("found '" + words[i].text + "', expected: ',', ')' or identifier");
        }
        if (!words[i].symbol) {
          r.values.push_back(words[i].text);
        }
        ++i;
      }
      ++i;
    }
    for (std::string const& value : r.values) {
      if (auto const fault = check_label_value(value)) {
        return unparsable("values[0][" + r.key + "]: Invalid value: " + json(value).dump() + ": " + *fault);
      }
    }
    out.requirements_.push_back(std::move(r));
    if (i < words.size()) {
      if (!at(",")) {
        return unparsable("found '" + words[i].text + "', expected: ',' or 'end of string'");
      }
      ++i;
      if (i == words.size()) {
        return unparsable("found '', expected: identifier after ','");
      }
    }
  }
  return out;
}

bool label_selector::matches(json const& value) const {
  json const& labels = at_path(value, "metadata.labels");
  return std::all_of(requirements_.begin(), requirements_.end(), [&labels](requirement const& r) {
    auto const found = labels.is_object() ? labels.find(r.key) : labels.end();
    bool const there = labels.is_object() && found != labels.end() && found->is_string();
    switch (r.what) {
      case op::exists:
        return there;
      case op::absent:
        return !there;
      case op::in:
        return there &&
               std::find(r.values.begin(), r.values.end(), found->get_ref<std::string const&>()) != r.values.end();
      case op::not_in:
        return !there ||
               std::find(r.values.begin(), r.values.end(), found->get_ref<std::string const&>()) == r.values.end();
      case op::less:
      case op::greater:
        break;
    }
    auto const mine = there ? number(found->get_ref<std::string const&>()) : std::nullopt;
    auto const bound = number(r.values.front());
    return mine && bound && (r.what == op::less ? *mine < *bound : *mine > *bound);
  });
}

result<field_selector> field_selector::parse(std::string_view text, resource_type const& type) {
  field_selector out;
  while (!text.empty()) {
    std::string term;
    std::size_t i = 0;
    for (; i < text.size() && text[i] != ','; ++i) {
      if (text[i] == '\\' && i + 1 < text.size()) {
        ++i;  // "\," "\=" and "\\" stand for themselves
      }
      term.push_back(text[i]);
    }
    text = i < text.size() ? text.substr(i + 1) : std::string_view();
    if (term.empty()) {
      continue;
    }
    requirement r;
    auto const sign = term.find('=');
    if (sign == std::string::npos) {
      return status_error::bad_request("invalid selector: '" + term + "'; can't understand '" + term + "'");
    }
    r.equal = sign == 0 || term[sign - 1] != '!';
    r.path = term.substr(0, r.equal ? sign : sign - 1);
    r.value = term.substr(sign + (sign + 1 < term.size() && term[sign + 1] == '=' ? 2 : 1));
    bool const known =
        r.path == "metadata.name" || (r.path == "metadata.namespace" && type.namespaced) ||
        std::find(type.selectable_fields.begin(), type.selectable_fields.end(), r.path) != type.selectable_fields.end();
    if (!known) {
      return status_error::bad_request(type.custom || type.group.empty()
                                           ? "field label not supported: " + r.path
                                           : "field label \"" + r.path + "\" not supported for " + type.kind);
    }
    out.requirements_.push_back(std::move(r));
  }
  return out;
}

bool field_selector::matches(json const& value) const {
  return std::all_of(requirements_.begin(), requirements_.end(), [&value](requirement const& r) {
    return (printed(at_path(value, r.path)) == r.value) == r.equal;
  });
}

}  // namespace codeexec::local
