// What `describe`, `top` and the tables look like: layouts from a snapshot, a width, colours or none, and a time.
#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sstream>

#include "codeexec/cli/describe.hpp"
#include "codeexec/cli/grid.hpp"
#include "codeexec/cli/palette.hpp"
#include "codeexec/cli/render.hpp"
#include "codeexec/cli/top_screen.hpp"

namespace codeexec::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

screen at_width(std::size_t width) {
  screen on;
  on.width = width;
  on.now = *base::parse_time("2026-01-31T10:05:00Z");
  return on;
}

void expect_fits(std::string const& text, std::size_t width) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    EXPECT_LE(display_width(line), width) << line;
}

TEST(Grid, ColumnsLineUpUnderWideAndCombiningCharacters) {
  EXPECT_EQ(render_grid({{"NAME"}, {"X"}, {"Y"}},
                        {{{"日本"}, {"1"}, {"a"}}, {{"e\xCC\x81"}, {"22"}, {"b"}}, {{"abcdef"}, {""}, {""}}}, {}),
            "NAME     X    Y\n"
            "日本     1    a\n"
            "e\xCC\x81        22   b\n"
            "abcdef\n");
}

TEST(Grid, CutsThenDropsThenCutsTheLine) {
  std::vector<column> const columns{{"NAME", 8, 0, true}, {"STATE"}, {"NOTE", 6, 2}, {"MORE", 0, 1}};
  std::vector<std::vector<cell>> const rows{{{"abcdefghijklmnop"}, {"fine"}, {"some words"}, {"more"}}};
  grid_options how;
  for (std::size_t width = 4; width <= 60; ++width) {
    how.width = width;
    expect_fits(render_grid(columns, rows, how), width);
  }
  how.width = 32;
  EXPECT_THAT(render_grid(columns, rows, how), HasSubstr("…"));
  how.width = 20;
  EXPECT_THAT(render_grid(columns, rows, how), Not(HasSubstr("NOTE")));
  EXPECT_THAT(render_grid(columns, rows, how), HasSubstr("fine"));
}

TEST(Grid, ColoursTakeNoRoom) {
  grid_options how;
  how.colours = palette(true);
  EXPECT_EQ(render_grid({{"A"}, {"B"}}, {{{"x", tint::bad}, {"y"}}}, how),
            "\x1b[1mA\x1b[0m   \x1b[1mB\x1b[0m\n\x1b[31mx\x1b[0m   y\n");
}

TEST(Wrap, BreaksBetweenWordsAndCutsOnesThatAreTooLong) {
  EXPECT_EQ(wrap("one two three", 8), (std::vector<std::string>{"one two", "three"}));
  for (auto const& line : wrap("sha256:0123456789abcdef x 日本日本日本日本", 10))
    EXPECT_LE(display_width(line), 10U);
  EXPECT_EQ(wrap("", 10), std::vector<std::string>{""});
}

TEST(Colours, AreWantedByFlagThenByEnvironmentThenByTerminal) {
  colour_wishes xterm;
  xterm.term = "xterm";
  EXPECT_TRUE(wants_colour(colour_choice::automatic, true, xterm));
  EXPECT_FALSE(wants_colour(colour_choice::automatic, false, xterm));
  EXPECT_TRUE(wants_colour(colour_choice::always, false, xterm));
  EXPECT_FALSE(wants_colour(colour_choice::never, true, xterm));
  auto no = xterm;
  no.no_color = "1";
  EXPECT_FALSE(wants_colour(colour_choice::automatic, true, no));
  EXPECT_TRUE(wants_colour(colour_choice::always, true, no));
  no.no_color = "";
  EXPECT_TRUE(wants_colour(colour_choice::automatic, true, no)) << "set but empty counts as not set";
  EXPECT_FALSE(wants_colour(colour_choice::automatic, true, {}));
}

api::CodeExecution finished() {
  api::CodeExecution e;
  e.metadata.name = "hello";
  e.metadata.namespace_ = "agents";
  e.metadata.uid = "u-1";
  e.metadata.creationTimestamp = "2026-01-31T10:00:00Z";
  e.spec.language = "python";
  e.spec.code = "print(1)";
  e.spec.args = {"--n", "a\x1b[2Jb"};
  e.spec.env = {{"TOKEN", "secret-value"}};
  e.spec.resources.limits = {{"memory", "512Mi"}};
  auto& s = e.status;
  s.phase = "Failed";
  s.reason = "NonZeroExit";
  s.message = "The code exited\x1b]0;t\x07 with code 3.";
  s.exitCode = 3;
  s.stdout_ = "1\n2\n3\n4\n5\x1b[2J\n";
  s.stderr_ = "";
  s.output = api::OutputStatus{14, 0, false, false, {}, {}};
  s.timeline =
      api::Timeline{"2026-01-31T10:00:00.000100Z", "2026-01-31T10:00:00.100100Z", "2026-01-31T10:00:00.000000Z",
                    "2026-01-31T10:00:01.100100Z", "2026-01-31T10:00:02.100100Z", ""};
  s.usage = api::Usage{1000, 500, 64 * 1024 * 1024};
  s.sandbox = api::SandboxStatus{"gvisor", true};
  s.conditions = {{"Ready", "False", 1, "2026-01-31T10:00:02Z", "NonZeroExit", ""}};
  return e;
}

TEST(Describe, TellsTheWholeStory) {
  auto const text = render_description({finished(), {}, {}}, at_width(0));
  for (auto const* part :
       {"agents/hello", "Failed, NonZeroExit, exit code 3", "2.10s in all", "  job created   10:00:00.100     100ms",
        "  pod scheduled 10:00:00           <1s", "code started  10:00:01.100     1.00s", "captured      not recorded",
        "CPU 0.50s (50 %), memory up to 64 MiB of 512 MiB", "verified: the runner saw gVisor from inside",
        "the last 4 of 5 lines", "Ready   False   NonZeroExit", "Environment: TOKEN\n"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(text, Not(HasSubstr("secret-value"))) << "values of variables are not for a screen";
}

TEST(Describe, OfOneThatGoesOnSaysHowLongItHasTakenSoFar) {
  auto e = finished();
  e.status.phase = "Running";
  e.status.reason = "Running";
  e.status.timeline = api::Timeline{"2026-01-31T10:04:56.000000Z", "2026-01-31T10:04:56.020000Z", "", "", "", ""};
  auto const text = render_description({e, {}, {}}, at_width(0));
  EXPECT_THAT(text, HasSubstr("Timeline:    4.00s so far, clock times in UTC\n"));
  EXPECT_THAT(text, Not(HasSubstr("in all")));
}

TEST(Describe, DoesNotClaimToKnowWhatTheOperatorsConfigurationSays) {
  auto e = finished();
  EXPECT_THAT(render_description({e, {}, {}}, at_width(0)),
              HasSubstr("timeout: the operator's default, memory 512Mi, network: the operator's default"));
  e.spec.timeoutSeconds = 90;
  e.spec.network = "Allow";
  EXPECT_THAT(render_description({e, {}, {}}, at_width(0)), HasSubstr("timeout 90s, memory 512Mi, network Allow"));
}

TEST(Describe, FitsEveryTerminalAndNothingInItDrivesOne) {
  describe_input what{
      finished(), {{"Warning", "FailedCreate", "quota\x1b[2J exceeded " + std::string(200, 'x'), "", 3}}, {}};
  for (std::size_t width = 20; width < 160; width += 7) {
    auto const text = render_description(what, at_width(width));
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    expect_fits(text, width);
  }
  auto coloured = at_width(80);
  coloured.colours = palette(true);
  EXPECT_THAT(render_description(what, coloured), Not(HasSubstr("\x1b[2J")));
  auto const text = render_description(what, at_width(100));
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 40) << "one screen";
}

TEST(Describe, IsHonestAboutWhatIsNotKnown) {
  api::CodeExecution fresh;
  fresh.metadata.name = "new";
  auto const waiting = render_description({fresh, {}, "not known: you may not list events"}, at_width(0));
  for (auto const* part : {"no operator has taken it up", "nothing has happened yet", "known at the end",
                           "not known yet", "Events:      not known: you may not list events"}) {
    EXPECT_THAT(waiting, HasSubstr(part));
  }
  auto lost = finished();
  lost.status.usage.reset();
  lost.status.sandbox.reset();
  lost.status.output.reset();
  lost.status.stdout_.reset();
  lost.status.stderr_.reset();
  lost.status.timeline.reset();
  auto const over = render_description({lost, {}, {}}, at_width(0));
  for (auto const* part : {"Timeline:    not recorded", "not measured", "Sandbox:     not known\n", "none was kept"})
    EXPECT_THAT(over, HasSubstr(part));
}

TEST(Describe, AnUnverifiedSandboxIsNotOverlooked) {
  auto e = finished();
  e.status.sandbox->verified = false;
  EXPECT_THAT(render_description({e, {}, {}}, at_width(0)), HasSubstr("gvisor, NOT verified"));
}

TEST(Describe, ReadsEventsOfBothGroups) {
  auto const items = std::vector<nlohmann::json>{
      nlohmann::json::parse(R"({"type":"Warning","reason":"B","note":"later","eventTime":"2026-01-31T10:00:05.000000Z",
        "series":{"count":4,"lastObservedTime":"2026-01-31T10:00:09.000000Z"}})"),
      nlohmann::json::parse(
          R"({"type":"Normal","reason":"A","message":"first","count":2,"lastTimestamp":"2026-01-31T10:00:01Z"})"),
      nlohmann::json(7)};
  auto const events = read_events(items);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].reason, "A");
  EXPECT_EQ(events[0].count, 2);
  EXPECT_EQ(events[1].message, "later");
  EXPECT_EQ(events[1].count, 4);
}

TEST(Bytes, AreWrittenForPeople) {
  EXPECT_EQ(format_bytes(0), "0 bytes");
  EXPECT_EQ(format_bytes(1), "1 byte");
  EXPECT_EQ(format_bytes(9437184), "9.0 MiB");
  EXPECT_EQ(format_bytes(65536), "64 KiB");
}

api::CodeExecution one(std::string const& name, std::string const& phase, std::string const& reason,
                       std::string const& created, std::string const& started = "", std::string const& message = "") {
  api::CodeExecution e;
  e.metadata.name = name;
  e.metadata.namespace_ = "agents";
  e.metadata.uid = "u-" + name;
  e.metadata.creationTimestamp = "2026-01-31T" + created + "Z";
  e.spec.timeoutSeconds = 300;
  e.status.phase = phase;
  e.status.reason = reason;
  e.status.message = message;
  if (!started.empty()) e.status.startTime = "2026-01-31T" + started + "Z";
  return e;
}

top_model busy() {
  top_model model;
  model.see(
      one("second", "Pending", "Queued", "10:01:00", "", "Position 2 of 2 in the queue (1 of 1 executions run)."));
  model.see(one("first", "Pending", "Queued", "10:02:00", "", "Position 1 of 2 in the queue (1 of 1 executions run)."));
  model.see(one("young", "Running", "Running", "10:03:00", "10:04:00"));
  model.see(one("old", "Running", "Running", "10:03:00", "10:03:30"));
  model.see(one("pulling", "Pending", "PullingImage", "10:04:30"));
  model.see(one("held", "Pending", "Suspended", "10:00:00"));
  model.see(one("done", "Succeeded", "Completed", "10:00:00"));
  model.see(one("bad", "Failed", "TimedOut", "10:00:00"));
  model.see(one("fresh", "", "", "10:05:00"));
  return model;
}

TEST(Top, WhatRunsLongestComesFirstThenTheQueueInItsOrder) {
  auto const model = busy();
  std::vector<std::string> names;
  for (auto const& e : model.entries())
    names.push_back(e.name);
  EXPECT_THAT(names, testing::ElementsAre("old", "young", "pulling", "fresh", "first", "second", "held"));
  auto const text = render_top(model, {}, at_width(0));
  EXPECT_THAT(text, HasSubstr("Running 2   Pending 5 (PullingImage 1, Queued 2, Suspended 1, no status yet 1)   "
                              "Succeeded 1   Failed 1\n"));
  EXPECT_THAT(text, HasSubstr("old       Running   Running"));
  EXPECT_THAT(text, HasSubstr("1/2"));
  EXPECT_THAT(text, HasSubstr("90s"));
  EXPECT_THAT(text, Not(HasSubstr("done")));
}

TEST(Top, FitsEveryTerminal) {
  auto const model = busy();
  top_options_shown how;
  how.scope = "namespace agents";
  how.with_namespace = true;
  for (std::size_t width = 20; width < 140; width += 5) {
    for (std::size_t height = 3; height < 14; ++height) {
      how.height = height;
      auto const text = render_top(model, how, at_width(width));
      expect_fits(text, width);
      EXPECT_LE(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')), height);
    }
  }
  how.height = 8;
  EXPECT_THAT(render_top(model, how, at_width(100)), HasSubstr("… and 4 more\n"));
}

TEST(Top, SaysThatWhatItShowsMayBeOld) {
  top_options_shown how;
  how.trouble = "No word from the API server for 12s: refused";
  EXPECT_THAT(render_top({}, how, at_width(80)), HasSubstr("No word from the API server"));
  EXPECT_THAT(render_top({}, {}, at_width(80)), HasSubstr("Nothing runs and nothing waits."));
}

TEST(Top, AListReplacesWhatWasKnown) {
  auto model = busy();
  model.begin_list();
  model.see(one("young", "Running", "Running", "10:03:00", "10:04:00"));
  model.end_list();
  EXPECT_EQ(model.entries().size(), 1U);
  model.lose("u-young");
  EXPECT_TRUE(model.entries().empty());
}

TEST(Top, AMessageCannotDriveTheTerminal) {
  top_model model;
  model.see(one("x", "Pending", "Sched\x1b[2Juling", "10:04:30", "", "no\x1b]0;t\x07 node"));
  EXPECT_THAT(render_top(model, {}, at_width(80)), Not(HasSubstr("\x1b")));
}

TEST(Top, TheQueuePlaceIsReadOnlyWhereItIsOne) {
  std::int64_t position = 0;
  std::int64_t waiting = 0;
  EXPECT_TRUE(read_position("Position 3 of 17 in the queue (20 of 20 ...)", position, waiting));
  EXPECT_EQ(position, 3);
  EXPECT_EQ(waiting, 17);
  for (auto const* other :
       {"", "Position", "Position x of 2", "Position 3 of 2", "Position 0 of 2", "Position -1 of 2"})
    EXPECT_FALSE(read_position(other, position, waiting)) << other;
}

}  // namespace
}  // namespace codeexec::cli
