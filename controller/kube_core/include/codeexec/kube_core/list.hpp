// One page of a list, decoded.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/kube_core/error.hpp"
#include "codeexec/kube_core/projection.hpp"

namespace codeexec::kube {

/// Where a list stands after a page.
struct list_position {
  std::string resource_version;  ///< where a watch goes on; opaque
  std::string continue_token;    ///< empty: that was the last page
  std::optional<std::int64_t> remaining;
};

struct list_page : list_position {
  /// Objects as they came: those of built-in kinds carry neither apiVersion nor kind here.
  std::vector<nlohmann::json> items;
};

/// Error: kind `decode`, where the body is not a list. Items are not looked into: one bad object does not spoil a page.
result<list_page> decode_list(std::string_view body);

/// The same without ever holding more than one item: each is handed to `item` as it comes, pruned to `keep`
/// (list_projection()). An error may come after some items: a list is only whole once its last page has succeeded.
result<list_position> decode_list(std::string_view body, projection const& keep,
                                  std::function<void(nlohmann::json&&)> const& item);

}  // namespace codeexec::kube
