// JSON's data model as YAML that people read. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace codeexec::yaml {

/// One document, ended by a newline: mappings in the order of their keys, texts of whole lines as blocks ("|"), others
/// in double quotes where a reader of YAML could take them for something else. Strings must be UTF-8.
std::string write_document(nlohmann::json const& value);

}  // namespace codeexec::yaml
