#include "codeexec/runtime/watch_fsm.hpp"

#include <algorithm>
#include <cassert>

namespace codeexec::runtime {
namespace {

/// The server is behind the version we have seen (another API server than last time, or a restored etcd). It says so by
/// a cause, which is all that tells it from an ordinary 504.
bool is_version_too_large(kube::error const& e) {
  return std::any_of(e.causes().begin(), e.causes().end(),
                     [](kube::status_cause const& c) { return c.reason == "ResourceVersionTooLarge"; }) ||
         e.message().find("Too large resource version") != std::string::npos;
}

/// Refusals that say nothing about the version we asked for: the server or our rights are in trouble.
bool is_servers_trouble(kube::error const& e) {
  if (e.kind() != kube::error_kind::api) return true;
  return e.http_status() == 429 || e.http_status() == 401 || e.http_status() == 403 || e.http_status() >= 502;
}

/// The answer of a server that does not stream lists: the option is unknown to it, or not enabled (422 Invalid, with
/// sendInitialEvents or resourceVersionMatch as a forbidden field; 400 from what stands in for one).
bool refuses_streaming(kube::error const& e) {
  return e.kind() == kube::error_kind::api && (e.http_status() == 422 || e.http_status() == 400);
}

bool is_start_of_time(std::string_view version) {
  return version.empty() || version == "0";
}

}  // namespace

watch_counters& watch_counters::operator+=(watch_counters const& more) {
  lists += more.lists;
  streams += more.streams;
  pages += more.pages;
  watches += more.watches;
  events += more.events;
  bookmarks += more.bookmarks;
  expired += more.expired;
  missing += more.missing;
  failures += more.failures;
  return *this;
}

watch_fsm::watch_fsm(watch_policy policy, base::rng random)
    : policy_(policy),
      page_size_(policy.page_size),
      random_(random),
      backoff_(policy.backoff_initial, policy.backoff_maximum, 2.0, policy.backoff_jitter) {}

watch_fsm::action watch_fsm::start(base::steady_time now) {
  return begin_list(now);
}

std::chrono::seconds watch_fsm::random_watch_timeout() {
  // Spread, so that watches that began together (an API server restarted) do not end together for ever after.
  std::uniform_int_distribution<std::int64_t> spread(policy_.watch_timeout_min.count(),
                                                     policy_.watch_timeout_max.count());
  return std::chrono::seconds(spread(random_));
}

std::string watch_fsm::list_version() const {
  switch (from_) {
    case list_from::beginning:
      return policy_.first_list_from_cache ? "0" : "";
    case list_from::last_version:
      return version_;
    case list_from::newest:
      break;
  }
  return {};
}

watch_fsm::action watch_fsm::begin_list(base::steady_time now) {
  bool const streams = policy_.streaming_lists && !streaming_refused_ && broken_streams_ < policy_.streamed_list_tries;
  return streams ? stream_list(now) : list_first(now);
}

watch_fsm::action watch_fsm::stream_list(base::steady_time now) {
  state_ = state_of::opening;
  initial_events_ = true;
  ++counters_.lists;
  ++counters_.streams;
  watch_timeout_ = random_watch_timeout();
  any_event_ = false;
  watch_action a;
  a.streamed_list = true;
  a.timeout = watch_timeout_;
  a.by = now + policy_.open_timeout;
  a.resource_version = list_version();
  return a;
}

watch_fsm::action watch_fsm::list_first(base::steady_time now) {
  state_ = state_of::listing;
  initial_events_ = false;
  listing_pages_ = false;
  list_unpaged_ = expired_continues_ >= policy_.paged_list_tries;
  ++counters_.lists;
  list_action a;
  a.first_page = true;
  a.limit = list_unpaged_ ? 0 : page_size_;
  a.by = now + policy_.list_timeout;
  a.resource_version = list_version();
  // Said aloud, because a version with a limit and without a match means Exact, which is soon compacted away.
  if (!is_start_of_time(a.resource_version)) a.resource_version_match = "NotOlderThan";
  return a;
}

watch_fsm::action watch_fsm::list_next(std::string_view continue_token, base::steady_time now) {
  list_action a;
  a.first_page = false;
  a.limit = list_unpaged_ ? 0 : page_size_;
  // The token carries the version; naming one beside it is refused.
  a.continue_token = continue_token;
  a.by = now + policy_.list_timeout;
  return a;
}

watch_fsm::action watch_fsm::on_list_page(std::string_view resource_version, std::string_view continue_token,
                                          base::steady_time now) {
  assert(state_ == state_of::listing);
  ++counters_.pages;
  listing_pages_ = true;
  if (!continue_token.empty()) return list_next(continue_token, now);
  list_is_complete(resource_version);
  return open_watch(true, now);
}

void watch_fsm::list_is_complete(std::string_view resource_version) {
  version_ = resource_version;
  from_ = list_from::last_version;
  page_size_ = policy_.page_size;
  broken_streams_ = 0;
  expired_continues_ = 0;
  refused_watches_ = 0;
}

watch_fsm::action watch_fsm::on_list_error(kube::error const& e, base::steady_time now) {
  assert(state_ == state_of::listing);
  if (e.is_gone()) {
    if (listing_pages_) {
      // The list took longer than the server keeps its past; the pages we have belong to no state that can be
      // completed.
      ++expired_continues_;
    }
    return expired(now);
  }
  if (e.is_not_found()) return missing(now);
  if (is_version_too_large(e)) {
    from_ = list_from::newest;
  } else if (e.is_oversized()) {
    // Perhaps fewer of these objects will do. Each page is a read of etcd's: a server that is merely away or busy must
    // not be asked for more of them.
    page_size_ = std::min(page_size_, std::max(policy_.smallest_page, page_size_ / 4));
    expired_continues_ = 0;
  }
  return fail(resume_with::list, now, e.retry_after());
}

watch_fsm::action watch_fsm::open_watch(bool list_complete, base::steady_time now) {
  state_ = state_of::opening;
  initial_events_ = false;
  watch_timeout_ = random_watch_timeout();
  synthetic_events_ = is_start_of_time(version_);
  any_event_ = false;
  watch_action a;
  a.list_complete = list_complete;
  a.resource_version = version_;
  a.timeout = watch_timeout_;
  a.by = now + policy_.open_timeout;
  return a;
}

watch_fsm::action watch_fsm::on_watch_opened(base::steady_time now) {
  assert(state_ == state_of::opening);
  state_ = state_of::watching;
  ++counters_.watches;
  opened_ = now;
  read_by_ = now + (initial_events_ ? policy_.streamed_list_timeout : watch_timeout_ + policy_.idle_margin);
  return read_on();
}

watch_fsm::action watch_fsm::on_watch_refused(kube::error const& e, base::steady_time now) {
  assert(state_ == state_of::opening);
  if (e.is_gone()) return expired(now);
  if (e.is_not_found()) return missing(now);
  if (is_version_too_large(e)) {
    from_ = list_from::newest;
    return fail(resume_with::list, now, e.retry_after());
  }
  if (initial_events_) {
    if (refuses_streaming(e)) {
      streaming_refused_ = true;
      return list_first(now);
    }
    // A server that cannot be reached, or is busy, says nothing about whether it streams.
    if (is_servers_trouble(e)) return fail(resume_with::list, now, e.retry_after());
    return stream_broke(now, e.retry_after());
  }
  return try_watch_again(e, now);
}

watch_fsm::action watch_fsm::try_watch_again(kube::error const& e, base::steady_time now) {
  if (!is_servers_trouble(e) && ++refused_watches_ >= policy_.refused_watch_tries) {
    // Perhaps the version is one this server never had (a restored backup), or one that it cannot go on from. A new
    // list finds out.
    refused_watches_ = 0;
    from_ = list_from::newest;
    return fail(resume_with::list, now, e.retry_after());
  }
  return fail(resume_with::watch, now, e.retry_after());
}

watch_fsm::action watch_fsm::read_on() const {
  return read_action{read_by_, initial_events_, false};
}

watch_fsm::action watch_fsm::on_watch_event(kube::event_type type, std::string_view resource_version) {
  assert(state_ == state_of::watching);
  any_event_ = true;
  refused_watches_ = 0;
  ++counters_.events;
  // Of a streamed list no version counts but that of the mark at its end.
  if (initial_events_) return read_on();
  // Whatever is not an addition comes after the list that such a watch begins with.
  if (type != kube::event_type::added) synthetic_events_ = false;
  if (!resource_version.empty() && !synthetic_events_) version_ = resource_version;
  return read_on();
}

watch_fsm::action watch_fsm::on_watch_bookmark(std::string_view resource_version, bool initial_events_end) {
  assert(state_ == state_of::watching);
  any_event_ = true;
  refused_watches_ = 0;
  ++counters_.bookmarks;
  if (initial_events_) {
    if (!initial_events_end) return read_on();
    initial_events_ = false;
    synthetic_events_ = false;
    list_is_complete(resource_version);
    read_by_ = opened_ + watch_timeout_ + policy_.idle_margin;
    return read_action{read_by_, false, true};
  }
  synthetic_events_ = false;
  if (!resource_version.empty()) version_ = resource_version;
  return read_on();
}

watch_fsm::action watch_fsm::on_watch_error_event(kube::error const& e, base::steady_time now) {
  assert(state_ == state_of::watching);
  if (e.is_gone()) return expired(now);
  bool const is_behind = is_version_too_large(e);
  if (is_behind) from_ = list_from::newest;
  if (initial_events_) return stream_broke(now, e.retry_after());
  // A server that is busy or in trouble has told every change up to here. A list of everything, from each operator at
  // once, is what it can bear least.
  if (!is_behind && e.is_retryable()) return try_watch_again(e, now);
  return fail(resume_with::list, now, e.retry_after());
}

watch_fsm::action watch_fsm::on_watch_garbage(base::steady_time now) {
  assert(state_ == state_of::watching);
  if (initial_events_) return stream_broke(now);
  // Not from a cache: it may still stand before the change that was lost, and would lead back to the same line.
  from_ = list_from::newest;
  return fail(resume_with::list, now);
}

watch_fsm::action watch_fsm::on_watch_ended(base::steady_time now) {
  assert(state_ == state_of::watching);
  if (initial_events_) return stream_broke(now);
  if (!any_event_ && now - opened_ < policy_.very_short_watch) return fail(resume_with::watch, now);
  return open_watch(false, now);
}

watch_fsm::action watch_fsm::on_watch_broken(kube::error const& e, base::steady_time now) {
  assert(state_ == state_of::watching);
  if (!initial_events_) return fail(resume_with::watch, now, e.retry_after());
  // Events came or not, the mark did not: as from a server that took the request for an ordinary watch.
  if (e.is_timeout()) streaming_refused_ = true;
  return stream_broke(now, e.retry_after());
}

watch_fsm::action watch_fsm::stream_broke(base::steady_time now, std::optional<std::chrono::seconds> retry_after) {
  ++broken_streams_;
  return fail(resume_with::list, now, retry_after);
}

watch_fsm::action watch_fsm::expired(base::steady_time now) {
  ++counters_.expired;
  from_ = list_from::newest;
  return fail(resume_with::list, now);
}

watch_fsm::action watch_fsm::missing(base::steady_time now) {
  ++counters_.missing;
  auto wait = std::get<wait_action>(fail(resume_with::list, now));
  wait.delay = std::min(wait.delay, policy_.missing_poll);
  return wait;
}

watch_fsm::action watch_fsm::fail(resume_with next, base::steady_time now,
                                  std::optional<std::chrono::seconds> retry_after) {
  ++counters_.failures;
  state_ = state_of::waiting;
  resume_ = next;
  if (healthy_since_ && now - *healthy_since_ >= policy_.healthy_after) backoff_.reset();
  auto delay = backoff_.next(random_);
  if (retry_after) delay = std::max<std::chrono::milliseconds>(delay, *retry_after);
  healthy_since_ = now + delay;
  return wait_action{delay};
}

watch_fsm::action watch_fsm::on_wait_over(base::steady_time now) {
  assert(state_ == state_of::waiting);
  return resume_ == resume_with::list ? begin_list(now) : open_watch(false, now);
}

}  // namespace codeexec::runtime
