// What no execution needs any more goes, also what a person or an older operator left behind.
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <thread>

#include "machine.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// Sweeps every second; gVisor is not the point here.
std::string sweeping_config(std::filesystem::path const& folder) {
  auto const path = (folder / "sweep.yaml").string();
  std::ofstream(path) << "requireSandbox: false\nsweepIntervalSeconds: 1\n";
  return path;
}

constexpr kube::resource roles{"rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false};

class MachineSweep : public ::testing::Test {
 protected:
  void start() { operator_ = here.start_operator("operator", {"--config", config}); }
  void kill() { operator_->end(SIGKILL); }

  static bool soon(std::function<bool()> const& happened) {
    auto const until = steady_clock::now() + 60s;
    while (!happened()) {
      if (steady_clock::now() > until) return false;
      std::this_thread::sleep_for(50ms);
    }
    return true;
  }

  machine here{{"--runtime", "process"}};
  std::string config = sweeping_config(here.folder());
  std::unique_ptr<program> operator_;
};

TEST_F(MachineSweep, a_namespaces_policy_and_runner_go_after_its_last_execution_and_come_back_for_the_next) {
  workspace space(here.api());
  auto const runners = [&] { return space.list(kube::config_maps, "codeexec.dev/component=runner").size(); };
  auto const policies = [&] { return space.list(kube::network_policies).size(); };
  start();
  EXPECT_EQ(space.run("first", bash("echo hi"))["phase"], "Succeeded");
  ASSERT_TRUE(space.create("second", bash("while :; do sleep 1; done")));
  space.wait_until("second", 60s,
                   [](json const& e) { return e.contains("status") && e["status"]["phase"] == "Running"; });
  ASSERT_TRUE(space.remove(kube::code_executions, "first"));
  std::this_thread::sleep_for(2500ms);  // two sweeps at least; longer proves no more
  EXPECT_EQ(policies(), 1U) << "an execution is unfinished";
  EXPECT_EQ(runners(), 1U);
  ASSERT_TRUE(space.remove(kube::code_executions, "second"));
  EXPECT_TRUE(soon([&] { return policies() == 0 && runners() == 0; }));
  EXPECT_EQ(space.run("third", bash("echo hi again"))["stdout"], "hi again\n");
}

TEST_F(MachineSweep, code_that_somebody_orphaned_does_not_run_on) {
  workspace space(here.api());
  start();
  ASSERT_TRUE(space.create("orphaned", bash("while :; do sleep 1; done")));
  space.wait_until("orphaned", 60s,
                   [](json const& e) { return e.contains("status") && e["status"]["phase"] == "Running"; });
  kill();
  // kubectl delete job --cascade=orphan, and the finalizer taken away by hand.
  auto const jobs = space.list(kube::jobs);
  ASSERT_EQ(jobs.size(), 1U);
  kube::delete_options orphan;
  orphan.policy = kube::propagation::orphan;
  ASSERT_TRUE(here.api().send(
      kube::make_delete(kube::jobs, space.name(), jobs[0]["metadata"]["name"].get<std::string>(), orphan)));
  ASSERT_TRUE(space.merge_patch(kube::code_executions, "orphaned", {{"metadata", {{"finalizers", nullptr}}}}));
  ASSERT_TRUE(space.remove(kube::code_executions, "orphaned"));
  ASSERT_TRUE(space.wait_gone(kube::code_executions, "", 30s));
  ASSERT_TRUE(space.wait_gone(kube::jobs, "", 30s));
  ASSERT_EQ(space.list(kube::pods).size(), 1U) << "it runs on";
  start();
  EXPECT_TRUE(space.wait_gone(kube::pods, "", 60s));
  EXPECT_TRUE(soon([&] {
    return space.leftovers().empty() && space.list(kube::config_maps, "codeexec.dev/component").empty() &&
           space.list(kube::network_policies).empty();
  }));
}

TEST_F(MachineSweep, a_job_without_its_execution_goes_and_what_is_not_ours_stays) {
  workspace space(here.api());
  json const ours{{"app.kubernetes.io/managed-by", "codeexec-controller"},
                  {"codeexec.dev/component", "execution"},
                  {"codeexec.dev/execution-uid", "00000000-0000-0000-0000-000000000000"}};
  auto const put_job = [&](std::string const& name, json const& labels) {
    json const job{{"apiVersion", "batch/v1"},
                   {"kind", "Job"},
                   {"metadata", {{"name", name}, {"namespace", space.name()}, {"labels", labels}}},
                   {"spec",
                    {{"suspend", true},
                     {"template",
                      {{"spec",
                        {{"restartPolicy", "Never"},
                         {"containers", json::array({{{"name", "code"}, {"image", "debian:12-slim"}}})}}}}}}}};
    ASSERT_TRUE(here.api().send(kube::make_create(kube::jobs, space.name(), job.dump(), "codeexec-e2e")));
  };
  put_job("left-over", ours);
  put_job("somebodys", json{{"app", "theirs"}});
  json const map{{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", "settings"}}}};
  ASSERT_TRUE(here.api().send(kube::make_create(kube::config_maps, space.name(), map.dump(), "codeexec-e2e")));
  start();
  EXPECT_TRUE(soon([&] { return space.list(kube::jobs).size() == 1; }));
  EXPECT_TRUE(space.get(kube::jobs, "somebodys"));
  EXPECT_TRUE(space.get(kube::config_maps, "settings"));
}

TEST_F(MachineSweep, an_edited_policy_is_put_right_before_anything_starts_behind_it) {
  workspace space(here.api());
  start();
  EXPECT_EQ(space.run("first", bash("true"))["phase"], "Succeeded");
  kill();  // the next one has not looked at it yet
  ASSERT_TRUE(space.merge_patch(kube::network_policies, "codeexec-deny",
                                {{"spec", {{"egress", json::array({json::object()})}}}}));
  start();
  EXPECT_EQ(space.run("second", bash("true"))["phase"], "Succeeded");
  auto const policy = space.get(kube::network_policies, "codeexec-deny");
  ASSERT_TRUE(policy);
  EXPECT_FALSE((*policy)["spec"].contains("egress")) << policy->dump(2);
}

TEST_F(MachineSweep, without_the_right_to_policies_only_an_allowed_network_is_started) {
  workspace space(here.api());
  auto role = here.api().send(kube::make_get(roles, "", "codeexec-controller"));
  ASSERT_TRUE(role) << role.error().describe();
  json rules = json::array();
  for (auto const& rule : (*role)["rules"]) {
    if (rule["apiGroups"] != json::array({"networking.k8s.io"})) rules.push_back(rule);
  }
  ASSERT_LT(rules.size(), (*role)["rules"].size());
  json const patch{{"rules", rules}};
  ASSERT_TRUE(here.api().send(
      kube::make_patch(roles, "", "codeexec-controller", kube::patch_type::merge, patch.dump(), "codeexec-e2e")));
  start();
  auto denied = bash("true");
  denied["startupTimeoutSeconds"] = 2;
  auto allowed = bash("echo open");
  allowed["network"] = "Allow";
  EXPECT_EQ(space.run("allowed", allowed)["stdout"], "open\n");
  auto const status = space.run("denied", denied);
  EXPECT_EQ(status["phase"], "Failed");
  EXPECT_FALSE(status.contains("jobName")) << status.dump(2);
  EXPECT_NE(status.value("message", "").find("networkPolicy: false"), std::string::npos) << status.dump(2);
}

}  // namespace
}  // namespace codeexec::e2e
