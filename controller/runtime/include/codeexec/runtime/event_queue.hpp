// Which Event is written next, and which are not written at all: a value without clock, timer or socket.
//
// What happens again to the same object for the same reason while it is remembered is not another Event: the first one
// becomes a series with a count. The second occurrence is written at once, later ones at intervals, so that something
// that fails every second costs a request a minute. As in client-go, the note does not make a difference: a sentence
// that changes in a number is still the same trouble.
//
// Everything has a bound. Events explain; whatever finds no room, is refused, or comes faster than the rate is dropped
// and counted, and nothing else suffers.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "codeexec/base/time.hpp"
#include "codeexec/kube_client/token_bucket.hpp"
#include "codeexec/kube_core/error.hpp"
#include "codeexec/kube_core/event.hpp"
#include "codeexec/kube_core/request.hpp"

namespace codeexec::runtime {

struct event_queue_options {
  std::size_t most_waiting = 1000;              ///< new Events that wait to be written
  std::size_t most_remembered = 4000;           ///< that a repetition could still be folded into
  std::chrono::seconds remembered_for{360};     ///< after the last occurrence, as in client-go
  std::chrono::seconds series_interval{60};     ///< between writes of one series
  double per_second = 10;                       ///< requests, over time; 0: no limit
  int burst = 50;                               ///< requests, at once
  int tries = 4;                                ///< of one write that may succeed later
  std::chrono::milliseconds retry_after{1000};  ///< doubled with each try
  std::string_view field_manager;
};

struct event_counters {
  std::uint64_t recorded = 0;  ///< occurrences
  std::uint64_t folded = 0;    ///< of those, into an Event that was there or waited
  std::uint64_t dropped = 0;   ///< occurrences that no Event tells of
  std::uint64_t written = 0;   ///< requests that succeeded
};

class event_queue {
 public:
  /// Both clocks, read at once.
  struct moment {
    base::steady_time steady;
    base::wall_time wall;
  };

  event_queue(kube::event_reporter who, event_queue_options options, moment now);

  /// False: dropped, for want of room.
  bool record(kube::occurrence what, moment now);

  /// The next request, which is then under way until conclude(). Nothing while one is, or while nothing is due or the
  /// rate does not allow it.
  std::optional<kube::request> take(moment now);
  /// How the request of take() ended; nothing: it succeeded.
  void conclude(std::optional<kube::error> const& failure, moment now);

  /// When take() is to be asked again; nothing where nothing waits, or a request is under way.
  std::optional<base::steady_time> next_due(base::steady_time now) const;

  /// From now on everything that is not written is due at once and the rate counts for nothing: the program ends.
  void hurry() { hurried_ = true; }
  /// What is not written by now never will be, and is counted as dropped. Returns how many Events that concerns.
  std::size_t abandon();
  /// Nothing waits and nothing is under way.
  bool is_idle() const { return due_.empty() && !under_way_; }

  std::size_t waiting() const { return due_.size(); }
  std::size_t remembered() const { return entries_.size(); }
  event_counters const& counters() const { return counters_; }

 private:
  struct entry;
  using entry_map = std::unordered_map<std::string, entry>;
  using entry_ref = entry_map::value_type*;  // stable: unordered_map never moves its nodes
  using due_map = std::multimap<base::steady_time, entry_ref>;

  struct entry {
    kube::occurrence what;
    std::string name;  // of the Event
    base::wall_time first{};
    base::wall_time last{};
    base::steady_time last_seen{};
    base::steady_time last_written{};
    std::int64_t count = 0;
    std::int64_t written = 0;  // the count that the server has; 0: no Event yet
    int tries = 0;
    std::optional<due_map::iterator> due;
    std::list<entry_ref>::iterator age{};
  };

  static std::string key_of(kube::occurrence const& what);
  void schedule(entry_ref e, base::steady_time at);
  void touch(entry_ref e);
  void forget(entry_ref e);
  void make_room(base::steady_time now);
  std::uint64_t next_number(base::wall_time now);
  base::steady_time bucket_ready(base::steady_time now) const;

  kube::event_reporter who_;
  event_queue_options options_;
  kube::token_bucket bucket_;
  entry_map entries_;
  std::list<entry_ref> by_age_;  // the one seen longest ago first
  due_map due_;
  std::size_t new_ones_ = 0;  // entries without an Event yet
  entry_ref under_way_ = nullptr;
  std::int64_t sent_count_ = 0;
  std::uint64_t last_number_ = 0;
  bool hurried_ = false;
  event_counters counters_;
};

}  // namespace codeexec::runtime
