// The code that spec.codeFrom names: what is read of it, and what follows where it is not there.
#include "codeexec/execution/source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "codeexec/base/encoding.hpp"

#include "make.hpp"

namespace codeexec::execution {
namespace {

using namespace testing;
using nlohmann::json;
using ::testing::HasSubstr;

api::ConfigMapKeyRef const reference{"scripts", "job.py"};

api::CodeExecution by_reference() {
  auto e = make_execution();
  e.spec.code.reset();
  e.spec.codeFrom = api::CodeSource{reference};
  return e;
}

/// The ConfigMap was asked for at this moment, and had not what it should.
void source_missing_at(scene& s, base::wall_time at) {
  auto& source = s.seen.known.source;
  source.asked = at;
  source.problem = missing_source_text(reference, "agents");
  if (!source.missing_since) source.missing_since = at;
}

void source_found(scene& s, std::string code) {
  s.seen.known.source.asked = s.now;
  s.seen.known.source.code = std::make_shared<std::string const>(std::move(code));
}

TEST(Source, IsATextOrBytes) {
  auto const text = read_source(reference, json::parse(R"({"data": {"job.py": "print(1)\n", "other": "x"}})"));
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, "print(1)\n");
  auto const bytes =
      read_source(reference, json::parse(R"({"data": {"other": "x"}, "binaryData": {"job.py": "/w=="}})"));
  ASSERT_TRUE(bytes);
  EXPECT_EQ(*bytes, "\xff");
  auto const empty = read_source(reference, json::parse(R"({"data": {"job.py": ""}})"));
  ASSERT_TRUE(empty) << "an empty program is one, as in spec.code";
  EXPECT_EQ(*empty, "");
}

TEST(Source, WhatIsNotThereIsNamed) {
  auto const no_key = read_source(reference, json::parse(R"({"data": {"other.py": "secret"}})"));
  ASSERT_FALSE(no_key);
  EXPECT_THAT(no_key.error().message, HasSubstr("\"scripts\""));
  EXPECT_THAT(no_key.error().message, HasSubstr("\"job.py\""));
  EXPECT_THAT(no_key.error().message, ::testing::Not(HasSubstr("other")));
  EXPECT_THAT(missing_source_text(reference, "agents"), HasSubstr("\"scripts\""));
  EXPECT_THAT(missing_source_text(reference, "agents"), HasSubstr("\"agents\""));
}

TEST(Source, NonsenseIsNoCode) {
  for (char const* text : {"{}", "[]", "null", R"({"data": 1})", R"({"data": {"job.py": 1}})",
                           R"({"data": ["job.py"]})", R"({"binaryData": {"job.py": "%%"}})"}) {
    EXPECT_FALSE(read_source(reference, json::parse(text))) << text;
  }
}

TEST(Source, BinaryCodeIsAFileLikeAnyOther) {
  auto const e = by_reference();
  auto const resolved = resolve(e.spec, {});
  ASSERT_TRUE(resolved);
  std::string const code = "# \xe9 in Latin-1\n";
  auto const in = make_input(e.spec, *resolved, &code);
  ASSERT_TRUE(in) << in.error().message;
  EXPECT_EQ(in->binary_data.at("code"), base::base64_encode(code));
  EXPECT_EQ(in->code_sha256, base::sha256_hex(code));
  EXPECT_EQ(in->items.front(), (std::pair<std::string, std::string>{"code", "workspace/main.py"}));
}

TEST(Source, AMebibyteFitsToTheByte) {
  auto const e = by_reference();
  auto const resolved = resolve(e.spec, {});
  std::string code(1024 * 1024, '#');
  EXPECT_TRUE(make_input(e.spec, *resolved, &code));
  code += '#';
  auto const in = make_input(e.spec, *resolved, &code);
  ASSERT_FALSE(in);
  EXPECT_THAT(in.error().message, HasSubstr("1048577"));
}

TEST(Source, WithoutTheCodeThereIsNoInput) {
  auto const e = by_reference();
  auto const resolved = resolve(e.spec, {});
  EXPECT_FALSE(make_input(e.spec, *resolved));
}

// --- decide()
// --------------------------------------------------------------------------------------------------------------

TEST(Source, IsReadBeforeAnythingIsMade) {
  auto const p = scene(by_reference()).decide();
  ASSERT_EQ(p.actions.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<read_code_source>(p.actions[0]));
}

TEST(Source, TheJobCarriesTheHashOfWhatWasRead) {
  scene s(by_reference());
  source_found(s, "print(1)");
  auto const p = s.decide();
  EXPECT_EQ(find_action<read_code_source>(p), nullptr) << "it is read once";
  auto const* const job = find_action<create_job>(p);
  ASSERT_NE(job, nullptr);
  EXPECT_EQ(job->object["metadata"]["annotations"]["codeexec.dev/code-sha256"], base::sha256_hex("print(1)"));
}

TEST(Source, TheStatusShowsTheHash) {
  scene s(by_reference());
  s.with_pod(ended_pod(exited(0)));
  auto job = *s.seen.job;
  job.metadata.annotations["codeexec.dev/code-sha256"] = base::sha256_hex("print(1)");
  s.seen.job = std::make_shared<kube::Job const>(job);
  auto const p = s.decide();
  ASSERT_TRUE(p.status);
  EXPECT_EQ(p.status->codeSHA256, base::sha256_hex("print(1)"));
}

TEST(Source, AMissingOneIsWaitedForAndSaidToBeMissing) {
  scene s(by_reference());
  source_missing_at(s, s.now);
  auto const p = s.decide_after(1500ms);
  EXPECT_TRUE(p.actions.empty());
  ASSERT_TRUE(p.status);
  EXPECT_EQ(p.status->phase, "Pending");
  EXPECT_THAT(p.status->message, HasSubstr("\"scripts\""));
}

TEST(Source, IsAskedForAgainAfterAMoment) {
  scene s(by_reference());
  source_missing_at(s, s.now);
  auto const p = s.decide();
  ASSERT_TRUE(p.requeue_after);
  EXPECT_LE(*p.requeue_after, 2s);
  s.now += 2s;
  EXPECT_NE(find_action<read_code_source>(s.decide()), nullptr);
}

TEST(Source, ThatDoesNotComeFailsAfterALastLook) {
  scene s(by_reference());
  auto const first = s.now;
  source_missing_at(s, first);
  source_missing_at(s, first + 14s);
  s.now = first + 100s;  // the operator was busy
  EXPECT_NE(find_action<read_code_source>(s.decide()), nullptr) << "nobody has looked since";
  source_missing_at(s, s.now);
  auto const p = s.decide();
  EXPECT_TRUE(p.actions.empty());
  ASSERT_TRUE(p.status);
  EXPECT_EQ(p.status->phase, "Failed");
  EXPECT_EQ(p.status->reason, "SourceMissing");
  EXPECT_THAT(p.status->message, HasSubstr("15 s"));
  EXPECT_THAT(p.status->message, HasSubstr("\"scripts\""));
  EXPECT_TRUE(p.status->jobName.empty());
}

TEST(Source, PatienceIsNotLongerThanTheStartupTimeout) {
  auto e = by_reference();
  e.spec.startupTimeoutSeconds = 3;
  scene s(e);
  source_missing_at(s, s.now);
  s.now += 3s;
  EXPECT_NE(find_action<read_code_source>(s.decide()), nullptr);
  source_missing_at(s, s.now);
  auto const p = s.decide();
  ASSERT_TRUE(p.status);
  EXPECT_EQ(p.status->reason, "SourceMissing");
}

TEST(Source, OfASuspendedOneTheHashIsNotedDown) {
  auto e = by_reference();
  e.spec.suspend = true;
  scene s(e);
  auto const asked = s.decide();
  auto const* const reads = find_action<read_code_source>(asked);
  ASSERT_NE(reads, nullptr);
  EXPECT_TRUE(reads->only_hash);
  s.seen.known.source.noted = true;
  s.seen.known.source.sha256 = base::sha256_hex("one");
  auto const shown = s.decide();
  ASSERT_TRUE(shown.status);
  EXPECT_EQ(shown.status->reason, "Suspended");
  EXPECT_EQ(shown.status->codeSHA256, base::sha256_hex("one"));
}

TEST(Source, AnotherThanTheOneThatWaitedIsNotRun) {
  scene s(by_reference());
  s.seen.object.status.codeSHA256 = base::sha256_hex("one");
  source_found(s, "one");
  EXPECT_NE(find_action<create_job>(s.decide()), nullptr);
  source_found(s, "two");
  auto const p = s.decide();
  EXPECT_EQ(find_action<create_job>(p), nullptr);
  ASSERT_TRUE(p.status);
  EXPECT_EQ(p.status->reason, "SourceMissing");
}

TEST(Source, AQueuedOneIsNotedDownOnceTheWaitIsShown) {
  scene s(by_reference());
  s.seen.queue.admitted = false;
  EXPECT_EQ(find_action<read_code_source>(s.decide()), nullptr);
  EXPECT_NE(find_action<read_code_source>(s.decide_after(1s)), nullptr);
}

TEST(Source, TooMuchOfItIsInvalid) {
  scene s(by_reference());
  source_found(s, std::string(1024 * 1024 + 1, '#'));
  auto const p = s.decide();
  EXPECT_TRUE(p.actions.empty());
  ASSERT_TRUE(p.status);
  EXPECT_EQ(p.status->reason, "InvalidSpec");
}

/// The Job of a predecessor that was killed before it sent the input.
scene adopted_scene(std::string const& accepted_code) {
  scene s(by_reference());
  s.with_job();
  s.seen.known.input_ready = false;
  s.seen.known.claimed.reset();
  s.seen.known.confirmed = true;
  auto job = *s.seen.job;
  auto const in = make_input(s.seen.object.spec, *s.seen.resolved, &accepted_code);
  job.metadata.annotations["codeexec.dev/input-sha256"] = in->sha256;
  job.metadata.annotations["codeexec.dev/code-sha256"] = in->code_sha256;
  s.seen.job = std::make_shared<kube::Job const>(job);
  return s;
}

TEST(Source, IsReadAgainForAJobWhoseInputIsMissing) {
  auto s = adopted_scene("print(1)");
  auto p = s.decide();
  EXPECT_NE(find_action<read_code_source>(p), nullptr);
  EXPECT_EQ(find_action<create_input>(p), nullptr);
  source_found(s, "print(1)");
  p = s.decide();
  EXPECT_NE(find_action<create_input>(p), nullptr);
}

TEST(Source, ThatWasChangedInBetweenIsNotRun) {
  auto s = adopted_scene("print(1)");
  source_found(s, "print(2)");
  auto const p = s.decide();
  EXPECT_EQ(find_action<create_input>(p), nullptr);
  ASSERT_TRUE(p.status);
  EXPECT_EQ(p.status->reason, "SourceMissing");
  EXPECT_THAT(p.status->message, HasSubstr("changed"));
}

TEST(Source, ThatVanishedInBetweenIsMissing) {
  auto s = adopted_scene("print(1)");
  source_missing_at(s, s.now);
  s.now += 20s;
  source_missing_at(s, s.now);
  auto const p = s.decide();
  ASSERT_TRUE(p.status);
  EXPECT_EQ(p.status->reason, "SourceMissing");
}

TEST(Source, IsNotAskedForOnceTheInputIsThere) {
  scene s(by_reference());
  s.with_pod(waiting_pod("ContainerCreating"));
  EXPECT_EQ(find_action<read_code_source>(s.decide()), nullptr);
}

}  // namespace
}  // namespace codeexec::execution
