// Every fault at every kind of call that the operator has a right to: the end is the same as without it, nothing is
// left behind, and no execution has a second Job. The stand-in disturbs its answers as /faults says.
#include <functional>
#include <gtest/gtest.h>
#include <set>
#include <thread>
#include <vector>

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

/// What only its own limit ends: nothing comes any more, and nobody says so. A stream falls silent after its first
/// line.
named_fault half_open() {
  return {"half open", {{"fault", "silence"}, {"milliseconds", 0u}, {"afterEvents", 1u}}};
}

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
          half_open(),
          {"lost", {{"fault", "lose"}}}};
}

/// What may happen to a stream besides.
std::vector<named_fault> stream_faults() {
  return {{"ended", {{"fault", "end"}, {"afterEvents", 1u}}}, {"cut", {{"fault", "cut"}, {"afterEvents", 1u}}}};
}

struct kind_of_call {
  std::string verb;
  std::string resource;
  bool stream = false;

  std::string describe() const { return verb + " " + resource; }
};

/// The kinds of calls about one execution; each is made in its own namespace, so that all are disturbed at once.
std::vector<kind_of_call> calls_about_one() {
  return {{"patch", "codeexecutions"}, {"patch", "codeexecutions/status"}, {"create", "configmaps"},
          {"create", "jobs"},          {"create", "networkpolicies"},      {"delete", "jobs"},
          {"get", "pods/log", true}};
}

/// Those about one that takes its code from a ConfigMap, is changed by somebody else, meets an edited NetworkPolicy and
/// a quota of no pods, and has a time to live.
std::vector<kind_of_call> calls_about_a_detour() {
  return {{"get", "configmaps"},         {"get", "codeexecutions"}, {"get", "networkpolicies"},
          {"update", "networkpolicies"}, {"list", "events"},        {"delete", "codeexecutions"}};
}

/// Those about one whose Job is refused twice, and that is cancelled while it runs.
std::vector<kind_of_call> calls_about_a_cancelled_one() {
  return {{"patch", "events"}, {"patch", "pods"}};
}

/// Those about what nobody needs any more.
std::vector<kind_of_call> calls_of_the_sweep() {
  return {{"get", "jobs"}, {"delete", "configmaps"}, {"delete", "networkpolicies"}, {"delete", "pods"}};
}

std::vector<kind_of_call> calls_for_the_caches() {
  return {{"list", "codeexecutions"},
          {"watch", "codeexecutions"},
          {"list", "jobs"},
          {"watch", "jobs"},
          {"list", "pods"},
          {"watch", "pods"},
          // The sweep's.
          {"list", "configmaps"},
          {"list", "networkpolicies"}};
}

std::vector<kind_of_call> calls_about_the_lease() {
  return {{"get", "leases"}, {"create", "leases"}, {"update", "leases"}};
}

/// Of the operator, so that half open connections do not take half a minute each.
std::vector<std::string> const impatient{"--kube-api-timeout", "4s"};

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
/// hundred of them take seconds. It sweeps each second.
std::string unsandboxed_config(std::filesystem::path const& folder) {
  std::ifstream in(CODEEXEC_SOURCE_DIR "/config/operator.yaml");
  std::string text((std::istreambuf_iterator<char>(in)), {});
  for (auto const& [before, after] :
       {std::pair<std::string, std::string>{"requireSandbox: true", "requireSandbox: false"},
        {"sweepIntervalSeconds: 300", "sweepIntervalSeconds: 1"}}) {
    auto const at = text.find(before);
    EXPECT_NE(at, std::string::npos) << before;
    if (at != std::string::npos) text.replace(at, before.size(), after);
  }
  auto const file = folder / "operator.yaml";
  std::ofstream(file) << text;
  return file.string();
}

/// The execution "x" in a namespace of its own, and what was seen of it.
struct run {
  run(cluster& api, std::string of) : what(std::move(of)), space(std::make_unique<workspace>(api)) {}

  void look() {
    for (auto const& job : space->list(kube::jobs))
      jobs.insert(job["metadata"]["uid"].get<std::string>());
    auto const got = space->get(kube::code_executions, "x");
    is_there = got.has_value();
    if (got) status = got->value("status", json::object());
  }
  bool has_ended() const {
    auto const phase = status.value("phase", "");
    return phase == "Succeeded" || phase == "Failed";
  }
  void expect_one_job_and_nothing_left() {
    EXPECT_LE(jobs.size(), 1U) << what;
    EXPECT_EQ(space->wait_no_leftovers(60s), std::vector<std::string>()) << what;
  }

  std::string what;
  std::unique_ptr<workspace> space;
  std::set<std::string> jobs;  // uids
  json status = json::object();
  bool is_there = false;
  bool was_helped = false;
};

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

  static bool soon(std::function<bool()> const& happened) {
    auto const until = steady_clock::now() + patience;
    while (!happened()) {
      if (steady_clock::now() > until) return false;
      std::this_thread::sleep_for(200ms);  // a look at a hundred executions is work, for this machine as well
    }
    return true;
  }

  /// A rule that hit nothing has tested nothing. Events are written when there is time.
  void expect_every_rule_was_met() {
    json missed;
    bool const all = soon([&] {
      missed = json::array();
      auto const report = here.api().faults(kube::verb::get);
      for (auto const& rule : report["rules"])
        if (rule["hits"] == 0) missed.push_back(rule);
      return missed.empty();
    });
    EXPECT_TRUE(all) << missed.dump(2);
  }

  void put(workspace const& into, kube::resource const& type, json object) {
    object["apiVersion"] = type.api_version();
    object["kind"] = type.kind;
    auto const made = here.api().send(kube::make_create(type, into.name(), object.dump(), "codeexec-e2e"));
    ASSERT_TRUE(made) << made.error().describe();
  }

  machine here{{"--runtime", "process", "--faults"}};
  std::string config = unsandboxed_config(here.folder());
  std::unique_ptr<program> operator_;
};

TEST_F(Faults, whatever_happens_to_a_call_about_one_execution_its_end_is_the_same) {
  start_operator(impatient);
  std::vector<run> runs;
  json rules = json::array();
  for (auto const& call : calls_about_one()) {
    auto faults = call_faults();
    if (call.stream) {
      for (auto& one : stream_faults())
        faults.push_back(std::move(one));
    }
    for (auto const& fault : faults) {
      runs.emplace_back(here.api(), call.describe() + ", " + fault.name);
      rules.push_back(with(fault.rule, call.verb, call.resource, runs.back().space->name()));
    }
  }
  set_faults(here.api(), rules);
  for (auto const& one : runs)
    ASSERT_TRUE(one.space->create("x", quick_program()));

  soon([&] {
    bool all = true;
    for (auto& one : runs) {
      one.look();
      all = all && one.has_ended();
    }
    return all;
  });
  for (auto& one : runs) {
    ASSERT_TRUE(one.is_there) << one.what;
    expect_as_without_faults(one.status, one.what);
    one.expect_one_job_and_nothing_left();
  }
  expect_every_rule_was_met();
}

/// With our labels, of an execution that is no more.
json left_over(std::string const& name, std::string const& component) {
  return {{"metadata",
           {{"name", name},
            {"labels",
             {{"app.kubernetes.io/managed-by", "codeexec-controller"},
              {"codeexec.dev/component", component},
              {"codeexec.dev/execution-uid", "00000000-0000-0000-0000-000000000000"}}}}}};
}

json sleeping_pod() {
  return {{"restartPolicy", "Never"},
          {"terminationGracePeriodSeconds", 1},
          {"containers",
           json::array({{{"name", "code"}, {"image", "debian:12-slim"}, {"command", json::array({"sleep", "600"})}}})}};
}

/// The operator's own, and somebody has let everything through it.
json edited_policy() {
  auto policy = left_over("codeexec-deny", "network");
  policy["spec"] = {{"podSelector", {{"matchLabels", {{"codeexec.dev/network", "deny"}}}}},
                    {"policyTypes", json::array({"Ingress", "Egress"})},
                    {"egress", json::array({json::object()})}};
  return policy;
}

TEST_F(Faults, whatever_happens_to_a_call_that_few_executions_need_the_end_is_the_same) {
  constexpr kube::resource quotas{"", "v1", "resourcequotas", "ResourceQuota", true};
  start_operator(impatient);
  std::vector<run> detours;
  std::vector<run> cancelled;
  std::vector<run> swept;
  json rules = json::array();
  std::vector<std::size_t> looks_at_events;  // of the detours: the place of the rule
  auto const disturb = [&rules](named_fault const& fault, kind_of_call const& call, run const& of) {
    rules.push_back(with(fault.rule, call.verb, call.resource, of.space->name()));
  };
  for (auto const& fault : call_faults()) {
    auto const& detour = detours.emplace_back(here.api(), "a detour, " + fault.name);
    for (auto const& call : calls_about_a_detour()) {
      if (call.resource == "events") looks_at_events.push_back(rules.size());
      disturb(fault, call, detour);
    }
    disturb({"", {{"fault", "status"}, {"code", 409U}}}, {"patch", "codeexecutions"}, detour);
    auto const& ends = cancelled.emplace_back(here.api(), "cancelled, " + fault.name);
    for (auto const& call : calls_about_a_cancelled_one())
      disturb(fault, call, ends);
    disturb({"", {{"fault", "status"}, {"code", 403U}, {"reason", "Forbidden"}, {"times", 2U}}}, {"create", "jobs"},
            ends);
    auto const& leftovers = swept.emplace_back(here.api(), "left over, " + fault.name);
    for (auto const& call : calls_of_the_sweep())
      disturb(fault, call, leftovers);
  }
  set_faults(here.api(), rules);
  auto const program = quick_program();
  // On a busy machine a round of looks takes seconds, and must find each between its end and its deletion.
  constexpr int time_to_live_s = 15;
  for (auto const& one : detours) {
    put(*one.space, kube::config_maps, {{"metadata", {{"name", "scripts"}}}, {"data", {{"job.sh", program["code"]}}}});
    put(*one.space, kube::network_policies, edited_policy());
    put(*one.space, quotas, {{"metadata", {{"name", "none"}}}, {"spec", {{"hard", {{"pods", "0"}}}}}});
    ASSERT_TRUE(one.space->create("x", {{"language", "bash"},
                                        {"codeFrom", {{"configMapKeyRef", {{"name", "scripts"}, {"key", "job.sh"}}}}},
                                        {"ttlSecondsAfterFinished", time_to_live_s}}));
  }
  for (auto const& one : cancelled)
    ASSERT_TRUE(one.space->create("x", bash("echo out; sleep 600")));
  for (auto const& one : swept) {
    put(*one.space, kube::config_maps, left_over("input", "execution"));
    put(*one.space, kube::network_policies, edited_policy());
    auto pod = left_over("orphan", "execution");
    pod["spec"] = sleeping_pod();
    put(*one.space, kube::pods, pod);
    auto job = left_over("orphan", "execution");
    job["spec"] = {{"suspend", true}, {"template", {{"spec", sleeping_pod()}}}};
    put(*one.space, kube::jobs, job);
  }

  soon([&] {
    auto const report = here.api().faults(kube::verb::get);
    bool all = true;
    for (std::size_t i = 0; i < detours.size(); ++i) {
      auto& one = detours[i];
      one.look();
      if (!one.was_helped && report["rules"][looks_at_events[i]]["hits"] > 0) {
        one.was_helped = true;
        EXPECT_TRUE(one.space->remove(quotas, "none"));
      }
      all = all && one.has_ended() && !one.is_there;
    }
    for (auto& one : cancelled) {
      one.look();
      if (!one.was_helped && one.status.value("phase", "") == "Running") {
        one.was_helped = true;
        EXPECT_TRUE(one.space->merge_patch(kube::code_executions, "x", {{"spec", {{"cancel", true}}}}));
      }
      all = all && one.has_ended();
    }
    return all;
  });
  for (auto& one : detours) {
    expect_as_without_faults(one.status, one.what);
    EXPECT_FALSE(one.is_there) << one.what << ": its time to live is over";
    one.expect_one_job_and_nothing_left();
  }
  for (auto& one : cancelled) {
    EXPECT_EQ(one.status.value("reason", ""), "Cancelled") << one.what << "\n" << one.status.dump(2);
    EXPECT_EQ(one.status.value("stdout", ""), "out\n") << one.what;
    one.expect_one_job_and_nothing_left();
  }
  for (auto& one : swept) {
    for (auto const* type : {&kube::config_maps, &kube::network_policies, &kube::pods, &kube::jobs})
      EXPECT_TRUE(one.space->wait_gone(*type, "app.kubernetes.io/managed-by", 60s)) << one.what << ": " << type->plural;
  }
  expect_every_rule_was_met();
}

/// The operator hears of it after minutes, when the watch should long have ended: what one does not tell, another does.
TEST_F(Faults, a_watch_of_jobs_or_pods_that_is_half_open_holds_nothing_up) {
  for (char const* resource : {"jobs", "pods"}) {
    SCOPED_TRACE(resource);
    set_faults(here.api(), json::array({with(half_open().rule, "watch", resource, "")}));
    start_operator();
    workspace space(here.api());
    expect_as_without_faults(space.run("x", quick_program(), patience), resource);
    EXPECT_EQ(space.wait_no_leftovers(60s), std::vector<std::string>());
    expect_every_rule_was_met();
    auto const status = operator_->end(SIGTERM);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "wait status " << status;
  }
}

TEST_F(Faults, whatever_happens_to_lists_and_watches_the_end_is_the_same) {
  auto faults = call_faults();
  for (auto& one : stream_faults())
    faults.push_back(std::move(one));
  for (auto const& fault : faults) {
    SCOPED_TRACE(fault.name);
    json rules = json::array();
    bool const is_half_open = fault.name == "half open";
    for (auto const& call : calls_for_the_caches()) {
      // A watch that is half open is noticed after minutes: it has a test of its own. Here the server knows no streamed
      // lists, so that others are asked for.
      bool const spared = is_half_open && call.verb == "watch";
      rules.push_back(
          with(spared ? json{{"fault", "status"}, {"code", 422u}} : fault.rule, call.verb, call.resource, ""));
    }
    set_faults(here.api(), rules);
    workspace space(here.api());
    ASSERT_TRUE(space.create("before", quick_program()));
    start_operator(impatient);
    ASSERT_TRUE(space.create("after", quick_program()));
    for (char const* name : {"before", "after"})
      expect_as_without_faults(space.wait_final(name, patience)["status"], name);
    EXPECT_EQ(space.wait_no_leftovers(60s), std::vector<std::string>());
    auto const report = here.api().faults(kube::verb::get);
    int hits = 0;
    for (auto const& rule : report["rules"])
      hits += rule["hits"].get<int>();
    EXPECT_GE(hits, is_half_open ? 6 : 3) << report.dump(2);
    operator_->end(SIGTERM);
  }
}

TEST_F(Faults, whatever_happens_to_the_lease_and_to_events_the_end_is_the_same) {
  auto faults = call_faults();
  // Flags give these calls limits of seconds: they need not be spared a silence without an end.
  std::erase_if(faults, [](named_fault const& one) { return one.name == "silent"; });
  for (auto const& fault : faults) {
    SCOPED_TRACE(fault.name);
    json rules = json::array();
    for (auto const& call : calls_about_the_lease())
      rules.push_back(with(fault.rule, call.verb, call.resource, ""));
    rules.push_back(with(fault.rule, "create", "events", ""));
    set_faults(here.api(), rules);
    start_operator({"--leader-elect", "--leader-elect-lease-duration", "6s", "--leader-elect-renew-deadline", "5s",
                    "--leader-elect-retry-period", "500ms", "--events", "all", "--stop-grace", "2s"});
    workspace space(here.api());
    ASSERT_TRUE(space.create("x", quick_program()));
    expect_as_without_faults(space.wait_final("x", patience)["status"], fault.name);
    EXPECT_EQ(space.wait_no_leftovers(60s), std::vector<std::string>());
    expect_every_rule_was_met();
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
  // Who has to log in anew is told so at once; a person waits as long as they like.
  std::erase_if(faults, [](named_fault const& one) { return one.name == "unauthorized" || one.name == "half open"; });
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

/// "get jobs" of every rule.
std::set<std::string> granted_by(json const& role) {
  std::set<std::string> out;
  for (auto const& rule : role["rules"]) {
    for (auto const& resource : rule["resources"]) {
      for (auto const& verb : rule["verbs"])
        out.insert(verb.get<std::string>() + " " + resource.get<std::string>());
    }
  }
  return out;
}

TEST_F(Faults, are_made_at_every_kind_of_call_that_the_operator_has_a_right_to) {
  constexpr kube::resource cluster_roles{"rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false};
  constexpr kube::resource roles{"rbac.authorization.k8s.io", "v1", "roles", "Role", true};
  auto const of_all = here.api().send(kube::make_get(cluster_roles, "", "codeexec-controller"));
  auto const of_leaders = here.api().send(kube::make_get(roles, "codeexec-system", "codeexec-controller-leader"));
  ASSERT_TRUE(of_all && of_leaders);
  auto granted = granted_by(*of_all);
  granted.merge(granted_by(*of_leaders));
  std::set<std::string> disturbed{"create events"};
  for (auto const& calls : {calls_about_one(), calls_about_a_detour(), calls_about_a_cancelled_one(),
                            calls_of_the_sweep(), calls_for_the_caches(), calls_about_the_lease()}) {
    for (auto const& call : calls)
      disturbed.insert(call.describe());
  }
  EXPECT_EQ(disturbed, granted);
}

}  // namespace
}  // namespace codeexec::e2e
