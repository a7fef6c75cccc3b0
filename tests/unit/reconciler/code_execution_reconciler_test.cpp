#include "codeexec/reconciler/code_execution_reconciler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mini_cluster.hpp"

namespace codeexec::reconciler {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

json code(std::string const& text = "print('hi')") {
  return {{"code", text}};
}

/// Brings an execution from nothing to its stored result: the code prints "hi" and exits with 0.
void run_to_end(mini_cluster& cluster, operator_process& op) {
  op.settle();
  cluster.run_nodes();
  op.settle();
  auto const* const pod = cluster.first("pods");
  if (pod != nullptr && !cluster.open_logs.empty()) {
    auto const lines = "stdout F hi\nresult F " + mini_cluster::result(mini_cluster::token_of(*pod)) + "\n";
    for (auto const& stream : cluster.open_logs)
      stream->push(lines);
  }
  op.settle();
}

TEST(Reconciler, AnExecutionCostsSixRequests) {
  mini_cluster cluster;
  operator_process op(cluster);
  // The namespace has its runner already.
  cluster.apply("first", code());
  op.settle("first");
  cluster.calls.clear();
  cluster.remove("codeexecutions/agents/first");
  op.settle("first");

  cluster.apply("hello", code());
  run_to_end(cluster, op);
  EXPECT_THAT(cluster.calls, ElementsAre("PATCH codeexecutions", "POST jobs", "POST configmaps", "GET pods/log",
                                         "PATCH codeexecutions/status", "DELETE jobs"));
  EXPECT_EQ(cluster.status()["phase"], "Succeeded");
  EXPECT_EQ(cluster.status()["stdout"], "hi\n");
  EXPECT_EQ(cluster.status()["sandbox"]["verified"], true);
  EXPECT_FALSE(cluster.has("jobs"));
  EXPECT_FALSE(cluster.has("pods"));
  EXPECT_EQ(cluster.count("configmaps"), 1U) << "only the namespace's runner stays";
  EXPECT_EQ(op.reconciler.records(), 0U);
  EXPECT_EQ(op.reconciler.log_readers(), 0U);
}

TEST(Reconciler, FollowedLogIsReadToItsEndBesideSoThatItsConnectionServesAgain) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", code());
  run_to_end(cluster, op);
  ASSERT_EQ(cluster.open_logs.size(), 1U);
  auto const& log = *cluster.open_logs.front();
  EXPECT_EQ(cluster.status()["phase"], "Succeeded") << "the result does not wait for the end of the log";
  EXPECT_TRUE(log.is_open());
  EXPECT_EQ(op.reconciler.log_readers(), 0U) << "nor does the next follower";
  cluster.open_logs.front()->push("stdout F nobody reads this any more\n");
  cluster.open_logs.front()->end();
  op.settle();
  EXPECT_FALSE(log.is_open());
  EXPECT_EQ(log.unread(), 0U);
  EXPECT_EQ(cluster.status()["stdout"], "hi\n");
}

TEST(Reconciler, ACreatorThatSetsTheFinalizerSavesNothingAndLosesNothing) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", code(), {{"finalizers", json::array({"codeexec.dev/cleanup"})}});
  run_to_end(cluster, op);
  EXPECT_EQ(cluster.status()["phase"], "Succeeded");
  EXPECT_THAT(cluster.calls,
              ElementsAre("GET pods", "GET codeexecutions", "GET events", "GET configmaps", "POST configmaps",
                          "POST networkpolicies", "POST jobs", "GET codeexecutions", "GET pods", "POST configmaps",
                          "GET pods/log", "PATCH codeexecutions/status", "DELETE jobs"));
}

/// Decided long ago that nothing had run, and another operator has run it since: its Job is deleted by somebody the
/// moment before this one's creation arrives.
TEST(Reconciler, AJobThatCameAfterAnotherOfItsNameIsNotSentTheInput) {
  for (std::string const left : {"pod", "status", "event"}) {
    SCOPED_TRACE(left);
    mini_cluster cluster;
    cluster.apply("hello", code(), {{"finalizers", json::array({"codeexec.dev/cleanup"})}});
    cluster.on_create = [&](std::string const& plural, json const& object) -> std::optional<kube::error> {
      if (plural != "jobs") return std::nullopt;
      auto const name = object["metadata"]["name"].get<std::string>();
      if (left == "pod") {
        json pod = object["spec"]["template"];
        pod["metadata"]["name"] = name + "-first";
        json const owner{
            {"apiVersion", "batch/v1"}, {"kind", "Job"}, {"name", name}, {"uid", "jobs-1"}, {"controller", true}};
        pod["metadata"]["ownerReferences"] = json::array({owner});
        pod["status"] = {{"phase", "Running"}};
        cluster.create("pods", std::move(pod));
      } else if (left == "event") {
        // The pod has had the time to go, too.
        cluster.clock.advance(6s);
        cluster.create("events", {{"metadata", {{"name", name + ".1"}}},
                                  {"involvedObject", {{"kind", "Job"}, {"name", name}, {"uid", "jobs-1"}}},
                                  {"type", "Normal"},
                                  {"reason", "SuccessfulCreate"}});
      } else {
        cluster.execution()["status"] = {{"phase", "Running"},
                                         {"reason", "Running"},
                                         {"jobName", name},
                                         {"timeline", {{"jobCreated", "2026-01-31T09:59:50.123456Z"}}}};
        cluster.touch(cluster.execution());
      }
      return std::nullopt;
    };
    operator_process op(cluster);
    op.settle();
    for (int i = 0; i < 5; ++i) {
      cluster.clock.advance(2s);
      op.settle();
    }
    EXPECT_EQ(cluster.status()["reason"], "OutputLost");
    EXPECT_FALSE(cluster.has("jobs"));
    auto const inputs = [&] {
      int count = 0;
      for (auto const& [key, object] : cluster.objects)
        count += key.starts_with("configmaps/hello") ? 1 : 0;
      return count;
    };
    EXPECT_EQ(inputs(), 0) << "the code would run a second time";
  }
}

class DeletedByHand : public ::testing::TestWithParam<std::string> {};

/// The operator dies before it has written any status, somebody deletes the Job, and this is all that is left of it.
TEST_P(DeletedByHand, IsNotMadeAgainWhereAnythingTellsOfIt) {
  mini_cluster cluster;
  cluster.apply("hello", code());
  {
    operator_process op(cluster);
    op.settle();
    cluster.run_nodes();
  }
  ASSERT_FALSE(cluster.execution().contains("status"));
  ASSERT_EQ(cluster.pods_started, 1);
  auto const before = cluster.objects;
  auto const job = *cluster.first("jobs");
  auto const name = job["metadata"]["name"].get<std::string>();
  cluster.remove(mini_cluster::id("jobs", name));
  for (auto const& [key, object] : before) {
    bool const owned_by_job = object["metadata"].contains("ownerReferences") && !key.starts_with("jobs/");
    if (owned_by_job && key.starts_with(GetParam())) cluster.objects[key] = object;
  }
  if (GetParam() == "events/") {
    cluster.events.push_back({{"metadata", {{"name", "e"}, {"namespace", "agents"}}},
                              {"involvedObject", {{"kind", "Job"}, {"name", name}}},
                              {"reason", "SuccessfulCreate"}});
  }
  operator_process again(cluster);
  again.settle();
  cluster.run_nodes();
  again.settle();
  bool const told = GetParam() != "nothing";
  EXPECT_EQ(cluster.jobs_ever, told ? 1 : 2);
  bool const lost = told && GetParam() != "pods/";
  EXPECT_EQ(cluster.status().value("reason", ""), lost ? "OutputLost" : "");
}

INSTANTIATE_TEST_SUITE_P(, DeletedByHand, ::testing::Values("events/", "configmaps/", "pods/", "nothing"),
                         [](auto const& one) { return one.param.substr(0, one.param.find('/')); });

TEST(Reconciler, AResultIsNotGivenUpWhereTheWatchOfPodsLags) {
  mini_cluster cluster;
  operator_process op(cluster);
  op.pods_lag = true;
  cluster.apply("hello", code());
  op.settle();
  cluster.run_nodes();
  cluster.end_containers([](auto const& token) { return mini_cluster::result(token); });
  auto& job = *cluster.first("jobs");
  job["status"]["conditions"] = json::array({{{"type", "Complete"},
                                              {"status", "True"},
                                              {"lastTransitionTime", base::format_time(cluster.clock.wall_now())}}});
  cluster.touch(job);
  op.settle();
  EXPECT_NE(cluster.status()["phase"], "Failed");
  cluster.clock.advance(5s);
  op.settle();
  EXPECT_EQ(cluster.status()["phase"], "Succeeded");
  EXPECT_EQ(cluster.status()["stdout"], "hi\n");
  EXPECT_THAT(cluster.calls, ::testing::Contains("GET pods"));
}

TEST(Reconciler, AResultInTheTerminationMessageNeedsNoLog) {
  mini_cluster cluster;
  cluster.log_available = false;
  operator_process op(cluster);
  cluster.apply("hello", code());
  op.settle();
  cluster.run_nodes();
  cluster.end_containers([](auto const& token) { return mini_cluster::result(token); });
  op.settle();
  EXPECT_EQ(cluster.status()["phase"], "Succeeded");
  EXPECT_EQ(cluster.status()["stdout"], "hi\n");
  EXPECT_THAT(cluster.calls, Not(::testing::Contains("GET pods/log")));
}

TEST(Reconciler, EachStepIsToldOnce) {
  mini_cluster cluster;
  operator_process op(cluster);
  std::vector<std::string> told;
  op.reconciler.on_occurrence([&](kube::occurrence const& what) { told.push_back(what.reason); });
  cluster.apply("hello", code());
  run_to_end(cluster, op);
  op.settle();
  EXPECT_THAT(told, ElementsAre("JobCreated", "Completed"));
}

TEST(Reconciler, ARefusedChildIsToldAndSoIsTheEnd) {
  mini_cluster cluster;
  operator_process op(cluster);
  std::vector<kube::occurrence> told;
  op.reconciler.on_occurrence([&](kube::occurrence const& what) { told.push_back(what); });
  cluster.on_create = [&](std::string const& plural, json const&) -> std::optional<kube::error> {
    if (plural != "jobs") return std::nullopt;
    return kube::error::from_status(
        403,
        R"({"kind":"Status","reason":"Forbidden","message":"jobs.batch \"x\" is forbidden: exceeded quota: q","code":403})");
  };
  cluster.apply("hello", code());
  op.settle();
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told.front().reason, "FailedCreate");
  EXPECT_THAT(told.front().note, HasSubstr("exceeded quota"));
  EXPECT_EQ(told.front().severity, kube::event_severity::warning);
  EXPECT_EQ(told.front().regarding.uid, cluster.execution()["metadata"]["uid"]);
  for (int i = 0; i < 100 && cluster.status().value("phase", "") != "Failed"; ++i) {
    cluster.clock.advance(10s);
    op.settle();
  }
  EXPECT_EQ(told.back().reason, "QuotaExceeded");
  EXPECT_EQ(told.back().severity, kube::event_severity::warning);
}

class DeniedJob : public ::testing::TestWithParam<std::pair<int, char const*>> {};

TEST_P(DeniedJob, EndsWithTheWordsOfAdmissionWhateverItsCode) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.on_create = [&](std::string const& plural, json const&) -> std::optional<kube::error> {
    if (plural != "jobs") return std::nullopt;
    json const body{{"kind", "Status"}, {"code", GetParam().first}, {"message", GetParam().second}};
    return kube::error::from_status(GetParam().first, body.dump());
  };
  cluster.apply("hello", code());
  op.settle();
  EXPECT_EQ(cluster.status()["reason"], "PodRejected");
  EXPECT_THAT(cluster.status()["message"].get<std::string>(), HasSubstr("no jobs on Fridays"));
}

INSTANTIATE_TEST_SUITE_P(
    , DeniedJob,
    ::testing::Values(std::pair{400, R"(admission webhook "x.example.com" denied the request: no jobs on Fridays)"},
                      std::pair{403, R"(admission webhook "x.example.com" denied the request: no jobs on Fridays)"},
                      std::pair{422,
                                R"(jobs.batch "hello" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' )"
                                R"(denied request: no jobs on Fridays)"}));

TEST(Reconciler, PendingAndRunningAreWrittenOnlyWhereTheyLast) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", code());
  op.settle();
  EXPECT_FALSE(cluster.execution().contains("status"));
  cluster.clock.advance(1500ms);
  op.settle();
  EXPECT_EQ(cluster.status()["phase"], "Pending");
  EXPECT_EQ(cluster.status()["jobName"], (*cluster.first("jobs"))["metadata"]["name"]);
  cluster.run_nodes();
  op.settle();
  EXPECT_EQ(cluster.status()["phase"], "Pending");
  cluster.clock.advance(1500ms);
  op.settle();
  EXPECT_EQ(cluster.status()["phase"], "Running");
  auto const calls = cluster.calls.size();
  cluster.clock.advance(60s);
  op.settle();
  op.settle();
  EXPECT_EQ(cluster.calls.size(), calls) << "a state that stands is not written again";
}

TEST(Reconciler, OwnWritesCountBeforeTheWatchShowsThem) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", code());
  op.watch();
  op.settle("hello", false);
  op.settle("hello", false);
  EXPECT_THAT(cluster.calls, ElementsAre("PATCH codeexecutions", "POST configmaps", "POST networkpolicies", "POST jobs",
                                         "POST configmaps"));
  cluster.run_nodes();
  run_to_end(cluster, op);
  EXPECT_EQ(cluster.status()["phase"], "Succeeded");
  EXPECT_EQ(cluster.jobs_ever, 1);
}

TEST(Reconciler, AnInvalidSpecCostsOneRequest) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", {{"code", "x"}, {"language", "cobol"}});
  op.settle();
  EXPECT_THAT(cluster.calls, ElementsAre("PATCH codeexecutions/status"));
  EXPECT_EQ(cluster.status()["reason"], "InvalidSpec");
}

TEST(Reconciler, ARestartedOperatorAsksNothingAboutWhatIsFinished) {
  mini_cluster cluster;
  {
    operator_process op(cluster);
    cluster.apply("hello", code());
    run_to_end(cluster, op);
  }
  cluster.calls.clear();
  operator_process again(cluster);
  again.settle();
  EXPECT_TRUE(cluster.calls.empty());
  EXPECT_EQ(again.reconciler.records(), 0U);
}

TEST(Reconciler, AForeignJobUnderTheNameIsLeftAlone) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", code());
  op.watch();
  auto const name = execution::child_name(op.executions.get(runtime::object_key("agents", "hello"))->metadata);
  cluster.create("jobs", {{"metadata", {{"name", name}}}, {"spec", json::object()}});
  cluster.jobs_ever = 0;
  op.settle();
  EXPECT_EQ(cluster.status()["reason"], "InternalError");
  EXPECT_THAT(cluster.status()["message"].get<std::string>(), HasSubstr(name));
  EXPECT_TRUE(cluster.has("jobs"));
  EXPECT_THAT(cluster.calls, Not(::testing::Contains("DELETE jobs")));
}

TEST(Reconciler, ARunnerConfigMapWithOtherContentIsNeverUsed) {
  mini_cluster cluster;
  auto const name = execution::runner_config_map_name(base::sha256_hex("runner's bytes"));
  cluster.create("configmaps",
                 {{"metadata", {{"name", name}}}, {"binaryData", {{"codeexec-runner", base::base64_encode("evil")}}}});
  operator_process op(cluster);
  cluster.apply("hello", code());
  op.settle();
  EXPECT_EQ(cluster.jobs_ever, 0);
  cluster.clock.advance(2s);
  op.settle();
  EXPECT_THAT(cluster.status()["message"].get<std::string>(), HasSubstr(name));
  cluster.remove("configmaps/agents/" + name);
  cluster.clock.advance(10s);
  op.settle();
  EXPECT_EQ(cluster.jobs_ever, 1) << "it heals once the ConfigMap is gone";
}

TEST(Reconciler, ARunnerConfigMapOfAnotherOperatorIsCheckedOncePerMinute) {
  mini_cluster cluster;
  auto const name = execution::runner_config_map_name(base::sha256_hex("runner's bytes"));
  cluster.create("configmaps", {{"metadata", {{"name", name}}},
                                {"binaryData", {{"codeexec-runner", base::base64_encode("runner's bytes")}}}});
  operator_process op(cluster);
  for (int i = 0; i < 5; ++i) {
    cluster.apply("e" + std::to_string(i), code());
    op.settle("e" + std::to_string(i));
  }
  EXPECT_EQ(cluster.jobs_ever, 5);
  auto const gets = std::count(cluster.calls.begin(), cluster.calls.end(), "GET configmaps");
  EXPECT_EQ(gets, 1);
}

TEST(Reconciler, AQuotaOnJobsIsShownAndTriedAgain) {
  mini_cluster cluster;
  bool full = true;
  cluster.on_create = [&](std::string const& plural, json const&) -> std::optional<kube::error> {
    if (plural != "jobs" || !full) return std::nullopt;
    return kube::error::from_status(
        403,
        R"({"kind":"Status","reason":"Forbidden","message":"jobs.batch \"x\" is forbidden: exceeded quota: q","code":403})");
  };
  operator_process op(cluster);
  cluster.apply("hello", code());
  op.settle();
  cluster.clock.advance(2s);
  op.settle();
  EXPECT_EQ(cluster.status()["phase"], "Pending");
  EXPECT_THAT(cluster.status()["message"].get<std::string>(), HasSubstr("exceeded quota"));
  full = false;
  cluster.clock.advance(10s);
  run_to_end(cluster, op);
  EXPECT_EQ(cluster.status()["phase"], "Succeeded");
}

TEST(Reconciler, AMissingRuntimeClassIsReadFromTheJobsEvents) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", code());
  op.settle();
  cluster.events.push_back(
      {{"metadata", {{"name", "e"}, {"namespace", "agents"}}},
       {"involvedObject", {{"kind", "Job"}, {"uid", "x"}}},
       {"type", "Warning"},
       {"reason", "FailedCreate"},
       {"message", R"(Error creating: pods "hello-" is forbidden: pod rejected: RuntimeClass "gvisor" not found)"}});
  cluster.clock.advance(1200ms);
  op.settle();
  EXPECT_EQ(cluster.status()["reason"], "RuntimeClassMissing");
  EXPECT_FALSE(cluster.has("jobs"));
}

TEST(Reconciler, LooksAtEventsTakeTurnsAndNobodyLooksWhosePodHasCome) {
  mini_cluster cluster;
  operator_process op(cluster);
  std::vector<std::string> const names{"a", "b", "c", "d"};
  for (auto const& name : names) {
    cluster.apply(name, code());
    op.settle(name);
  }
  auto const looks = [&] { return std::count(cluster.calls.begin(), cluster.calls.end(), "GET events"); };
  auto const all_pass = [&] {
    for (auto const& name : names)
      op.settle(name);
  };
  cluster.clock.advance(1200ms);
  all_pass();
  EXPECT_EQ(looks(), 1) << "the others have their turns";
  cluster.clock.advance(20ms);
  all_pass();
  EXPECT_EQ(looks(), 2);
  cluster.run_nodes();
  cluster.clock.advance(1s);
  all_pass();
  EXPECT_EQ(looks(), 2);
}

TEST(Reconciler, AStatusThatIsTooLargeForTheServerIsWrittenWithLessOutput) {
  mini_cluster cluster;
  cluster.on_status = [](json const& patch) -> std::optional<kube::error> {
    if (patch.dump().size() < 20000) return std::nullopt;
    return kube::error::from_status(413, "etcdserver: request is too large");
  };
  operator_process op(cluster);
  cluster.apply("hello", code());
  op.settle();
  cluster.run_nodes();
  op.settle();
  auto const token = mini_cluster::token_of(*cluster.first("pods"));
  std::string lines;
  for (int i = 0; i < 60; ++i)
    lines += "stdout F " + std::string(999, 'x') + "\n";
  cluster.open_logs.at(0)->push(lines + "result F {\"v\":1,\"token\":\"" + token +
                                "\",\"end\":\"exited\",\"exitCode\":0,\"stdoutBytes\":60000,\"stderrBytes\":0}\n");
  op.settle();
  EXPECT_EQ(cluster.status()["phase"], "Succeeded");
  EXPECT_EQ(cluster.status()["output"]["stdoutBytes"], 60000);
  EXPECT_EQ(cluster.status()["output"]["stdoutTruncated"], true);
}

TEST(Reconciler, SomebodyElsesChangeDoesNotLoseTheResult) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", code());
  op.settle();
  cluster.run_nodes();
  op.settle();
  bool labelled = false;
  cluster.fault_at = [&](std::size_t, kube::request const& r) {
    if (r.subresource == "status" && !std::exchange(labelled, true)) {
      cluster.execution()["metadata"]["labels"] = {{"team", "a"}};
      cluster.touch(cluster.execution());
    }
    return mini_cluster::fault::none;
  };
  run_to_end(cluster, op);
  EXPECT_TRUE(labelled);
  EXPECT_EQ(cluster.status()["phase"], "Succeeded");
  EXPECT_EQ(cluster.execution()["metadata"]["labels"]["team"], "a");
}

TEST(Reconciler, AResultThatAnotherOperatorWroteStands) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", code());
  op.settle();
  cluster.run_nodes();
  op.settle();
  cluster.execution()["status"] = {{"phase", "Succeeded"}, {"reason", "Completed"}, {"stdout", "theirs\n"}};
  cluster.touch(cluster.execution());
  cluster.end_containers(
      [](auto const& token) { return mini_cluster::result(token, R"("end":"exited","exitCode":1)"); });
  // Their write is not in our watch yet.
  op.settle("hello", false);
  op.settle();
  EXPECT_EQ(cluster.status()["stdout"], "theirs\n");
  EXPECT_EQ(cluster.status()["phase"], "Succeeded");
}

TEST(Reconciler, AnOperatorWithAnOldViewDoesNotRunAFinishedExecutionAgain) {
  mini_cluster cluster;
  cluster.apply("hello", code(), {{"finalizers", json::array({"codeexec.dev/cleanup"})}});
  operator_process late(cluster);
  late.watch();  // what it sees stays as it is now
  {
    operator_process op(cluster);
    run_to_end(cluster, op);
  }
  ASSERT_EQ(cluster.status()["phase"], "Succeeded");
  ASSERT_EQ(cluster.pods_started, 1);
  late.settle("hello", false);
  cluster.run_nodes();
  late.settle("hello", false);
  EXPECT_EQ(cluster.pods_started, 1);
  EXPECT_FALSE(cluster.has("jobs"));
}

TEST(Reconciler, AReadThatFailedDoesNotConfirmThatNobodyElseRanIt) {
  mini_cluster cluster;
  cluster.apply("hello", code());
  operator_process late(cluster);
  late.watch();  // what it sees stays as it is now
  int reads = 0;
  cluster.fault_at = [&](std::size_t, kube::request const& r) {
    if (r.resource_name == "jobs" && r.method == kube::verb::post) {
      // Its request takes so long that another operator brings the execution to its end.
      cluster.clock.advance(2s);
      cluster.execution()["status"] = {{"phase", "Succeeded"}, {"reason", "Completed"}, {"stdout", "theirs\n"}};
      cluster.touch(cluster.execution());
    }
    bool const confirms = r.resource_name == "codeexecutions" && r.method == kube::verb::get;
    return confirms && ++reads == 1 ? mini_cluster::fault::refused : mini_cluster::fault::none;
  };
  late.settle("hello", false);
  cluster.run_nodes();
  EXPECT_GT(reads, 1);
  EXPECT_EQ(cluster.pods_started, 0);
}

TEST(Reconciler, APodsLastWordCountsThoughItIsGoneBeforeAnyPass) {
  mini_cluster cluster;
  cluster.log_available = false;
  operator_process op(cluster);
  cluster.apply("hello", code());
  op.settle();
  cluster.run_nodes();
  op.settle();
  auto const name = (*cluster.first("pods"))["metadata"]["name"].get<std::string>();
  cluster.end_containers([](auto const& token) { return mini_cluster::result(token); });
  auto last = std::get<kube::Pod>(kube::decode_pod(*cluster.first("pods")));
  cluster.remove(mini_cluster::id("pods", name));
  op.pods.erase(runtime::object_key("agents", name), std::make_shared<kube::Pod const>(std::move(last)));
  op.settle();
  EXPECT_EQ(cluster.status()["phase"], "Succeeded");
  EXPECT_EQ(cluster.status()["stdout"], "hi\n");
}

TEST(Reconciler, ADeletionThatAnAnswerShowsIsNotOverlooked) {
  mini_cluster cluster;
  cluster.apply("hello", code(), {{"finalizers", json::array({"codeexec.dev/cleanup"})}});
  operator_process late(cluster);
  late.watch();  // what it sees stays as it is now
  cluster.delete_execution();
  late.settle("hello", false);
  cluster.run_nodes();
  EXPECT_EQ(cluster.pods_started, 0) << "nothing is sent to run what is being deleted";
}

TEST(Reconciler, ACancelThatAnAnswerShowsIsNotOverlooked) {
  mini_cluster cluster;
  cluster.apply("hello", code(), {{"finalizers", json::array({"codeexec.dev/cleanup"})}});
  operator_process late(cluster);
  late.watch();
  cluster.execution()["spec"]["cancel"] = true;
  cluster.touch(cluster.execution());
  late.settle("hello", false);
  cluster.run_nodes();
  EXPECT_EQ(cluster.pods_started, 0);
}

TEST(Reconciler, ABrokenFollowIsReadOnceMoreAtTheEnd) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", code());
  op.settle();
  cluster.run_nodes();
  op.settle();
  ASSERT_EQ(cluster.open_logs.size(), 1U);
  cluster.open_logs[0]->push("stdout F first half\n");
  cluster.open_logs[0]->fail(kube::error(kube::error_kind::connection, "cut"));
  op.settle();
  cluster.log = "stdout F first half\nstdout F second half\n";
  cluster.end_containers([](auto const& token) {
    return R"({"v":1,"token":")" + token + R"(","end":"exited","exitCode":0,"stdoutBytes":23,"stderrBytes":0})";
  });
  op.settle();
  EXPECT_EQ(cluster.status()["phase"], "Succeeded");
  EXPECT_EQ(cluster.status()["stdout"], "first half\nsecond half\n");
}

TEST(Reconciler, ALogThatTheServerCannotTellWhoAsksForIsAskedForAgain) {
  mini_cluster cluster;
  auto const began = cluster.clock.wall_now();
  cluster.fault_at = [&](std::size_t, kube::request const& r) {
    bool const of_log = r.target.find("/log") != std::string::npos;
    return of_log && cluster.clock.wall_now() - began < 20s ? mini_cluster::fault::unauthorized
                                                            : mini_cluster::fault::none;
  };
  operator_process op(cluster);
  cluster.apply("hello", code());
  op.settle();
  cluster.run_nodes();
  op.settle();
  cluster.log = "stdout F all of it\n";
  cluster.end_containers([](auto const& token) {
    return R"({"v":1,"token":")" + token + R"(","end":"exited","exitCode":0,"stdoutBytes":10,"stderrBytes":0})";
  });
  for (int i = 0; i < 30 && cluster.status().value("phase", "") != "Succeeded"; ++i) {
    op.settle();
    cluster.clock.advance(1s);
  }
  EXPECT_EQ(cluster.status()["phase"], "Succeeded") << cluster.status().dump();
  EXPECT_EQ(cluster.status()["stdout"], "all of it\n");
}

TEST(Reconciler, ACancelThatTheServerDoesNotTakeJustNowStillLeavesTheOutput) {
  for (auto const fault :
       {mini_cluster::fault::unauthorized, mini_cluster::fault::conflict, mini_cluster::fault::expired}) {
    SCOPED_TRACE(static_cast<int>(fault));
    mini_cluster cluster;
    int refusals = 0;
    cluster.fault_at = [&](std::size_t, kube::request const& r) {
      bool const of_pod = r.method == kube::verb::patch && r.target.find("/pods/") != std::string::npos;
      return of_pod && ++refusals <= 2 ? fault : mini_cluster::fault::none;
    };
    operator_process op(cluster);
    cluster.apply("hello", code());
    op.settle();
    cluster.run_nodes();
    op.settle();
    cluster.execution()["spec"]["cancel"] = true;
    cluster.touch(cluster.execution());
    op.settle();
    EXPECT_EQ((*cluster.first("pods"))["spec"]["activeDeadlineSeconds"], 1);
    EXPECT_TRUE(cluster.has("jobs")) << "the pod would take its output along";
  }
}

TEST(Reconciler, AnExecutionThatTheServerCannotDeleteJustNowIsDeletedAllTheSame) {
  mini_cluster cluster;
  int refusals = 0;
  cluster.fault_at = [&](std::size_t, kube::request const& r) {
    bool const of_it = r.method == kube::verb::remove && r.target.find("/codeexecutions/") != std::string::npos;
    return of_it && ++refusals <= 2 ? mini_cluster::fault::conflict : mini_cluster::fault::none;
  };
  operator_process op(cluster);
  auto spec = code();
  spec["ttlSecondsAfterFinished"] = 5;
  cluster.apply("hello", spec);
  run_to_end(cluster, op);
  EXPECT_EQ(cluster.status()["phase"], "Succeeded");
  cluster.clock.advance(10s);
  op.settle();
  EXPECT_FALSE(cluster.has("codeexecutions")) << "nothing else would look at it again";
  EXPECT_EQ(refusals, 3);
}

TEST(Reconciler, BeyondTheBoundOfFollowersThePodsStatusServes) {
  mini_cluster cluster;
  execution::config config;
  config.max_log_followers = 1;
  operator_process op(cluster, config);
  cluster.apply("a", code());
  cluster.apply("b", code());
  op.settle("a");
  op.settle("b");
  cluster.run_nodes();
  op.settle("a");
  op.settle("b");
  EXPECT_EQ(op.reconciler.log_readers(), 1U);
  EXPECT_EQ(cluster.open_logs.size(), 1U);
  cluster.end_containers([](auto const& token) { return mini_cluster::result(token); });
  op.settle("b");
  EXPECT_EQ(cluster.status("b")["phase"], "Succeeded");
}

TEST(Reconciler, DeletionStopsTheCodeBeforeItLetsGo) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", code());
  op.settle();
  cluster.run_nodes();
  op.settle();
  cluster.calls.clear();
  cluster.delete_execution();
  op.settle();
  EXPECT_THAT(cluster.calls, ElementsAre("DELETE jobs", "PATCH codeexecutions"));
  EXPECT_FALSE(cluster.has("codeexecutions"));
  EXPECT_FALSE(cluster.has("jobs"));
  EXPECT_FALSE(cluster.has("pods"));
  for (auto const& stream : cluster.open_logs)
    stream->end();
  op.settle();
  EXPECT_EQ(op.reconciler.records(), 0U);
}

TEST(Reconciler, DeletionKeepsTheFinalizersOfOthers) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", code(), {{"finalizers", json::array({"other.dev/x"})}});
  op.settle();
  EXPECT_EQ(cluster.execution()["metadata"]["finalizers"], json::array({"other.dev/x", "codeexec.dev/cleanup"}));
  cluster.delete_execution();
  op.settle();
  EXPECT_EQ(cluster.execution()["metadata"]["finalizers"], json::array({"other.dev/x"}));
  EXPECT_FALSE(cluster.has("jobs"));
}

TEST(Reconciler, CancelStopsARunningCodeAndKeepsItsOutput) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", code());
  op.settle();
  cluster.run_nodes();
  op.settle();
  auto const token = mini_cluster::token_of(*cluster.first("pods"));
  cluster.execution()["spec"]["cancel"] = true;
  cluster.touch(cluster.execution());
  op.settle();
  EXPECT_EQ((*cluster.first("pods"))["spec"]["activeDeadlineSeconds"], 1);
  EXPECT_TRUE(cluster.has("jobs")) << "the pod would take its output along";
  cluster.open_logs.at(0)->push("stdout F so far\nresult F {\"v\":1,\"token\":\"" + token +
                                "\",\"end\":\"terminated\",\"signal\":15,\"stdoutBytes\":7,\"stderrBytes\":0}\n");
  op.settle();
  EXPECT_EQ(cluster.status()["reason"], "Cancelled");
  EXPECT_EQ(cluster.status()["stdout"], "so far\n");
  EXPECT_FALSE(cluster.has("jobs"));
}

TEST(Reconciler, ACancelKeepsTheOutputOfAPodThatNoWatchHasShown) {
  mini_cluster cluster;
  operator_process op(cluster);
  op.pods_lag = true;
  cluster.apply("hello", code());
  op.settle();
  cluster.run_nodes();
  cluster.execution()["spec"]["cancel"] = true;
  cluster.touch(cluster.execution());
  op.settle();
  EXPECT_EQ((*cluster.first("pods"))["spec"]["activeDeadlineSeconds"], 1);
  EXPECT_TRUE(cluster.has("jobs")) << "the pod would take its output along";
}

TEST(Reconciler, ACancelKeepsTheOutputOfAPodThatTheWatchShowsWithoutItsNode) {
  mini_cluster cluster;
  operator_process op(cluster);
  cluster.apply("hello", code());
  op.settle();
  cluster.run_nodes();
  auto& pod = *cluster.first("pods");
  auto const started = pod;
  pod["spec"].erase("nodeName");
  pod["status"] = {{"phase", "Pending"}};
  cluster.touch(pod);
  op.settle();
  op.pods_lag = true;
  pod = started;
  cluster.touch(pod);
  cluster.execution()["spec"]["cancel"] = true;
  cluster.touch(cluster.execution());
  op.settle();
  EXPECT_EQ(pod["spec"]["activeDeadlineSeconds"], 1);
  EXPECT_TRUE(cluster.has("jobs")) << "the pod would take its output along";

  // A watch that is behind comes by what is older than the answer.
  auto const newest = pod;
  pod["spec"].erase("nodeName");
  pod["status"] = {{"phase", "Pending"}};
  pod["metadata"]["resourceVersion"] = "50";
  op.pods_lag = false;
  op.settle();
  EXPECT_TRUE(cluster.has("jobs"));
  pod = newest;

  // What the watch shows then is what counts again.
  cluster.log = "stdout F so far\n";
  cluster.end_containers(
      [](auto const& token) { return mini_cluster::result(token, R"("end":"terminated","signal":15)"); });
  op.settle();
  EXPECT_EQ(cluster.status()["reason"], "Cancelled");
  EXPECT_EQ(cluster.status()["stdout"], "hi\n");
  EXPECT_FALSE(cluster.has("jobs"));
}

TEST(Reconciler, ACancelWithoutTheRightToEndThePodDeletesTheJob) {
  mini_cluster cluster;
  cluster.fault_at = [](std::size_t, kube::request const& r) {
    bool const of_pod = r.method == kube::verb::patch && r.target.find("/pods/") != std::string::npos;
    return of_pod ? mini_cluster::fault::forbidden : mini_cluster::fault::none;
  };
  operator_process op(cluster);
  cluster.apply("hello", code());
  op.settle();
  cluster.run_nodes();
  op.settle();
  cluster.execution()["spec"]["cancel"] = true;
  cluster.touch(cluster.execution());
  op.settle();
  EXPECT_FALSE(cluster.has("jobs"));
}

// --- nothing lost
// -------------------------------------------------------------------------------------------------------

/// The whole life of an execution, with whatever happens on the way; returns once the result is stored and cleaned up.
void live(mini_cluster& cluster, std::function<std::unique_ptr<operator_process>()> const& start) {
  auto op = start();
  for (int i = 0; i < 40; ++i) {
    try {
      op->settle();
    } catch (std::runtime_error const&) {
      ADD_FAILURE() << "no rest";
      return;
    }
    bool const finished =
        cluster.status().value("phase", "") == "Succeeded" || cluster.status().value("phase", "") == "Failed";
    if (finished && !cluster.has("jobs")) return;
    cluster.run_nodes();
    if (i >= 3) cluster.end_containers([](auto const& token) { return mini_cluster::result(token); });
    cluster.clock.advance(2s);
  }
}

void expect_one_good_run(mini_cluster& cluster) {
  EXPECT_EQ(cluster.status()["phase"], "Succeeded");
  EXPECT_EQ(cluster.status()["stdout"], "hi\n");
  EXPECT_EQ(cluster.jobs_ever, 1);
  EXPECT_EQ(cluster.pods_started, 1);
  EXPECT_FALSE(cluster.has("jobs"));
  EXPECT_FALSE(cluster.has("pods"));
  EXPECT_LE(cluster.count("configmaps"), 1U);
}

class EveryCall : public ::testing::TestWithParam<mini_cluster::fault> {};

TEST_P(EveryCall, MayFailOnceWithTheSameResult) {
  std::size_t calls = 0;
  for (std::size_t bad = 0; bad <= calls + 1; ++bad) {
    mini_cluster cluster;
    cluster.apply("hello", code());
    cluster.fault_at = [&](std::size_t index, kube::request const&) {
      return index == bad ? GetParam() : mini_cluster::fault::none;
    };
    live(cluster, [&] { return std::make_unique<operator_process>(cluster); });
    SCOPED_TRACE("call " + std::to_string(bad) + " of " + std::to_string(cluster.calls.size()));
    expect_one_good_run(cluster);
    calls = std::max(calls, cluster.calls.size());
    if (HasFailure()) return;
  }
  EXPECT_GT(calls, 6U);
}

TEST_P(EveryCall, MayBeTheOperatorsLast) {
  for (std::size_t last = 0; last < 12; ++last) {
    mini_cluster cluster;
    cluster.apply("hello", code());
    bool killed = false;
    cluster.fault_at = [&](std::size_t index, kube::request const&) {
      // From this call on the process does nothing any more: every further call of it fails unseen.
      if (index == last) killed = true;
      return !killed ? mini_cluster::fault::none : index == last ? GetParam() : mini_cluster::fault::refused;
    };
    {
      operator_process first(cluster);
      for (int i = 0; i < 8 && !killed; ++i) {
        for (int p = 0; p < 4 && !killed; ++p) {
          first.watch();
          first.pass();
          cluster.io.restart();
          cluster.io.poll();
        }
        if (killed) break;
        cluster.run_nodes();
        if (i >= 3) cluster.end_containers([](auto const& token) { return mini_cluster::result(token); });
        cluster.clock.advance(2s);
      }
    }
    cluster.fault_at = nullptr;
    cluster.open_logs.clear();
    live(cluster, [&] { return std::make_unique<operator_process>(cluster); });
    SCOPED_TRACE("killed at call " + std::to_string(last));
    expect_one_good_run(cluster);
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(, EveryCall,
                         ::testing::Values(mini_cluster::fault::refused, mini_cluster::fault::lost,
                                           mini_cluster::fault::unauthorized),
                         [](auto const& name) {
                           return name.param == mini_cluster::fault::lost      ? "AnswerLost"
                                  : name.param == mini_cluster::fault::refused ? "NeverArrived"
                                                                               : "AskerUnknown";
                         });

}  // namespace
}  // namespace codeexec::reconciler
