// Every fault at every kind of call that the operator makes: the end is the same as without it, nothing is left behind,
// and no execution has a second Job. The stand-in disturbs its answers as /faults says.
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <thread>

#include "machine.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr char const* agent = "codeexec-controller";
constexpr auto patience = 150s;

struct named_fault {
  std::string name;
  json rule;
};

/// What may happen to a call that is answered once.
std::vector<named_fault> call_faults() {
  return {{"delay", {{"fault", "delay"}, {"milliseconds", 700u}}},
          {"conflict", {{"fault", "status"}, {"code", 409u}}},
          {"gone", {{"fault", "expire"}}},
          {"unauthorized", {{"fault", "status"}, {"code", 401u}}},
          {"throttled", {{"fault", "status"}, {"code", 429u}, {"retryAfterSeconds", 1u}}},
          {"internal", {{"fault", "status"}, {"code", 500u}}},
          {"unavailable", {{"fault", "status"}, {"code", 503u}}},
          {"truncated", {{"fault", "truncate"}}},
          {"reset", {{"fault", "reset"}}},
          {"silent", {{"fault", "silence"}, {"milliseconds", 1500u}}},
          {"lost", {{"fault", "lose"}}}};
}

/// What may happen to a stream besides.
std::vector<named_fault> stream_faults() {
  return {{"ended", {{"fault", "end"}, {"afterEvents", 1u}}}, {"cut", {{"fault", "cut"}, {"afterEvents", 1u}}}};
}

/// The kinds of calls about one execution; each is made in its own namespace, so that all are disturbed at once.
struct kind_of_call {
  std::string verb;
  std::string resource;
  bool stream = false;

  std::string describe() const { return verb + " " + resource; }
};

std::vector<kind_of_call> calls_about_one() {
  return {{"patch", "codeexecutions"}, {"patch", "codeexecutions/status"}, {"create", "configmaps"},
          {"create", "jobs"},          {"create", "networkpolicies"},      {"delete", "jobs"},
          {"get", "pods/log", true}};
}

void set_faults(cluster& api, json rules) {
  (void)api.faults(kube::verb::put, {{"rules", std::move(rules)}});
}

json with(json rule, std::string const& verb, std::string const& resource, std::string const& ns) {
  rule["agent"] = agent;
  rule["verb"] = verb;
  rule["resource"] = resource;
  if (!ns.empty()) rule["namespace"] = ns;
  return rule;
}

/// More than a termination message holds, so that the log has to be read however soon the end is seen.
constexpr int output_size = 6000;

/// What a run without any fault says, of what a user sees.
void expect_as_without_faults(json const& status, std::string const& what) {
  EXPECT_EQ(status.value("phase", ""), "Failed") << what << "\n" << status.dump(2);
  EXPECT_EQ(status.value("reason", ""), "NonZeroExit") << what << ": " << status.value("message", "");
  EXPECT_EQ(status.value("exitCode", -1), 3) << what;
  EXPECT_EQ(status.value("stdout", ""), std::string(output_size, 'x') + "\n") << what;
  EXPECT_EQ(status.value("stderr", ""), "err\n") << what;
}

json quick_program() {
  return bash("printf 'x%.0s' {1.." + std::to_string(output_size) + "}; echo; echo err >&2; exit 3");
}

/// The operator's configuration, without the demand for a sandbox: these programs are ours, and as plain processes a
/// hundred of them take seconds.
std::string unsandboxed_config(std::filesystem::path const& folder) {
  std::ifstream in(CODEEXEC_SOURCE_DIR "/config/operator.yaml");
  std::string text((std::istreambuf_iterator<char>(in)), {});
  std::string const demand = "requireSandbox: true";
  auto const at = text.find(demand);
  EXPECT_NE(at, std::string::npos);
  if (at != std::string::npos) text.replace(at, demand.size(), "requireSandbox: false");
  auto const file = folder / "operator.yaml";
  std::ofstream(file) << text;
  return file.string();
}

class Faults : public ::testing::Test {
 protected:
  void start_operator(std::vector<std::string> flags = {}) {
    flags.insert(flags.end(), {"--config", config});
    operator_ = here.start_operator("operator", flags);
    auto const until = steady_clock::now() + patience;
    while (here.readiness("operator").empty() && !std::filesystem::exists(here.folder() / "operator.ready") &&
           steady_clock::now() < until) {
      std::this_thread::sleep_for(20ms);
    }
  }

  machine here{{"--runtime", "process", "--faults"}};
  std::string config = unsandboxed_config(here.folder());
  std::unique_ptr<program> operator_;
};

TEST_F(Faults, whatever_happens_to_a_call_about_one_execution_its_end_is_the_same) {
  start_operator();
  struct run {
    std::string what;
    std::unique_ptr<workspace> space;
  };
  std::vector<run> runs;
  json rules = json::array();
  for (auto const& call : calls_about_one()) {
    auto faults = call_faults();
    if (call.stream) {
      for (auto& one : stream_faults())
        faults.push_back(std::move(one));
    }
    for (auto const& fault : faults) {
      runs.push_back({call.describe() + ", " + fault.name, std::make_unique<workspace>(here.api())});
      rules.push_back(with(fault.rule, call.verb, call.resource, runs.back().space->name()));
    }
  }
  set_faults(here.api(), rules);
  for (auto const& one : runs)
    ASSERT_TRUE(one.space->create("x", quick_program()));

  std::map<std::string, std::set<std::string>> jobs;
  auto const until = steady_clock::now() + patience;
  std::size_t finished = 0;
  while (finished < runs.size() && steady_clock::now() < until) {
    finished = 0;
    for (auto const& one : runs) {
      for (auto const& job : one.space->list(kube::jobs))
        jobs[one.what].insert(job["metadata"]["uid"].get<std::string>());
      auto const got = one.space->get(kube::code_executions, "x");
      auto const phase = got && got->contains("status") ? (*got)["status"].value("phase", "") : std::string();
      if (phase == "Succeeded" || phase == "Failed") ++finished;
    }
    std::this_thread::sleep_for(50ms);
  }
  for (auto const& one : runs) {
    auto const got = one.space->get(kube::code_executions, "x");
    ASSERT_TRUE(got) << one.what;
    expect_as_without_faults(got->value("status", json::object()), one.what);
    EXPECT_LE(jobs[one.what].size(), 1u) << one.what;
    EXPECT_EQ(one.space->wait_no_leftovers(60s), std::vector<std::string>()) << one.what;
  }
  // A rule that hit nothing has tested nothing.
  auto const report = here.api().faults(kube::verb::get);
  for (auto const& rule : report["rules"])
    EXPECT_GE(rule["hits"], 1) << rule.dump();
}

TEST_F(Faults, whatever_happens_to_lists_and_watches_the_end_is_the_same) {
  auto faults = call_faults();
  for (auto& one : stream_faults())
    faults.push_back(std::move(one));
  for (auto const& fault : faults) {
    SCOPED_TRACE(fault.name);
    json rules = json::array();
    for (char const* resource : {"codeexecutions", "jobs", "pods"}) {
      for (char const* verb : {"list", "watch"})
        rules.push_back(with(fault.rule, verb, resource, ""));
    }
    // The sweep's.
    for (char const* resource : {"configmaps", "networkpolicies"})
      rules.push_back(with(fault.rule, "list", resource, ""));
    set_faults(here.api(), rules);
    workspace space(here.api());
    ASSERT_TRUE(space.create("before", quick_program()));
    start_operator();
    ASSERT_TRUE(space.create("after", quick_program()));
    for (char const* name : {"before", "after"})
      expect_as_without_faults(space.wait_final(name, patience)["status"], name);
    EXPECT_EQ(space.wait_no_leftovers(60s), std::vector<std::string>());
    auto const report = here.api().faults(kube::verb::get);
    int hits = 0;
    for (auto const& rule : report["rules"])
      hits += rule["hits"].get<int>();
    EXPECT_GE(hits, 3) << report.dump(2);
    operator_->end(SIGTERM);
  }
}

TEST_F(Faults, whatever_happens_to_the_lease_and_to_events_the_end_is_the_same) {
  for (auto const& fault : call_faults()) {
    SCOPED_TRACE(fault.name);
    json rules = json::array();
    for (char const* verb : {"get", "create", "update"})
      rules.push_back(with(fault.rule, verb, "leases", ""));
    rules.push_back(with(fault.rule, "create", "events", ""));
    set_faults(here.api(), rules);
    start_operator({"--leader-elect", "--leader-elect-lease-duration", "6s", "--leader-elect-renew-deadline", "5s",
                    "--leader-elect-retry-period", "500ms", "--events", "all"});
    workspace space(here.api());
    ASSERT_TRUE(space.create("x", quick_program()));
    expect_as_without_faults(space.wait_final("x", patience)["status"], fault.name);
    EXPECT_EQ(space.wait_no_leftovers(60s), std::vector<std::string>());
    auto const until = steady_clock::now() + patience;
    auto const every_rule_was_met = [&] {
      auto const report = here.api().faults(kube::verb::get);
      for (auto const& rule : report["rules"])
        if (rule["hits"] == 0) return false;
      return true;
    };
    while (!every_rule_was_met() && steady_clock::now() < until)
      std::this_thread::sleep_for(50ms);
    EXPECT_TRUE(every_rule_was_met()) << here.api().faults(kube::verb::get)["rules"].dump(2);
    auto const status = operator_->end(SIGTERM);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "wait status " << status;
    // The next one makes it anew.
    (void)here.api().send(kube::make_delete(kube::leases, "codeexec-system", "codeexec-controller", {}));
  }
}

TEST_F(Faults, whatever_happens_to_the_command_line_its_user_sees_the_same) {
  set_faults(here.api(), json::array());
  start_operator();
  auto const file = here.folder() / "program.sh";
  std::ofstream(file) << quick_program()["code"].get<std::string>();
  auto const cli = [&](workspace const& space, std::vector<std::string> arguments) {
    program_options options;
    options.env["KUBECONFIG"] = here.kubeconfig().string();
    arguments.insert(arguments.begin(), CODEEXEC_BINARY_DIR "/bin/kubectl-codeexec");
    arguments.insert(arguments.end(), {"-n", space.name()});
    return run_program(arguments, options);
  };
  auto faults = call_faults();
  // Who has to log in anew is told so at once.
  std::erase_if(faults, [](named_fault const& one) { return one.name == "unauthorized"; });
  for (auto& one : stream_faults())
    faults.push_back(std::move(one));
  for (auto const& fault : faults) {
    SCOPED_TRACE(fault.name);
    if (HasFailure()) break;  // what follows would wait in vain for what is missing
    workspace space(here.api());
    // Each kind of call that a command makes meets the fault once.
    auto const disturb = [&](std::vector<std::pair<std::string, std::string>> const& calls) {
      json rules = json::array();
      for (auto const& [verb, resource] : calls) {
        auto rule = with(fault.rule, verb, resource, space.name());
        rule["agent"] = "kubectl-codeexec";
        rules.push_back(std::move(rule));
      }
      set_faults(here.api(), rules);
    };
    disturb({{"create", "codeexecutions"},
             {"watch", "codeexecutions"},
             {"list", "codeexecutions"},
             {"get", "codeexecutions"},
             {"delete", "codeexecutions"},
             {"list", "pods"},
             {"watch", "pods"},
             {"get", "pods/log"}});
    auto const ran = cli(space, {"run", file.string()});
    EXPECT_EQ(ran.exit_code, 3) << ran.err;
    EXPECT_EQ(ran.out, std::string(output_size, 'x') + "\n") << ran.err;
    EXPECT_NE(ran.err.find("err\n"), std::string::npos) << ran.err;
    EXPECT_TRUE(space.wait_gone(kube::code_executions, "", 60s)) << ran.err;

    ASSERT_TRUE(space.create("waits", bash("echo here; sleep 600")));
    disturb({{"get", "codeexecutions"}});
    auto const one = cli(space, {"get", "waits", "-o", "name"});
    EXPECT_EQ(one.out, "codeexecution.codeexec.dev/waits\n") << one.err;
    disturb({{"list", "codeexecutions"}});
    auto const all = cli(space, {"get", "-o", "name"});
    EXPECT_EQ(all.out, "codeexecution.codeexec.dev/waits\n") << all.err;
    disturb({{"get", "codeexecutions"}, {"patch", "codeexecutions"}});
    auto const cancelled = cli(space, {"cancel", "waits"});
    EXPECT_EQ(cancelled.exit_code, 0) << cancelled.err;
    EXPECT_EQ(space.wait_final("waits", patience)["status"].value("reason", ""), "Cancelled");
    disturb({{"get", "codeexecutions"}, {"list", "pods"}, {"get", "pods/log"}});
    auto const logs = cli(space, {"logs", "waits"});
    EXPECT_EQ(logs.exit_code, 0) << logs.err;
    disturb({{"delete", "codeexecutions"}, {"list", "codeexecutions"}, {"watch", "codeexecutions"}});
    auto const removed = cli(space, {"delete", "waits"});
    EXPECT_EQ(removed.exit_code, 0) << removed.err;
    EXPECT_TRUE(space.wait_gone(kube::code_executions, "", 60s)) << removed.err;
    EXPECT_EQ(space.wait_no_leftovers(60s), std::vector<std::string>());
  }
}

TEST_F(Faults, the_table_names_every_kind_of_call_that_the_operator_makes) {
  set_faults(here.api(), json::array());
  start_operator();
  workspace space(here.api());
  expect_as_without_faults(space.run("x", quick_program()), "no fault");
  ASSERT_TRUE(space.remove(kube::code_executions, "x"));
  EXPECT_TRUE(space.wait_gone(kube::code_executions, "", 60s));
  std::set<std::string> known;
  for (auto const& call : calls_about_one())
    known.insert(call.describe());
  for (char const* resource : {"codeexecutions", "jobs", "pods"}) {
    for (char const* verb : {"list", "watch"})
      known.insert(std::string(verb) + " " + resource);
  }
  known.insert("list configmaps");
  known.insert("list networkpolicies");
  known.insert("create events");
  known.insert("patch events");
  auto const report = here.api().faults(kube::verb::get);
  std::string const prefix = std::string(agent) + " ";
  bool any = false;
  for (auto const& [call, count] : report["calls"].items()) {
    if (call.rfind(prefix, 0) != 0) continue;
    any = true;
    EXPECT_TRUE(known.count(call.substr(prefix.size()))) << call << " is disturbed nowhere";
  }
  EXPECT_TRUE(any) << report.dump(2);
}

}  // namespace
}  // namespace codeexec::e2e
