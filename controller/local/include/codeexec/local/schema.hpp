// Structural OpenAPI v3 schemas, as CustomResourceDefinitions carry them: defaults, pruning, validation, CEL rules.
// Pure. Sentences, reasons and paths are those of a real API server.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "codeexec/base/result.hpp"
#include "codeexec/local/cel.hpp"
#include "codeexec/local/pattern.hpp"
#include "codeexec/local/status_error.hpp"

namespace codeexec::local {

/// One node of a compiled schema. Immutable.
struct schema_node {
  std::string type;  ///< object, array, string, integer, number, boolean; empty: any
  std::string format;
  bool nullable = false;
  bool int_or_string = false;
  bool preserve_unknown = false;
  bool embedded_resource = false;
  std::map<std::string, std::shared_ptr<schema_node const>, std::less<>> properties;
  std::shared_ptr<schema_node const> additional;  ///< additionalProperties
  bool any_additional = false;                    ///< additionalProperties: true
  std::shared_ptr<schema_node const> items;
  std::vector<std::string> required;
  std::optional<nlohmann::json> default_value;
  std::vector<nlohmann::json> allowed;  ///< enum
  std::optional<pattern> matches;
  std::string pattern_text;
  std::optional<double> minimum;
  std::optional<double> maximum;
  bool exclusive_minimum = false;
  bool exclusive_maximum = false;
  std::optional<double> multiple_of;
  std::optional<std::size_t> min_length, max_length, min_items, max_items, min_properties, max_properties;
  bool unique_items = false;
  std::string list_type;  ///< atomic, set, map
  std::vector<std::string> map_keys;
  bool atomic_map = false;  ///< x-kubernetes-map-type: atomic
  std::vector<std::shared_ptr<schema_node const>> all_of, any_of, one_of;
  std::shared_ptr<schema_node const> not_of;

  struct rule {
    std::string source;
    cel_program program;
    std::string message;
    std::optional<cel_program> message_expression;
    std::string reason;      ///< of the cause: "FieldValueInvalid" unless the rule says otherwise
    std::string field_path;  ///< relative, with its dot: ".size"
  };
  std::vector<rule> rules;
};

class structural_schema {
 public:
  structural_schema() = default;

  /// From openAPIV3Schema. The error names the place and what is wrong or not supported there; a rule that cannot be
  /// parsed is an error that quotes the rule.
  static base::result<structural_schema> compile(nlohmann::json const& open_api);

  explicit operator bool() const { return root_ != nullptr; }
  schema_node const& root() const { return *root_; }

  void apply_defaults(nlohmann::json& value) const;
  /// Drops what the schema does not know and returns its paths ("spec.bogus", "spec.items[0].x").
  std::vector<std::string> prune(nlohmann::json& value) const;
  /// Values and rules. With `old`, what has not changed is not judged again.
  field_errors validate(nlohmann::json const& value, nlohmann::json const* old) const;
  /// The first value of a wrong JSON type, as the sentence of a failed decode; for types that are not custom.
  std::optional<std::string> wrong_type(nlohmann::json const& value, std::string_view struct_name) const;

 private:
  std::shared_ptr<schema_node const> root_;
  bool has_rules_ = false;
};

}  // namespace codeexec::local
