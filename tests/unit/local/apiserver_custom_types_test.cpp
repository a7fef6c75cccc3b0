#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <unistd.h>

#include "codeexec/local/builtin_types.hpp"
#include "codeexec/local/custom_types.hpp"
#include "codeexec/local/yaml.hpp"

#include "apiserver_support.hpp"

namespace codeexec::local::testing {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// A definition of Boxes whose one rule stands where a test wants another.
std::string box(std::string const& rule) {
  return R"(apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boxes.example.dev}
spec:
  group: example.dev
  scope: Namespaced
  names: {plural: boxes, kind: Box}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties: {size: {type: integer}}
            x-kubernetes-validations:
            - rule: ")" +
         rule + "\"\n";
}

class custom_types_test : public ::testing::Test {
 protected:
  custom_types_test() : objects(clock, base::rng(1)), customs(objects) {
    add_builtin_types(objects);
    customs.start();
    add_default_namespaces(objects);
    std::string name = (std::filesystem::temp_directory_path() / "codeexec-crds-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
  }
  ~custom_types_test() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }

  /// "", or why the folder cannot be loaded.
  std::string load(std::string const& text) {
    std::ofstream(folder / "box.yaml") << text;
    auto const loaded = customs.load(folder);
    return loaded ? std::string() : loaded.error().message;
  }
  /// "", or why the definition is refused.
  std::string create(std::string const& text) {
    auto const made = objects.create(kube::custom_resource_definitions, *parse_yaml(text));
    return made ? std::string() : std::to_string(made.error().code) + " " + made.error().message;
  }

  fixed_clock clock;
  store objects;
  custom_types customs;
  std::filesystem::path folder;
};

TEST_F(custom_types_test, a_definition_whose_rules_are_understood_is_served) {
  ASSERT_EQ(load(box("self.size > 0")), "");
  EXPECT_NE(customs.find("example.dev", "boxes"), nullptr);
}

TEST_F(custom_types_test, a_rule_with_an_unknown_function_is_refused_by_its_name) {
  auto const says = AllOf(HasSubstr("cannot compile rule \"isURL(self.size)\""), HasSubstr("unknown function 'isURL'"));
  EXPECT_THAT(create(box("isURL(self.size)")), AllOf(HasSubstr("422 "), says));
  EXPECT_THAT(load(box("isURL(self.size)")), AllOf(HasSubstr("box.yaml: "), says));
  EXPECT_EQ(customs.find("example.dev", "boxes"), nullptr);
}

TEST_F(custom_types_test, a_rule_that_is_no_expression_is_refused_by_its_name) {
  auto const says = HasSubstr("cannot compile rule \"self.size >\"");
  EXPECT_THAT(create(box("self.size >")), AllOf(HasSubstr("422 "), says));
  EXPECT_THAT(load(box("self.size >")), AllOf(HasSubstr("box.yaml: "), says));
  EXPECT_EQ(customs.find("example.dev", "boxes"), nullptr);
}

TEST_F(custom_types_test, a_bad_rule_does_not_replace_a_good_definition) {
  ASSERT_EQ(load(box("self.size > 0")), "");
  auto const before = customs.find("example.dev", "boxes");
  EXPECT_THAT(load(box("self.size.frobnicate()")), HasSubstr("unknown function 'frobnicate'"));
  EXPECT_EQ(customs.find("example.dev", "boxes"), before);
}

TEST_F(custom_types_test, a_definition_without_spec_is_refused_by_its_missing_fields) {
  std::string const text =
      "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: boxes.example.dev}\n";
  EXPECT_THAT(load(text), AllOf(HasSubstr("box.yaml: "), HasSubstr("spec.group: Required value")));
  ASSERT_EQ(load(box("self.size > 0")), "");
  // One that replaces a served definition is no better.
  EXPECT_THAT(load(text), AllOf(HasSubstr("box.yaml: "), HasSubstr("spec.group: Required value")));
  EXPECT_THAT(load(text + "spec: [1]\n"), HasSubstr("spec.group: Required value"));
  EXPECT_NE(customs.find("example.dev", "boxes"), nullptr);
}

}  // namespace
}  // namespace codeexec::local::testing
