#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codeexec/local/cel.hpp"

namespace codeexec::local::testing {
namespace {

using nlohmann::json;

/// "true", "false", or the error.
std::string ask(std::string_view rule, json const& self, json const* old = nullptr) {
  auto const program = cel_program::compile(rule);
  if (!program) {
    return "compile: " + program.error().message;
  }
  auto const outcome = program->evaluate(self, old);
  return outcome ? (*outcome ? "true" : "false") : outcome.error().message;
}

struct sample {
  char const* rule;
  char const* outcome;
};

class cel_samples : public ::testing::TestWithParam<sample> {};

TEST_P(cel_samples, evaluates_as_the_language_says) {
  json const self = json::parse(R"({"a":1,"b":2.5,"s":"héllo","yes":true,"no":false,"list":[1,2,3],"empty":[],
    "map":{"k":"v","with-dash":1},"items":[{"name":"x","on":true},{"name":"y"}],"nothing":null})");
  EXPECT_EQ(ask(GetParam().rule, self), GetParam().outcome) << GetParam().rule;
}

INSTANTIATE_TEST_SUITE_P(
    language, cel_samples,
    ::testing::Values(
        sample{"self.a == 1", "true"}, sample{"self.a != 1", "false"}, sample{"self.a < self.b", "true"},
        sample{"self.b >= 2.5", "true"}, sample{"1 + 2 * 3 == 7", "true"}, sample{"(1 + 2) * 3 == 9", "true"},
        sample{"7 % 4 == 3 && 7 / 2 == 3", "true"}, sample{"-self.a == -1", "true"}, sample{"2 - 1 - 1 == 0", "true"},
        sample{"has(self.a)", "true"}, sample{"has(self.absent)", "false"}, sample{"!has(self.map.k)", "false"},
        sample{"self.absent == 1", "no such key: absent"}, sample{"self.absent == 1 || true", "true"},
        sample{"true || self.absent == 1", "true"}, sample{"self.absent == 1 && false", "false"},
        sample{"self.absent == 1 && true", "no such key: absent"}, sample{"self.yes ? self.yes : self.no", "true"},
        sample{"self.no ? true : false", "false"}, sample{"self.s.size() == 5", "true"},
        sample{"size(self.list) == 3 && self.map.size() == 2", "true"}, sample{"self.s.startsWith('h')", "true"},
        sample{"self.s.endsWith(\"llo\")", "true"}, sample{"self.s.contains('xx')", "false"},
        sample{"self.s.matches('^h.llo$')", "true"}, sample{"'a\\nb'.matches('a.b')", "false"},
        sample{"'a\\n'.matches('^a$')", "false"}, sample{"'x/../y'.matches('(^|/)([.]?(/|$)|[.][.])')", "true"},
        sample{"2 in self.list", "true"}, sample{"'k' in self.map", "true"}, sample{"9 in [1, 2]", "false"},
        sample{"self.list[1] == 2", "true"}, sample{"self.list[3] == 2", "index out of bounds: 3"},
        sample{"self.map['k'] == 'v'", "true"}, sample{"self.map.with__dash__dash == 1", "true"},
        sample{"self.list.all(x, x > 0)", "true"}, sample{"self.list.exists(x, x > 2)", "true"},
        sample{"self.list.exists_one(x, x > 1)", "false"}, sample{"self.empty.all(x, false)", "true"},
        sample{"self.list.map(x, x * 2) == [2, 4, 6]", "true"}, sample{"self.list.map(x, x > 1, x) == [2, 3]", "true"},
        sample{"self.list.filter(x, x != 2) == [1, 3]", "true"}, sample{"self.map.all(k, self.map[k] != 'z')", "true"},
        sample{"self.items.exists(i, has(i.on) && i.on)", "true"},
        sample{"self.items.all(i, self.items.exists_one(j, j.name == i.name))", "true"},
        sample{"[true].exists(x, x)", "true"}, sample{"self.list + [4] == [1, 2, 3, 4]", "true"},
        sample{"'a' + \"b\" == 'ab'", "true"}, sample{"string(self.a) == '1' && int('12') == 12", "true"},
        sample{"quantity('1500m').compareTo(quantity('1.5')) == 0", "true"},
        sample{"quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('1').isLessThan(quantity('2'))", "true"},
        sample{"quantity(string(self.a)).compareTo(quantity('2')) < 0", "true"},
        sample{"quantity('x').compareTo(quantity('2')) < 0", "quantities must match the regular expression"},
        sample{"quantity(self.a).compareTo(quantity('2')) < 0", "no such overload"},
        sample{"'A b'.lowerAscii() == 'a b' && ' x '.trim() == 'x'", "true"}, sample{"r'\\d' == '\\\\d'", "true"},
        sample{"self.nothing == null", "true"}, sample{"{'a': 1}.a == 1", "true"},
        sample{"1 / 0 == 1", "division by zero"}, sample{"9223372036854775807 + 1 > 0", "integer overflow"},
        sample{"self.a < self.s", "no such overload"}, sample{"self.a", "the rule is not a truth value"},
        sample{"'\\u00e9' == 'é'", "true"}));

class cel_refusals : public ::testing::TestWithParam<char const*> {};

TEST_P(cel_refusals, is_refused_when_compiled) {
  EXPECT_THAT(ask(GetParam(), json::object()), ::testing::StartsWith("compile: ")) << GetParam();
}

INSTANTIATE_TEST_SUITE_P(language, cel_refusals,
                         ::testing::Values("", "self.", "self.a ==", "(self.a", "self.a)", "other.a", "self.a.sum()",
                                           "format('x')", "has(self)", "self.all(x)", "'open", "self.a = 1",
                                           "self.s.matches('(')", "self.s.startsWith()", "99999999999999999999 > 1",
                                           "self.list.all(x, x > 0) && x > 1", "0x10 == 16", "1u == 1", "'\\q'"));

TEST(cel, nesting_is_bounded) {
  EXPECT_THAT(ask(std::string(100000, '('), json::object()), ::testing::HasSubstr("nested too deeply"));
  EXPECT_THAT(ask(std::string(100000, '!') + "true", json::object()), ::testing::HasSubstr("nested too deeply"));
}

TEST(cel, knows_the_variables_that_it_is_told_and_no_others) {
  auto const program = cel_program::compile("object.n > variables.most", {"object", "variables"});
  ASSERT_TRUE(program) << program.error().message;
  std::map<std::string, json> known{{"object", {{"n", 3}}}, {"variables", {{"most", 2}}}};
  EXPECT_EQ(program->compute(known).value(), json(true));
  EXPECT_FALSE(cel_program::compile("self.n > 1", {"object"}));
}

TEST(cel, transition_rules_see_the_old_value) {
  json const self = {{"size", 2}};
  json const old = {{"size", 1}};
  EXPECT_EQ(ask("self.size == oldSelf.size", self, &old), "false");
  EXPECT_TRUE(cel_program::compile("self.size == oldSelf.size")->uses_old_self());
  EXPECT_FALSE(cel_program::compile("self.size == 1")->uses_old_self());
}

TEST(cel, a_pattern_over_a_long_text_does_not_overflow_the_stack) {
  json const self = std::string(1024 * 1024, 'x');
  EXPECT_EQ(ask("self.matches('^[^\\\\x00]*$')", self), "true");
}

}  // namespace
}  // namespace codeexec::local::testing
