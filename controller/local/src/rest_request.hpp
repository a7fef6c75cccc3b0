// A request taken apart: which resource, which options, which form of answer. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/local/status_error.hpp"

namespace codeexec::local {

/// The path of a resource request.
struct resource_path {
  std::string group;
  std::string version;
  std::string ns;
  std::string plural;
  std::string name;
  std::string subresource;
  std::string rest;  ///< what follows pods/NAME/proxy, as it was written: "/metrics"
};

/// Nothing where the path is not one of resources (discovery, health, nonsense).
std::optional<resource_path> parse_resource_path(std::string_view path);

/// "a%20b/c" in segments, decoded; nothing where an escape is broken.
std::optional<std::vector<std::string>> split_path(std::string_view path);

/// The query; of a repeated name the first value counts, as in Go's url.Values.Get.
class query {
 public:
  static query parse(std::string_view text);
  std::string get(std::string_view name) const;
  bool has(std::string_view name) const { return values_.contains(std::string(name)); }
  /// "true", "1", "True"...: strconv.ParseBool; false for anything else.
  bool flag(std::string_view name) const;
  std::optional<std::int64_t> number(std::string_view name) const;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

enum class answer_form { json, yaml, table, partial_object, partial_list, discovery };

/// What the Accept header asks for first among what we have; nothing: 406.
std::optional<answer_form> negotiate(std::string_view accept);

/// "application/json" of "application/json; charset=utf-8", in lower case.
std::string media_type(std::string_view content_type);

}  // namespace codeexec::local
