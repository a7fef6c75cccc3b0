#include "codeexec/telemetry/operator_metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

#include "codeexec/telemetry/catalogue.hpp"

namespace codeexec::telemetry {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

/// As an operator with a namespaceOverrides entry counts.
operator_counters with_classes() {
  operator_counters c;
  c.classes = {"default", "batch"};
  c.executions.queue_by_class.resize(2);
  return c;
}

std::string render(operator_counters const& counted) {
  return render_metrics(&counted, process_usage(), 0s);
}

TEST(OperatorMetrics, EveryMetricOfTheCatalogueHasItsTypeFromTheStart) {
  auto const text = render(with_classes());
  for (auto const& one : all_metrics()) {
    auto const type = "# TYPE " + std::string(one->name) + " " + std::string(name_of(one->type)) + "\n";
    EXPECT_THAT(text, HasSubstr(type));
  }
}

TEST(OperatorMetrics, NamesFollowPrometheusRules) {
  for (auto const& one : all_metrics()) {
    std::string const name(one->name);
    EXPECT_EQ(name.ends_with("_total"), one->type == metric_type::counter) << name;
    if (one->type == metric_type::histogram) {
      EXPECT_TRUE(name.ends_with("_seconds")) << name;
    }
    EXPECT_TRUE(name.starts_with("codeexec_") || name.starts_with("process_")) << name;
    EXPECT_TRUE(one->help.ends_with(".")) << name;
  }
}

TEST(OperatorMetrics, ExecutionsByOutcomeAndReason) {
  operator_counters c;
  c.executions.by_reason[0] = 7;
  c.executions.by_reason[3] = 2;
  auto const text = render(c);
  EXPECT_THAT(text, HasSubstr("codeexec_executions_finished_total{outcome=\"succeeded\",reason=\"Completed\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("codeexec_executions_finished_total{outcome=\"failed\",reason=\"TimedOut\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("codeexec_executions_finished_total{outcome=\"failed\",reason=\"OOMKilled\"} 0\n"));
}

TEST(OperatorMetrics, StepsOfTheTimelineAreHistograms) {
  operator_counters c;
  api::Timeline t;
  t.accepted = "2026-01-31T10:00:00.000000Z";
  t.jobCreated = "2026-01-31T10:00:00.040000Z";
  t.podScheduled = "2026-01-31T10:00:00Z";  // of another machine's clock, and without a fraction
  t.codeStarted = "2026-01-31T10:00:01.500000Z";
  t.codeFinished = "2026-01-31T10:00:03.500000Z";
  t.captured = "2026-01-31T10:00:03.600000Z";
  c.executions.steps.record(t);
  api::Timeline never_ran;
  never_ran.accepted = t.accepted;
  never_ran.captured = t.captured;
  c.executions.steps.record(never_ran);
  auto const text = render(c);
  auto const step = [](std::string const& rest) { return "codeexec_execution_step_duration_seconds_" + rest + "\n"; };
  EXPECT_THAT(text, HasSubstr(step("count{step=\"queue\"} 1")));
  EXPECT_THAT(text, HasSubstr(step("bucket{step=\"queue\",le=\"0.01\"} 0")));
  EXPECT_THAT(text, HasSubstr(step("bucket{step=\"queue\",le=\"0.05\"} 1")));
  EXPECT_THAT(text, HasSubstr(step("sum{step=\"schedule\"} 0")));
  EXPECT_THAT(text, HasSubstr(step("sum{step=\"start\"} 1.5")));
  EXPECT_THAT(text, HasSubstr(step("bucket{step=\"run\",le=\"2.5\"} 1")));
  EXPECT_THAT(text, HasSubstr(step("count{step=\"capture\"} 1")));
  EXPECT_THAT(text, HasSubstr("codeexec_execution_duration_seconds_count 2\n"));
}

TEST(OperatorMetrics, QueuesByClassOfNamespaces) {
  auto c = with_classes();
  c.slots = {{1, 0, 0, ""}, {20, 3, 400, "2026-01-31T10:00:00Z"}};
  c.oldest_waiting = {0s, 90s};
  api::Timeline waited;
  waited.accepted = "2026-01-31T10:00:00Z";
  waited.jobCreated = "2026-01-31T10:02:30Z";
  reconciler::step_times::record_queue(c.executions.queue_by_class[1], waited);
  auto const text = render(c);
  EXPECT_THAT(text, HasSubstr("codeexec_executions_running{class=\"default\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("codeexec_executions_running{class=\"batch\"} 20\n"));
  EXPECT_THAT(text, HasSubstr("codeexec_executions_waiting{bound=\"cluster\",class=\"batch\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("codeexec_executions_waiting{bound=\"namespace\",class=\"batch\"} 400\n"));
  EXPECT_THAT(text, HasSubstr("codeexec_executions_oldest_waiting_seconds{class=\"default\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("codeexec_executions_oldest_waiting_seconds{class=\"batch\"} 90\n"));
  EXPECT_THAT(text, HasSubstr("codeexec_execution_queue_duration_seconds_count{class=\"default\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("codeexec_execution_queue_duration_seconds_sum{class=\"batch\"} 150\n"));
}

TEST(OperatorMetrics, RequestsByVerbResourceAndCode) {
  operator_counters c;
  auto& logs = c.api.requests[kube::request_kind{"GET", "pods", "log"}];
  logs.observe(200, 30ms);
  logs.observe(0, 1s);
  logs.received_bytes = 4096;
  c.api.requests[kube::request_kind{"GET", "", ""}].observe(404, 1ms);
  c.api.throttled_time = 1500ms;
  auto const text = render(c);
  EXPECT_THAT(text, HasSubstr("codeexec_api_requests_total{verb=\"GET\",resource=\"pods/log\",code=\"200\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("codeexec_api_requests_total{verb=\"GET\",resource=\"pods/log\",code=\"none\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("codeexec_api_requests_total{verb=\"GET\",resource=\"other\",code=\"404\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("codeexec_api_received_bytes_total{verb=\"GET\",resource=\"pods/log\"} 4096\n"));
  EXPECT_THAT(
      text,
      HasSubstr("codeexec_api_request_duration_seconds_bucket{verb=\"GET\",resource=\"pods/log\",le=\"0.05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("codeexec_api_throttled_seconds_total 1.5\n"));
}

TEST(OperatorMetrics, PassesByResultAddUp) {
  operator_counters c;
  c.passes.passes = 20;
  c.passes.requeues = 5;
  c.passes.retries = 4;
  c.passes.exceptions = 1;
  c.passes.overruns = 2;
  auto const text = render(c);
  auto const passes = [](std::string const& rest) { return "codeexec_reconcile_passes_total{result=" + rest + "\n"; };
  EXPECT_THAT(text, HasSubstr(passes("\"done\"} 11")));
  EXPECT_THAT(text, HasSubstr(passes("\"requeue\"} 5")));
  EXPECT_THAT(text, HasSubstr(passes("\"retry\"} 1")));
  EXPECT_THAT(text, HasSubstr(passes("\"exception\"} 1")));
  EXPECT_THAT(text, HasSubstr(passes("\"timeout\"} 2")));
}

TEST(OperatorMetrics, AHangingLoopLeavesWhatAnybodyKnows) {
  process_usage used;
  used.resident_bytes = 1024;
  auto const text = render_metrics(nullptr, used, 42s);
  EXPECT_THAT(text, HasSubstr("codeexec_loop_silence_seconds 42\n"));
  EXPECT_THAT(text, HasSubstr("process_resident_memory_bytes 1024\n"));
  EXPECT_THAT(text, HasSubstr("codeexec_build_info{version="));
  // Zeroes would be lies.
  EXPECT_THAT(text, Not(HasSubstr("codeexec_executions_finished_total")));
}

TEST(OperatorMetrics, TheProcessIsMeasured) {
  auto const used = read_process_usage();
  EXPECT_GT(used.resident_bytes, 1024U * 1024U);
  EXPECT_GT(used.virtual_bytes, used.resident_bytes);
  EXPECT_GE(used.open_descriptors, 3U);
  EXPECT_GE(used.threads, 1U);
  EXPECT_GT(used.start_time, 1.6e9);
}

}  // namespace
}  // namespace codeexec::telemetry
