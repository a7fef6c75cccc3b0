// Bad input: refused with the field and the reason where the API server can know it, Failed with InvalidSpec where only
// the operator can. Nothing is started either way.
#include <gtest/gtest.h>
#include <string>

#include "cluster.hpp"

namespace codeexec::e2e {
namespace {

/// The server's refusal of this spec: a 422 whose text holds every one of `words`.
void expect_refused(json spec, std::initializer_list<std::string_view> words) {
  workspace here;
  auto const got = here.create("bad", std::move(spec));
  ASSERT_FALSE(got) << "accepted: " << got.value().dump().substr(0, 2000);
  EXPECT_EQ(got.error().http_status(), 422) << got.error().describe();
  EXPECT_EQ(got.error().reason(), "Invalid");
  for (auto const word : words) {
    EXPECT_NE(got.error().message().find(word), std::string::npos) << got.error().message();
  }
}

/// Accepted by the server, and Failed with InvalidSpec by the operator, the field named, no Job ever made.
void expect_failed(json spec, std::initializer_list<std::string_view> words) {
  workspace here;
  auto const status = here.run("bad", std::move(spec));
  EXPECT_EQ(status["phase"], "Failed") << status.dump(2);
  EXPECT_EQ(status["reason"], "InvalidSpec");
  EXPECT_FALSE(status.contains("jobName"));
  EXPECT_FALSE(status.contains("exitCode"));
  auto const message = status.value("message", "");
  for (auto const word : words)
    EXPECT_NE(message.find(word), std::string::npos) << message;
  EXPECT_EQ(here.leftovers(), std::vector<std::string>());
}

json with_file(std::string_view path) {
  auto spec = python("pass");
  spec["files"] = {{{"path", path}, {"content", "x"}}};
  return spec;
}

TEST(refusals, neither_code_nor_codeFrom) {
  expect_refused({{"language", "python"}}, {"spec", "code", "codeFrom"});
}

TEST(refusals, both_code_and_codeFrom) {
  auto spec = python("pass");
  spec["codeFrom"] = {{"configMapKeyRef", {{"name", "a"}, {"key", "b"}}}};
  expect_refused(spec, {"spec", "exactly one"});
}

TEST(refusals, a_path_that_leaves_the_workspace) {
  expect_refused(with_file("../x"), {"spec.files[0].path"});
  expect_refused(with_file("a/../../x"), {"spec.files[0].path"});
  expect_refused(with_file("/etc/passwd"), {"spec.files[0].path"});
  expect_refused(with_file("a//b"), {"spec.files[0].path"});
  expect_refused(with_file(""), {"spec.files[0].path"});
}

TEST(refusals, a_path_with_a_nul) {
  expect_refused(with_file(std::string_view("a\0b", 3)), {"spec.files[0].path"});
}

TEST(refusals, the_same_file_twice) {
  auto spec = python("pass");
  spec["files"] = {{{"path", "a"}, {"content", "1"}}, {{"path", "a"}, {"content", "2"}}};
  expect_refused(spec, {"spec.files[1]", "Duplicate"});
}

TEST(refusals, wrong_types_unknown_values_and_bounds) {
  auto spec = python("pass");
  spec["timeoutSeconds"] = "soon";
  expect_refused(spec, {"spec.timeoutSeconds", "integer"});
  spec = python("pass");
  spec["timeoutSeconds"] = 0;
  expect_refused(spec, {"spec.timeoutSeconds", "greater than or equal to 1"});
  spec = python("pass");
  spec["network"] = "Perhaps";
  expect_refused(spec, {"spec.network", "Unsupported value", "Allow"});
  spec = python("pass");
  spec["output"] = {{"maxBytes", 262145}};
  expect_refused(spec, {"spec.output.maxBytes", "262144"});
}

TEST(refusals, code_that_is_too_long) {
  expect_refused(python(std::string(262145, '#')), {"spec.code", "262144"});
}

TEST(refusals, the_spec_cannot_change) {
  workspace here;
  ASSERT_TRUE(here.create("fixed", python("print(1)")));
  auto const patched = here.merge_patch(kube::code_executions, "fixed", {{"spec", {{"code", "print(2)"}}}});
  ASSERT_FALSE(patched);
  EXPECT_EQ(patched.error().http_status(), 422);
  EXPECT_NE(patched.error().message().find("spec.code is immutable"), std::string::npos) << patched.error().message();
  EXPECT_EQ(here.wait_final("fixed")["status"]["stdout"], "1\n");
}

TEST(refusals, a_language_nobody_configured) {
  auto spec = python("pass");
  spec["language"] = "cobol";
  expect_failed(spec, {"spec.language", "cobol", "python"});
}

TEST(refusals, broken_base64) {
  auto spec = python("pass");
  spec["files"] = {{{"path", "a"}, {"contentBase64", "AAA"}}};
  workspace here;
  auto const created = here.create("bad", spec);
  if (!created) {  // the schema's format: byte; a server may check it
    EXPECT_NE(created.error().message().find("spec.files[0].contentBase64"), std::string::npos);
    return;
  }
  auto const status = here.wait_final("bad")["status"];
  EXPECT_EQ(status["reason"], "InvalidSpec");
  EXPECT_NE(status["message"].get<std::string>().find("spec.files[0].contentBase64"), std::string::npos);
}

TEST(refusals, more_than_a_config_map_holds) {
  auto spec = python("pass");
  spec["files"] = {{{"path", "a"}, {"content", std::string(600000, 'a')}},
                   {{"path", "b"}, {"content", std::string(600000, 'b')}}};
  expect_failed(spec, {"1048576"});
}

TEST(refusals, a_file_in_the_place_of_the_code) {
  expect_failed(with_file("main.py"), {"spec.files[0].path", "main.py"});
}

TEST(refusals, a_request_above_its_limit) {
  auto spec = python("pass");
  spec["resources"] = {{"requests", {{"memory", "1Gi"}}}, {"limits", {{"memory", "512Mi"}}}};
  expect_failed(spec, {"spec.resources", "memory"});
}

TEST(refusals, a_command_that_the_image_does_not_have) {
  workspace here;
  auto spec = python("pass");
  spec["command"] = {"no-such-interpreter"};
  auto const status = here.run("nocommand", spec);
  EXPECT_EQ(status["phase"], "Failed");
  EXPECT_EQ(status["reason"], "InvalidSpec") << status.dump(2);
  EXPECT_NE(status["message"].get<std::string>().find("no-such-interpreter"), std::string::npos);
}

}  // namespace
}  // namespace codeexec::e2e
