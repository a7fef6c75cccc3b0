// What a line of log looks like, and that nothing a user names can look like another line.
#include "codeexec/base/log.hpp"

#include <gtest/gtest.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "codeexec/base/encoding.hpp"
#include "codeexec/base/time.hpp"

namespace codeexec::base::log {
namespace {

class logging : public testing::Test {
 protected:
  void TearDown() override { configure(level::info, format::text); }

  template <class F>
  static std::string captured(F const& f) {
    testing::internal::CaptureStderr();
    f();
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(logging, what_lines_have_in_common_stands_first_and_empty_values_nowhere) {
  configure(level::debug, format::json);
  context about;
  about.add("namespace", "a").add("job", "").add("reconcile_id", "1f");
  auto const written = nlohmann::json::parse(captured([&] { debug("done", about, {kv("status", 200)}); }));
  EXPECT_EQ(written["namespace"], "a");
  EXPECT_EQ(written["reconcile_id"], "1f");
  EXPECT_EQ(written["status"], 200);
  EXPECT_FALSE(written.contains("job"));
  configure(level::info, format::text);
  EXPECT_NE(
      captured([&] { info("done", about, {kv("n", 1)}); }).find(" info \"done\" namespace=a reconcile_id=1f n=1\n"),
      std::string::npos);
}

TEST_F(logging, the_level_is_known_and_may_change) {
  for (auto const l : {level::debug, level::info, level::warn, level::error}) {
    set_level(l);
    EXPECT_EQ(current_level(), l);
  }
}

std::vector<std::string> lines(std::string const& text) {
  std::vector<std::string> out;
  std::string line;
  for (char const c : text) {
    if (c == '\n') {
      out.push_back(line);
      line.clear();
    } else {
      line += c;
    }
  }
  if (!line.empty()) out.push_back(line + " (no newline)");
  return out;
}

/// Whatever an attacker could want a terminal or a log reader to see.
std::vector<std::string> const& hostile() {
  static std::vector<std::string> const texts = {
      "a\n2026-01-31T10:00:00.000000Z error \"forged\"",
      "a\r\nb",
      "\" forged=\"true",
      "a\" level=\"error",
      "back\\slash\\\"",
      "tab\tand space",
      "\x1b[31mred\x1b[0m\x07",
      std::string("nul\0nul", 7),
      "\x7f",
      "\xC2\x85next line",  // U+0085
      "\xC2\x9B"
      "31mred",                      // U+009B, an escape sequence in one character
      "\xE2\x80\xA8line separator",  // U+2028
      "\xE2\x80\xAEright to left",   // U+202E
      "\xE2\x81\xA6isolate",         // U+2066
      "\xFF\xFE invalid \xC3",
      "=",
      "",
      "ä 日本 \xF0\x9F\x98\x80",
  };
  return texts;
}

TEST_F(logging, text_is_time_level_message_and_pairs) {
  configure(level::info, format::text);
  auto const out = captured([] {
    info("execution started",
         {kv("namespace", "agents"), kv("name", std::string("hello world")), kv("count", 3), kv("ok", true)});
  });
  ASSERT_EQ(lines(out).size(), 1U) << out;
  auto const time = out.substr(0, out.find(' '));
  EXPECT_TRUE(parse_time(time)) << time;
  EXPECT_EQ(out.substr(time.size()),
            " info \"execution started\" namespace=agents name=\"hello world\" count=3 ok=true\n");
}

TEST_F(logging, json_is_one_object_a_line) {
  configure(level::info, format::json);
  auto const out = captured([] {
    warn("watch ended", {kv("name", "a\"b"), kv("status", 410), kv("ratio", 0.5), kv("retry", false)});
  });
  ASSERT_EQ(lines(out).size(), 1U) << out;
  auto const object = nlohmann::json::parse(out);
  EXPECT_EQ(object.at("level"), "warn");
  EXPECT_EQ(object.at("message"), "watch ended");
  EXPECT_EQ(object.at("name"), "a\"b");
  EXPECT_EQ(object.at("status"), 410);
  EXPECT_EQ(object.at("ratio"), 0.5);
  EXPECT_EQ(object.at("retry"), false);
  EXPECT_TRUE(parse_time(object.at("time").get<std::string>()));
}

TEST_F(logging, json_stays_json_with_numbers_that_json_does_not_know) {
  configure(level::info, format::json);
  auto const out = captured([] {
    info("odd", {kv("a", std::numeric_limits<double>::quiet_NaN()), kv("b", std::numeric_limits<double>::infinity())});
  });
  auto const object = nlohmann::json::parse(out, nullptr, false);
  ASSERT_FALSE(object.is_discarded()) << out;
  EXPECT_EQ(object.at("a"), "nan");
  EXPECT_EQ(object.at("b"), "inf");
}

TEST_F(logging, no_value_and_no_message_can_forge_a_line_or_drive_a_terminal) {
  for (auto const how : {format::text, format::json}) {
    configure(level::info, how);
    for (auto const& text : hostile()) {
      auto const out = captured([&] { info(text, {kv("name", text), kv("after", 1)}); });
      ASSERT_EQ(lines(out).size(), 1U) << out;
      EXPECT_TRUE(is_valid_utf8(out));
      auto const line = lines(out)[0];
      for (char const c : line) {
        auto const byte = static_cast<unsigned char>(c);
        EXPECT_TRUE(byte >= 0x20 && byte != 0x7F) << line;
      }
      for (auto const* dangerous : {"\xC2\x85", "\xC2\x9B", "\xE2\x80\xA8", "\xE2\x80\xAE", "\xE2\x81\xA6"}) {
        EXPECT_EQ(line.find(dangerous), line.npos) << line;
      }
    }
  }
}

TEST_F(logging, json_gives_hostile_values_back_whole) {
  configure(level::info, format::json);
  for (auto const& text : hostile()) {
    auto const out = captured([&] { info(text, {kv("name", text)}); });
    auto const object = nlohmann::json::parse(out, nullptr, false);
    ASSERT_FALSE(object.is_discarded()) << out;
    EXPECT_EQ(object.at("message"), repair_utf8(text));
    EXPECT_EQ(object.at("name"), repair_utf8(text));
    EXPECT_EQ(object.size(), 4U);
  }
}

TEST_F(logging, a_value_with_spaces_or_equals_signs_stays_one_value) {
  configure(level::info, format::text);
  auto const out = captured([] { info("m", {kv("a", "x y"), kv("b", "c=d"), kv("e", ""), kv("f", "plain/ok:1")}); });
  EXPECT_TRUE(out.ends_with(" a=\"x y\" b=\"c=d\" e=\"\" f=plain/ok:1\n")) << out;
}

TEST_F(logging, below_the_level_nothing_is_written_and_it_can_change_at_run_time) {
  configure(level::warn, format::text);
  EXPECT_FALSE(enabled(level::info));
  EXPECT_EQ(captured([] { info("quiet"); }), "");
  EXPECT_EQ(lines(captured([] { error("loud"); })).size(), 1U);
  set_level(level::debug);
  EXPECT_TRUE(enabled(level::debug));
  EXPECT_EQ(lines(captured([] { debug("now heard"); })).size(), 1U);
}

TEST_F(logging, braces_are_text_and_not_placeholders) {
  configure(level::info, format::text);
  auto const out = captured([] { info("{} {0} %s", {kv("a", "{}{{")}); });
  EXPECT_NE(out.find("\"{} {0} %s\" a={}{{"), out.npos) << out;
}

TEST_F(logging, lines_of_several_threads_do_not_mix) {
  configure(level::info, format::json);
  auto const out = captured([] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([t] {
        for (int i = 0; i < 100; ++i)
          info("line", {kv("thread", t), kv("number", i), kv("padding", std::string(200, 'x'))});
      });
    }
    for (auto& thread : threads)
      thread.join();
  });
  auto const all = lines(out);
  EXPECT_EQ(all.size(), 400U);
  for (auto const& line : all)
    ASSERT_FALSE(nlohmann::json::parse(line, nullptr, false).is_discarded()) << line;
}

}  // namespace
}  // namespace codeexec::base::log
