#include "codeexec/execution/status.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "codeexec/api/json.hpp"

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

TEST(FinalStatus, FitsOneWriteAtTheLargestSpecAndOutput) {
  auto e = make_execution(std::string(256 * 1024, '<'));
  e.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"] = std::string(200 * 1024, 'x');
  scene s(e);
  s.with_pod(running_pod());
  auto frames = std::make_shared<log_capture>(262144, "secret");
  for (int i = 0; i < 40; ++i) {
    frames->feed("stdout P " + std::string(8000, '\0') + "\nstderr P " + std::string(8000, '\xFF') + "\n");
  }
  frames->feed("result F " + result_json(R"("end":"exited","exitCode":0,"stdoutBytes":320000,"stderrBytes":320000)") +
               "\n");
  s.seen.log.frames = frames;
  s.seen.resolved->max_output_bytes = 262144;
  auto const plan = s.decide();
  ASSERT_TRUE(plan.status);
  auto whole = s.seen.object;
  whole.status = *plan.status;
  auto const text = api::encode(whole).dump();
  EXPECT_LT(text.size(), std::size_t{3} * 1024 * 1024) << "the API server refuses such a request";
  // The store's own spelling: 256 KiB of '<' alone take 1.5 MiB there, which is the spec's own doing.
  EXPECT_LE(json_length(*plan.status->stdout_), 16U * 1024);
  EXPECT_LE(json_length(*plan.status->stderr_), 16U * 1024);
  EXPECT_TRUE(plan.status->output->stdoutTruncated);
  EXPECT_EQ(plan.status->output->stdoutBytes, 320000);
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
