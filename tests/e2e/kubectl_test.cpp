// kubectl as people use it with a CodeExecution. Built only where a kubectl is installed (CMake says so where not).
#include <gtest/gtest.h>
#include <string>

#include "cluster.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;

program_outcome kubectl(workspace const& here, std::vector<std::string> arguments, std::string input = {}) {
  program_options options;
  options.env.emplace("KUBECONFIG", cluster::instance().kubeconfig());
  options.input = std::move(input);
  arguments.insert(arguments.begin(), {"kubectl", "-n", here.name()});
  return run_program(arguments, options);
}

std::string sample(std::string_view name) {
  return std::string(CODEEXEC_SOURCE_DIR "/config/samples/") + std::string(name) + ".yaml";
}

TEST(kubectl, apply_wait_get_logs_and_delete_a_sample) {
  workspace here;
  auto const applied = kubectl(here, {"apply", "-f", sample("csv-table")});
  ASSERT_EQ(applied.exit_code, 0) << applied.err;
  EXPECT_EQ(applied.out, "codeexecution.codeexec.dev/csv-table created\n");

  auto const waited = kubectl(here, {"wait", "--for=condition=Complete", "--timeout=50s", "cex/csv-table"});
  EXPECT_EQ(waited.exit_code, 0) << waited.err;
  EXPECT_EQ(waited.out, "codeexecution.codeexec.dev/csv-table condition met\n");

  auto const table = kubectl(here, {"get", "cex"});
  EXPECT_EQ(table.exit_code, 0) << table.err;
  for (auto const* const word :
       {"NAME", "PHASE", "REASON", "EXIT", "DURATION", "AGE", "csv-table", "Succeeded", "Completed"}) {
    EXPECT_NE(table.out.find(word), std::string::npos) << word << " in\n" << table.out;
  }
  auto const wide = kubectl(here, {"get", "cex", "-o", "wide"});
  EXPECT_NE(wide.out.find("POD"), std::string::npos) << wide.out;
  EXPECT_NE(wide.out.find("NODE"), std::string::npos) << wide.out;

  auto const yaml = kubectl(here, {"get", "cex", "csv-table", "-o", "yaml"});
  EXPECT_NE(yaml.out.find("stdout: |"), std::string::npos) << yaml.out;
  EXPECT_NE(yaml.out.find("reason: Completed"), std::string::npos);

  auto const again = kubectl(here, {"apply", "-f", sample("csv-table")});
  EXPECT_EQ(again.out, "codeexecution.codeexec.dev/csv-table unchanged\n") << again.err;

  auto const deleted = kubectl(here, {"delete", "cex", "csv-table"});
  EXPECT_EQ(deleted.exit_code, 0) << deleted.err;
  EXPECT_EQ(kubectl(here, {"get", "cex", "csv-table"}).exit_code, 1);
}

TEST(kubectl, wait_ends_for_a_failure_too) {
  workspace here;
  ASSERT_EQ(kubectl(here, {"apply", "-f", sample("traceback")}).exit_code, 0);
  auto const waited = kubectl(here, {"wait", "--for=condition=Failed", "--timeout=50s", "cex/traceback"});
  EXPECT_EQ(waited.exit_code, 0) << waited.err;
  auto const reason = kubectl(here, {"get", "cex", "traceback", "-o", "jsonpath={.status.reason}"});
  EXPECT_EQ(reason.out, "NonZeroExit");
}

TEST(kubectl, logs_of_the_pod_are_readable_frames) {
  workspace here;
  auto const created = kubectl(here, {"create", "-f", "-"},
                               "apiVersion: codeexec.dev/v1alpha1\nkind: CodeExecution\nmetadata: {name: logged}\n"
                               "spec: {language: bash, code: echo hi, cleanupPolicy: Retain}\n");
  ASSERT_EQ(created.exit_code, 0) << created.err;
  ASSERT_EQ(kubectl(here, {"wait", "--for=condition=Complete", "--timeout=50s", "cex/logged"}).exit_code, 0);
  auto const pod = kubectl(here, {"get", "cex", "logged", "-o", "jsonpath={.status.podName}"}).out;
  auto const logs = kubectl(here, {"logs", pod});
  EXPECT_EQ(logs.out.rfind("stdout F hi\nresult F {", 0), 0u) << logs.out << logs.err;
}

TEST(kubectl, an_invalid_one_is_refused_with_field_and_reason) {
  workspace here;
  auto const refused = kubectl(here, {"apply", "-f", "-"},
                               "apiVersion: codeexec.dev/v1alpha1\nkind: CodeExecution\nmetadata: {name: bad}\n"
                               "spec: {code: x, timeoutSeconds: 0}\n");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("spec.timeoutSeconds"), std::string::npos) << refused.err;
  auto const unknown = kubectl(here, {"apply", "-f", "-"},
                               "apiVersion: codeexec.dev/v1alpha1\nkind: CodeExecution\nmetadata: {name: bad}\n"
                               "spec: {code: x, tiemout: 3}\n");
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_NE(unknown.err.find("unknown field \"spec.tiemout\""), std::string::npos) << unknown.err;
}

TEST(kubectl, explain_is_documentation) {
  workspace here;
  auto const explained = kubectl(here, {"explain", "cex.spec.timeoutSeconds"});
  EXPECT_EQ(explained.exit_code, 0) << explained.err;
  EXPECT_NE(explained.out.find("TimedOut"), std::string::npos) << explained.out;
}

TEST(kubectl, describe_shows_spec_and_status) {
  workspace here;
  ASSERT_EQ(kubectl(here, {"apply", "-f", sample("bash-pipeline")}).exit_code, 0);
  ASSERT_EQ(kubectl(here, {"wait", "--for=condition=Complete", "--timeout=50s", "cex/bash-pipeline"}).exit_code, 0);
  auto const described = kubectl(here, {"describe", "cex", "bash-pipeline"});
  EXPECT_EQ(described.exit_code, 0) << described.err;
  EXPECT_NE(described.out.find("Completed"), std::string::npos) << described.out;
}

}  // namespace
}  // namespace codeexec::e2e
