#include "codeexec/yaml_reader/yaml_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

#include "codeexec/base/encoding.hpp"
#include "codeexec/yaml_reader/yaml_writer.hpp"

namespace codeexec::yaml {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json value(std::string const& text) {
  auto const documents = read_documents("v: " + text);
  if (!documents) return "error: " + documents.error().message;
  return documents->at(0).at("v");
}

std::string error(std::string const& text) {
  auto const documents = read_documents(text);
  return documents ? "" : documents.error().message;
}

TEST(YamlReader, PlainScalarsAreWhatKubectlTakesThemFor) {
  std::pair<char const*, json> const cases[] = {
      {"", nullptr},
      {"~", nullptr},
      {"null", nullptr},
      {"true", true},
      {"False", false},
      {"yes", true},
      {"y", true},
      {"N", false},
      {"off", false},
      {"5", 5},
      {"-5", -5},
      {"+5", 5},
      {"0", 0},
      {"-0", 0},
      {"0x1F", 31},
      {"0o17", 15},
      {"017", 15},
      {"0b101", 5},
      {"1_000", 1000},
      {"9223372036854775807", std::numeric_limits<std::int64_t>::max()},
      {"-9223372036854775808", std::numeric_limits<std::int64_t>::min()},
      {"18446744073709551615", std::numeric_limits<std::uint64_t>::max()},
      {"1.5", 1.5},
      {"-.5", -0.5},
      {"1.", 1},
      {"5.0", 5},
      {"1e3", 1000},
      {"08", 8},
      {"1e999", "1e999"},
      {"500m", "500m"},
      {"1.2.3", "1.2.3"},
      {"3.", 3},
      {".", "."},
      {"0x", "0x"},
      {"12:30:45", "12:30:45"},
      {"2026-01-31", "2026-01-31"},
      {"truE", "truE"},
      {"a b # c", "a b"},
  };
  for (auto const& [text, expected] : cases) {
    auto const read = value(text);
    EXPECT_EQ(read, expected) << text;
    EXPECT_EQ(read.is_number_float(), expected.is_number_float()) << text;
  }
}

TEST(YamlReader, QuotedScalarsStayStrings) {
  for (auto const* text : {"5", "true", "null", "", "~", "1.5", "0x10", "yes"}) {
    EXPECT_EQ(value('"' + std::string(text) + '"'), text);
    EXPECT_EQ(value('\'' + std::string(text) + '\''), text);
  }
  EXPECT_EQ(value(R"("a\tb\u00fc\n")"), "a\tbü\n");
  EXPECT_EQ(value("'it''s'"), "it's");
}

TEST(YamlReader, TagsDecideWhereTheyAreGiven) {
  EXPECT_EQ(value("!!str 5"), "5");
  EXPECT_EQ(value("!!str null"), "null");
  EXPECT_EQ(value("!!int \"5\""), 5);
  EXPECT_EQ(value("!!float 5"), 5);
  EXPECT_THAT(error("a: !!int five"), HasSubstr("line 1"));
  EXPECT_THAT(error("a: !!binary aGk="), HasSubstr("binary"));
  EXPECT_THAT(error("a: !mine x"), HasSubstr("!mine"));
}

TEST(YamlReader, CodeInABlockArrivesByteForByte) {
  EXPECT_EQ(value("|\n  if x:\n      y()  \n\n  # not a comment\n  \tz\n"),
            "if x:\n    y()  \n\n# not a comment\n\tz\n");
  EXPECT_EQ(value("|-\n  one\n  two\n\n"), "one\ntwo");
  EXPECT_EQ(value("|+\n  one\n\n\n"), "one\n\n\n");
  EXPECT_EQ(value("|2\n    indented\n  not\n"), "  indented\nnot\n");
  EXPECT_EQ(value("|\n\n  after an empty line\n"), "\nafter an empty line\n");
  EXPECT_EQ(value("|\n  5\n"), "5\n");
  EXPECT_EQ(value(">\n  folded\n  line\n"), "folded line\n");
  EXPECT_EQ(value("|\n  ---\n  ...\n  key: \"value\" 'x' {%\n"), "---\n...\nkey: \"value\" 'x' {%\n");
  EXPECT_EQ(value("|\r\n  one\r\n  two\r\n"), "one\ntwo\n");
}

TEST(YamlReader, DocumentsAreCountedWithoutTheEmptyOnes) {
  EXPECT_EQ(read_documents("")->size(), 0U);
  EXPECT_EQ(read_documents("# only this\n")->size(), 0U);
  EXPECT_EQ(read_documents("---\na: 1\n---\n# nothing\n---\n")->size(), 1U);
  EXPECT_EQ(read_documents("a: 1\n---\nb: 2\n")->size(), 2U);
}

TEST(YamlReader, WhatKubectlDoesIsDone) {
  // kubectl 1.32's own answers: kubectl patch --local -f FILE --type merge -p "data: {a: VALUE}" -o jsonpath={.data.a}
  std::pair<char const*, json> const cases[] = {
      {"Y", true},
      {"n", false},
      {"On", true},
      {"0x_1F", 31},
      {"1__0", 10},
      {"1_", 1},
      {"_1", "_1"},
      {"0.", 0},
      {"0o9", "0o9"},
      {"09.5", 9.5},
      {"=", "="},
      {"<<", "<<"},
      {"1e999", "1e999"},
      {"/root", "/root"},
      {"685.230_15e+03", 685230.15},
      {"18446744073709551616", 18446744073709551616.0},
  };
  for (auto const& [text, expected] : cases)
    EXPECT_EQ(value(text), expected) << text;
  EXPECT_EQ(read_documents("{1: a, true: b, 1.5: c, 2026-01-01: d, y: e}").error().message.empty(), false);
  EXPECT_EQ(read_documents("{1: a, 1.5: c, 2026-01-01: d, y: e}")->at(0),
            json({{"1", "a"}, {"1.5", "c"}, {"2026-01-01", "d"}, {"true", "e"}}));
}

TEST(YamlReader, AWordStaysTextWhereItReadsBackAsItself) {
  for (auto const* word : {"a", "yellow", "no-one", "1.2.3", "500m", "x: not asked here", "/bin/sh", "._5"})
    EXPECT_TRUE(stays_text_unquoted(word)) << word;
  for (auto const* word : {"",
                           "~",
                           "null",
                           "y",
                           "No",
                           "on",
                           "5",
                           "-5",
                           "0x1F",
                           "1_000",
                           ".5",
                           "1e3",
                           ".inf",
                           "+.INF",
                           "-.nan",
                           "<<",
                           "=",
                           "2026-01-31",
                           "2026-01-31T10:00:00Z",
                           "true"})
    EXPECT_FALSE(stays_text_unquoted(word)) << word;
}

TEST(YamlReader, AnchorsAndMergesAreFilledIn) {
  auto const documents = read_documents("base: &b {one: 1, two: 2}\nuse:\n  two: 3\n  <<: *b\nlist: [*b]\n");
  ASSERT_TRUE(documents);
  EXPECT_EQ(documents->at(0)["use"], json({{"one", 1}, {"two", 3}}));
  EXPECT_EQ(documents->at(0)["list"][0]["two"], 2);
}

TEST(YamlReader, KeysAreTexts) {
  EXPECT_EQ(read_documents("1: a\ntrue: b\n\"2\": c\n")->at(0), json({{"1", "a"}, {"true", "b"}, {"2", "c"}}));
}

TEST(YamlReader, WhatCannotBeSaidInJsonIsRefusedWithItsLine) {
  EXPECT_THAT(error("a: 1\nb: 2\na: 3\n"), HasSubstr("line 3, column 1: the key \"a\" is there twice"));
  EXPECT_THAT(error("a: .nan\n"), HasSubstr(".nan"));
  EXPECT_THAT(error("a: 1\n? [x]\n: 2\n"), HasSubstr("key"));
  EXPECT_THAT(error("a: [1\nb: 2\n"), HasSubstr("line 2"));
  EXPECT_THAT(error("a: *nobody\n"), HasSubstr("line 1"));
  EXPECT_THAT(error("a: \xff\n"), HasSubstr("UTF-8"));
  EXPECT_THAT(error("a: \"x\x04y\"\n"), HasSubstr("control"));
}

TEST(YamlReader, EscapesOfCharactersBeyondAsciiAreUtf8) {
  EXPECT_EQ(*read_documents(R"("é\Né\_\L\x85\u00e9\U0001F600")"), json({"é\u0085é\u00A0\u2028\u0085é😀"}));
  EXPECT_EQ(read_documents(R"({"\N": !!str "\_"})")->at(0).dump(), "{\"\u0085\":\"\u00A0\"}");
}

TEST(YamlReader, NoFewLinesStandForAGigabyte) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    auto const before = "*a" + std::to_string(i - 1);
    auto const name = "a" + std::to_string(i);
    bomb += name + ": &" + name + " [" + before;
    for (int j = 1; j < 10; ++j)
      bomb += ", " + before;
    bomb += "]\n";
  }
  EXPECT_THAT(error(bomb), HasSubstr("more values"));
  // Small each, together not.
  std::string many;
  for (int i = 0; i < 100; ++i)
    many += "---\na: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
            std::string("d: [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n");
  EXPECT_THAT(error(many), HasSubstr("more values"));
  EXPECT_THAT(error("a: " + std::string(5'000'000, 'x')), HasSubstr("4 MiB"));
  EXPECT_THAT(error("a: &a [*a, *a]\n"), testing::Not(testing::IsEmpty()));
  EXPECT_THAT(error(std::string(5000, '[')), testing::Not(testing::IsEmpty()));
  EXPECT_THAT(error("a: " + std::string(200, '[') + std::string(200, ']')), HasSubstr("100 levels"));
}

TEST(YamlReader, ACommaThatBelongsToNothingDoesNotFillTheMemory) {
  for (auto const* text : {",", "a: 1\n---\n,", "{\"a\": 1},", "[],\n", "\"status{\",", "--- a\n...\n, b"}) {
    EXPECT_FALSE(read_documents(text)) << text;
    EXPECT_FALSE(check(text)) << text;
  }
  EXPECT_THAT(error(","), HasSubstr("line 1, column 1"));
  EXPECT_TRUE(check("a: 1\n---\n---\n...\n---\nb: 2\n"));
}

TEST(YamlWriter, WhatIsWrittenReadsBackHoweverLongItsKeys) {
  for (auto const size : {std::size_t{150}, std::size_t{317}, std::size_t{999}, std::size_t{1001}, std::size_t{5000}}) {
    std::string quotes;
    while (quotes.size() < size)
      quotes += "\xde\x9e\": ";
    for (auto const& key : {std::string(size, 'a'), quotes}) {
      json const document{{key, {{"inner", json::array({1, key})}}}, {"other", {{key, key + "\n"}}}};
      auto const again = read_documents(write_document(document));
      ASSERT_TRUE(again) << again.error().message;
      EXPECT_EQ(again->at(0), document);
    }
  }
}

TEST(YamlWriter, NoCodePointIsReplacedByAnother) {
  for (auto const* text :
       {"\xEF\xBF\xBF", "\xEF\xBF\xBE\n", "two\nlines \xEF\xB7\x90\n", "\xF0\x9F\xBF\xBE \xF0\x9F\x98\x80 \\ud83d",
        "\xF4\x8F\xBF\xBF", "\xE1\xBF\xBE", "\xEF\xBB\xBF", "\xC2\x85", "\xE2\x80\xA8", "\x7f"}) {
    json const document{{text, {text, {{"key", text}}}}};
    auto const again = read_documents(write_document(document));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->at(0), document) << write_document(document);
  }
}

TEST(JsonReader, IsReadWithItsOwnEscapes) {
  EXPECT_EQ(*read_json(R"({"a": "\ud83d\ude00\/"})"), json({{"a", "😀/"}}));
}

TEST(JsonReader, IsRefusedWhereItIsAmbiguousOrBroken) {
  EXPECT_THAT(read_json(R"({"a": 1, "b": {"a": 2}, "a": 3})").error().message, HasSubstr("\"a\" is there twice"));
  EXPECT_TRUE(read_json(R"([{"a": 1}, {"a": 2}])"));
  EXPECT_THAT(read_json("{\n\"a\" 1}").error().message, HasSubstr("line 2"));
  EXPECT_FALSE(read_json(std::string(200, '[') + std::string(200, ']')));
  EXPECT_FALSE(read_json(""));
  // The place is told in whole characters.
  EXPECT_TRUE(base::is_valid_utf8(read_json("{\"a\":\u2028}").error().message));
  EXPECT_THAT(read_json(R"({"a": 1e999})").error().message, HasSubstr("too large"));
  EXPECT_THAT(read_json(std::string(300, '[')).error().message, testing::Not(testing::IsEmpty()));
}

}  // namespace
}  // namespace codeexec::yaml
