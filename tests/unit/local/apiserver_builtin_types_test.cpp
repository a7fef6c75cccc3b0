#include <gmock/gmock.h>

#include "codeexec/local/builtin_types.hpp"

#include "apiserver_support.hpp"

namespace codeexec::local::testing {
namespace {

using nlohmann::json;

class builtin_types : public ::testing::Test {
 protected:
  builtin_types() : objects(clock, base::rng(1)) {
    add_builtin_types(objects);
    add_default_namespaces(objects);
  }
  result<object> create(kube::resource const& type, char const* text) {
    return objects.create(type, json::parse(text));
  }

  fixed_clock clock;
  store objects;
};

TEST_F(builtin_types, a_job_gets_the_defaults_of_the_real_server) {
  auto const got = create(kube::jobs, R"j({"metadata":{"name":"ok","namespace":"default","labels":{"app":"t"}},
    "spec":{"backoffLimit":0,"template":{"metadata":{"labels":{"app":"t","job":"ok"}},"spec":{"restartPolicy":"Never",
      "automountServiceAccountToken":false,"enableServiceLinks":false,"runtimeClassName":"gvisor",
      "containers":[{"name":"code","image":"python:3.11-slim","imagePullPolicy":"IfNotPresent","command":["true"]}]}}}})j");
  ASSERT_TRUE(got);
  std::string const uid = got->uid();
  json const expected = {{"parallelism", 1},
                         {"completions", 1},
                         {"backoffLimit", 0},
                         {"selector", {{"matchLabels", {{"batch.kubernetes.io/controller-uid", uid}}}}},
                         {"manualSelector", false},
                         {"template",
                          {{"metadata",
                            {{"labels",
                              {{"app", "t"},
                               {"batch.kubernetes.io/controller-uid", uid},
                               {"batch.kubernetes.io/job-name", "ok"},
                               {"controller-uid", uid},
                               {"job", "ok"},
                               {"job-name", "ok"}}}}},
                           {"spec",
                            {{"containers", json::array({{{"name", "code"},
                                                          {"image", "python:3.11-slim"},
                                                          {"command", {"true"}},
                                                          {"resources", json::object()},
                                                          {"terminationMessagePath", "/dev/termination-log"},
                                                          {"terminationMessagePolicy", "File"},
                                                          {"imagePullPolicy", "IfNotPresent"}}})},
                             {"restartPolicy", "Never"},
                             {"terminationGracePeriodSeconds", 30},
                             {"dnsPolicy", "ClusterFirst"},
                             {"automountServiceAccountToken", false},
                             {"securityContext", json::object()},
                             {"schedulerName", "default-scheduler"},
                             {"runtimeClassName", "gvisor"},
                             {"enableServiceLinks", false}}}}},
                         {"completionMode", "NonIndexed"},
                         {"suspend", false},
                         {"podReplacementPolicy", "TerminatingOrFailed"}};
  EXPECT_EQ((**got)["spec"], expected) << json::diff((**got)["spec"], expected).dump(1);
  EXPECT_EQ((**got)["status"], json::object());
}

TEST_F(builtin_types, an_invalid_job_is_refused_with_every_fault) {
  auto const got = create(kube::jobs, R"({"metadata":{"name":"invalid","namespace":"default"},
    "spec":{"template":{"spec":{"containers":[{"name":"C!","image":""}]}}}})");
  ASSERT_FALSE(got);
  EXPECT_EQ(
      got.error().message,
      "Job.batch \"invalid\" is invalid: [spec.template.spec.containers[0].name: Invalid value: \"C!\": a lowercase "
      "RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
      "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
      "'[a-z0-9]([-a-z0-9]*[a-z0-9])?'), spec.template.spec.containers[0].image: Required value, "
      "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"]");
}

constexpr char const* pod_text = R"({"metadata":{"name":"p","namespace":"default"},
    "spec":{"restartPolicy":"Never","automountServiceAccountToken":false,"enableServiceLinks":false,
    "containers":[{"name":"code","image":"python:3.11-slim","command":["true"]}]}})";

TEST_F(builtin_types, a_pod_gets_defaults_and_admission) {
  auto const got = create(kube::pods, pod_text);
  ASSERT_TRUE(got) << got.error().message;
  json const& spec = (**got)["spec"];
  EXPECT_EQ(spec["serviceAccountName"], "default");
  EXPECT_EQ(spec["priority"], 0);
  EXPECT_EQ(spec["preemptionPolicy"], "PreemptLowerPriority");
  EXPECT_EQ(spec["tolerations"].size(), 2u);
  EXPECT_EQ(spec["tolerations"][0]["tolerationSeconds"], 300);
  EXPECT_EQ((**got)["status"], json::parse(R"({"phase":"Pending","qosClass":"BestEffort"})"));
}

TEST_F(builtin_types, a_pod_of_a_missing_runtime_class_is_rejected) {
  json pod = json::parse(pod_text);
  pod["spec"]["runtimeClassName"] = "absent";
  auto const got = objects.create(kube::pods, pod);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, 403);
  EXPECT_EQ(got.error().message, "pods \"p\" is forbidden: pod rejected: RuntimeClass \"absent\" not found");
  ASSERT_TRUE(create(kube::runtime_classes, R"({"metadata":{"name":"absent"},"handler":"runsc"})"));
  EXPECT_TRUE(objects.create(kube::pods, pod));
}

TEST_F(builtin_types, limits_become_requests_in_a_pod_but_not_in_a_template) {
  json pod = json::parse(pod_text);
  pod["spec"]["containers"][0]["resources"] = {{"limits", {{"memory", "64Mi"}}}};
  auto const got = objects.create(kube::pods, pod);
  ASSERT_TRUE(got);
  EXPECT_EQ((**got)["spec"]["containers"][0]["resources"]["requests"]["memory"], "64Mi");
  EXPECT_EQ((**got)["status"]["qosClass"], "Burstable");
}

TEST_F(builtin_types, an_image_without_a_fixed_tag_is_always_pulled) {
  json pod = json::parse(pod_text);
  for (auto const& [image, policy] :
       std::vector<std::pair<char const*, char const*>>{{"python", "Always"},
                                                        {"python:latest", "Always"},
                                                        {"host:5000/python", "Always"},
                                                        {"python:3.11", "IfNotPresent"},
                                                        {"python@sha256:0", "IfNotPresent"}}) {
    pod["metadata"]["name"] = "p" + std::to_string(objects.resource_version());
    pod["spec"]["containers"][0]["image"] = image;
    auto const got = objects.create(kube::pods, pod);
    ASSERT_TRUE(got);
    EXPECT_EQ((**got)["spec"]["containers"][0]["imagePullPolicy"], policy) << image;
  }
}

TEST_F(builtin_types, a_volume_mount_must_name_a_volume) {
  json pod = json::parse(pod_text);
  pod["spec"]["containers"][0]["volumeMounts"] = json::array({{{"name", "x"}, {"mountPath", "/x"}}});
  auto const got = objects.create(kube::pods, pod);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().details["causes"][0]["message"], "Not found: \"x\"");
}

TEST_F(builtin_types, a_pods_spec_is_fixed_but_the_scheduler_may_bind_it) {
  ASSERT_TRUE(create(kube::pods, pod_text));
  auto const change = [](json& o) {
    o["spec"]["nodeName"] = "local";
    return true;
  };
  auto const refused = objects.mutate(kube::pods, "default", "p", part::object, change);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, 422);
  EXPECT_TRUE(objects.mutate(kube::pods, "default", "p", part::all, change));
}

TEST_F(builtin_types, a_pods_deadline_may_be_set_and_brought_nearer) {
  ASSERT_TRUE(create(kube::pods, pod_text));
  auto const set = [&](json const& seconds) {
    return objects.mutate(kube::pods, "default", "p", part::object, [&](json& o) {
      o["spec"]["activeDeadlineSeconds"] = seconds;
      if (seconds.is_null()) o["spec"].erase("activeDeadlineSeconds");
      return true;
    });
  };
  auto const refusal = [&](json const& seconds) {
    auto const answer = set(seconds);
    return answer ? std::string() : answer.error().message;
  };
  EXPECT_THAT(refusal(0), ::testing::HasSubstr("must be between 1 and 2147483647, inclusive"));
  EXPECT_EQ(refusal(60), "");
  EXPECT_EQ(refusal(1), "");
  EXPECT_THAT(refusal(2), ::testing::HasSubstr("must be less than or equal to previous value"));
  EXPECT_THAT(refusal(nullptr), ::testing::HasSubstr("must not update from a positive integer to nil value"));
}

TEST_F(builtin_types, a_bound_pod_is_deleted_with_grace_and_finished_by_the_node) {
  ASSERT_TRUE(create(kube::pods, pod_text));
  ASSERT_TRUE(objects.mutate(kube::pods, "default", "p", part::all, [](json& o) {
    o["spec"]["nodeName"] = "local";
    return true;
  }));
  auto const asked = objects.remove(kube::pods, "default", "p");
  ASSERT_TRUE(asked);
  EXPECT_FALSE(asked->gone);
  EXPECT_EQ((*asked->last)["metadata"]["deletionTimestamp"], "2026-01-31T10:00:30Z");
  EXPECT_EQ((*asked->last)["metadata"]["deletionGracePeriodSeconds"], 30);
  remove_options now;
  now.grace_period_seconds = 0;
  auto const finished = objects.remove(kube::pods, "default", "p", now);
  ASSERT_TRUE(finished);
  EXPECT_TRUE(finished->gone);
}

TEST_F(builtin_types, an_unbound_pod_is_deleted_at_once) {
  ASSERT_TRUE(create(kube::pods, pod_text));
  EXPECT_TRUE(objects.remove(kube::pods, "default", "p")->gone);
}

TEST_F(builtin_types, an_immutable_config_map_stays_as_it_is) {
  ASSERT_TRUE(create(kube::config_maps,
                     R"({"metadata":{"name":"c","namespace":"default"},"immutable":true,"data":{"a":"b"}})"));
  auto const got = objects.mutate(kube::config_maps, "default", "c", part::object, [](json& o) {
    o["data"]["a"] = "c";
    return true;
  });
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().message,
            "ConfigMap \"c\" is invalid: data: Forbidden: field is immutable when `immutable` is set");
}

TEST_F(builtin_types, a_config_map_holds_at_most_a_mebibyte) {
  auto const got = objects.create(kube::config_maps, {{"metadata", {{"name", "huge"}, {"namespace", "default"}}},
                                                      {"data", {{"big", std::string(1048577, 'x')}}}});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().message, "ConfigMap \"huge\" is invalid: []: Too long: may not be more than 1048576 bytes");
}

TEST_F(builtin_types, a_namespace_terminates_before_it_goes) {
  ASSERT_TRUE(create(kube::namespaces, R"({"metadata":{"name":"n"}})"));
  auto const asked = objects.remove(kube::namespaces, {}, "n");
  ASSERT_TRUE(asked);
  EXPECT_FALSE(asked->gone);
  EXPECT_EQ((*asked->last)["status"]["phase"], "Terminating");
  auto const late = create(kube::config_maps, R"({"metadata":{"name":"c","namespace":"n"}})");
  ASSERT_FALSE(late);
  EXPECT_EQ(
      late.error().message,
      "configmaps \"c\" is forbidden: unable to create new content in namespace n because it is being terminated");
  ASSERT_TRUE(objects.mutate(kube::namespaces, {}, "n", part::all, [](json& o) {
    o["spec"].erase("finalizers");
    return true;
  }));
  EXPECT_FALSE(objects.get(kube::namespaces, {}, "n"));
}

TEST_F(builtin_types, a_jobs_default_is_to_orphan_its_pods) {
  ASSERT_TRUE(create(kube::jobs, R"({"metadata":{"name":"j","namespace":"default"},"spec":{"template":{"spec":{
    "restartPolicy":"Never","containers":[{"name":"c","image":"i:1"}]}}}})"));
  auto const got = objects.remove(kube::jobs, "default", "j");
  ASSERT_TRUE(got);
  EXPECT_EQ((*got->last)["metadata"]["finalizers"], json::array({"orphan"}));
  EXPECT_EQ((*got->last)["metadata"]["generation"], 2);
}

TEST_F(builtin_types, an_event_reads_the_same_through_both_groups) {
  json const core = json::parse(R"({"apiVersion":"v1","kind":"Event","metadata":{"name":"e"},
    "involvedObject":{"kind":"Pod","name":"p"},"reason":"Started","message":"m","type":"Normal","count":2,
    "source":{"component":"kubelet"},"reportingComponent":"kubelet","eventTime":null})");
  json const modern = event_as_events_v1(core);
  EXPECT_EQ(modern["regarding"]["name"], "p");
  EXPECT_EQ(modern["note"], "m");
  EXPECT_EQ(modern["reportingController"], "kubelet");
  EXPECT_EQ(modern["deprecatedCount"], 2);
  EXPECT_EQ(event_as_core_v1(modern), core);
}

TEST_F(builtin_types, decoding_names_wrong_types_and_unknown_fields) {
  auto const* schema = builtin_schema(kube::jobs);
  ASSERT_NE(schema, nullptr);
  json job =
      json::parse(R"({"spec":{"backoffLimit":"none","bogus":1,"template":{"spec":{"containers":[{"nope":1}]}}}})");
  EXPECT_THAT(*schema->wrong_type(job, "Job"), ::testing::HasSubstr("Job.spec.backoffLimit of type int32"));
  EXPECT_THAT(schema->prune(job),
              ::testing::UnorderedElementsAre("spec.bogus", "spec.template.spec.containers[0].nope"));
}

TEST_F(builtin_types, a_network_policy_gets_the_defaults_of_the_real_server) {
  auto const got = create(kube::network_policies, R"({"metadata":{"name":"a","namespace":"default"},
    "spec":{"egress":[{"ports":[{"port":53}]}]}})");
  ASSERT_TRUE(got);
  EXPECT_EQ(at_path(**got, "spec"), json::parse(R"({"podSelector":{},"policyTypes":["Ingress","Egress"],
    "egress":[{"ports":[{"port":53,"protocol":"TCP"}]}]})"));
  auto const inbound = create(kube::network_policies, R"({"metadata":{"name":"b","namespace":"default"},"spec":{}})");
  ASSERT_TRUE(inbound);
  EXPECT_EQ(at_path(**inbound, "spec"), json::parse(R"({"podSelector":{},"policyTypes":["Ingress"]})"));
}

TEST_F(builtin_types, a_network_policy_that_makes_no_sense_is_refused_and_each_mistake_named) {
  auto const got = create(kube::network_policies, R"({"metadata":{"name":"a","namespace":"default"},"spec":{
    "podSelector":{"matchLabels":{"a b":"x"},"matchExpressions":[{"key":"k","operator":"Like"},{"key":"k","operator":"In"}]},
    "policyTypes":["Both"],
    "ingress":[{"from":[{},{"podSelector":{},"ipBlock":{"cidr":"10.0.0.0/8"}},{"ipBlock":{"cidr":"10.0.0.0/33"}}]}],
    "egress":[{"ports":[{"port":0,"protocol":"ICMP"},{"port":80,"endPort":79},{"endPort":1},{"port":"http","endPort":1}]}]}})");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, 422);
  for (char const* field :
       {"spec.podSelector.matchLabels", "spec.podSelector.matchExpressions[0].operator",
        "spec.podSelector.matchExpressions[1].values", "spec.policyTypes[0]", "spec.ingress[0].from[0]",
        "spec.ingress[0].from[1]", "spec.ingress[0].from[2].ipBlock.cidr", "spec.egress[0].ports[0].port",
        "spec.egress[0].ports[0].protocol", "spec.egress[0].ports[1].endPort", "spec.egress[0].ports[2].endPort",
        "spec.egress[0].ports[3].endPort"}) {
    EXPECT_THAT(got.error().message, ::testing::HasSubstr(field));
  }
}

}  // namespace
}  // namespace codeexec::local::testing
