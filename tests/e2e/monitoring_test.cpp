// What an operator says of itself while it works: probes, metrics, log lines, traces; and what it never says. These
// tests start an operator of their own, because they ask it.
#include <arpa/inet.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <netinet/in.h>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "codeexec/telemetry/catalogue.hpp"

#include "machine.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

std::string read_whole(std::filesystem::path const& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The answer with its head; empty where nobody answers.
std::string http_get(std::string const& address, std::string const& target) {
  auto const colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  int const socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string answer;
  if (::connect(socket, reinterpret_cast<sockaddr const*>(&to), sizeof to) == 0) {
    auto const request = "GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    if (::write(socket, request.data(), request.size()) == static_cast<ssize_t>(request.size())) {
      std::array<char, 4096> some{};
      for (ssize_t got = 0; (got = ::read(socket, some.data(), some.size())) > 0;)
        answer.append(some.data(), static_cast<std::size_t>(got));
    }
  }
  ::close(socket);
  return answer;
}

/// A machine with one operator that serves everything, and logs as much as it can.
class watched_machine : public machine {
 public:
  watched_machine() {
    operator_ =
        start_operator("operator", {"--health-bind-address=127.0.0.1:0", "--metrics-bind-address=127.0.0.1:0",
                                    "--log-format=json", "--log-level=debug", "--leader-elect", "--events=all"});
    wait_for([this] { return readiness("operator") == "leading"; });
  }
  ~watched_machine() { operator_->end(SIGTERM); }

  program& operators() { return *operator_; }
  std::string log() const { return read_whole(folder() / "operator.log"); }
  std::vector<json> lines() const {
    std::vector<json> all;
    std::istringstream text(log());
    for (std::string line; std::getline(text, line);) {
      all.push_back(json::parse(line, nullptr, false));
      EXPECT_FALSE(all.back().is_discarded()) << line;
    }
    return all;
  }
  /// Where it serves `what`, from its log.
  std::string address_of(std::string const& what) const {
    for (auto const& line : lines())
      if (line.value("message", "") == "serving" && line.value("what", "") == what) return line["address"];
    return "127.0.0.1:1";
  }
  std::string scrape() const {
    auto const answer = http_get(address_of("metrics"), "/metrics");
    auto const body = answer.find("\r\n\r\n");
    return body == std::string::npos ? "" : answer.substr(body + 4);
  }
  template <class P>
  static bool wait_for(P const& holds) {
    for (auto const end = std::chrono::steady_clock::now() + 60s; std::chrono::steady_clock::now() < end;) {
      if (holds()) return true;
      std::this_thread::sleep_for(50ms);
    }
    return false;
  }

 private:
  std::unique_ptr<program> operator_;
};

TEST(monitoring, probes_metrics_and_traces_tell_of_an_execution_and_logs_never_of_its_content) {
  watched_machine here;
  workspace space(here.api());

  EXPECT_THAT(http_get(here.address_of("health"), "/healthz"), HasSubstr("\r\n\r\nok\n"));
  EXPECT_THAT(http_get(here.address_of("health"), "/readyz"), HasSubstr("ok: leading\n"));
  EXPECT_THAT(http_get(here.address_of("health"), "/readyz?verbose"), HasSubstr("[+]cache pods ok"));

  // The canary stands in everything that belongs to users.
  std::string const canary = "CANARY-5f2c81";
  auto spec =
      python("import sys\nprint('" + canary + "', sys.stdin.read())\nprint('" + canary + "', file=sys.stderr)\n");
  spec["args"] = {canary};
  spec["env"] = json::array({{{"name", "X"}, {"value", canary}}});
  spec["stdin"] = canary;
  spec["files"] = json::array({{{"path", canary + ".txt"}, {"content", canary}}});
  kube::request create = kube::make_create(
      kube::code_executions, space.name(),
      json{{"apiVersion", "codeexec.dev/v1alpha1"},
           {"kind", "CodeExecution"},
           {"metadata",
            {{"name", "traced"},
             {"annotations",
              {{"codeexec.dev/traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
               {"codeexec.dev/tracestate", "vendor=value"},
               {"example.com/other", "stays"}}}}},
           {"spec",
            [&] {
              auto retained = spec;
              retained["cleanupPolicy"] = "Retain";
              return retained;
            }()}}
          .dump(),
      "test");
  ASSERT_TRUE(here.api().send(std::move(create)));
  auto const status = space.wait_final("traced")["status"];
  EXPECT_EQ(status["reason"], "Completed") << status.dump(2);
  EXPECT_EQ(status["stdout"], canary + " " + canary + "\n");
  // Those that fail say more in the log.
  auto failing = spec;
  failing["code"] = "raise SystemExit('" + canary + "')";
  EXPECT_EQ(space.run("failing", failing)["reason"], "NonZeroExit");
  auto wrong = spec;
  wrong["language"] = "cobol";
  EXPECT_EQ(space.run("wrong", wrong)["reason"], "InvalidSpec");

  // The trace goes on to Job and Pod, and nothing else of the annotations does.
  auto const pods = space.list(kube::pods, "codeexec.dev/execution=traced");
  ASSERT_EQ(pods.size(), 1U);
  auto const& annotations = pods[0]["metadata"]["annotations"];
  EXPECT_EQ(annotations["codeexec.dev/traceparent"], "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  EXPECT_EQ(annotations["codeexec.dev/tracestate"], "vendor=value");
  EXPECT_FALSE(annotations.contains("example.com/other"));

  // Log lines: JSON, each pass by its id, the trace in each line about it, the canary nowhere.
  std::set<std::string> ids;
  bool finished = false;
  bool calls = false;
  for (auto const& line : here.lines()) {
    EXPECT_TRUE(line.contains("time") && line.contains("level") && line.contains("message")) << line;
    if (line.value("name", "") != "traced" || !line.contains("uid")) continue;
    EXPECT_EQ(line.value("trace_id", ""), "0af7651916cd43dd8448eb211c80319c") << line;
    EXPECT_EQ(line.value("namespace", ""), space.name());
    EXPECT_FALSE(line.value("reconcile_id", "").empty()) << line;
    ids.insert(line.value("reconcile_id", ""));
    finished = finished || line["message"] == "execution finished";
    calls = calls || line["message"] == "API call";
  }
  EXPECT_TRUE(finished);
  EXPECT_TRUE(calls);
  EXPECT_GE(ids.size(), 2U);
  EXPECT_THAT(here.log(), Not(HasSubstr(canary)));

  // The numbers; a scrape a second ago may be the answer still.
  auto const has = [&](std::string const& sample) {
    return watched_machine::wait_for([&] { return here.scrape().find("\n" + sample + "\n") != std::string::npos; });
  };
  EXPECT_TRUE(has("codeexec_executions_finished_total{outcome=\"succeeded\",reason=\"Completed\"} 1"));
  EXPECT_TRUE(has("codeexec_executions_finished_total{outcome=\"failed\",reason=\"NonZeroExit\"} 1"));
  EXPECT_TRUE(has("codeexec_executions_finished_total{outcome=\"failed\",reason=\"InvalidSpec\"} 1"));
  EXPECT_TRUE(has("codeexec_executions_started_total 2"));
  auto const text = here.scrape();
  for (auto const* const step : {"queue", "schedule", "start", "run", "capture"}) {
    EXPECT_THAT(text,
                HasSubstr("codeexec_execution_step_duration_seconds_count{step=\"" + std::string(step) + "\"} 2\n"));
  }
  EXPECT_THAT(text, HasSubstr("\ncodeexec_leader 1\n"));
  EXPECT_THAT(text, HasSubstr("\ncodeexec_cache_synced{resource=\"codeexecutions\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\ncodeexec_api_requests_total{verb=\"POST\",resource=\"jobs\",code=\"201\"} 2\n"));
  EXPECT_THAT(text, Not(HasSubstr(space.name())));
  EXPECT_THAT(text, Not(HasSubstr(canary)));

  // What the catalogue names, and so rules and dashboard, is what is served.
  std::map<std::string, std::string> served;
  std::istringstream all(text);
  for (std::string line; std::getline(all, line);) {
    std::istringstream words(line);
    std::string hash;
    std::string what;
    std::string name;
    std::string type;
    if (words >> hash >> what >> name >> type && hash == "#" && what == "TYPE") served[name] = type;
  }
  for (auto const& one : telemetry::all_metrics())
    EXPECT_EQ(served[std::string(one->name)], telemetry::name_of(one->type)) << one->name;
  EXPECT_EQ(served.size(), telemetry::all_metrics().size());

  if (run_program({"/usr/bin/env", "sh", "-c", "command -v promtool"}).exit_code != 0) {
    std::cout << "promtool is not installed (Debian package prometheus): it does not check the metrics\n";
  } else {
    auto const checked = run_program({"/usr/bin/env", "promtool", "check", "metrics"}, {.input = text});
    EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
    EXPECT_EQ(checked.err, "");
  }
}

TEST(monitoring, signals_set_the_level_while_it_runs) {
  machine here;
  auto const one = here.start_operator("operator", {"--metrics-bind-address=127.0.0.1:0"});
  auto const log = [&] { return read_whole(here.folder() / "operator.log"); };
  auto const said = [&](std::string const& what) {
    return watched_machine::wait_for([&] { return log().find(what) != std::string::npos; });
  };
  ASSERT_TRUE(watched_machine::wait_for([&] { return here.readiness("operator") == "ready"; }));
  EXPECT_THAT(log(), Not(HasSubstr(" debug ")));
  one->signal(SIGUSR1);
  EXPECT_TRUE(said("log_level=debug"));
  // Something to tell of: one that is looked at and refused.
  workspace space(here.api());
  EXPECT_EQ(space.run("wrong", {{"language", "cobol"}, {"code", "x"}})["reason"], "InvalidSpec");
  EXPECT_TRUE(said(" debug \"reconciled\""));
  one->signal(SIGUSR2);
  EXPECT_TRUE(said("log_level=info"));
  one->signal(SIGTERM);
  EXPECT_EQ(WEXITSTATUS(one->wait()), 0);
}

}  // namespace
}  // namespace codeexec::e2e
