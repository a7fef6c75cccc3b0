#include "codeexec/local/yaml.hpp"

#include <algorithm>
#include <utility>
#include <yaml-cpp/yaml.h>

#include "codeexec/yaml_reader/yaml_reader.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

/// The emitter leaves a carriage return as it is in a plain scalar, where readers take it for a space or a line's end;
/// so they do with NEL and the byte order mark. In double quotes it writes escapes.
bool must_be_escaped(std::string const& text) {
  auto const is_control = [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; };
  return std::any_of(text.begin(), text.end(), is_control) || text.find("\xC2\x85") != std::string::npos ||
         text.find("\xEF\xBB\xBF") != std::string::npos;
}

void emit_string(YAML::Emitter& out, std::string const& text) {
  if (yaml::stays_text_unquoted(text) && !must_be_escaped(text)) {
    out << text;
  } else {
    out << YAML::DoubleQuoted << text;
  }
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
        out << YAML::Key;
        emit_string(out, key);
        out << YAML::Value;
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
    case json::value_t::string:
      emit_string(out, value.get_ref<std::string const&>());
      return;
    case json::value_t::null:
      out << YAML::Null;
      return;
    default:
      out << value.dump();
  }
}

}  // namespace

base::result<std::vector<json>> parse_yaml_documents(std::string const& text) {
  auto documents = yaml::read_documents(text);
  if (!documents) {
    return base::error("error converting YAML to JSON: yaml: " + documents.error().message);
  }
  return documents;
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
