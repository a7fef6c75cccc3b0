// One page of a list, decoded.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/kube_core/error.hpp"

namespace codeexec::kube {

struct list_page {
  std::string resource_version;  ///< where a watch goes on; opaque
  std::string continue_token;    ///< empty: the last page
  std::optional<std::int64_t> remaining;
  /// Objects as they came: those of built-in kinds carry neither apiVersion nor kind here.
  std::vector<nlohmann::json> items;
};

/// Error: kind `decode`, where the body is not a list. Items are not looked into: one bad object does not spoil a page.
result<list_page> decode_list(std::string_view body);

}  // namespace codeexec::kube
