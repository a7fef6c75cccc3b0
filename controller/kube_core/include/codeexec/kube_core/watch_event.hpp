// One line of a watch, decoded.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "codeexec/kube_core/error.hpp"
#include "codeexec/kube_core/projection.hpp"

namespace codeexec::kube {

enum class event_type { added, modified, deleted };

/// Something happened to `object`.
struct object_event {
  event_type type = event_type::added;
  std::string resource_version;  ///< of the object; opaque
  nlohmann::json object;
};

/// Nothing happened up to here. The object of a bookmark holds nothing else worth reading.
struct bookmark_event {
  std::string resource_version;
  /// The end of the state that a streaming list (sendInitialEvents) began with.
  bool initial_events_end = false;
};

/// The server gave up on the watch: status().is_gone() asks for a new list.
struct error_event {
  error status;
};

/// A line that cannot be used. The watch goes on; what can be read of the object says whose line was lost.
struct malformed_event {
  std::string message;  ///< what is wrong; holds nothing of the object's content
  std::string namespace_;
  std::string name;
  std::string resource_version;
};

using watch_event = std::variant<object_event, bookmark_event, error_event, malformed_event>;

/// Never throws, whatever the line holds. `keep` (watch_projection()) says what of the line is looked at.
watch_event decode_watch_event(std::string_view line, projection const& keep = {});

}  // namespace codeexec::kube
