#include "codeexec/local/node/expansion.hpp"

namespace codeexec::local {

std::string expand_variables(std::string_view text, environment const& variables) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '$' || at + 1 == text.size()) {
      out += text[at];
      continue;
    }
    char const next = text[at + 1];
    if (next == '$') {
      out += '$';
      ++at;
      continue;
    }
    auto const close = next == '(' ? text.find(')', at + 2) : std::string_view::npos;
    if (close == std::string_view::npos) {
      out += '$';
      continue;
    }
    auto const name = text.substr(at + 2, close - at - 2);
    auto const found = variables.find(name);
    if (found != variables.end()) {
      out += found->second;
    } else {
      out += text.substr(at, close - at + 1);
    }
    at = close;
  }
  return out;
}

}  // namespace codeexec::local
