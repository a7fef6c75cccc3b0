// The roles for those who use CodeExecutions, as the API server understands them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

#include "machine.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;

class UsersRoles : public ::testing::Test {
 protected:
  void SetUp() override {
    if (run_program({"kubectl", "version", "--client"}).exit_code != 0) {
      GTEST_SKIP() << "There is no kubectl on this machine: roles are not tried out here.";
    }
    here_ = std::make_unique<machine>(std::vector<std::string>{"--runtime", "process"});
    std::ofstream(here_->folder() / "operator.yaml") << "requireSandbox: false\n";
    operator_ = here_->start_operator("operator", {"--config", (here_->folder() / "operator.yaml").string()});
    ASSERT_EQ(kubectl({"apply", "-f", CODEEXEC_SOURCE_DIR "/config/rbac/users.yaml"}).exit_code, 0);
  }

  program_outcome kubectl(std::vector<std::string> arguments, std::string input = {}) const {
    arguments.insert(arguments.begin(), "kubectl");
    program_options options;
    options.env = {{"KUBECONFIG", here_->kubeconfig().string()}};
    options.input = std::move(input);
    return run_program(arguments, options);
  }

  /// "yes" or "no", as kubectl asks the server.
  std::string may(std::string const& who, std::string const& ns, std::string const& verb,
                  std::string const& what) const {
    auto const slash = what.find('/');
    auto const part = slash == std::string::npos ? std::string() : what.substr(slash + 1);
    auto const got =
        kubectl({"auth", "can-i", verb, what.substr(0, slash), "--subresource=" + part, "-n", ns, "--as", who});
    return got.out.substr(0, got.out.find('\n'));
  }

  std::unique_ptr<machine> here_;
  std::unique_ptr<program> operator_;
};

TEST_F(UsersRoles, AnAgentRunsCodeAndReadsItsResultAndCanDoNothingElse) {
  workspace space(here_->api());
  std::string const ns = space.name();
  std::string const agent = "system:serviceaccount:" + ns + ":planner";
  ASSERT_EQ(kubectl({"create", "serviceaccount", "planner", "-n", ns}).exit_code, 0);
  ASSERT_EQ(kubectl({"create", "rolebinding", "planner", "--clusterrole=codeexec-agent",
                     "--serviceaccount=" + ns + ":planner", "-n", ns})
                .exit_code,
            0);
  auto const as_agent = [&](std::vector<std::string> arguments, std::string input = {}) {
    arguments.insert(arguments.end(), {"-n", ns, "--as", agent});
    return kubectl(std::move(arguments), std::move(input));
  };
  auto const made = as_agent({"create", "-f", "-"},
                             "apiVersion: codeexec.dev/v1alpha1\nkind: CodeExecution\n"
                             "metadata: {name: sum}\nspec: {language: bash, code: echo 42}\n");
  ASSERT_EQ(made.exit_code, 0) << made.err;
  auto const waited = as_agent({"wait", "--for=condition=Complete", "--timeout=60s", "cex/sum"});
  EXPECT_EQ(waited.exit_code, 0) << waited.err;
  EXPECT_EQ(as_agent({"get", "cex", "sum", "-o", "jsonpath={.status.stdout}"}).out, "42\n");
  EXPECT_EQ(as_agent({"delete", "cex", "sum", "--timeout=60s"}).exit_code, 0);

  for (char const* verb : {"patch", "update", "deletecollection"})
    EXPECT_EQ(may(agent, ns, verb, "codeexecutions.codeexec.dev"), "no") << verb;
  for (char const* what : {"jobs.batch", "pods", "pods/log", "pods/exec", "configmaps", "secrets", "events",
                           "codeexecutions.codeexec.dev/status"}) {
    for (char const* verb : {"create", "get", "delete"})
      EXPECT_EQ(may(agent, ns, verb, what), "no") << verb << " " << what;
  }
  EXPECT_EQ(may(agent, "default", "create", "codeexecutions.codeexec.dev"), "no") << "another namespace";
}

TEST_F(UsersRoles, ViewReadsAndEditRunsWithoutAnotherBinding) {
  workspace space(here_->api());
  std::string const ns = space.name();
  for (std::string const role : {"view", "edit", "admin"}) {
    ASSERT_EQ(kubectl({"create", "rolebinding", role, "--clusterrole=" + role, "--user=" + role, "-n", ns}).exit_code,
              0);
    EXPECT_EQ(may(role, ns, "get", "codeexecutions.codeexec.dev"), "yes") << role;
    EXPECT_EQ(may(role, ns, "create", "codeexecutions.codeexec.dev"), role == "view" ? "no" : "yes") << role;
    EXPECT_EQ(may(role, ns, "patch", "codeexecutions.codeexec.dev/status"), "no") << role;
  }
}

}  // namespace
}  // namespace codeexec::e2e
