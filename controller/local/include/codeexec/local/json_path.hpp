// The JSONPath of printer columns: .a.b, ['a'], [0], [-1], [*], [?(@.type=="Ready")]. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/base/result.hpp"

namespace codeexec::local {

class json_path {
 public:
  /// Braces around and a missing leading dot are accepted.
  static base::result<json_path> compile(std::string_view source);
  /// Everything the path leads to, in order.
  std::vector<nlohmann::json const*> find(nlohmann::json const& value) const;

 private:
  struct step {
    enum class kind { field, index, all, filter };
    kind what;
    std::string name;  ///< field; filter: dotted path of the left side
    std::int64_t index = 0;
    std::string comparison;   ///< filter: == or !=
    nlohmann::json constant;  ///< filter: right side
  };
  std::vector<step> steps_;
};

}  // namespace codeexec::local
