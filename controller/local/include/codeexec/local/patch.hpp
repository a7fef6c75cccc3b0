// The patches of the API: JSON merge patch (RFC 7386), JSON patch (RFC 6902), strategic merge patch. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/local/status_error.hpp"

namespace codeexec::local {

result<nlohmann::json> apply_merge_patch(nlohmann::json target, nlohmann::json const& patch);

/// 400 where the document is no JSON patch; 422 where it does not apply (a test fails, a path is missing).
result<nlohmann::json> apply_json_patch(nlohmann::json const& target, nlohmann::json const& patch);

/// For built-in kinds: lists that have a merge key (containers, env, volumes, conditions, ...) are merged by it.
/// Directives: $patch: delete and replace, $retainKeys, $deleteFromPrimitiveList; $setElementOrder is dropped, since
/// the order of such lists carries no meaning here.
result<nlohmann::json> apply_strategic_patch(nlohmann::json target, nlohmann::json const& patch);

/// The key that elements of a list of this name are told apart by in built-in kinds; empty: the list is one value.
std::vector<std::string> builtin_list_keys(std::string_view list_name);

}  // namespace codeexec::local
