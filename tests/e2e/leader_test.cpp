// Several operators and one Lease: one works. These tests start programs of their own, because they kill them.
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <set>

#include "machine.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// Long enough for a machine that is busy with other tests, short enough to wait for.
std::vector<std::string> const quick{"--leader-elect", "--leader-elect-lease-duration=6s",
                                     "--leader-elect-renew-deadline=4s", "--leader-elect-retry-period=250ms",
                                     "--leader-elect-resource-namespace=codeexec-system"};
/// A Lease that does not run out while a test lasts.
std::vector<std::string> const patient{"--leader-elect", "--leader-elect-lease-duration=600s",
                                       "--leader-elect-renew-deadline=300s", "--leader-elect-retry-period=250ms",
                                       "--leader-elect-resource-namespace=codeexec-system"};

bool within(std::chrono::seconds limit, std::function<bool()> const& happened) {
  auto const until = steady_clock::now() + limit;
  while (!happened()) {
    if (steady_clock::now() > until) return false;
    std::this_thread::sleep_for(20ms);
  }
  return true;
}

/// Two operators, started at once.
class LeaderElection : public ::testing::Test {
 protected:
  void start(std::vector<std::string> const& given) {
    flags = given;
    for (std::string const name : {"a", "b"})
      operators[name] = here.start_operator(name, flags);
    ASSERT_TRUE(within(60s, [&] { return !leader().empty() && !standby().empty(); }));
  }
  std::string leader() const { return named("leading"); }
  std::string standby() const { return named("standby"); }
  /// As its Deployment would: on a busy machine a Lease this short is lost now and then, and who lost it ends.
  void start_again(std::string const& name) {
    auto& one = operators.at(name);
    if (!one || one->has_ended()) one = here.start_operator(name, flags);
  }
  void start_again_who_ended() {
    for (auto const& [name, one] : operators)
      if (one) start_again(name);
  }
  /// The status of its end, while somebody leads.
  json wait_final(workspace& space, std::string const& name, std::chrono::seconds limit = 120s) {
    json status = json::object();
    bool const ended = within(limit, [&] {
      start_again_who_ended();
      look(space);
      auto const got = space.get(kube::code_executions, name);
      if (got) status = got->value("status", json::object());
      auto const phase = status.value("phase", "");
      return phase == "Succeeded" || phase == "Failed";
    });
    EXPECT_TRUE(ended) << name << ": " << status.dump(2);
    return status;
  }
  json lease() {
    auto const answer = here.api().send(kube::make_get(kube::leases, "codeexec-system", "codeexec-controller"));
    return answer ? answer->at("spec") : json();
  }
  /// What no execution may have two of.
  void look(workspace& space) {
    for (auto const* const type : {&kube::jobs, &kube::pods}) {
      for (auto const& object : space.list(*type)) {
        seen[std::string(type->plural) + "/" +
             object["metadata"]["labels"]["codeexec.dev/execution"].get<std::string>()]
            .insert(object["metadata"]["uid"]);
      }
    }
  }
  void expect_nothing_twice() const {
    EXPECT_FALSE(seen.empty());
    for (auto const& [what, uids] : seen)
      EXPECT_EQ(uids.size(), 1u) << what;
  }

  machine here;
  std::vector<std::string> flags;
  std::map<std::string, std::unique_ptr<program>> operators;
  std::map<std::string, std::set<std::string>> seen;

 private:
  std::string named(std::string const& word) const {
    for (auto const& [name, one] : operators) {
      if (one && here.readiness(name) == word) return name;
    }
    return {};
  }
};

TEST_F(LeaderElection, the_other_takes_over_from_a_killed_leader_and_nothing_runs_twice) {
  start(quick);
  workspace space(here.api());
  auto const holder = lease()["holderIdentity"];
  constexpr int count = 8;
  auto const make = [&](int from, int to) {
    for (int n = from; n < to; ++n) {
      auto const text = "import time\nprint('start', flush=True)\ntime.sleep(" + std::to_string(n % 4) + ")\nprint(" +
                        std::to_string(n) + ")\n";
      ASSERT_TRUE(space.create("x-" + std::to_string(n), python(text)));
    }
  };
  make(0, count / 2);
  ASSERT_TRUE(within(60s, [&] {
    look(space);
    return !seen.empty();
  })) << "the leader works";
  auto const killed = leader();
  operators[killed]->end(SIGKILL);
  operators[killed].reset();
  make(count / 2, count);
  ASSERT_TRUE(within(60s, [&] {
    start_again_who_ended();
    look(space);
    return !leader().empty();
  }));
  start_again(killed);
  for (int n = 0; n < count; ++n) {
    auto const status = wait_final(space, "x-" + std::to_string(n));
    EXPECT_EQ(status.value("reason", ""), "Completed") << status.dump(2);
    EXPECT_EQ(status.value("stdout", ""), "start\n" + std::to_string(n) + "\n");
  }
  expect_nothing_twice();
  EXPECT_NE(lease()["holderIdentity"], holder);
  EXPECT_GE(lease()["leaseTransitions"], 1);
  EXPECT_EQ(space.wait_no_leftovers(), std::vector<std::string>());
}

TEST_F(LeaderElection, a_stopped_leader_gives_the_lease_back_and_exits_with_0) {
  start(patient);
  workspace space(here.api());
  ASSERT_TRUE(space.create("handed-over", python("import time; time.sleep(2); print('ok')")));
  space.wait_running("handed-over");
  auto const stopped = leader();
  auto const status = operators[stopped]->end(SIGTERM);
  operators[stopped].reset();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(within(30s, [&] { return !leader().empty(); })) << "the lease would run out in ten minutes";
  EXPECT_EQ(space.wait_final("handed-over")["status"]["stdout"], "ok\n");
  auto const waiting = operators[leader()]->end(SIGTERM);
  EXPECT_TRUE(WIFEXITED(waiting) && WEXITSTATUS(waiting) == 0) << waiting;
  EXPECT_EQ(lease()["holderIdentity"], "");
}

TEST_F(LeaderElection, a_leader_that_slept_through_its_lease_exits_with_3_and_writes_nothing) {
  start(quick);
  workspace space(here.api());
  auto const asleep = leader();
  operators[asleep]->signal(SIGSTOP);
  ASSERT_TRUE(space.create("meanwhile", python("import time; time.sleep(3); print('once')")));
  auto const other = standby();
  ASSERT_TRUE(within(60s, [&] {
    start_again(other);
    look(space);
    return here.readiness(other) == "leading";
  }));
  operators[asleep]->signal(SIGCONT);
  auto const status = operators[asleep]->wait();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 3) << status;
  EXPECT_EQ(wait_final(space, "meanwhile").value("stdout", ""), "once\n");
  expect_nothing_twice();
  EXPECT_GE(lease()["leaseTransitions"], 1);
}

TEST_F(LeaderElection, who_stands_by_stops_at_once) {
  start(patient);
  auto const status = operators[standby()]->end(SIGTERM);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(lease()["leaseTransitions"], 0);
}

}  // namespace
}  // namespace codeexec::e2e
