// What is told as Kubernetes Events, read as kubectl reads it: through core/v1, though written as events.k8s.io/v1.
#include <gtest/gtest.h>
#include <thread>

#include "cluster.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;

std::vector<json> events_of(workspace& here, std::string const& execution) {
  std::vector<json> found;
  for (auto const& event : here.list(kube::core_events)) {
    auto const& about = event["involvedObject"];
    if (about.value("kind", "") == "CodeExecution" && about.value("name", "") == execution) found.push_back(event);
  }
  return found;
}

TEST(events, trouble_is_told_and_success_is_not) {
  workspace here;
  ASSERT_EQ(here.run("fine", python("print('hi')"))["reason"], "Completed");
  auto spec = python("pass");
  spec["runtimeClassName"] = "absent";
  auto const status = here.run("trouble", spec);
  ASSERT_EQ(status["reason"], "RuntimeClassMissing");

  auto const until = std::chrono::steady_clock::now() + 30s;
  while (events_of(here, "trouble").empty() && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(50ms);
  auto const told = events_of(here, "trouble");
  ASSERT_EQ(told.size(), 1u);
  auto const execution = here.get(kube::code_executions, "trouble");
  ASSERT_TRUE(execution);
  auto const& event = told.front();
  EXPECT_EQ(event["involvedObject"]["uid"], (*execution)["metadata"]["uid"]) << "kubectl describe selects by it";
  EXPECT_EQ(event["involvedObject"]["apiVersion"], "codeexec.dev/v1alpha1");
  EXPECT_EQ(event["type"], "Warning");
  EXPECT_EQ(event["reason"], "RuntimeClassMissing");
  EXPECT_EQ(event["message"], status["message"]);
  EXPECT_EQ(event["action"], "Finish");
  EXPECT_EQ(event["reportingComponent"], "codeexec-controller");
  EXPECT_EQ(events_of(here, "fine"), std::vector<json>()) << "the ordinary course of things costs no request";
}

}  // namespace
}  // namespace codeexec::e2e
