// Nothing lost whatever dies: the real reconciler over a simulated cluster, killed at every request, with every answer
// lost or doubled, beside another operator, in whatever weather.
//
// A failure prints the line that plays its schedule again, step by step:
//
//     CODEEXEC_SCHEDULE='cancel seed=7 fault=3:lost' build/dev/tests/unit_simulation --gtest_filter=Simulation.Replay
//
// CODEEXEC_SCHEDULES=100000 plays that many random ones, CODEEXEC_SEED=1000000 others than the usual.
#include <chrono>
#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iostream>

#include "codeexec/base/log.hpp"

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

/// Each request of each scenario, and each thing that may become of it.
TEST_P(EachScenario, AnyRequestMayMeetAnyFault) {
  tally sum;
  for (auto const& one : of_this_share()) {
    std::size_t requests = 1;
    for (std::size_t at = 0; at < requests && sum.failures < most_failures; ++at) {
      for (int what = 1; what <= static_cast<int>(last_fault); ++what) {
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
