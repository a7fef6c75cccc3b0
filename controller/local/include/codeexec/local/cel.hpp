// The part of the Common Expression Language that CustomResourceDefinition rules here are written in: a parser and an
// evaluator. Pure. What is not supported is refused when the rule is compiled, never guessed when it runs.
//
// Supported: self, oldSelf, variables of macros; field selection and index; has(); == != < <= > >=; && || ! ?: with
// CEL's error absorption; + - * / %; in; size(), startsWith, endsWith, contains, matches, lowerAscii, upperAscii, trim,
// string(), int(); quantity() with compareTo, isLessThan and isGreaterThan; the macros all, exists, exists_one, map,
// filter; string (also raw), int, double, bool, null, list and map literals; other variables than self for those who
// declare them. Grammar: github.com/google/cel-spec, doc/langdef.md.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "codeexec/base/result.hpp"

namespace codeexec::local {

namespace cel {
struct node;
}

/// A compiled rule. Copies share the syntax tree; evaluation changes nothing.
class cel_program {
 public:
  /// The error says what is wrong and at which byte.
  static base::result<cel_program> compile(std::string_view source);
  /// With these variables in place of self and oldSelf, as a ValidatingAdmissionPolicy has object and variables.
  static base::result<cel_program> compile(std::string_view source, std::vector<std::string> variables);

  /// True where the rule mentions oldSelf: a transition rule, which is only asked where there is an old value.
  bool uses_old_self() const { return uses_old_self_; }

  /// `old_self` may be null where the rule does not use it. The error is CEL's: "no such key: name".
  base::result<bool> evaluate(nlohmann::json const& self, nlohmann::json const* old_self) const;
  /// For rules that compute something else than a truth (messageExpression).
  base::result<nlohmann::json> compute(nlohmann::json const& self, nlohmann::json const* old_self) const;
  base::result<nlohmann::json> compute(std::map<std::string, nlohmann::json> const& variables) const;

 private:
  std::shared_ptr<cel::node const> root_;
  bool uses_old_self_ = false;
};

}  // namespace codeexec::local
