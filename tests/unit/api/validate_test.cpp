#include "codeexec/api/validate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codeexec/api/names.hpp"

#include "full_object.hpp"

namespace codeexec::api {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

CodeExecutionSpec valid_spec() {
  CodeExecutionSpec spec;
  spec.code = "print('hi')";
  return spec;
}

SourceFile text_file(std::string path, std::string content = "x") {
  SourceFile file;
  file.path = std::move(path);
  file.content = std::move(content);
  return file;
}

std::vector<std::string> problems(CodeExecutionSpec const& spec) {
  std::vector<std::string> out;
  for (auto const& found : validate(spec))
    out.push_back(found.field + ": " + found.message);
  return out;
}

TEST(validate, a_spec_with_nothing_but_code_is_fine) {
  EXPECT_THAT(problems(valid_spec()), IsEmpty());
}

TEST(validate, a_full_spec_is_fine_once_it_has_one_source_of_code) {
  auto spec = test::full_spec();
  spec.codeFrom.reset();
  EXPECT_THAT(problems(spec), IsEmpty());
  spec = test::full_spec();
  spec.code.reset();
  EXPECT_THAT(problems(spec), IsEmpty());
}

TEST(validate, code_and_code_from_both_or_neither_is_wrong) {
  EXPECT_THAT(problems(CodeExecutionSpec{}),
              ElementsAre("spec: exactly one of spec.code and spec.codeFrom must be set"));
  EXPECT_THAT(problems(test::full_spec()), ElementsAre("spec: exactly one of spec.code and spec.codeFrom must be set"));
}

TEST(validate, code_is_a_text_that_has_something_in_it) {
  auto spec = valid_spec();
  spec.code = "";
  EXPECT_THAT(problems(spec), ElementsAre("spec.code: must not be empty: there is nothing to run"));
  spec.code = std::string("print(1)\0", 9);
  EXPECT_THAT(problems(spec), ElementsAre("spec.code: must not hold a NUL: it is a text"));
}

TEST(validate, code_is_measured_in_bytes) {
  auto spec = valid_spec();
  spec.code = std::string(limits::max_code_bytes, 'x');
  EXPECT_THAT(problems(spec), IsEmpty());
  *spec.code += "x";
  EXPECT_THAT(problems(spec), ElementsAre(HasSubstr("spec.code: is 262145 bytes long; at most 262144 fit here")));
}

TEST(validate, a_source_config_map_has_a_possible_name_and_key) {
  auto spec = valid_spec();
  spec.code.reset();
  spec.codeFrom = test::full_code_source();
  spec.codeFrom->configMapKeyRef.name = "Scripts";
  spec.codeFrom->configMapKeyRef.key = "a/b";
  EXPECT_THAT(problems(spec),
              ElementsAre("spec.codeFrom.configMapKeyRef.name: must be the name of a ConfigMap, not \"Scripts\"",
                          "spec.codeFrom.configMapKeyRef.key: must be a key of a ConfigMap, not \"a/b\""));
}

TEST(check_workspace_path, paths_inside_the_workspace_are_fine) {
  for (auto const* path :
       {"a", "a/b/c.txt", ".hidden", "a/.b", "a..b", "a.", "with space", "ümläut/日本", "-", "a\\b", "~"}) {
    EXPECT_EQ(check_workspace_path(path), "") << path;
  }
  EXPECT_EQ(check_workspace_path(std::string(255, 'x')), "");
  std::string longest;
  while (longest.size() < 1024)
    longest += "abc/";
  longest.back() = 'd';
  EXPECT_EQ(check_workspace_path(longest), "");
}

TEST(check_workspace_path, every_way_out_is_refused) {
  for (auto const* path : {"..", "../x", "a/..", "a/../b", "a/b/../../.."}) {
    EXPECT_THAT(check_workspace_path(path), HasSubstr("must not leave the workspace")) << path;
  }
  for (auto const* path : {"/", "/etc/passwd", "//x"}) {
    EXPECT_THAT(check_workspace_path(path), HasSubstr("must be relative to the workspace")) << path;
  }
  for (auto const* path : {".", "./a", "a/.", "a//b", "a/"}) {
    EXPECT_THAT(check_workspace_path(path), HasSubstr("must not have empty or \".\" parts")) << path;
  }
  for (auto const* path : {"..data", "a/..2026_01_31", "..."}) {
    EXPECT_THAT(check_workspace_path(path), HasSubstr("must not have parts that start with \"..\"")) << path;
  }
  EXPECT_EQ(check_workspace_path(""), "must not be empty");
}

TEST(check_workspace_path, control_characters_are_refused_and_not_repeated) {
  for (auto const& path :
       {std::string("a\0b", 3), std::string("a\nb"), std::string("a\x1b[31mb"), std::string("a\x7f")}) {
    auto const why = check_workspace_path(path);
    EXPECT_THAT(why, HasSubstr("must not hold control characters"));
    for (char const c : why)
      EXPECT_GE(static_cast<unsigned char>(c), 0x20);
  }
}

TEST(check_workspace_path, too_long_a_path_or_part_is_refused) {
  EXPECT_THAT(check_workspace_path(std::string(256, 'x')), HasSubstr("parts of more than 255 bytes"));
  EXPECT_THAT(check_workspace_path("a/" + std::string(256, 'x') + "/b"), HasSubstr("parts of more than 255 bytes"));
  EXPECT_THAT(check_workspace_path(std::string(1025, 'x')), HasSubstr("is 1025 bytes long; at most 1024"));
}

TEST(validate, a_bad_path_names_the_file) {
  auto spec = valid_spec();
  spec.files = {text_file("good"), text_file("../x")};
  EXPECT_THAT(problems(spec), ElementsAre("spec.files[1].path: must not leave the workspace: \"../x\""));
}

TEST(validate, the_same_file_twice_is_wrong_at_the_second) {
  auto spec = valid_spec();
  spec.files = {text_file("a"), text_file("b"), text_file("a")};
  EXPECT_THAT(problems(spec), ElementsAre("spec.files[2].path: is the path of spec.files[0] too: \"a\""));
}

TEST(validate, a_file_cannot_be_a_folder_as_well) {
  auto spec = valid_spec();
  spec.files = {text_file("data/in/a.csv"), text_file("data/in"), text_file("database")};
  EXPECT_THAT(problems(spec), ElementsAre(HasSubstr("spec.files[0].path: lies below spec.files[1], which is a file")));
}

TEST(validate, a_file_has_one_content) {
  auto spec = valid_spec();
  spec.files = {test::full_text_file(), test::full_binary_file()};
  spec.files[0].contentBase64 = "";
  spec.files[1].contentBase64.reset();
  EXPECT_THAT(problems(spec), ElementsAre("spec.files[0]: exactly one of content and contentBase64 must be set",
                                          "spec.files[1]: exactly one of content and contentBase64 must be set"));
}

TEST(validate, broken_base64_is_named) {
  for (auto const* text : {"a", "ab", "abc", "ab=c", "ab!=", "====", "YQ=", "YR==", "a-_b"}) {
    auto spec = valid_spec();
    spec.files = {test::full_binary_file()};
    spec.files[0].contentBase64 = text;
    EXPECT_THAT(problems(spec),
                ElementsAre("spec.files[0].contentBase64: is not base64 (standard alphabet, with padding)"))
        << text;
  }
}

TEST(validate, code_files_and_stdin_share_what_a_config_map_holds) {
  auto spec = valid_spec();
  spec.code = std::string(200 * 1024, 'c');
  spec.stdin_ = std::string(300 * 1024, 's');
  auto const left = static_cast<std::size_t>(limits::max_source_bytes) - 500 * 1024 - 1;
  spec.files = {text_file("f", std::string(left, 'f'))};
  EXPECT_THAT(problems(spec), IsEmpty());
  *spec.files[0].content += "f";
  EXPECT_THAT(problems(spec), ElementsAre(HasSubstr("spec: code, files and stdin together are 1048577 bytes")));
}

TEST(validate, base64_counts_by_what_it_holds) {
  auto spec = valid_spec();
  spec.files = {test::full_binary_file()};
  spec.files[0].contentBase64 = std::string(4 * 349'000, 'A');  // 1047000 bytes
  EXPECT_THAT(problems(spec), IsEmpty());
  spec.files[0].contentBase64 = std::string(4 * 350'000, 'A');  // 1050000 bytes
  EXPECT_THAT(problems(spec), ElementsAre(HasSubstr("together are 10500")));
}

TEST(validate, arguments_are_what_a_program_can_be_given) {
  auto spec = valid_spec();
  spec.args = {"fine", "", std::string("a\0b", 3), std::string(32 * 1024 + 1, 'x')};
  spec.command = {"", std::string("\0", 1)};
  EXPECT_THAT(problems(spec), ElementsAre("spec.args[2]: must not hold a NUL: no program can be given one",
                                          "spec.args[3]: is 32769 bytes long; at most 32768 are allowed",
                                          "spec.command[0]: must name a program",
                                          "spec.command[1]: must not hold a NUL: no program can be given one"));
}

TEST(validate, lists_have_an_end) {
  auto spec = valid_spec();
  spec.args.resize(limits::max_args + 1, "x");
  spec.command.resize(limits::max_command_parts + 1, "x");
  for (std::size_t i = 0; i <= limits::max_files; ++i)
    spec.files.push_back(text_file("f" + std::to_string(i)));
  for (std::size_t i = 0; i <= limits::max_env; ++i) {
    spec.env.emplace_back();
    spec.env.back().name = "E" + std::to_string(i);
  }
  EXPECT_THAT(problems(spec), ElementsAre("spec.files: has 257 entries; at most 256 are allowed",
                                          "spec.args: has 1025 entries; at most 1024 are allowed",
                                          "spec.env: has 257 entries; at most 256 are allowed",
                                          "spec.command: has 65 entries; at most 64 are allowed"));
}

TEST(validate, environment_names_are_names) {
  for (auto const* name : {"A", "_x", "a.b", "lower_case", "A1", "MY-VAR", "CODEEXEC"}) {
    auto spec = valid_spec();
    spec.env = {test::full_env()};
    spec.env[0].name = name;
    EXPECT_THAT(problems(spec), IsEmpty()) << name;
  }
  for (auto const* name : {"", "1A", "A=B", "A B", "-A", ".A", "Ä", "$A"}) {
    auto spec = valid_spec();
    spec.env = {test::full_env()};
    spec.env[0].name = name;
    EXPECT_THAT(problems(spec), ElementsAre(HasSubstr("spec.env[0].name: must be a letter or an underscore"))) << name;
  }
}

TEST(validate, reserved_repeated_and_impossible_environment_is_wrong) {
  auto spec = valid_spec();
  spec.env.resize(4);
  spec.env[0].name = "A";
  spec.env[1].name = "CODEEXEC_TOKEN";
  spec.env[2].name = "A";
  spec.env[3].name = "B";
  spec.env[3].value = std::string("\0", 1);
  EXPECT_THAT(problems(spec), ElementsAre(HasSubstr("spec.env[1].name: must not start with CODEEXEC_"),
                                          "spec.env[2].name: is the name of spec.env[0] too: \"A\"",
                                          "spec.env[3].value: must not hold a NUL: no program can be given one"));
}

TEST(validate, values_of_the_environment_are_never_repeated_in_a_message) {
  auto spec = valid_spec();
  spec.env = {test::full_env()};
  spec.env[0].value = std::string("hunter2\0", 8);
  EXPECT_THAT(describe(validate(spec)), testing::Not(HasSubstr("hunter2")));
}

TEST(validate, language_image_and_runtime_class_are_names) {
  auto spec = valid_spec();
  spec.language = "../python";
  spec.image = "python:3.11 slim";
  spec.runtimeClassName = "gVisor";
  EXPECT_THAT(problems(spec), ElementsAre("spec.language: must be the name of a runtime, not \"../python\"",
                                          "spec.image: must be the name of an image, not \"python:3.11 slim\"",
                                          "spec.runtimeClassName: must be the name of a RuntimeClass, not \"gVisor\""));
  spec.language = "c++17";
  spec.image = "registry.example:5000/team/python@sha256:0123abcd";
  spec.runtimeClassName = "gvisor.fast-2";
  EXPECT_THAT(problems(spec), IsEmpty());
}

TEST(validate, numbers_stay_in_their_bounds) {
  auto spec = valid_spec();
  spec.output.emplace();
  spec.timeoutSeconds = 0;
  spec.startupTimeoutSeconds = -1;
  spec.output->maxBytes = 262145;
  spec.ttlSecondsAfterFinished = -1;
  EXPECT_THAT(problems(spec), ElementsAre("spec.timeoutSeconds: must be from 1 to 604800, not 0",
                                          "spec.startupTimeoutSeconds: must be from 1 to 604800, not -1",
                                          "spec.output.maxBytes: must be from 1 to 262144, not 262145",
                                          "spec.ttlSecondsAfterFinished: must be from 0 to 2147483647, not -1"));
  spec.timeoutSeconds = 604800;
  spec.startupTimeoutSeconds = 1;
  spec.output->maxBytes = 262144;
  spec.ttlSecondsAfterFinished = 0;
  EXPECT_THAT(problems(spec), IsEmpty());
  spec.timeoutSeconds = 604801;
  spec.output->maxBytes = 0;
  EXPECT_THAT(problems(spec), ElementsAre(HasSubstr("spec.timeoutSeconds"), HasSubstr("spec.output.maxBytes")));
}

TEST(validate, choices_are_spelled_exactly) {
  auto spec = valid_spec();
  spec.network = "deny";
  spec.cleanupPolicy = "";
  EXPECT_THAT(problems(spec), ElementsAre("spec.network: must be Deny or Allow, not \"deny\"",
                                          "spec.cleanupPolicy: must be Delete or Retain, not \"\""));
}

TEST(validate, resources_are_quantities_of_three_kinds) {
  auto spec = valid_spec();
  spec.resources.limits = {{"cpu", "much"}, {"memory", "512m"}, {"ephemeral-storage", "-1"}, {"nvidia.com/gpu", "1"}};
  EXPECT_THAT(problems(spec),
              ElementsAre("spec.resources.limits.cpu: must be a quantity such as 500m or 2, not \"much\"",
                          "spec.resources.limits.ephemeral-storage: must not be negative: \"-1\"",
                          HasSubstr("spec.resources.limits.memory: must be a whole number of bytes, not \"512m\""),
                          AllOf(HasSubstr("spec.resources.limits: names \"nvidia.com/gpu\""),
                                HasSubstr("only cpu, memory and ephemeral-storage"))));
}

TEST(validate, a_limit_of_zero_would_be_none_and_is_refused) {
  auto spec = valid_spec();
  spec.resources.limits = {{"memory", "0"}};
  spec.resources.requests = {{"memory", "0"}};
  EXPECT_THAT(problems(spec), ElementsAre(HasSubstr("spec.resources.limits.memory: must be more than zero")));
}

TEST(validate, more_memory_than_any_machine_has_is_refused) {
  auto spec = valid_spec();
  spec.resources.limits = {{"memory", "1e30"}};
  EXPECT_THAT(problems(spec), ElementsAre(HasSubstr("is more than any machine has")));
}

TEST(validate, a_request_above_its_limit_is_wrong_whatever_the_units) {
  auto spec = valid_spec();
  spec.resources.requests = {{"cpu", "1"}, {"memory", "1Gi"}};
  spec.resources.limits = {{"cpu", "1000m"}, {"memory", "1G"}};
  EXPECT_THAT(problems(spec), ElementsAre("spec.resources.requests.memory: must not be more than the limit: \"1Gi\" is "
                                          "more than \"1G\""));
}

TEST(validate, reports_everything_at_once_in_the_order_of_the_fields) {
  auto spec = valid_spec();
  spec.files = {text_file("/a")};
  spec.timeoutSeconds = 0;
  spec.network = "Maybe";
  EXPECT_THAT(problems(spec), ElementsAre(HasSubstr("spec.files[0].path"), HasSubstr("spec.timeoutSeconds"),
                                          HasSubstr("spec.network")));
}

TEST(validate, a_message_stays_short_and_valid_text_whatever_was_written) {
  auto spec = valid_spec();
  spec.language.emplace();
  for (int i = 0; i < 10'000; ++i)
    *spec.language += "ä";
  auto const text = describe(validate(spec));
  EXPECT_LT(text.size(), 200U);
  EXPECT_THAT(text, HasSubstr("...\""));
}

TEST(describe, says_how_many_more_there_are) {
  std::vector<violation> many;
  for (int i = 0; i < 7; ++i) {
    many.emplace_back();
    many.back().field = "f" + std::to_string(i);
    many.back().message = "is wrong";
  }
  EXPECT_EQ(describe(many, 2), "f0: is wrong; f1: is wrong; and 5 more");
  EXPECT_EQ(describe(many, 7).find("more"), std::string::npos);
  EXPECT_EQ(describe({}), "");
}

}  // namespace
}  // namespace codeexec::api
