// Small things every layer does with text.
#pragma once

#include <string>
#include <string_view>

namespace codeexec::base {

/// For sentences: "text", as it stands.
std::string in_quotes(std::string_view text);

/// ASCII letters in lower case, whatever the locale; every other byte as it is.
std::string to_lower(std::string_view text);

}  // namespace codeexec::base
