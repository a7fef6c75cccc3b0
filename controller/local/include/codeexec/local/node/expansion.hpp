// $(NAME) in a container's command, args and env, as Kubernetes expands it. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace codeexec::local {

using environment = std::map<std::string, std::string, std::less<>>;

/// "$(NAME)" becomes the variable's value; a name that is not defined stays as it is written; "$$" is one "$", so
/// "$$(NAME)" is the text "$(NAME)".
std::string expand_variables(std::string_view text, environment const& variables);

}  // namespace codeexec::local
