// How many bytes an object takes in the API server's store, and how many it may. Pure.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace codeexec::kube {

/// etcd's --max-request-bytes. A greater object is refused: "etcdserver: request is too large".
inline constexpr std::size_t max_stored_bytes = 1536 * 1024;
/// Of a request's body. A greater one is answered with 413.
inline constexpr std::size_t max_request_bytes = 3 * 1024 * 1024;

/// Bytes of `text`, valid UTF-8, as a JSON string without its quotes, in the spelling of the API server and its store:
/// Go's, which writes also <, >, &, backspace, form feed and the separators U+2028 and U+2029 as \uXXXX.
std::size_t json_length(std::string_view text);

/// Bytes of `object` as JSON in that spelling. Custom resources are stored so; objects built into Kubernetes, in
/// protobuf, take less.
std::size_t stored_length(nlohmann::json const& object);
/// The same of an object whose JSON is at hand, in whatever spelling and without needless space: what an API server
/// answered, say. Never too little; too much where it escapes what need not be.
std::size_t stored_length_of_text(std::string_view json);

}  // namespace codeexec::kube
