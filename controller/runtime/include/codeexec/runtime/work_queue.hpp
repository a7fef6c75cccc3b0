// Which key is worked on next: a state machine without clock, timer or thread.
//
// What it promises, for every key:
//   - added once or a hundred times before it is taken, it is taken once;
//   - it is never handed out while it is being worked on; added meanwhile, it is handed out again after done();
//   - nothing that was added is forgotten.
// Between keys: `high` goes before `normal`, except that every so often (options::high_burst) one `normal` key goes
// first, so that no flood can hold the others up for ever; within a priority the namespaces take turns, so that a
// namespace with ten thousand keys delays another's single key by one key, not by ten thousand.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "codeexec/base/backoff.hpp"
#include "codeexec/base/histogram.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/runtime/object_key.hpp"

namespace codeexec::runtime {

/// The order is that of service. The operator asks `high` for what ends an execution and `normal` for what starts one:
/// in a flood, finishing first keeps the median wait short.
enum class priority : std::uint8_t { high, normal };

/// Of waiting in a queue and of working on a key.
inline constexpr std::array<double, 12> queue_bounds{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300};
using duration_histogram = base::histogram<queue_bounds>;

struct work_queue_counters {
  std::uint64_t adds = 0;     ///< calls of add(), and delayed adds that came due
  std::uint64_t retries = 0;  ///< calls of add_rate_limited()
  std::uint64_t takes = 0;
  std::array<duration_histogram, 2> wait;  ///< from becoming ready to being taken, by priority
  duration_histogram work;                 ///< from take() to done()
};

/// Thread: one; not synchronised. Every operation is O(log n) or better in the number of keys known.
class work_queue {
 public:
  using duration = std::chrono::steady_clock::duration;

  struct options {
    std::chrono::milliseconds backoff_initial{100};
    std::chrono::milliseconds backoff_maximum{60'000};
    double backoff_jitter = 0.2;  ///< each delay is spread by this share to both sides
    int high_burst = 16;          ///< after so many `high` keys in a row one `normal` key goes first, if one waits
  };

  work_queue(options how, base::rng random) : options_(how), random_(random) {}
  work_queue(work_queue const&) = delete;
  work_queue& operator=(work_queue const&) = delete;

  /// The key is ready now. Waiting already: keeps its place, or moves up where `how_soon` is higher.
  void add(object_key const& key, priority how_soon, base::steady_time now);

  /// The key becomes ready at `due`. Of several delayed adds of one key the earliest counts; a key that is ready or
  /// being worked on keeps its delayed add besides.
  void add_at(object_key const& key, priority how_soon, base::steady_time due);

  /// A delayed add after the key's next backoff, or after `at_least` where that is longer (a server's Retry-After).
  /// Returns the delay.
  duration add_rate_limited(object_key const& key, priority how_soon, base::steady_time now, duration at_least = {});

  /// The key succeeded: its next backoff starts from the beginning. Delayed adds stay.
  void forget(object_key const& key);

  struct item {
    object_key key;
    priority how_soon;
    duration waited;  ///< since it became ready
    int failures;     ///< add_rate_limited() since the last forget()
  };

  /// The next key, now being worked on until done(key); nothing where none is ready.
  std::optional<item> take(base::steady_time now);

  /// Work on a key that take() gave is over. Must be called exactly once for each take().
  void done(object_key const& key, base::steady_time now);

  /// When the next delayed add comes due. Nothing where there is none. Keys that are ready do not count.
  std::optional<base::steady_time> next_due() const;

  /// Moves what is due to the ready keys; take() does so itself.
  void promote(base::steady_time now);

  bool has_ready() const { return !lanes(priority::high).ring.empty() || !lanes(priority::normal).ring.empty(); }
  std::size_t ready() const { return ready(priority::high) + ready(priority::normal); }
  std::size_t ready(priority p) const { return lanes(p).size; }
  std::size_t delayed() const { return delayed_.size(); }
  std::size_t processing() const { return processing_; }
  /// Keys it keeps anything about; for tests of leaks.
  std::size_t known() const { return entries_.size(); }
  work_queue_counters const& counters() const { return counters_; }

 private:
  struct entry;
  using entries = std::unordered_map<object_key, entry>;
  using entry_ref = entries::value_type*;  // stable: unordered_map never moves its nodes
  using delayed_adds = std::multimap<base::steady_time, entry_ref>;

  /// The ready keys of one namespace in the order they came.
  struct lane {
    std::string ns;
    std::list<entry_ref> keys;
  };
  /// The namespaces with ready keys, in the order of their turns.
  struct lane_set {
    std::list<lane> ring;
    std::unordered_map<std::string, std::list<lane>::iterator> by_namespace;
    std::size_t size = 0;
  };

  struct entry {
    enum class state_of : std::uint8_t { idle, ready, processing, processing_dirty };
    state_of state = state_of::idle;
    priority how_soon = priority::normal;       // of ready, or of the re-add of processing_dirty
    base::steady_time since{};                  // ready or dirty since
    base::steady_time taken{};                  // processing since
    std::list<entry_ref>::iterator position{};  // in its lane, while ready
    std::optional<delayed_adds::iterator> delayed;
    priority delayed_how_soon = priority::normal;
    std::optional<base::backoff> backoff;
  };

  lane_set& lanes(priority p) { return lanes_[static_cast<std::size_t>(p)]; }
  lane_set const& lanes(priority p) const { return lanes_[static_cast<std::size_t>(p)]; }
  entry_ref find_or_make(object_key const& key);
  void make_ready(entry_ref e, priority how_soon, base::steady_time since);
  void push(entry_ref e);
  void remove_from_lane(entry_ref e);
  void drop_if_unused(entry_ref e);
  std::optional<priority> choose();

  options options_;
  base::rng random_;
  entries entries_;
  delayed_adds delayed_;
  std::array<lane_set, 2> lanes_;
  std::size_t processing_ = 0;
  int high_in_a_row_ = 0;
  work_queue_counters counters_;
};

}  // namespace codeexec::runtime
