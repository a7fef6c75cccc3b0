#include "codeexec/runtime/work_queue.hpp"

#include <algorithm>
#include <cassert>

namespace codeexec::runtime {

work_queue::entry_ref work_queue::find_or_make(object_key const& key) {
  return &*entries_.try_emplace(key).first;
}

void work_queue::drop_if_unused(entry_ref e) {
  auto const& what = e->second;
  if (what.state == entry::state_of::idle && !what.delayed && !what.backoff) entries_.erase(entries_.find(e->first));
}

void work_queue::push(entry_ref e) {
  auto& set = lanes(e->second.how_soon);
  auto [found, is_new] = set.by_namespace.try_emplace(e->first.ns);
  if (is_new) found->second = set.ring.insert(set.ring.end(), lane{e->first.ns, {}});
  auto& keys = found->second->keys;
  e->second.position = keys.insert(keys.end(), e);
  ++set.size;
}

void work_queue::remove_from_lane(entry_ref e) {
  auto& set = lanes(e->second.how_soon);
  auto const found = set.by_namespace.find(e->first.ns);
  auto const at = found->second;
  at->keys.erase(e->second.position);
  --set.size;
  if (at->keys.empty()) {
    set.by_namespace.erase(found);
    set.ring.erase(at);
  }
}

void work_queue::make_ready(entry_ref e, priority how_soon, base::steady_time since) {
  auto& what = e->second;
  ++counters_.adds;
  switch (what.state) {
    case entry::state_of::idle:
      what.state = entry::state_of::ready;
      what.how_soon = how_soon;
      what.since = since;
      push(e);
      break;
    case entry::state_of::ready:
      if (how_soon < what.how_soon) {
        remove_from_lane(e);
        what.how_soon = how_soon;
        push(e);
      }
      break;
    case entry::state_of::processing:
      what.state = entry::state_of::processing_dirty;
      what.how_soon = how_soon;
      what.since = since;
      break;
    case entry::state_of::processing_dirty:
      what.how_soon = std::min(what.how_soon, how_soon);
      break;
  }
}

void work_queue::add(object_key const& key, priority how_soon, base::steady_time now) {
  make_ready(find_or_make(key), how_soon, now);
}

void work_queue::add_at(object_key const& key, priority how_soon, base::steady_time due) {
  auto* const e = find_or_make(key);
  auto& what = e->second;
  if (!what.delayed) {
    what.delayed = delayed_.emplace(due, e);
    what.delayed_how_soon = how_soon;
    return;
  }
  // One delayed add a key: the earliest of the times, the highest of the priorities.
  what.delayed_how_soon = std::min(what.delayed_how_soon, how_soon);
  if (due < (*what.delayed)->first) {
    delayed_.erase(*what.delayed);
    what.delayed = delayed_.emplace(due, e);
  }
}

work_queue::duration work_queue::add_rate_limited(object_key const& key, priority how_soon, base::steady_time now,
                                                  duration at_least) {
  auto* const e = find_or_make(key);
  auto& backoff = e->second.backoff;
  if (!backoff) backoff.emplace(options_.backoff_initial, options_.backoff_maximum, 2.0, options_.backoff_jitter);
  auto const delay = std::max<duration>(backoff->next(random_), at_least);
  ++counters_.retries;
  add_at(key, how_soon, now + delay);
  return delay;
}

void work_queue::forget(object_key const& key) {
  auto const found = entries_.find(key);
  if (found == entries_.end()) return;
  found->second.backoff.reset();
  drop_if_unused(&*found);
}

void work_queue::promote(base::steady_time now) {
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    auto const [due, e] = *delayed_.begin();
    delayed_.erase(delayed_.begin());
    e->second.delayed.reset();
    make_ready(e, e->second.delayed_how_soon, due);
  }
}

std::optional<priority> work_queue::choose() {
  bool const has_high = !lanes(priority::high).ring.empty();
  bool const has_normal = !lanes(priority::normal).ring.empty();
  if (!has_high && !has_normal) return std::nullopt;
  if (has_high && (!has_normal || high_in_a_row_ < options_.high_burst)) {
    // Only a `high` key that went ahead of a waiting `normal` one counts towards the burst.
    high_in_a_row_ = has_normal ? high_in_a_row_ + 1 : 0;
    return priority::high;
  }
  high_in_a_row_ = 0;
  return priority::normal;
}

std::optional<work_queue::item> work_queue::take(base::steady_time now) {
  promote(now);
  auto const from = choose();
  if (!from) return std::nullopt;
  auto& set = lanes(*from);
  auto const first = set.ring.begin();
  auto* const e = first->keys.front();
  // The namespace has had its turn: to the end of the ring, before it may vanish from it with its last key.
  set.ring.splice(set.ring.end(), set.ring, first);
  remove_from_lane(e);

  auto& what = e->second;
  what.state = entry::state_of::processing;
  what.taken = now;
  ++processing_;
  ++counters_.takes;
  auto const waited = std::max(now - what.since, duration::zero());
  counters_.wait[static_cast<std::size_t>(*from)].record(waited);
  return item{e->first, *from, waited, what.backoff ? what.backoff->failures() : 0};
}

void work_queue::done(object_key const& key, base::steady_time now) {
  auto const found = entries_.find(key);
  bool const was_taken = found != entries_.end() && (found->second.state == entry::state_of::processing ||
                                                     found->second.state == entry::state_of::processing_dirty);
  assert(was_taken && "done() without take()");
  if (!was_taken) return;
  auto* const e = &*found;
  auto& what = e->second;
  --processing_;
  counters_.work.record(std::max(now - what.taken, duration::zero()));
  bool const again = what.state == entry::state_of::processing_dirty;
  what.state = entry::state_of::idle;
  if (again) {
    what.state = entry::state_of::ready;
    push(e);
  } else {
    drop_if_unused(e);
  }
}

std::optional<base::steady_time> work_queue::next_due() const {
  if (delayed_.empty()) return std::nullopt;
  return delayed_.begin()->first;
}

}  // namespace codeexec::runtime
