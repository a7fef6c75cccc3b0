// From creation to the last trace: what is shown while it runs, what is left afterwards, what deletion does.
#include <gtest/gtest.h>
#include <string>
#include <thread>

#include "cluster.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;

TEST(lifecycle, nothing_is_left_but_the_result) {
  workspace here;
  EXPECT_EQ(here.run("clean", python("print(1)"))["reason"], "Completed");
  EXPECT_EQ(here.wait_no_leftovers(), std::vector<std::string>());
}

TEST(lifecycle, retain_keeps_job_pod_and_config_map_until_the_execution_is_deleted) {
  workspace here;
  auto spec = python("print(1)");
  spec["cleanupPolicy"] = "Retain";
  auto const status = here.run("kept", spec);
  EXPECT_EQ(status["reason"], "Completed");
  std::this_thread::sleep_for(1s);
  EXPECT_TRUE(here.get(kube::jobs, status["jobName"].get<std::string>()));
  EXPECT_TRUE(here.get(kube::pods, status["podName"].get<std::string>()));
  ASSERT_TRUE(here.remove(kube::code_executions, "kept"));
  EXPECT_EQ(here.wait_no_leftovers(), std::vector<std::string>());
  EXPECT_TRUE(here.wait_gone(kube::code_executions, "", 20s));
}

TEST(lifecycle, a_long_execution_shows_that_it_runs) {
  workspace here;
  ASSERT_TRUE(here.create("long", python("import time; print('x', flush=True); time.sleep(8)")));
  auto const running = here.wait_running("long");
  auto const& status = running["status"];
  EXPECT_EQ(status["reason"], "Running");
  EXPECT_EQ(condition(status, "Reconciling")["status"], "True");
  EXPECT_EQ(condition(status, "Ready")["status"], "False");
  EXPECT_FALSE(status.contains("stdout")) << "output and the final phase come together";
  EXPECT_NE(status.value("podName", ""), "");
  EXPECT_EQ(here.wait_final("long")["status"]["reason"], "Completed");
}

TEST(lifecycle, deleting_a_running_execution_stops_its_code_and_leaves_nothing) {
  workspace here;
  ASSERT_TRUE(here.create("doomed", python("import time\nwhile True: time.sleep(1)")));
  here.wait_running("doomed");
  ASSERT_TRUE(here.remove(kube::code_executions, "doomed"));
  EXPECT_TRUE(here.wait_gone(kube::code_executions, "", 40s));
  EXPECT_EQ(here.wait_no_leftovers(), std::vector<std::string>());
}

TEST(lifecycle, deleting_at_once_leaves_nothing) {
  workspace here;
  ASSERT_TRUE(here.create("early", python("import time; time.sleep(100)")));
  ASSERT_TRUE(here.remove(kube::code_executions, "early"));
  EXPECT_TRUE(here.wait_gone(kube::code_executions, "", 40s));
  EXPECT_EQ(here.wait_no_leftovers(), std::vector<std::string>());
}

TEST(lifecycle, a_finished_execution_never_runs_again) {
  workspace here;
  auto const first = here.run("once", python("import uuid; print(uuid.uuid4())"));
  // What a re-sync, a label or a touch from outside looks like.
  ASSERT_TRUE(here.merge_patch(kube::code_executions, "once", {{"metadata", {{"labels", {{"touched", "yes"}}}}}}));
  ASSERT_TRUE(here.merge_patch(kube::code_executions, "once", {{"metadata", {{"annotations", {{"touched", "yes"}}}}}}));
  std::this_thread::sleep_for(1500ms);
  auto const again = here.get(kube::code_executions, "once");
  ASSERT_TRUE(again);
  EXPECT_EQ(again.value()["status"], first);
  EXPECT_EQ(here.leftovers(), std::vector<std::string>());
}

TEST(lifecycle, a_job_that_somebody_deletes_is_not_made_again) {
  workspace here;
  auto spec = python("import time; print('x', flush=True); time.sleep(60)");
  ASSERT_TRUE(here.create("robbed", spec));
  auto const running = here.wait_running("robbed");
  ASSERT_TRUE(here.remove(kube::jobs, running["status"]["jobName"].get<std::string>()));
  auto const status = here.wait_final("robbed")["status"];
  EXPECT_EQ(status["phase"], "Failed") << status.dump(2);
  EXPECT_NE(status["reason"], "Completed");
  EXPECT_EQ(here.wait_no_leftovers(), std::vector<std::string>());
}

TEST(failures, an_image_that_cannot_be_pulled_fails_when_the_startup_time_ends) {
  workspace here;
  auto spec = python("pass");
  spec["image"] = "localhost/none:1";
  spec["startupTimeoutSeconds"] = 4;
  ASSERT_TRUE(here.create("noimage", spec));
  auto const waiting = here.wait_until("noimage", 30s, [](json const& execution) {
    return execution.contains("status") && execution["status"].value("reason", "") == "PullingImage";
  });
  EXPECT_EQ(waiting["status"]["phase"], "Pending");
  auto const status = here.wait_final("noimage")["status"];
  EXPECT_EQ(status["phase"], "Failed");
  EXPECT_EQ(status["reason"], "ImagePullFailed") << status.dump(2);
  EXPECT_NE(status["message"].get<std::string>().find("localhost/none:1"), std::string::npos) << status["message"];
  EXPECT_FALSE(status.contains("exitCode"));
  EXPECT_EQ(here.wait_no_leftovers(), std::vector<std::string>());
}

TEST(failures, a_runtime_class_that_does_not_exist_is_named) {
  workspace here;
  auto spec = python("pass");
  spec["runtimeClassName"] = "absent";
  auto const status = here.run("noclass", spec);
  EXPECT_EQ(status["phase"], "Failed");
  EXPECT_EQ(status["reason"], "RuntimeClassMissing") << status.dump(2);
  EXPECT_NE(status["message"].get<std::string>().find("absent"), std::string::npos);
  EXPECT_EQ(here.wait_no_leftovers(), std::vector<std::string>());
}

}  // namespace
}  // namespace codeexec::e2e
