#include "codeexec/kube_core/stored_size.hpp"

#include <nlohmann/json.hpp>

namespace codeexec::kube {
namespace {

constexpr std::size_t escaped = 6;  // \uXXXX

bool is_line_separator(std::string_view text) {
  return text.starts_with("\u2028") || text.starts_with("\u2029");
}

}  // namespace

std::size_t json_length(std::string_view text) {
  std::size_t length = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto const byte = static_cast<unsigned char>(text[i]);
    if (byte == '"' || byte == '\\' || byte == '\n' || byte == '\t' || byte == '\r') {
      length += 2;
    } else if (byte < 0x20 || byte == '<' || byte == '>' || byte == '&') {
      length += escaped;
    } else if (byte == 0xE2 && is_line_separator(text.substr(i))) {
      length += escaped;
      i += 2;
    } else {
      length += 1;
    }
  }
  return length;
}

std::size_t stored_length(nlohmann::json const& object) {
  return stored_length_of_text(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::size_t stored_length_of_text(std::string_view json) {
  std::size_t length = json.size();
  for (std::size_t i = 0; i < json.size(); ++i) {
    char const c = json[i];
    if (c == '\\') {
      ++i;
      if (i < json.size() && (json[i] == 'b' || json[i] == 'f')) length += escaped - 2;
    } else if (c == '<' || c == '>' || c == '&') {
      length += escaped - 1;
    } else if (c == '\xE2' && is_line_separator(json.substr(i))) {
      length += escaped - 3;
    }
  }
  return length;
}

}  // namespace codeexec::kube
