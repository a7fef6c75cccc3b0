// Events as we write them: events.k8s.io/v1, one object for what happened once, a series where it happens again.
//
// What the server insists on (validation of events.k8s.io/v1, Kubernetes 1.36): eventTime, reportingController, a
// reportingInstance and an action and a reason of 1 to 128 bytes, a note of at most 1024 bytes, type Normal or Warning,
// the namespace of what it regards, a series of at least 2; and that nothing but the series ever changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "codeexec/base/time.hpp"
#include "codeexec/kube_core/core_event.hpp"

namespace codeexec::kube {

enum class event_severity { normal, warning };

/// Something worth telling about an object. `note` is for people; it must hold nothing that a user's program wrote.
struct occurrence {
  ObjectReference regarding;
  event_severity severity = event_severity::normal;
  std::string reason;  ///< why, one CamelCase word: "ImagePullFailed"
  std::string action;  ///< what we were doing, one CamelCase word: "Finish"
  std::string note;    ///< a sentence; cut where it is too long
};

/// Who writes Events.
struct event_reporter {
  std::string controller;  ///< "codeexec-controller"
  std::string instance;    ///< which one of them
};

inline constexpr std::size_t max_note_bytes = 1024;

/// `text` in at most `most` bytes, cut between characters and marked with an ellipsis; bytes that are no UTF-8 are
/// replaced.
std::string cut_note(std::string_view text, std::size_t most = max_note_bytes);

/// "<name of the object>.<nanoseconds in hexadecimal>", as client-go names them: unique as long as the caller never
/// passes the same number twice for one object. A name that would be too long is cut.
std::string event_name(std::string_view object_name, std::uint64_t nanoseconds);

/// What a create request carries. `count` above 1 makes it a series that was last seen at `last`.
nlohmann::json make_event(std::string_view name, occurrence const& what, event_reporter const& who,
                          base::wall_time first, std::int64_t count, base::wall_time last);

/// A merge patch: it happened `count` times by now, the last time at `last`. `count` is at least 2.
nlohmann::json make_event_series_patch(std::int64_t count, base::wall_time last);

}  // namespace codeexec::kube
