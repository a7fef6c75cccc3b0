// Who may start next, where only so many executions may run at the same time: a state machine without clock or I/O.
//
// A slot is held from the moment an execution is admitted (its Job is about to be made) until it is final or gone. The
// namespaces take turns: each turn admits one execution of one namespace, the one that was created first. A namespace
// whose own bound is reached has no turn, and goes to the end of the line when a slot of it frees. So a namespace with
// ten thousand executions delays another's single one by one execution per turn, and nobody waits for ever.
//
// It keeps nothing that the cluster does not know: after a restart, executions that have a Job hold their slots
// whatever the bounds, the others wait in the order in which they were created.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ext/pb_ds/assoc_container.hpp>
#include <ext/pb_ds/tree_policy.hpp>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace codeexec::execution {

/// Whether an execution may start, and where it stands if not.
struct admission {
  bool admitted = true;
  // Where it is not:
  bool namespace_full = false;  ///< its namespace's bound is reached; otherwise that of all namespaces
  std::size_t position = 0;     ///< from 1, of those that wait for the same
  std::size_t waiting = 0;
  std::int64_t running = 0;  ///< slots held, may be more than `bound` after a restart
  std::int64_t bound = 0;
};

/// "Position 3 of 17 in the queue (20 of 20 executions run in this cluster)."
std::string describe(admission const& where);

/// Thread: one; not synchronised. Every change is O(log n) in the number of executions known.
class admission_queue {
 public:
  struct ticket {
    std::string uid;
    std::string ns;
    std::string name;
    std::string created;  ///< creationTimestamp: RFC 3339 in UTC, which sorts as it reads
  };
  /// What is said of a namespace.
  struct terms {
    std::int64_t bound = 0;    ///< 0: none
    std::size_t of_class = 0;  ///< what it is counted with
  };
  /// Asked once per namespace that has executions.
  using terms_of_namespace = std::function<terms(std::string const& ns)>;

  admission_queue(std::int64_t bound_of_all, terms_of_namespace terms_of);
  admission_queue(admission_queue const&) = delete;
  admission_queue& operator=(admission_queue const&) = delete;

  /// It wants a slot. Nothing happens where it waits, or holds one, already.
  void wait(ticket const& who);
  /// It has a slot, whatever the bounds: it was started before.
  void hold(ticket const& who);
  /// It needs none: final, gone, suspended, cancelled. Unknown ones are none of our business.
  void leave(std::string const& uid);

  bool holds(std::string const& uid) const;

  /// Gives every free slot to whose turn it is. Those who got one, in that order.
  std::vector<ticket> admit();

  /// Of one that is not known: admitted as no bound speaks of it. O(log n) and a step for each namespace that waits.
  admission look(std::string const& uid) const;

  /// Of one class of namespaces: those that hold a slot, and those that wait, by what they wait for.
  struct depth {
    std::size_t running = 0;
    std::size_t for_all = 0;        ///< a slot of all namespaces together
    std::size_t for_namespace = 0;  ///< one of their own namespace
    std::string oldest;             ///< creationTimestamp of the oldest that waits; empty: none does
  };
  /// By class; at least `classes` of them. A step for each namespace that has executions.
  std::vector<depth> count(std::size_t classes = 1) const;
  std::size_t waiting() const { return waiting_; }
  std::size_t running() const { return entries_.size() - waiting_; }

 private:
  /// By creation, then UID.
  using place = std::pair<std::string, std::string>;
  using line = __gnu_pbds::tree<place, __gnu_pbds::null_type, std::less<place>, __gnu_pbds::rb_tree_tag,
                                __gnu_pbds::tree_order_statistics_node_update>;
  struct space {
    line waiting;
    std::int64_t running = 0;
    std::int64_t bound = 0;
    std::size_t of_class = 0;
    std::uint64_t turn = 0;  ///< its place in turns_; 0: it has none

    bool full() const { return bound > 0 && running >= bound; }
    /// How many of it could be admitted by its own bound.
    std::size_t room() const;
  };
  struct entry {
    ticket who;
    bool holds = false;
  };

  space& space_of(std::string const& ns);
  /// Gives the namespace its turn, or takes it away.
  void update_turn(std::string const& ns, space& of, bool to_the_end);
  void drop_if_unused(std::string const& ns);

  std::int64_t bound_of_all_;
  terms_of_namespace terms_of_;
  std::unordered_map<std::string, entry> entries_;  ///< by UID
  std::unordered_map<std::string, space> spaces_;
  std::map<std::uint64_t, std::string> turns_;  ///< namespaces that wait and have room, next first
  std::uint64_t last_turn_ = 0;
  std::size_t waiting_ = 0;
};

}  // namespace codeexec::execution
