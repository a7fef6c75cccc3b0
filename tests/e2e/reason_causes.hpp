// Which test causes which reason, for real. A reason that api/names.hpp has and this table has not fails a test.
//
// The suite's tests (reasons, results, refusals, lifecycle, failures) hold on any cluster. Those of the machine_* files
// disturb a machine, and so have a stand-in of their own; that of policy_test.cpp has its own configuration.
#pragma once

#include <array>
#include <string_view>

#include "codeexec/api/names.hpp"

namespace codeexec::e2e {

struct cause {
  std::string_view reason;
  std::string_view what;  ///< is done to cause it
  std::string_view file;  ///< in tests/e2e
  std::string_view test;  ///< "suite, name", as after TEST(
};

inline constexpr std::array causes{
    // The end.
    cause{api::reasons::completed, "the code exits with 0", "results_test.cpp",
          "results, hello_stands_in_the_status_with_everything_a_reader_wants"},
    cause{api::reasons::non_zero_exit, "it exits with 3", "results_test.cpp", "results, an_exit_code_is_the_codes_own"},
    cause{api::reasons::signaled, "it sends itself SIGSEGV", "results_test.cpp",
          "results, a_signal_is_named_and_there_is_no_exit_code"},
    cause{api::reasons::timed_out, "it sleeps beyond timeoutSeconds", "results_test.cpp",
          "results, the_clock_stops_the_code_and_what_it_printed_is_kept"},
    cause{api::reasons::oom_killed, "it writes to more memory than its limit", "reasons_test.cpp",
          "reasons, memory_beyond_the_limit"},
    cause{api::reasons::cancelled, "spec.cancel while it waits", "reasons_test.cpp",
          "reasons, cancelled_before_the_start"},
    cause{api::reasons::cancelled, "spec.cancel while it runs", "reasons_test.cpp", "reasons, cancelled_while_it_runs"},
    cause{api::reasons::startup_timed_out, "the node takes minutes to set up the sandbox", "machine_reasons_test.cpp",
          "machine_reasons, a_node_that_sets_up_no_sandbox_in_time"},
    cause{api::reasons::image_pull_failed, "an image that no registry has", "lifecycle_test.cpp",
          "failures, an_image_that_cannot_be_pulled_fails_when_the_startup_time_ends"},
    cause{api::reasons::unschedulable, "500 CPUs", "reasons_test.cpp", "reasons, no_node_is_large_enough"},
    cause{api::reasons::quota_exceeded, "a ResourceQuota of no pods", "reasons_test.cpp",
          "reasons, a_quota_that_leaves_no_room"},
    cause{api::reasons::quota_exceeded, "a ResourceQuota of no Jobs", "reasons_test.cpp",
          "reasons, a_quota_that_has_no_room_for_the_job"},
    cause{api::reasons::runtime_class_missing, "a RuntimeClass that nobody made", "lifecycle_test.cpp",
          "failures, a_runtime_class_that_does_not_exist_is_named"},
    cause{api::reasons::pod_rejected, "a LimitRange below the execution's memory", "reasons_test.cpp",
          "reasons, admission_refuses_the_pod"},
    cause{api::reasons::sandbox_unverified, "a node without gVisor", "machine_reasons_test.cpp",
          "machine_reasons, a_node_without_gvisor_starts_no_code"},
    cause{api::reasons::evicted, "somebody deletes the pod while the code runs", "reasons_test.cpp",
          "reasons, a_pod_that_is_deleted_under_the_code"},
    cause{api::reasons::node_lost, "the node vanishes", "machine_reasons_test.cpp",
          "machine_reasons, a_node_that_vanishes"},
    cause{api::reasons::output_lost, "the log was rotated away while the operator was down", "machine_reasons_test.cpp",
          "machine_reasons, a_log_that_was_rotated_away"},
    cause{api::reasons::output_lost, "the runner is killed from outside", "machine_reasons_test.cpp",
          "machine_reasons, a_runner_that_is_killed"},
    cause{api::reasons::invalid_spec, "a language that nobody configured", "refusals_test.cpp",
          "refusals, a_language_nobody_configured"},
    cause{api::reasons::policy_violation, "more than the configuration allows", "policy_test.cpp",
          "policy, what_goes_beyond_fails_with_every_field_value_and_bound_and_a_language_is_four_lines"},
    cause{api::reasons::source_missing, "codeFrom names a ConfigMap that nobody made", "sources_test.cpp",
          "sources, what_does_not_come_fails_and_is_named"},
    cause{api::reasons::internal_error, "somebody else's Job in the place of ours", "reasons_test.cpp",
          "reasons, a_stranger_in_the_jobs_place"},
    cause{api::reasons::internal_error, "a runner that is not ours, which is never started", "reasons_test.cpp",
          "reasons, a_runner_that_is_not_the_operators"},
    // On the way.
    cause{api::reasons::queued, "as many under way as the configuration allows", "policy_test.cpp",
          "policy, two_run_at_once_the_others_know_their_place_and_namespaces_take_turns_over_a_restart"},
    cause{api::reasons::suspended, "spec.suspend", "reasons_test.cpp", "reasons, suspended_until_it_is_resumed"},
    cause{api::reasons::scheduling, "500 CPUs", "reasons_test.cpp", "reasons, no_node_is_large_enough"},
    cause{api::reasons::pulling_image, "an image that no registry has", "lifecycle_test.cpp",
          "failures, an_image_that_cannot_be_pulled_fails_when_the_startup_time_ends"},
    cause{api::reasons::starting, "the node takes minutes to set up the sandbox", "machine_reasons_test.cpp",
          "machine_reasons, a_node_that_sets_up_no_sandbox_in_time"},
    cause{api::reasons::running, "the code sleeps", "lifecycle_test.cpp",
          "lifecycle, a_long_execution_shows_that_it_runs"},
};

}  // namespace codeexec::e2e
