// kubectl's -o jsonpath: a template over an object. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "codeexec/base/result.hpp"

namespace codeexec::cli {

/// Text outside braces as it is (kubectl adds no newline either); within them a path (.field, ['key'], [0], [-1],
/// [1:3],
/// [*], .*, ..field), quoted text with \n and \t, or {range PATH}...{end}. Texts are written bare, numbers and booleans
/// as JSON, objects and lists as JSON in one line; several results are separated by spaces. A field that is not there
/// gives nothing. Errors: the template is malformed, or uses what is not supported (filters).
base::result<std::string> render_json_path(std::string const& pattern, nlohmann::json const& object);

}  // namespace codeexec::cli
