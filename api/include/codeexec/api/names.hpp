// Every name that the contract fixes: group, labels, finalizer, phases, reasons, conditions. Spelled here and nowhere
// else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace codeexec::api {

inline constexpr std::string_view group = "codeexec.dev";
inline constexpr std::string_view version = "v1alpha1";
inline constexpr std::string_view api_version = "codeexec.dev/v1alpha1";
inline constexpr std::string_view kind = "CodeExecution";

inline constexpr std::string_view field_manager = "codeexec-controller";
inline constexpr std::string_view cleanup_finalizer = "codeexec.dev/cleanup";

namespace labels {
inline constexpr std::string_view managed_by = "app.kubernetes.io/managed-by";  ///< value: field_manager
inline constexpr std::string_view execution =
    "codeexec.dev/execution";  ///< the CodeExecution's name, hashed where too long
inline constexpr std::string_view execution_uid = "codeexec.dev/execution-uid";
inline constexpr std::string_view component = "codeexec.dev/component";  ///< one of `components`
}  // namespace labels

/// Of a CodeExecution; the operator hands them on to its Job and Pod.
namespace annotations {
inline constexpr std::string_view traceparent = "codeexec.dev/traceparent";  ///< W3C trace context (trace_context.hpp)
inline constexpr std::string_view tracestate = "codeexec.dev/tracestate";
}  // namespace annotations

/// What an object is of ours.
namespace components {
inline constexpr std::string_view execution = "execution";  ///< Jobs, Pods and their ConfigMaps
inline constexpr std::string_view runner = "runner";        ///< the ConfigMap that a namespace's executions share
inline constexpr std::string_view network = "network";      ///< the NetworkPolicy that they share
}  // namespace components

namespace phases {
inline constexpr std::string_view pending = "Pending";
inline constexpr std::string_view running = "Running";
inline constexpr std::string_view succeeded = "Succeeded";
inline constexpr std::string_view failed = "Failed";

inline constexpr std::array all{pending, running, succeeded, failed};
}  // namespace phases

namespace reasons {
// final
inline constexpr std::string_view completed = "Completed";
inline constexpr std::string_view non_zero_exit = "NonZeroExit";
inline constexpr std::string_view signaled = "Signaled";
inline constexpr std::string_view timed_out = "TimedOut";
inline constexpr std::string_view oom_killed = "OOMKilled";
inline constexpr std::string_view cancelled = "Cancelled";
inline constexpr std::string_view startup_timed_out = "StartupTimedOut";
inline constexpr std::string_view image_pull_failed = "ImagePullFailed";
inline constexpr std::string_view unschedulable = "Unschedulable";
inline constexpr std::string_view quota_exceeded = "QuotaExceeded";
inline constexpr std::string_view runtime_class_missing = "RuntimeClassMissing";
inline constexpr std::string_view pod_rejected = "PodRejected";
inline constexpr std::string_view sandbox_unverified = "SandboxUnverified";
inline constexpr std::string_view evicted = "Evicted";
inline constexpr std::string_view node_lost = "NodeLost";
inline constexpr std::string_view output_lost = "OutputLost";
inline constexpr std::string_view invalid_spec = "InvalidSpec";
inline constexpr std::string_view policy_violation = "PolicyViolation";
inline constexpr std::string_view source_missing = "SourceMissing";
inline constexpr std::string_view internal_error = "InternalError";
// while pending
inline constexpr std::string_view queued = "Queued";
inline constexpr std::string_view suspended = "Suspended";
inline constexpr std::string_view scheduling = "Scheduling";
inline constexpr std::string_view pulling_image = "PullingImage";
inline constexpr std::string_view starting = "Starting";
// while running
inline constexpr std::string_view running = "Running";

/// In the order of the contract; `completed` alone goes with Succeeded.
inline constexpr std::array final_ones{completed,
                                       non_zero_exit,
                                       signaled,
                                       timed_out,
                                       oom_killed,
                                       cancelled,
                                       startup_timed_out,
                                       image_pull_failed,
                                       unschedulable,
                                       quota_exceeded,
                                       runtime_class_missing,
                                       pod_rejected,
                                       sandbox_unverified,
                                       evicted,
                                       node_lost,
                                       output_lost,
                                       invalid_spec,
                                       policy_violation,
                                       source_missing,
                                       internal_error};
inline constexpr std::array passing_ones{queued, suspended, scheduling, pulling_image, starting, running};
}  // namespace reasons

namespace conditions {
inline constexpr std::string_view ready = "Ready";
inline constexpr std::string_view reconciling = "Reconciling";
inline constexpr std::string_view stalled = "Stalled";
inline constexpr std::string_view complete = "Complete";
inline constexpr std::string_view failed = "Failed";
}  // namespace conditions

/// Values that a spec field may take.
namespace network_modes {
inline constexpr std::string_view deny = "Deny";
inline constexpr std::string_view allow = "Allow";
}  // namespace network_modes

namespace cleanup_policies {
inline constexpr std::string_view delete_ = "Delete";
inline constexpr std::string_view retain = "Retain";
}  // namespace cleanup_policies

/// The resources that requests and limits may name.
namespace resource_names {
inline constexpr std::string_view cpu = "cpu";
inline constexpr std::string_view memory = "memory";
inline constexpr std::string_view ephemeral_storage = "ephemeral-storage";
}  // namespace resource_names

/// Environment variables with this prefix belong to the operator and the runner.
inline constexpr std::string_view reserved_env_prefix = "CODEEXEC_";

/// Bounds and defaults that the CRD and the code share; a test compares them.
namespace limits {
inline constexpr int max_code_bytes = 256 * 1024;
/// Code through codeFrom; also code, files and stdin together (they share one ConfigMap).
inline constexpr int max_source_bytes = 1024 * 1024;
inline constexpr int default_output_bytes = 64 * 1024;  ///< per stream
inline constexpr int max_output_bytes = 256 * 1024;     ///< per stream
inline constexpr int default_timeout_seconds = 300;
inline constexpr int default_startup_timeout_seconds = 300;
inline constexpr int max_timeout_seconds = 7 * 24 * 3600;  ///< of both timeouts
inline constexpr std::int64_t max_ttl_seconds = 2147483647;
inline constexpr std::size_t max_files = 256;
inline constexpr std::size_t max_path_bytes = 1024;
inline constexpr std::size_t max_path_part_bytes = 255;
inline constexpr std::size_t max_args = 1024;
inline constexpr std::size_t max_command_parts = 64;
inline constexpr std::size_t max_env = 256;
/// One argument or one environment value: well below what one execve() takes in one string (128 KiB).
inline constexpr std::size_t max_argument_bytes = 32 * 1024;
}  // namespace limits

}  // namespace codeexec::api
