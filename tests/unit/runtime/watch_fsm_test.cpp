#include "codeexec/runtime/watch_fsm.hpp"

#include <gtest/gtest.h>
#include <set>

namespace codeexec::runtime {
namespace {

using namespace std::chrono_literals;
using kube::event_type;

kube::error status(int code, std::string_view reason, std::string_view message = "") {
  std::string body = R"({"kind":"Status","apiVersion":"v1","status":"Failure","code":)" + std::to_string(code) +
                     R"(,"reason":")" + std::string(reason) + R"(","message":")" + std::string(message) + R"("})";
  return kube::error::from_status(code, body);
}
kube::error const expired = status(410, "Expired");
kube::error const broken(kube::error_kind::connection, "reset by peer");
kube::error const silent(kube::error_kind::timeout, "deadline passed");
kube::error const too_large = kube::error(kube::error_kind::protocol, "body too large").mark_oversized();
kube::error const too_slow = kube::error(kube::error_kind::timeout, "reading the answer").mark_oversized();

watch_policy paged() {
  watch_policy policy;
  policy.streaming_lists = false;
  return policy;
}

class WatchFsmFixture : public ::testing::Test {
 protected:
  explicit WatchFsmFixture(watch_policy policy) : fsm(policy, base::rng(3)) { next = fsm.start(now); }

  list_action list() const {
    EXPECT_TRUE(std::holds_alternative<list_action>(next)) << "not about to list";
    return std::holds_alternative<list_action>(next) ? std::get<list_action>(next) : list_action{};
  }
  watch_action watch() const {
    EXPECT_TRUE(std::holds_alternative<watch_action>(next)) << "not about to watch";
    return std::holds_alternative<watch_action>(next) ? std::get<watch_action>(next) : watch_action{};
  }
  std::chrono::milliseconds wait() const {
    EXPECT_TRUE(std::holds_alternative<wait_action>(next)) << "does not back off";
    return std::holds_alternative<wait_action>(next) ? std::get<wait_action>(next).delay : 0ms;
  }
  read_action read() const {
    EXPECT_TRUE(std::holds_alternative<read_action>(next)) << "does not read";
    return std::holds_alternative<read_action>(next) ? std::get<read_action>(next) : read_action{};
  }
  bool is_reading() const { return std::holds_alternative<read_action>(next); }

  void page(std::string_view version, std::string_view token = "") { next = fsm.on_list_page(version, token, now); }
  void opened() { next = fsm.on_watch_opened(now); }
  void event(event_type type, std::string_view version) { next = fsm.on_watch_event(type, version); }
  void bookmark(std::string_view version) { next = fsm.on_watch_bookmark(version); }
  void end_of_list(std::string_view version) { next = fsm.on_watch_bookmark(version, true); }
  static std::chrono::milliseconds wait_of(watch_fsm::action const& action) {
    EXPECT_TRUE(std::holds_alternative<wait_action>(action));
    return std::holds_alternative<wait_action>(action) ? std::get<wait_action>(action).delay : 0ms;
  }
  void wait_over() {
    now += wait();
    next = fsm.on_wait_over(now);
  }
  void watching_from(std::string_view version) {
    page(version);
    opened();
  }

  base::steady_time now = base::steady_time{} + 1h;
  watch_fsm fsm;
  watch_fsm::action next;
};

/// Lists in pages.
class WatchFsm : public WatchFsmFixture {
 protected:
  WatchFsm() : WatchFsmFixture(paged()) {}
};

/// Lists through the watch.
class WatchFsmStreaming : public WatchFsmFixture {
 protected:
  WatchFsmStreaming() : WatchFsmFixture(watch_policy{}) {}
};

TEST_F(WatchFsm, FirstListReadsTheNewestStateSoThatARestartedOperatorDoesNotActOnThePast) {
  EXPECT_EQ(list().resource_version, "");
  EXPECT_EQ(list().resource_version_match, "");
  EXPECT_EQ(list().limit, 500);
  EXPECT_TRUE(list().first_page);
}

TEST_F(WatchFsm, FirstListComesFromTheCacheWhereThePolicySaysSo) {
  auto policy = paged();
  policy.first_list_from_cache = true;
  watch_fsm cached(policy, base::rng(3));
  auto const first = std::get<list_action>(cached.start(now));
  EXPECT_EQ(first.resource_version, "0");
  EXPECT_EQ(first.resource_version_match, "");
}

TEST_F(WatchFsm, LongListIsReadPageByPageWithTheTokenAndNothingBesideIt) {
  page("100", "token-1");
  EXPECT_EQ(list().continue_token, "token-1");
  EXPECT_EQ(list().resource_version, "");
  EXPECT_EQ(list().resource_version_match, "");
  EXPECT_EQ(list().limit, 500);
  EXPECT_FALSE(list().first_page);
  page("100", "token-2");
  EXPECT_EQ(list().continue_token, "token-2");
  page("100");
  EXPECT_TRUE(watch().list_complete);
  EXPECT_EQ(watch().resource_version, "100");
  EXPECT_EQ(fsm.counters().lists, 1U);
  EXPECT_EQ(fsm.counters().pages, 3U);
}

TEST_F(WatchFsm, WatchEndsOnTheServerAfterFiveToTenMinutesAndDiesOfSilenceSoonAfter) {
  std::set<std::chrono::seconds> timeouts;
  page("100");
  for (int i = 0; i < 100; ++i) {
    auto const timeout = watch().timeout;
    EXPECT_GE(timeout, 300s);
    EXPECT_LE(timeout, 600s);
    timeouts.insert(timeout);
    opened();
    ASSERT_TRUE(is_reading());
    EXPECT_EQ(std::get<read_action>(next).by, now + timeout + 30s);
    now += timeout;
    next = fsm.on_watch_ended(now);
  }
  EXPECT_GT(timeouts.size(), 20U) << "watches that began together would end together";
}

TEST_F(WatchFsm, WatchResumesFromTheLastEventWithoutAList) {
  watching_from("100");
  event(event_type::modified, "117");
  event(event_type::deleted, "123");
  now += 300s;
  next = fsm.on_watch_ended(now);
  EXPECT_EQ(watch().resource_version, "123");
  EXPECT_FALSE(watch().list_complete);
  EXPECT_EQ(fsm.counters().lists, 1U);
}

TEST_F(WatchFsm, WatchResumesFromTheLastBookmark) {
  watching_from("100");
  event(event_type::modified, "117");
  bookmark("500");
  now += 300s;
  next = fsm.on_watch_ended(now);
  EXPECT_EQ(watch().resource_version, "500");
}

TEST_F(WatchFsm, EventWithoutAVersionMovesNothing) {
  watching_from("100");
  event(event_type::modified, "");
  EXPECT_EQ(fsm.resource_version(), "100");
}

TEST_F(WatchFsm, VersionsAreNeverComparedSoASmallerOneIsAsGood) {
  watching_from("100");
  event(event_type::modified, "9");
  EXPECT_EQ(fsm.resource_version(), "9");
}

TEST_F(WatchFsm, AdditionsOfAWatchFromNowhereAreNoPlaceToResumeFrom) {
  watching_from("0");
  event(event_type::added, "50");
  event(event_type::added, "20");
  EXPECT_EQ(fsm.resource_version(), "0");
  event(event_type::modified, "60");
  EXPECT_EQ(fsm.resource_version(), "60");
  event(event_type::added, "61");
  EXPECT_EQ(fsm.resource_version(), "61");
}

TEST_F(WatchFsm, BookmarkAlsoEndsTheAdditionsOfAWatchFromNowhere) {
  watching_from("");
  event(event_type::added, "50");
  bookmark("70");
  EXPECT_EQ(fsm.resource_version(), "70");
}

TEST_F(WatchFsm, ExpiredEventLeadsToAListOfTheNewestState) {
  watching_from("100");
  next = fsm.on_watch_error_event(expired, now);
  wait_over();
  EXPECT_TRUE(list().first_page);
  EXPECT_EQ(list().resource_version, "");
  page("900");
  EXPECT_TRUE(watch().list_complete);
  EXPECT_EQ(watch().resource_version, "900");
  EXPECT_EQ(fsm.counters().expired, 1U);
}

TEST_F(WatchFsm, ExpiredAnswerToAWatchLeadsToAListOfTheNewestState) {
  page("100");
  next = fsm.on_watch_refused(expired, now);
  wait_over();
  EXPECT_EQ(list().resource_version, "");
  EXPECT_TRUE(list().first_page);
}

TEST_F(WatchFsm, ExpiredContinueTokenStartsTheListAgainAndTheSecondTimeInOnePiece) {
  page("100", "token");
  next = fsm.on_list_error(expired, now);
  wait_over();
  EXPECT_TRUE(list().first_page);
  EXPECT_EQ(list().continue_token, "");
  EXPECT_EQ(list().limit, 500);
  page("200", "token");
  next = fsm.on_list_error(expired, now);
  wait_over();
  EXPECT_TRUE(list().first_page);
  EXPECT_EQ(list().limit, 0) << "a list that never gets through its pages";
  page("300");
  EXPECT_TRUE(watch().list_complete);
}

TEST_F(WatchFsm, ErrorEventOfAServerInTroubleResumesTheWatchWhereItWas) {
  watching_from("100");
  event(event_type::modified, "110");
  for (int i = 0; i < 10; ++i) {
    next =
        fsm.on_watch_error_event(i % 2 == 0 ? status(429, "TooManyRequests") : status(503, "ServiceUnavailable"), now);
    wait_over();
    EXPECT_EQ(watch().resource_version, "110");
    EXPECT_FALSE(watch().list_complete);
    opened();
  }
  EXPECT_EQ(fsm.counters().lists, 1U);
  EXPECT_EQ(fsm.counters().failures, 10U) << "each one backs off";
}

TEST_F(WatchFsm, ErrorEventsRetryAfterIsHonoured) {
  watching_from("100");
  next = fsm.on_watch_error_event(
      kube::error::from_status(429, R"({"kind":"Status","code":429,"reason":"TooManyRequests",)"
                                    R"("details":{"retryAfterSeconds":17}})"),
      now);
  EXPECT_EQ(wait(), 17s);
  wait_over();
  EXPECT_EQ(watch().resource_version, "100");
}

TEST_F(WatchFsm, VersionThatTheServerCannotGoOnFromIsGivenUpAfterThreeErrorEvents) {
  watching_from("100");
  for (int i = 0; i < 2; ++i) {
    next = fsm.on_watch_error_event(status(500, "InternalError"), now);
    wait_over();
    EXPECT_EQ(watch().resource_version, "100");
    opened();
  }
  event(event_type::modified, "110");
  for (int i = 0; i < 2; ++i) {
    next = fsm.on_watch_error_event(status(500, "InternalError"), now);
    wait_over();
    EXPECT_EQ(watch().resource_version, "110") << "an event came meanwhile: it could go on";
    opened();
  }
  next = fsm.on_watch_error_event(status(500, "InternalError"), now);
  wait_over();
  EXPECT_TRUE(list().first_page);
  EXPECT_EQ(list().resource_version, "") << "not from a cache that may stand where it cannot go on from";
}

TEST_F(WatchFsm, ErrorEventThatIsNoTroubleOfTheServersListsAgainButNotAnOlderState) {
  watching_from("100");
  event(event_type::modified, "110");
  next = fsm.on_watch_error_event(status(400, "BadRequest"), now);
  wait_over();
  EXPECT_EQ(list().resource_version, "110");
  // Without the match a version with a limit would mean this very version, which may be gone.
  EXPECT_EQ(list().resource_version_match, "NotOlderThan");
}

TEST_F(WatchFsm, LineThatIsNoEventLeadsToAQuorumListBecauseAChangeIsLost) {
  watching_from("100");
  next = fsm.on_watch_garbage(now);
  wait_over();
  EXPECT_TRUE(list().first_page);
  EXPECT_EQ(list().resource_version, "");
}

TEST_F(WatchFsm, ServerThatIsBehindIsAskedForWhatItHas) {
  auto const behind = status(504, "Timeout", "Too large resource version: 100, current: 5");
  watching_from("100");
  next = fsm.on_watch_error_event(status(400, "BadRequest"), now);
  wait_over();
  EXPECT_EQ(list().resource_version, "100");
  next = fsm.on_list_error(behind, now);
  wait_over();
  EXPECT_EQ(list().resource_version, "");
  watching_from("100");
  next = fsm.on_watch_error_event(behind, now);
  wait_over();
  EXPECT_EQ(list().resource_version, "");
}

TEST_F(WatchFsm, BrokenWatchResumesWhereItWas) {
  watching_from("100");
  event(event_type::added, "105");
  now += 30s;
  next = fsm.on_watch_broken(broken, now);
  wait_over();
  EXPECT_EQ(watch().resource_version, "105");
  opened();
  now += 700s;
  next = fsm.on_watch_broken(silent, now);
  wait_over();
  EXPECT_EQ(watch().resource_version, "105");
  EXPECT_EQ(fsm.counters().lists, 1U);
}

TEST_F(WatchFsm, ProxyThatEndsEachWatchAtOnceIsNotHammered) {
  page("100");
  auto const began = now;
  int watches = 0;
  while (now < began + 10min) {
    opened();
    ++watches;
    now += 10ms;
    next = fsm.on_watch_ended(now);
    wait_over();
    EXPECT_EQ(watch().resource_version, "100");
  }
  EXPECT_LE(watches, 30);
  EXPECT_EQ(fsm.counters().lists, 1U);
}

TEST_F(WatchFsm, ShortWatchWithAnEventIsNoFailure) {
  watching_from("100");
  event(event_type::added, "101");
  now += 10ms;
  next = fsm.on_watch_ended(now);
  EXPECT_EQ(watch().resource_version, "101");
  EXPECT_EQ(fsm.counters().failures, 0U);
}

TEST_F(WatchFsm, FailuresBackOffFromAboutOneToThirtySeconds) {
  auto expected = 800ms;
  for (int i = 0; i < 12; ++i) {
    next = fsm.on_list_error(broken, now);
    EXPECT_GE(wait(), expected * 79 / 100) << i;
    EXPECT_LE(wait(), expected * 121 / 100) << i;
    expected = std::min<std::chrono::milliseconds>(expected * 2, 30s);
    wait_over();
  }
}

TEST_F(WatchFsm, TwoHealthyMinutesMakeTheNextBackoffShortAgain) {
  for (int i = 0; i < 8; ++i) {
    next = fsm.on_list_error(broken, now);
    wait_over();
  }
  watching_from("100");
  now += 119s;
  next = fsm.on_watch_broken(broken, now);
  EXPECT_GT(wait(), 20s);
  wait_over();
  opened();
  now += 120s;
  next = fsm.on_watch_broken(broken, now);
  EXPECT_LT(wait(), 1s);
}

TEST_F(WatchFsm, ServersRetryAfterIsHonoured) {
  auto const busy = kube::error::from_status(429, "slow down", 17s);
  next = fsm.on_list_error(busy, now);
  EXPECT_EQ(wait(), 17s);
  wait_over();
  page("100");
  next = fsm.on_watch_refused(busy, now);
  EXPECT_EQ(wait(), 17s);
}

TEST_F(WatchFsm, MissingRightsNeverLeadToAListOfEverythingOnTop) {
  page("100");
  for (int i = 0; i < 20; ++i) {
    next = fsm.on_watch_refused(status(403, "Forbidden"), now);
    wait_over();
    EXPECT_EQ(watch().resource_version, "100");
  }
}

TEST_F(WatchFsm, VersionThatTheServerRefusesThreeTimesIsGivenUp) {
  page("100");
  for (int i = 0; i < 2; ++i) {
    next = fsm.on_watch_refused(status(500, "", "resourceVersion: Invalid value"), now);
    wait_over();
    EXPECT_EQ(watch().resource_version, "100");
  }
  next = fsm.on_watch_refused(status(500, "", "resourceVersion: Invalid value"), now);
  wait_over();
  EXPECT_EQ(list().resource_version, "");
}

TEST_F(WatchFsm, PagesThatAreTooLargeOrTooSlowBecomeSmallerButNotTiny) {
  next = fsm.on_list_error(too_large, now);
  wait_over();
  EXPECT_EQ(list().limit, 125);
  next = fsm.on_list_error(too_slow, now);
  wait_over();
  EXPECT_EQ(list().limit, 31);
  for (int i = 0; i < 10; ++i) {
    next = fsm.on_list_error(too_large, now);
    wait_over();
    EXPECT_EQ(list().limit, 25) << "the smallest page of the largest objects is accepted";
  }
}

TEST_F(WatchFsm, PagesStaySmallUntilTheListIsCompleteAndTheNextListBeginsWithWholeOnes) {
  next = fsm.on_list_error(too_large, now);
  wait_over();
  page("100", "token");
  EXPECT_EQ(list().limit, 125);
  page("100");
  opened();
  next = fsm.on_watch_error_event(expired, now);
  wait_over();
  EXPECT_EQ(list().limit, 500) << "what was too large or too slow once may not be any more";
}

TEST_F(WatchFsm, ServerThatSaysNothingOrNonsenseIsNotAskedForMorePages) {
  for (auto const& e :
       {silent, broken, kube::error(kube::error_kind::protocol, "bad chunk"),
        kube::error(kube::error_kind::decode, "the list is not JSON"), status(503, "ServiceUnavailable")}) {
    next = fsm.on_list_error(e, now);
    wait_over();
    EXPECT_EQ(list().limit, 500) << e.describe();
  }
}

TEST_F(WatchFsm, PolicyWithPagesBelowTheSmallestKeepsThem) {
  auto policy = paged();
  policy.page_size = 3;
  watch_fsm tiny(policy, base::rng(3));
  tiny.start(now);
  tiny.on_list_error(too_large, now);
  EXPECT_EQ(std::get<list_action>(tiny.on_wait_over(now)).limit, 3);
}

TEST_F(WatchFsm, CollectionThatDoesNotExistYetIsAskedForEveryFewSeconds) {
  for (int i = 0; i < 20; ++i) {
    next = fsm.on_list_error(status(404, "NotFound"), now);
    EXPECT_LE(wait(), 5s);
    wait_over();
    EXPECT_TRUE(list().first_page);
  }
  EXPECT_GT(wait_of(fsm.on_list_error(broken, now)), 20s) << "other failures still back off";
  EXPECT_EQ(fsm.counters().missing, 20U);
}

TEST_F(WatchFsm, CollectionThatIsTakenAwayIsListedAnewOnceItIsBack) {
  watching_from("100");
  now += 300s;
  next = fsm.on_watch_ended(now);
  next = fsm.on_watch_refused(status(404, "NotFound"), now);
  wait_over();
  EXPECT_TRUE(list().first_page);
}

TEST_F(WatchFsmStreaming, ListComesThroughTheWatchAndNothingElseIsAsked) {
  EXPECT_TRUE(watch().streamed_list);
  EXPECT_FALSE(watch().list_complete);
  EXPECT_EQ(watch().resource_version, "") << "the newest state";
  auto const timeout = watch().timeout;
  auto const began = now;
  opened();
  EXPECT_TRUE(read().listing);
  event(event_type::added, "20");
  event(event_type::added, "10");
  EXPECT_TRUE(read().listing);
  EXPECT_FALSE(read().list_complete);
  end_of_list("500");
  EXPECT_TRUE(read().list_complete);
  EXPECT_FALSE(read().listing);
  EXPECT_EQ(read().by, began + timeout + 30s) << "the same watch goes on";
  event(event_type::modified, "501");
  EXPECT_FALSE(read().list_complete) << "said once";
  now += timeout;
  next = fsm.on_watch_ended(now);
  EXPECT_FALSE(watch().streamed_list);
  EXPECT_EQ(watch().resource_version, "501");
  EXPECT_EQ(fsm.counters().lists, 1U);
  EXPECT_EQ(fsm.counters().streams, 1U);
}

TEST_F(WatchFsmStreaming, NoVersionWithinTheListIsAPlaceToResumeFrom) {
  opened();
  event(event_type::added, "20");
  event(event_type::modified, "21");
  event(event_type::deleted, "22");
  bookmark("23");
  EXPECT_EQ(fsm.resource_version(), "");
  next = fsm.on_watch_broken(broken, now);
  wait_over();
  EXPECT_TRUE(watch().streamed_list) << "the list starts again";
  EXPECT_EQ(watch().resource_version, "");
}

TEST_F(WatchFsmStreaming, ServerWithoutItIsAskedForPagesAtOnceAndNeverForAStreamAgain) {
  for (int const code : {422, 400}) {
    watch_fsm fresh(watch_policy{}, base::rng(1));
    fresh.start(now);
    next = fresh.on_watch_refused(
        status(code, code == 422 ? "Invalid" : "BadRequest",
               "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is "
               "forbidden for watch unless sendInitialEvents is provided"),
        now);
    EXPECT_TRUE(list().first_page);
    EXPECT_EQ(list().limit, 500);
    next = fresh.on_list_page("100", "", now);
    next = fresh.on_watch_opened(now);
    next = fresh.on_watch_error_event(expired, now);
    now += wait();
    next = fresh.on_wait_over(now);
    EXPECT_TRUE(list().first_page);
    EXPECT_EQ(fresh.counters().streams, 1U);
    EXPECT_EQ(fresh.counters().failures, 1U) << "being refused is no failure";
  }
}

TEST_F(WatchFsmStreaming, ServerThatNeverMarksTheEndIsAskedForPages) {
  auto const began = now;
  opened();
  event(event_type::added, "20");
  EXPECT_EQ(read().by, began + 120s);
  now += 120s;
  next = fsm.on_watch_broken(silent, now);
  wait_over();
  EXPECT_TRUE(list().first_page);
}

TEST_F(WatchFsmStreaming, StreamThatBreaksOffTwiceIsTriedAsPagesAndAsAStreamTheNextTime) {
  opened();
  next = fsm.on_watch_broken(broken, now);
  wait_over();
  EXPECT_TRUE(watch().streamed_list);
  opened();
  next = fsm.on_watch_garbage(now);
  wait_over();
  EXPECT_TRUE(list().first_page);
  page("100");
  EXPECT_TRUE(watch().list_complete);
  opened();
  next = fsm.on_watch_error_event(expired, now);
  wait_over();
  EXPECT_TRUE(watch().streamed_list);
}

TEST_F(WatchFsmStreaming, ServerInTroubleIsNotTakenForOneThatCannotStream) {
  for (int i = 0; i < 10; ++i) {
    next = fsm.on_watch_refused(i % 2 == 0 ? status(503, "ServiceUnavailable") : status(429, "TooManyRequests"), now);
    wait_over();
    EXPECT_TRUE(watch().streamed_list);
  }
  next = fsm.on_watch_refused(kube::error::from_status(429, "slow down", 17s), now);
  EXPECT_GE(wait(), 17s);
}

TEST_F(WatchFsmStreaming, RelistIsNotOlderThanWhatWasSeenAndNewestOnceThatHasExpired) {
  opened();
  end_of_list("500");
  next = fsm.on_watch_error_event(status(400, "BadRequest"), now);
  wait_over();
  EXPECT_TRUE(watch().streamed_list);
  EXPECT_EQ(watch().resource_version, "500");
  opened();
  end_of_list("600");
  next = fsm.on_watch_error_event(expired, now);
  wait_over();
  EXPECT_TRUE(watch().streamed_list);
  EXPECT_EQ(watch().resource_version, "");
}

TEST_F(WatchFsmStreaming, CollectionThatDoesNotExistYetIsWaitedFor) {
  for (int i = 0; i < 10; ++i) {
    next = fsm.on_watch_refused(status(404, "NotFound"), now);
    EXPECT_LE(wait(), 5s);
    wait_over();
    EXPECT_TRUE(watch().streamed_list);
  }
}

/// A server and its faults over simulated time.
class simulation {
 public:
  simulation(std::uint64_t seed, double faults, bool streams)
      : random_(seed), faults_(faults), fsm_(streams ? watch_policy{} : paged(), base::rng(seed)) {}

  void run(std::chrono::minutes time) {
    auto const end = now_ + time;
    auto next = fsm_.start(now_);
    while (now_ < end) {
      if (auto const* const l = std::get_if<list_action>(&next)) {
        next = list(*l);
      } else if (auto const* const w = std::get_if<watch_action>(&next)) {
        next = watch(*w);
      } else if (auto const* const r = std::get_if<read_action>(&next)) {
        next = read(*r);
      } else {
        auto const delay = std::get<wait_action>(next).delay;
        ASSERT_GE(delay, 640ms);
        ASSERT_LE(delay, 36s);
        now_ += delay;
        ++waits;
        next = fsm_.on_wait_over(now_);
      }
      if (::testing::Test::HasFatalFailure()) return;
      ASSERT_LT(++steps_, 1'000'000) << "spins";
    }
  }

  int waits = 0;
  int bookmarks = 0;
  int events = 0;
  int justifies_a_list = 0;  ///< of the faults: those after which what was listed or watched is no place to go on from
  watch_counters const& counters() const { return fsm_.counters(); }

 private:
  bool fault() { return std::uniform_real_distribution<double>()(random_) < faults_; }
  std::string version() {
    // In no order, so that whoever compares versions goes wrong.
    auto const v = std::to_string(random_() % 1'000'000'000);
    known_.insert(v);
    return v;
  }

  watch_fsm::action list(list_action const& a) {
    now_ += 20ms;
    EXPECT_TRUE(a.resource_version.empty() || known_.contains(a.resource_version));
    if (!a.first_page) {
      EXPECT_EQ(a.continue_token, token_);
      EXPECT_EQ(a.resource_version, "");
    } else {
      EXPECT_EQ(a.continue_token, "");
      pages_left_ = a.limit == 0 ? 0 : 3;
    }
    if (fault()) {
      ++justifies_a_list;
      return fsm_.on_list_error(random_() % 2 == 0 ? expired : broken, now_);
    }
    if (pages_left_-- > 0) {
      token_ = "token-" + std::to_string(random_());
      return fsm_.on_list_page("", token_, now_);
    }
    return fsm_.on_list_page(version(), "", now_);
  }
  watch_fsm::action watch(watch_action const& a) {
    now_ += 5ms;
    EXPECT_TRUE(known_.contains(a.resource_version) || (a.streamed_list && a.resource_version.empty()))
        << "a version that no server ever said: " << a.resource_version;
    listed_events_left_ = a.streamed_list ? static_cast<int>(random_() % 20) : -1;
    if (fault()) {
      bool const gone = random_() % 2 == 0;
      justifies_a_list += gone || a.streamed_list ? 1 : 0;
      return fsm_.on_watch_refused(gone ? expired : status(503, "ServiceUnavailable"), now_);
    }
    ends_ = now_ + a.timeout;
    next_bookmark_ = now_ + 60s;
    return fsm_.on_watch_opened(now_);
  }
  watch_fsm::action read(read_action const& a) {
    if (fault()) {
      auto const what = random_() % 6;
      justifies_a_list += what < 2 || a.listing ? 1 : 0;
      switch (what) {
        case 0:
          return fsm_.on_watch_error_event(expired, now_);
        case 1:
          return fsm_.on_watch_garbage(now_);
        case 3:
          return fsm_.on_watch_error_event(status(429, "TooManyRequests"), now_);
        case 4:
          return fsm_.on_watch_error_event(status(503, "ServiceUnavailable"), now_);
        case 2:
          now_ = a.by;  // half open: nothing comes any more
          return fsm_.on_watch_broken(silent, now_);
        default:
          return fsm_.on_watch_ended(now_);
      }
    }
    EXPECT_EQ(a.listing, listed_events_left_ >= 0);
    if (listed_events_left_ > 0) {
      --listed_events_left_;
      ++events;
      // A version of these is never one to resume from.
      return fsm_.on_watch_event(event_type::added, "synthetic");
    }
    if (listed_events_left_ == 0) {
      listed_events_left_ = -1;
      ++bookmarks;
      return fsm_.on_watch_bookmark(version(), true);
    }
    auto const gap = std::chrono::milliseconds(random_() % 30'000);
    if (now_ + gap >= ends_) {
      now_ = ends_;
      return fsm_.on_watch_ended(now_);
    }
    now_ += gap;
    if (now_ >= next_bookmark_) {
      next_bookmark_ = now_ + 60s;
      ++bookmarks;
      return fsm_.on_watch_bookmark(version());
    }
    ++events;
    return fsm_.on_watch_event(random_() % 3 == 0 ? event_type::added : event_type::modified, version());
  }

  base::rng random_;
  double faults_;
  watch_fsm fsm_;
  base::steady_time now_ = base::steady_time{} + 1h;
  base::steady_time ends_{};
  base::steady_time next_bookmark_{};
  std::set<std::string> known_;
  std::string token_;
  int pages_left_ = 0;
  int listed_events_left_ = -1;
  int steps_ = 0;
};

TEST(WatchFsmOverTwoHours, HealthyServerIsListedOnceAndNeverAgain) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    simulation two_hours(seed, 0.0, seed % 2 == 0);
    two_hours.run(120min);
    auto const& c = two_hours.counters();
    ASSERT_EQ(c.lists, 1U);
    ASSERT_EQ(c.streams, seed % 2 == 0 ? 1U : 0U);
    ASSERT_EQ(c.failures, 0U);
    ASSERT_EQ(two_hours.waits, 0);
    // 7200 s in watches of 300 s to 600 s.
    ASSERT_GE(c.watches, 12U);
    ASSERT_LE(c.watches, 25U);
    ASSERT_EQ(c.events, static_cast<std::uint64_t>(two_hours.events));
    ASSERT_EQ(c.bookmarks, static_cast<std::uint64_t>(two_hours.bookmarks));
  }
}

TEST(WatchFsmOverTwoHours, NoFaultStopsItSpinsItOrMakesItInventAVersion) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    simulation two_hours(seed, 0.02 * static_cast<double>(1 + seed % 10), seed % 3 != 0);
    two_hours.run(120min);
    ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed;
    auto const& c = two_hours.counters();
    // Each list has a cause: the first, or a fault that leaves no other way.
    ASSERT_LE(c.lists, 1U + static_cast<std::uint64_t>(two_hours.justifies_a_list)) << "a needless list, seed " << seed;
    ASSERT_GT(two_hours.events, 20) << "seed " << seed;
  }
}

}  // namespace
}  // namespace codeexec::runtime
