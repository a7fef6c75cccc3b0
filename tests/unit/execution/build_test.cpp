#include "codeexec/execution/build.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "codeexec/base/encoding.hpp"

#include "make.hpp"

namespace codeexec::execution {
namespace {

using nlohmann::json;
using testing::make_execution;

json job_of(api::CodeExecution const& e, config const& with = {}) {
  auto const resolved = resolve(e.spec, with);
  EXPECT_TRUE(resolved);
  auto const in = make_input(e.spec, *resolved);
  EXPECT_TRUE(in);
  return make_job(e, *resolved, *in, {"codeexec-runner-0123456789ab", "secret"}, with);
}

json pod_of(json const& job) {
  return job["spec"]["template"]["spec"];
}
json container_of(json const& job) {
  return pod_of(job)["containers"][0];
}

std::string refusal_of(api::CodeExecutionSpec const& spec) {
  config const with;
  auto const resolved = resolve(spec, with);
  if (!resolved) return resolved.error().message;
  auto const in = make_input(spec, *resolved);
  return in ? "" : in.error().message;
}

TEST(Job, PodSatisfiesTheRestrictedLevelOfPodSecurity) {
  auto const pod = pod_of(job_of(make_execution()));
  auto const& container = pod["containers"][0];
  EXPECT_EQ(pod["securityContext"], json::parse(R"({"runAsNonRoot":true,"runAsUser":65532,"runAsGroup":65532,
                                                    "seccompProfile":{"type":"RuntimeDefault"}})"));
  EXPECT_EQ(container["securityContext"],
            json::parse(R"({"allowPrivilegeEscalation":false,"privileged":false,"readOnlyRootFilesystem":true,
                            "runAsNonRoot":true,"capabilities":{"drop":["ALL"]}})"));
  EXPECT_EQ(pod["automountServiceAccountToken"], false);
  EXPECT_EQ(pod["enableServiceLinks"], false);
  EXPECT_EQ(pod["runtimeClassName"], "gvisor");
  EXPECT_EQ(pod["restartPolicy"], "Never");
  EXPECT_FALSE(pod.contains("hostNetwork"));
  EXPECT_FALSE(pod.contains("hostUsers"));
  for (auto const& volume : pod["volumes"])
    EXPECT_FALSE(volume.contains("hostPath"));
}

/// Of a Pod's and a container's many fields, those that stand in ours: whoever adds one, says here that it opens
/// nothing.
TEST(Job, PodHasNoFieldButThese) {
  auto e = make_execution();
  e.spec.stdin_ = "input";
  e.spec.files = {{"a/b.txt", "x", std::nullopt}};
  e.spec.env = {{"MODE", "fast"}};
  config with;
  with.user_namespaces = true;
  auto const pod = pod_of(job_of(e, with));
  auto const keys_of = [](json const& object) {
    std::vector<std::string> keys;
    for (auto const& [key, value] : object.items())
      keys.push_back(key);
    return keys;
  };
  EXPECT_THAT(keys_of(pod),
              ::testing::UnorderedElementsAre("automountServiceAccountToken", "containers", "dnsConfig", "dnsPolicy",
                                              "enableServiceLinks", "hostUsers", "restartPolicy", "runtimeClassName",
                                              "securityContext", "terminationGracePeriodSeconds", "volumes"));
  ASSERT_EQ(pod["containers"].size(), 1U);
  EXPECT_THAT(keys_of(pod["containers"][0]),
              ::testing::UnorderedElementsAre("command", "env", "image", "name", "resources", "securityContext",
                                              "terminationMessagePath", "terminationMessagePolicy", "volumeMounts",
                                              "workingDir"));
  for (auto const& variable : pod["containers"][0]["env"])
    EXPECT_THAT(keys_of(variable), ::testing::UnorderedElementsAre("name", "value")) << "a value from elsewhere";
  for (auto const& volume : pod["volumes"]) {
    bool const known = volume.contains("configMap") || volume.contains("emptyDir");
    EXPECT_TRUE(known && volume.size() == 2) << volume;
    if (volume.contains("emptyDir")) {
      EXPECT_THAT(keys_of(volume["emptyDir"]), ::testing::ElementsAre("sizeLimit")) << "a medium of its own";
    }
  }
}

TEST(Job, OnlyTheWorkspaceAndTmpAreWritableAndBothAreBounded) {
  config with;
  with.workspace_size_limit = "2Gi";
  with.tmp_size_limit = "100Mi";
  auto const pod = pod_of(job_of(make_execution(), with));
  std::map<std::string, json> volumes;
  for (auto const& volume : pod["volumes"])
    volumes[volume["name"]] = volume;
  std::vector<std::string> writable;
  for (auto const& mount : pod["containers"][0]["volumeMounts"]) {
    bool const read_only = mount.value("readOnly", false);
    EXPECT_EQ(read_only, volumes[mount["name"]].contains("configMap")) << mount;
    if (!read_only) writable.push_back(mount["mountPath"]);
  }
  EXPECT_THAT(writable, ::testing::UnorderedElementsAre("/workspace", "/tmp"));
  EXPECT_EQ(volumes["workspace"]["emptyDir"]["sizeLimit"], "2Gi");
  EXPECT_EQ(volumes["tmp"]["emptyDir"]["sizeLimit"], "100Mi");
  EXPECT_EQ(pod["containers"][0]["resources"]["limits"]["ephemeral-storage"], "1Gi");
  EXPECT_FALSE(pod["securityContext"].contains("fsGroup"));
}

TEST(Job, ProcessesAndFilesAreBoundedByTheRunner) {
  config with;
  with.workspace_size_limit = "2Gi";
  auto const flag = [&](std::string const& name) -> std::string {
    auto const command = container_of(job_of(make_execution(), with))["command"].get<std::vector<std::string>>();
    auto const found = std::find(command.begin(), command.end(), name);
    return found == command.end() ? "" : *std::next(found);
  };
  EXPECT_EQ(flag("--max-processes"), "256");
  EXPECT_EQ(flag("--max-file-bytes"), std::to_string(std::int64_t{2} << 30U)) << "the greater of the two volumes";
  with.tmp_size_limit = "3Gi";
  EXPECT_EQ(flag("--max-file-bytes"), std::to_string(std::int64_t{3} << 30U));
  with.require_sandbox = false;
  EXPECT_EQ(flag("--max-processes"), "") << "a bare node counts every pod of the user together";
}

TEST(Job, UserNamespacesAndTheSandboxAreAsTheConfigurationSays) {
  config with;
  EXPECT_FALSE(pod_of(job_of(make_execution(), with)).contains("hostUsers"));
  with.user_namespaces = true;
  EXPECT_EQ(pod_of(job_of(make_execution(), with))["hostUsers"], false);
  auto const command = container_of(job_of(make_execution(), with))["command"].get<std::vector<std::string>>();
  EXPECT_THAT(command, ::testing::Contains("--require-sandbox"));
}

TEST(Job, IsRetainedUntilItsExecutionGoes) {
  auto e = make_execution();
  e.spec.cleanupPolicy = "Retain";
  EXPECT_FALSE(job_of(e)["spec"].contains("ttlSecondsAfterFinished"));
  config with;
  with.defaults.cleanup_policy = "Retain";
  EXPECT_FALSE(job_of(make_execution(), with)["spec"].contains("ttlSecondsAfterFinished"));
}

TEST(Job, ShowsTheCodeNothingOfItsPodsMetadata) {
  auto const pod = pod_of(job_of(make_execution())).dump();
  for (char const* way : {"downwardAPI", "fieldRef", "serviceAccountToken", "projected"})
    EXPECT_EQ(pod.find(way), std::string::npos) << "the runner's token stands in the annotations: " << way;
}

TEST(Job, RunsOnceAndStopsWithoutTheOperator) {
  auto const spec = job_of(make_execution())["spec"];
  EXPECT_EQ(spec["backoffLimit"], 0);
  EXPECT_EQ(spec["completions"], 1);
  EXPECT_EQ(spec["parallelism"], 1);
  EXPECT_EQ(spec["podReplacementPolicy"], "Failed");
  EXPECT_EQ(spec["activeDeadlineSeconds"], 300 + 300 + 10 + 30);
  EXPECT_EQ(spec["ttlSecondsAfterFinished"], 86400);
  EXPECT_EQ(spec["template"]["spec"]["terminationGracePeriodSeconds"], 10);
}

TEST(Job, IsOwnedByTheExecutionInTheVeryCallThatMakesIt) {
  auto const job = job_of(make_execution());
  EXPECT_EQ(job["metadata"]["ownerReferences"],
            json::parse(R"([{"apiVersion":"codeexec.dev/v1alpha1","kind":"CodeExecution","name":"hello",
                             "uid":"11111111-2222-3333-4444-555555555555","controller":true,"blockOwnerDeletion":true}])"));
  EXPECT_EQ(job["metadata"]["namespace"], "agents");
  EXPECT_EQ(job["metadata"]["labels"]["app.kubernetes.io/managed-by"], "codeexec-controller");
  auto const& pod_labels = job["spec"]["template"]["metadata"]["labels"];
  EXPECT_EQ(pod_labels["codeexec.dev/execution"], "hello");
  EXPECT_EQ(pod_labels["codeexec.dev/execution-uid"], "11111111-2222-3333-4444-555555555555");
  EXPECT_EQ(pod_labels["codeexec.dev/network"], "deny");
}

TEST(Job, StartsTheCodeThroughTheRunner) {
  auto e = make_execution();
  e.spec.args = {"--n", "3"};
  e.spec.stdin_ = "input";
  e.spec.timeoutSeconds = 7;
  e.spec.output = api::OutputSpec{1000};
  auto const container = container_of(job_of(e));
  EXPECT_THAT(container["command"].get<std::vector<std::string>>(),
              ::testing::ElementsAre("/codeexec/bin/codeexec-runner", "--timeout-ms", "7000", "--grace-ms", "5000",
                                     "--max-output-bytes", "1000", "--input", "/codeexec/input/workspace",
                                     "--workspace", "/workspace", "--stdin", "/codeexec/input/stdin",
                                     "--require-sandbox", "--max-processes", "256", "--max-file-bytes", "1073741824",
                                     "--token", "secret", "--", "python3", "/workspace/main.py", "--n", "3"));
  EXPECT_FALSE(container.contains("args"));
  EXPECT_EQ(container["workingDir"], "/workspace");
  EXPECT_EQ(container["terminationMessagePolicy"], "File");
}

TEST(Job, MountsRunnerInputAndScratchSpace) {
  auto const job = job_of(make_execution());
  auto const pod = pod_of(job);
  json const expected = json::parse(R"([
    {"name":"runner","configMap":{"name":"codeexec-runner-0123456789ab","defaultMode":365,"optional":false}},
    {"name":"input","configMap":{"name":"NAME","defaultMode":292,"optional":false,"items":[{"key":"code","path":"workspace/main.py"}]}},
    {"name":"workspace","emptyDir":{"sizeLimit":"1Gi"}},
    {"name":"tmp","emptyDir":{"sizeLimit":"256Mi"}}])");
  auto volumes = pod["volumes"];
  EXPECT_EQ(volumes[1]["configMap"]["name"], input_name(job["metadata"]["name"].get<std::string>(), "secret"));
  volumes[1]["configMap"]["name"] = "NAME";
  EXPECT_EQ(volumes, expected);
}

TEST(Job, NetworkDenyLeavesNoNameserverThatAnswers) {
  auto e = make_execution();
  EXPECT_EQ(pod_of(job_of(e))["dnsPolicy"], "None");
  EXPECT_EQ(pod_of(job_of(e))["dnsConfig"]["nameservers"], json::array({"192.0.2.1"}));
  e.spec.network = "Allow";
  EXPECT_FALSE(pod_of(job_of(e)).contains("dnsPolicy"));
  EXPECT_EQ(job_of(e)["spec"]["template"]["metadata"]["labels"]["codeexec.dev/network"], "allow");
}

TEST(Job, TheExecutionsEnvironmentWinsOverTheRuntimes) {
  auto e = make_execution();
  e.spec.env = {{"PYTHONUNBUFFERED", "0"}, {"MODE", "fast"}};
  auto const env = container_of(job_of(e))["env"];
  EXPECT_EQ(env, json::parse(R"([{"name":"HOME","value":"/workspace"},{"name":"TMPDIR","value":"/tmp"},
                                 {"name":"PYTHONDONTWRITEBYTECODE","value":"1"},
                                 {"name":"PYTHONUNBUFFERED","value":"0"},{"name":"MODE","value":"fast"}])"));
}

TEST(Job, ReferencesInValuesStayPlainText) {
  EXPECT_EQ(without_expansion("$(HOME) $HOME $$ $"), "$$(HOME) $HOME $$$ $");
  auto e = make_execution();
  e.spec.args = {"$(HOME)"};
  EXPECT_EQ(container_of(job_of(e))["command"].back(), "$$(HOME)");
}

TEST(Job, TheCallersTraceGoesOnToJobAndPodAndNoOtherAnnotation) {
  auto e = make_execution();
  auto const own = json::parse(R"({"codeexec.dev/token": "secret"})");
  EXPECT_EQ(job_of(e)["spec"]["template"]["metadata"]["annotations"], own);
  e.metadata.annotations = {{"codeexec.dev/traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
                            {"codeexec.dev/tracestate", "a=b"},
                            {"example.com/other", "x"}};
  auto const job = job_of(e);
  auto const& pod = job["spec"]["template"]["metadata"]["annotations"];
  EXPECT_EQ(pod, json::parse(R"({"codeexec.dev/traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                 "codeexec.dev/tracestate": "a=b", "codeexec.dev/token": "secret"})"));
  EXPECT_EQ(job["metadata"]["annotations"]["codeexec.dev/tracestate"], "a=b");
  EXPECT_FALSE(job["metadata"]["annotations"].contains("example.com/other"));
  e.metadata.annotations["codeexec.dev/traceparent"] = "forged\nline";
  EXPECT_EQ(job_of(e)["spec"]["template"]["metadata"]["annotations"], own);
}

TEST(Job, NamesFitWhateverTheExecutionIsCalled) {
  auto e = make_execution();
  e.metadata.name = std::string(120, 'a') + "." + std::string(100, 'b');
  auto const name = child_name(e.metadata);
  EXPECT_LE(name.size(), 57U);
  EXPECT_LE(job_of(e)["metadata"]["labels"]["codeexec.dev/execution"].get<std::string>().size(), 63U);
  auto again = e;
  again.metadata.uid = "another";
  EXPECT_NE(child_name(again.metadata), name);
}

TEST(Resources, DefaultsNeverStandAgainstTheSpec) {
  auto e = make_execution();
  e.spec.resources.limits = {{"cpu", "100m"}};
  e.spec.resources.requests = {{"memory", "1Gi"}};
  auto const resources = container_of(job_of(e))["resources"];
  EXPECT_EQ(resources["limits"]["cpu"], "100m");
  EXPECT_EQ(resources["requests"]["cpu"], "100m");
  EXPECT_EQ(resources["requests"]["memory"], "1Gi");
  EXPECT_EQ(resources["limits"]["memory"], "1Gi");
  EXPECT_EQ(resources["limits"]["ephemeral-storage"], "1Gi");
}

TEST(Input, HoldsTextAsTextAndBytesAsBytes) {
  auto e = make_execution("print('\xC3\xA4')");
  e.spec.files = {{"data/in.csv", "a,b\n", std::nullopt},
                  {"logo.png", std::nullopt, base::base64_encode("\x89PNG\r\n\xFF")},
                  {"note.txt", std::nullopt, base::base64_encode("text")}};
  e.spec.stdin_ = std::string("a\0b", 3);
  config const with;
  auto const resolved = resolve(e.spec, with);
  auto const in = make_input(e.spec, *resolved);
  ASSERT_TRUE(in);
  auto const map = make_input_config_map(e, *in, "job-uid", "secret");
  EXPECT_EQ(map["immutable"], true);
  EXPECT_EQ(map["data"], (json{{"code", "print('ä')"}, {"file-0", "a,b\n"}, {"file-2", "text"}}));
  EXPECT_EQ(map["binaryData"]["file-1"], base::base64_encode("\x89PNG\r\n\xFF"));
  EXPECT_EQ(map["binaryData"]["stdin"], base::base64_encode(std::string("a\0b", 3)));
  EXPECT_THAT(in->items, ::testing::ElementsAre(
                             std::pair("code", "workspace/main.py"), std::pair("file-0", "workspace/data/in.csv"),
                             std::pair("file-1", "workspace/logo.png"), std::pair("file-2", "workspace/note.txt"),
                             std::pair("stdin", "stdin")));
  EXPECT_EQ(map["metadata"]["ownerReferences"][0]["kind"], "Job");
  EXPECT_EQ(map["metadata"]["ownerReferences"][0]["uid"], "job-uid");
  auto const job = make_job(e, *resolved, *in, {"runner", "secret"}, with);
  EXPECT_EQ(job["spec"]["template"]["spec"]["volumes"][1]["configMap"]["name"], map["metadata"]["name"]);
  auto const late = make_job(e, *resolved, *in, {"runner", "another"}, with);
  EXPECT_NE(late["spec"]["template"]["spec"]["volumes"][1]["configMap"]["name"], map["metadata"]["name"])
      << "a Job that a late request makes finds no input of its predecessor's";
  EXPECT_EQ(in->code_sha256, base::sha256_hex("print('ä')"));
}

TEST(Input, TheHashTellsInputsApart) {
  auto const hash = [](api::CodeExecution const& e) {
    config const with;
    return make_input(e.spec, *resolve(e.spec, with))->sha256;
  };
  auto a = make_execution();
  auto b = a;
  EXPECT_EQ(hash(a), hash(b));
  b.spec.files = {{"x", "1", std::nullopt}};
  EXPECT_NE(hash(a), hash(b));
  a.spec.files = {{"y", "1", std::nullopt}};
  EXPECT_NE(hash(a), hash(b));
}

TEST(InvalidSpec, NamesTheField) {
  auto e = make_execution();
  e.spec.language = "cobol";
  EXPECT_EQ(refusal_of(e.spec),
            "spec.language: \"cobol\" is not a runtime of this operator (it knows bash, node, perl, python, ruby)");
  e = make_execution();
  e.spec.files = {{"main.py", "x", std::nullopt}};
  EXPECT_EQ(refusal_of(e.spec), "spec.files[0].path: \"main.py\" is where the code itself goes");
  e = make_execution();
  e.spec.code.reset();
  EXPECT_NE(refusal_of(e.spec).find("spec"), std::string::npos);
  e = make_execution();
  e.spec.files = {{"../x", "x", std::nullopt}};
  EXPECT_NE(refusal_of(e.spec).find("spec.files[0].path"), std::string::npos);
}

TEST(InvalidSpec, MoreThanAConfigMapHolds) {
  auto e = make_execution();
  e.spec.files = {{"a", std::string(700000, 'a'), std::nullopt}, {"b", std::string(700000, 'b'), std::nullopt}};
  auto const why = refusal_of(e.spec);
  EXPECT_NE(why.find("1048576"), std::string::npos) << why;
}

TEST(Runner, ConfigMapIsNamedAfterItsContent) {
  auto const sha = base::sha256_hex("ELF");
  auto const map = make_runner_config_map("agents", "ELF", sha);
  EXPECT_EQ(map["metadata"]["name"], "codeexec-runner-" + sha.substr(0, 12));
  EXPECT_EQ(map["immutable"], true);
  EXPECT_EQ(base::base64_decode(map["binaryData"]["codeexec-runner"].get<std::string>()), "ELF");
}

}  // namespace
}  // namespace codeexec::execution
