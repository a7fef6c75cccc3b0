#include "codeexec/yaml_reader/yaml_reader.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "codeexec/base/encoding.hpp"

namespace codeexec::yaml {

namespace {

using nlohmann::json;

constexpr int max_depth = 100;
/// Aliases let a few lines stand for a gigabyte. What is sent must fit into a request anyhow.
constexpr std::size_t max_values = 200'000;
constexpr std::size_t max_bytes = 4 * 1024 * 1024;
constexpr std::string_view core_tags = "tag:yaml.org,2002:";
constexpr auto too_many = "more values than a manifest can have";
constexpr auto too_deep = "nested more than 100 levels deep";

/// Stays in this file: read_documents makes a value of it.
struct unreadable {
  YAML::Mark where;
  std::string why;
};

template <std::size_t N>
bool is_one_of(std::string_view text, std::array<std::string_view, N> const& words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool is_null(std::string_view text) {
  return is_one_of(text, std::array<std::string_view, 5>{"", "~", "null", "Null", "NULL"});
}

std::optional<bool> as_bool(std::string_view text) {
  if (is_one_of(text, std::array<std::string_view, 11>{"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON",
                                                       "y", "Y"})) {
    return true;
  }
  if (is_one_of(text, std::array<std::string_view, 11>{"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF",
                                                       "n", "N"})) {
    return false;
  }
  return std::nullopt;
}

/// `digits` may have a prefix that says the base: 0x, 0o, 0b, or 0 alone for octal.
std::optional<json> as_integer(std::string_view digits, bool negative) {
  int base = 10;
  if (digits.size() > 1 && digits.front() == '0') {
    auto const letter = static_cast<char>(digits[1] | 0x20);
    base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
    digits.remove_prefix(letter == 'x' || letter == 'b' || letter == 'o' ? 2 : 1);
  }
  std::uint64_t value = 0;
  auto const* const end = digits.data() + digits.size();
  auto const read = std::from_chars(digits.data(), end, value, base);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  constexpr auto most = static_cast<std::uint64_t>(INT64_MAX);
  if (!negative) return value <= most ? json(static_cast<std::int64_t>(value)) : json(value);
  if (value > most + 1) return std::nullopt;
  return value == most + 1 ? json(INT64_MIN) : json(-static_cast<std::int64_t>(value));
}

std::optional<json> as_float(std::string_view digits, bool negative) {
  if (digits.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return std::nullopt;
  double value = 0;
  auto const* const end = digits.data() + digits.size();
  auto const read = std::from_chars(digits.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  if (negative) value = -value;
  // Go writes 5.0 as 5, and so it passes for an integer where the schema wants one.
  constexpr double exact = 9007199254740992.0;
  if (value == std::trunc(value) && std::abs(value) <= exact) return json(static_cast<std::int64_t>(value));
  return json(value);
}

std::optional<json> as_number(std::string_view text) {
  auto const sign = !text.empty() && (text.front() == '-' || text.front() == '+');
  auto const negative = sign && text.front() == '-';
  std::string digits(text.substr(sign ? 1 : 0));
  if (digits.empty() || ((digits.front() < '0' || digits.front() > '9') && digits.front() != '.')) return std::nullopt;
  // "1_000" is a number of YAML 1.1; "._5" is none.
  if (sign || digits.front() != '.') digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
  auto integer = as_integer(digits, negative);
  return integer ? integer : as_float(digits, negative);
}

bool is_not_finite(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  return is_one_of(text, std::array<std::string_view, 6>{".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"});
}

/// goyaml knows dates too, but hands them on as the text they were.
bool looks_like_a_date(std::string_view text) {
  auto const digit = [](char c) { return c >= '0' && c <= '9'; };
  return text.size() >= 8 && std::all_of(text.begin(), text.begin() + 4, digit) && text[4] == '-' && digit(text[5]);
}

json plain(YAML::Node const& node) {
  auto const text = as_utf8(node.Scalar());
  if (is_null(text)) return nullptr;
  if (auto const truth = as_bool(text)) return *truth;
  if (is_not_finite(text)) throw unreadable{node.Mark(), "JSON has no number " + text + "; put it in quotes"};
  auto number = as_number(text);
  return number ? std::move(*number) : json(text);
}

json scalar(YAML::Node const& node) {
  auto const& tag = node.Tag();
  // "?" is the parser's word for a plain scalar without a tag, "!" for a quoted or block one.
  if (tag == "?" || tag.empty()) return plain(node);
  if (tag == "!") return as_utf8(node.Scalar());
  auto const name = tag.starts_with(core_tags) ? std::string_view(tag).substr(core_tags.size()) : std::string_view();
  if (name == "str") return as_utf8(node.Scalar());
  auto value = plain(node);
  auto const fits = (name == "int" && value.is_number_integer()) || (name == "float" && value.is_number()) ||
                    (name == "bool" && value.is_boolean()) || (name == "null" && value.is_null());
  if (!fits) throw unreadable{node.Mark(), "\"" + node.Scalar() + "\" cannot be read with the tag " + tag};
  return value;
}

class converter {
 public:
  json convert(YAML::Node const& node, int depth) {
    if (depth > max_depth) throw unreadable{node.Mark(), too_deep};
    if (++values_ > max_values) throw unreadable{node.Mark(), too_many};
    switch (node.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null:
        return nullptr;
      case YAML::NodeType::Scalar:
        count_bytes(node);
        return scalar(node);
      case YAML::NodeType::Sequence: {
        auto list = json::array();
        for (auto const& item : node)
          list.push_back(convert(item, depth + 1));
        return list;
      }
      case YAML::NodeType::Map:
        return map(node, depth);
    }
    return nullptr;
  }

 private:
  json map(YAML::Node const& node, int depth) {
    auto object = json::object();
    for (auto const& entry : node) {
      if (is_merge(entry.first)) continue;
      auto name = key(entry.first);
      count_bytes(entry.first);
      auto value = convert(entry.second, depth + 1);
      if (!object.emplace(name, std::move(value)).second) {
        throw unreadable{entry.first.Mark(), "the key \"" + name + "\" is there twice"};
      }
    }
    // What is written in the map itself wins, wherever in it the merge stands.
    for (auto const& entry : node) {
      if (!is_merge(entry.first)) continue;
      if (!entry.second.IsSequence()) merge(object, entry.second, depth);
      if (!entry.second.IsSequence()) continue;
      for (auto const& one : entry.second)
        merge(object, one, depth);
    }
    return object;
  }

  void count_bytes(YAML::Node const& scalar) {
    bytes_ += scalar.Scalar().size();
    if (bytes_ > max_bytes) throw unreadable{scalar.Mark(), "more than 4 MiB once its aliases are filled in"};
  }

  void merge(json& into, YAML::Node const& from, int depth) {
    if (!from.IsMap()) throw unreadable{from.Mark(), "\"<<\" takes a map, or a list of maps"};
    auto const more = convert(from, depth + 1);
    for (auto const& [name, value] : more.items())
      into.emplace(name, value);
  }

  static bool is_merge(YAML::Node const& node) { return node.IsScalar() && node.Tag() == "?" && node.Scalar() == "<<"; }

  static std::string key(YAML::Node const& node) {
    auto const value = node.IsScalar() ? scalar(node) : json();
    if (value.is_null()) throw unreadable{node.Mark(), "a key that is no text"};
    return value.is_string() ? value.get<std::string>() : value.dump();
  }

  std::size_t values_ = 0;
  std::size_t bytes_ = 0;
};

base::error at(YAML::Mark const& where, std::string const& why) {
  if (where.is_null()) return base::error(why);
  return base::error("line " + std::to_string(where.line + 1) + ", column " + std::to_string(where.column + 1) + ": " +
                     base::repair_utf8(why));
}

/// The parser takes some control characters for the end of the text, and replaces what is no UTF-8.
std::optional<std::string> not_a_text(std::string const& text) {
  if (text.size() > max_bytes) return "it is longer than 4 MiB";
  if (!base::is_valid_utf8(text)) return "it is not a text in UTF-8";
  for (auto const c : text) {
    auto const u = static_cast<unsigned char>(c);
    if (u < 0x20 && c != '\t' && c != '\n' && c != '\r') return "it has control characters in it";
  }
  return std::nullopt;
}

/// yaml-cpp 0.7 does not step over a "," that belongs to no list: it sees an empty document there, and another, until
/// the memory is gone. Here the text is gone through once before any of it is kept, and a document that begins where
/// the one before it began ends the reading.
class progress_watch final : public YAML::EventHandler {
 public:
  void OnDocumentStart(YAML::Mark const& mark) override {
    if (seen_ && mark.pos == last_) throw unreadable{mark, "something here belongs to no document"};
    seen_ = true;
    last_ = mark.pos;
  }
  void OnDocumentEnd() override {}
  void OnNull(YAML::Mark const& mark, YAML::anchor_t) override { count(mark); }
  void OnAlias(YAML::Mark const& mark, YAML::anchor_t) override { count(mark); }
  void OnScalar(YAML::Mark const& mark, std::string const&, YAML::anchor_t, std::string const&) override {
    count(mark);
  }
  void OnSequenceStart(YAML::Mark const& mark, std::string const&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    count(mark);
  }
  void OnSequenceEnd() override {}
  void OnMapStart(YAML::Mark const& mark, std::string const&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    count(mark);
  }
  void OnMapEnd() override {}

 private:
  void count(YAML::Mark const& mark) {
    // Keys count as values here, which is why there may be twice as many.
    if (++values_ > 2 * max_values) throw unreadable{mark, too_many};
  }

  bool seen_ = false;
  int last_ = 0;
  std::size_t values_ = 0;
};

void go_through(std::string const& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  progress_watch watch;
  while (parser.HandleNextDocument(watch)) {
  }
}

}  // namespace

base::result<void> check(std::string const& text) {
  if (auto const why = not_a_text(text)) return base::error(*why);
  try {
    go_through(text);
    return {};
  } catch (YAML::Exception const& e) {
    return at(e.mark, e.msg);
  } catch (unreadable const& e) {
    return at(e.where, e.why);
  }
}

base::result<std::vector<json>> read_documents(std::string const& text) {
  if (auto const good = check(text); !good) return good.error();
  try {
    std::vector<json> documents;
    converter all;  // the limits are for the documents together: a small one with aliases can be there a thousand times
    for (auto const& node : YAML::LoadAll(text)) {
      auto value = all.convert(node, 0);
      if (!value.is_null()) documents.push_back(std::move(value));
    }
    return {boost::system::in_place_value, std::move(documents)};
  } catch (YAML::Exception const& e) {
    return at(e.mark, e.msg);
  } catch (unreadable const& e) {
    return at(e.where, e.why);
  }
}

base::result<json> read_json(std::string const& text) {
  if (auto const why = not_a_text(text)) return base::error(*why);
  std::vector<std::set<std::string>> keys;
  std::string wrong;
  auto const watch = [&](int depth, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second && wrong.empty()) {
      wrong = "the key \"" + value.get<std::string>() + "\" is there twice";
    }
    if (depth > max_depth) wrong = too_deep;
    return depth <= max_depth;
  };
  try {
    auto value = json::parse(text, watch);
    if (!wrong.empty()) return base::error(wrong);
    return {boost::system::in_place_value, std::move(value)};
  } catch (json::parse_error const& e) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    std::string_view what = e.what();
    what.remove_prefix(std::min(what.find("at line "), what.size()));
    if (what.empty()) return base::error("it is not JSON");
    // It repeats what it read last, which may be half a character.
    return base::error(base::repair_utf8(std::string(what.substr(3))));
  } catch (json::exception const&) {
    // The parser's only other complaint, and it says no place.
    return base::error("it holds a number that is too large");
  }
}

std::string as_utf8(std::string const& scalar) {
  if (base::is_valid_utf8(scalar)) return scalar;
  std::string out;
  int rest = 0;  // bytes that the character under way still has
  for (char const c : scalar) {
    auto const u = static_cast<unsigned char>(c);
    if (u >= 0xC0) {
      rest = u >= 0xF0 ? 3 : u >= 0xE0 ? 2 : 1;
    } else if (u >= 0x80 && rest > 0) {
      --rest;
    } else if (u >= 0x80) {
      out += '\xC2';
    }
    out += c;
  }
  return out;
}

bool stays_text_unquoted(std::string_view word) {
  return !is_null(word) && !as_bool(word) && !is_not_finite(word) && !as_number(word) && !looks_like_a_date(word) &&
         word != "<<" && word != "=";
}

}  // namespace codeexec::yaml
