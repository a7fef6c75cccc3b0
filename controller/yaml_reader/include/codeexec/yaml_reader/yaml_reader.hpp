// YAML into JSON's data model, as kubectl reads a manifest. Pure; never throws, whatever the text holds.
//
// kubectl and the API server read YAML by sigs.k8s.io/yaml, whose goyaml.v2/resolve.go says what a plain scalar is:
// YAML 1.2's core schema, besides the booleans (y, n, yes, no, on, off), the octal numbers with a leading 0, the binary
// ones and the underscores in numbers of YAML 1.1. Quoted and block scalars are always text.
//
// Knowingly different: a key given twice is refused (kubectl takes the last, silently), and so is !!binary.
//
// Limits: 4 MiB of text, of documents together 4 MiB of text and 200,000 values with their aliases filled in, 100
// levels. No request can be larger, and no manifest of ours comes near.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/base/result.hpp"

namespace codeexec::yaml {

/// Every document of `text`, empty ones left out. The error is a sentence that begins with its place:
/// "line 3, column 1: the key "a" is there twice". It may quote the text.
base::result<std::vector<nlohmann::json>> read_documents(std::string const& text);

/// Whether yaml-cpp gets through `text`, for those who need its nodes and their places: YAML::LoadAll() by itself fills
/// the memory on a text like ",". Bounds the text, not what its aliases stand for.
base::result<void> check(std::string const& text);

/// A scalar as yaml-cpp hands it over, for those who read its nodes: yaml-cpp 0.7 writes the escapes \N (U+0085) and
/// \_ (U+00A0) as single bytes, as Latin-1 would.
std::string as_utf8(std::string const& scalar);

/// One JSON document under the same rules: no key twice, not nested without measure.
base::result<nlohmann::json> read_json(std::string const& text);

/// Is this word, written without quotes, read as itself? Not so are "", "y", "5", "null", and a date, which other
/// readers take for one. For those who write YAML.
bool stays_text_unquoted(std::string_view word);

}  // namespace codeexec::yaml
