// YAML as kubectl and the API read it: JSON's data model in another spelling. Limits and spellings are those of
// yaml_reader; errors begin as the API's do.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "codeexec/base/result.hpp"

namespace codeexec::local {

/// One document.
base::result<nlohmann::json> parse_yaml(std::string const& text);
/// All documents of a file, empty ones left out.
base::result<std::vector<nlohmann::json>> parse_yaml_documents(std::string const& text);

}  // namespace codeexec::local
