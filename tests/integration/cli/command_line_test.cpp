// The real program against a server that answers by script: what a person at a terminal, and a pipeline, get.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <thread>

#include "codeexec/testing/scripted_api_server.hpp"

#include "child.hpp"

namespace codeexec::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
namespace fs = std::filesystem;
using json = nlohmann::json;

std::string const collection = "/apis/codeexec.dev/v1alpha1/namespaces/default/codeexecutions";
std::string const object_path = collection + "/hello";
std::string const pods_path = "/api/v1/namespaces/default/pods";

json execution(int version, json status = json::object()) {
  json object;
  object["apiVersion"] = "codeexec.dev/v1alpha1";
  object["kind"] = "CodeExecution";
  object["metadata"] = {{"name", "hello"},
                        {"namespace", "default"},
                        {"uid", "u-1"},
                        {"resourceVersion", std::to_string(version)},
                        {"generation", 1},
                        {"creationTimestamp", "2026-01-31T10:00:00Z"},
                        {"managedFields", json::array({json::object()})}};
  object["spec"] = {{"code", "x"}};
  if (!status.empty()) object["status"] = std::move(status);
  return object;
}

json finished(std::string const& out, std::string const& err, int exit_code = 0) {
  json status;
  status["phase"] = exit_code == 0 ? "Succeeded" : "Failed";
  status["reason"] = exit_code == 0 ? "Completed" : "NonZeroExit";
  status["exitCode"] = exit_code;
  status["stdout"] = out;
  status["stderr"] = err;
  status["output"] = {{"stdoutBytes", out.size()}, {"stderrBytes", err.size()}};
  return execution(20, status);
}

json failed(std::string const& reason, std::string const& message) {
  return execution(20, {{"phase", "Failed"}, {"reason", reason}, {"message", message}});
}

json running() {
  return execution(15, {{"phase", "Running"}, {"reason", "Running"}, {"podName", "hello-pod"}});
}

std::string event(std::string const& type, json const& object) {
  return json{{"type", type}, {"object", object}}.dump() + "\n";
}

std::string modified(json const& object) {
  return event("MODIFIED", object);
}

json pod(bool is_running) {
  json object;
  object["metadata"] = {{"name", "hello-pod"}, {"namespace", "default"}, {"resourceVersion", "12"}};
  object["status"]["phase"] = is_running ? "Running" : "Pending";
  if (is_running)
    object["status"]["containerStatuses"] = {{{"name", "code"}, {"state", {{"running", json::object()}}}}};
  return object;
}

std::string list_of(std::vector<json> const& items) {
  return json{{"kind", "List"}, {"metadata", {{"resourceVersion", "30"}}}, {"items", items}}.dump();
}

/// Stays open after its chunks, as a watch does.
reply open_stream(std::vector<std::string> chunks) {
  return reply::stream(std::move(chunks)).unfinished().then(reply::ending::silence);
}

class CommandLine : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "codeexec-cli-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    script_ = (folder_ / "hello.py").string();
    std::ofstream(script_) << "print('hi')\n";
    thread_ = std::thread([this] { loop_.run(); });
    // The usual course of things; tests replace parts of it.
    on("POST", collection, reply::answer(201, execution(10).dump()));
    on("GET", pods_path + "?labelSelector", reply::answer(200, list_of({pod(true)})));
    on("GET", pods_path + "?watch", open_stream({}));
    on("DELETE", object_path, reply::answer(200, R"({"kind":"Status","status":"Success"})"));
  }

  void TearDown() override {
    boost::asio::co_spawn(loop_, server_.stop(), boost::asio::use_future).get();
    guard_.reset();
    thread_.join();
    fs::remove_all(folder_);
  }

  /// The server lives on its own thread.
  template <class F>
  auto on_loop(F what) {
    auto const task = std::make_shared<std::packaged_task<decltype(what())()>>(std::move(what));
    auto result = task->get_future();
    boost::asio::post(loop_, [task] { (*task)(); });
    return result.get();
  }

  void on(std::string method, std::string target, reply one) {
    on(std::move(method), std::move(target), std::vector<reply>{std::move(one)});
  }
  void on(std::string method, std::string target, std::vector<reply> replies) {
    on_loop([this, method, target, replies = std::move(replies)]() mutable {
      server_.on(std::move(method), std::move(target), std::move(replies));
    });
  }
  void on_watch(std::vector<std::string> events) { on("GET", collection + "?watch", open_stream(std::move(events))); }
  void on_log(std::vector<std::string> chunks) {
    on("GET", pods_path + "/hello-pod/log", reply::stream(std::move(chunks)));
  }
  void refuse_pods() {
    auto const body = status_body(403, "Forbidden", "pods is forbidden: User \"agent\" cannot do that");
    on("GET", pods_path, reply::answer(403, body));
  }

  std::vector<std::string> requests(std::string const& method) {
    return on_loop([this, method] {
      std::vector<std::string> found;
      for (auto const& r : server_.requests()) {
        if (r.method == method) found.push_back(r.target);
      }
      return found;
    });
  }
  json body_of_first(std::string const& method) {
    return on_loop([this, method] {
      for (auto const& r : server_.requests()) {
        if (r.method == method) return json::parse(r.body, nullptr, false);
      }
      return json();
    });
  }
  bool wait_for_request(std::string const& method) {
    for (int i = 0; i < 1000; ++i) {
      if (!requests(method).empty()) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }

  std::vector<std::string> words(std::vector<std::string> these) {
    these.insert(these.begin(), {"--server", server_.url()});
    return these;
  }
  std::vector<std::string> run_words(std::vector<std::string> more = {}) {
    auto all = words({"run", script_, "--name", "hello", "-q"});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  fs::path folder_;
  std::string script_;
  boost::asio::io_context loop_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{loop_.get_executor()};
  std::thread thread_;
  scripted_api_server server_{loop_.get_executor()};
};

// ---- run

TEST_F(CommandLine, RunFeelsLikeRunningItHere) {
  on_watch({modified(running()), modified(finished("hi\nthere", "warn\n"))});
  on_log({"stdout F hi\n", "stderr F warn\nstdout P the", "re\nresult F {}\n"});
  child run(run_words());
  EXPECT_EQ(run.wait(), 0);
  EXPECT_EQ(run.out(), "hi\nthere");
  EXPECT_EQ(run.err(), "warn\n");
  EXPECT_EQ(requests("DELETE").size(), 1U);
  EXPECT_EQ(body_of_first("DELETE")["preconditions"]["uid"], "u-1");
}

TEST_F(CommandLine, RunSendsWhatTheFlagsSay) {
  on_watch({modified(finished("", ""))});
  refuse_pods();
  child::settings how;
  how.stdin_text = "input\n";
  child run(run_words({"--env", "A=1", "--timeout", "30s", "--", "--n", "3"}), how);
  EXPECT_EQ(run.wait(), 0);
  auto sent = body_of_first("POST");
  EXPECT_EQ(sent["metadata"]["name"], "hello");
  EXPECT_EQ(sent["spec"]["language"], "python");
  EXPECT_EQ(sent["spec"]["code"], "print('hi')\n");
  EXPECT_EQ(sent["spec"]["args"], json({"--n", "3"}));
  EXPECT_EQ(sent["spec"]["timeoutSeconds"], 30);
  EXPECT_EQ(sent["spec"]["stdin"], "input\n");
  EXPECT_FALSE(sent.contains("status"));
}

TEST_F(CommandLine, AManifestIsSentAsItStandsAndFollowedLikeAScript) {
  on_watch({modified(finished("hi\n", "", 3))});
  refuse_pods();
  auto const path = (folder_ / "hello.yaml").string();
  std::ofstream(path) << "# as kubectl takes it\napiVersion: codeexec.dev/v1alpha1\nkind: CodeExecution\n"
                         "metadata: {name: hello, labels: {team: \"7\"}}\nspec:\n  language: python\n"
                         "  colour: blue\n  timeoutSeconds: 30\n  code: |\n    if True:\n        print('hi')\n";
  child::settings how;
  how.stdin_text = "not for the code\n";
  child run(words({"run", path, "-q"}), how);
  EXPECT_EQ(run.wait(), 3);
  EXPECT_EQ(run.out(), "hi\n");
  auto const sent = body_of_first("POST");
  EXPECT_EQ(sent["metadata"]["labels"]["team"], "7");
  EXPECT_EQ(sent["spec"], json({{"language", "python"},
                                {"colour", "blue"},
                                {"timeoutSeconds", 30},
                                {"code", "if True:\n    print('hi')\n"},
                                {"ttlSecondsAfterFinished", 3600}}));
  EXPECT_THAT(requests("POST").at(0), HasSubstr("fieldValidation=Strict"));
  EXPECT_EQ(requests("DELETE").size(), 1U);
}

TEST_F(CommandLine, AManifestThatCannotBeRunSendsNothing) {
  auto const path = (folder_ / "web.yaml").string();
  std::ofstream(path) << "apiVersion: apps/v1\nkind: Deployment\n";
  child run(words({"run", path}));
  EXPECT_EQ(run.wait(), 2);
  EXPECT_THAT(run.err(), HasSubstr("is a Deployment (apps/v1), not a CodeExecution"));
  EXPECT_THAT(requests("POST"), IsEmpty());
}

TEST_F(CommandLine, AManifestWhoseNameIsTakenIsRefused) {
  auto const there = status_body(409, "AlreadyExists", "codeexecutions.codeexec.dev \"hello\" already exists");
  on("POST", "/apis/codeexec.dev/v1alpha1/namespaces/agents/codeexecutions", reply::answer(409, there));
  auto const path = (folder_ / "hello.json").string();
  std::ofstream(path) << R"({"apiVersion": "codeexec.dev/v1alpha1", "kind": "CodeExecution",)"
                         R"( "metadata": {"name": "hello", "namespace": "agents"}, "spec": {"code": "x"}})";
  child run(words({"run", path}));
  EXPECT_EQ(run.wait(), 125);
  EXPECT_THAT(run.err(), HasSubstr("there is a CodeExecution \"hello\" in namespace \"agents\" already"));
  EXPECT_EQ(requests("POST").size(), 1U);
  EXPECT_THAT(requests("DELETE"), IsEmpty());
}

TEST_F(CommandLine, RunExitsAsTheCodeDid) {
  on_watch({modified(finished("", "Traceback\n", 3))});
  on_log({"stderr F Traceback\nresult F {}\n"});
  child run(run_words());
  EXPECT_EQ(run.wait(), 3);
  EXPECT_EQ(run.err(), "Traceback\n");
}

TEST_F(CommandLine, OutputAppearsWhileTheCodeStillRuns) {
  on_watch({modified(running())});
  on("GET", pods_path + "/hello-pod/log", open_stream({"stdout P progress: 10 %\n"}));
  child run(run_words());
  EXPECT_TRUE(run.wait_for_out("progress: 10 %"));
  run.signal(SIGINT);
  EXPECT_EQ(run.wait(), 130);
}

TEST_F(CommandLine, WithoutRightsOnPodsTheOutputComesAtTheEnd) {
  refuse_pods();
  on_watch({modified(running()), modified(finished("hi\n", "oops\n", 1))});
  child run(run_words());
  EXPECT_EQ(run.wait(), 1);
  EXPECT_EQ(run.out(), "hi\n");
  EXPECT_EQ(run.err(), "oops\n");
}

TEST_F(CommandLine, ALogThatBreaksOffNeitherLosesNorRepeatsOutput) {
  auto const text = std::string("one\ntwo\nthrée\nfour\n");
  std::vector<std::string> const frames{"stdout F one\n", "stdout F two\n", "stdout P thr\xC3\n",
                                        "stdout F \xA9"
                                        "e\n",
                                        "stdout F four\n"};
  for (std::size_t broken_after = 0; broken_after <= frames.size(); ++broken_after) {
    std::string log;
    for (std::size_t i = 0; i < broken_after; ++i)
      log += frames[i];
    on("GET", pods_path + "/hello-pod/log",
       {reply::stream({log + "stdo"}).unfinished().then(reply::ending::reset),
        reply::answer(404, status_body(404, "NotFound", "pods \"hello-pod\" not found"))});
    on("GET", collection + "?watch", open_stream({modified(running()), modified(finished(text, ""))}).slowly(60ms));
    child run(run_words());
    EXPECT_EQ(run.wait(), 0);
    EXPECT_EQ(run.out(), text) << broken_after;
  }
}

TEST_F(CommandLine, ALogThatIsOpenedAgainGoesOnWhereItWas) {
  std::string const all = "stdout F one\nstdout F two\nstdout F three\nresult F {}\n";
  on("GET", pods_path + "/hello-pod/log",
     {reply::stream({all.substr(0, 20)}).unfinished().then(reply::ending::reset), reply::stream({all})});
  // The status never has it: what is printed came from the log.
  auto silent = finished("", "");
  silent["status"]["output"]["stdoutBytes"] = 14;
  on("GET", collection + "?watch", open_stream({modified(running()), modified(silent)}).slowly(400ms));
  child run(run_words());
  EXPECT_EQ(run.wait(), 0);
  EXPECT_EQ(run.out(), "one\ntwo\nthree\n");
}

TEST_F(CommandLine, APodThatIsNotReadyIsAskedAgain) {
  on("GET", pods_path + "/hello-pod/log",
     {reply::answer(400, status_body(400, "BadRequest", "container \"code\" in pod \"hello-pod\" is waiting to start")),
      reply::raw("HTTP/1.1 204 No Content\r\n\r\n"), reply::stream({"stdout F hi\nresult F {}\n"})});
  on_watch({modified(running())});
  child run(run_words());
  EXPECT_TRUE(run.wait_for_out("hi\n"));
  run.signal(SIGTERM);
  EXPECT_EQ(run.wait(), 143);
}

TEST_F(CommandLine, WhatWasLeftOutIsSaidOnStderr) {
  auto cut = finished("head\n[codeexec: 90 bytes of stdout left out]\ntail\n", "");
  cut["status"]["output"] = {{"stdoutBytes", 100},
                             {"stderrBytes", 0},
                             {"stdoutTruncated", true},
                             {"stdoutOmitted", {{"bytes", 90}, {"markerOffset", 5}, {"markerLength", 40}}}};
  refuse_pods();
  on_watch({modified(cut)});
  child run(run_words());
  EXPECT_EQ(run.wait(), 0);
  EXPECT_EQ(run.out(), "head\ntail\n");
  EXPECT_THAT(run.err(), HasSubstr("90 bytes of stdout left out"));
}

TEST_F(CommandLine, WhenNothingMoreIsShownLiveStderrSaysSoUnlessToldToBeQuiet) {
  auto const full = std::string("full F {\"stream\":\"stdout\",\"bytes\":4}\n");
  on_log({"stdout F one\n", full});
  on_watch({modified(running())});
  child told(words({"run", script_, "--name", "hello"}));
  EXPECT_TRUE(told.wait_for_err("codeexec: stdout has more than 4 bytes: the rest is counted"));
  told.signal(SIGTERM);
  EXPECT_EQ(told.wait(), 143);
  on("GET", object_path, reply::answer(200, running().dump()));
  child quiet(words({"logs", "hello", "-q"}));
  EXPECT_EQ(quiet.wait(), 0);
  EXPECT_EQ(quiet.out(), "one\n");
  EXPECT_EQ(quiet.err(), "");
  // Code that has ended by then: what is left out says it all.
  on_log({"stdout F one\n" + full + "dropped F {\"stream\":\"stdout\",\"bytes\":9}\nstdout F end\nresult F {}\n"});
  on("GET", collection + "?watch", open_stream({modified(finished("one\nend\n", ""))}).slowly(200ms));
  child ended(words({"run", script_, "--name", "hello"}));
  EXPECT_EQ(ended.wait(), 0);
  EXPECT_THAT(ended.err(), HasSubstr("9 bytes of stdout left out"));
  EXPECT_THAT(ended.err(), Not(HasSubstr("the rest is counted")));
}

TEST_F(CommandLine, BytesThatTheStatusCannotHoldAreSaidToBeReplaced) {
  auto repaired = finished("a\xEF\xBF\xBD", "");
  repaired["status"]["output"]["stdoutBytes"] = 2;
  on("GET", object_path, reply::answer(200, repaired.dump()));
  child logs(words({"logs", "hello"}));
  EXPECT_EQ(logs.wait(), 0);
  EXPECT_EQ(logs.out(), "a\xEF\xBF\xBD");
  EXPECT_EQ(logs.err(), "codeexec: stdout is not all UTF-8: here, from the status, what is none is U+FFFD\n");
  refuse_pods();
  on_watch({modified(repaired)});
  child run(words({"run", script_, "--name", "hello"}));
  EXPECT_EQ(run.wait(), 0);
  EXPECT_THAT(run.err(), HasSubstr("codeexec: stdout is not all UTF-8"));
}

TEST_F(CommandLine, WaitingForStandardInputIsSaidAlsoWhereItIsToBeQuiet) {
  refuse_pods();
  on_watch({modified(finished("hi\n", ""))});
  child::settings how;
  how.program = "/bin/sh";
  std::string command = "sleep 3 | exec " CODEEXEC_BINARY_DIR "/bin/codeexec";
  for (auto const& word : run_words())
    command += " " + word;
  child run({"-c", command}, how);
  EXPECT_EQ(run.wait(), 0);
  EXPECT_EQ(run.out(), "hi\n");
  EXPECT_EQ(run.err(), "codeexec: reading standard input until it ends (--no-stdin leaves it alone)\n");
}

TEST_F(CommandLine, ATimeoutIs124AndSaysSo) {
  refuse_pods();
  on_watch({modified(failed("TimedOut", "the code ran for 30 s, its limit"))});
  child run(run_words());
  EXPECT_EQ(run.wait(), 124);
  EXPECT_THAT(run.err(), HasSubstr("TimedOut: the code ran for 30 s"));
}

TEST_F(CommandLine, AnImageThatCannotBePulledIs126) {
  refuse_pods();
  on_watch({modified(failed("ImagePullFailed", "no such image"))});
  child run(run_words());
  EXPECT_EQ(run.wait(), 126);
  EXPECT_THAT(run.err(), HasSubstr("no such image"));
}

TEST_F(CommandLine, ARefusalNamesFieldAndReason) {
  on("POST", collection,
     reply::answer(
         422,
         R"({"kind":"Status","status":"Failure","message":"invalid","reason":"Invalid","details":{"causes":[)"
         R"({"reason":"FieldValueInvalid","message":"Invalid value: 9999999","field":"spec.timeoutSeconds"}]},"code":422})"));
  child run(run_words());
  EXPECT_EQ(run.wait(), 125);
  EXPECT_THAT(run.err(), HasSubstr("spec.timeoutSeconds: Invalid value: 9999999"));
  EXPECT_THAT(run.out(), IsEmpty());
}

TEST_F(CommandLine, EveryWayNotToReachAClusterIsASentence) {
  struct scenario {
    int status;
    std::string body;
    int exit_code;
    std::string says;
  };
  for (auto const& s :
       {scenario{401, status_body(401, "Unauthorized", "Unauthorized"), 125, "credentials"},
        scenario{403, status_body(403, "Forbidden", "User \"a\" cannot create"), 125, "you may not create"},
        scenario{404, "404 page not found\n", 125, "operator is not installed"},
        scenario{404, status_body(404, "NotFound", "namespaces \"default\" not found"), 125,
                 "no namespace \"default\""},
        scenario{503, "upstream gone", 126, "Try again"}}) {
    on("POST", collection, reply::answer(s.status, s.body));
    child run(run_words());
    EXPECT_EQ(run.wait(), s.exit_code) << s.says;
    EXPECT_THAT(run.err(), HasSubstr(s.says));
    EXPECT_THAT(run.out(), IsEmpty());
  }
  child nobody({"run", script_, "--server", "http://127.0.0.1:1"});
  EXPECT_EQ(nobody.wait(), 126);
  EXPECT_THAT(nobody.err(), HasSubstr("cannot reach the API server at http://127.0.0.1:1"));
  child nowhere({"run", script_});
  EXPECT_EQ(nowhere.wait(), 126);
  EXPECT_THAT(nowhere.err(), HasSubstr("error: "));
}

TEST_F(CommandLine, ALostAnswerToTheCreationIsLookedUp) {
  on("POST", collection, reply::lost());
  on("GET", collection + "/hello-", reply::answer(200, execution(10).dump()));
  on_watch({modified(finished("hi\n", ""))});
  refuse_pods();
  child run(words({"run", script_, "-q"}));
  EXPECT_EQ(run.wait(), 0);
  EXPECT_EQ(run.out(), "hi\n");
  EXPECT_EQ(requests("POST").size(), 1U);
}

TEST_F(CommandLine, AWatchThatIsCutIsTakenUpAgain) {
  refuse_pods();
  on("GET", collection + "?watch",
     {reply::stream({modified(running()), "{\"type\":\"MODIF"}).unfinished().then(reply::ending::reset),
      open_stream({modified(finished("hi\n", ""))})});
  child run(run_words());
  EXPECT_EQ(run.wait(), 0);
  EXPECT_EQ(run.out(), "hi\n");
  EXPECT_THAT(requests("GET"), ::testing::Contains(HasSubstr("resourceVersion=15")));
}

TEST_F(CommandLine, AWatchThatExpiredIsReplacedByALook) {
  refuse_pods();
  json const gone = {
      {"kind", "Status"}, {"status", "Failure"}, {"reason", "Expired"}, {"message", "too old"}, {"code", 410}};
  on("GET", collection + "?watch", reply::stream({event("ERROR", gone)}));
  on("GET", collection + "?fieldSelector", reply::answer(200, list_of({finished("hi\n", "")})));
  child run(run_words());
  EXPECT_EQ(run.wait(), 0);
  EXPECT_EQ(run.out(), "hi\n");
}

TEST_F(CommandLine, OneThatSomebodyElseDeletesEndsTheRun) {
  refuse_pods();
  on_watch({modified(running()), event("DELETED", running())});
  child run(run_words());
  EXPECT_EQ(run.wait(), 126);
  EXPECT_THAT(run.err(), HasSubstr("was deleted before it ended"));
}

TEST_F(CommandLine, CtrlCStopsTheCodeAndCleansUp) {
  refuse_pods();
  on_watch({modified(running())});
  child run(words({"run", script_, "--name", "hello"}));
  ASSERT_TRUE(run.wait_for_err("running"));
  run.signal(SIGINT);
  EXPECT_EQ(run.wait(), 130);
  EXPECT_THAT(run.err(), HasSubstr("cancelled"));
  EXPECT_EQ(requests("DELETE").size(), 1U);
}

TEST_F(CommandLine, CtrlCWithKeepOnlyCancels) {
  refuse_pods();
  on_watch({modified(running())});
  on("PATCH", object_path, reply::answer(200, running().dump()));
  child run(words({"run", script_, "--name", "hello", "--keep"}));
  ASSERT_TRUE(run.wait_for_err("running"));
  run.signal(SIGINT);
  EXPECT_EQ(run.wait(), 130);
  EXPECT_EQ(body_of_first("PATCH"), json::parse(R"({"spec":{"cancel":true}})"));
  EXPECT_THAT(requests("DELETE"), IsEmpty());
}

TEST_F(CommandLine, ASecondCtrlCWaitsForNobody) {
  refuse_pods();
  on_watch({modified(running())});
  on("DELETE", object_path, reply::mute());
  child run(words({"run", script_, "--name", "hello"}));
  ASSERT_TRUE(run.wait_for_err("running"));
  run.signal(SIGINT);
  ASSERT_TRUE(wait_for_request("DELETE"));
  auto const before = std::chrono::steady_clock::now();
  run.signal(SIGINT);
  EXPECT_EQ(run.wait(), 130);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 3s);
}

TEST_F(CommandLine, CtrlCBeforeTheServerAnsweredStillDeletesWhatItMade) {
  on("POST", collection, reply::answer(201, execution(10).dump()).slowly(300ms));
  child run(run_words());
  ASSERT_TRUE(wait_for_request("POST"));
  run.signal(SIGINT);
  EXPECT_EQ(run.wait(), 130);
  EXPECT_EQ(requests("DELETE").size(), 1U);
}

TEST_F(CommandLine, CtrlCWorksWhileNobodyReadsTheOutput) {
  on_watch({modified(running())});
  std::string log;
  for (int i = 0; i < 3000; ++i)
    log += "stdout F " + std::string(100, 'x') + "\n";
  on("GET", pods_path + "/hello-pod/log", open_stream({log}));
  child run(run_words());
  // More than a pipe holds, and we do not read: its writer is blocked now.
  std::this_thread::sleep_for(500ms);
  run.signal(SIGINT);
  ASSERT_TRUE(wait_for_request("DELETE"));
  // It goes without us: nothing is read until it has ended.
  EXPECT_EQ(run.wait_without_reading(), 130);
}

TEST_F(CommandLine, AReaderThatHasEnoughEndsItQuietly) {
  on_watch({modified(running())});
  on("GET", pods_path + "/hello-pod/log",
     open_stream({"stdout F first\n", "stdout F second\n", "stdout F third\n", "stdout F fourth\n"}).slowly(150ms));
  child run(words({"run", script_, "--name", "hello", "-q"}));
  ASSERT_TRUE(run.wait_for_out("first"));
  run.close_out();
  EXPECT_EQ(run.wait(), 141);
  EXPECT_THAT(run.err(), IsEmpty());
  EXPECT_EQ(requests("DELETE").size(), 1U);
}

TEST_F(CommandLine, ADiskThatIsFullDoesNotThrowTheResultAway) {
  refuse_pods();
  on_watch({modified(finished("hi\n", ""))});
  child::settings how;
  how.program = "/bin/sh";
  auto const command = std::string(CODEEXEC_BINARY_DIR "/bin/codeexec run ") + script_ + " --name hello -q --server " +
                       server_.url() + " >/dev/full";
  child run({"-c", command}, how);
  EXPECT_EQ(run.wait(), 126);
  EXPECT_THAT(run.err(), HasSubstr("No space left"));
  EXPECT_THAT(run.err(), HasSubstr("logs"));
  EXPECT_THAT(requests("DELETE"), IsEmpty());
}

TEST_F(CommandLine, TheWholeResultAsJsonOrYaml) {
  refuse_pods();
  on_watch({modified(running()), modified(finished("hi\n", "", 3))});
  child as_json(run_words({"-o", "json"}));
  EXPECT_EQ(as_json.wait(), 3);
  auto object = json::parse(as_json.out(), nullptr, false);
  EXPECT_EQ(object["status"]["stdout"], "hi\n");
  EXPECT_FALSE(object["metadata"].contains("managedFields"));
  child as_yaml(run_words({"-o", "yaml"}));
  EXPECT_EQ(as_yaml.wait(), 3);
  EXPECT_THAT(as_yaml.out(), HasSubstr("\n  exitCode: 3\n"));
}

TEST_F(CommandLine, DetachPrintsTheNameAlone) {
  child run(words({"run", script_, "--name", "hello", "--detach"}));
  EXPECT_EQ(run.wait(), 0);
  EXPECT_EQ(run.out(), "hello\n");
  EXPECT_THAT(requests("DELETE"), IsEmpty());
}

TEST_F(CommandLine, KeepLeavesItThere) {
  refuse_pods();
  on_watch({modified(finished("hi\n", ""))});
  child run(words({"run", script_, "--name", "hello", "--keep"}));
  EXPECT_EQ(run.wait(), 0);
  EXPECT_THAT(requests("DELETE"), IsEmpty());
  EXPECT_THAT(run.err(), HasSubstr("kept as hello"));
}

TEST_F(CommandLine, PhasesAreToldOnStderrWithoutEscapesWhereThereIsNoTerminal) {
  refuse_pods();
  auto const pulling = execution(12, {{"phase", "Pending"}, {"reason", "PullingImage"}});
  on_watch({modified(pulling), modified(running()), modified(finished("hi\n", ""))});
  on("GET", collection + "?watch",
     open_stream({modified(pulling), modified(running()), modified(finished("hi\n", ""))}).slowly(100ms));
  child run(words({"run", script_, "--name", "hello"}));
  EXPECT_EQ(run.wait(), 0);
  EXPECT_EQ(run.out(), "hi\n");
  EXPECT_THAT(run.err(), HasSubstr("pulling the image\n"));
  EXPECT_THAT(run.err(), HasSubstr("running\n"));
  EXPECT_THAT(run.err(), Not(HasSubstr("\x1b")));
}

/// What a terminal shows after these bytes: lines drawn over are gone.
std::string screen_after(std::string const& bytes) {
  std::string shown;
  std::string line;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes.compare(i, 4, "\r\x1b[K") == 0) {
      line.clear();
      i += 3;
    } else if (bytes[i] == '\n') {
      shown += line + "\n";
      line.clear();
    } else {
      line += bytes[i];
    }
  }
  return shown + line;
}

TEST_F(CommandLine, OnATerminalTheSpinnerLeavesNothingButTheOutput) {
  on("GET", collection + "?watch",
     open_stream({modified(running()), modified(running()), modified(finished("hi\n", "warn\n"))}).slowly(300ms));
  on("GET", pods_path + "/hello-pod/log",
     reply::stream({"stdout F hi\n", "stderr F warn\nresult F {}\n"}).slowly(150ms));
  child::settings how;
  how.on_terminal = true;
  child run(words({"run", script_, "--name", "hello"}), how);
  EXPECT_EQ(run.wait(), 0);
  EXPECT_THAT(run.out(), HasSubstr("\x1b[2m"));
  EXPECT_THAT(run.out(), HasSubstr("waiting for the operator"));
  EXPECT_EQ(screen_after(run.out()), "hi\nwarn\n");
}

TEST_F(CommandLine, NoColorIsHonoured) {
  refuse_pods();
  on("GET", collection + "?watch", open_stream({modified(running()), modified(finished("hi\n", ""))}).slowly(200ms));
  child::settings how;
  how.on_terminal = true;
  how.env = {"NO_COLOR=1"};
  child run(words({"run", script_, "--name", "hello"}), how);
  EXPECT_EQ(run.wait(), 0);
  EXPECT_THAT(run.out(), Not(HasSubstr("\x1b[2m")));
  EXPECT_EQ(screen_after(run.out()), "hi\n");
}

TEST_F(CommandLine, ADumbTerminalGetsLines) {
  refuse_pods();
  on("GET", collection + "?watch", open_stream({modified(running()), modified(finished("hi\n", ""))}).slowly(100ms));
  child::settings how;
  how.on_terminal = true;
  how.env = {"TERM=dumb"};
  child run(words({"run", script_, "--name", "hello"}), how);
  EXPECT_EQ(run.wait(), 0);
  EXPECT_THAT(run.out(), Not(HasSubstr("\x1b")));
  EXPECT_THAT(run.out(), HasSubstr("codeexec: hello: running\n"));
}

TEST_F(CommandLine, MistakesAreToldBeforeAnythingIsSent) {
  for (auto const& mistaken :
       {words({"run", "/no/such/file.py"}), words({"run", script_, "--timeout", "x"}), words({"bogus"})}) {
    child run(mistaken);
    EXPECT_EQ(run.wait(), 2);
    EXPECT_THAT(run.err(), HasSubstr("error: "));
  }
  EXPECT_THAT(requests("POST"), IsEmpty());
}

// ---- the other commands

TEST_F(CommandLine, GetShowsATable) {
  on("GET", collection + "?limit", reply::answer(200, list_of({finished("hi\n", ""), running()})));
  child get(words({"get"}));
  EXPECT_EQ(get.wait(), 0);
  EXPECT_THAT(get.out(), HasSubstr("NAME    PHASE       REASON      EXIT   DURATION   AGE\n"));
  EXPECT_THAT(get.out(), HasSubstr("hello   Succeeded   Completed   0 "));
  EXPECT_THAT(get.out(), HasSubstr("hello   Running     Running     - "));
}

TEST_F(CommandLine, GetOfNothingSaysSo) {
  on("GET", collection + "?limit", reply::answer(200, list_of({})));
  child get(words({"get"}));
  EXPECT_EQ(get.wait(), 0);
  EXPECT_THAT(get.out(), IsEmpty());
  EXPECT_THAT(get.err(), HasSubstr("No CodeExecutions found in namespace default"));
}

TEST_F(CommandLine, GetReadsEveryPageAndEveryForm) {
  auto const first =
      json{{"metadata", {{"resourceVersion", "1"}, {"continue", "more"}}}, {"items", {running()}}}.dump();
  on("GET", collection + "?limit", reply::answer(200, first));
  on("GET", collection + "?limit=500&continue=more", reply::answer(200, list_of({finished("", "")})));
  child names(words({"get", "-o", "name"}));
  EXPECT_EQ(names.wait(), 0);
  EXPECT_EQ(names.out(), "codeexecution.codeexec.dev/hello\ncodeexecution.codeexec.dev/hello\n");
  child all(words({"get", "-o", "json"}));
  EXPECT_EQ(all.wait(), 0);
  EXPECT_EQ(json::parse(all.out())["items"].size(), 2U);
}

TEST_F(CommandLine, GetOfOneThatIsMissingSaysWhichAndWhere) {
  on("GET", object_path,
     reply::answer(404, status_body(404, "NotFound", "codeexecutions.codeexec.dev \"hello\" not found")));
  child get(words({"get", "hello"}));
  EXPECT_EQ(get.wait(), 1);
  EXPECT_THAT(get.err(), HasSubstr("no CodeExecution \"hello\" in namespace \"default\""));
}

TEST_F(CommandLine, LogsOfAFinishedOneComeFromItsStatus) {
  on("GET", object_path, reply::answer(200, finished("hi\n", "warn\n", 3).dump()));
  child logs(words({"logs", "hello"}));
  EXPECT_EQ(logs.wait(), 0);
  EXPECT_EQ(logs.out(), "hi\n");
  EXPECT_EQ(logs.err(), "warn\n");
}

TEST_F(CommandLine, LogsOfARunningOneComeFromThePod) {
  on("GET", object_path, reply::answer(200, running().dump()));
  on_log({"stdout F so far\nstderr F hm\n"});
  child logs(words({"logs", "hello"}));
  EXPECT_EQ(logs.wait(), 0);
  EXPECT_EQ(logs.out(), "so far\n");
  EXPECT_EQ(logs.err(), "hm\n");
}

TEST_F(CommandLine, LogsFollowUntilTheEnd) {
  on("GET", object_path, reply::answer(200, running().dump()));
  on_log({"stdout F one\n", "stdout F two\nresult F {}\n"});
  on("GET", collection + "?watch", open_stream({modified(finished("one\ntwo\n", "", 1))}).slowly(200ms));
  child logs(words({"logs", "-f", "hello"}));
  EXPECT_EQ(logs.wait(), 0);
  EXPECT_EQ(logs.out(), "one\ntwo\n");
}

TEST_F(CommandLine, DeleteWaitsUntilItIsGone) {
  auto held = running();
  held["metadata"]["finalizers"] = {"codeexec.dev/cleanup"};
  on("DELETE", object_path, reply::answer(200, held.dump()));
  on("GET", collection + "?fieldSelector", reply::answer(200, list_of({held})));
  on("GET", collection + "?watch", open_stream({event("DELETED", held)}).slowly(200ms));
  child gone(words({"delete", "hello"}));
  EXPECT_EQ(gone.wait(), 0);
  EXPECT_EQ(gone.out(), "codeexecution.codeexec.dev \"hello\" deleted\n");
  EXPECT_FALSE(requests("GET").empty());
}

TEST_F(CommandLine, DeleteOfSeveralGoesOnAfterAFailure) {
  on("DELETE", collection + "/missing",
     reply::answer(404, status_body(404, "NotFound", "codeexecutions.codeexec.dev \"missing\" not found")));
  child gone(words({"delete", "missing", "hello"}));
  EXPECT_EQ(gone.wait(), 1);
  EXPECT_THAT(gone.err(), HasSubstr("\"missing\""));
  EXPECT_THAT(gone.out(), HasSubstr("\"hello\" deleted"));
}

TEST_F(CommandLine, CancelSetsTheField) {
  on("GET", object_path, reply::answer(200, running().dump()));
  on("PATCH", object_path, reply::answer(200, running().dump()));
  child cancel(words({"cancel", "hello"}));
  EXPECT_EQ(cancel.wait(), 0);
  EXPECT_EQ(body_of_first("PATCH"), json::parse(R"({"spec":{"cancel":true}})"));
}

TEST_F(CommandLine, CancelWaitsAndSaysWhatIsKept) {
  on("GET", object_path, reply::answer(200, running().dump()));
  on("PATCH", object_path, reply::answer(200, running().dump()));
  on("GET", collection + "?fieldSelector", reply::answer(200, list_of({running()})));
  auto over = failed("Cancelled", "Cancelled.");
  over["status"]["output"] = {{"stdoutBytes", 12}, {"stderrBytes", 1}};
  on("GET", collection + "?watch", open_stream({modified(over)}).slowly(100ms));
  child cancel(words({"cancel", "hello"}));
  EXPECT_EQ(cancel.wait(), 0);
  EXPECT_EQ(cancel.out(),
            "codeexecution.codeexec.dev \"hello\" cancelled; kept: 12 bytes of stdout, 1 byte of stderr\n");
}

TEST_F(CommandLine, CancelAllLeavesAloneWhatHasEndedAndAsksWhereToldTo) {
  on("GET", collection + "?limit", reply::answer(200, list_of({running(), finished("", "")})));
  on("PATCH", object_path, reply::answer(200, running().dump()));
  child::settings how;
  how.stdin_text = "n\n";
  child asked(words({"cancel", "--all", "-i", "--wait=false"}), how);
  EXPECT_EQ(asked.wait(), 0);
  EXPECT_THAT(asked.err(), HasSubstr("hello  Running"));
  EXPECT_THAT(asked.err(), HasSubstr("nothing is cancelled"));
  EXPECT_THAT(requests("PATCH"), IsEmpty());
  how.stdin_text = "y\n";
  child done(words({"cancel", "--all", "-i", "--wait=false"}), how);
  EXPECT_EQ(done.wait(), 0);
  EXPECT_EQ(done.out(), "codeexecution.codeexec.dev \"hello\" told to stop\n");
  EXPECT_EQ(requests("PATCH").size(), 1U) << "one of the two had ended";
}

TEST_F(CommandLine, DeleteBySelectorDeletesTheVeryObjectsThatWereListed) {
  on("GET", collection + "?labelSelector", reply::answer(200, list_of({running()})));
  child gone(words({"delete", "-l", "team=red"}));
  EXPECT_EQ(gone.wait(), 0);
  EXPECT_THAT(requests("GET").at(0), HasSubstr("labelSelector=team%3Dred"));
  EXPECT_EQ(body_of_first("DELETE")["preconditions"]["uid"], "u-1");
}

TEST_F(CommandLine, ResumeLetsASuspendedOneBegin) {
  auto held = execution(10, {{"phase", "Pending"}, {"reason", "Suspended"}});
  held["spec"]["suspend"] = true;
  on("GET", object_path, reply::answer(200, held.dump()));
  on("PATCH", object_path, reply::answer(200, held.dump()));
  child resumed(words({"resume", "cex/hello"}));
  EXPECT_EQ(resumed.wait(), 0);
  EXPECT_EQ(body_of_first("PATCH"), json::parse(R"({"spec":{"suspend":false}})"));
}

TEST_F(CommandLine, GetWatchPrintsEachChangeUntilInterrupted) {
  on("GET", collection + "?limit", reply::answer(200, list_of({running()})));
  on("GET", collection + "?watch", open_stream({modified(finished("hi\n", "", 3))}));
  child get(words({"get", "-w"}));
  ASSERT_TRUE(get.wait_for_out("NonZeroExit"));
  get.signal(SIGINT);
  EXPECT_EQ(get.wait(), 130);
  EXPECT_THAT(requests("GET").at(1), HasSubstr("resourceVersion=30"));
}

TEST_F(CommandLine, GetTakesPathsAndSeveralNames) {
  on("GET", object_path, reply::answer(200, finished("hi\n", "").dump()));
  child path(words({"get", "hello", "-o", "jsonpath={.status.stdout}"}));
  EXPECT_EQ(path.wait(), 0);
  EXPECT_EQ(path.out(), "hi\n");
  on("GET", collection + "/missing",
     reply::answer(404, status_body(404, "NotFound", "codeexecutions.codeexec.dev \"missing\" not found")));
  child two(words({"get", "missing", "hello", "--no-headers"}));
  EXPECT_EQ(two.wait(), 1);
  EXPECT_THAT(two.out(), ::testing::StartsWith("hello"));
  EXPECT_THAT(two.err(), HasSubstr("no CodeExecution \"missing\""));
}

TEST_F(CommandLine, DescribeSaysThatEventsMayNotBeRead) {
  on("GET", object_path, reply::answer(200, finished("hi\n", "", 3).dump()));
  on("GET", "/api/v1/namespaces/default/events", reply::answer(403, status_body(403, "Forbidden", "no")));
  child described(words({"describe", "hello"}));
  EXPECT_EQ(described.wait(), 0);
  EXPECT_THAT(described.out(), HasSubstr("Failed, NonZeroExit, exit code 3"));
  EXPECT_THAT(described.out(), HasSubstr("not known: you may not list events"));
  EXPECT_THAT(requests("GET").at(1), HasSubstr("involvedObject.uid%3Du-1"));
}

TEST_F(CommandLine, LogsTailAndStreamChooseWhatIsShown) {
  on("GET", object_path, reply::answer(200, finished("1\n2\n3\n", "e\n").dump()));
  child tail(words({"logs", "hello", "--tail", "2", "--stream", "stdout"}));
  EXPECT_EQ(tail.wait(), 0);
  EXPECT_EQ(tail.out(), "2\n3\n");
  EXPECT_EQ(tail.err(), "");
}

TEST_F(CommandLine, LogsFollowWithATailBeginsWithTheLastLinesThatWereThere) {
  on("GET", object_path, reply::answer(200, running().dump()));
  std::string const there = "stdout F one\nstdout F two\nstdout F three\n";
  on("GET", pods_path + "/hello-pod/log",
     {reply::stream({there}), reply::stream({there + "stdout F four\nresult F {}\n"})});
  on("GET", collection + "?watch", open_stream({modified(finished("one\ntwo\nthree\nfour\n", ""))}).slowly(300ms));
  child logs(words({"logs", "-f", "--tail", "1", "hello"}));
  EXPECT_EQ(logs.wait(), 0);
  EXPECT_EQ(logs.out(), "three\nfour\n");
}

TEST_F(CommandLine, OutputCannotDriveATerminalUnlessToldSoAndIsUntouchedElsewhere) {
  std::string const wild = "\x1b[31mred\x1b[0m\x1b]0;title\x07\n";
  on("GET", object_path, reply::answer(200, finished(wild, "").dump()));
  child to_pipe(words({"logs", "hello"}));
  EXPECT_EQ(to_pipe.wait(), 0);
  EXPECT_EQ(to_pipe.out(), wild);
  child::settings how;
  how.on_terminal = true;
  child to_terminal(words({"logs", "hello"}), how);
  EXPECT_EQ(to_terminal.wait(), 0);
  EXPECT_EQ(to_terminal.out(), "\x1b[31mred\x1b[0m^[]0;title^G\n");
  child raw(words({"logs", "hello", "--raw"}), how);
  EXPECT_EQ(raw.wait(), 0);
  EXPECT_EQ(raw.out(), wild);
}

TEST_F(CommandLine, ColoursComeOnlyWhereTheyAreWanted) {
  on("GET", collection + "?limit", reply::answer(200, list_of({finished("", "")})));
  auto const with = [&](std::vector<std::string> more, bool terminal, std::vector<std::string> env) {
    child::settings how;
    how.on_terminal = terminal;
    how.env = std::move(env);
    auto all = words({"get"});
    all.insert(all.end(), more.begin(), more.end());
    child get(all, how);
    EXPECT_EQ(get.wait(), 0);
    return get.out().find("\x1b[") != std::string::npos;
  };
  EXPECT_TRUE(with({}, true, {}));
  EXPECT_FALSE(with({}, false, {}));
  EXPECT_FALSE(with({}, true, {"NO_COLOR=1"}));
  EXPECT_FALSE(with({"--color", "never"}, true, {}));
  EXPECT_FALSE(with({}, true, {"TERM=dumb"}));
  EXPECT_TRUE(with({"--color=always"}, false, {}));
}

child::settings full_terminal() {
  child::settings how;
  how.on_terminal = true;
  how.keys_from_terminal = true;
  return how;
}

std::string const screen_taken = "\x1b[?1049h";
std::string const screen_given_back = "\x1b[?25h\x1b[?1049l";

class Top : public CommandLine {
 protected:
  void SetUp() override {
    CommandLine::SetUp();
    on("GET", collection + "?limit", reply::answer(200, list_of({running()})));
    on("GET", collection, reply::answer(200, list_of({running()})));
    on("GET", collection + "?watch", open_stream({}));
  }
};

TEST_F(Top, EndsWithQAndGivesTheTerminalBack) {
  child top(words({"top"}), full_terminal());
  ASSERT_TRUE(top.wait_for_out("Running 1"));
  EXPECT_THAT(top.out(), HasSubstr(screen_taken));
  EXPECT_FALSE(top.terminal_echoes());
  top.type("q");
  ASSERT_TRUE(top.wait_for_out(screen_given_back));
  EXPECT_TRUE(top.terminal_echoes());
  EXPECT_EQ(top.wait_without_reading(), 0);
}

TEST_F(Top, GivesTheTerminalBackHoweverItIsEnded) {
  struct way {
    int signal;
    int exit_code;
  };
  for (auto const& one : {way{SIGINT, 0}, way{SIGTERM, 143}, way{SIGHUP, 129}, way{SIGQUIT, 128 + SIGQUIT},
                          way{SIGSEGV, 128 + SIGSEGV}}) {
    child top(words({"top"}), full_terminal());
    ASSERT_TRUE(top.wait_for_out("Running 1"));
    top.signal(one.signal);
    EXPECT_TRUE(top.wait_for_out(screen_given_back)) << one.signal;
    EXPECT_TRUE(top.terminal_echoes()) << one.signal;
    EXPECT_EQ(top.wait_without_reading(), one.exit_code) << one.signal;
  }
}

TEST_F(Top, DrawsAnewAsTheTerminalAndTheClusterChange) {
  on("GET", collection + "?watch", open_stream({modified(finished("", ""))}).slowly(600ms));
  child top(words({"top"}), full_terminal());
  ASSERT_TRUE(top.wait_for_out("Running 1"));
  EXPECT_THAT(top.out(), Not(HasSubstr("namespace default, 20"))) << "40 columns";
  ASSERT_TRUE(top.wait_for_out("Succeeded 1"));
  ASSERT_TRUE(top.wait_for_out("Nothing runs and nothing waits."));
  top.resize(100, 10);
  ASSERT_TRUE(top.wait_for_out(" UTC\x1b[0m"));
  top.type("q");
  ASSERT_TRUE(top.wait_for_out(screen_given_back));
}

TEST_F(Top, GoesOnAfterABreakAndSaysSo) {
  on("GET", collection + "?watch",
     {reply::stream({}).unfinished().then(reply::ending::reset),
      open_stream({modified(finished("", ""))}).slowly(300ms)});
  child top(words({"top"}), full_terminal());
  ASSERT_TRUE(top.wait_for_out("Succeeded 1"));
  top.type("q");
  ASSERT_TRUE(top.wait_for_out(screen_given_back));
  EXPECT_EQ(top.wait_without_reading(), 0);
}

TEST_F(Top, ARefusalIsASentenceAndNoScreen) {
  on("GET", collection + "?limit", reply::answer(403, status_body(403, "Forbidden", "User \"a\" cannot list")));
  child top(words({"top"}), full_terminal());
  EXPECT_EQ(top.wait(), 1);
  EXPECT_THAT(top.out(), HasSubstr("you may not list"));
  EXPECT_THAT(top.out(), Not(HasSubstr(screen_taken)));
}

TEST_F(Top, IsOnePlainTableWhereThereIsNoTerminal) {
  child top(words({"top"}));
  EXPECT_EQ(top.wait(), 0);
  EXPECT_THAT(top.out(), ::testing::StartsWith("Running 1   Pending 0   Succeeded 0   Failed 0\nNAME "));
  EXPECT_THAT(top.out(), Not(HasSubstr("\x1b")));
  child once(words({"top", "--once", "--color", "never"}), full_terminal());
  EXPECT_EQ(once.wait(), 0);
  EXPECT_THAT(once.out(), Not(HasSubstr("\x1b")));
}

json table_of_names() {
  return json::parse(R"({"kind":"Table","columnDefinitions":[{"name":"Name"},{"name":"Phase"},{"name":"Reason"}],
    "rows":[{"cells":["done","Succeeded","Completed"]},{"cells":["held","Pending","Suspended"]},
            {"cells":["here","Running","Running"]}]})");
}

TEST_F(CommandLine, KubectlGetsItsCompletions) {
  on("GET", collection + "?limit", reply::answer(200, table_of_names().dump()));
  child::settings how;
  how.program = CODEEXEC_BINARY_DIR "/bin/kubectl_complete-codeexec";
  child names({"cancel", "--server", server_.url(), "he"}, how);
  EXPECT_EQ(names.wait(), 0);
  EXPECT_EQ(names.out(), "held\tPending, Suspended\nhere\tRunning\n:4\n");
  child resumable({"--server", server_.url(), "resume", ""}, how);
  EXPECT_EQ(resumable.wait(), 0);
  EXPECT_EQ(resumable.out(), "held\tPending, Suspended\n:4\n");
  child nowhere({"logs", "--server", "http://127.0.0.1:1", ""}, how);
  EXPECT_EQ(nowhere.wait(), 0);
  EXPECT_EQ(nowhere.out(), ":4\n");
  EXPECT_EQ(nowhere.err(), "") << "a shell wants no sentences";
}

/// What bash offers for the line, by the script that we print.
std::string bash_offers(std::string const& line) {
  child::settings how;
  how.program = "/bin/bash";
  how.env = {"PATH=" CODEEXEC_BINARY_DIR "/bin:/usr/bin:/bin"};
  // readline's own splitting is asked of bash itself: an interactive shell, a tab, and what it wrote.
  auto const script =
      "source <(codeexec completion bash)\n"
      "line='" +
      line +
      "'\n"
      "COMP_LINE=$line COMP_POINT=${#line}\n"
      "COMP_WORDS=(); rest=$line\n"
      "while [[ $rest ]]; do\n"
      "  if [[ $rest =~ ^[[:space:]]+ ]]; then rest=${rest:${#BASH_REMATCH[0]}}; [[ $rest ]] || COMP_WORDS+=('');\n"
      "  elif [[ $rest =~ ^[=:]+ ]]; then COMP_WORDS+=(\"${BASH_REMATCH[0]}\"); rest=${rest:${#BASH_REMATCH[0]}}\n"
      "  elif [[ $rest =~ ^[^[:space:]=:]+ ]]; then COMP_WORDS+=(\"${BASH_REMATCH[0]}\"); "
      "rest=${rest:${#BASH_REMATCH[0]}}\n"
      "  fi\n"
      "done\n"
      "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
      "__codeexec_complete\n"
      "echo \"${COMPREPLY[*]}\"\n";
  child bash({"--norc", "-c", script}, how);
  EXPECT_EQ(bash.wait(), 0) << bash.err();
  EXPECT_EQ(bash.err(), "");
  return bash.out();
}

TEST_F(CommandLine, BashCompletesCommandsFlagsValuesAndNames) {
  on("GET", collection + "?limit", reply::answer(200, table_of_names().dump()));
  EXPECT_EQ(bash_offers("codeexec can"), "cancel\n");
  EXPECT_EQ(bash_offers("codeexec logs --str"), "--stream\n");
  EXPECT_EQ(bash_offers("codeexec logs --stream std"), "stdout stderr\n");
  EXPECT_EQ(bash_offers("codeexec get --output=ya"), "yaml\n") << "readline replaces what follows the =";
  EXPECT_EQ(bash_offers("codeexec get --output="), "wide json yaml name jsonpath=\n");
  EXPECT_EQ(bash_offers("codeexec cancel --server=" + server_.url() + " he"), "held here\n");
  EXPECT_EQ(bash_offers("codeexec --server " + server_.url() + " logs "), "done held here\n");
  EXPECT_EQ(bash_offers("codeexec run " + folder_.string() + "/hel"), folder_.string() + "/hello.py\n");
}

TEST_F(CommandLine, ARealBashCompletesOnTab) {
  child::settings how = full_terminal();
  how.program = "/bin/bash";
  how.env = {"PATH=" CODEEXEC_BINARY_DIR "/bin:/usr/bin:/bin", "PS1=ready>", "INPUTRC=/dev/null"};
  child bash({"--norc", "--noprofile", "-i"}, how);
  ASSERT_TRUE(bash.wait_for_out("ready>"));
  bash.type("source <(codeexec completion bash); echo sour''ced\n");
  ASSERT_TRUE(bash.wait_for_out("sourced"));
  bash.type("codeexec descr\t");
  EXPECT_TRUE(bash.wait_for_out("codeexec describe ")) << bash.out();
}

TEST_F(CommandLine, TheScriptsOfOtherShellsAreWellFormed) {
  for (auto const* shell : {"zsh", "fish"}) {
    child script({"completion", shell});
    EXPECT_EQ(script.wait(), 0);
    EXPECT_THAT(script.out(), HasSubstr("__complete"));
    child::settings how;
    how.program = "/bin/sh";
    // Read, not run, by the shell itself where this machine has it.
    child check(
        {"-c", std::string("! command -v ") + shell +
                   " >/dev/null || " CODEEXEC_BINARY_DIR "/bin/codeexec completion " + shell + " | " + shell + " -n"},
        how);
    EXPECT_EQ(check.wait(), 0) << check.err();
  }
}

TEST_F(CommandLine, VersionTellsWhatTheClusterSays) {
  on("GET", "/version", reply::answer(200, R"({"gitVersion":"v1.36.2"})"));
  on("GET", "/apis/codeexec.dev",
     reply::answer(200, R"({"kind":"APIGroup","versions":[{"groupVersion":"codeexec.dev/v1alpha1"}]})"));
  on("GET", "/apis/apps/v1/deployments", reply::answer(403, status_body(403, "Forbidden", "no")));
  child version(words({"version"}));
  EXPECT_EQ(version.wait(), 0);
  EXPECT_THAT(version.out(), HasSubstr("Kubernetes  v1.36.2\nAPI         codeexec.dev/v1alpha1\n"));
  EXPECT_THAT(version.out(), HasSubstr("operator    not known (you may not see it)\n"));
}

TEST_F(CommandLine, ThePluginNameShowsInItsHelp) {
  child::settings how;
  how.program = CODEEXEC_BINARY_DIR "/bin/kubectl-codeexec";
  child help({"run", "--help"}, how);
  EXPECT_EQ(help.wait(), 0);
  EXPECT_THAT(help.out(), HasSubstr("kubectl codeexec run FILE"));
  child version({"version"}, how);
  EXPECT_EQ(version.wait(), 0);
  EXPECT_THAT(version.out(), ::testing::StartsWith("kubectl codeexec "));
}

}  // namespace
}  // namespace codeexec::testing
