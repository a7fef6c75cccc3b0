// Which language a file is written in, judged as a shell and an editor would: by its suffix, then by its first line.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace codeexec::cli {

/// The runtime's name ("python", "bash", "node", "ruby", "perl"), or nothing where neither the name's suffix nor the
/// shebang line says. `path` may be empty (code from standard input).
std::optional<std::string> guess_language(std::string_view path, std::string_view code);

}  // namespace codeexec::cli
