#include "codeexec/yaml_reader/yaml_writer.hpp"

#include <array>
#include <cctype>
#include <cstdio>
#include <yaml-cpp/yaml.h>

#include "codeexec/base/text.hpp"
#include "codeexec/yaml_reader/yaml_reader.hpp"

namespace codeexec::yaml {
namespace {

/// Whether YAML's plain style says this very string: nothing that any reader takes for a number, a truth value, null,
/// a date or an indicator.
bool is_plain_word(std::string const& text) {
  if (text.empty()) return false;
  auto const first = static_cast<unsigned char>(text.front());
  if (std::isalpha(first) == 0 && first != '/' && first != '_') return false;
  for (auto const c : text) {
    auto const u = static_cast<unsigned char>(c);
    if (std::isalnum(u) == 0 && c != '-' && c != '_' && c != '.' && c != '/' && c != '@' && c != '+') return false;
  }
  return stays_text_unquoted(base::to_lower(text));
}

/// Whether a block ("|") says this very string: whole lines, nothing that needs an escape, an indentation that the
/// first line shows.
bool is_block(std::string const& text) {
  if (text.size() < 2 || text.back() != '\n' || text[text.size() - 2] == '\n') return false;
  if (text.front() == ' ' || text.front() == '\n' || text.front() == '\t') return false;
  if (text.find('\n') == text.size() - 1 && text.size() < 60) return false;  // one short line reads better quoted
  // Unicode's own line breaks, which some readers of YAML take for one.
  for (auto const* separator : {"\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xEF\xBB\xBF"}) {
    if (text.find(separator) != std::string::npos) return false;
  }
  for (auto const c : text) {
    auto const u = static_cast<unsigned char>(c);
    if ((u < 0x20 && c != '\n' && c != '\t') || u == 0x7f) return false;
  }
  return true;
}

/// Whether the text may hold a code point that Unicode reserves for nobody (U+FFFE, U+FFFF, their like in other planes,
/// U+FDD0 to U+FDEF). yaml-cpp writes U+FFFD for them. A few others look the same here; escapes do them no harm.
bool may_hold_noncharacter(std::string const& text) {
  for (auto const* bytes : {"\xBF\xBE", "\xBF\xBF", "\xEF\xB7"}) {
    if (text.find(bytes) != std::string::npos) return true;
  }
  return false;
}

/// In double quotes and ASCII alone. JSON's escapes are YAML's but for pairs of surrogates, which YAML has in one.
std::string escaped(std::string const& text) {
  auto out = nlohmann::json(text).dump(-1, ' ', true);
  for (auto at = out.find('\\'); at != std::string::npos; at = out.find('\\', at + 2)) {
    if (out.compare(at, 3, "\\ud") != 0 || out[at + 3] < '8') continue;
    auto const half = [&](std::size_t from) { return std::stoul(out.substr(from, 4), nullptr, 16); };
    auto const point = 0x10000UL + ((half(at + 2) - 0xD800UL) << 10U) + (half(at + 8) - 0xDC00UL);
    std::array<char, 11> one{};
    std::snprintf(one.data(), one.size(), "\\U%08lX", point);
    out.replace(at, 12, one.data());
  }
  return out;
}

void emit_string(YAML::Emitter& out, std::string const& text, bool may_block) {
  if (may_hold_noncharacter(text)) {
    out.WriteIntegralType(escaped(text));  // any scalar that is ready as it is
  } else if (is_plain_word(text)) {
    out << text;
  } else if (may_block && is_block(text)) {
    // yaml-cpp ends a block with the newline that it then keeps: the text's own last one must not be added to it.
    out << YAML::Literal << text.substr(0, text.size() - 1);
  } else {
    out << YAML::DoubleQuoted << text;
  }
}

/// YAML lets a key stand before a colon only where both are on one line, at most 1024 characters apart; a byte that is
/// escaped takes six. A longer one has to say "?" first.
bool is_long_key(std::string const& text) {
  return text.size() > (is_plain_word(text) ? 1000U : 160U);
}

void emit(YAML::Emitter& out, nlohmann::json const& value) {
  using kind = nlohmann::json::value_t;
  switch (value.type()) {
    case kind::object:
      if (value.empty()) {
        out << YAML::Flow << YAML::BeginMap << YAML::EndMap;
        return;
      }
      out << YAML::BeginMap;
      for (auto const& [key, item] : value.items()) {
        if (is_long_key(key)) out << YAML::LongKey;
        out << YAML::Key;
        emit_string(out, key, false);
        out << YAML::Value;
        emit(out, item);
      }
      out << YAML::EndMap;
      return;
    case kind::array:
      if (value.empty()) {
        out << YAML::Flow << YAML::BeginSeq << YAML::EndSeq;
        return;
      }
      out << YAML::BeginSeq;
      for (auto const& item : value)
        emit(out, item);
      out << YAML::EndSeq;
      return;
    case kind::string:
      emit_string(out, value.get_ref<std::string const&>(), true);
      return;
    case kind::null:
      out << YAML::Null;
      return;
    default:
      out << value.dump();
      return;
  }
}

}  // namespace

std::string write_document(nlohmann::json const& value) {
  YAML::Emitter out;
  out.SetIndent(2);
  emit(out, value);
  return std::string(out.c_str(), out.size()) + "\n";
}

}  // namespace codeexec::yaml
