// Reading what a server sent as JSON. Every parser of answers, projection.hpp's too, keeps the same bound on the
// nesting of what it returns.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string_view>

namespace codeexec::kube {

/// No kind of the API comes near. nlohmann_json parses and frees by loops, but copies, compares and prints by
/// recursion: a megabyte of brackets, parsed and then printed, is the end of the stack.
inline constexpr std::size_t deepest_answer = 200;

/// The whole document; discarded (is_discarded()) where it is not JSON, or nested deeper than `deepest_answer`. Never
/// throws.
nlohmann::json parse_answer(std::string_view text);

}  // namespace codeexec::kube
