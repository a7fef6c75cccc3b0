#include "codeexec/execution/occurrences.hpp"

#include <algorithm>
#include <array>

#include "codeexec/api/names.hpp"

namespace codeexec::execution {
namespace {

kube::occurrence about(api::ObjectMeta const& execution, kube::event_severity severity, std::string_view reason,
                       std::string_view action, std::string note) {
  kube::occurrence what;
  what.regarding.apiVersion = api::api_version;
  what.regarding.kind = api::kind;
  what.regarding.namespace_ = execution.namespace_;
  what.regarding.name = execution.name;
  what.regarding.uid = execution.uid;
  what.severity = severity;
  what.reason = reason;
  what.action = action;
  what.note = std::move(note);
  return what;
}

/// The code's own doing, or its owner's wish: nothing that anybody who runs the cluster has to look at.
bool is_own_doing(std::string_view reason) {
  static constexpr std::array own{api::reasons::completed, api::reasons::non_zero_exit, api::reasons::signaled,
                                  api::reasons::cancelled};
  return std::find(own.begin(), own.end(), reason) != own.end();
}

std::string end_note(api::CodeExecutionStatus const& status) {
  if (!status.message.empty()) return status.message;
  if (status.exitCode) return "The code exited with " + std::to_string(*status.exitCode) + ".";
  return "The execution has ended.";
}

}  // namespace

bool is_told(event_policy policy, kube::occurrence const& what) {
  switch (policy) {
    case event_policy::none:
      return false;
    case event_policy::warnings:
      return what.severity == kube::event_severity::warning;
    case event_policy::all:
      return true;
  }
  return true;
}

kube::occurrence job_created(api::ObjectMeta const& execution, std::string_view job) {
  return about(execution, kube::event_severity::normal, "JobCreated", "CreateJob",
               "Created Job \"" + std::string(job) + "\".");
}

kube::occurrence child_refused(api::ObjectMeta const& execution, std::string_view why) {
  return about(execution, kube::event_severity::warning, "FailedCreate", "CreateJob", std::string(why));
}

std::optional<kube::occurrence> status_written(api::ObjectMeta const& execution, api::CodeExecutionStatus const& before,
                                               api::CodeExecutionStatus const& after) {
  bool const same = before.phase == after.phase && before.reason == after.reason && before.message == after.message;
  if (same) return std::nullopt;
  if (after.is_final()) {
    auto const severity = is_own_doing(after.reason) ? kube::event_severity::normal : kube::event_severity::warning;
    return about(execution, severity, after.reason, "Finish", end_note(after));
  }
  if (after.phase == api::phases::running) {
    return about(execution, kube::event_severity::normal, "Started", "Start", after.message);
  }
  return about(execution, kube::event_severity::normal, after.reason, "Wait", after.message);
}

}  // namespace codeexec::execution
