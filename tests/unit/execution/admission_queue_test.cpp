// Who may start next: fairness, bounds, and what a restart finds.
#include "codeexec/execution/admission_queue.hpp"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <set>

namespace codeexec::execution {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ticket = admission_queue::ticket;

std::string second(int n) {
  auto const two = [](int value) { return std::to_string(100 + value).substr(1); };
  return "2026-01-31T10:" + two(n / 60 % 60) + ":" + two(n % 60) + "Z";
}

/// "a7": of namespace a, created in second 7.
ticket of(std::string const& name) {
  auto const digits = name.find_first_of("0123456789");
  return {"uid-" + name, name.substr(0, digits), name, second(std::stoi(name.substr(digits)))};
}

class queue : public admission_queue {
 public:
  explicit queue(std::int64_t all, std::map<std::string, std::int64_t> each = {}, std::int64_t others = 0)
      : admission_queue(all, [each, others](std::string const& ns) {
          auto const found = each.find(ns);
          bool const is_other = found == each.end();
          return terms{is_other ? others : found->second, is_other ? 0U : 1U};
        }) {}
  void wait_all(std::initializer_list<char const*> names) {
    for (auto const* const name : names)
      wait(of(name));
  }
  std::vector<std::string> admitted() {
    std::vector<std::string> names;
    for (auto const& who : admit())
      names.push_back(who.name);
    return names;
  }
  void end(std::string const& name) { leave("uid-" + name); }
  admission at(std::string const& name) const { return look("uid-" + name); }
};

TEST(AdmissionQueue, WithoutBoundsEverybodyStartsAtOnce) {
  queue q(0);
  q.wait_all({"a1", "b1", "a2"});
  EXPECT_THAT(q.admitted(), ElementsAre("a1", "b1", "a2"));
  EXPECT_TRUE(q.at("a2").admitted);
  EXPECT_EQ(q.running(), 3U);
  EXPECT_EQ(q.waiting(), 0U);
}

TEST(AdmissionQueue, WithinANamespaceWhoWasCreatedFirstGoesFirstInWhateverOrderTheyAreHeardOf) {
  queue q(1);
  q.wait_all({"a3", "a1", "a2"});
  EXPECT_THAT(q.admitted(), ElementsAre("a1"));
  q.end("a1");
  EXPECT_THAT(q.admitted(), ElementsAre("a2"));
  q.end("a2");
  EXPECT_THAT(q.admitted(), ElementsAre("a3"));
}

TEST(AdmissionQueue, OfTwoOfTheSameSecondTheUIDDecides) {
  queue q(1);
  q.wait({"uid-2", "n", "a", second(5)});
  q.wait({"uid-1", "n", "b", second(5)});
  EXPECT_THAT(q.admitted(), ElementsAre("b"));
}

TEST(AdmissionQueue, NamespacesTakeTurns) {
  queue q(1);
  q.wait_all({"a1", "a2", "a3", "b7", "b8", "c9"});
  std::vector<std::string> order;
  for (int i = 0; i < 6; ++i) {
    auto const next = q.admitted();
    ASSERT_EQ(next.size(), 1U);
    order.push_back(next.front());
    q.end(next.front());
  }
  EXPECT_THAT(order, ElementsAre("a1", "b7", "c9", "a2", "b8", "a3"));
}

TEST(AdmissionQueue, AFloodDelaysAnotherNamespaceByOneTurn) {
  queue q(1);
  for (int n = 0; n < 3000; ++n)
    q.wait(of("a" + std::to_string(n)));
  EXPECT_THAT(q.admitted(), ElementsAre("a0"));
  q.wait(of("b3500"));
  EXPECT_EQ(q.at("b3500").position, 2U);
  q.end("a0");
  EXPECT_THAT(q.admitted(), ElementsAre("a1"));
  EXPECT_EQ(q.at("b3500").position, 1U);
  q.end("a1");
  EXPECT_THAT(q.admitted(), ElementsAre("b3500"));
}

TEST(AdmissionQueue, ASlotThatFreesStartsExactlyOne) {
  queue q(2);
  q.wait_all({"a1", "a2", "a3", "b4"});
  EXPECT_THAT(q.admitted(), ElementsAre("a1", "b4"));
  EXPECT_THAT(q.admitted(), IsEmpty());
  q.end("b4");
  EXPECT_THAT(q.admitted(), ElementsAre("a2"));
  EXPECT_EQ(q.running(), 2U);
}

TEST(AdmissionQueue, ANamespaceKeepsItsOwnBoundAndTheOthersGoPast) {
  queue q(0, {{"a", 1}});
  q.wait_all({"a1", "a2", "a3", "b4", "b5"});
  EXPECT_THAT(q.admitted(), ElementsAre("a1", "b4", "b5"));
  auto const where = q.at("a3");
  EXPECT_FALSE(where.admitted);
  EXPECT_TRUE(where.namespace_full);
  EXPECT_EQ(describe(where),
            "Position 2 of 2 in the queue of this namespace (1 of 1 executions run in this namespace).");
  q.end("b4");
  EXPECT_THAT(q.admitted(), IsEmpty()) << "a slot of another namespace is not theirs";
  q.end("a1");
  EXPECT_THAT(q.admitted(), ElementsAre("a2"));
}

TEST(AdmissionQueue, ANamespaceAtItsBoundLosesItsTurnNotItsPlace) {
  queue q(2, {{"a", 1}});
  q.wait_all({"a1", "a2", "b3", "b4", "b5"});
  EXPECT_THAT(q.admitted(), ElementsAre("a1", "b3"));
  q.end("b3");
  EXPECT_THAT(q.admitted(), ElementsAre("b4"));
  q.end("a1");
  // b had its turn in line while a had none.
  EXPECT_THAT(q.admitted(), ElementsAre("b5"));
  q.end("b5");
  EXPECT_THAT(q.admitted(), ElementsAre("a2"));
}

TEST(AdmissionQueue, ThePlaceIsTheOneInWhichTheyStart) {
  queue q(1, {{"c", 2}});
  q.wait_all({"x0"});
  EXPECT_THAT(q.admitted(), ElementsAre("x0"));
  q.wait_all({"a1", "a2", "a3", "b4", "b5", "c6", "c7", "c8"});
  std::map<std::string, std::size_t> promised;
  for (std::string const name : {"a1", "a2", "a3", "b4", "b5", "c6", "c7"})
    promised[name] = q.at(name).position;
  EXPECT_EQ(describe(q.at("b5")), "Position 5 of 8 in the queue (1 of 1 executions run in this cluster).");
  std::string last = "x0";
  for (std::size_t n = 1; n <= 7; ++n) {
    q.end(last);
    auto const next = q.admitted();
    ASSERT_EQ(next.size(), 1U);
    last = next.front();
    EXPECT_EQ(promised[last], n) << last;
  }
}

TEST(AdmissionQueue, AfterARestartThoseThatRunHoldTheirSlotsBeyondTheBoundAndNobodyElseStarts) {
  queue q(2, {{"a", 1}});
  for (auto const* const name : {"a1", "a2", "b3"})
    q.hold(of(name));
  q.wait_all({"a4", "b5"});
  EXPECT_THAT(q.admitted(), IsEmpty());
  EXPECT_EQ(describe(q.at("b5")), "Position 1 of 2 in the queue (3 of 2 executions run in this cluster).");
  EXPECT_TRUE(q.at("a4").namespace_full);
  q.end("a1");
  EXPECT_THAT(q.admitted(), IsEmpty()) << "still as many as allowed";
  q.end("a2");
  EXPECT_THAT(q.admitted(), ElementsAre("b5"));
  q.end("b3");
  EXPECT_THAT(q.admitted(), ElementsAre("a4"));
}

TEST(AdmissionQueue, AJobThatTurnsUpForOneThatWaitsTakesItOutOfTheLine) {
  queue q(1);
  q.wait_all({"a1", "a2"});
  q.hold(of("a2"));
  EXPECT_TRUE(q.at("a2").admitted);
  EXPECT_THAT(q.admitted(), IsEmpty());
  q.end("a2");
  EXPECT_THAT(q.admitted(), ElementsAre("a1"));
}

TEST(AdmissionQueue, SayingTheSameTwiceChangesNothing) {
  queue q(2);
  q.wait_all({"a1", "a1", "a2"});
  q.hold(of("a2"));
  q.hold(of("a2"));
  EXPECT_EQ(q.running(), 1U);
  EXPECT_THAT(q.admitted(), ElementsAre("a1"));
  q.wait(of("a1"));
  EXPECT_TRUE(q.at("a1").admitted) << "who holds a slot does not lose it";
  q.end("a1");
  q.end("a1");
  q.end("nobody9");
  EXPECT_EQ(q.running(), 1U);
  EXPECT_EQ(q.waiting(), 0U);
}

TEST(AdmissionQueue, WhoLeavesTheLineMakesRoomForThoseBehind) {
  queue q(1);
  q.wait_all({"a0", "a1", "a2", "a3"});
  (void)q.admit();
  q.end("a2");
  EXPECT_EQ(q.at("a3").position, 2U);
  q.end("a1");
  q.end("a0");
  EXPECT_THAT(q.admitted(), ElementsAre("a3"));
}

TEST(AdmissionQueue, TenThousandInHundredNamespacesAllStartInTurnAndQuickly) {
  constexpr int count = 10'000;
  constexpr int spaces = 100;
  queue q(20, {}, 3);
  std::vector<ticket> all;
  for (int n = 0; n < count; ++n) {
    // Half of them in one namespace.
    auto const ns = n % 2 == 0 ? std::string("flood") : "ns" + std::to_string(n % spaces) + "-";
    all.push_back({"uid" + std::to_string(n), ns, "e" + std::to_string(n), second(n)});
  }
  std::shuffle(all.begin(), all.end(), std::mt19937(3));
  for (auto const& one : all)
    q.wait(one);
  std::map<std::string, std::size_t> running;
  std::map<std::string, std::size_t> most;
  std::vector<ticket> held;
  std::set<std::string> started;
  std::size_t rounds_until_small_ones_are_through = 0;
  std::mt19937 random(7);
  while (started.size() < count) {
    auto const next = q.admit();
    ASSERT_FALSE(next.empty() && held.empty());
    for (auto const& one : next) {
      ASSERT_TRUE(started.insert(one.uid).second) << "nobody starts twice";
      most[one.ns] = std::max(most[one.ns], ++running[one.ns]);
      held.push_back(one);
      if (one.ns != "flood") rounds_until_small_ones_are_through = started.size();
    }
    ASSERT_LE(held.size(), 20U);
    auto const which = random() % held.size();
    q.leave(held[which].uid);
    --running[held[which].ns];
    held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
    // What a status would ask.
    (void)q.look(all[random() % count].uid);
  }
  for (auto const& [ns, n] : most)
    EXPECT_LE(n, 3U) << ns;
  EXPECT_LT(rounds_until_small_ones_are_through, count / 2U + 500U)
      << "5000 of 50 namespaces, 1 of 51 turns the flood's";
}

TEST(AdmissionQueue, ThoseThatRunAndWaitAreCountedByClassAndByWhatTheyWaitFor) {
  queue q(3, {{"a", 1}});
  q.wait_all({"a1", "a2", "a3", "b4", "b5", "c6", "d7"});
  (void)q.admit();
  EXPECT_EQ(q.running(), 3U);
  auto const counted = q.count(2);
  ASSERT_EQ(counted.size(), 2U);
  EXPECT_EQ(counted[1].running, 1U);
  EXPECT_EQ(counted[1].for_namespace, 2U);
  EXPECT_EQ(counted[1].for_all, 0U);
  EXPECT_EQ(counted[1].oldest, second(2));
  EXPECT_EQ(counted[0].running, 2U);
  EXPECT_EQ(counted[0].for_namespace, 0U);
  EXPECT_EQ(counted[0].for_all, 2U);
  EXPECT_EQ(counted[0].oldest, second(5)) << "the other of b: b and c had their turns";
}

TEST(AdmissionQueue, ClassesWithoutExecutionsAreCountedAsEmpty) {
  queue q(0);
  auto const counted = q.count(3);
  ASSERT_EQ(counted.size(), 3U);
  EXPECT_EQ(counted[2].running, 0U);
  EXPECT_EQ(counted[2].oldest, "");
}

}  // namespace
}  // namespace codeexec::execution
