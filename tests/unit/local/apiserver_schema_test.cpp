#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codeexec/local/schema.hpp"

namespace codeexec::local::testing {
namespace {

using nlohmann::json;

structural_schema compile(char const* text) {
  auto made = structural_schema::compile(json::parse(text));
  EXPECT_TRUE(made) << made.error().message;
  return *made;
}

// The Widget that the recorded answers of a real server are about.
structural_schema const& widget() {
  static structural_schema const schema = compile(R"j({"type":"object","required":["spec"],"properties":{
    "spec":{"type":"object","required":["size"],
      "x-kubernetes-validations":[{"rule":"self.size == oldSelf.size","message":"size is immutable"},
        {"rule":"!has(self.name) || !has(self.nameFrom)","message":"name and nameFrom exclude each other"}],
      "properties":{"size":{"type":"integer","minimum":1,"maximum":100},
        "color":{"type":"string","default":"red","enum":["red","green","blue"]},
        "name":{"type":"string","maxLength":20,"pattern":"^[a-z]*$"},"nameFrom":{"type":"string"},
        "labels":{"type":"object","additionalProperties":{"type":"string"}},
        "quantity":{"x-kubernetes-int-or-string":true,"anyOf":[{"type":"integer"},{"type":"string"}],
                    "pattern":"^[0-9]+(m|Mi|Gi)?$"},
        "free":{"type":"object","x-kubernetes-preserve-unknown-fields":true},
        "when":{"type":"string","format":"date-time"},"raw":{"type":"string","format":"byte"},
        "items":{"type":"array","maxItems":3,"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["key"],
          "items":{"type":"object","required":["key"],
                   "properties":{"key":{"type":"string"},"value":{"type":"string"}}}}}},
    "status":{"type":"object","properties":{"phase":{"type":"string"}}}}})j");
  return schema;
}

std::vector<std::string> faults(json const& spec, json const* old = nullptr) {
  std::vector<std::string> out;
  for (auto const& e : widget().validate({{"spec", spec}}, old)) {
    out.push_back(e.field + ": " + e.message);
  }
  return out;
}

constexpr char const* unchecked =
    "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the "
    "existing errors to complete validation";

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST(schema, accepts_what_is_right) {
  EXPECT_THAT(faults({{"size", 1}, {"color", "green"}, {"quantity", "500m"}, {"labels", {{"a", "b"}}}}), IsEmpty());
  EXPECT_THAT(faults({{"size", 1}, {"quantity", 5}}), IsEmpty());
}

TEST(schema, says_bounds_as_the_real_server_does) {
  EXPECT_THAT(faults({{"size", 0}}),
              ElementsAre("spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"));
  EXPECT_THAT(faults({{"size", 400}}),
              ElementsAre("spec.size: Invalid value: 400: spec.size in body should be less than or equal to 100"));
  EXPECT_THAT(faults({{"size", 1}, {"quantity", "abc"}}),
              ElementsAre("spec.quantity: Invalid value: \"abc\": spec.quantity in body should match "
                          "'^[0-9]+(m|Mi|Gi)?$'"));
}

TEST(schema, collects_all_faults_and_says_when_rules_were_not_run) {
  EXPECT_THAT(
      faults({{"size", 1}, {"color", "pink"}, {"name", "UPPER"}}),
      UnorderedElementsAre("spec.name: Invalid value: \"UPPER\": spec.name in body should match '^[a-z]*$'",
                           "spec.color: Unsupported value: \"pink\": supported values: \"red\", \"green\", \"blue\"",
                           unchecked));
  EXPECT_THAT(faults({{"size", "big"}}),
              ElementsAre("spec.size: Invalid value: \"string\": spec.size in body must be of type integer: "
                          "\"string\"",
                          unchecked));
  EXPECT_THAT(faults({{"size", 1}, {"name", std::string(21, 'a')}}),
              ElementsAre("spec.name: Too long: may not be more than 20 bytes", unchecked));
}

TEST(schema, requires_fields_at_every_depth) {
  EXPECT_THAT(faults({{"size", 1}, {"items", json::array({{{"value", "no key"}}})}}),
              ElementsAre("spec.items[0].key: Required value", unchecked));
  auto const errors = widget().validate(json::object(), nullptr);
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors[0].field, "spec");
}

TEST(schema, refuses_duplicates_in_map_lists) {
  EXPECT_THAT(faults({{"size", 1}, {"items", json::array({{{"key", "a"}}, {{"key", "a"}}})}}),
              ElementsAre("spec.items[1]: Duplicate value: {\"key\":\"a\"}"));
}

TEST(schema, checks_formats) {
  EXPECT_THAT(faults({{"size", 1}, {"when", "yesterday"}}).at(0),
              ::testing::HasSubstr("spec.when in body must be of type date-time: \"yesterday\""));
  EXPECT_THAT(faults({{"size", 1}, {"raw", "%%%"}}).at(0), ::testing::HasSubstr("of type byte"));
  EXPECT_THAT(faults({{"size", 1}, {"raw", "aGk="}, {"when", "2026-01-31T10:00:00Z"}}), IsEmpty());
}

TEST(schema, runs_rules_and_transition_rules) {
  EXPECT_THAT(faults({{"size", 1}, {"name", "n"}, {"nameFrom", "m"}}),
              ElementsAre("spec: Invalid value: name and nameFrom exclude each other"));
  json const old = {{"spec", {{"size", 1}}}};
  EXPECT_THAT(faults({{"size", 9}}, &old), ElementsAre("spec: Invalid value: size is immutable"));
}

TEST(schema, does_not_judge_again_what_did_not_change) {
  json const old = {{"spec", {{"size", 1}, {"color", "pink"}, {"name", "n"}, {"nameFrom", "m"}}}};
  EXPECT_THAT(faults(old.at("spec"), &old), IsEmpty());
}

TEST(schema, fills_in_defaults_also_for_an_explicit_null) {
  json value = {{"spec", {{"size", 1}}}};
  widget().apply_defaults(value);
  EXPECT_EQ(value["spec"]["color"], "red");
  value = {{"spec", {{"size", 1}, {"color", nullptr}}}};
  widget().apply_defaults(value);
  EXPECT_EQ(value["spec"]["color"], "red");
}

TEST(schema, prunes_what_it_does_not_know_and_names_it) {
  json value = json::parse(R"j({"apiVersion":"x","kind":"y","metadata":{"any":1},"bogus":1,
    "spec":{"size":1,"bogus":2,"free":{"kept":{"deep":1}},"items":[{"key":"a","bogus":3}],"labels":{"kept":"x"}}})j");
  EXPECT_THAT(widget().prune(value), UnorderedElementsAre("bogus", "spec.bogus", "spec.items[0].bogus"));
  EXPECT_EQ(value, json::parse(R"j({"apiVersion":"x","kind":"y","metadata":{"any":1},
    "spec":{"size":1,"free":{"kept":{"deep":1}},"items":[{"key":"a"}],"labels":{"kept":"x"}}})j"));
}

TEST(schema, a_rule_that_cannot_be_parsed_is_refused_with_the_rule) {
  auto const made = structural_schema::compile(json::parse(R"j({"type":"object","properties":{"spec":{"type":"object",
        "x-kubernetes-validations":[{"rule":"self.frobnicate()"}]}}})j"));
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, ::testing::HasSubstr("spec: cannot compile rule \"self.frobnicate()\""));
}

TEST(schema, bounds_hold_however_the_definition_was_read) {
  // A number read from YAML is signed, one from JSON unsigned; a bound must not get lost over that.
  json const definition = {{"type", "string"}, {"maxLength", std::int64_t{2}}};
  auto const schema = structural_schema::compile(definition);
  ASSERT_TRUE(schema);
  EXPECT_EQ(schema->validate("abc", nullptr).size(), 1u);
}

TEST(schema, rules_choose_their_reason_and_field) {
  auto const schema = compile(R"j({"type":"object","x-kubernetes-validations":[
    {"rule":"false","message":"no","reason":"FieldValueForbidden","fieldPath":".spec.x"},
    {"rule":"self.a == 1","messageExpression":"'a is ' + string(self.a)"}]})j");
  auto const errors = schema.validate({{"a", 2}}, nullptr);
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors[0].reason, "FieldValueForbidden");
  EXPECT_EQ(errors[0].field, "spec.x");
  EXPECT_EQ(errors[1].message, "Invalid value: a is 2");
}

}  // namespace
}  // namespace codeexec::local::testing
