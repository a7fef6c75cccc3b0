// The objects of the stand-in, in memory: what etcd and the generic registry are to a cluster. REST handlers, the
// garbage collector, the Job controller and the node share one store.
//
// Thread: one. Nothing here does I/O, reads a clock or makes randomness of its own.
// Reads give immutable handles, so nobody sees a half-done write and nobody copies to be safe. Writers in the process
// cannot conflict with each other (a write is one call); writers over HTTP are held to resourceVersion.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "codeexec/base/backoff.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/kube_core/request.hpp"
#include "codeexec/kube_core/resource.hpp"
#include "codeexec/local/object.hpp"
#include "codeexec/local/status_error.hpp"
#include "codeexec/local/strategy.hpp"

namespace codeexec::local {

enum class event_type { added, modified, deleted };

/// One committed write.
struct event {
  event_type type;
  std::uint64_t resource_version;  ///< of this write
  object current;                  ///< for deleted: the last state, with this write's resourceVersion
  object previous;                 ///< null for added

  event(event_type t, std::uint64_t rv, object now, object before)
      : type(t), resource_version(rv), current(std::move(now)), previous(std::move(before)) {}
};

class store;
struct table;

/// A place in a type's history of writes. Holds no events itself: a reader that falls behind the history is told so and
/// cannot make the server keep more. Destroying it ends the watch. Must not outlive the store.
class watch {
 public:
  enum class state { event, idle, expired, type_gone };
  struct step {
    state what;
    std::shared_ptr<event const> next;  ///< set for `event`
  };

  watch(watch const&) = delete;
  watch& operator=(watch const&) = delete;
  ~watch();

  /// The next write after the place, in order; `idle` where there is none yet; `expired` where history was dropped
  /// under the reader (list again); `type_gone` where its definition was deleted.
  step next();
  /// The place: resourceVersion up to which everything was seen.
  std::uint64_t position() const { return position_; }

 private:
  friend class store;
  watch(store& owner, std::shared_ptr<table> over, std::string ns, std::uint64_t from, std::function<void()> wake);

  store& store_;
  std::shared_ptr<table> table_;
  std::string ns_;
  std::uint64_t position_;
  std::function<void()> wake_;
};

/// Who writes, for metadata.managedFields; nobody where the server's own controllers do, which leave it as it is.
struct writer {
  std::string manager;
  std::string subresource;
};

struct create_options {
  bool dry_run = false;
  std::optional<writer> by = {};
};

struct update_options {
  bool dry_run = false;
  bool allow_unconditional = true;  ///< false: metadata.resourceVersion must be given (custom resources, PUT)
  std::optional<writer> by = {};
};

struct remove_options {
  std::optional<kube::propagation> policy;  ///< absent: the type's own
  std::optional<std::int64_t> grace_period_seconds;
  std::string uid;               ///< precondition, empty: none
  std::string resource_version;  ///< precondition, empty: none
  bool dry_run = false;
};

struct removed {
  object last;  ///< what is there still (gone == false), or was
  bool gone;    ///< false: finalizers or grace hold it; deletionTimestamp is set
};

class store {
 public:
  struct settings {
    std::size_t history_events = 10000;  ///< per type, before the oldest writes are forgotten
    /// Per type, serialised size of the objects in it; they take five times that in memory, and the more memory there
    /// is, the longer each start of a process takes. Of large ones a few are kept all the same.
    std::size_t history_bytes = 8u * 1024u * 1024u;
    std::size_t history_at_least = 128;
    std::size_t max_object_bytes = 1536u * 1024u;  ///< etcd's request limit
  };

  /// `clock` must outlive the store. `random` names generateName's suffixes and uids.
  store(base::clock const& clock, base::rng random, settings limits);
  store(base::clock const& clock, base::rng random) : store(clock, random, settings()) {}
  store(store const&) = delete;
  store& operator=(store const&) = delete;
  ~store();

  // Types -------------------------------------------------------------------------------------------------------
  /// Serves one more type, or replaces its definition and strategy while keeping its objects.
  std::shared_ptr<resource_type const> add_type(resource_type type, std::unique_ptr<strategy> how);
  /// Stops serving it; its objects must be gone. Open watches end with `type_gone`.
  void remove_type(kube::resource const& type);
  /// Null where it is not served.
  std::shared_ptr<resource_type const> find_type(std::string_view group, std::string_view plural) const;
  std::shared_ptr<resource_type const> find_kind(std::string_view group, std::string_view kind) const;
  /// Sorted by group, then plural.
  std::vector<std::shared_ptr<resource_type const>> types() const;

  // Reads -------------------------------------------------------------------------------------------------------
  /// Null where there is none.
  object get(kube::resource const& type, std::string_view ns, std::string_view name) const;
  /// get() as the API answers it.
  result<object> require(kube::resource const& type, std::string_view ns, std::string_view name) const;
  /// ns empty: every namespace. Ordered by namespace, then name.
  std::vector<object> list(kube::resource const& type, std::string_view ns = {},
                           std::function<bool(object const&)> const& wanted = {}) const;
  std::size_t count(kube::resource const& type) const;
  object find_uid(std::string_view uid) const;
  struct located {
    std::shared_ptr<resource_type const> type;
    object what;
  };
  /// Objects that name this uid among their ownerReferences.
  std::vector<located> dependents(std::string_view owner_uid) const;
  /// resourceVersion of the newest write.
  std::uint64_t resource_version() const { return resource_version_; }

  // Writes ------------------------------------------------------------------------------------------------------
  /// Sets name (from generateName), uid, creationTimestamp, generation and resourceVersion.
  /// 404 where the namespace is not there, 403 where it is terminating, 422, 409.
  result<object> create(kube::resource const& type, nlohmann::json value, create_options options = {});
  /// Replaces `which` part. metadata.resourceVersion and uid are preconditions where present. A write that changes
  /// nothing is no write: the stored object comes back, no event. Removing the last finalizer of an object under
  /// deletion deletes it.
  result<object> update(kube::resource const& type, nlohmann::json value, part which, update_options options = {});
  /// Copies, lets `change` edit the copy, writes. `change` returns false to leave it. Never conflicts.
  result<object> mutate(kube::resource const& type, std::string_view ns, std::string_view name, part which,
                        std::function<bool(nlohmann::json&)> const& change);
  result<removed> remove(kube::resource const& type, std::string_view ns, std::string_view name,
                         remove_options options = {});

  // Watching ----------------------------------------------------------------------------------------------------
  /// Every write after `from`; ns empty: every namespace. `wake` is called after a write that the watch can now read,
  /// once the store is consistent again: from inside the writer's call, so it should only set a flag, resume a
  /// coroutine or post. It may destroy the watch. 410 Expired where `from` is older than the history.
  result<std::unique_ptr<watch>> open_watch(kube::resource const& type, std::string_view ns, std::uint64_t from,
                                            std::function<void()> wake);

  /// Called for each committed write of any type, before any watcher hears of it; must not write. For what looks at
  /// everything: the garbage collector, the journal. Stays for the store's life.
  using observer = std::function<void(resource_type const& type, event const& what)>;
  void add_observer(observer sink) { observers_.push_back(std::move(sink)); }

  /// Asked of each new object once it is valid and before it is written; what it returns refuses it. At most one.
  using admission = std::function<std::optional<status_error>(resource_type const& type, nlohmann::json const& object)>;
  void set_admission(admission ask) { admission_ = std::move(ask); }

  // Persistence -------------------------------------------------------------------------------------------------
  /// Puts back an object as it was written. Only before the first write and the first watch.
  void restore(kube::resource const& type, nlohmann::json value);
  /// What restore() cannot know: the newest resourceVersion ever given out.
  void restore_resource_version(std::uint64_t newest);

  base::clock const& clock() const { return clock_; }
  /// A random (version 4) uuid.
  std::string new_uid();
  /// Five characters as the API server appends them to generateName.
  std::string new_suffix();

 private:
  friend class watch;

  std::shared_ptr<table> find_table(kube::resource const& type) const;
  result<std::shared_ptr<table>> require_table(kube::resource const& type) const;
  result<object> commit(table& where, event_type what, nlohmann::json value, object const& before);
  result<object> write(std::shared_ptr<table> const& where, object const& before, nlohmann::json next, part which,
                       bool dry_run, std::optional<writer> const& by);
  /// Writes metadata.managedFields of `next`; `before` null: a new object.
  void note_writer(table const& where, nlohmann::json const& before, nlohmann::json& next, writer const& by) const;
  std::optional<status_error> check_namespace(table const& where, std::string_view ns, std::string_view name) const;
  void index(table& where, object const& what, bool present);

  base::clock const& clock_;
  base::rng random_;
  settings limits_;
  std::uint64_t resource_version_ = 1;
  std::map<std::string, std::shared_ptr<table>, std::less<>> tables_;  ///< by group_resource
  std::unordered_map<std::string, std::pair<table*, std::string>> by_uid_;
  std::unordered_map<std::string, std::map<std::pair<table*, std::string>, int>> by_owner_;
  std::vector<observer> observers_;
  admission admission_;
};

}  // namespace codeexec::local
