// From a CodeExecution to the objects that run it: pure, each a value of JSON that the tests look at.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/api/validate.hpp"
#include "codeexec/base/result.hpp"
#include "codeexec/execution/config.hpp"

namespace codeexec::execution {

// Names that the operator, the command line and people who look at pods share.
inline constexpr std::string_view container_name = "code";
inline constexpr std::string_view runner_key = "codeexec-runner";  ///< in the runner's ConfigMap
inline constexpr std::string_view workspace = "/workspace";
inline constexpr std::string_view network_label = "codeexec.dev/network";  ///< "deny" or "allow", on pods
/// On Jobs and their Pods, each of which may be gone: what the runner was given. The code cannot read it there: it has
/// no access to the API, and no volume or variable of the pod shows its metadata.
inline constexpr std::string_view token_annotation = "codeexec.dev/token";
inline constexpr std::string_view input_annotation = "codeexec.dev/input-sha256";  ///< on Jobs and input ConfigMaps
inline constexpr std::string_view code_annotation = "codeexec.dev/code-sha256";    ///< on Jobs: of the code alone
inline constexpr std::string_view runner_annotation = "codeexec.dev/runner";       ///< on Jobs: its ConfigMap

/// A spec with the configuration's defaults filled in: what will be run.
struct resolved_spec {
  std::string language;
  std::string image;
  std::vector<std::string> command;  ///< complete: with the code's path and the arguments
  std::string file;                  ///< of the code, in the workspace
  std::vector<api::EnvVar> env;
  std::chrono::seconds timeout{};
  std::chrono::seconds startup_timeout{};
  api::ResourceRequirements resources;
  std::string runtime_class_name;
  bool network_allowed = false;
  std::int64_t max_output_bytes = 0;
  bool retain = false;
  /// Where it goes beyond what the operator allows (policy.hpp): it must not be started, while what was started under
  /// another policy goes on.
  std::vector<api::violation> violations;
};

/// The error is the message of InvalidSpec: it names the field. `ns`: whose settings hold; empty: those for all.
base::result<resolved_spec> resolve(api::CodeExecutionSpec const& spec, config const& with, std::string_view ns = {});
/// For an execution that has a Job already: what was accepted once goes on, though the configuration would not accept
/// it any more. What is not known of it now (the image of a language that was taken out) stays empty.
resolved_spec resolve_started(api::CodeExecutionSpec const& spec, config const& with, std::string_view ns);

/// Name of the Job, from the execution's name and UID; short enough that the Pod's name (six characters more) is a DNS
/// label.
std::string child_name(api::ObjectMeta const& execution);
/// Name of the input ConfigMap, from the Job's and the token in it: a Job that a late request makes under the same name
/// finds no input, whatever is left of its predecessor's.
std::string input_name(std::string_view job_name, std::string_view token);
/// "codeexec-runner-<first 12 digits>".
std::string runner_config_map_name(std::string_view runner_sha256);

/// `text` as the kubelet must be told it: it expands $(NAME) in commands and environment, and the contract says plain
/// values.
std::string without_expansion(std::string_view text);

/// What the ConfigMap of an execution holds: the code, the files and stdin.
struct input {
  std::map<std::string, std::string> data;                 ///< by key: valid UTF-8
  std::map<std::string, std::string> binary_data;          ///< by key: base64 of everything else
  std::vector<std::pair<std::string, std::string>> items;  ///< key, and its path in the volume
  bool has_stdin = false;
  std::string sha256;       ///< of all of it, paths included
  std::string code_sha256;  ///< of the code alone
};

/// `source`: the code, where spec.codeFrom names it. The error is the message of InvalidSpec (a broken base64, more
/// than a ConfigMap holds, a file in the code's place).
base::result<input> make_input(api::CodeExecutionSpec const& spec, resolved_spec const& resolved,
                               std::string const* source = nullptr);

/// Everything a Job needs beyond the spec.
struct job_parts {
  std::string runner_config_map;
  std::string token;  ///< A-Z a-z 0-9 - _, at most 64: unknown to the code, so that it cannot forge a result
};

/// The Job: controlled by the CodeExecution, one hardened pod, never retried.
nlohmann::json make_job(api::CodeExecution const& execution, resolved_spec const& resolved, input const& in,
                        job_parts const& parts, config const& with);

/// The immutable ConfigMap with the input: controlled by the Job, so that it goes where the Job goes, whoever deletes
/// it. A pod cannot start before it is there: it is also the starting signal.
nlohmann::json make_input_config_map(api::CodeExecution const& execution, input const& in, std::string_view job_uid,
                                     std::string_view token);

/// The immutable ConfigMap with the runner, one per namespace and version, shared by all executions; owned by nobody.
nlohmann::json make_runner_config_map(std::string_view ns, std::string_view runner, std::string_view runner_sha256);

/// The bounds that Job and operator set around the code's own clock, should the runner not keep it.
std::chrono::seconds pod_grace_period(config const& with);
std::chrono::seconds active_deadline(resolved_spec const& resolved, config const& with);

}  // namespace codeexec::execution
