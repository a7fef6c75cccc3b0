// W3C Trace Context (www.w3.org/TR/trace-context): which trace of the caller's an execution belongs to.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace codeexec::api {

/// Valid by the recommendation, or not there at all. It is handed on as it came: the operator makes no spans of its
/// own, so that the caller's span stays the parent.
struct trace_context {
  std::string traceparent;  ///< "00-<trace id>-<parent id>-<flags>"
  std::string tracestate;   ///< may be empty

  std::string_view trace_id() const { return std::string_view(traceparent).substr(3, 32); }
  std::string_view parent_id() const { return std::string_view(traceparent).substr(36, 16); }
};

/// From the annotations `annotations::traceparent` and `annotations::tracestate`. Nothing where the first is absent or
/// wrong; a wrong tracestate alone is left out (section 3.3 of the recommendation).
std::optional<trace_context> read_trace_context(std::map<std::string, std::string> const& annotations);

bool is_valid_traceparent(std::string_view text);
bool is_valid_tracestate(std::string_view text);

}  // namespace codeexec::api
