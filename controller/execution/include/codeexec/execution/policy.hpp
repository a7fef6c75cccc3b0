// What the operator allows: bounds that the configuration sets and a CodeExecution must keep, per namespace. Pure.
//
// A spec that breaks a rule which holds everywhere is InvalidSpec (api/validate.hpp). One that is well-formed and asks
// for more than this operator gives is PolicyViolation: the same object may be fine in another namespace.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/api/validate.hpp"

namespace codeexec::execution {

struct config;
struct resolved_spec;

/// A pattern against a whole text: "?" is one character and "*" any number of them, both never "/"; "**" is any number
/// of any characters. Everything else is itself. No pattern makes it slow: at most the square of the text.
bool matches_pattern(std::string_view pattern, std::string_view text);
bool matches_any(std::vector<std::string> const& patterns, std::string_view text);
/// Without a wildcard, so that it stands for one text.
bool is_plain(std::string_view pattern);

/// From `min` to `max`, both allowed.
struct number_bounds {
  std::int64_t min;
  std::int64_t max;
};

/// Quantities as they were written ("500m"), both allowed; absent: no bound.
struct quantity_bounds {
  std::optional<std::string> min;
  std::optional<std::string> max;
};

/// One entry under `policy`, each with the key's name in camel case.
struct execution_policy {
  number_bounds timeout_seconds{1, api::limits::max_timeout_seconds};
  number_bounds startup_timeout_seconds{1, api::limits::max_timeout_seconds};
  number_bounds output_max_bytes{1, api::limits::max_output_bytes};  ///< output.maxBytes, per stream
  /// resources.requests and resources.limits, by cpu, memory and ephemeral-storage.
  std::map<std::string, quantity_bounds> requests;
  std::map<std::string, quantity_bounds> limits;
  /// Of the images that a spec names itself; those of the runtimes are the operator's own and always allowed.
  std::vector<std::string> allowed_images{"**"};
  /// Of every image, the runtimes' included: NAME@sha256:..., so that what runs cannot change behind its name.
  bool require_image_digest = false;
  std::vector<std::string> allowed_languages{"*"};
  std::vector<std::string> allowed_runtime_classes{"*"};
  std::vector<std::string> allowed_networks{"Deny", "Allow"};
  bool allow_code_from = true;
};

/// Whether the image is named by the digest of its content.
bool has_digest(std::string_view image);

/// Every bound that the execution would break, with what its spec says or what it gets by default: fields in the order
/// of the spec, each message with the value and the bound. `resolved` is what resolve() made of `spec`.
std::vector<api::violation> check_policy(api::CodeExecutionSpec const& spec, resolved_spec const& resolved,
                                         execution_policy const& policy, config const& with);

/// What a configuration allows that its author may not have thought of, a sentence each: for whoever starts or checks
/// it.
std::vector<std::string> describe_risks(config const& with);

/// All of them in one sentence: the message of PolicyViolation.
std::string describe_policy_violations(std::vector<api::violation> const& violations, std::string_view ns);

}  // namespace codeexec::execution
