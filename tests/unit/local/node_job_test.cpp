// The Job controller's decisions, step by step, against what kube-controller-manager 1.36 wrote (transcripts 15).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codeexec/local/node/job_plan.hpp"
#include "codeexec/local/object.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using ::testing::ElementsAre;

base::wall_time const begin = *base::parse_time("2026-01-31T10:00:00Z");

/// A Job and its Pods that a test moves on by carrying out each plan, as the controller does.
class job_steps : public ::testing::Test {
 protected:
  json job{{"metadata", {{"name", "j"}, {"namespace", "ns"}, {"uid", "u"}}},
           {"spec", {{"backoffLimit", 0}, {"template", {{"spec", json::object()}}}}},
           {"status", json::object()}};
  std::vector<json> pods;
  base::wall_time now = begin;

  job_plan plan() const {
    std::vector<json const*> seen;
    for (auto const& pod : pods) {
      seen.push_back(&pod);
    }
    return plan_job(job, seen, now);
  }
  json& add_pod(std::string const& phase = "Pending") {
    auto pod = make_job_pod(job);
    pod["metadata"]["name"] = "j-" + std::to_string(pods.size());
    pod["metadata"]["uid"] = "p" + std::to_string(pods.size());
    pod["status"] = json{{"phase", phase}};
    pods.push_back(pod);
    return pods.back();
  }
  /// One step; the status it wrote is in `job`.
  job_plan step() {
    auto done = plan();
    if (done.status) {
      job["status"] = *done.status;
    }
    for (auto& pod : pods) {
      for (auto const& name : done.unfinalize) {
        if (pod["metadata"]["name"] == name) {
          pod["metadata"].erase("finalizers");
        }
      }
    }
    return done;
  }
  std::vector<std::string> conditions() const {
    std::vector<std::string> out;
    for (auto const& c : job["status"].value("conditions", json::array())) {
      out.push_back(c["type"].get<std::string>() + "=" + c["status"].get<std::string>());
    }
    return out;
  }
};

TEST_F(job_steps, a_new_job_makes_one_pod) {
  EXPECT_EQ(plan().create, 1);
}

TEST_F(job_steps, while_its_pod_runs_the_job_is_active_and_makes_no_second) {
  add_pod("Running")["status"]["conditions"] = json::array({json{{"type", "Ready"}, {"status", "True"}}});
  auto const done = step();
  EXPECT_EQ(done.create, 0);
  EXPECT_EQ(job["status"]["active"], 1);
  EXPECT_EQ(job["status"]["ready"], 1);
  EXPECT_EQ(job["status"]["terminating"], 0);
  EXPECT_EQ(job["status"]["startTime"], "2026-01-31T10:00:00Z");
  EXPECT_TRUE(plan().empty());
}

TEST_F(job_steps, success_is_announced_then_counted_then_complete) {
  add_pod("Succeeded");
  auto first = step();
  EXPECT_THAT(conditions(), ElementsAre("SuccessCriteriaMet=True"));
  EXPECT_EQ(job["status"]["uncountedTerminatedPods"]["succeeded"], json::array({"p0"}));
  EXPECT_FALSE(job["status"].contains("succeeded"));
  EXPECT_TRUE(first.events.empty());
  auto second = step();
  EXPECT_THAT(second.unfinalize, ElementsAre("j-0"));
  EXPECT_FALSE(second.status);
  auto third = step();
  EXPECT_THAT(conditions(), ElementsAre("SuccessCriteriaMet=True", "Complete=True"));
  EXPECT_EQ(job["status"]["succeeded"], 1);
  EXPECT_EQ(job["status"]["uncountedTerminatedPods"], json::object());
  EXPECT_EQ(job["status"]["completionTime"], "2026-01-31T10:00:00Z");
  ASSERT_EQ(third.events.size(), 1U);
  EXPECT_EQ(third.events[0].message, "Job completed");
  EXPECT_TRUE(plan().empty());
}

TEST_F(job_steps, a_failure_beyond_the_backoff_limit_fails_the_job) {
  add_pod("Failed");
  step();
  EXPECT_THAT(conditions(), ElementsAre("FailureTarget=True"));
  step();
  auto const last = step();
  EXPECT_THAT(conditions(), ElementsAre("FailureTarget=True", "Failed=True"));
  EXPECT_EQ(job["status"]["failed"], 1);
  ASSERT_EQ(last.events.size(), 1U);
  EXPECT_EQ(last.events[0].reason, "BackoffLimitExceeded");
  EXPECT_TRUE(last.events[0].warning);
}

TEST_F(job_steps, within_the_backoff_limit_another_pod_follows_after_the_backoff) {
  job["spec"]["backoffLimit"] = 3;
  add_pod("Failed")["status"]["containerStatuses"] =
      json::array({json{{"state", {{"terminated", {{"finishedAt", "2026-01-31T10:00:00Z"}}}}}}});
  step();
  step();
  auto const waits = plan();
  EXPECT_EQ(waits.create, 0);
  EXPECT_EQ(waits.again, begin + seconds(10));
  now = begin + seconds(10);
  EXPECT_EQ(plan().create, 1);
}

TEST_F(job_steps, the_deadline_deletes_the_pod_and_fails_only_when_it_is_gone) {
  job["spec"]["activeDeadlineSeconds"] = 4;
  add_pod("Running");
  EXPECT_EQ(step().again, begin + seconds(4));
  now = begin + seconds(4);
  auto const late = step();
  EXPECT_THAT(late.remove, ElementsAre("j-0"));
  EXPECT_THAT(conditions(), ElementsAre("FailureTarget=True"));
  EXPECT_EQ(job["status"]["terminating"], 1);
  EXPECT_FALSE(job["status"].contains("active"));
  EXPECT_EQ(job["status"]["uncountedTerminatedPods"]["failed"], json::array({"p0"}));
  pods[0]["metadata"]["deletionTimestamp"] = "2026-01-31T10:00:05Z";
  EXPECT_THAT(step().unfinalize, ElementsAre("j-0"));
  step();
  EXPECT_EQ(job["status"]["failed"], 1);
  EXPECT_THAT(conditions(), ElementsAre("FailureTarget=True"));
  pods.clear();
  // That the Pod is gone is one write, that the Job has failed the next.
  step();
  EXPECT_THAT(conditions(), ElementsAre("FailureTarget=True"));
  auto const last = step();
  EXPECT_THAT(conditions(), ElementsAre("FailureTarget=True", "Failed=True"));
  ASSERT_EQ(last.events.size(), 1U);
  EXPECT_EQ(last.events[0].reason, "DeadlineExceeded");
  EXPECT_EQ(job["status"]["terminating"], 0);
}

TEST_F(job_steps, a_pod_that_somebody_deletes_counts_as_failed) {
  add_pod("Running")["metadata"]["deletionTimestamp"] = "2026-01-31T10:00:05Z";
  step();
  EXPECT_THAT(conditions(), ElementsAre("FailureTarget=True"));
}

TEST_F(job_steps, a_pod_that_vanishes_before_it_was_announced_is_made_again) {
  add_pod("Running");
  step();
  pods.clear();
  EXPECT_EQ(plan().create, 1);
}

TEST_F(job_steps, suspended_it_makes_nothing_and_stops_what_runs) {
  job["spec"]["suspend"] = true;
  auto const first = step();
  EXPECT_EQ(first.create, 0);
  EXPECT_THAT(conditions(), ElementsAre("Suspended=True"));
  job["spec"]["suspend"] = false;
  auto const resumed = step();
  EXPECT_EQ(resumed.create, 1);
  EXPECT_THAT(conditions(), ElementsAre("Suspended=False"));
}

TEST_F(job_steps, suspending_a_running_job_deletes_its_pod_without_counting_a_failure) {
  add_pod("Running");
  step();
  job["spec"]["suspend"] = true;
  EXPECT_THAT(step().remove, ElementsAre("j-0"));
  EXPECT_FALSE(job["status"].contains("failed"));
  EXPECT_FALSE(job["status"].contains("active"));
}

TEST_F(job_steps, a_finished_job_goes_when_its_ttl_is_over) {
  job["spec"]["ttlSecondsAfterFinished"] = 2;
  add_pod("Succeeded");
  step();
  step();
  step();
  EXPECT_EQ(plan().again, begin + seconds(2));
  EXPECT_FALSE(plan().delete_job);
  now = begin + seconds(2);
  EXPECT_TRUE(plan().delete_job);
}

TEST_F(job_steps, a_job_under_deletion_makes_no_pod_and_lets_go_of_its_pods) {
  job["metadata"]["deletionTimestamp"] = "2026-01-31T10:00:05Z";
  add_pod("Running");
  auto const done = plan();
  EXPECT_EQ(done.create, 0);
  EXPECT_THAT(done.unfinalize, ElementsAre("j-0"));
}

TEST(job_pod, carries_owner_finalizer_and_labels_from_its_creation) {
  json const job{{"metadata", {{"name", "ok"}, {"namespace", "ns"}, {"uid", "u1"}}},
                 {"spec", {{"template", {{"metadata", {{"labels", {{"app", "t"}}}}}, {"spec", {{"x", 1}}}}}}}};
  auto const pod = make_job_pod(job);
  EXPECT_EQ(pod["metadata"]["generateName"], "ok-");
  EXPECT_EQ(pod["metadata"]["finalizers"], json::array({"batch.kubernetes.io/job-tracking"}));
  EXPECT_EQ(pod["metadata"]["ownerReferences"], json::array({json{{"apiVersion", "batch/v1"},
                                                                  {"kind", "Job"},
                                                                  {"name", "ok"},
                                                                  {"uid", "u1"},
                                                                  {"controller", true},
                                                                  {"blockOwnerDeletion", true}}}));
  EXPECT_EQ(pod["metadata"]["labels"]["app"], "t");
  EXPECT_EQ(pod["metadata"]["labels"]["job-name"], "ok");
  EXPECT_EQ(pod["metadata"]["labels"]["batch.kubernetes.io/controller-uid"], "u1");
}

}  // namespace
}  // namespace codeexec::local
