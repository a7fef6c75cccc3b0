// JSON objects as text that is never taken apart further than somebody asks: so that the simulated API server costs far
// less processor time than the operator that is measured against it.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace codeexec::bench::raw {

/// `text` with its quotes, escaped. What is not valid UTF-8 stays as it is.
std::string quoted(std::string_view text);

/// The value of the member `key` of `object`, as it stands there; empty where there is none. Only for compact JSON that
/// is known to be whole: nothing is checked.
std::string_view member(std::string_view object, std::string_view key);

/// The same along a path: at(pod, {"metadata", "labels"}).
std::string_view at(std::string_view object, std::initializer_list<std::string_view> path);

/// A string's characters between its quotes. Escapes stay: for names, UIDs and versions.
std::string unquoted(std::string_view value);

/// RFC 7386: what `target` becomes by `patch`.
std::string merge(std::string_view target, std::string_view patch);

}  // namespace codeexec::bench::raw
