// spec.codeFrom, from the ConfigMap to the input, over a cluster in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codeexec/base/encoding.hpp"
#include "codeexec/reconciler/code_execution_reconciler.hpp"

#include "mini_cluster.hpp"

namespace codeexec::reconciler {
namespace {

using namespace testing;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

json from_scripts(json more = json::object()) {
  more["codeFrom"] = {{"configMapKeyRef", {{"name", "scripts"}, {"key", "job.py"}}}};
  return more;
}

void put_script(mini_cluster& cluster, std::string const& text) {
  cluster.create("configmaps", {{"metadata", {{"name", "scripts"}}}, {"data", {{"job.py", text}}}});
}

/// The execution's own copy; null where it is not made.
json* input_of(mini_cluster& cluster) {
  for (auto& [key, object] : cluster.objects) {
    if (key.starts_with("configmaps/") && object["data"].contains("code")) return &object;
  }
  return nullptr;
}

/// Namespaces have their runner and their policy already.
void warm_up(mini_cluster& cluster, operator_process& op) {
  cluster.apply("first", {{"code", "pass"}});
  op.settle("first");
  cluster.delete_execution("first");
  op.settle("first");
  cluster.calls.clear();
}

TEST(CodeFrom, CostsOneRequestMore) {
  mini_cluster cluster;
  operator_process op(cluster);
  warm_up(cluster, op);
  put_script(cluster, "print('hi')");
  cluster.apply("hello", from_scripts());
  op.settle();
  cluster.run_nodes();
  op.settle();
  auto const token = mini_cluster::token_of(*cluster.first("pods"));
  for (auto const& stream : cluster.open_logs)
    stream->push("stdout F hi\nresult F " + mini_cluster::result(token) + "\n");
  op.settle();
  EXPECT_THAT(cluster.calls, ElementsAre("GET configmaps", "PATCH codeexecutions", "POST jobs", "POST configmaps",
                                         "GET pods/log", "PATCH codeexecutions/status", "DELETE jobs"));
  EXPECT_EQ(cluster.status()["phase"], "Succeeded");
  EXPECT_EQ(cluster.status()["codeSHA256"], base::sha256_hex("print('hi')"));
}

TEST(CodeFrom, IsCopiedIntoTheExecutionsOwnImmutableConfigMap) {
  mini_cluster cluster;
  operator_process op(cluster);
  put_script(cluster, "print('one')");
  cluster.apply("hello", from_scripts());
  op.settle();
  auto const* const input = input_of(cluster);
  ASSERT_NE(input, nullptr);
  EXPECT_EQ((*input)["data"]["code"], "print('one')");
  EXPECT_EQ((*input)["immutable"], true);
  auto const copy = *input;
  auto& source = cluster.objects.at("configmaps/agents/scripts");
  source["data"]["job.py"] = "print('two')";
  cluster.touch(source);
  op.settle();
  EXPECT_EQ(*input_of(cluster), copy);
}

TEST(CodeFrom, WhatIsReadIsKeptThoughTheJobHasToWait) {
  mini_cluster cluster;
  bool full = true;
  cluster.on_create = [&](std::string const& plural, json const&) -> std::optional<kube::error> {
    if (plural != "jobs" || !full) return std::nullopt;
    return kube::error::from_status(
        403,
        R"({"kind":"Status","reason":"Forbidden","message":"jobs.batch is forbidden: exceeded quota: q","code":403})");
  };
  operator_process op(cluster);
  put_script(cluster, "print('one')");
  cluster.apply("hello", from_scripts());
  op.settle();
  auto& source = cluster.objects.at("configmaps/agents/scripts");
  source["data"]["job.py"] = "print('two')";
  cluster.touch(source);
  full = false;
  cluster.clock.advance(10s);
  op.settle();
  ASSERT_NE(input_of(cluster), nullptr);
  EXPECT_EQ((*input_of(cluster))["data"]["code"], "print('one')") << "accepted is accepted";
}

TEST(CodeFrom, AMissingConfigMapIsWaitedFor) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", from_scripts());
  op.settle();
  cluster.clock.advance(2s);
  op.settle();
  EXPECT_EQ(cluster.status()["phase"], "Pending");
  EXPECT_THAT(cluster.status()["message"].get<std::string>(), HasSubstr("\"scripts\""));
  EXPECT_FALSE(cluster.execution()["metadata"].contains("finalizers")) << "nothing is accepted yet";
  put_script(cluster, "print('hi')");
  cluster.clock.advance(3s);
  op.settle();
  EXPECT_EQ(cluster.jobs_ever, 1);
}

TEST(CodeFrom, AMissingKeyFailsInTheEnd) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.create("configmaps", {{"metadata", {{"name", "scripts"}}}, {"data", {{"other.py", "x"}}}});
  cluster.apply("hello", from_scripts());
  for (int i = 0; i < 30 && cluster.status().value("phase", "") != "Failed"; ++i) {
    op.settle();
    cluster.clock.advance(1s);
  }
  EXPECT_EQ(cluster.status()["reason"], "SourceMissing");
  EXPECT_THAT(cluster.status()["message"].get<std::string>(), HasSubstr("\"job.py\""));
  EXPECT_EQ(cluster.jobs_ever, 0);
  auto const calls = cluster.calls.size();
  cluster.clock.advance(60s);
  op.settle();
  EXPECT_EQ(cluster.calls.size(), calls) << "nobody looks for it any more";
  EXPECT_EQ(op.reconciler.records(), 0U);
}

TEST(CodeFrom, AMissingOneCostsFewRequests) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", from_scripts());
  for (int i = 0; i < 40 && cluster.status().value("phase", "") != "Failed"; ++i) {
    op.settle();
    cluster.clock.advance(500ms);
  }
  EXPECT_EQ(cluster.status()["reason"], "SourceMissing");
  EXPECT_LE(cluster.calls.size(), 12U);
}

/// An operator that is killed after it has made the Job, before its input.
void make_job_only(mini_cluster& cluster) {
  bool killed = false;
  cluster.fault_at = [&](std::size_t, kube::request const&) {
    killed = killed || cluster.has("jobs");
    return killed ? mini_cluster::fault::refused : mini_cluster::fault::none;
  };
  operator_process op(cluster);
  for (int i = 0; i < 4; ++i) {
    op.watch();
    op.pass();
  }
  ASSERT_EQ(cluster.jobs_ever, 1);
  ASSERT_EQ(input_of(cluster), nullptr);
  cluster.fault_at = nullptr;
}

TEST(CodeFrom, ACrashBeforeTheCopyLosesNothingWhereTheSourceIsTheSame) {
  mini_cluster cluster;
  put_script(cluster, "print('one')");
  cluster.apply("hello", from_scripts());
  make_job_only(cluster);
  operator_process next(cluster);
  next.settle();
  ASSERT_NE(input_of(cluster), nullptr);
  EXPECT_EQ((*input_of(cluster))["data"]["code"], "print('one')");
  EXPECT_EQ(cluster.jobs_ever, 1);
}

TEST(CodeFrom, ASourceThatChangedDuringACrashIsNotRunInPlaceOfTheAcceptedOne) {
  mini_cluster cluster;
  put_script(cluster, "print('one')");
  cluster.apply("hello", from_scripts());
  make_job_only(cluster);
  auto& source = cluster.objects.at("configmaps/agents/scripts");
  source["data"]["job.py"] = "print('two')";
  cluster.touch(source);
  operator_process next(cluster);
  for (int i = 0; i < 3; ++i) {
    next.settle();
    cluster.clock.advance(1s);
  }
  EXPECT_EQ(cluster.status()["reason"], "SourceMissing");
  EXPECT_THAT(cluster.status()["message"].get<std::string>(), HasSubstr("changed"));
  EXPECT_EQ(cluster.pods_started, 0);
  EXPECT_FALSE(cluster.has("jobs"));
  EXPECT_EQ(input_of(cluster), nullptr);
}

TEST(CodeFrom, WhatChangesWhileTheExecutionIsSuspendedIsNotRun) {
  for (bool const changes : {false, true}) {
    mini_cluster cluster;
    put_script(cluster, "print('one')");
    cluster.apply("hello", from_scripts({{"suspend", true}}));
    {
      operator_process op(cluster);
      op.settle();
    }
    EXPECT_EQ(cluster.status()["reason"], "Suspended");
    EXPECT_EQ(cluster.status()["codeSHA256"], base::sha256_hex("print('one')"));
    auto& source = cluster.objects.at("configmaps/agents/scripts");
    if (changes) source["data"]["job.py"] = "print('two')";
    cluster.execution()["spec"]["suspend"] = false;
    cluster.touch(cluster.execution());
    operator_process op(cluster);
    op.settle();
    cluster.run_nodes();
    EXPECT_EQ(cluster.pods_started, changes ? 0 : 1);
    EXPECT_EQ(cluster.jobs_ever, changes ? 0 : 1);
    if (changes) {
      EXPECT_EQ(cluster.status()["reason"], "SourceMissing");
      EXPECT_THAT(cluster.status()["message"].get<std::string>(), HasSubstr("\"scripts\" was changed"));
    }
  }
}

TEST(CodeFrom, ASuspendedExecutionDoesNotNeedItsSourceYet) {
  mini_cluster cluster;
  cluster.apply("hello", from_scripts({{"suspend", true}}));
  operator_process op(cluster);
  op.settle();
  EXPECT_EQ(cluster.status()["reason"], "Suspended");
  EXPECT_THAT(cluster.calls, ElementsAre("GET configmaps", "PATCH codeexecutions/status"));
  cluster.clock.advance(1h);
  put_script(cluster, "print('hi')");
  cluster.execution()["spec"]["suspend"] = false;
  cluster.touch(cluster.execution());
  op.settle();
  EXPECT_EQ(cluster.jobs_ever, 1);
}

TEST(CodeFrom, TheHashSurvivesARestartAndTheSourcesEnd) {
  mini_cluster cluster;
  put_script(cluster, "print('one')");
  cluster.apply("hello", from_scripts());
  {
    operator_process op(cluster);
    op.settle();
    cluster.run_nodes();
    op.settle();
    for (auto const& stream : cluster.open_logs)
      stream->end();
  }
  cluster.remove("configmaps/agents/scripts");
  cluster.end_containers([](auto const& token) { return mini_cluster::result(token); });
  operator_process next(cluster);
  next.settle();
  EXPECT_EQ(cluster.status()["phase"], "Succeeded");
  EXPECT_EQ(cluster.status()["codeSHA256"], base::sha256_hex("print('one')"));
}

TEST(CodeFrom, ARightThatIsMissingIsSaid) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", from_scripts({{"startupTimeoutSeconds", 2}}));
  cluster.on_get = [](std::string const& plural) -> std::optional<kube::error> {
    if (plural != "configmaps") return std::nullopt;
    return kube::error::from_status(
        403, R"({"kind":"Status","reason":"Forbidden","message":"configmaps \"scripts\" is forbidden","code":403})");
  };
  for (int i = 0; i < 10 && cluster.status().value("phase", "") != "Failed"; ++i) {
    op.settle();
    cluster.clock.advance(1s);
  }
  EXPECT_EQ(cluster.status()["reason"], "SourceMissing");
  EXPECT_THAT(cluster.status()["message"].get<std::string>(), HasSubstr("is forbidden"));
}

TEST(CodeFrom, AServerThatCannotTellWhoAsksHasSaidNothingOfTheConfigMap) {
  mini_cluster cluster;
  operator_process op(cluster);
  put_script(cluster, "print('hi')");
  cluster.apply("hello", from_scripts());
  auto const began = cluster.clock.wall_now();
  cluster.fault_at = [&](std::size_t, kube::request const& r) {
    bool const reads = r.method == kube::verb::get && r.target.find("/configmaps/scripts") != std::string::npos;
    return reads && cluster.clock.wall_now() - began < 30s ? mini_cluster::fault::unauthorized
                                                           : mini_cluster::fault::none;
  };
  // Each refused pass is a retry of the work queue's, and takes 200 ms here.
  for (int pass = 0; pass < 400 && cluster.jobs_ever == 0; ++pass) {
    op.watch();
    op.pass();
    cluster.clock.advance(200ms);
  }
  EXPECT_EQ(cluster.status().value("phase", ""), "") << cluster.status().dump();
  EXPECT_EQ(cluster.jobs_ever, 1);
}

}  // namespace
}  // namespace codeexec::reconciler
