// What the controllers of Deployments, ReplicaSets and budgets do next, step by step.
#include "codeexec/local/workload_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codeexec/local/object.hpp"
#include "codeexec/local/workloads.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

base::wall_time const dawn = *base::parse_time("2026-01-31T10:00:00Z");

json pod_named(std::string const& name, bool ready, base::wall_time since = dawn) {
  json pod{{"metadata", {{"name", name}, {"creationTimestamp", "2026-01-31T10:00:00Z"}}},
           {"spec", {{"nodeName", "local"}}},
           {"status", {{"phase", "Running"}}}};
  pod["status"]["conditions"] = json::array({json{
      {"type", "Ready"}, {"status", ready ? "True" : "False"}, {"lastTransitionTime", base::format_time(since)}}});
  return pod;
}

class replica_set_step : public ::testing::Test {
 protected:
  json set{{"metadata", {{"name", "web-1"}, {"namespace", "ns"}, {"uid", "s"}, {"generation", 1}}},
           {"spec", {{"replicas", 2}, {"template", {{"metadata", {{"labels", {{"app", "web"}}}}}}}}}};
  std::vector<json> pods;
  base::wall_time now = dawn;

  replica_set_plan plan() const {
    std::vector<json const*> seen;
    for (auto const& pod : pods) {
      seen.push_back(&pod);
    }
    return plan_replica_set(set, seen, now);
  }
};

TEST_F(replica_set_step, makes_as_many_pods_as_are_missing) {
  EXPECT_EQ(plan().create, 2);
  pods.push_back(pod_named("a", true));
  EXPECT_EQ(plan().create, 1);
  pods.push_back(pod_named("b", false));
  EXPECT_EQ(plan().create, 0);
  EXPECT_EQ(plan().status["readyReplicas"], 1);
}

TEST_F(replica_set_step, replaces_a_pod_that_is_deleted_or_has_ended) {
  pods = {pod_named("a", true), pod_named("b", true)};
  pods[0]["metadata"]["deletionTimestamp"] = "2026-01-31T10:00:00Z";
  EXPECT_EQ(plan().create, 1);
  EXPECT_EQ(plan().status["terminatingReplicas"], 1);
  pods[1]["status"]["phase"] = "Failed";
  EXPECT_EQ(plan().create, 2);
}

TEST_F(replica_set_step, of_too_many_those_go_that_are_not_ready) {
  pods = {pod_named("a", true), pod_named("b", false), pod_named("c", true)};
  EXPECT_THAT(plan().remove, ElementsAre("b"));
}

TEST_F(replica_set_step, a_pod_counts_as_available_once_it_was_ready_for_long_enough) {
  set["spec"]["minReadySeconds"] = 10;
  pods = {pod_named("a", true), pod_named("b", true)};
  now = dawn + seconds(9);
  EXPECT_FALSE(plan().status.contains("availableReplicas"));
  EXPECT_EQ(plan().again, dawn + seconds(10));
  now = dawn + seconds(10);
  EXPECT_EQ(plan().status["availableReplicas"], 2);
}

TEST_F(replica_set_step, its_pods_have_it_for_an_owner_and_its_templates_labels) {
  auto const pod = make_replica_pod(set);
  EXPECT_EQ(string_at(pod, "metadata.generateName"), "web-1-");
  EXPECT_EQ(string_at(pod, "metadata.labels.app"), "web");
  EXPECT_EQ(at_path(pod, "metadata.ownerReferences")[0]["uid"], "s");
}

/// A Deployment with ReplicaSets that obey at once: each step's writes are carried out, and the Pods of a set are ready
/// as soon as `ready` allows it.
class rollout_steps : public ::testing::Test {
 protected:
  json deployment{
      {"metadata", {{"name", "web"}, {"namespace", "ns"}, {"uid", "d"}, {"generation", 1}}},
      {"spec",
       {{"replicas", 2},
        {"selector", {{"matchLabels", {{"app", "web"}}}}},
        {"strategy", {{"type", "RollingUpdate"}, {"rollingUpdate", {{"maxSurge", 1}, {"maxUnavailable", 0}}}}},
        {"progressDeadlineSeconds", 600},
        {"template",
         {{"metadata", {{"labels", {{"app", "web"}}}}},
          {"spec", {{"containers", json::array({json{{"name", "c"}, {"image", "one"}}})}}}}}}}};
  std::vector<json> sets;
  base::wall_time now = dawn;

  deployment_plan step() {
    std::vector<json const*> seen;
    for (auto const& set : sets) {
      seen.push_back(&set);
    }
    auto const plan = plan_deployment(deployment, seen, now);
    if (!plan.revision.empty()) {
      deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = plan.revision;
    }
    for (auto& set : sets) {
      for (auto const& one : plan.scale) {
        if (set["metadata"]["name"] == one.set) {
          set["spec"]["replicas"] = one.to;
          set["status"]["replicas"] = one.to;
          set["status"]["availableReplicas"] =
              std::min<std::int64_t>(one.to, set["status"].value("availableReplicas", std::int64_t{0}));
        }
      }
      if (set["metadata"]["name"] == plan.revive) {
        set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = plan.revision;
      }
    }
    std::erase_if(sets, [&](json const& set) {
      return std::find(plan.remove.begin(), plan.remove.end(), set["metadata"]["name"]) != plan.remove.end();
    });
    if (plan.create) {
      sets.push_back(*plan.create);
      sets.back()["status"] = {{"replicas", at_path(*plan.create, "spec.replicas")}};
    }
    deployment["status"] = plan.status;
    return plan;
  }
  static void ready(json& set) {
    set["status"]["readyReplicas"] = set["spec"]["replicas"];
    set["status"]["availableReplicas"] = set["spec"]["replicas"];
  }
  std::vector<std::int64_t> sizes() const {
    std::vector<std::int64_t> out;
    for (auto const& set : sets) {
      out.push_back(set["spec"]["replicas"].get<std::int64_t>());
    }
    return out;
  }
  std::string reason(std::string const& type) const {
    for (auto const& one : deployment["status"]["conditions"]) {
      if (one["type"] == type) {
        return one["reason"].get<std::string>();
      }
    }
    return {};
  }
  void image(std::string const& name) {
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = name;
    deployment["metadata"]["generation"] = deployment["metadata"]["generation"].get<int>() + 1;
  }
};

TEST_F(rollout_steps, the_first_template_gets_a_set_of_full_size) {
  auto const plan = step();
  ASSERT_TRUE(plan.create);
  EXPECT_THAT(sizes(), ElementsAre(2));
  EXPECT_EQ(plan.revision, "1");
  step();
  EXPECT_EQ(reason("Available"), "MinimumReplicasUnavailable");
  ready(sets[0]);
  step();
  EXPECT_EQ(reason("Available"), "MinimumReplicasAvailable");
  EXPECT_EQ(reason("Progressing"), "NewReplicaSetAvailable");
  EXPECT_EQ(deployment["status"]["availableReplicas"], 2);
  EXPECT_THAT(step().scale, IsEmpty());
}

TEST_F(rollout_steps, an_update_never_has_fewer_than_wanted_nor_more_than_the_surge) {
  step();
  ready(sets[0]);
  step();
  image("two");
  std::vector<std::vector<std::int64_t>> seen;
  for (int i = 0; i < 12; ++i) {
    step();
    auto const total = sizes()[0] + (sizes().size() > 1 ? sizes()[1] : 0);
    auto const available = sets[0]["status"]["availableReplicas"].get<std::int64_t>() +
                           (sets.size() > 1 ? sets[1]["status"].value("availableReplicas", std::int64_t{0}) : 0);
    EXPECT_LE(total, 3);
    EXPECT_GE(available, 2);
    if (seen.empty() || seen.back() != sizes()) {
      seen.push_back(sizes());
    }
    if (sets.size() > 1) {
      ready(sets[1]);
    }
  }
  EXPECT_THAT(seen, ElementsAre(ElementsAre(2, 1), ElementsAre(1, 1), ElementsAre(1, 2), ElementsAre(0, 2)));
  EXPECT_EQ(deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "2");
  EXPECT_EQ(reason("Progressing"), "NewReplicaSetAvailable");
}

TEST_F(rollout_steps, a_new_template_that_never_gets_ready_leaves_the_old_pods_and_says_so) {
  step();
  ready(sets[0]);
  step();
  image("broken");
  for (int i = 0; i < 5; ++i) {
    step();
  }
  EXPECT_THAT(sizes(), ElementsAre(2, 1));
  EXPECT_EQ(reason("Progressing"), "ReplicaSetUpdated");
  now += seconds(601);
  step();
  EXPECT_EQ(reason("Progressing"), "ProgressDeadlineExceeded");
  EXPECT_EQ(reason("Available"), "MinimumReplicasAvailable");
}

TEST_F(rollout_steps, going_back_revives_the_old_set_under_a_new_revision) {
  step();
  ready(sets[0]);
  step();
  image("two");
  for (int i = 0; i < 8; ++i) {
    step();
    if (sets.size() > 1) {
      ready(sets[1]);
    }
  }
  image("one");
  step();
  EXPECT_EQ(sets.size(), 2u);
  EXPECT_EQ(deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
  EXPECT_EQ(sets[0]["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
}

TEST_F(rollout_steps, recreate_waits_until_the_old_pods_are_gone) {
  deployment["spec"]["strategy"] = {{"type", "Recreate"}};
  step();
  ready(sets[0]);
  step();
  image("two");
  step();
  EXPECT_THAT(sizes(), ElementsAre(0, 0));
  sets[0]["status"]["terminatingReplicas"] = 2;
  step();
  EXPECT_THAT(sizes(), ElementsAre(0, 0));
  sets[0]["status"]["terminatingReplicas"] = 0;
  step();
  EXPECT_THAT(sizes(), ElementsAre(0, 2));
}

TEST_F(rollout_steps, a_paused_one_changes_its_number_and_not_its_template) {
  step();
  deployment["spec"]["paused"] = true;
  deployment["spec"]["replicas"] = 3;
  step();
  EXPECT_THAT(sizes(), ElementsAre(3));
  image("two");
  EXPECT_FALSE(step().create);
}

TEST_F(rollout_steps, old_sets_beyond_the_limit_go) {
  deployment["spec"]["revisionHistoryLimit"] = 1;
  for (char const* const name : {"one", "two", "three", "four"}) {
    image(name);
    for (int i = 0; i < 10; ++i) {
      step();
      for (auto& set : sets) {
        ready(set);
      }
    }
  }
  EXPECT_THAT(sizes(), ElementsAre(0, 2));
}

TEST(share, is_rounded_up_for_the_surge_and_down_for_what_may_be_missing) {
  EXPECT_EQ(share_of("25%", 2, true), 1);
  EXPECT_EQ(share_of("25%", 2, false), 0);
  EXPECT_EQ(share_of(3, 2, false), 3);
  EXPECT_EQ(share_of(nullptr, 2, true), 0);
}

TEST(disruption_budget, lets_go_what_is_healthy_beyond_the_least) {
  json const budget{{"spec", {{"minAvailable", 1}}}};
  auto const a = pod_named("a", true);
  auto const b = pod_named("b", true);
  auto const ill = pod_named("c", false);
  EXPECT_EQ(plan_disruption_budget(budget, {&a, &b}, 2, dawn)["disruptionsAllowed"], 1);
  EXPECT_EQ(plan_disruption_budget(budget, {&a, &ill}, 2, dawn)["disruptionsAllowed"], 0);
  json const by_share{{"spec", {{"maxUnavailable", "50%"}}}};
  EXPECT_EQ(plan_disruption_budget(by_share, {&a, &b}, 2, dawn)["disruptionsAllowed"], 1);
}

TEST(label_selector_object, holds_where_all_of_its_conditions_do) {
  json const value{{"metadata", {{"labels", {{"app", "web"}, {"tier", "a"}}}}}};
  EXPECT_TRUE(selects({{"matchLabels", {{"app", "web"}}}}, value));
  EXPECT_FALSE(selects({{"matchLabels", {{"app", "db"}}}}, value));
  EXPECT_TRUE(selects(json::object(), value));
  EXPECT_FALSE(selects(nullptr, value));
  auto const with = [](char const* operation, json values) {
    return json{{"matchExpressions",
                 json::array({json{{"key", "tier"}, {"operator", operation}, {"values", std::move(values)}}})}};
  };
  EXPECT_TRUE(selects(with("In", {"a", "b"}), value));
  EXPECT_FALSE(selects(with("NotIn", {"a"}), value));
  EXPECT_TRUE(selects(with("Exists", json::array()), value));
  EXPECT_FALSE(selects(with("DoesNotExist", json::array()), value));
}

}  // namespace
}  // namespace codeexec::local
