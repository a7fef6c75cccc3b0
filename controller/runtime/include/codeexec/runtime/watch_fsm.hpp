// The list-and-watch protocol as a state machine: told what the server answered, it says what to ask next.
//
// No clock, timer, socket or object in it; the reflector turns its actions into calls. It keeps to what the API
// documents (kubernetes.io, "API concepts"): resourceVersions are opaque and only ever handed back; the list's version
// starts the watch; the last event's or bookmark's version resumes it, also after an ERROR event by which a server says
// that it is busy or in trouble; 410 (as a status or as an ERROR event) means that the past is gone and the whole has
// to be listed anew.
//
// A list comes through the watch itself where the server can do that (sendInitialEvents: the state as ADDED events,
// whose end a bookmark marks): the state is the newest, costs the server no read of etcd, and neither side ever holds a
// page of it. A server that refuses the request is asked for pages from then on.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "codeexec/base/backoff.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/kube_core/error.hpp"
#include "codeexec/kube_core/watch_event.hpp"

namespace codeexec::runtime {

struct watch_policy {
  bool streaming_lists = true;  ///< false: always in pages
  /// Of each list to begin with: a page that is too large, or that comes too slowly, makes the next ones smaller until
  /// the list is complete.
  std::int64_t page_size = 500;
  std::int64_t smallest_page = 25;  ///< of the largest objects that etcd takes (1.5 MiB) the client accepts as many
  /// Where the first list reads from. False: the newest state, by a quorum read; a restarted operator must not act on
  /// an older state than its predecessor saw (a finished execution would look unfinished). True: resourceVersion 0,
  /// whatever the API server's cache holds, which is cheaper and may lie in the past.
  bool first_list_from_cache = false;
  std::chrono::milliseconds backoff_initial{800};
  std::chrono::milliseconds backoff_maximum{30'000};
  double backoff_jitter = 0.2;
  std::chrono::steady_clock::duration healthy_after = std::chrono::minutes(2);  ///< without a failure: backoff resets
  std::chrono::seconds watch_timeout_min{300};  ///< the server ends each watch after a random time between these
  std::chrono::seconds watch_timeout_max{600};
  std::chrono::seconds idle_margin{30};              ///< a watch silent for longer than its timeout and this is dead
  std::chrono::milliseconds very_short_watch{1000};  ///< a watch that ends sooner and without an event is a failure
  std::chrono::seconds list_timeout{60};             ///< for one page
  std::size_t longest_line = std::size_t{8} << 20U;  ///< bytes of one event; an object has at most 1.5 MiB in etcd
  std::chrono::seconds open_timeout{30};             ///< for a watch's headers
  /// A streamed list has to be complete by then. A server that knows nothing of sendInitialEvents, and does not say so,
  /// never marks its end.
  std::chrono::seconds streamed_list_timeout{120};
  int streamed_list_tries = 2;  ///< streamed lists that broke off in a row; the next one is asked in pages
  int paged_list_tries = 2;     ///< continue tokens that expired in a row; after that the list is asked in one piece
  /// Refusals of a watch, or ERROR events in it, in a row that are not the server's own trouble; then: relist.
  int refused_watch_tries = 3;
  /// The longest wait for a collection that does not exist (yet): its definition is applied any moment.
  std::chrono::milliseconds missing_poll{5'000};
};

/// Ask for one page of the list.
struct list_action {
  bool first_page = true;  ///< forget the pages that came before: the list starts (again)
  std::int64_t limit = 0;
  std::string continue_token;
  std::string resource_version;
  std::string resource_version_match;
  base::steady_time by;
};
/// Open a watch.
struct watch_action {
  bool streamed_list = false;  ///< with a streamed list: forget what was listed before, the list starts (again)
  bool list_complete = false;  ///< the pages since the last first_page are the whole: replace what is in the store
  std::string resource_version;
  std::chrono::seconds timeout{};  ///< the server's
  base::steady_time by;            ///< for the headers
};
/// Read on in the watch that is open.
struct read_action {
  base::steady_time by;        ///< silence or not: the watch, or the list it began with, must have ended by then
  bool listing = false;        ///< what comes belongs to a streamed list
  bool list_complete = false;  ///< the streamed list is the whole: replace what is in the store. Said once
};
/// Close what is open, wait, then on_wait_over().
struct wait_action {
  std::chrono::milliseconds delay{};
};
using watch_fsm_action = std::variant<list_action, watch_action, read_action, wait_action>;

struct watch_counters {
  std::uint64_t lists = 0;    ///< lists begun, of either kind
  std::uint64_t streams = 0;  ///< those that were asked of a watch
  std::uint64_t pages = 0;    ///< pages received
  std::uint64_t watches = 0;  ///< watches opened
  std::uint64_t events = 0;   ///< ADDED, MODIFIED, DELETED
  std::uint64_t bookmarks = 0;
  std::uint64_t expired = 0;   ///< 410, as a status or as an event
  std::uint64_t missing = 0;   ///< 404: the server does not serve such a collection
  std::uint64_t failures = 0;  ///< whatever led to a wait

  watch_counters& operator+=(watch_counters const& more);
};

/// Thread: one; not synchronised. Call what the last action asked for, exactly once; a read_action may be answered by
/// any number of events.
class watch_fsm {
 public:
  using action = watch_fsm_action;

  watch_fsm(watch_policy policy, base::rng random);

  /// The first action.
  action start(base::steady_time now);

  // Answers to list_action.
  action on_list_page(std::string_view resource_version, std::string_view continue_token, base::steady_time now);
  action on_list_error(kube::error const& e, base::steady_time now);

  // Answers to watch_action.
  action on_watch_opened(base::steady_time now);
  action on_watch_refused(kube::error const& e, base::steady_time now);

  // Answers to read_action.
  /// Something happened to an object. `resource_version` is the object's, empty where it cannot be read.
  action on_watch_event(kube::event_type type, std::string_view resource_version);
  /// `initial_events_end`: the bookmark that ends a streamed list.
  action on_watch_bookmark(std::string_view resource_version, bool initial_events_end = false);
  /// An ERROR event: the watch is over.
  action on_watch_error_event(kube::error const& e, base::steady_time now);
  /// A line that is no event, or one too long to read: some change is lost, nobody knows of which object.
  action on_watch_garbage(base::steady_time now);
  /// The server ended the body in order.
  action on_watch_ended(base::steady_time now);
  /// The connection broke, or the read's deadline passed.
  action on_watch_broken(kube::error const& e, base::steady_time now);

  // The answer to wait_action.
  action on_wait_over(base::steady_time now);

  /// Where the next watch starts; empty before the first complete list.
  std::string const& resource_version() const { return version_; }
  watch_counters const& counters() const { return counters_; }

 private:
  enum class state_of { listing, opening, watching, waiting };
  enum class resume_with { list, watch };
  /// What the next list must not be older than.
  enum class list_from { beginning, last_version, newest };

  /// A list from the beginning: streamed where that can be hoped for, else in pages.
  action begin_list(base::steady_time now);
  action stream_list(base::steady_time now);
  action list_first(base::steady_time now);
  action list_next(std::string_view continue_token, base::steady_time now);
  action open_watch(bool list_complete, base::steady_time now);
  action read_on() const;
  action fail(resume_with next, base::steady_time now, std::optional<std::chrono::seconds> retry_after = std::nullopt);
  /// The watch was refused or ended by an error that says nothing about its version: once more from there.
  action try_watch_again(kube::error const& e, base::steady_time now);
  /// The streamed list came to nothing.
  action stream_broke(base::steady_time now, std::optional<std::chrono::seconds> retry_after = std::nullopt);
  action expired(base::steady_time now);
  action missing(base::steady_time now);
  void list_is_complete(std::string_view resource_version);
  std::chrono::seconds random_watch_timeout();
  /// What the list must not be older than; empty: the newest.
  std::string list_version() const;

  watch_policy policy_;
  std::int64_t page_size_;
  base::rng random_;
  base::backoff backoff_;
  watch_counters counters_;

  state_of state_ = state_of::listing;
  resume_with resume_ = resume_with::list;
  list_from from_ = list_from::beginning;
  std::string version_;
  /// The watch started from "" or "0": the ADDED events that come first are a list in arbitrary order, and none of
  /// their versions is a place to resume from.
  bool synthetic_events_ = false;
  bool listing_pages_ = false;      // the list under way has had a page
  bool list_unpaged_ = false;       // the list under way is asked in one piece
  bool initial_events_ = false;     // the watch began with a streamed list whose end has not come
  bool streaming_refused_ = false;  // for good: this server does not stream lists
  int broken_streams_ = 0;
  int expired_continues_ = 0;
  int refused_watches_ = 0;
  std::chrono::seconds watch_timeout_{};
  base::steady_time opened_{};
  base::steady_time read_by_{};
  bool any_event_ = false;
  std::optional<base::steady_time> healthy_since_;  // when the last failure's wait is over
};

}  // namespace codeexec::runtime
