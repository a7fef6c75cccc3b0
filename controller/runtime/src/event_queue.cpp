#include "codeexec/runtime/event_queue.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "codeexec/kube_core/resource.hpp"

namespace codeexec::runtime {
namespace {

std::string dump(nlohmann::json const& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

event_queue::event_queue(kube::event_reporter who, event_queue_options options, moment now)
    : who_(std::move(who)), options_(options), bucket_(options.per_second, options.burst, now.steady) {}

std::string event_queue::key_of(kube::occurrence const& what) {
  auto const& about = what.regarding;
  std::string key;
  for (auto const& part : {about.kind, about.namespace_, about.name, about.uid, what.reason, what.action}) {
    key += part;
    key += '\0';
  }
  key += what.severity == kube::event_severity::warning ? 'W' : 'N';
  return key;
}

bool event_queue::record(kube::occurrence what, moment now) {
  ++counters_.recorded;
  make_room(now.steady);
  auto key = key_of(what);
  auto found = entries_.find(key);
  if (found != entries_.end()) {
    auto* const e = &*found;
    ++counters_.folded;
    ++e->second.count;
    e->second.last = now.wall;
    e->second.last_seen = now.steady;
    touch(e);
    if (e->second.due || under_way_ == e) return true;
    // The second time tells that it goes on; how often it did meanwhile can wait.
    bool const is_series = e->second.written > 1;
    schedule(e, is_series ? std::max(now.steady, e->second.last_written + options_.series_interval) : now.steady);
    return true;
  }
  if (new_ones_ >= options_.most_waiting || entries_.size() >= options_.most_remembered) {
    ++counters_.dropped;
    return false;
  }
  entry fresh;
  fresh.name = kube::event_name(what.regarding.name, next_number(now.wall));
  fresh.what = std::move(what);
  fresh.first = fresh.last = now.wall;
  fresh.last_seen = now.steady;
  fresh.count = 1;
  auto* const e = &*entries_.emplace(std::move(key), std::move(fresh)).first;
  e->second.age = by_age_.insert(by_age_.end(), e);
  ++new_ones_;
  schedule(e, now.steady);
  return true;
}

std::optional<kube::request> event_queue::take(moment now) {
  if (under_way_ != nullptr || due_.empty()) return std::nullopt;
  auto const first = due_.begin();
  if (!hurried_) {
    if (first->first > now.steady) return std::nullopt;
    bool taken = false;
    bucket_.take(now.steady, kube::token_bucket::duration::zero(), taken);
    if (!taken) return std::nullopt;
  }
  auto* const e = first->second;
  due_.erase(first);
  e->second.due.reset();
  under_way_ = e;
  auto const& told = e->second;
  sent_count_ = told.count;
  auto const& ns = told.what.regarding.namespace_;
  if (told.written == 0) {
    auto const body = kube::make_event(told.name, told.what, who_, told.first, told.count, told.last);
    return kube::make_create(kube::events, ns, dump(body), options_.field_manager);
  }
  auto const body = kube::make_event_series_patch(told.count, told.last);
  return kube::make_patch(kube::events, ns, told.name, kube::patch_type::merge, dump(body), options_.field_manager);
}

void event_queue::conclude(std::optional<kube::error> const& failure, moment now) {
  auto* const e = std::exchange(under_way_, nullptr);
  if (e == nullptr) return;
  auto& told = e->second;
  bool const is_new = told.written == 0;
  // An earlier try of ours whose answer was lost: no one else gives an Event this name.
  bool const done_before = failure && is_new && failure->is_already_exists() && told.tries > 0;
  if (!failure || done_before) {
    ++counters_.written;
    if (is_new) --new_ones_;
    // What that earlier try said of the count is not known; the next write says it.
    told.written = done_before ? 1 : sent_count_;
    told.last_written = now.steady;
    told.tries = 0;
    if (told.count > told.written) {
      schedule(e, told.written > 1 ? now.steady + options_.series_interval : now.steady);
    }
    return;
  }
  if (!is_new && failure->is_not_found()) {
    // The server keeps Events for an hour or so. The series begins anew.
    told.written = 0;
    told.tries = 0;
    told.name = kube::event_name(told.what.regarding.name, next_number(now.wall));
    ++new_ones_;
    schedule(e, now.steady);
    return;
  }
  ++told.tries;
  bool const again =
      !hurried_ && failure->is_retryable() && !failure->is_namespace_terminating() && told.tries < options_.tries;
  if (!again) {
    counters_.dropped += static_cast<std::uint64_t>(told.count - told.written);
    forget(e);
    return;
  }
  auto const pause = options_.retry_after * (1 << (told.tries - 1));
  auto const asked_for = failure->retry_after().value_or(std::chrono::seconds{});
  schedule(e, now.steady + std::max<std::chrono::steady_clock::duration>(pause, asked_for));
}

std::size_t event_queue::abandon() {
  std::size_t unwritten = 0;
  for (auto const& [key, e] : entries_) {
    if (e.count <= e.written) continue;
    ++unwritten;
    counters_.dropped += static_cast<std::uint64_t>(e.count - e.written);
  }
  under_way_ = nullptr;
  new_ones_ = 0;
  due_.clear();
  by_age_.clear();
  entries_.clear();
  return unwritten;
}

std::optional<base::steady_time> event_queue::next_due(base::steady_time now) const {
  if (due_.empty() || under_way_ != nullptr) return std::nullopt;
  if (hurried_) return now;
  return std::max(due_.begin()->first, bucket_ready(now));
}

base::steady_time event_queue::bucket_ready(base::steady_time now) const {
  auto copy = bucket_;
  return now + copy.take(now);
}

void event_queue::schedule(entry_ref e, base::steady_time at) {
  e->second.due = due_.emplace(at, e);
}

void event_queue::touch(entry_ref e) {
  by_age_.splice(by_age_.end(), by_age_, e->second.age);
}

void event_queue::forget(entry_ref e) {
  if (e->second.due) due_.erase(*e->second.due);
  if (e->second.written == 0) --new_ones_;
  by_age_.erase(e->second.age);
  auto const key = e->first;
  entries_.erase(key);
}

/// Old ones go; and, where there are too many, the oldest for which nothing has to be written.
void event_queue::make_room(base::steady_time now) {
  for (auto at = by_age_.begin(); at != by_age_.end();) {
    auto* const e = *at++;
    bool const too_many = entries_.size() >= options_.most_remembered;
    bool const old = now - e->second.last_seen >= options_.remembered_for;
    if (!too_many && !old) return;
    if (!e->second.due && under_way_ != e) {
      forget(e);
    } else if (too_many && !old) {
      return;  // what is younger waits as well, or is worth more
    }
  }
}

std::uint64_t event_queue::next_number(base::wall_time now) {
  auto const nanoseconds = static_cast<std::uint64_t>(now.time_since_epoch().count()) * 1000;
  last_number_ = std::max(nanoseconds, last_number_ + 1);
  return last_number_;
}

}  // namespace codeexec::runtime
