#include "codeexec/execution/status.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "codeexec/api/json.hpp"
#include "codeexec/base/encoding.hpp"
#include "codeexec/kube_core/stored_size.hpp"

#include "make.hpp"

namespace codeexec::execution {
namespace {

using namespace testing;
using nlohmann::json;

TEST(MergePatch, TurnsOneIntoTheOther) {
  std::vector<json> const values{
      json::parse(R"({})"),
      json::parse(R"({"a":1,"b":{"c":2,"d":[1,2]}})"),
      json::parse(R"({"a":1,"b":{"d":[2]},"e":"x"})"),
      json::parse(R"({"b":{}})"),
  };
  for (auto const& from : values) {
    for (auto const& to : values) {
      json changed = from;
      changed.merge_patch(make_merge_patch(from, to));
      EXPECT_EQ(changed, to) << from << " -> " << to;
    }
  }
  EXPECT_EQ(make_merge_patch(values[1], values[1]), json::object());
}

/// An execution whose code has ended with the runner's largest report, at the largest bound.
scene ended_with(api::CodeExecution e, std::string const& out_piece, std::string const& err_piece, std::size_t bytes) {
  scene s(std::move(e));
  s.with_pod(running_pod());
  auto frames = std::make_shared<log_capture>(262144, "secret");
  auto const feed = [&](char const* stream, std::string const& piece) {
    std::string text;
    while (text.size() + piece.size() <= 8000)
      text += piece;
    std::size_t total = 0;
    for (; total + text.size() <= bytes; total += text.size())
      frames->feed(std::string(stream) + " P " + text + "\n");
    return total;
  };
  auto const out = feed("stdout", out_piece);
  auto const err = feed("stderr", err_piece);
  frames->feed("result F " +
               result_json(R"("end":"exited","exitCode":0,"stdoutBytes":)" + std::to_string(out) +
                           R"(,"stderrBytes":)" + std::to_string(err)) +
               "\n");
  s.seen.log.frames = frames;
  EXPECT_TRUE(s.seen.resolved);
  s.seen.resolved->max_output_bytes = 262144;
  return s;
}

/// What the store would hold after the plan's write: what it has, the status, and what the API server notes of it.
std::size_t stored_after(scene const& s, plan const& planned, std::size_t metadata) {
  auto whole = s.seen.object;
  whole.status = *planned.status;
  constexpr std::size_t noted_of_the_write = 4096;
  return kube::stored_length(api::encode(whole)) + metadata + noted_of_the_write;
}

TEST(FinalStatus, FitsOneWriteAtTheLargestSpecAndOutputWhateverTheyConsistOf) {
  std::string const megabyte_of_base64(1396000, 'A');
  for (std::string const piece : {"\x01", "\xFF", "\xE2\x80\xA8"}) {
    for (bool const with_files : {false, true}) {
      // The largest of each that the API server takes: together they must fit its store to begin with.
      auto e = make_execution(with_files ? std::string(1000, '<') : std::string(190 * 1024, '<'));
      if (with_files) e.spec.files = {{"data.bin", std::nullopt, megabyte_of_base64}};
      auto const metadata = std::size_t{100} * 1024;
      auto s = ended_with(e, piece, piece, 280000);
      s.seen.known.object_bytes = kube::stored_length(api::encode(e)) + metadata;
      ASSERT_LT(*s.seen.known.object_bytes, max_startable_bytes) << "would not have been started";
      auto const planned = s.decide();
      ASSERT_TRUE(planned.status);
      EXPECT_LE(stored_after(s, planned, metadata), kube::max_stored_bytes);
      EXPECT_LT(api::encode(*planned.status).dump().size(), kube::max_request_bytes);
      EXPECT_TRUE(planned.status->output->stdoutTruncated);
      EXPECT_TRUE(planned.status->output->stderrTruncated);
      EXPECT_GT(planned.status->output->stdoutBytes, 270000);
    }
  }
}

TEST(FinalStatus, AlsoWhereTheObjectWasNeverReadWholeItFitsBesideTheLargestAnnotations) {
  auto const e = make_execution(std::string(150 * 1024, '<'));
  auto const s = ended_with(e, "\x01", "\x01", 400000);
  auto const planned = s.decide();
  ASSERT_TRUE(planned.status);
  EXPECT_LE(stored_after(s, planned, std::size_t{240} * 1024), kube::max_stored_bytes);
}

TEST(FinalStatus, NeitherStreamStarvesTheOtherWhereBothDoNotFit) {
  auto e = make_execution(std::string(200 * 1024, 'x'));
  for (auto const& [out, err] : {std::pair<char const*, char const*>{"\x01", "x"}, {"x", "\x01"}, {"\x01", "<"}}) {
    auto s = ended_with(e, out, err, 260000);
    // Room for 600,000 bytes of JSON.
    std::size_t const room = 600000;
    s.seen.known.object_bytes = kube::max_stored_bytes - reserved_for_status - room;
    auto const planned = s.decide();
    auto const out_length = kube::json_length(*planned.status->stdout_);
    auto const err_length = kube::json_length(*planned.status->stderr_);
    EXPECT_LE(out_length + err_length, room);
    EXPECT_GT(out_length + err_length, room - 300) << "room is left, and output is missing";
    EXPECT_GE(out_length, std::min<std::size_t>(out == std::string("x") ? 256000 : room / 2 - 200, room));
    EXPECT_GE(err_length, std::min<std::size_t>(err == std::string("x") ? 256000 : room / 2 - 200, room));
  }
}

TEST(FinalStatus, WhatTheApiServerStillRefusesIsMadeSmallerUntilOnlyTheMarkersAreLeft) {
  auto s = ended_with(make_execution(), "x", "y", 300000);
  s.seen.known.object_bytes = 2000;
  std::size_t before = ~std::size_t{0};
  for (int const refusals : {0, 2, 4, 7}) {
    s.seen.known.status_refusals = refusals;
    auto const planned = s.decide();
    auto const size = planned.status->stdout_->size() + planned.status->stderr_->size();
    // Up to the first of them that bounds what there is at all.
    EXPECT_LE(size, before) << refusals;
    before = size;
  }
  EXPECT_LT(before, 200U);
  EXPECT_EQ(s.decide().status->output->stdoutBytes, 296000);
}

TEST(FinalStatus, NamesTheImageAndTheRuntimeClassThatRanWhateverIsConfiguredNow) {
  auto pod = ended_pod(result_json(R"("end":"exited","exitCode":0)"));
  pod.spec.runtimeClassName = "gvisor-then";
  pod.spec.containers = {{"sidecar", "injected:1"}, {"code", "python:then"}};
  scene s;
  s.with_pod(pod);
  s.seen.resolved->image = "python:now";
  auto const plan = s.decide();
  ASSERT_TRUE(plan.status);
  EXPECT_EQ(plan.status->phase, "Succeeded");
  EXPECT_EQ(plan.status->image, "python:then");
  EXPECT_EQ(plan.status->sandbox->runtimeClassName, "gvisor-then");
}

TEST(Timeline, NoJobIsOlderThanTheAcceptanceThatLedToIt) {
  auto const timeline_when = [](base::wall_time accepted, base::wall_time job_created) {
    scene s;
    s.with_job();
    s.seen.known.accepted = accepted;
    s.seen.known.job_created = job_created;
    auto const status = make_progress_status(s.seen, "Pending", "Scheduling", "", accepted + 1s);
    return std::make_pair(status.timeline->accepted, status.timeline->jobCreated);
  };
  // Made by this operator; told in whole seconds by the server; made by a predecessor that died before it said so.
  EXPECT_EQ(timeline_when(start_of_time + 700ms, start_of_time + 900ms),
            std::make_pair(std::string("2026-01-31T10:00:00.700000Z"), std::string("2026-01-31T10:00:00.900000Z")));
  EXPECT_EQ(timeline_when(start_of_time + 700ms, start_of_time),
            std::make_pair(std::string("2026-01-31T10:00:00.700000Z"), std::string("2026-01-31T10:00:00.700000Z")));
  EXPECT_EQ(timeline_when(start_of_time + 6700ms, start_of_time),
            std::make_pair(std::string("2026-01-31T10:00:00.000000Z"), std::string("2026-01-31T10:00:00.000000Z")));
}

TEST(FinalStatus, AMessageIsBoundedAndCutBetweenCharacters) {
  std::string long_text;
  for (int i = 0; i < 4000; ++i)
    long_text += "\xE2\x82\xAC";
  auto const bounded = bounded_message(long_text);
  EXPECT_LE(kube::json_length(bounded), max_message_json);
  EXPECT_GT(kube::json_length(bounded), max_message_json - 20);
  EXPECT_TRUE(base::is_valid_utf8(bounded));
  EXPECT_EQ(bounded_message("short"), "short");
}

TEST(FinalStatus, AnObjectThatLeavesNoRoomForAResultIsRefusedBeforeAnythingRuns) {
  scene s;
  s.accepted();
  s.seen.known.object_bytes = max_startable_bytes + 1;
  auto const planned = s.decide();
  ASSERT_TRUE(planned.status);
  EXPECT_EQ(planned.status->reason, "InvalidSpec");
  EXPECT_NE(planned.status->message.find(std::to_string(max_startable_bytes)), std::string::npos);
  EXPECT_EQ(find_action<create_job>(planned), nullptr);
  s.seen.known.object_bytes = max_startable_bytes;
  EXPECT_NE(find_action<create_job>(s.decide()), nullptr);
}

TEST(FinalStatus, OrdinaryOutputAtTheLargestBoundIsKeptWhole) {
  scene s;
  s.with_pod(running_pod());
  auto frames = std::make_shared<log_capture>(262144, "secret");
  for (int i = 0; i < 32; ++i)
    frames->feed("stdout P " + std::string(8192, 'x') + "\nstderr P " + std::string(8192, 'y') + "\n");
  frames->feed("result F " + result_json(R"("end":"exited","exitCode":0,"stdoutBytes":262144,"stderrBytes":262144)") +
               "\n");
  s.seen.log.frames = frames;
  auto const plan = s.decide();
  EXPECT_EQ(plan.status->stdout_, std::string(262144, 'x'));
  EXPECT_EQ(plan.status->stderr_, std::string(262144, 'y'));
  EXPECT_FALSE(plan.status->output->stdoutTruncated);
}

TEST(SignalName, IsWhatPeopleKnowIfThereIsOne) {
  EXPECT_EQ(signal_name(11), "SIGSEGV");
  EXPECT_EQ(signal_name(64), "signal 64");
}

}  // namespace
}  // namespace codeexec::execution
