#include "codeexec/local/node/cluster_events.hpp"

#include <cinttypes>
#include <cstdio>

namespace codeexec::local {
namespace {

using nlohmann::json;

// Repeats of more different Events than this are written as new ones.
constexpr std::size_t remembered = 4096;

}  // namespace

void cluster_events::record(event_subject const& about, event_kind kind, std::string_view reason,
                            std::string const& message) {
  write(about, kind, reason, message, {});
}

void cluster_events::record_action(event_subject const& about, event_kind kind, std::string_view reason,
                                   std::string const& message, std::string_view action) {
  write(about, kind, reason, message, action);
}

void cluster_events::write(event_subject const& about, event_kind kind, std::string_view reason,
                           std::string const& message, std::string_view action) {
  auto const now = store_.clock().wall_now();
  auto const key = about.what.uid() + "\n" + about.field_path + "\n" + std::string(reason) + "\n" + message;
  auto const& ns = about.what.ns();
  auto const known = written_.find(key);
  if (known != written_.end()) {
    auto const repeated = store_.mutate(kube::core_events, ns, known->second, part::all, [&](json& event) {
      if (action.empty()) {
        event["count"] = event.value("count", 1) + 1;
        event["lastTimestamp"] = base::format_time(now);
      } else {
        auto& series = event["series"];
        int const count = series.is_object() ? series.value("count", 1) : 1;
        series = json{{"count", count + 1}, {"lastObservedTime", base::format_micro_time(now)}};
      }
      return true;
    });
    if (repeated) {
      return;
    }
    written_.erase(known);
  }
  auto const nanos = static_cast<std::uint64_t>(now.time_since_epoch().count()) * 1000 + serial_++ % 1000;
  char suffix[32];
  std::snprintf(suffix, sizeof suffix, ".%016" PRIx64, nanos);
  json regarding{{"kind", about.kind},
                 {"namespace", ns},
                 {"name", about.what.name()},
                 {"uid", about.what.uid()},
                 {"apiVersion", about.api_version},
                 {"resourceVersion", std::to_string(about.what.resource_version())}};
  if (!about.field_path.empty()) {
    regarding["fieldPath"] = about.field_path;
  }
  json event{{"apiVersion", "v1"},
             {"kind", "Event"},
             {"metadata", json{{"name", about.what.name() + suffix}, {"namespace", ns}}},
             {"involvedObject", std::move(regarding)},
             {"reason", reason},
             {"message", message},
             {"type", kind == event_kind::normal ? "Normal" : "Warning"},
             {"reportingComponent", component_}};
  if (action.empty()) {
    event["source"] = json{{"component", component_}};
    if (!host_.empty()) {
      event["source"]["host"] = host_;
    }
    event["firstTimestamp"] = base::format_time(now);
    event["lastTimestamp"] = base::format_time(now);
    event["count"] = 1;
    event["eventTime"] = nullptr;
    event["reportingInstance"] = host_;
  } else {
    event["source"] = json::object();
    event["firstTimestamp"] = nullptr;
    event["lastTimestamp"] = nullptr;
    event["eventTime"] = base::format_micro_time(now);
    event["action"] = action;
    event["reportingInstance"] = component_ + "-" + host_;
  }
  auto const made = store_.create(kube::core_events, std::move(event));
  if (!made) {
    return;
  }
  if (written_.size() >= remembered) {
    written_.clear();
  }
  written_[key] = made->name();
}

}  // namespace codeexec::local
