#include "codeexec/kube_core/core_event.hpp"

#include <algorithm>

#include "field_reader.hpp"

namespace codeexec::kube {

std::optional<base::wall_time> CoreEvent::last_seen() const {
  return std::max({firstTimestamp, lastTimestamp, eventTime});  // nothing is less than any time
}

std::variant<CoreEvent, api::decode_error> decode_core_event(nlohmann::json const& object) {
  return decode_object<CoreEvent>(object, [](field_reader& root, CoreEvent& event) {
    auto const read_reference = [&](field_reader& reference) {
      reference.read("apiVersion", event.involvedObject.apiVersion);
      reference.read("kind", event.involvedObject.kind);
      reference.read("namespace", event.involvedObject.namespace_);
      reference.read("name", event.involvedObject.name);
      reference.read("uid", event.involvedObject.uid);
    };
    root.object("involvedObject", read_reference);
    root.object("regarding", read_reference);
    root.read("type", event.type);
    root.read("reason", event.reason);
    root.read("message", event.message);
    root.read("note", event.message);
    root.read("count", event.count);
    root.read("deprecatedCount", event.count);
    root.read("firstTimestamp", event.firstTimestamp);
    root.read("deprecatedFirstTimestamp", event.firstTimestamp);
    root.read("lastTimestamp", event.lastTimestamp);
    root.read("deprecatedLastTimestamp", event.lastTimestamp);
    root.read("eventTime", event.eventTime);
    root.read("reportingComponent", event.reportingComponent);
    root.read("reportingController", event.reportingComponent);
    root.object("source", [&](field_reader& source) {
      if (event.reportingComponent.empty()) source.read("component", event.reportingComponent);
    });
    root.object("series", [&](field_reader& series) {
      series.read("count", event.count);
      series.read("lastObservedTime", event.lastTimestamp);
    });
    if (event.count <= 0) event.count = 1;
  });
}

}  // namespace codeexec::kube
