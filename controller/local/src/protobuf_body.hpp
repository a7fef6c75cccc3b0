// kubectl's imperative commands (create namespace, create configmap, create serviceaccount) send protobuf and nothing
// else. Just enough of it to read those: k8s.io/apimachinery's runtime.Unknown around core/v1 messages. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace codeexec::local {

/// The object as JSON; nothing where it is malformed, of a kind that is not known here, or says something that would be
/// lost.
std::optional<nlohmann::json> parse_protobuf(std::string_view body);

}  // namespace codeexec::local
