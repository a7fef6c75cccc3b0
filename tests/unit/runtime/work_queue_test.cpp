#include "codeexec/runtime/work_queue.hpp"

#include <algorithm>
#include <deque>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <set>

namespace codeexec::runtime {
namespace {

using namespace std::chrono_literals;

class WorkQueue : public ::testing::Test {
 protected:
  static object_key key(std::string ns, std::string name) { return {std::move(ns), std::move(name)}; }

  std::string take() {
    auto const item = queue.take(now);
    return item ? item->key.describe() : "nothing";
  }
  void finish(std::string ns, std::string name) { queue.done({std::move(ns), std::move(name)}, now); }

  base::steady_time now = base::steady_time{} + 1h;
  work_queue queue{work_queue::options{}, base::rng(7)};
};

TEST_F(WorkQueue, KeyAddedManyTimesIsWorkedOnOnce) {
  for (int i = 0; i < 100; ++i)
    queue.add(key("a", "x"), priority::normal, now);
  EXPECT_EQ(take(), "a/x");
  EXPECT_EQ(take(), "nothing");
}

TEST_F(WorkQueue, KeyIsNotHandedOutTwiceAtOnceAndNotLostWhenAddedMeanwhile) {
  queue.add(key("a", "x"), priority::normal, now);
  EXPECT_EQ(take(), "a/x");
  queue.add(key("a", "x"), priority::normal, now);
  EXPECT_EQ(take(), "nothing");
  finish("a", "x");
  EXPECT_EQ(take(), "a/x");
  finish("a", "x");
  EXPECT_EQ(take(), "nothing");
}

TEST_F(WorkQueue, WhatEndsAnExecutionGoesBeforeWhatStartsOne) {
  queue.add(key("a", "start"), priority::normal, now);
  queue.add(key("b", "end"), priority::high, now);
  EXPECT_EQ(take(), "b/end");
  EXPECT_EQ(take(), "a/start");
}

TEST_F(WorkQueue, WaitingKeyMovesUpWhenItBecomesUrgent) {
  queue.add(key("a", "one"), priority::normal, now);
  queue.add(key("a", "two"), priority::normal, now);
  queue.add(key("a", "two"), priority::high, now);
  EXPECT_EQ(take(), "a/two");
  EXPECT_EQ(take(), "a/one");
  EXPECT_EQ(take(), "nothing");
}

TEST_F(WorkQueue, UrgencyOfARepeatedAddSurvivesUntilThePassIsOver) {
  queue.add(key("a", "x"), priority::normal, now);
  EXPECT_EQ(take(), "a/x");
  queue.add(key("a", "x"), priority::high, now);
  queue.add(key("a", "x"), priority::normal, now);
  queue.add(key("b", "y"), priority::normal, now);
  finish("a", "x");
  auto const next = queue.take(now);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->key.describe(), "a/x");
  EXPECT_EQ(next->how_soon, priority::high);
}

TEST_F(WorkQueue, EndlessUrgentWorkDoesNotHoldUpTheRestForEver) {
  queue.add(key("a", "start"), priority::normal, now);
  int before = 0;
  for (;; ++before) {
    ASSERT_LT(before, 100) << "the normal key starves";
    queue.add(key("b", std::to_string(before)), priority::high, now);
    auto const got = take();
    if (got == "a/start") break;
  }
  EXPECT_EQ(before, work_queue::options{}.high_burst);
}

TEST_F(WorkQueue, FloodFromOneNamespaceDelaysAnotherByOneKeyOnly) {
  for (int i = 0; i < 10'000; ++i)
    queue.add(key("flood", std::to_string(i)), priority::normal, now);
  queue.add(key("quiet", "x"), priority::normal, now);
  EXPECT_EQ(take(), "flood/0");
  EXPECT_EQ(take(), "quiet/x");
  EXPECT_EQ(take(), "flood/1");
}

TEST_F(WorkQueue, NamespacesTakeTurnsAndEachKeepsItsOrder) {
  for (auto const* const name : {"1", "2", "3"}) {
    queue.add(key("a", name), priority::normal, now);
    queue.add(key("b", name), priority::normal, now);
  }
  std::vector<std::string> order;
  for (int i = 0; i < 6; ++i)
    order.push_back(take());
  EXPECT_EQ(order, (std::vector<std::string>{"a/1", "b/1", "a/2", "b/2", "a/3", "b/3"}));
}

TEST_F(WorkQueue, DelayedKeyComesWhenDueAndTheEarliestTimeCounts) {
  queue.add_at(key("a", "x"), priority::normal, now + 10s);
  queue.add_at(key("a", "x"), priority::normal, now + 3s);
  queue.add_at(key("a", "x"), priority::normal, now + 20s);
  EXPECT_EQ(queue.next_due(), now + 3s);
  now += 2999ms;
  EXPECT_EQ(take(), "nothing");
  now += 1ms;
  EXPECT_EQ(take(), "a/x");
  finish("a", "x");
  now += 1h;
  EXPECT_EQ(take(), "nothing");
}

TEST_F(WorkQueue, DelayThatEndsDuringAPassLeadsToAnotherPass) {
  queue.add(key("a", "x"), priority::normal, now);
  queue.add_at(key("a", "x"), priority::normal, now + 1s);
  EXPECT_EQ(take(), "a/x");
  now += 2s;
  EXPECT_EQ(take(), "nothing");
  finish("a", "x");
  EXPECT_EQ(take(), "a/x");
}

TEST_F(WorkQueue, RetriesBackOffExponentiallyUpToTheMaximumAndStartOverAfterSuccess) {
  auto const x = key("a", "x");
  auto expected = std::chrono::duration<double>(0.1);
  for (int i = 0; i < 20; ++i) {
    auto const delay = std::chrono::duration<double>(queue.add_rate_limited(x, priority::normal, now));
    EXPECT_GE(delay, expected * 0.79) << i;
    EXPECT_LE(delay, expected * 1.21) << i;
    expected = std::min(expected * 2, std::chrono::duration<double>(60));
  }
  queue.forget(x);
  EXPECT_LE(queue.add_rate_limited(x, priority::normal, now), 121ms);
}

TEST_F(WorkQueue, JitterSpreadsTheRetriesOfKeysThatFailTogether) {
  std::set<work_queue::duration> delays;
  for (int i = 0; i < 100; ++i)
    delays.insert(queue.add_rate_limited(key("a", std::to_string(i)), priority::normal, now));
  EXPECT_GT(delays.size(), 20U);
}

TEST_F(WorkQueue, RetryWaitsAsLongAsTheServerAsked) {
  EXPECT_EQ(queue.add_rate_limited(key("a", "x"), priority::normal, now, 30s), 30s);
  EXPECT_EQ(queue.next_due(), now + 30s);
}

TEST_F(WorkQueue, FailuresAreToldWithTheKey) {
  queue.add_rate_limited(key("a", "x"), priority::normal, now);
  queue.add_rate_limited(key("a", "x"), priority::normal, now);
  auto const item = queue.take(now + 1h);
  ASSERT_TRUE(item);
  EXPECT_EQ(item->failures, 2);
}

TEST_F(WorkQueue, WaitAndWorkAreMeasured) {
  queue.add(key("a", "x"), priority::normal, now);
  queue.add(key("a", "x"), priority::normal, now + 1s);
  now += 2s;
  EXPECT_EQ(queue.take(now)->waited, 2s);
  now += 5s;
  finish("a", "x");
  auto const& c = queue.counters();
  EXPECT_EQ(c.adds, 2U);
  EXPECT_EQ(c.takes, 1U);
  EXPECT_EQ(c.wait[static_cast<std::size_t>(priority::normal)].max(), 2s);
  EXPECT_EQ(c.wait[static_cast<std::size_t>(priority::high)].count(), 0U);
  EXPECT_EQ(c.work.sum(), 5s);
  EXPECT_EQ(c.work.at_most(6), 0U);  // 1 s
  EXPECT_EQ(c.work.at_most(7), 1U);  // 5 s
}

TEST_F(WorkQueue, DelayedKeyHasWaitedSinceItWasDueNotSinceItWasAdded) {
  queue.add_at(key("a", "x"), priority::normal, now + 1min);
  now += 61s;
  EXPECT_EQ(queue.take(now)->waited, 1s);
}

TEST_F(WorkQueue, FinishedKeysLeaveNothingBehind) {
  for (int i = 0; i < 1000; ++i) {
    auto const k = key("ns-" + std::to_string(i), "x");
    queue.add(k, priority::normal, now);
    queue.take(now);
    if (i % 2 == 0) queue.add_rate_limited(k, priority::normal, now);
    queue.done(k, now);
  }
  now += 1h;
  while (auto const item = queue.take(now)) {
    queue.forget(item->key);
    queue.done(item->key, now);
  }
  EXPECT_EQ(queue.known(), 0U);
  EXPECT_EQ(queue.ready() + queue.delayed() + queue.processing(), 0U);
}

/// A thousand executions are created at once. Each takes a pass that starts it, a while in which its code runs, and a
/// pass that ends it; `workers` passes run side by side. How long each takes from its creation to its end, sorted.
std::vector<std::chrono::milliseconds> flood_of_a_thousand(bool first_come_first_served) {
  constexpr int executions = 1000;
  constexpr int workers = 4;
  constexpr auto a_pass = 10ms;
  constexpr auto code_runs = 200ms;
  auto const began = base::steady_time{} + 1h;
  auto now = began;
  work_queue queue({}, base::rng(5));
  std::set<std::string> started;
  std::multimap<base::steady_time, object_key> passes;  // by their end
  std::multimap<base::steady_time, object_key> codes;
  std::vector<std::chrono::milliseconds> took;
  auto const add = [&](object_key const& key, priority how_soon) {
    queue.add(key, first_come_first_served ? priority::normal : how_soon, now);
  };
  for (int i = 0; i < executions; ++i)
    add({"agents", std::to_string(i)}, priority::normal);
  while (took.size() < executions) {
    while (passes.size() < workers) {
      auto const item = queue.take(now);
      if (!item) break;
      passes.emplace(now + a_pass, item->key);
    }
    auto const pass_ends = passes.empty() ? base::steady_time::max() : passes.begin()->first;
    auto const code_ends = codes.empty() ? base::steady_time::max() : codes.begin()->first;
    now = std::min(pass_ends, code_ends);
    if (code_ends <= pass_ends) {
      add(codes.begin()->second, priority::high);
      codes.erase(codes.begin());
      continue;
    }
    auto const key = passes.begin()->second;
    passes.erase(passes.begin());
    queue.done(key, now);
    if (started.insert(key.name).second) {
      codes.emplace(now + code_runs, key);
    } else {
      took.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(now - began));
    }
  }
  std::sort(took.begin(), took.end());
  return took;
}

TEST(WorkQueueFlood, MedianOfAThousandDoesNotWaitForEverybody) {
  auto const plain = flood_of_a_thousand(true);
  auto const ours = flood_of_a_thousand(false);
  RecordProperty("first_come_first_served_median_ms", static_cast<int>(plain[500].count()));
  RecordProperty("median_ms", static_cast<int>(ours[500].count()));
  EXPECT_LT(ours[0], plain[0] / 5) << "the first result waits for every start";
  EXPECT_LT(ours[500] * 10, plain[500] * 8) << ours[500].count() << " ms against " << plain[500].count() << " ms";
  EXPECT_LE(ours.back(), plain.back() + 250ms) << "and the last one pays for it";
}

/// The queue's rules once more, with containers searched from end to end.
class model {
 public:
  explicit model(int high_burst) : high_burst_(high_burst) {}

  void add(object_key const& k, priority p) {
    if (processing.contains(k)) {
      auto const [at, is_new] = again.try_emplace(k, p);
      at->second = std::min(at->second, p);
      return;
    }
    for (auto const have : {priority::high, priority::normal}) {
      auto& waiting = ready[have][k.ns];
      auto const at = std::find(waiting.begin(), waiting.end(), k);
      if (at == waiting.end()) continue;
      if (have <= p) return;
      waiting.erase(at);
      if (waiting.empty()) served_since[have].erase(k.ns);
    }
    ready[p][k.ns].push_back(k);
  }
  void add_at(object_key const& k, priority p, base::steady_time due) {
    auto const [at, is_new] = delayed.try_emplace(k, due, p);
    at->second.first = std::min(at->second.first, due);
    at->second.second = std::min(at->second.second, p);
  }
  void promote(base::steady_time now) {
    std::vector<std::pair<base::steady_time, object_key>> due;
    for (auto const& [k, when] : delayed) {
      if (when.first <= now) due.emplace_back(when.first, k);
    }
    std::stable_sort(due.begin(), due.end(), [](auto const& a, auto const& b) { return a.first < b.first; });
    for (auto const& [when, k] : due) {
      auto const p = delayed.at(k).second;
      delayed.erase(k);
      add(k, p);
    }
  }
  std::size_t waiting(priority p) const {
    std::size_t n = 0;
    auto const found = ready.find(p);
    if (found == ready.end()) return 0;
    for (auto const& [ns, keys] : found->second)
      n += keys.size();
    return n;
  }

  /// Judges what the queue handed out, and does the same.
  void taken(object_key const& k, priority p) {
    ASSERT_FALSE(processing.contains(k)) << k.describe() << " is handed out twice at once";
    auto& mine = ready[p][k.ns];
    ASSERT_FALSE(mine.empty()) << k.describe() << " was not waiting";
    ASSERT_EQ(mine.front(), k) << "not the oldest of its namespace";
    if (p == priority::normal && waiting(priority::high) > 0) {
      ASSERT_GE(high_in_a_row, high_burst_) << "normal went before high";
    }
    if (p == priority::high) {
      ASSERT_LE(high_in_a_row, high_burst_) << "normal starves";
    }
    high_in_a_row = p == priority::high && waiting(priority::normal) > 0 ? high_in_a_row + 1 : 0;
    // Fairness: while a namespace waits, every other one has at most one turn.
    auto& served = served_since[p];
    for (auto const& [ns, keys] : ready[p]) {
      if (ns == k.ns || keys.empty()) continue;
      ASSERT_LE(++served[ns][k.ns], 1) << ns << " waits while " << k.ns << " has two turns";
    }
    served[k.ns].clear();
    mine.pop_front();
    processing.insert(k);
  }
  void done(object_key const& k) {
    processing.erase(k);
    auto const found = again.find(k);
    if (found == again.end()) return;
    auto const p = found->second;
    again.erase(found);
    add(k, p);
  }

  std::map<priority, std::map<std::string, std::deque<object_key>>> ready;
  std::map<object_key, std::pair<base::steady_time, priority>> delayed;
  std::set<object_key> processing;
  std::map<object_key, priority> again;
  std::map<priority, std::map<std::string, std::map<std::string, int>>> served_since;
  int high_in_a_row = 0;

 private:
  int high_burst_;
};

/// One random schedule of `steps` operations, checked at each step against the model.
void run_schedule(std::uint64_t seed, int steps) {
  base::rng random(seed);
  auto const pick = [&](int n) { return static_cast<int>(random() % static_cast<std::uint64_t>(n)); };
  work_queue::options options;
  options.high_burst = 1 + pick(5);
  work_queue queue(options, base::rng(seed + 1));
  model expected(options.high_burst);
  auto now = base::steady_time{} + 1h;
  int const namespaces = 1 + pick(4);
  int const names = 1 + pick(6);

  auto const any_key = [&] {
    return object_key("ns" + std::to_string(pick(namespaces)), "n" + std::to_string(pick(names)));
  };
  auto const any_priority = [&] { return pick(3) == 0 ? priority::high : priority::normal; };
  auto const finish_one = [&] {
    auto const k = *std::next(expected.processing.begin(), pick(static_cast<int>(expected.processing.size())));
    queue.done(k, now);
    expected.done(k);
  };
  auto const take_one = [&] {
    expected.promote(now);
    auto const item = queue.take(now);
    if (!item) {
      ASSERT_EQ(expected.waiting(priority::high) + expected.waiting(priority::normal), 0U) << "a waiting key is lost";
      return;
    }
    expected.taken(item->key, item->how_soon);
  };

  for (int i = 0; i < steps; ++i) {
    // No two operations at the same moment: keys that come due together may come in either order.
    now += 1ns;
    switch (pick(8)) {
      case 0:
      case 1: {
        auto const k = any_key();
        auto const p = any_priority();
        queue.add(k, p, now);
        expected.add(k, p);
        break;
      }
      case 2: {
        auto const due = now + std::chrono::milliseconds(pick(5000));
        auto const k = any_key();
        auto const p = any_priority();
        queue.add_at(k, p, due);
        expected.add_at(k, p, due);
        break;
      }
      case 3: {
        auto const k = any_key();
        auto const p = any_priority();
        auto const at_least = std::chrono::milliseconds(pick(2) * 500);
        auto const delay = queue.add_rate_limited(k, p, now, at_least);
        ASSERT_GE(delay, at_least);
        expected.add_at(k, p, now + delay);
        break;
      }
      case 4:
        queue.forget(any_key());
        break;
      case 5:
        now += std::chrono::milliseconds(pick(300));
        break;
      case 6:
        if (!expected.processing.empty()) finish_one();
        break;
      default:
        take_one();
        break;
    }
    if (::testing::Test::HasFatalFailure()) return;
    ASSERT_EQ(queue.processing(), expected.processing.size());
    ASSERT_EQ(queue.delayed(), expected.delayed.size());
    ASSERT_EQ(queue.ready(priority::high), expected.waiting(priority::high));
    ASSERT_EQ(queue.ready(priority::normal), expected.waiting(priority::normal));
  }

  // Whatever was added and not taken yet still comes; then nothing is left.
  now += 24h;
  for (int i = 0; i < 10'000; ++i) {
    while (!expected.processing.empty())
      finish_one();
    auto const before = expected.processing.size();
    take_one();
    if (::testing::Test::HasFatalFailure()) return;
    if (expected.processing.size() == before) break;
    queue.forget(*expected.processing.begin());
  }
  for (int n = 0; n < namespaces; ++n) {
    for (int m = 0; m < names; ++m)
      queue.forget(object_key("ns" + std::to_string(n), "n" + std::to_string(m)));
  }
  ASSERT_EQ(queue.known(), 0U) << "the queue keeps something for ever";
}

TEST(WorkQueueSchedules, NoScheduleLosesAKeyHandsOneOutTwiceOrStarvesANamespace) {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    run_schedule(seed, 200);
    ASSERT_FALSE(::testing::Test::HasFatalFailure()) << "schedule " << seed;
  }
}

}  // namespace
}  // namespace codeexec::runtime
