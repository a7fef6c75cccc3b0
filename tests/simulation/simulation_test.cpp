// Nothing lost whatever dies: the real reconciler over a simulated cluster, killed at every request, with every answer
// lost or doubled, beside another operator, in whatever weather.
//
// A failure prints the line that plays its schedule again, step by step:
//
//     CODEEXEC_SCHEDULE='cancel seed=7 fault=3:lost' build/dev/tests/unit_simulation --gtest_filter=Simulation.Replay
//
// CODEEXEC_THOROUGH=1 leaves no pair of request and fault out, CODEEXEC_SCHEDULES=100000 plays that many random ones,
// CODEEXEC_SEED=1000000 others than the usual.
#include <chrono>
#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iostream>

#include "codeexec/base/log.hpp"
#include "codeexec/execution/build.hpp"

#include "world.hpp"

namespace codeexec::simulation {
namespace {

/// The operators' words would be millions.
class quiet : public ::testing::Test {
 protected:
  quiet() { base::log::set_level(base::log::level::error); }
  ~quiet() override { base::log::set_level(base::log::level::info); }
};

std::uint64_t number_from(char const* variable, std::uint64_t otherwise) {
  auto const* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct tally {
  std::size_t schedules = 0;
  std::size_t requests = 0;
  std::uint64_t events = 0;
  int failures = 0;
  std::map<std::string, int> ends;
  std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();

  ~tally() {
    auto const ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - since);
    std::cout << schedules << " schedules, " << requests << " requests, " << events << " events in " << ms.count()
              << " ms; ends:";
    for (auto const& [reason, count] : ends)
      std::cout << " " << reason << " " << count;
    std::cout << "\n";
  }
};

constexpr int most_failures = 5;

findings play(schedule const& how, tally& sum) {
  auto const* const what = find_scenario(how.scenario);
  world w(*what, how);
  auto f = w.run();
  ++sum.schedules;
  sum.requests += f.requests;
  sum.events += f.events;
  for (auto const& [reason, count] : f.ends)
    sum.ends[reason] += count;
  if (!f.violations.empty()) {
    ++sum.failures;
    std::string all;
    for (auto const& one : f.violations)
      all += "\n  " + one;
    ADD_FAILURE() << all << "\n  Again: CODEEXEC_SCHEDULE='" << how.describe()
                  << "' unit_simulation --gtest_filter=Simulation.Replay";
  }
  return f;
}

class Simulation : public quiet {};

TEST_F(Simulation, EveryScenarioEndsAsItShould) {
  tally sum;
  for (auto const& one : scenarios()) {
    schedule calm;
    calm.scenario = one.name;
    play(calm, sum);
  }
}

/// CODEEXEC_THOROUGH=1: every request meets every fault, also those that are much like another.
bool const thorough = std::getenv("CODEEXEC_THOROUGH") != nullptr;

/// A share of the scenarios, so that the tests run beside each other.
class EachScenario : public quiet, public ::testing::WithParamInterface<std::size_t> {
 protected:
  static constexpr std::size_t shares = 4;
  static std::vector<scenario> of_this_share() {
    std::vector<scenario> some;
    for (std::size_t i = GetParam(); i < scenarios().size(); i += shares)
      some.push_back(scenarios()[i]);
    return some;
  }
};

/// Each request of each scenario, and what may become of it.
TEST_P(EachScenario, AnyRequestMayMeetAnyFault) {
  tally sum;
  for (auto const& one : of_this_share()) {
    std::size_t requests = 1;
    for (std::size_t at = 0; at < requests && sum.failures < most_failures; ++at) {
      for (int what = 1; what <= static_cast<int>(last_fault); ++what) {
        // The rarer faults take turns.
        bool const every_time =
            what <= static_cast<int>(fault::doubled) && static_cast<fault>(what) != fault::kill_early;
        if (!every_time && !thorough && (at + static_cast<std::size_t>(what)) % 3 != 0) continue;
        schedule s;
        s.scenario = one.name;
        s.faults.emplace_back(at, static_cast<fault>(what));
        auto const f = play(s, sum);
        requests = std::max(requests, std::min<std::size_t>(f.requests, 40));
      }
    }
  }
}

/// Somebody cancels, deletes, resumes, evicts, ... before each request, and the operator dies at each.
TEST_P(EachScenario, AnyMomentMaySeeAnyAct) {
  tally sum;
  for (auto const& one : of_this_share()) {
    if (!one.act) continue;
    std::size_t requests = 1;
    for (std::size_t act = 0; act < requests && sum.failures < most_failures; ++act) {
      schedule s;
      s.scenario = one.name;
      s.act_at = act;
      auto const f = play(s, sum);
      requests = std::max(requests, std::min<std::size_t>(f.requests, 14));
      for (std::size_t at = 0; at < std::min<std::size_t>(f.requests, 14) && sum.failures < most_failures; ++at) {
        s.faults = {{at, at % 2 == 0 ? fault::kill_after : fault::kill_before}};
        play(s, sum);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Share, EachScenario, ::testing::Range(std::size_t{0}, std::size_t{4}));

TEST_F(Simulation, RandomSchedules) {
  tally sum;
  auto const count = number_from("CODEEXEC_SCHEDULES", 1200);
  auto const first = number_from("CODEEXEC_SEED", 1);
  auto const& all = scenarios();
  for (std::uint64_t i = 0; i < count && sum.failures < most_failures; ++i) {
    schedule s;
    s.scenario = all[i % all.size()].name;
    s.seed = first + i;
    s.random = true;
    play(s, sum);
  }
}

TEST_F(Simulation, TwoOperatorsAtOnce) {
  tally sum;
  auto const count = number_from("CODEEXEC_SCHEDULES", 600);
  auto const first = number_from("CODEEXEC_SEED", 1);
  auto const& all = scenarios();
  for (std::uint64_t i = 0; i < count && sum.failures < most_failures; ++i) {
    schedule s;
    s.scenario = all[i % all.size()].name;
    s.seed = first + i;
    s.random = true;
    s.split = true;
    play(s, sum);
  }
}

/// As one writes it at first: what the caches show is the world, and an answer that does not come is no answer.
class careless_reconciler final : public runtime::reconciler {
 public:
  careless_reconciler(kube::client& client, codeexec::reconciler::stores what, base::rng random)
      : client_(client), stores_(what), random_(random) {}

  kube::task<runtime::outcome> reconcile(runtime::object_key key, std::string) override {
    auto const e = stores_.executions.get(key);
    if (!e || e->status.is_final()) co_return runtime::outcome::done();
    auto const name = execution::child_name(e->metadata);
    auto const job = stores_.jobs.get(runtime::object_key(key.ns, name));
    if (!job) {
      auto const resolved = execution::resolve(e->spec, config_);
      auto const in = execution::make_input(e->spec, *resolved);
      execution::job_parts const parts{"codeexec-runner", "token"};
      auto object = execution::make_job(*e, *resolved, *in, parts, config_);
      auto request = kube::make_create(kube::jobs, key.ns, object.dump(), "careless");
      auto sending = client_.send(std::move(request), base::deadline::never());
      auto const made = co_await std::move(sending);
      if (!made) co_return runtime::outcome::retry(made.error());
      co_return runtime::outcome::done();
    }
    json runner{{"metadata", {{"name", "codeexec-runner"}}}};
    auto first = kube::make_create(kube::config_maps, key.ns, runner.dump(), "careless");
    auto sending_first = client_.send(std::move(first), base::deadline::never());
    auto const there = co_await std::move(sending_first);
    (void)there;
    auto const resolved = execution::resolve(e->spec, config_);
    auto const in = execution::make_input(e->spec, *resolved);
    auto input = execution::make_input_config_map(*e, *in, job->metadata.uid, "token");
    auto second = kube::make_create(kube::config_maps, key.ns, input.dump(), "careless");
    auto sending_second = client_.send(std::move(second), base::deadline::never());
    auto const also_there = co_await std::move(sending_second);
    (void)also_there;
    for (auto const& pod : stores_.pods.all()) {
      auto const* const container = pod->status.container(execution::container_name);
      if (container == nullptr || !container->state.terminated) continue;
      json const status{{"status",
                         {{"phase", container->state.terminated->exitCode == 0 ? "Succeeded" : "Failed"},
                          {"reason", container->state.terminated->exitCode == 0 ? "Completed" : "NonZeroExit"},
                          {"message", std::to_string(random_())},
                          {"exitCode", container->state.terminated->exitCode},
                          {"stdout", "hi\n"}}}};
      auto write = kube::make_patch(kube::code_executions, key.ns, key.name, kube::patch_type::merge, status.dump(),
                                    "careless", "status");
      auto writing = client_.send(std::move(write), base::deadline::never());
      auto const written = co_await std::move(writing);
      if (!written) co_return runtime::outcome::retry(written.error());
      auto remove = kube::make_delete(kube::jobs, key.ns, name, {});
      auto removing = client_.send(std::move(remove), base::deadline::never());
      auto const removed = co_await std::move(removing);
      (void)removed;
    }
    co_return runtime::outcome::done();
  }

 private:
  kube::client& client_;
  codeexec::reconciler::stores stores_;
  base::rng random_;
  execution::config config_;
};

/// The simulation itself: a careless operator is found out.
TEST_F(Simulation, ACarelessOperatorIsCaught) {
  auto const careless = [](kube::client& client, reconciler::stores what, base::rng random, auto const&) {
    return std::make_unique<careless_reconciler>(client, what, random);
  };
  auto const* const success = find_scenario("success");
  schedule s;
  s.scenario = success->name;
  auto const calm = world(*success, s, careless).run();
  std::string all;
  for (std::size_t at = 0; at < calm.requests; ++at) {
    for (auto const what : {fault::kill_before, fault::kill_after, fault::lost}) {
      s.faults = {{at, what}};
      for (auto const& one : world(*success, s, careless).run().violations)
        all += one + "\n";
    }
  }
  EXPECT_THAT(all, ::testing::HasSubstr("another Job was made for it"));
  EXPECT_THAT(all, ::testing::HasSubstr("the code was run again"));
  std::string apart;
  for (std::uint64_t seed = 1; seed < 40; ++seed) {
    schedule two{success->name, seed, {}, std::nullopt, true, true};
    for (auto const& one : world(*success, two, careless).run().violations)
      apart += one + "\n";
  }
  EXPECT_THAT(apart, ::testing::HasSubstr("its result was changed"));
}

TEST_F(Simulation, Replay) {
  auto const* const line = std::getenv("CODEEXEC_SCHEDULE");
  auto const how = schedule::parse(line != nullptr ? line : "success seed=1 fault=2:kill_after");
  ASSERT_TRUE(how) << "not a schedule: " << line;
  auto const* const what = find_scenario(how->scenario);
  ASSERT_NE(what, nullptr) << "no such scenario: " << how->scenario;
  auto const once = world(*what, *how).run(line != nullptr);
  auto const again = world(*what, *how).run();
  for (auto const& one : once.violations)
    ADD_FAILURE() << one;
  EXPECT_EQ(once.events, again.events) << "the same schedule must play the same";
  EXPECT_EQ(once.violations, again.violations);
}

}  // namespace
}  // namespace codeexec::simulation
