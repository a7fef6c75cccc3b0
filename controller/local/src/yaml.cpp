#include "codeexec/local/yaml.hpp"

#include <charconv>
#include <cmath>
#include <yaml-cpp/yaml.h>

namespace codeexec::local {
namespace {

using nlohmann::json;

constexpr int max_depth = 200;

struct too_deep {};

/// A plain scalar by YAML's core schema, with the booleans of YAML 1.1 that Kubernetes' parser knows.
json plain(std::string const& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
    return nullptr;
  }
  for (char const* word : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"}) {
    if (text == word) {
      return true;
    }
  }
  for (char const* word : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"}) {
    if (text == word) {
      return false;
    }
  }
  char const* const begin = text.data() + (text.front() == '+' ? 1 : 0);
  char const* const end = text.data() + text.size();
  bool const negative = *begin == '-';
  std::string_view const digits(begin + (negative ? 1 : 0),
                                static_cast<std::size_t>(end - begin) - (negative ? 1u : 0u));
  std::int64_t integer = 0;
  if (digits.starts_with("0x") || digits.starts_with("0o")) {
    auto const done = std::from_chars(digits.data() + 2, end, integer, digits[1] == 'x' ? 16 : 8);
    if (done.ec == std::errc() && done.ptr == end) {
      return negative ? -integer : integer;
    }
    return text;
  }
  auto const done = std::from_chars(begin, end, integer);
  if (done.ec == std::errc() && done.ptr == end) {
    // A leading zero means octal to the parser that kubectl uses.
    if (digits.size() > 1 && digits.front() == '0') {
      auto const octal = std::from_chars(digits.data(), end, integer, 8);
      if (octal.ec != std::errc() || octal.ptr != end) {
        return text;
      }
      return negative ? -integer : integer;
    }
    return integer;
  }
  bool const numeric = !digits.empty() && (digits.front() == '.' || (digits.front() >= '0' && digits.front() <= '9'));
  if (numeric) {
    double real = 0;
    auto const parsed = std::from_chars(begin, end, real);
    if (parsed.ec == std::errc() && parsed.ptr == end && std::isfinite(real)) {
      return real;
    }
  }
  return text;
}

json convert(YAML::Node const& node, int depth) {
  if (depth > max_depth) {
    throw too_deep();
  }
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      return nullptr;
    case YAML::NodeType::Scalar:
      // yaml-cpp marks quoted and block scalars with the tag "!".
      return node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str" ? json(node.Scalar()) : plain(node.Scalar());
    case YAML::NodeType::Sequence: {
      json out = json::array();
      for (YAML::Node const& item : node) {
        out.push_back(convert(item, depth + 1));
      }
      return out;
    }
    case YAML::NodeType::Map: {
      json out = json::object();
      for (auto const& entry : node) {
        out[entry.first.Scalar()] = convert(entry.second, depth + 1);
      }
      return out;
    }
  }
  return nullptr;
}

void emit(YAML::Emitter& out, json const& value) {
  switch (value.type()) {
    case json::value_t::object:
      if (value.empty()) {
        out << YAML::Flow << YAML::BeginMap << YAML::EndMap;
        return;
      }
      out << YAML::BeginMap;
      for (auto const& [key, inner] : value.items()) {
        out << YAML::Key << key << YAML::Value;
        emit(out, inner);
      }
      out << YAML::EndMap;
      return;
    case json::value_t::array:
      if (value.empty()) {
        out << YAML::Flow << YAML::BeginSeq << YAML::EndSeq;
        return;
      }
      out << YAML::BeginSeq;
      for (json const& inner : value) {
        emit(out, inner);
      }
      out << YAML::EndSeq;
      return;
    case json::value_t::string: {
      std::string const& text = value.get_ref<std::string const&>();
      // Quoted where a reader would take it for something else, a date included.
      bool const date = text.size() >= 10 && text[4] == '-' && text[7] == '-' && text[0] >= '0' && text[0] <= '9';
      if (date || !plain(text).is_string()) {
        out << YAML::DoubleQuoted << text;
      } else {
        out << text;
      }
      return;
    }
    case json::value_t::null:
      out << YAML::Null;
      return;
    default:
      out << value.dump();
  }
}

}  // namespace

base::result<std::vector<json>> parse_yaml_documents(std::string const& text) {
  try {
    std::vector<json> out;
    for (YAML::Node const& document : YAML::LoadAll(text)) {
      json value = convert(document, 0);
      if (!value.is_null()) {
        out.push_back(std::move(value));
      }
    }
    return out;
  } catch (YAML::Exception const& failure) {
    return base::error(std::string("error converting YAML to JSON: ") + failure.what());
  } catch (too_deep const&) {
    return base::error("error converting YAML to JSON: nested too deeply");
  }
}

base::result<json> parse_yaml(std::string const& text) {
  auto all = parse_yaml_documents(text);
  if (!all) {
    return all.error();
  }
  if (all->size() != 1) {
    return base::error("expected one YAML document, found " + std::to_string(all->size()));
  }
  return base::result<json>(boost::system::in_place_value, std::move(all->front()));
}

std::string emit_yaml(json const& value) {
  YAML::Emitter out;
  out.SetSeqFormat(YAML::Block);
  emit(out, value);
  return std::string(out.c_str(), out.size()) + "\n";
}

}  // namespace codeexec::local
