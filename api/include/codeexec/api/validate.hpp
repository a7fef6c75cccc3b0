// The rules of a spec that neither the CRD's schema nor its CEL rules can say, and those they say once more: an object
// may have been stored before a rule was, or on a cluster without CEL.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "codeexec/api/code_execution.hpp"

namespace codeexec::api {

struct violation {
  std::string field;    ///< "spec.files[1].path"
  std::string message;  ///< "must not leave the workspace: \"../x\""
};

/// Everything that is wrong with the spec taken alone, in the order of its fields; empty where nothing is. Defaults
/// must have been applied by the caller or be absent.
std::vector<violation> validate(CodeExecutionSpec const& spec);

/// "spec.a: x; spec.b: y", at most `max` of them and then how many more.
std::string describe(std::vector<violation> const& violations, std::size_t max = 5);

/// A workspace path: relative, without empty, "." or ".." parts, without NUL or control characters, no part starting
/// with ".." (the kubelet keeps those for itself), at most 255 bytes a part and 1024 in all. Empty where it is fine,
/// else why not.
std::string check_workspace_path(std::string const& path);

}  // namespace codeexec::api
