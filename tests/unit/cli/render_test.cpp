#include "codeexec/cli/render.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>
#include <yaml-cpp/yaml.h>

#include "codeexec/api/names.hpp"
#include "codeexec/cli/progress.hpp"

namespace codeexec::cli {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

TEST(DisplayWidth, CountsWhatATerminalShows) {
  EXPECT_EQ(display_width(""), 0U);
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("é"), 1U);
  EXPECT_EQ(display_width("e\xCC\x81"), 1U);  // combining accent
  EXPECT_EQ(display_width("日本"), 4U);
  EXPECT_EQ(display_width("😀"), 2U);
}

TEST(Fit, CutsAtColumnsNotAtBytes) {
  EXPECT_EQ(fit("abcdef", 6), "abcdef");
  EXPECT_EQ(fit("abcdef", 4), "abc…");
  EXPECT_EQ(fit("日本語", 5), "日本…");
  EXPECT_EQ(fit("日本語", 4), "日…");
  EXPECT_EQ(fit("abc", 1), "…");
  EXPECT_EQ(fit("abc", 0), "");
}

TEST(Printable, KeepsATextFromDrivingTheTerminal) {
  EXPECT_EQ(printable("a\x1b[2Jb"), "a\xEF\xBF\xBD[2Jb");
  EXPECT_EQ(printable("one\ntwo\r\n\tthree\n"), "one two three");
  EXPECT_EQ(printable("\xC2\x9B"
                      "31m"),
            "\xEF\xBF\xBD"
            "31m");  // the one-byte form of ESC [
  EXPECT_EQ(printable("\xFFü"), "\xEF\xBF\xBDü");
}

TEST(Printable, KeepsTheDirectionOfWriting) {
  EXPECT_EQ(printable("a\xE2\x80\xAE"
                      "cba"),
            "a\xEF\xBF\xBD"
            "cba");
}

api::CodeExecution example() {
  api::CodeExecution e;
  e.metadata.name = "hello";
  e.metadata.namespace_ = "agents";
  e.metadata.creationTimestamp = "2026-01-31T10:00:00Z";
  return e;
}

base::wall_time const five_minutes_later = *base::parse_time("2026-01-31T10:05:00Z");

TEST(List, ShowsWhatIsKnownAndDashesForTheRest) {
  auto done = example();
  done.status.phase = "Succeeded";
  done.status.reason = "Completed";
  done.status.exitCode = 0;
  done.status.usage = api::Usage{80, 10, 1};
  done.status.podName = "p";
  auto killed = example();
  killed.metadata.name = "k";
  killed.status.phase = "Failed";
  killed.status.reason = "Signaled";
  killed.status.signal = 9;
  killed.status.startTime = "2026-01-31T10:00:01Z";
  killed.status.completionTime = "2026-01-31T10:00:13.3Z";
  auto fresh = example();
  fresh.metadata.name = "new";
  EXPECT_EQ(render_list({done, killed, fresh}, {}, five_minutes_later),
            "NAME    PHASE       REASON      EXIT      DURATION   AGE\n"
            "hello   Succeeded   Completed   0         0.08s      5m\n"
            "k       Failed      Signaled    SIGKILL   12.3s      5m\n"
            "new     -           -           -         -          5m\n");
  table_options everything;
  everything.with_namespace = true;
  everything.wide = true;
  auto const wide = render_list({done}, everything, five_minutes_later);
  EXPECT_THAT(wide, HasSubstr("NAMESPACE   NAME"));
  EXPECT_THAT(wide, HasSubstr("POD   NODE\n"));
  EXPECT_THAT(wide, HasSubstr("p     -\n"));
}

TEST(List, CountsOnWhileTheCodeRuns) {
  auto running = example();
  running.status.phase = "Running";
  running.status.startTime = "2026-01-31T10:04:30Z";
  EXPECT_THAT(render_list({running}, {}, five_minutes_later), HasSubstr("30s"));
  running.metadata.deletionTimestamp = "2026-01-31T10:04:31Z";
  EXPECT_THAT(render_list({running}, {}, five_minutes_later), HasSubstr("Terminating"));
}

TEST(List, SaysWhereARunningTimeIsNotExact) {
  auto running = example();
  running.status.phase = "Running";
  EXPECT_THAT(render_list({running}, {}, five_minutes_later), HasSubstr("-          5m"));
  running.status.timeline.emplace();
  running.status.timeline->podScheduled = "2026-01-31T10:04:00.000000Z";
  EXPECT_THAT(render_list({running}, {}, five_minutes_later), HasSubstr("~60s"));
}

TEST(List, FitsTheTerminalAndKeepsWhatTellsNamesApart) {
  auto one = example();
  one.metadata.name = "a-very-long-name-of-a-script-x7k2mq9d";
  one.status.phase = "Failed";
  one.status.reason = "RuntimeClassMissing";
  one.status.podName = "a-very-long-name-of-a-script-x7k2mq9d-zx81p";
  one.status.nodeName = "日本日本日本日本日本日本日本";
  table_options how;
  how.wide = true;
  for (std::size_t width = 10; width < 140; ++width) {
    how.width = width;
    std::istringstream lines(render_list({one, one}, how, five_minutes_later));
    for (std::string line; std::getline(lines, line);)
      EXPECT_LE(display_width(line), width) << line;
  }
  how.width = 80;
  EXPECT_THAT(render_list({one}, how, five_minutes_later), HasSubstr("mq9d"));
  how.width = 0;
  EXPECT_THAT(render_list({one}, how, five_minutes_later), HasSubstr(one.status.podName));
}

TEST(List, LaterRowsStandBelowTheTableThatIsThere) {
  auto wide = example();
  wide.metadata.name = "one-with-a-longer-name";
  auto const table = render_list({wide}, {}, five_minutes_later);
  table_options later;
  later.head = false;
  later.room_for = {wide};
  auto narrow = example();
  narrow.status.phase = "Running";
  EXPECT_EQ(render_list({narrow}, later, five_minutes_later).find("Running"), table.find("PHASE"));
}

/// YAML as a reader understands it, back as JSON.
nlohmann::json read_back(YAML::Node const& node) {
  if (node.IsNull()) return nullptr;
  if (node.IsMap()) {
    auto object = nlohmann::json::object();
    for (auto const& item : node)
      object[item.first.as<std::string>()] = read_back(item.second);
    return object;
  }
  if (node.IsSequence()) {
    auto list = nlohmann::json::array();
    for (auto const& item : node)
      list.push_back(read_back(item));
    return list;
  }
  if (node.Tag() == "!") return node.as<std::string>();  // quoted or block
  auto const text = node.as<std::string>();
  auto const scalar = nlohmann::json::parse(text, nullptr, false);
  return scalar.is_discarded() ? nlohmann::json(text) : scalar;
}

TEST(Yaml, SaysTheSameAsTheJson) {
  nlohmann::json object;
  object["plain"] = "Succeeded";
  object["number"] = 42;
  object["negative"] = -1.5;
  object["yes"] = true;
  object["nothing"] = nullptr;
  object["empty"] = "";
  object["list"] = {1, "two", nlohmann::json::array(), nlohmann::json::object()};
  for (auto const* text : {"true",
                           "No",
                           "null",
                           "~",
                           "1",
                           "1e3",
                           "0x10",
                           "2026-01-31",
                           "a: b",
                           "- a",
                           "#x",
                           "a #b",
                           " lead",
                           "trail ",
                           "'q'",
                           "\"q\"",
                           "*",
                           "&a",
                           "!t",
                           "%",
                           "@",
                           "`",
                           "{",
                           "[",
                           "a\nb",
                           "a\nb\n",
                           "a\n\n",
                           "\na\n",
                           "  a\nb\n",
                           "\ta\nb\n",
                           "a\tb\nc\n",
                           "\x1b[0m",
                           "ü€😀",
                           "line one\n  indented\nend\n",
                           "a\r\nb\n",
                           "\\n",
                           "---\na\n",
                           "...\nb\n",
                           "y",
                           "\x7f",
                           "# comment\nx\n",
                           "print(\"hi\")\nprint('ho')\n",
                           "\xC2\x85",
                           "\xE2\x80\xA8x\ny\n"}) {
    object["s"][text] = text;
    object["l"].push_back(text);
  }
  object["deep"]["er"]["text"] = "first\nsecond\n";
  auto const yaml = to_yaml(object);
  EXPECT_EQ(read_back(YAML::Load(yaml)), object) << yaml;
}

TEST(Yaml, KeepsALongTextReadable) {
  nlohmann::json object;
  object["spec"]["code"] = "import sys\nprint(1)\n";
  EXPECT_EQ(to_yaml(object), "spec:\n  code: |\n    import sys\n    print(1)\n");
}

TEST(Json, SurvivesBytesThatAreNoText) {
  nlohmann::json object;
  object["x"] = "\xff";
  EXPECT_THAT(to_json_text(object), HasSubstr("\xEF\xBF\xBD"));
}

TEST(ClosingSentence, IsSilentWhereTheCodeSpokeForItself) {
  api::CodeExecutionStatus status;
  status.reason = "Completed";
  status.message = "ok";
  EXPECT_EQ(closing_sentence(status), "");
  status.reason = "NonZeroExit";
  EXPECT_EQ(closing_sentence(status), "");
}

TEST(ClosingSentence, SaysWhyOtherwise) {
  api::CodeExecutionStatus status;
  status.reason = "ImagePullFailed";
  status.message = "no such image\nx";
  EXPECT_EQ(closing_sentence(status), "ImagePullFailed: no such image x");
  status.reason = "Signaled";
  status.message = "";
  status.signal = 11;
  EXPECT_EQ(closing_sentence(status), "ended by SIGSEGV");
}

TEST(Progress, SaysEachStepOnceWhereThereIsNoTerminal) {
  progress told({}, "x");
  api::CodeExecution object;
  auto& status = object.status;
  EXPECT_EQ(told.update(object), "codeexec: x: created\n");
  EXPECT_EQ(told.update(object), "");
  status.phase = "Pending";
  status.reason = "PullingImage";
  EXPECT_EQ(told.update(object), "codeexec: x: pulling the image\n");
  status.phase = "Running";
  EXPECT_EQ(told.update(object), "codeexec: x: running\n");
  status.phase = "Succeeded";
  EXPECT_EQ(told.update(object), "");
  EXPECT_EQ(told.frame(1s, 80), "");
}

TEST(Progress, OneLineForAReasonHoweverItsMessagesTakeTurns) {
  progress told({}, "x");
  api::CodeExecution object;
  object.status.phase = "Pending";
  object.status.reason = "PullingImage";
  EXPECT_EQ(told.update(object), "codeexec: x: pulling the image\n");
  object.status.message = "ErrImagePull: no";
  EXPECT_EQ(told.update(object), "codeexec: x: pulling the image: ErrImagePull: no\n") << "now it is known why";
  for (auto const* message : {"Back-off", "ErrImagePull: no", "", "Back-off"}) {
    object.status.message = message;
    EXPECT_EQ(told.update(object), "") << message;
  }
  object.status.reason = "Starting";
  EXPECT_EQ(told.update(object), "codeexec: x: starting: Back-off\n");
}

TEST(Progress, WhatTheOperatorHasAcceptedIsStarting) {
  api::CodeExecution object;
  EXPECT_EQ(describe_progress(object), "waiting for the operator");
  object.metadata.finalizers = {"codeexec.dev/cleanup"};
  EXPECT_EQ(describe_progress(object), "starting");
  progress told({}, "x");
  EXPECT_EQ(told.update({}), "codeexec: x: created\n");
  EXPECT_EQ(told.update(object), "") << "a line for it would be one for every run";
  EXPECT_EQ(told.doubt(object, 20s), "");
}

TEST(Progress, AReasonToGiveUpIsNotOneToWait) {
  api::CodeExecution object;
  object.status.phase = "Pending";
  object.status.reason = "ImagePullFailed";
  EXPECT_EQ(describe_progress(object), "ending (ImagePullFailed)");
  EXPECT_EQ(progress({}, "x").update(object), "") << "the closing sentence says it in a moment";
}

TEST(Progress, DoesNotSayThatTheCodeRunsOnceTheCodeHasSpoken) {
  progress told({}, "x");
  told.output_began();
  api::CodeExecution object;
  auto& status = object.status;
  status.phase = "Running";
  EXPECT_EQ(told.update(object), "");
}

TEST(Progress, IsSilentWhenToldSo) {
  progress told({true, true, true}, "x");
  EXPECT_EQ(told.update({}), "");
  EXPECT_EQ(told.frame(1s, 80), "");
}

TEST(Progress, TheSpinnerFitsTheTerminalAndStopsWhenTheCodeSpeaks) {
  progress told({false, true, false}, "日本日本日本日本日本");
  EXPECT_EQ(told.update({}), "");
  for (std::chrono::milliseconds at = 0ms; at < 10s; at += 333ms) {
    EXPECT_LE(display_width(told.frame(at, 20)), 19U);
    EXPECT_GT(display_width(told.frame(at, 20)), 0U);
  }
  EXPECT_NE(told.frame(0ms, 80), told.frame(100ms, 80));
  told.output_began();
  EXPECT_EQ(told.frame(1s, 80), "");
}

TEST(Progress, WhoWaitsForAnOperatorThatIsNotThereIsToldOnce) {
  progress told({}, "x");
  api::CodeExecution object;
  auto& status = object.status;
  EXPECT_EQ(told.doubt(object, 9s), "");
  EXPECT_THAT(told.doubt(object, 10s), HasSubstr("Does codeexec-controller run"));
  EXPECT_EQ(told.doubt(object, 20s), "");
  status.phase = "Pending";
  EXPECT_EQ(progress({}, "x").doubt(object, 20s), "");
  EXPECT_EQ(progress({true, false, false}, "x").doubt({}, 20s), "");
}

TEST(Progress, UsesColourOnlyWhereItMay) {
  EXPECT_THAT(progress({false, true, true}, "x").frame(0ms, 80), HasSubstr("\x1b["));
  EXPECT_THAT(progress({false, true, false}, "x").frame(0ms, 80), Not(HasSubstr("\x1b[")));
}

TEST(Progress, AMessageCannotDriveTheTerminal) {
  api::CodeExecution object;
  auto& status = object.status;
  status.phase = "Pending";
  status.reason = "Scheduling";
  status.message = "0/1 nodes\x1b[2J\nare available";
  EXPECT_THAT(describe_progress(object), Not(HasSubstr("\x1b")));
  EXPECT_THAT(describe_progress(object), HasSubstr("nodes"));
}

}  // namespace
}  // namespace codeexec::cli
