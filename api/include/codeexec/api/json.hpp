// The one place where the API's types meet JSON.
//
// Reading is lenient where the server guarantees nothing for us (unknown fields are ignored) and strict about types: a
// field of the wrong type is an error that names it ("spec.timeoutSeconds: expected an integer, got a string").
// Writing leaves out what is absent or empty.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>

#include "codeexec/api/code_execution.hpp"

namespace codeexec::api {

/// A value, or the sentence that says which field is wrong.
struct decode_error {
  std::string field;    ///< "spec.files[2].path"
  std::string message;  ///< "expected a string, got a number"
  std::string describe() const { return field.empty() ? message : field + ": " + message; }
};

std::variant<CodeExecution, decode_error> decode_code_execution(nlohmann::json const& object);
std::variant<ObjectMeta, decode_error> decode_object_meta(nlohmann::json const& metadata);

/// metadata, spec and status, with apiVersion and kind.
nlohmann::json encode(CodeExecution const& object);
nlohmann::json encode(CodeExecutionSpec const& spec);
nlohmann::json encode(CodeExecutionStatus const& status);
nlohmann::json encode(ObjectMeta const& metadata);
nlohmann::json encode(OwnerReference const& reference);

}  // namespace codeexec::api
