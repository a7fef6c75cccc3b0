#include "codeexec/runtime/lease_fsm.hpp"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <vector>

namespace codeexec::runtime {
namespace {

using namespace std::chrono_literals;
using kube::error;
using kube::error_kind;
using kube::LeaseSpec;

constexpr base::wall_time day{std::chrono::sys_days{std::chrono::year{2026} / 1 / 31}};

error conflict() {
  return error::from_status(409, R"({"kind":"Status","reason":"Conflict","code":409})");
}
error lost_answer() {
  return error(error_kind::connection, "reset");
}
error unreachable() {
  return error(error_kind::connect, "refused");
}

LeaseSpec held_by(std::string who, std::int64_t seconds = 15, std::int64_t transitions = 4) {
  LeaseSpec spec;
  spec.holderIdentity = std::move(who);
  spec.leaseDurationSeconds = seconds;
  spec.acquireTime = day;
  spec.renewTime = day;
  spec.leaseTransitions = transitions;
  return spec;
}

class LeaseFsm : public ::testing::Test {
 protected:
  lease_fsm::moment now() const { return lease_fsm::moment{steady, wall}; }
  void pass(std::chrono::milliseconds time) {
    steady += time;
    wall += time;
  }
  template <class Action>
  Action expect(lease_fsm::action const& got) {
    auto const* const action = std::get_if<Action>(&got);
    EXPECT_NE(action, nullptr) << "another action: " << got.index();
    return action == nullptr ? Action{} : *action;
  }
  bool leading() const { return fsm.is_leading(steady); }
  /// From nothing to the leader, as of now.
  void lead() {
    expect<lease_fsm::ask>(fsm.start(now()));
    expect<lease_fsm::create>(fsm.on_absent(now()));
    expect<lease_fsm::rest>(fsm.on_written(now()));
    ASSERT_TRUE(leading());
  }

  base::steady_time steady{std::chrono::hours(1)};
  base::wall_time wall = day;
  lease_fsm fsm{"me", lease_timing{}, base::rng(1)};
};

TEST_F(LeaseFsm, WhereThereIsNoLeaseItMakesOneAndLeads) {
  expect<lease_fsm::ask>(fsm.start(now()));
  auto const made = expect<lease_fsm::create>(fsm.on_absent(now()));
  EXPECT_EQ(made.spec.holderIdentity, "me");
  EXPECT_EQ(made.spec.leaseDurationSeconds, 15);
  EXPECT_EQ(made.spec.acquireTime, wall);
  EXPECT_EQ(made.spec.renewTime, wall);
  EXPECT_EQ(made.spec.leaseTransitions, 0);
  EXPECT_FALSE(leading()) << "asked is not given";
  EXPECT_EQ(expect<lease_fsm::rest>(fsm.on_written(now())).time, 2s);
  EXPECT_TRUE(leading());
}

TEST_F(LeaseFsm, WhoLosesTheRaceToMakeItWaits) {
  fsm.start(now());
  fsm.on_absent(now());
  auto const again = expect<lease_fsm::rest>(
      fsm.on_failed(error::from_status(409, R"({"kind":"Status","reason":"AlreadyExists","code":409})"), now()));
  EXPECT_GE(again.time, 2s);
  EXPECT_FALSE(leading());
}

TEST_F(LeaseFsm, AnotherLeaderIsWaitedForAsLongAsItRenews) {
  fsm.start(now());
  auto spec = held_by("other");
  for (int i = 0; i < 100; ++i) {
    spec.renewTime = *spec.renewTime + 1us;
    auto const pause = expect<lease_fsm::rest>(fsm.on_found(spec, now()));
    EXPECT_GE(pause.time, 2s);
    EXPECT_LE(pause.time, 4400ms);
    pass(14s);
    expect<lease_fsm::ask>(fsm.on_rested(now()));
  }
  EXPECT_EQ(fsm.holder(), "other");
}

TEST_F(LeaseFsm, ALeaseNotRenewedForItsTimeIsTaken) {
  fsm.start(now());
  auto const spec = held_by("other");
  expect<lease_fsm::rest>(fsm.on_found(spec, now()));
  pass(14999ms);
  expect<lease_fsm::rest>(fsm.on_found(spec, now()));
  pass(1ms);
  auto const taken = expect<lease_fsm::replace>(fsm.on_found(spec, now()));
  EXPECT_EQ(taken.spec.holderIdentity, "me");
  EXPECT_EQ(taken.spec.acquireTime, wall);
  EXPECT_EQ(taken.spec.leaseTransitions, 5) << "counted";
  expect<lease_fsm::rest>(fsm.on_written(now()));
  EXPECT_TRUE(leading());
}

TEST_F(LeaseFsm, TheHolderSaysHowLongItIsWaitedFor) {
  fsm.start(now());
  auto const spec = held_by("other", 60);
  fsm.on_found(spec, now());
  pass(59s);
  expect<lease_fsm::rest>(fsm.on_found(spec, now()));
  pass(1s);
  expect<lease_fsm::replace>(fsm.on_found(spec, now()));
}

TEST_F(LeaseFsm, AWrittenTimeInTheFutureOrThePastCountsForNothing) {
  for (auto const renewed : {day + 240h, day - 240h, base::wall_time{}}) {
    lease_fsm fresh("me", lease_timing{}, base::rng(1));
    auto spec = held_by("other");
    spec.renewTime = renewed;
    expect<lease_fsm::rest>(fresh.on_found(spec, now()));
    pass(15s);
    wall = day - 99h;  // our own wall clock jumps, too
    expect<lease_fsm::replace>(fresh.on_found(spec, now()));
    wall = day;
  }
}

TEST_F(LeaseFsm, AReleasedLeaseIsTakenAtOnce) {
  fsm.start(now());
  auto const taken = expect<lease_fsm::replace>(fsm.on_found(held_by("", 1), now()));
  EXPECT_EQ(taken.spec.leaseTransitions, 5);
  EXPECT_EQ(taken.spec.leaseDurationSeconds, 15) << "our own, not what was left there";
}

TEST_F(LeaseFsm, WhoLosesTheRaceForItWaits) {
  fsm.start(now());
  expect<lease_fsm::replace>(fsm.on_found(held_by(""), now()));
  expect<lease_fsm::rest>(fsm.on_failed(conflict(), now()));
  expect<lease_fsm::ask>(fsm.on_rested(now()));
  expect<lease_fsm::rest>(fsm.on_found(held_by("faster"), now()));
  EXPECT_FALSE(leading());
}

TEST_F(LeaseFsm, WaitersDoNotComeBackAllAtOnce) {
  std::vector<std::chrono::steady_clock::duration> pauses;
  for (unsigned seed = 0; seed < 50; ++seed) {
    lease_fsm one("me", lease_timing{}, base::rng(seed));
    pauses.push_back(expect<lease_fsm::rest>(one.on_found(held_by("other"), now())).time);
  }
  std::sort(pauses.begin(), pauses.end());
  EXPECT_EQ(std::unique(pauses.begin(), pauses.end()), pauses.end());
  EXPECT_GT(pauses.back() - pauses.front(), 1s);
}

TEST_F(LeaseFsm, TheLeaderRenewsAndKeepsWhenItBegan) {
  lead();
  auto const began = wall;
  for (int i = 0; i < 1000; ++i) {
    pass(2s);
    auto const renewal = expect<lease_fsm::replace>(fsm.on_rested(now()));
    EXPECT_EQ(renewal.spec.acquireTime, began);
    EXPECT_EQ(renewal.spec.renewTime, wall);
    EXPECT_EQ(renewal.spec.leaseTransitions, 0);
    EXPECT_EQ(expect<lease_fsm::rest>(fsm.on_written(now())).time, 2s);
    ASSERT_TRUE(leading());
  }
}

TEST_F(LeaseFsm, ARenewalIsAChangeThoughTheWallClockStandsStill) {
  lead();
  auto before = std::optional<base::wall_time>(wall);
  for (int i = 0; i < 3; ++i) {
    steady += 2s;
    auto const renewal = expect<lease_fsm::replace>(fsm.on_rested(now()));
    EXPECT_NE(renewal.spec.renewTime, before);
    before = renewal.spec.renewTime;
    fsm.on_written(now());
  }
}

TEST_F(LeaseFsm, TheLeaderStopsByTimeAloneBeforeAnotherMayStart) {
  lead();
  pass(9999ms);
  EXPECT_TRUE(leading());
  pass(1ms);
  EXPECT_FALSE(leading()) << "whatever the task is waiting for";
}

TEST_F(LeaseFsm, LeadershipCountsFromWhenTheRenewalWasSent) {
  lead();
  pass(2s);
  fsm.on_rested(now());
  auto const sent = steady;
  pass(4s);  // a slow answer
  expect<lease_fsm::rest>(fsm.on_written(now()));
  EXPECT_EQ(fsm.held_until(), sent + 10s);
}

TEST_F(LeaseFsm, ARenewalThatHangsLeavesTimeForAnother) {
  lead();
  pass(2s);
  auto const first = expect<lease_fsm::replace>(fsm.on_rested(now()));
  EXPECT_EQ(first.by, steady + 5s);
  pass(5s);
  expect<lease_fsm::rest>(fsm.on_failed(error(error_kind::timeout, "deadline"), now()));
  pass(2s);
  auto const second = expect<lease_fsm::ask>(fsm.on_rested(now()));
  EXPECT_EQ(second.by, fsm.held_until()) << "no request outlives the leadership";
  EXPECT_TRUE(leading());
  expect<lease_fsm::replace>(fsm.on_found(held_by("me", 15, 0), now()));
  expect<lease_fsm::rest>(fsm.on_written(now()));
  EXPECT_TRUE(leading());
}

TEST_F(LeaseFsm, AServerThatIsAwayForTheRenewDeadlineEndsTheLeadership) {
  lead();
  int tries = 0;
  auto next = fsm.on_written(now());
  while (!std::holds_alternative<lease_fsm::over>(next) && tries < 100) {
    auto const* const pause = std::get_if<lease_fsm::rest>(&next);
    if (pause != nullptr) {
      pass(std::chrono::duration_cast<std::chrono::milliseconds>(pause->time));
      next = fsm.on_rested(now());
    } else {
      ++tries;
      next = fsm.on_failed(unreachable(), now());
    }
  }
  EXPECT_EQ(fsm.where(), lease_fsm::state::lost);
  EXPECT_EQ(tries, 4) << "every 2 s of 10";
  EXPECT_EQ(steady, fsm.held_until());
  EXPECT_THAT(fsm.loss(), ::testing::HasSubstr("could not be renewed in time"));
}

TEST_F(LeaseFsm, AnAnswerAfterTheDeadlineComesTooLate) {
  lead();
  pass(2s);
  fsm.on_rested(now());
  pass(10s);
  expect<lease_fsm::over>(fsm.on_written(now()));
  EXPECT_EQ(fsm.where(), lease_fsm::state::lost);
}

TEST_F(LeaseFsm, AProcessThatWasStoppedForAMinuteDoesNotLeadWhenItGoesOn) {
  lead();
  pass(60s);
  EXPECT_FALSE(leading());
  expect<lease_fsm::over>(fsm.on_rested(now()));
  EXPECT_EQ(fsm.where(), lease_fsm::state::lost);
}

TEST_F(LeaseFsm, ALostAnswerWhoseWriteWasDoneIsFoundToBeOurs) {
  lead();
  pass(2s);
  auto const renewal = expect<lease_fsm::replace>(fsm.on_rested(now()));
  pass(1s);
  expect<lease_fsm::rest>(fsm.on_failed(lost_answer(), now()));
  pass(2s);
  expect<lease_fsm::ask>(fsm.on_rested(now()));
  expect<lease_fsm::replace>(fsm.on_found(renewal.spec, now()));
  expect<lease_fsm::rest>(fsm.on_written(now()));
  EXPECT_TRUE(leading());
}

TEST_F(LeaseFsm, ALostAnswerToTheTakeoverLeadsOnlyAfterARenewal) {
  fsm.start(now());
  auto const taken = expect<lease_fsm::replace>(fsm.on_found(held_by(""), now()));
  expect<lease_fsm::rest>(fsm.on_failed(lost_answer(), now()));
  EXPECT_FALSE(leading());
  pass(3s);
  expect<lease_fsm::ask>(fsm.on_rested(now()));
  auto const renewal = expect<lease_fsm::replace>(fsm.on_found(taken.spec, now()));
  EXPECT_FALSE(leading());
  EXPECT_EQ(renewal.spec.leaseTransitions, taken.spec.leaseTransitions) << "one change of holder, counted once";
  EXPECT_EQ(renewal.spec.acquireTime, taken.spec.acquireTime);
  fsm.on_written(now());
  EXPECT_TRUE(leading());
}

TEST_F(LeaseFsm, AConflictIsLookedIntoAtOnceButNotInALoop) {
  lead();
  pass(2s);
  fsm.on_rested(now());
  expect<lease_fsm::ask>(fsm.on_failed(conflict(), now()));
  expect<lease_fsm::replace>(fsm.on_found(held_by("me", 15, 0), now()));
  EXPECT_GT(expect<lease_fsm::rest>(fsm.on_failed(conflict(), now())).time, 0s);
  EXPECT_TRUE(leading());
}

TEST_F(LeaseFsm, WhoeverFindsAnotherHolderStopsAtOnce) {
  lead();
  pass(2s);
  fsm.on_rested(now());
  fsm.on_failed(conflict(), now());
  expect<lease_fsm::over>(fsm.on_found(held_by("thief"), now()));
  EXPECT_EQ(fsm.where(), lease_fsm::state::lost);
  EXPECT_FALSE(leading());
  EXPECT_THAT(fsm.loss(), ::testing::HasSubstr("thief"));
}

TEST_F(LeaseFsm, ALeaseClearedByHandIsAHandover) {
  lead();
  pass(2s);
  fsm.on_rested(now());
  fsm.on_failed(conflict(), now());
  expect<lease_fsm::over>(fsm.on_found(held_by(""), now()));
  EXPECT_FALSE(leading());
}

TEST_F(LeaseFsm, ADeletedLeaseIsMadeAnewByItsHolder) {
  lead();
  pass(2s);
  fsm.on_rested(now());
  expect<lease_fsm::ask>(fsm.on_failed(error::from_status(404, R"({"kind":"Status","reason":"NotFound"})"), now()));
  expect<lease_fsm::create>(fsm.on_absent(now()));
  EXPECT_TRUE(leading());
  expect<lease_fsm::rest>(fsm.on_written(now()));
  EXPECT_TRUE(leading());
}

TEST_F(LeaseFsm, ReleasedItNamesNobodyForASecond) {
  lead();
  pass(1s);
  auto const given = expect<lease_fsm::replace>(fsm.release(now()));
  EXPECT_FALSE(leading()) << "before the request is sent";
  EXPECT_EQ(given.spec.holderIdentity, "");
  EXPECT_EQ(given.spec.leaseDurationSeconds, 1);
  EXPECT_EQ(given.spec.renewTime, wall);
  expect<lease_fsm::over>(fsm.on_written(now()));
  EXPECT_EQ(fsm.where(), lease_fsm::state::released);
}

TEST_F(LeaseFsm, AReleaseThatMeetsAConflictLooksOnceMore) {
  lead();
  expect<lease_fsm::replace>(fsm.release(now()));
  expect<lease_fsm::ask>(fsm.on_failed(conflict(), now()));
  expect<lease_fsm::replace>(fsm.on_found(held_by("me"), now()));
  expect<lease_fsm::over>(fsm.on_failed(conflict(), now()));
}

TEST_F(LeaseFsm, NothingIsGivenBackThatIsNotHeld) {
  fsm.start(now());
  fsm.on_found(held_by("other"), now());
  expect<lease_fsm::over>(fsm.release(now()));

  lease_fsm late("me", lease_timing{}, base::rng(1));
  late.start(now());
  late.on_absent(now());
  late.on_written(now());
  pass(10s);
  expect<lease_fsm::over>(late.release(now()));

  lease_fsm robbed("me", lease_timing{}, base::rng(1));
  robbed.on_absent(now());
  robbed.on_written(now());
  robbed.release(now());
  robbed.on_failed(conflict(), now());
  expect<lease_fsm::over>(robbed.on_found(held_by("other"), now()));
}

TEST_F(LeaseFsm, AWaiterAsksOnForEverWhateverTheServerSays) {
  fsm.start(now());
  for (auto const& e : {unreachable(), lost_answer(), error(error_kind::timeout, ""), error(error_kind::decode, ""),
                        error::from_status(403, ""), error::from_status(404, ""), error::from_status(500, "")}) {
    expect<lease_fsm::rest>(fsm.on_failed(e, now()));
    pass(4s);
    expect<lease_fsm::ask>(fsm.on_rested(now()));
  }
}

TEST(LeaseTiming, MistakesAreNamedByTheirFlags) {
  auto const timing = [](auto lease, auto renew, auto retry) {
    lease_timing t;
    t.lease = lease;
    t.renew_deadline = renew;
    t.retry = retry;
    return t;
  };
  EXPECT_EQ(check(lease_timing{}), "");
  EXPECT_EQ(check(timing(1s, 800ms, 100ms)), "");
  EXPECT_THAT(check(timing(500ms, 400ms, 100ms)), ::testing::HasSubstr("--leader-elect-lease-duration"));
  EXPECT_THAT(check(timing(1500ms, 400ms, 100ms)), ::testing::HasSubstr("whole seconds"));
  EXPECT_THAT(check(timing(10s, 10s, 2s)), ::testing::HasSubstr("--leader-elect-renew-deadline (10s) must be less"));
  EXPECT_THAT(check(timing(15s, 10s, 6s)), ::testing::HasSubstr("--leader-elect-retry-period (6s)"));
  EXPECT_THAT(check(timing(15s, 10s, 0ms)), ::testing::HasSubstr("--leader-elect-retry-period"));
}

// --- Several of them, an API server between them, and everything that goes wrong -----------------------------------

/// A world of simulated time: candidates, one Lease behind a server, and a network that delays, loses answers after the
/// write was done, refuses, and lies about nothing. Wall clocks jump; steady clocks run.
class world {
 public:
  explicit world(unsigned seed, int candidates) : random_(seed) {
    for (int i = 0; i < candidates; ++i)
      begin();
  }

  /// Simulates `time`; fails the test where two lead at one moment.
  void run(std::chrono::milliseconds time) {
    auto const end = steady_ + time;
    while (!due_.empty() && due_.begin()->first <= end) {
      auto const at = due_.begin()->first;
      // What leads at an instant in between leads at its beginning: leaderships end by themselves only.
      steady_ = at;
      auto const event = std::move(due_.begin()->second);
      due_.erase(due_.begin());
      event();
      look();
    }
    steady_ = end;
    look();
  }

  int leaders() const {
    return static_cast<int>(
        std::count_if(all_.begin(), all_.end(), [&](auto const& one) { return one->fsm.is_leading(steady_); }));
  }
  int leaderships() const { return leaderships_; }
  LeaseSpec const* lease() const { return lease_ ? &*lease_ : nullptr; }
  void kill_leader() {
    std::erase_if(all_, [&](auto const& one) { return one->fsm.is_leading(steady_); });
    begin();
  }
  void stop_leader() {
    for (auto const& one : all_) {
      if (one->fsm.is_leading(steady_)) act(one, one->fsm.release(now()));
    }
  }
  /// Nothing gets from the leader to the server or back for a while; the others have no such trouble.
  void cut_off_leader(std::chrono::milliseconds time) {
    for (auto const& one : all_) {
      if (one->fsm.is_leading(steady_)) one->cut_off_until = steady_ + time;
    }
  }
  double trouble = 0;  ///< share of requests that something happens to
  bool away = false;   ///< the server

 private:
  struct candidate {
    explicit candidate(int n, unsigned seed) : fsm("candidate-" + std::to_string(n), lease_timing{}, base::rng(seed)) {}
    lease_fsm fsm;
    std::uint64_t version = 0;
    bool led = false;
    base::steady_time cut_off_until{};
    std::uint64_t turn = 0;  // what is due for an earlier turn is void
  };
  using candidate_ptr = std::shared_ptr<candidate>;

  void begin() {
    auto const one = std::make_shared<candidate>(++made_, static_cast<unsigned>(random_()));
    all_.push_back(one);
    act(one, one->fsm.start(now()));
  }
  lease_fsm::moment now() {
    auto const jump = std::chrono::milliseconds(static_cast<std::int64_t>(random_() % 7'200'000) - 3'600'000);
    return lease_fsm::moment{
        steady_, day + std::chrono::duration_cast<std::chrono::microseconds>(steady_.time_since_epoch()) + jump};
  }
  bool chance(double share) { return std::uniform_real_distribution<double>(0, 1)(random_) < share; }
  std::chrono::milliseconds some_time(int most) {
    return std::chrono::milliseconds(random_() % static_cast<unsigned>(most));
  }
  void at(base::steady_time when, std::weak_ptr<candidate> whose, std::function<void(candidate_ptr const&)> what) {
    due_.emplace(std::max(when, steady_), [whose, what] {
      if (auto const one = whose.lock()) what(one);
    });
  }

  void act(candidate_ptr const& one, lease_fsm::action const& next) {
    auto const turn = ++one->turn;
    auto const only_this_turn = [turn](std::function<lease_fsm::action(candidate&)> step, world* self) {
      return [turn, step, self](candidate_ptr const& c) {
        if (c->turn == turn) self->act(c, step(*c));
      };
    };
    if (auto const* const pause = std::get_if<lease_fsm::rest>(&next)) {
      at(steady_ + pause->time, one, only_this_turn([this](candidate& c) { return c.fsm.on_rested(now()); }, this));
      return;
    }
    if (std::holds_alternative<lease_fsm::over>(next)) {
      // As the program: it ends, and is started again.
      std::erase(all_, one);
      due_.emplace(steady_ + 1s, [this] { begin(); });
      return;
    }
    request(one, next, only_this_turn);
  }

  template <class Wrap>
  void request(candidate_ptr const& one, lease_fsm::action const& next, Wrap wrap) {
    auto const* const ask = std::get_if<lease_fsm::ask>(&next);
    auto const* const make = std::get_if<lease_fsm::create>(&next);
    auto const* const put = std::get_if<lease_fsm::replace>(&next);
    auto const by = ask != nullptr ? ask->by : make != nullptr ? make->by : put->by;
    bool const bad = chance(trouble);
    auto const there = steady_ + (bad ? some_time(20'000) : some_time(50));
    auto const back = there + (bad ? some_time(20'000) : some_time(50));
    bool const refused = away || (bad && chance(0.3));
    bool const answer_lost = bad && chance(0.5);
    auto const fail = [this](error e) { return [this, e](candidate& c) { return c.fsm.on_failed(e, now()); }; };
    // The caller gives up at its deadline; what is on its way arrives all the same.
    at(by, one, wrap(fail(error(error_kind::timeout, "deadline")), this));
    if (steady_ < one->cut_off_until) return;
    if (refused) {
      at(back, one, wrap(fail(error::from_status(503, "")), this));
      return;
    }
    auto const spec = make != nullptr ? make->spec : put != nullptr ? put->spec : LeaseSpec{};
    enum class what {
      read,
      create,
      replace
    } const doing = ask != nullptr    ? what::read
                    : make != nullptr ? what::create
                                      : what::replace;
    auto const version = one->version;
    std::weak_ptr<candidate> const whose = one;
    // The server acts whether or not the candidate still lives.
    due_.emplace(there, [=, this] {
      std::function<lease_fsm::action(candidate&)> answer;
      if (doing == what::read) {
        if (lease_) {
          answer = [this, found = *lease_, v = version_](candidate& c) {
            c.version = v;
            return c.fsm.on_found(found, now());
          };
        } else {
          answer = [this](candidate& c) { return c.fsm.on_absent(now()); };
        }
      } else if (doing == what::create ? lease_.has_value() : version != version_ || !lease_) {
        answer = fail(conflict());
      } else {
        lease_ = spec;
        answer = [this, v = ++version_](candidate& c) {
          c.version = v;
          return c.fsm.on_written(now());
        };
      }
      if (answer_lost) answer = fail(lost_answer());
      auto const arrives = wrap(answer, this);
      at(back, whose, [this, arrives](candidate_ptr const& c) {
        if (steady_ >= c->cut_off_until) arrives(c);
      });
    });
  }

  void look() {
    int leading = 0;
    for (auto const& one : all_) {
      bool const leads = one->fsm.is_leading(steady_);
      leading += leads ? 1 : 0;
      if (leads && !one->led) ++leaderships_;
      one->led = leads;
    }
    ASSERT_LE(leading, 1) << "two lead at once";
  }

  base::rng random_;
  base::steady_time steady_{std::chrono::hours(1000)};
  std::multimap<base::steady_time, std::function<void()>> due_;
  std::vector<candidate_ptr> all_;
  std::optional<LeaseSpec> lease_;
  std::uint64_t version_ = 1;
  int made_ = 0;
  int leaderships_ = 0;
};

TEST(LeaseWorld, OfThreeOneLeadsAndGoesOnLeading) {
  world w(1, 3);
  w.run(10s);
  for (int i = 0; i < 360; ++i) {
    w.run(10s);
    ASSERT_EQ(w.leaders(), 1);
  }
  EXPECT_EQ(w.leaderships(), 1) << "nothing takes it from who renews";
}

TEST(LeaseWorld, AKilledLeaderIsReplacedOnceItsLeaseHasRunOut) {
  world w(2, 2);
  w.run(10s);
  for (int i = 1; i <= 20; ++i) {
    w.kill_leader();
    w.run(10s);
    EXPECT_EQ(w.leaders(), 0) << "its Lease still runs";
    w.run(15s);
    EXPECT_EQ(w.leaders(), 1);
    EXPECT_EQ(w.lease()->leaseTransitions, i);
  }
}

TEST(LeaseWorld, AStoppedLeaderIsReplacedWithinTheRetryPeriod) {
  world w(3, 2);
  w.run(10s);
  for (int i = 1; i <= 20; ++i) {
    w.stop_leader();
    w.run(5s);
    EXPECT_EQ(w.leaders(), 1);
    EXPECT_EQ(w.lease()->leaseTransitions, i);
  }
}

TEST(LeaseWorld, WhenTheServerComesBackSomebodyLeads) {
  world w(4, 3);
  w.run(10s);
  w.away = true;
  w.run(60s);
  EXPECT_EQ(w.leaders(), 0);
  w.away = false;
  w.run(30s);
  EXPECT_EQ(w.leaders(), 1);
}

TEST(LeaseWorld, NeverTwoAtOnceWhateverTheNetworkDoes) {
  int leaderships = 0;
  for (unsigned seed = 0; seed < 30; ++seed) {
    world w(seed, 2 + static_cast<int>(seed % 3));
    w.trouble = 0.1 * (seed % 8);
    for (int i = 0; i < 60; ++i) {
      w.run(30s);
      if (i % 7 == 3) w.kill_leader();
      if (i % 11 == 5) w.stop_leader();
      if (i % 2 == 0) {
        w.run(std::chrono::milliseconds(37 * ((seed + static_cast<unsigned>(i)) % 100)));
        w.cut_off_leader(40s);
      }
      ASSERT_FALSE(::testing::Test::HasFatalFailure()) << "seed " << seed;
    }
    w.trouble = 0;
    w.run(60s);
    EXPECT_EQ(w.leaders(), 1) << "seed " << seed << ": trouble passes and somebody leads";
    leaderships += w.leaderships();
  }
  EXPECT_GT(leaderships, 250) << "it has been tried";
}

}  // namespace
}  // namespace codeexec::runtime
