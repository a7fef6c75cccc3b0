#include "codeexec/cli/language.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "codeexec/base/text.hpp"

namespace codeexec::cli {

namespace {

using namespace std::string_view_literals;

constexpr std::array suffixes{
    std::pair{".py"sv, "python"sv}, std::pair{".pyw"sv, "python"sv}, std::pair{".sh"sv, "bash"sv},
    std::pair{".bash"sv, "bash"sv}, std::pair{".js"sv, "node"sv},    std::pair{".mjs"sv, "node"sv},
    std::pair{".cjs"sv, "node"sv},  std::pair{".rb"sv, "ruby"sv},    std::pair{".pl"sv, "perl"sv},
    std::pair{".plx"sv, "perl"sv},
};

constexpr std::array interpreters{
    std::pair{"python"sv, "python"sv}, std::pair{"pypy"sv, "python"sv}, std::pair{"bash"sv, "bash"sv},
    std::pair{"sh"sv, "bash"sv},       std::pair{"dash"sv, "bash"sv},   std::pair{"node"sv, "node"sv},
    std::pair{"nodejs"sv, "node"sv},   std::pair{"ruby"sv, "ruby"sv},   std::pair{"perl"sv, "perl"sv},
};

std::string_view next_word(std::string_view& line) {
  auto const from = line.find_first_not_of(" \t");
  if (from == std::string_view::npos) {
    line = {};
    return {};
  }
  line.remove_prefix(from);
  auto const length = std::min(line.find_first_of(" \t"), line.size());
  auto const word = line.substr(0, length);
  line.remove_prefix(length);
  return word;
}

std::string_view base_name(std::string_view path) {
  auto const slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::optional<std::string> by_interpreter(std::string_view program) {
  auto name = base_name(program);
  // python3, python3.11, ruby2.7: the version says nothing about the language.
  auto const last = name.find_last_not_of("0123456789.");
  name = last == std::string_view::npos ? std::string_view() : name.substr(0, last + 1);
  if (!name.empty() && name.back() == '-') name.remove_suffix(1);
  for (auto const& [interpreter, language] : interpreters) {
    if (name == interpreter) return std::string(language);
  }
  return std::nullopt;
}

std::optional<std::string> by_shebang(std::string_view code) {
  if (!code.starts_with("#!")) return std::nullopt;
  auto line = code.substr(2, code.find_first_of("\r\n") == std::string_view::npos ? std::string_view::npos
                                                                                  : code.find_first_of("\r\n") - 2);
  auto word = next_word(line);
  if (base_name(word) == "env") {
    // "env -S python3 -u", "env VAR=1 python3": the program is the first word that is neither flag nor assignment.
    do {
      word = next_word(line);
    } while (!word.empty() && (word.front() == '-' || word.find('=') != std::string_view::npos));
  }
  if (word.empty()) return std::nullopt;
  return by_interpreter(word);
}

}  // namespace

std::optional<std::string> guess_language(std::string_view path, std::string_view code) {
  auto const name = base_name(path);
  auto const dot = name.rfind('.');
  if (dot != std::string_view::npos) {
    auto const suffix = base::to_lower(name.substr(dot));
    for (auto const& [known, language] : suffixes) {
      if (suffix == known) return std::string(language);
    }
  }
  return by_shebang(code);
}

}  // namespace codeexec::cli
