// config/ as `kubectl apply -k` sends it: what stands in it fits together, the operator's pod is as hard as those of
// executions, and its rights are those that the end-to-end tests run it with.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "codeexec/local/pod_security.hpp"
#include "codeexec/yaml_reader/yaml_reader.hpp"

#include "cluster.hpp"

namespace codeexec {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSubsetOf;
using ::testing::Not;

fs::path const config = CODEEXEC_SOURCE_DIR "/config";

std::string text_of(fs::path const& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<json> documents_of(std::string const& text) {
  auto documents = yaml::read_documents(text);
  if (!documents) throw std::runtime_error(documents.error().message);
  return std::move(*documents);
}

/// What kubectl makes of a folder; rendered once a process.
std::vector<json> const& rendered(fs::path const& folder) {
  static std::map<fs::path, std::vector<json>> known;
  auto const found = known.find(folder);
  if (found != known.end()) return found->second;
  auto const got = e2e::run_program({"kubectl", "kustomize", folder.string()});
  if (got.exit_code != 0) throw std::runtime_error("kubectl kustomize " + folder.string() + ": " + got.err);
  return known[folder] = documents_of(got.out);
}

json find(std::vector<json> const& objects, std::string const& kind, std::string const& name) {
  for (auto const& one : objects) {
    if (one["kind"] == kind && one["metadata"]["name"] == name) return one;
  }
  return nullptr;
}

bool matches(json const& selector, json const& labels) {
  auto const& wanted = selector.at("matchLabels");
  return std::all_of(wanted.items().begin(), wanted.items().end(),
                     [&](auto const& one) { return labels.contains(one.key()) && labels[one.key()] == one.value(); });
}

std::vector<fs::path> folders_with_a_kustomization() {
  std::vector<fs::path> out;
  for (auto const& entry : fs::recursive_directory_iterator(config)) {
    if (entry.path().filename() == "kustomization.yaml") out.push_back(entry.path().parent_path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

/// Each folder that installs an operator.
std::vector<std::string> const installs{"default", "gke", "overlays/cluster-wide", "overlays/single-namespace"};

class Manifests : public ::testing::Test {
 protected:
  void SetUp() override {
    if (e2e::run_program({"kubectl", "version", "--client"}).exit_code != 0) {
      GTEST_SKIP() << "There is no kubectl on this machine: what config/ becomes is not looked at here.";
    }
  }
};

class Install : public Manifests, public ::testing::WithParamInterface<std::string> {
 protected:
  std::vector<json> const& objects() const { return rendered(config / GetParam()); }
  json deployment() const { return find(objects(), "Deployment", "codeexec-controller"); }
  json pod() const { return deployment()["spec"]["template"]["spec"]; }
  json container() const { return pod()["containers"][0]; }
};

INSTANTIATE_TEST_SUITE_P(Each, Install, ::testing::ValuesIn(installs), [](auto const& one) {
  std::string name = one.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '/' || c == '-'; }, '_');
  return name;
});

TEST_F(Manifests, RenderWithoutAWordOfComplaint) {
  auto const folders = folders_with_a_kustomization();
  EXPECT_GE(folders.size(), 10U);
  std::set<std::string> const of_the_cluster{
      "ClusterRole",   "ClusterRoleBinding", "CustomResourceDefinition",  "Namespace",
      "PriorityClass", "RuntimeClass",       "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"};
  for (auto const& folder : folders) {
    SCOPED_TRACE(folder);
    auto const got = e2e::run_program({"kubectl", "kustomize", folder.string()});
    ASSERT_EQ(got.exit_code, 0) << got.err;
    EXPECT_EQ(got.err, "") << "a deprecated field, mostly";
    std::set<std::string> seen;
    for (auto const& one : documents_of(got.out)) {
      ASSERT_TRUE(one.contains("apiVersion") && one.contains("kind") && one["metadata"].contains("name")) << one;
      std::string const kind = one["kind"];
      EXPECT_TRUE(seen.insert(kind + " " + one["metadata"].value("namespace", "") + "/" +
                              one["metadata"]["name"].get<std::string>())
                      .second)
          << "twice: " << one["metadata"];
      EXPECT_EQ(one["metadata"].contains("namespace"), !of_the_cluster.contains(kind)) << one["metadata"];
    }
    EXPECT_THAT(seen, Not(IsEmpty()));
  }
}

TEST_P(Install, RunsTwoOfWhichOneWorks) {
  auto const one = deployment();
  ASSERT_FALSE(one.is_null());
  EXPECT_EQ(one["spec"]["replicas"], 2);
  EXPECT_THAT(container()["args"], Contains("--leader-elect"));
  auto const lease = find(objects(), "Role", "codeexec-controller-leader");
  EXPECT_EQ(lease["metadata"]["namespace"], one["metadata"]["namespace"]) << "where the Lease is looked for";
  // Neither a drained node nor a roll-out takes both.
  auto const budget = find(objects(), "PodDisruptionBudget", "codeexec-controller");
  EXPECT_EQ(budget["spec"]["minAvailable"], 1);
  EXPECT_EQ(one["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
  auto const spreads = pod()["topologySpreadConstraints"];
  for (auto const& spread : spreads)
    EXPECT_TRUE(matches(spread["labelSelector"], one["spec"]["template"]["metadata"]["labels"]));
  EXPECT_FALSE(spreads.empty());
}

TEST_P(Install, ThePodMeetsTheRestrictedProfileThatItsNamespaceEnforces) {
  auto const space = find(objects(), "Namespace", deployment()["metadata"]["namespace"]);
  ASSERT_FALSE(space.is_null());
  auto const policy = local::pod_security_of(space, "enforce");
  EXPECT_EQ(policy.level, local::pod_security_level::restricted);
  EXPECT_EQ(local::describe_violations(policy, local::check_pod_security(policy.level, pod())),
            local::describe_violations(policy, {}));
  // Beyond the profile.
  auto const security = container()["securityContext"];
  EXPECT_EQ(security["readOnlyRootFilesystem"], true);
  EXPECT_EQ(pod()["securityContext"]["runAsUser"], 65532);
  EXPECT_FALSE(pod().value("hostNetwork", false));
  auto const volumes = pod()["volumes"];
  EXPECT_FALSE(volumes.empty());
  for (auto const& volume : volumes)
    EXPECT_TRUE(volume.contains("configMap")) << volume;
  EXPECT_TRUE(container()["resources"]["requests"].contains("memory"));
  EXPECT_TRUE(container()["resources"]["limits"].contains("memory"));
}

// What deletes or prunes an install must not take what users have in a namespace with it.
TEST_P(Install, BringsNoNamespaceButItsOwn) {
  for (auto const& one : objects()) {
    if (one["kind"] == "Namespace") {
      EXPECT_EQ(one["metadata"]["name"], deployment()["metadata"]["namespace"]);
    }
  }
}

TEST_P(Install, NamesInItLeadSomewhere) {
  auto const one = deployment();
  auto const ns = one["metadata"]["namespace"];
  auto const labels = one["spec"]["template"]["metadata"]["labels"];
  EXPECT_TRUE(matches(one["spec"]["selector"], labels));
  EXPECT_FALSE(find(objects(), "ServiceAccount", pod()["serviceAccountName"]).is_null());
  EXPECT_FALSE(find(objects(), "PriorityClass", pod()["priorityClassName"]).is_null());
  EXPECT_TRUE(matches(find(objects(), "PodDisruptionBudget", "codeexec-controller")["spec"]["selector"], labels));
  EXPECT_TRUE(matches(find(objects(), "NetworkPolicy", "codeexec-controller")["spec"]["podSelector"], labels));
  EXPECT_TRUE(matches({{"matchLabels", find(objects(), "Service", "codeexec-controller-metrics")["spec"]["selector"]}},
                      labels));
  std::set<std::string> ports;
  auto const of_container = container();
  for (auto const& port : of_container["ports"])
    ports.insert(port["name"]);
  for (char const* probe : {"livenessProbe", "readinessProbe"})
    EXPECT_THAT(ports, Contains(container()[probe]["httpGet"]["port"].get<std::string>())) << probe;
  auto const of_pod = pod();
  for (auto const& volume : of_pod["volumes"]) {
    auto const map = find(objects(), "ConfigMap", volume["configMap"]["name"]);
    ASSERT_FALSE(map.is_null()) << volume;
    EXPECT_EQ(map["metadata"]["namespace"], ns);
  }
  for (auto const& binding : objects()) {
    if (binding["kind"] != "RoleBinding" && binding["kind"] != "ClusterRoleBinding") continue;
    EXPECT_FALSE(find(objects(), binding["roleRef"]["kind"], binding["roleRef"]["name"]).is_null()) << binding;
    for (auto const& subject : binding["subjects"]) {
      EXPECT_EQ(subject["name"], pod()["serviceAccountName"]);
      EXPECT_EQ(subject["namespace"], ns);
    }
  }
}

TEST_P(Install, EveryImageIsOursAndOfThisVersion) {
  for (auto const& one : objects()) {
    if (one["kind"] != "Deployment") continue;
    auto const& spec = one["spec"]["template"]["spec"];
    EXPECT_FALSE(spec.contains("initContainers"));
    for (auto const& each : spec["containers"])
      EXPECT_EQ(each["image"], "codeexec-controller:" CODEEXEC_VERSION);
  }
}

TEST_P(Install, EveryFlagIsOneThatTheOperatorKnows) {
  auto const help = e2e::run_program({CODEEXEC_BINARY_DIR "/bin/codeexec-controller", "--help"});
  ASSERT_EQ(help.exit_code, 0);
  auto const arguments = container()["args"];
  EXPECT_GE(arguments.size(), 4U);
  for (std::string const argument : arguments) {
    auto const flag = argument.substr(0, argument.find('='));
    EXPECT_THAT(help.out, ::testing::ContainsRegex("(^|[ ,])" + flag + "[ ,\n]")) << argument;
  }
  auto const variables = container().value("env", json::array());
  for (auto const& variable : variables)
    EXPECT_THAT(help.out, HasSubstr(variable["name"].get<std::string>()));
}

TEST_P(Install, TheOperatorTakesTheConfigurationThatIsMounted) {
  std::string const name = pod()["volumes"][0]["configMap"]["name"];
  auto const map = find(objects(), "ConfigMap", name);
  EXPECT_THAT(name, ::testing::MatchesRegex("codeexec-configuration-[a-z0-9]+")) << "a change must be a new name";
  auto const mount = container()["volumeMounts"][0]["mountPath"].get<std::string>();
  EXPECT_THAT(container()["args"], Contains("--config=" + mount + "/operator.yaml"));
  auto const file = fs::temp_directory_path() / (name + "." + std::to_string(::getpid()) + ".yaml");
  std::ofstream(file) << map["data"]["operator.yaml"].get<std::string>();
  e2e::program_options options;
  options.input =
      "apiVersion: codeexec.dev/v1alpha1\nkind: CodeExecution\nmetadata: {name: a, namespace: agents}\n"
      "spec: {code: print(1)}\n";
  auto const got = e2e::run_program(
      {CODEEXEC_BINARY_DIR "/bin/codeexec-controller", "check", "--config", file.string(), "-"}, options);
  EXPECT_EQ(got.exit_code, 0) << got.err;
  fs::remove(file);
}

TEST_P(Install, TheRightsAreThoseThatTheTestsRunTheOperatorWith) {
  auto const tested = documents_of(text_of(config / "rbac/cluster.yaml"));
  bool const one_namespace = GetParam() == "overlays/single-namespace";
  std::string const kind = one_namespace ? "Role" : "ClusterRole";
  EXPECT_EQ(find(objects(), kind, "codeexec-controller")["rules"],
            find(tested, "ClusterRole", "codeexec-controller")["rules"]);
  EXPECT_EQ(find(objects(), "Role", "codeexec-controller-leader")["rules"],
            find(tested, "Role", "codeexec-controller-leader")["rules"]);
  // Nothing else is bound to it.
  std::vector<std::string> bound;
  for (auto const& one : objects()) {
    std::string const of = one["kind"];
    if (!of.ends_with("Binding") || of.starts_with("Validating")) continue;
    bound.push_back(of + " " + one["metadata"].value("namespace", "") + "/" +
                    one["roleRef"]["name"].get<std::string>());
  }
  EXPECT_THAT(bound, ::testing::UnorderedElementsAre(one_namespace ? "RoleBinding agents/codeexec-controller"
                                                                   : "ClusterRoleBinding /codeexec-controller",
                                                     "RoleBinding codeexec-system/codeexec-controller-leader"));
}

TEST_P(Install, ItsNamespaceLetsNothingInButMetricsAndNothingOutButToTheApiServer) {
  auto const deny = find(objects(), "NetworkPolicy", "default-deny");
  EXPECT_EQ(deny["metadata"]["namespace"], deployment()["metadata"]["namespace"]);
  EXPECT_EQ(deny["spec"], json({{"podSelector", json::object()}, {"policyTypes", {"Ingress", "Egress"}}}));
  auto const own = find(objects(), "NetworkPolicy", "codeexec-controller")["spec"];
  for (auto const& in : own["ingress"])
    EXPECT_EQ(in["ports"], json::parse(R"([{"port": "metrics", "protocol": "TCP"}])"));
  for (auto const& out : own["egress"])
    EXPECT_FALSE(out["ports"].empty()) << "all ports";
}

TEST(Alerts, TellOfMemoryBeforeTheContainersLimitIsReached) {
  auto const deployment = documents_of(text_of(config / "manager/deployment.yaml")).at(0);
  std::string const limit = deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"];
  ASSERT_THAT(limit, EndsWith("Mi"));
  auto const mebibytes = limit.substr(0, limit.size() - 2);
  auto const alerts = documents_of(text_of(config / "prometheus/rules.yaml")).at(0);
  json rule;
  for (auto const& group : alerts["spec"]["groups"]) {
    for (auto const& one : group["rules"])
      if (one.value("alert", "") == "CodeExecutionOperatorMemoryGrows") rule = one;
  }
  ASSERT_FALSE(rule.is_null());
  EXPECT_THAT(rule["expr"], HasSubstr("> 0.85 * " + mebibytes + " * 1024 * 1024\n"));
  EXPECT_THAT(rule["expr"], HasSubstr("> " + mebibytes + " * 1024 * 1024\n"));
  EXPECT_THAT(rule["annotations"]["summary"], HasSubstr(mebibytes + " MiB"));
}

TEST(ImageFile, IsOfThisVersion) {
  EXPECT_THAT(text_of(CODEEXEC_SOURCE_DIR "/Dockerfile"), HasSubstr("\nARG VERSION=" CODEEXEC_VERSION "\n"));
}

TEST_F(Manifests, AnOperatorForOneNamespaceServesTheOneItHasRightsIn) {
  auto const& objects = rendered(config / "overlays/single-namespace");
  auto const container =
      find(objects, "Deployment", "codeexec-controller")["spec"]["template"]["spec"]["containers"][0];
  EXPECT_EQ(container["env"], json::parse(R"([{"name": "CODEEXEC_NAMESPACE", "value": "agents"}])"));
  EXPECT_EQ(find(objects, "Role", "codeexec-controller")["metadata"]["namespace"], "agents");
  for (auto const& one : objects)
    EXPECT_NE(one["kind"], "ClusterRoleBinding");
}

}  // namespace
}  // namespace codeexec
