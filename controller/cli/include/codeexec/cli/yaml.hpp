// YAML into JSON's data model, as kubectl reads a manifest.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "codeexec/base/result.hpp"

namespace codeexec::cli {

/// Every document of `text`, empty ones left out. Quoted and block scalars are strings; plain ones are what kubectl's
/// reader takes them for (sigs.k8s.io/yaml: the core schema, besides yes, no, on, off and 0-prefixed octal of
/// YAML 1.1). What JSON cannot say (a key given twice, .nan, !!binary) is an error: a sentence with the line in it.
base::result<std::vector<nlohmann::json>> read_yaml(std::string const& text);

/// One JSON document under the same rules: no key twice, not nested without measure.
base::result<nlohmann::json> read_json(std::string const& text);

}  // namespace codeexec::cli
