// Events as controllers write them: the kubelet's and the Job controller's (counted), the scheduler's (a series).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "codeexec/local/store.hpp"

namespace codeexec::local {

enum class event_kind { normal, warning };

/// Who an Event is about.
struct event_subject {
  object what;
  std::string api_version;
  std::string kind;
  std::string field_path;  ///< "spec.containers{code}"; empty: the whole object
};

/// Writes v1 Events into the store; one that is repeated raises the count of the first. Failures are dropped: an Event
/// is never worth stopping for. Thread: the store's one.
class cluster_events {
 public:
  /// `component` as in source.component ("kubelet"); `host` may be empty.
  cluster_events(store& objects, std::string component, std::string host)
      : store_(objects), component_(std::move(component)), host_(std::move(host)) {}

  void record(event_subject const& about, event_kind kind, std::string_view reason, std::string const& message);
  /// In the form of events.k8s.io: an action, no source.
  void record_action(event_subject const& about, event_kind kind, std::string_view reason, std::string const& message,
                     std::string_view action);

 private:
  void write(event_subject const& about, event_kind kind, std::string_view reason, std::string const& message,
             std::string_view action);

  store& store_;
  std::string component_;
  std::string host_;
  std::map<std::string, std::string> written_;  ///< what is the same in repeated Events -> name
  std::uint64_t serial_ = 0;
};

}  // namespace codeexec::local
