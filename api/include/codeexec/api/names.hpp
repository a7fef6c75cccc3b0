// Every name that the contract fixes: group, labels, finalizer, phases, reasons, conditions. Spelled here and nowhere
// else.
#pragma once

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
inline constexpr std::string_view component =
    "codeexec.dev/component";  ///< "runner" on the shared ConfigMap, "execution" on Jobs, Pods and their ConfigMaps
}  // namespace labels

namespace phases {
inline constexpr std::string_view pending = "Pending";
inline constexpr std::string_view running = "Running";
inline constexpr std::string_view succeeded = "Succeeded";
inline constexpr std::string_view failed = "Failed";
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
}  // namespace reasons

namespace conditions {
inline constexpr std::string_view ready = "Ready";
inline constexpr std::string_view reconciling = "Reconciling";
inline constexpr std::string_view stalled = "Stalled";
inline constexpr std::string_view complete = "Complete";
inline constexpr std::string_view failed = "Failed";
}  // namespace conditions

/// Bounds that the CRD and the code share.
namespace limits {
inline constexpr int max_code_bytes = 256 * 1024;
inline constexpr int max_source_bytes =
    1024 * 1024;  ///< code through codeFrom; also code and files together (one ConfigMap)
inline constexpr int default_output_bytes = 64 * 1024;  ///< per stream
inline constexpr int max_output_bytes = 256 * 1024;     ///< per stream
inline constexpr int default_timeout_seconds = 300;
inline constexpr int default_startup_timeout_seconds = 300;
}  // namespace limits

}  // namespace codeexec::api
