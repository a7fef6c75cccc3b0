// Upgrade and removal as controller/docs/installation.md tells them: nothing hangs, whoever went first, and nothing is
// left.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

#include "machine.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr kube::resource cluster_roles{"rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false};

bool runs(json const& execution) {
  return execution.contains("status") && execution["status"].value("phase", "") == "Running";
}

class Removal : public ::testing::Test {
 protected:
  void SetUp() override {
    if (run_program({"kubectl", "version", "--client"}).exit_code != 0) {
      GTEST_SKIP() << "There is no kubectl on this machine: removal by it is not tested here.";
    }
    // gVisor is not the point here, and a plain process starts at once.
    here_ = std::make_unique<machine>(std::vector<std::string>{"--runtime", "process"});
    std::ofstream(here_->folder() / "operator.yaml") << "requireSandbox: false\n";
    start();
  }

  void start(std::string const& more = "") {
    std::ofstream(here_->folder() / "operator.yaml") << "requireSandbox: false\n" << more;
    operator_ = here_->start_operator("operator", {"--config", (here_->folder() / "operator.yaml").string()});
  }

  program_outcome run(std::vector<std::string> const& command) const {
    program_options options;
    options.env = {{"KUBECONFIG", here_->kubeconfig().string()}};
    options.limit = 120s;
    return run_program(command, options);
  }
  program_outcome uninstall(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), CODEEXEC_SOURCE_DIR "/hack/uninstall");
    return run(arguments);
  }

  /// One that runs, one that is done and kept, one that waits.
  void start_some(workspace& space) {
    auto kept = bash("echo done");
    kept["cleanupPolicy"] = "Retain";
    auto waiting = bash("true");
    waiting["suspend"] = true;
    ASSERT_TRUE(space.create("running", bash("echo started; while :; do sleep 1; done")));
    ASSERT_TRUE(space.create("kept", kept));
    ASSERT_TRUE(space.create("waiting", waiting));
    space.wait_until("running", 60s, runs);
    space.wait_final("kept");
  }

  std::vector<std::string> everything_of_ours() const {
    std::vector<std::string> out;
    for (auto const& type : {kube::jobs, kube::pods, kube::config_maps, kube::network_policies}) {
      kube::list_options options;
      options.label_selector = "app.kubernetes.io/managed-by=codeexec-controller";
      auto const list = here_->api().send(kube::make_list(type, "", options));
      if (!list) continue;
      for (auto const& one : list->at("items"))
        out.push_back(std::string(type.kind) + " " + one["metadata"]["name"].get<std::string>());
    }
    if (here_->api().send(kube::make_get(kube::custom_resource_definitions, "", "codeexecutions.codeexec.dev")))
      out.push_back("definition");
    return out;
  }
  bool everything_went() const {
    auto const until = std::chrono::steady_clock::now() + 60s;
    while (!everything_of_ours().empty() && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(100ms);
    EXPECT_THAT(everything_of_ours(), IsEmpty());
    return everything_of_ours().empty();
  }

  std::unique_ptr<machine> here_;
  std::unique_ptr<program> operator_;
};

TEST_F(Removal, OfAnOperatorThatIsThereIsItsOwnWork) {
  workspace space(here_->api());
  start_some(space);
  auto const asked = uninstall({});
  EXPECT_EQ(asked.exit_code, 1);
  EXPECT_THAT(asked.out, HasSubstr("3 CodeExecutions would go"));
  EXPECT_EQ(space.list(kube::code_executions).size(), 3U) << "nothing is done without --yes";
  auto const got = uninstall({"--yes"});
  EXPECT_EQ(got.exit_code, 0) << got.out << got.err;
  EXPECT_THAT(got.out, Not(HasSubstr("No operator lets go")));
  EXPECT_TRUE(everything_went());
}

TEST_F(Removal, DoesNotHangWhereTheOperatorAndTheDefinitionWentFirst) {
  workspace space(here_->api());
  start_some(space);
  operator_->end(SIGKILL);
  // What one does without having read anything: now the definition waits for its objects, and they for the operator.
  ASSERT_EQ(run({"kubectl", "delete", "crd", "codeexecutions.codeexec.dev", "--wait=false"}).exit_code, 0);
  EXPECT_EQ(space.list(kube::code_executions).size(), 2U) << "what was never begun has nothing to clean up";
  auto const got = uninstall({"--yes", "--wait", "1"});
  EXPECT_EQ(got.exit_code, 0) << got.out << got.err;
  EXPECT_THAT(got.out, HasSubstr("No operator lets go"));
  EXPECT_TRUE(everything_went());
}

TEST_F(Removal, OfOneThatHangsLeavesTheFinalizersOfOthers) {
  workspace space(here_->api());
  start_some(space);
  operator_->end(SIGKILL);
  json const with_another = {{"metadata", {{"finalizers", {"codeexec.dev/cleanup", "example.org/archive"}}}}};
  ASSERT_TRUE(space.merge_patch(kube::code_executions, "running", with_another));
  ASSERT_TRUE(space.remove(kube::code_executions, "running"));
  auto const got = uninstall({"--release-only", space.name() + "/running"});
  EXPECT_EQ(got.exit_code, 0) << got.out << got.err;
  auto const now = space.get(kube::code_executions, "running");
  ASSERT_TRUE(now);
  EXPECT_EQ((*now)["metadata"]["finalizers"], json::array({"example.org/archive"}));
  EXPECT_TRUE(space.wait_gone(kube::pods, "codeexec.dev/execution=running", 60s)) << "its code is stopped first";
  ASSERT_TRUE(space.merge_patch(kube::code_executions, "running", {{"metadata", {{"finalizers", nullptr}}}}));
  EXPECT_TRUE(space.wait_gone(kube::code_executions, "codeexec.dev/none", 1s));
  ASSERT_TRUE(space.get(kube::code_executions, "kept")) << "the others stay";
}

TEST_F(Removal, OfTheOperatorAloneLeavesWhatRuns) {
  workspace space(here_->api());
  start_some(space);
  operator_->end(SIGTERM);
  auto const got = uninstall({"--yes", "--operator-only"});
  EXPECT_EQ(got.exit_code, 0) << got.out << got.err;
  EXPECT_EQ(space.list(kube::code_executions).size(), 3U);
  EXPECT_EQ(space.list(kube::pods, "codeexec.dev/execution=running").size(), 1U);
  EXPECT_FALSE(here_->api().send(kube::make_get(cluster_roles, "", "codeexec-controller")));
}

TEST_F(Removal, LeavesTheNamespacesOfUsersWhateverWasApplied) {
  workspace space(here_->api());
  start_some(space);
  operator_->end(SIGTERM);
  json const notes{{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", "notes"}}}};
  ASSERT_TRUE(here_->api().send(kube::make_create(kube::config_maps, space.name(), notes.dump(), "test")));
  // An overlay as people write it: what is served beside what serves it.
  auto const folder = here_->folder() / "applied";
  std::filesystem::create_directory(folder);
  auto const overlay =
      std::filesystem::relative(CODEEXEC_SOURCE_DIR "/config/overlays/single-namespace", folder).string();
  std::ofstream(folder / "kustomization.yaml") << "resources: [" << overlay << ", namespace.yaml]\n";
  std::ofstream(folder / "namespace.yaml")
      << "apiVersion: v1\nkind: Namespace\nmetadata: {name: " << space.name() << "}\n";

  auto const alone = uninstall({"--yes", "--operator-only", "--kustomization", folder.string()});
  EXPECT_EQ(alone.exit_code, 0) << alone.out << alone.err;
  EXPECT_EQ(space.list(kube::code_executions).size(), 3U);
  EXPECT_FALSE(here_->api().send(kube::make_get(kube::namespaces, "", "codeexec-system")));
  auto const all = uninstall({"--yes", "--wait", "1", "--kustomization", folder.string()});
  EXPECT_EQ(all.exit_code, 0) << all.out << all.err;
  EXPECT_TRUE(everything_went());
  EXPECT_TRUE(space.get(kube::config_maps, "notes")) << "it is their owner's";
}

TEST_F(Removal, AndAnUpgradeAreTwoThings) {
  workspace space(here_->api());
  auto limited = bash("echo begun; while :; do sleep 0.1; done");
  limited["timeoutSeconds"] = 6;
  ASSERT_TRUE(space.create("running", limited));
  ASSERT_TRUE(space.create("waiting", {{"language", "bash"}, {"code", "echo late"}, {"suspend", true}}));
  space.wait_until("running", 60s, runs);
  auto const pods = space.list(kube::pods, "codeexec.dev/execution=running");
  ASSERT_EQ(pods.size(), 1U);
  EXPECT_EQ(pods[0]["spec"]["containers"][0]["image"], "debian:12-slim");
  // As installation.md has it: the definition first, then the operator, which is told to stop and replaced.
  auto const applied =
      run({"kubectl", "apply", "--server-side", "--force-conflicts", "-k", CODEEXEC_SOURCE_DIR "/config/crd"});
  ASSERT_EQ(applied.exit_code, 0) << applied.err;
  EXPECT_EQ(operator_->end(SIGTERM), 0);
  start("runtimes: {bash: {image: \"bash:5\", command: [bash], file: main.sh}}\n");
  auto const end = space.wait_final("running", 90s);
  EXPECT_EQ(end["status"]["reason"], "TimedOut") << end.dump(1);
  EXPECT_EQ(end["status"]["stdout"], "begun\n") << "once, and whole";
  EXPECT_EQ(end["status"]["podName"], pods[0]["metadata"]["name"]);
  ASSERT_TRUE(space.merge_patch(kube::code_executions, "waiting", {{"spec", {{"suspend", false}}}}));
  auto const next = space.wait_final("waiting");
  EXPECT_EQ(next["status"]["stdout"], "late\n");
  EXPECT_EQ(next["status"]["image"], "bash:5") << "what was not begun is the new operator's";
}

}  // namespace
}  // namespace codeexec::e2e
