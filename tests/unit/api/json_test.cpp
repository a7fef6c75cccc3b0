#include "codeexec/api/json.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "full_object.hpp"

namespace codeexec::api {
namespace {

using nlohmann::json;

CodeExecution decoded(json const& object) {
  auto result = decode_code_execution(object);
  if (auto const* error = std::get_if<decode_error>(&result)) {
    ADD_FAILURE() << error->describe();
    return {};
  }
  return std::get<CodeExecution>(std::move(result));
}

std::string error_of(json const& object) {
  auto const result = decode_code_execution(object);
  auto const* error = std::get_if<decode_error>(&result);
  return error != nullptr ? error->describe() : "(decoded)";
}

json parse(char const* text) {
  return json::parse(text);
}

TEST(decode, reads_back_every_field_that_encode_writes) {
  auto const full = test::full_code_execution();
  auto const wire = encode(full);
  auto const back = decoded(wire);
  EXPECT_EQ(encode(back), wire);
  EXPECT_EQ(back.status, full.status);
  EXPECT_EQ(encode(decoded(json::parse(wire.dump()))), wire);
}

TEST(decode, absent_is_not_the_default) {
  auto const object = decoded(parse(R"({"spec": {"code": ""}})"));
  EXPECT_EQ(object.spec.code, "");
  EXPECT_FALSE(object.spec.codeFrom);
  EXPECT_FALSE(object.spec.language);
  EXPECT_FALSE(object.spec.timeoutSeconds);
  EXPECT_FALSE(object.spec.output);
  EXPECT_TRUE(object.spec.resources.empty());
  EXPECT_FALSE(object.status.exitCode);
  EXPECT_FALSE(object.status.stdout_);
}

TEST(decode, null_is_the_same_as_absent) {
  auto const object = decoded(parse(R"({
    "metadata": {"name": "a", "deletionTimestamp": null, "labels": null},
    "spec": {"code": null, "files": null, "output": {"maxBytes": null}, "cancel": null,
             "resources": {"limits": {"cpu": null}, "requests": null}},
    "status": null})"));
  EXPECT_FALSE(object.metadata.being_deleted());
  EXPECT_FALSE(object.spec.code);
  EXPECT_TRUE(object.spec.output);
  EXPECT_FALSE(object.spec.output->maxBytes);
  EXPECT_TRUE(object.spec.resources.limits.empty());
}

TEST(decode, fields_of_a_newer_version_are_ignored) {
  auto const object = decoded(parse(R"({
    "metadata": {"name": "a", "managedFields": [{"manager": 1}], "selfLink": 7},
    "spec": {"code": "x", "shiny": {"deep": [1, 2]}},
    "status": {"phase": "Running", "progress": 0.5},
    "extra": true})"));
  EXPECT_EQ(object.spec.code, "x");
  EXPECT_EQ(object.status.phase, "Running");
}

TEST(decode, an_object_without_spec_or_status_is_an_empty_one) {
  auto const object = decoded(parse(R"({"metadata": {"name": "a"}})"));
  EXPECT_EQ(object.metadata.name, "a");
  EXPECT_EQ(object.status, CodeExecutionStatus{});
}

TEST(decode, a_resource_quantity_may_be_written_as_an_integer) {
  auto const object = decoded(parse(R"({"spec": {"resources": {"limits": {"cpu": 2, "memory": "1Gi"}}}})"));
  EXPECT_EQ(object.spec.resources.limits.at("cpu"), "2");
  EXPECT_EQ(object.spec.resources.limits.at("memory"), "1Gi");
}

TEST(decode, a_wrong_type_is_an_error_that_names_the_field) {
  struct row {
    char const* object;
    char const* error;
  };
  for (auto const& [object, error] : {
           row{R"([])", "expected an object, got a list"},
           row{R"("x")", "expected an object, got a string"},
           row{R"({"spec": 3})", "spec: expected an object, got a number"},
           row{R"({"metadata": []})", "metadata: expected an object, got a list"},
           row{R"({"metadata": {"name": 3}})", "metadata.name: expected a string, got a number"},
           row{R"({"metadata": {"labels": {"a/b": true}}})", "metadata.labels.a/b: expected a string, got a boolean"},
           row{R"({"metadata": {"finalizers": ["a", 1]}})", "metadata.finalizers[1]: expected a string, got a number"},
           row{R"({"metadata": {"ownerReferences": [{"controller": "yes"}]}})",
               "metadata.ownerReferences[0].controller: expected a boolean, got a string"},
           row{R"({"spec": {"code": ["x"]}})", "spec.code: expected a string, got a list"},
           row{R"({"spec": {"codeFrom": "x"}})", "spec.codeFrom: expected an object, got a string"},
           row{R"({"spec": {"codeFrom": {"configMapKeyRef": {"name": "a", "key": 1}}}})",
               "spec.codeFrom.configMapKeyRef.key: expected a string, got a number"},
           row{R"({"spec": {"files": {"a": 1}}})", "spec.files: expected a list, got an object"},
           row{R"({"spec": {"files": [{"path": "a"}, {}, {"path": 1}]}})",
               "spec.files[2].path: expected a string, got a number"},
           row{R"({"spec": {"files": [null]}})", "spec.files[0]: expected an object, got null"},
           row{R"({"spec": {"args": ["a", 2]}})", "spec.args[1]: expected a string, got a number"},
           row{R"({"spec": {"env": [{"name": "A", "value": 1}]}})",
               "spec.env[0].value: expected a string, got a number"},
           row{R"({"spec": {"timeoutSeconds": "300"}})", "spec.timeoutSeconds: expected an integer, got a string"},
           row{R"({"spec": {"timeoutSeconds": 1.5}})", "spec.timeoutSeconds: expected an integer, got a number"},
           row{R"({"spec": {"timeoutSeconds": 9223372036854775808}})",
               "spec.timeoutSeconds: is larger than 64 bits hold"},
           row{R"({"spec": {"resources": {"limits": {"cpu": 0.5}}}})",
               "spec.resources.limits.cpu: expected a quantity (a string or an integer), got a number"},
           row{R"({"spec": {"resources": {"limits": ["cpu"]}}})",
               "spec.resources.limits: expected an object, got a list"},
           row{R"({"spec": {"output": 5}})", "spec.output: expected an object, got a number"},
           row{R"({"spec": {"cancel": "true"}})", "spec.cancel: expected a boolean, got a string"},
           row{R"({"status": {"exitCode": "0"}})", "status.exitCode: expected an integer, got a string"},
           row{R"({"status": {"conditions": [{"type": "Ready"}, {"type": 1}]}})",
               "status.conditions[1].type: expected a string, got a number"},
           row{R"({"status": {"timeline": {"accepted": 1}}})",
               "status.timeline.accepted: expected a string, got a number"},
       }) {
    EXPECT_EQ(error_of(parse(object)), error) << object;
  }
}

TEST(decode, every_value_of_a_wrong_type_anywhere_is_an_error_and_never_a_crash) {
  // Each leaf and each inner value of a full object, replaced in turn by values of every JSON type.
  auto const wire = encode(test::full_code_execution());
  auto const flat = wire.flatten();
  int refused = 0;
  for (auto const& [pointer, leaf] : flat.items()) {
    for (auto const& strange :
         {json(nullptr), json(true), json(-1), json(0.5), json("text"), json::array({1}), json{{"unexpected", 1}}}) {
      for (auto at = json::json_pointer(pointer); !at.empty(); at.pop_back()) {
        auto changed = wire;
        changed[at] = strange;
        auto const result = decode_code_execution(changed);
        if (auto const* error = std::get_if<decode_error>(&result)) {
          ++refused;
          EXPECT_FALSE(error->field.empty());
          EXPECT_FALSE(error->message.empty());
        }
      }
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(decode, metadata_alone_is_read_the_same_way) {
  auto const good = decode_object_meta(encode(test::full_metadata()));
  ASSERT_TRUE(std::holds_alternative<ObjectMeta>(good));
  EXPECT_EQ(encode(std::get<ObjectMeta>(good)), encode(test::full_metadata()));

  auto const bad = decode_object_meta(parse(R"({"generation": "1"})"));
  ASSERT_TRUE(std::holds_alternative<decode_error>(bad));
  EXPECT_EQ(std::get<decode_error>(bad).describe(), "metadata.generation: expected an integer, got a string");
}

TEST(encode, leaves_out_what_is_absent_or_empty) {
  CodeExecution object;
  object.metadata.name = "a";
  object.spec.code = "";
  EXPECT_EQ(encode(object), parse(R"({"apiVersion": "codeexec.dev/v1alpha1", "kind": "CodeExecution",
                                      "metadata": {"name": "a"}, "spec": {"code": ""}})"));
  EXPECT_EQ(encode(CodeExecutionStatus{}), json::object());
}

TEST(encode, zero_false_and_empty_output_are_values_where_they_are_known) {
  CodeExecutionStatus status;
  status.exitCode = 0;
  status.stdout_ = "";
  status.output.emplace();
  status.usage.emplace();
  status.sandbox.emplace();
  EXPECT_EQ(encode(status), parse(R"({"exitCode": 0, "stdout": "",
    "output": {"stdoutBytes": 0, "stderrBytes": 0, "stdoutTruncated": false, "stderrTruncated": false},
    "usage": {"wallMillis": 0, "cpuMillis": 0, "maxRSSBytes": 0},
    "sandbox": {"verified": false}})"));
}

TEST(encode, a_condition_carries_all_that_metav1_requires) {
  CodeExecutionStatus status;
  Condition condition;
  condition.type = "Ready";
  condition.status = "True";
  condition.lastTransitionTime = "2026-01-31T10:00:00Z";
  condition.reason = "Completed";
  status.conditions = {condition};
  EXPECT_EQ(encode(status), parse(R"({"conditions": [{"type": "Ready", "status": "True", "reason": "Completed",
    "message": "", "lastTransitionTime": "2026-01-31T10:00:00Z"}]})"));
}

TEST(encode, a_file_with_empty_content_keeps_it) {
  CodeExecutionSpec spec;
  SourceFile file;
  file.path = "empty";
  file.content = "";
  spec.files = {file};
  EXPECT_EQ(encode(spec), parse(R"({"files": [{"path": "empty", "content": ""}]})"));
}

TEST(encode, an_empty_output_spec_stays_there) {
  CodeExecutionSpec spec;
  spec.output.emplace();
  EXPECT_EQ(encode(spec), parse(R"({"output": {}})"));
}

}  // namespace
}  // namespace codeexec::api
