// Label and field selectors of the query, parsed and matched. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/local/object.hpp"
#include "codeexec/local/status_error.hpp"
#include "codeexec/local/strategy.hpp"

namespace codeexec::local {

/// "app=web,tier in (a,b),!legacy": all requirements must hold.
class label_selector {
 public:
  static result<label_selector> parse(std::string_view text);
  bool matches(nlohmann::json const& value) const;
  bool empty() const { return requirements_.empty(); }

 private:
  enum class op { in, not_in, exists, absent, less, greater };
  struct requirement {
    std::string key;
    op what = op::exists;
    std::vector<std::string> values;
  };
  std::vector<requirement> requirements_;
};

/// "metadata.name=a,status.phase!=Failed"; only fields that the type can be selected by.
class field_selector {
 public:
  static result<field_selector> parse(std::string_view text, resource_type const& type);
  bool matches(nlohmann::json const& value) const;
  bool empty() const { return requirements_.empty(); }

 private:
  struct requirement {
    std::string path;
    std::string value;
    bool equal = true;
  };
  std::vector<requirement> requirements_;
};

}  // namespace codeexec::local
