// A CodeExecution runs once, so its spec is fixed: the server refuses each change with the field's name.
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>

#include "cluster.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;

/// Every field set, and nothing started: it is suspended.
json full_spec() {
  return {{"language", "python"},
          {"code", "print(1)"},
          {"files", {{{"path", "a.txt"}, {"content", "a"}}, {{"path", "b.bin"}, {"contentBase64", "YQ=="}}}},
          {"args", {"x", "y"}},
          {"stdin", "in"},
          {"env", {{{"name", "MODE"}, {"value", "fast"}}, {{"name", "LEVEL"}, {"value", "1"}}}},
          {"image", "python:3.11-slim"},
          {"command", {"python3", "-u"}},
          {"timeoutSeconds", 30},
          {"startupTimeoutSeconds", 60},
          {"resources", {{"requests", {{"cpu", "100m"}}}, {"limits", {{"memory", "256Mi"}}}}},
          {"runtimeClassName", "gvisor"},
          {"network", "Deny"},
          {"output", {{"maxBytes", 1000}}},
          {"cleanupPolicy", "Delete"},
          {"suspend", true}};
}

/// Changes (JSON merge patches of the spec) of each field that is fixed.
std::map<std::string, std::vector<json>> forbidden_changes() {
  return {{"language", {{{"language", "bash"}}}},
          {"code", {{{"code", "print(2)"}}, {{"code", " "}}}},
          {"codeFrom", {{{"code", nullptr}, {"codeFrom", {{"configMapKeyRef", {{"name", "a"}, {"key", "b"}}}}}}}},
          {"files",
           {{{"files", nullptr}},
            {{"files", json::array()}},
            {{"files", {{{"path", "a.txt"}, {"content", "b"}}, {{"path", "b.bin"}, {"contentBase64", "YQ=="}}}}}}},
          {"args", {{{"args", {"x"}}}, {{"args", nullptr}}, {{"args", {"y", "x"}}}}},
          {"stdin", {{{"stdin", "other"}}, {{"stdin", nullptr}}}},
          {"env",
           {{{"env", {{{"name", "MODE"}, {"value", "slow"}}, {{"name", "LEVEL"}, {"value", "1"}}}}},
            {{"env", {{{"name", "MODE"}, {"value", "fast"}}}}},
            {{"env", nullptr}}}},
          {"image", {{{"image", "python:3.12-slim"}}, {{"image", nullptr}}}},
          {"command", {{{"command", {"python3"}}}, {{"command", nullptr}}}},
          {"timeoutSeconds", {{{"timeoutSeconds", 31}}, {{"timeoutSeconds", nullptr}}}},
          {"startupTimeoutSeconds", {{{"startupTimeoutSeconds", 61}}, {{"startupTimeoutSeconds", nullptr}}}},
          {"resources",
           {{{"resources", {{"limits", {{"memory", "512Mi"}}}}}},
            {{"resources", {{"limits", {{"cpu", "1"}}}}}},
            {{"resources", {{"requests", nullptr}}}},
            {{"resources", nullptr}}}},
          {"runtimeClassName", {{{"runtimeClassName", "runc"}}, {{"runtimeClassName", nullptr}}}},
          {"network", {{{"network", "Allow"}}}},
          {"output", {{{"output", {{"maxBytes", 2000}}}}, {{"output", nullptr}}}},
          {"cleanupPolicy", {{{"cleanupPolicy", "Retain"}}}}};
}

class immutability : public ::testing::Test {
 protected:
  void SetUp() override {
    auto const made = here.create("fixed", full_spec());
    ASSERT_TRUE(made) << made.error().describe();
    here.wait_until("fixed", 30s,
                    [](json const& e) { return e.value("status", json::object()).value("phase", "") != ""; });
  }

  answer change(json spec) { return here.merge_patch(kube::code_executions, "fixed", {{"spec", std::move(spec)}}); }

  void expect_refused(json const& spec, std::string const& message) {
    auto const got = change(spec);
    ASSERT_FALSE(got) << spec << " was accepted";
    EXPECT_EQ(got.error().http_status(), 422) << spec << ": " << got.error().describe();
    EXPECT_EQ(got.error().reason(), "Invalid");
    EXPECT_NE(got.error().message().find(message), std::string::npos) << spec << ": " << got.error().message();
  }

  workspace here;
};

TEST_F(immutability, each_field_of_the_spec_is_fixed_and_named) {
  auto const before = here.get(kube::code_executions, "fixed");
  for (auto const& [field, changes] : forbidden_changes()) {
    for (auto const& one : changes)
      expect_refused(one, "spec." + field + " is immutable: a CodeExecution runs once, create a new CodeExecution");
  }
  auto const after = here.get(kube::code_executions, "fixed");
  ASSERT_TRUE(before && after);
  EXPECT_EQ((*before)["spec"], (*after)["spec"]);
  EXPECT_EQ((*after)["metadata"]["generation"], 1);
}

TEST_F(immutability, no_field_is_forgotten) {
  auto const definition =
      cluster::instance().send(kube::make_get(kube::custom_resource_definitions, "", "codeexecutions.codeexec.dev"));
  ASSERT_TRUE(definition) << definition.error().describe();
  std::set<std::string> fields;
  for (auto const& [name, ignored] :
       (*definition)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"].items())
    fields.insert(name);
  std::set<std::string> covered{"cancel", "suspend", "ttlSecondsAfterFinished"};
  for (auto const& [field, ignored] : forbidden_changes())
    covered.insert(field);
  EXPECT_EQ(covered, fields);
}

TEST_F(immutability, a_field_that_was_absent_cannot_be_added) {
  auto spec = python("print(1)");
  spec["suspend"] = true;
  ASSERT_TRUE(here.create("bare", spec));
  auto const full = full_spec();
  for (char const* field : {"files", "args", "stdin", "env", "image", "command", "runtimeClassName"}) {
    auto const got = here.merge_patch(kube::code_executions, "bare", {{"spec", {{field, full[field]}}}});
    ASSERT_FALSE(got) << field;
    EXPECT_NE(got.error().message().find("spec." + std::string(field) + " is immutable"), std::string::npos)
        << got.error().message();
  }
}

TEST_F(immutability, the_same_again_is_no_change) {
  auto const got = change(full_spec());
  ASSERT_TRUE(got) << got.error().describe();
  EXPECT_EQ((*got)["metadata"]["generation"], 1);
}

TEST_F(immutability, suspend_may_only_end) {
  ASSERT_TRUE(change({{"suspend", false}}));
  expect_refused({{"suspend", true}}, "spec.suspend may only turn from true to false");
  EXPECT_TRUE(change({{"suspend", false}}));
}

TEST_F(immutability, cancel_may_only_begin) {
  EXPECT_TRUE(change({{"cancel", false}}));
  ASSERT_TRUE(change({{"cancel", true}}));
  expect_refused({{"cancel", false}}, "spec.cancel may only turn from false to true");
  EXPECT_EQ(here.wait_final("fixed")["status"]["reason"], "Cancelled");
  expect_refused({{"cancel", false}}, "spec.cancel may only turn from false to true");
}

TEST_F(immutability, the_time_to_live_may_change_at_any_time) {
  ASSERT_TRUE(change({{"ttlSecondsAfterFinished", 7200}}));
  ASSERT_TRUE(change({{"ttlSecondsAfterFinished", nullptr}}));
  ASSERT_TRUE(change({{"cancel", true}}));
  here.wait_final("fixed");
  ASSERT_TRUE(change({{"ttlSecondsAfterFinished", 3600}}));
  // Whoever waits for the newest generation to be seen does not wait for ever, though the result stands.
  auto const seen = here.wait_until(
      "fixed", 30s, [](json const& e) { return e["status"]["observedGeneration"] == e["metadata"]["generation"]; });
  EXPECT_EQ(seen["status"]["reason"], "Cancelled");
  ASSERT_TRUE(change({{"ttlSecondsAfterFinished", 0}}));
  EXPECT_TRUE(here.wait_gone(kube::code_executions, "", 30s));
}

}  // namespace
}  // namespace codeexec::e2e
