// Pod Security and ResourceQuota: what they refuse, and in which words.
#include "codeexec/local/admission.hpp"

#include <functional>

#include "codeexec/local/builtin_types.hpp"
#include "codeexec/local/limit_range.hpp"
#include "codeexec/local/pod_security.hpp"
#include "codeexec/local/quota.hpp"

#include "apiserver_support.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

json good_container() {
  return {{"name", "c"},
          {"image", "x"},
          {"securityContext",
           {{"allowPrivilegeEscalation", false},
            {"runAsNonRoot", true},
            {"capabilities", {{"drop", json::array({"ALL"})}}},
            {"seccompProfile", {{"type", "RuntimeDefault"}}}}}};
}

json pod_spec(json container) {
  return {{"containers", json::array({std::move(container)})}};
}

std::string faults(pod_security_level level, json const& spec) {
  auto const found = check_pod_security(level, spec);
  return found.empty() ? "" : describe_violations({level, "latest"}, found);
}

TEST(PodSecurity, RestrictedSaysWhatIsMissingInTheRealWords) {
  EXPECT_EQ(faults(pod_security_level::restricted, pod_spec({{"name", "c"}, {"image", "x"}})),
            "violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"c\" must set "
            "securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"c\" must set "
            "securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"c\" must set "
            "securityContext.runAsNonRoot=true), seccompProfile (pod or container \"c\" must set "
            "securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")");
}

TEST(PodSecurity, AHardenedPodIsRestricted) {
  EXPECT_EQ(faults(pod_security_level::restricted, pod_spec(good_container())), "");
}

TEST(PodSecurity, ThePodMaySpeakForItsContainers) {
  json container = good_container();
  container["securityContext"].erase("runAsNonRoot");
  container["securityContext"].erase("seccompProfile");
  json spec = pod_spec(container);
  EXPECT_NE(faults(pod_security_level::restricted, spec), "");
  spec["securityContext"] = {{"runAsNonRoot", true}, {"seccompProfile", {{"type", "RuntimeDefault"}}}};
  EXPECT_EQ(faults(pod_security_level::restricted, spec), "");
}

struct offence {
  char const* what;
  std::function<void(json& spec)> commit;
  bool baseline;  ///< forbidden by baseline too
  char const* words;
};

TEST(PodSecurity, EachRuleIsSeen) {
  auto const context = [](json& spec) -> json& { return spec["containers"][0]["securityContext"]; };
  std::vector<offence> const offences = {
      {"host network", [](json& s) { s["hostNetwork"] = true; }, true, "host namespaces (hostNetwork=true)"},
      {"host pid", [](json& s) { s["hostPID"] = true; }, true, "host namespaces (hostPID=true)"},
      {"host path",
       [](json& s) {
         s["volumes"] = json::array({{{"name", "v"}, {"hostPath", {{"path", "/"}}}}});
       },
       true, "\"v\""},
      {"host port",
       [](json& s) {
         s["containers"][0]["ports"] = json::array({{{"hostPort", 80}}});
       },
       true, "hostPort (container \"c\" uses hostPort 80)"},
      {"privileged", [&](json& s) { context(s)["privileged"] = true; }, true,
       "privileged (container \"c\" must not set securityContext.privileged=true)"},
      {"capability", [&](json& s) { context(s)["capabilities"]["add"] = json::array({"SYS_ADMIN"}); }, true,
       "must not include \"SYS_ADMIN\" in securityContext.capabilities.add"},
      {"unmasked proc", [&](json& s) { context(s)["procMount"] = "Unmasked"; }, true, "procMount"},
      {"unconfined", [&](json& s) { context(s)["seccompProfile"]["type"] = "Unconfined"; }, true,
       "must not set securityContext.seccompProfile.type to \"Unconfined\""},
      {"sysctl",
       [](json& s) {
         s["securityContext"]["sysctls"] = json::array({{{"name", "kernel.msgmax"}}});
       },
       true, "forbidden sysctls (kernel.msgmax)"},
      {"nfs",
       [](json& s) {
         s["volumes"] = json::array({{{"name", "v"}, {"nfs", json::object()}}});
       },
       false, "restricted volume types (volume \"v\" uses restricted volume type \"nfs\")"},
      {"root", [&](json& s) { context(s)["runAsUser"] = 0; }, false,
       "runAsUser=0 (container \"c\" must not set runAsUser=0)"},
      {"maybe root", [&](json& s) { context(s)["runAsNonRoot"] = false; }, false,
       "container \"c\" must not set securityContext.runAsNonRoot=false"},
  };
  for (auto const& one : offences) {
    json spec = pod_spec(good_container());
    one.commit(spec);
    EXPECT_NE(faults(pod_security_level::restricted, spec).find(one.words), std::string::npos)
        << one.what << ": " << faults(pod_security_level::restricted, spec);
    EXPECT_EQ(faults(pod_security_level::baseline, spec).empty(), !one.baseline) << one.what;
    EXPECT_EQ(faults(pod_security_level::privileged, spec), "") << one.what;
  }
}

TEST(PodSecurity, WarnFollowsEnforceUnlessItSaysOtherwise) {
  json ns = {{"metadata", {{"labels", {{"pod-security.kubernetes.io/enforce", "restricted"}}}}}};
  EXPECT_EQ(pod_security_of(ns, "warn").describe(), "restricted:latest");
  ns["metadata"]["labels"]["pod-security.kubernetes.io/warn"] = "baseline";
  EXPECT_EQ(pod_security_of(ns, "warn").describe(), "baseline:latest");
  EXPECT_EQ(pod_security_of(json::object(), "enforce").describe(), "privileged:latest");
}

class Admission : public testing::store_test {
 protected:
  Admission() {
    add_builtin_types(objects);
    (void)objects.create(kube::namespaces, {{"metadata", {{"name", "strict"}}}});
    install_admission(objects, [this](std::function<void()> work) { posted.push_back(std::move(work)); });
  }
  void settle() {
    while (!posted.empty()) {
      auto const now = std::exchange(posted, {});
      for (auto const& one : now)
        one();
    }
  }
  result<object> pod(std::string const& name, json container = {{"name", "c"}, {"image", "x"}},
                     std::string const& ns = "ns") {
    json spec = pod_spec(std::move(container));
    spec["restartPolicy"] = "Never";
    return objects.create(kube::pods, {{"metadata", {{"name", name}, {"namespace", ns}}}, {"spec", std::move(spec)}});
  }
  void quota(json hard) {
    auto const made = objects.create(
        resource_quotas, {{"metadata", {{"name", "q"}, {"namespace", "ns"}}}, {"spec", {{"hard", std::move(hard)}}}});
    ASSERT_TRUE(made) << made.error().message;
  }
  static json sized(json resources) { return {{"name", "c"}, {"image", "x"}, {"resources", std::move(resources)}}; }

  std::vector<std::function<void()>> posted;
};

TEST_F(Admission, ALabelledNamespaceRefusesALoosePod) {
  (void)objects.mutate(kube::namespaces, {}, "strict", part::object, [](json& value) {
    value["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "restricted";
    return true;
  });
  auto const refused = pod("loose", {{"name", "c"}, {"image", "x"}}, "strict");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, 403);
  EXPECT_TRUE(refused.error().message.starts_with(
      "pods \"loose\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation"));
  EXPECT_TRUE(pod("hardened", good_container(), "strict"));
}

TEST_F(Admission, AChangedLevelNamesThePodsThatViolateIt) {
  ASSERT_TRUE(pod("loose-1"));
  json const before = *objects.get(kube::namespaces, {}, "ns");
  json after = before;
  after["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "restricted";
  auto const type = objects.find_type("", "namespaces");
  EXPECT_EQ(admission_warnings(objects, *type, after, &before),
            (std::vector<std::string>{
                "existing pods in namespace \"ns\" violate the new PodSecurity enforce level \"restricted:latest\"",
                "loose-1: allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, "
                "seccompProfile"}));
  EXPECT_TRUE(admission_warnings(objects, *type, before, &before).empty());
}

TEST_F(Admission, AContainerAboveTheNamespacesMaximumIsRefused) {
  auto const made = objects.create(
      limit_ranges,
      {{"metadata", {{"name", "l"}, {"namespace", "ns"}}},
       {"spec",
        {{"limits",
          json::array({{{"type", "Pod"}, {"max", {{"cpu", "1m"}}}},
                       {{"type", "Container"}, {"max", {{"memory", "100Mi"}}}, {"min", {{"cpu", "50m"}}}}})}}}});
  ASSERT_TRUE(made) << made.error().message;
  auto const large = pod("large", sized({{"requests", {{"cpu", "200m"}}}, {"limits", {{"memory", "512Mi"}}}}));
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, 403);
  EXPECT_EQ(large.error().message,
            "pods \"large\" is forbidden: maximum memory usage per Container is 100Mi, but limit is 512Mi");
  auto const silent = pod("silent");
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().message,
            "pods \"silent\" is forbidden: [minimum cpu usage per Container is 50m.  No request is specified, maximum "
            "memory usage per Container is 100Mi.  No limit is specified]");
  EXPECT_TRUE(pod("fits", sized({{"requests", {{"cpu", "50m"}}}, {"limits", {{"memory", "100Mi"}}}})));
  EXPECT_TRUE(pod("elsewhere", sized({{"limits", {{"memory", "512Mi"}}}}), "strict"));
}

TEST_F(Admission, AQuotaOfNoPodsRefusesTheFirst) {
  ASSERT_TRUE(pod("already"));
  quota({{"pods", "0"}, {"count/jobs.batch", "3"}});
  auto const refused = pod("over");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "pods \"over\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=0");
  EXPECT_EQ(refused.error().code, 403);
}

TEST_F(Admission, ComputeIsCountedAndMustBeSaid) {
  quota({{"requests.cpu", "1"}, {"limits.memory", "1Gi"}});
  auto const silent = pod("silent");
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().message,
            "pods \"silent\" is forbidden: failed quota: q: must specify limits.memory for: c; requests.cpu for: c");
  json const half = sized({{"requests", {{"cpu", "600m"}}}, {"limits", {{"memory", "256Mi"}}}});
  EXPECT_TRUE(pod("first", half));
  auto const second = pod("second", half);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message,
            "pods \"second\" is forbidden: exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m, "
            "limited: requests.cpu=1");
}

TEST_F(Admission, AnEndedPodGivesItsShareBack) {
  quota({{"pods", "1"}});
  ASSERT_TRUE(pod("first"));
  EXPECT_FALSE(pod("second"));
  (void)objects.mutate(kube::pods, "ns", "first", part::status, [](json& value) {
    value["status"]["phase"] = "Succeeded";
    return true;
  });
  EXPECT_TRUE(pod("second"));
}

TEST_F(Admission, TheStatusOfAQuotaCounts) {
  quota({{"pods", "5"}, {"limits.memory", "1Gi"}});
  ASSERT_TRUE(pod("one", sized({{"limits", {{"memory", "256Mi"}}}})));
  settle();
  json const status = (*objects.get(resource_quotas, "ns", "q"))["status"];
  EXPECT_EQ(status["used"], (json{{"pods", "1"}, {"limits.memory", "256Mi"}}));
  EXPECT_EQ(status["hard"], (json{{"pods", "5"}, {"limits.memory", "1Gi"}}));
}

TEST(Quantity, IsPrintedAsPeopleWriteIt) {
  EXPECT_EQ(print_quantity("cpu", 1500), "1500m");
  EXPECT_EQ(print_quantity("cpu", 2000), "2");
  EXPECT_EQ(print_quantity("limits.memory", 536870912000), "512Mi");
  EXPECT_EQ(print_quantity("pods", 1024000), "1024");
}

}  // namespace
}  // namespace codeexec::local
