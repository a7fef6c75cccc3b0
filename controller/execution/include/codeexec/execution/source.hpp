// The code that spec.codeFrom names: read when the execution is about to start, and hashed before where it has to wait.
// Pure.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/base/result.hpp"
#include "codeexec/base/time.hpp"

namespace codeexec::execution {

/// What became of asking for it.
struct source_state {
  std::shared_ptr<std::string const> code;       ///< null: not asked for, or not there (yet)
  std::string problem;                           ///< why it is not there, in a sentence; empty where nobody has asked
  std::optional<base::wall_time> asked;          ///< when the last answer came
  std::optional<base::wall_time> missing_since;  ///< the first of the answers without it
  /// It was asked for to note down its hash, which is empty where it was not there. The code itself is not kept: many
  /// may wait.
  bool noted = false;
  std::string sha256;
};

/// The bytes under the key: a text of `data` as it is, a value of `binaryData` decoded. The error is the sentence that
/// the status shows while waiting may help, and in the end with SourceMissing.
base::result<std::string> read_source(api::ConfigMapKeyRef const& from, nlohmann::json const& config_map);

/// The same sentence for a ConfigMap that is not there, or that the API server would not give out, with its words.
std::string missing_source_text(api::ConfigMapKeyRef const& from, std::string_view ns);
std::string unreadable_source_text(api::ConfigMapKeyRef const& from, std::string_view why);

}  // namespace codeexec::execution
