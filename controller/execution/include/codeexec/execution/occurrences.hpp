// What of an execution's life is told as an Event. Pure.
//
// The status says everything; an Event is for whoever watches many executions, or a namespace, and wants to hear of
// trouble. Each costs the API server a write, so by default the ordinary course of things makes none: an execution that
// completes costs no request more, nor does one whose code fails by itself (an exit code, a signal, its cancellation).
// Warnings are for what the platform could not do: image, node, quota, sandbox, memory, time.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/kube_core/event.hpp"

namespace codeexec::execution {

/// --events
enum class event_policy {
  none,
  warnings,  ///< the default
  all,       ///< also the steps of every execution and its end: two to four requests each
};

bool is_told(event_policy policy, kube::occurrence const& what);

/// Normal, JobCreated.
kube::occurrence job_created(api::ObjectMeta const& execution, std::string_view job);

/// Warning, FailedCreate: the API server would not make a Job or a ConfigMap. It is tried again, or the end follows.
kube::occurrence child_refused(api::ObjectMeta const& execution, std::string_view why);

/// A status was written: its new reason, where phase, reason or message changed.
std::optional<kube::occurrence> status_written(api::ObjectMeta const& execution, api::CodeExecutionStatus const& before,
                                               api::CodeExecutionStatus const& after);

}  // namespace codeexec::execution
