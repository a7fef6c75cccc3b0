// Every reason, caused for real: reason_causes.hpp says where. Here are those that any cluster can be brought to and
// that the other files have not caused already.
#include <algorithm>
#include <fstream>
#include <gtest/gtest.h>
#include <string>

#include "codeexec/execution/build.hpp"

#include "cluster.hpp"
#include "reason_causes.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;

constexpr kube::resource resource_quotas{"", "v1", "resourcequotas", "ResourceQuota", true};
constexpr kube::resource limit_ranges{"", "v1", "limitranges", "LimitRange", true};

std::string text_of(json const& status, char const* field) {
  return status.value(field, "");
}

bool says(json const& status, std::string_view words) {
  return text_of(status, "message").find(words) != std::string::npos;
}

bool is_pending(json const& execution) {
  return execution.contains("status") && execution["status"].value("phase", "") == "Pending";
}

/// An object besides executions, made by whoever administers the namespace.
void put(workspace& here, kube::resource const& type, json object) {
  object["apiVersion"] =
      type.group.empty() ? std::string(type.version) : std::string(type.group) + "/" + std::string(type.version);
  object["kind"] = type.kind;
  object["metadata"]["namespace"] = here.name();
  auto const made = cluster::instance().send(kube::make_create(type, here.name(), object.dump(), "codeexec-e2e"));
  ASSERT_TRUE(made) << made.error().describe();
}

json quota_of(json hard) {
  return {{"metadata", {{"name", "team"}}}, {"spec", {{"hard", std::move(hard)}}}};
}

/// Never gets a node: pending for as long as it may be.
json too_large(int startup_seconds) {
  auto spec = python("pass");
  spec["resources"] = {{"requests", {{"cpu", "500"}}}, {"limits", {{"cpu", "500"}}}};
  spec["startupTimeoutSeconds"] = startup_seconds;
  return spec;
}

void expect_failed_without_a_run(workspace& here, json const& status, std::string_view reason) {
  EXPECT_EQ(status["phase"], "Failed") << status.dump(2);
  EXPECT_EQ(status["reason"], reason) << status.dump(2);
  EXPECT_FALSE(status.contains("exitCode")) << status.dump(2);
  EXPECT_FALSE(status.contains("stdout")) << status.dump(2);
  EXPECT_EQ(condition(status, "Failed")["status"], "True");
  EXPECT_EQ(condition(status, "Stalled")["reason"], reason);
  EXPECT_EQ(here.wait_no_leftovers(), std::vector<std::string>());
}

TEST(reason_table, has_a_test_for_every_reason) {
  auto const expect_cause = [](std::string_view reason) {
    bool const known = std::any_of(causes.begin(), causes.end(), [&](cause const& c) { return c.reason == reason; });
    EXPECT_TRUE(known) << reason << " is caused by no test: reason_causes.hpp";
  };
  for (auto const reason : api::reasons::final_ones)
    expect_cause(reason);
  for (auto const reason : api::reasons::passing_ones)
    expect_cause(reason);
  for (auto const& one : causes) {
    std::ifstream in(CODEEXEC_SOURCE_DIR "/tests/e2e/" + std::string(one.file));
    std::string const source((std::istreambuf_iterator<char>(in)), {});
    bool const there = source.find("TEST(" + std::string(one.test) + ")") != std::string::npos ||
                       source.find("TEST_F(" + std::string(one.test) + ")") != std::string::npos;
    EXPECT_TRUE(there) << one.file << " has no test " << one.test;
    EXPECT_NE(source.find("\"" + std::string(one.reason) + "\""), std::string::npos)
        << one.file << " does not speak of " << one.reason;
  }
}

TEST(reasons, memory_beyond_the_limit) {
  workspace here;
  auto spec = python("print('before', flush=True)\nhoard = b'x' * (600 << 20)\nprint(len(hoard))\n");
  spec["resources"] = {{"requests", {{"memory", "64Mi"}}}, {"limits", {{"memory", "160Mi"}}}};
  auto const status = here.run("hoarder", spec);
  if (status["reason"] == "Completed") {
    GTEST_SKIP() << "This node bounds no pod's memory: nothing can run out of it.";
  }
  EXPECT_EQ(status["phase"], "Failed");
  EXPECT_EQ(status["reason"], "OOMKilled") << status.dump(2);
  EXPECT_TRUE(says(status, "160Mi")) << status["message"];
  EXPECT_TRUE(says(status, "spec.resources.limits.memory")) << status["message"];
  EXPECT_FALSE(status.contains("exitCode"));
  EXPECT_EQ(status["stdout"], "before\n") << "what was written until then is kept";
  EXPECT_EQ(here.wait_no_leftovers(), std::vector<std::string>());
}

TEST(reasons, cancelled_before_the_start) {
  workspace here;
  auto held = python("pass");
  held["suspend"] = true;
  ASSERT_TRUE(here.create("held", held));
  ASSERT_TRUE(here.create("waiting", too_large(300)));
  for (char const* name : {"held", "waiting"}) {
    here.wait_until(name, 30s, is_pending);
    ASSERT_TRUE(here.merge_patch(kube::code_executions, name, {{"spec", {{"cancel", true}}}}));
  }
  for (char const* name : {"held", "waiting"}) {
    auto const execution = here.wait_final(name);
    EXPECT_TRUE(says(execution["status"], "spec.cancel")) << execution["status"]["message"];
    EXPECT_EQ(execution["status"]["observedGeneration"], execution["metadata"]["generation"]);
    expect_failed_without_a_run(here, execution["status"], "Cancelled");
  }
}

TEST(reasons, cancelled_while_it_runs) {
  workspace here;
  ASSERT_TRUE(here.create("stopped", python("import sys, time\nprint('so far')\nprint('and here', file=sys.stderr)\n"
                                            "sys.stdout.flush()\nwhile True: time.sleep(1)\n")));
  here.wait_running("stopped");
  ASSERT_TRUE(here.merge_patch(kube::code_executions, "stopped", {{"spec", {{"cancel", true}}}}));
  auto const status = here.wait_final("stopped")["status"];
  EXPECT_EQ(status["phase"], "Failed");
  EXPECT_EQ(status["reason"], "Cancelled") << status.dump(2);
  EXPECT_EQ(status["stdout"], "so far\n");
  EXPECT_EQ(status["stderr"], "and here\n");
  EXPECT_EQ(here.wait_no_leftovers(), std::vector<std::string>());
}

TEST(reasons, suspended_until_it_is_resumed) {
  workspace here;
  auto spec = python("print('at last')");
  spec["suspend"] = true;
  spec["startupTimeoutSeconds"] = 60;
  ASSERT_TRUE(here.create("later", spec));
  auto const held = here.wait_until("later", 30s, is_pending);
  EXPECT_EQ(held["status"]["reason"], "Suspended");
  EXPECT_TRUE(says(held["status"], "spec.suspend")) << held["status"]["message"];
  EXPECT_EQ(here.leftovers(), std::vector<std::string>()) << "nothing is started";
  ASSERT_TRUE(here.merge_patch(kube::code_executions, "later", {{"spec", {{"suspend", false}}}}));
  auto const execution = here.wait_final("later");
  EXPECT_EQ(execution["status"]["reason"], "Completed") << execution["status"].dump(2);
  EXPECT_EQ(execution["status"]["stdout"], "at last\n");
  EXPECT_EQ(execution["status"]["observedGeneration"], 2);
}

TEST(reasons, no_node_is_large_enough) {
  workspace here;
  ASSERT_TRUE(here.create("huge", too_large(4)));
  auto const waiting = here.wait_until("huge", 30s, [](json const& execution) {
    return is_pending(execution) && execution["status"]["reason"] == "Scheduling" &&
           says(execution["status"], "nodes are available");
  });
  EXPECT_TRUE(says(waiting["status"], "Insufficient cpu"))
      << "the scheduler's own sentence: " << waiting["status"]["message"];
  auto const status = here.wait_final("huge")["status"];
  EXPECT_TRUE(says(status, "4 s (spec.startupTimeoutSeconds)")) << status["message"];
  EXPECT_TRUE(says(status, "Insufficient cpu")) << "it says what it waited for: " << status["message"];
  expect_failed_without_a_run(here, status, "Unschedulable");
}

TEST(reasons, a_quota_that_leaves_no_room) {
  workspace here;
  put(here, resource_quotas, quota_of({{"pods", "0"}}));
  auto spec = python("pass");
  spec["startupTimeoutSeconds"] = 8;  // time to ask twice why there is no pod
  ASSERT_TRUE(here.create("crowded", spec));
  auto const waiting = here.wait_until("crowded", 30s, [](json const& execution) {
    return is_pending(execution) && says(execution["status"], "exceeded quota: team");
  });
  EXPECT_EQ(waiting["status"]["reason"], "Scheduling");
  auto const status = here.wait_final("crowded")["status"];
  EXPECT_TRUE(says(status, "exceeded quota: team, requested: pods=1, used: pods=0, limited: pods=0"))
      << status["message"];
  expect_failed_without_a_run(here, status, "QuotaExceeded");
}

TEST(reasons, a_quota_that_has_no_room_for_the_job) {
  workspace here;
  put(here, resource_quotas, quota_of({{"count/jobs.batch", "0"}}));
  auto spec = python("pass");
  spec["startupTimeoutSeconds"] = 2;
  auto const status = here.run("jobless", spec);
  EXPECT_TRUE(says(status, "exceeded quota: team")) << status["message"];
  expect_failed_without_a_run(here, status, "QuotaExceeded");
}

TEST(reasons, a_quota_that_is_raised_in_time_is_no_failure) {
  workspace here;
  put(here, resource_quotas, quota_of({{"pods", "0"}}));
  auto spec = python("print('there was room')");
  spec["startupTimeoutSeconds"] = 120;
  ASSERT_TRUE(here.create("patient", spec));
  here.wait_until("patient", 30s, [](json const& execution) {
    return is_pending(execution) && says(execution["status"], "exceeded quota: team");
  });
  ASSERT_TRUE(here.merge_patch(resource_quotas, "team", {{"spec", {{"hard", {{"pods", "10"}}}}}}));
  auto const status = here.wait_final("patient", 120s)["status"];
  EXPECT_EQ(status["reason"], "Completed") << status.dump(2);
  EXPECT_EQ(status["stdout"], "there was room\n");
  EXPECT_EQ(status.value("message", ""), "") << "what it once waited for is history";
}

TEST(reasons, admission_refuses_the_pod) {
  workspace here;
  put(here, limit_ranges,
      {{"metadata", {{"name", "small"}}},
       {"spec", {{"limits", json::array({{{"type", "Container"}, {"max", {{"memory", "300Mi"}}}}})}}}});
  auto spec = python("pass");
  spec["startupTimeoutSeconds"] = 120;  // not waited for: it does not heal by itself
  auto const status = here.run("too-big", spec);
  EXPECT_TRUE(says(status, "maximum memory usage per Container is 300Mi, but limit is 512Mi")) << status["message"];
  expect_failed_without_a_run(here, status, "PodRejected");
}

TEST(reasons, a_pod_that_is_deleted_under_the_code) {
  workspace here;
  ASSERT_TRUE(here.create("moved", bash("echo so far; while :; do sleep 1; done")));
  auto const execution = here.wait_running("moved");
  ASSERT_TRUE(here.remove(kube::pods, text_of(execution["status"], "podName")));
  auto const status = here.wait_final("moved")["status"];
  EXPECT_EQ(status["phase"], "Failed");
  EXPECT_EQ(status["reason"], "Evicted") << status.dump(2);
  EXPECT_EQ(status["stdout"], "so far\n");
  EXPECT_TRUE(says(status, "while the code ran")) << status["message"];
  EXPECT_EQ(here.wait_no_leftovers(), std::vector<std::string>());
}

TEST(reasons, a_stranger_in_the_jobs_place) {
  workspace here;
  auto spec = python("print('ours')");
  spec["suspend"] = true;
  auto const made = here.create("squatted", spec);
  ASSERT_TRUE(made) << made.error().describe();
  api::ObjectMeta metadata;
  metadata.name = "squatted";
  metadata.uid = text_of((*made)["metadata"], "uid");
  auto const job = execution::child_name(metadata);
  put(here, kube::jobs,
      {{"metadata", {{"name", job}}},
       {"spec",
        {{"suspend", true},
         {"template",
          {{"spec",
            {{"restartPolicy", "Never"},
             {"containers", json::array({{{"name", "theirs"}, {"image", "python:3.11-slim"}}})}}}}}}}});
  ASSERT_TRUE(here.merge_patch(kube::code_executions, "squatted", {{"spec", {{"suspend", false}}}}));
  auto const status = here.wait_final("squatted")["status"];
  EXPECT_TRUE(says(status, "\"" + job + "\"")) << status["message"];
  EXPECT_TRUE(says(status, "left alone")) << status["message"];
  expect_failed_without_a_run(here, status, "InternalError");
  EXPECT_TRUE(here.get(kube::jobs, job)) << "what is not ours stays";
}

TEST(reasons, a_runner_that_is_not_the_operators) {
  workspace other;
  ASSERT_EQ(other.run("first", python("pass"))["reason"], "Completed");
  auto const runners = other.list(kube::config_maps, "codeexec.dev/component=runner");
  ASSERT_EQ(runners.size(), 1u);
  workspace here;
  put(here, kube::config_maps,
      {{"metadata", {{"name", runners[0]["metadata"]["name"]}}},
       {"data", {{"codeexec-runner", "#!/bin/sh\nexit 0\n"}}}});
  auto spec = python("pass");
  spec["startupTimeoutSeconds"] = 2;
  auto const status = here.run("misled", spec);
  EXPECT_TRUE(says(status, "does not hold the runner it is named after")) << status["message"];
  expect_failed_without_a_run(here, status, "InternalError");
}

}  // namespace
}  // namespace codeexec::e2e
