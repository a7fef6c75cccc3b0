// What the operator knows of one kind of object: the newest state of each, shared and never changed.
#pragma once

#include <algorithm>
#include <cassert>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "codeexec/runtime/object_key.hpp"

namespace codeexec::runtime {

/// Who an object is and which state of it this is; what the runtime must know of every object whatever its type.
struct object_id {
  object_key key;
  std::string uid;
  std::string resource_version;  ///< opaque: compared for equality only

  object_id() = default;
  object_id(object_key k, std::string u, std::string version)
      : key(std::move(k)), uid(std::move(u)), resource_version(std::move(version)) {}
};

/// One change of one object. `before` is null for an added, `after` for a deleted one; `before` of a deletion is the
/// last state that was seen, which a relist may have found gone without a word.
template <class T>
struct change {
  object_key key;
  std::shared_ptr<T const> before;
  std::shared_ptr<T const> after;

  bool is_added() const { return !before; }
  bool is_deleted() const { return !after; }
  /// The newest state there is; never null.
  T const& newest() const { return after ? *after : *before; }
};

/// Objects of one type by namespace and name, with any number of secondary indices.
/// Thread: one; not synchronised. The objects themselves are immutable and may go anywhere.
/// Handlers run inside the call that changed the store, after the change, and must not change the store.
template <class T>
class store {
 public:
  using pointer = std::shared_ptr<T const>;
  using handler = std::function<void(change<T> const&)>;
  /// The values under which an object is found again: the UIDs of its owners, say. Each value once an object, and each
  /// shared by few: what is filed under one value is searched from end to end when an object leaves it.
  using index_function = std::function<std::vector<std::string>(T const&)>;

  store() = default;
  store(store const&) = delete;
  store& operator=(store const&) = delete;

  /// Indices and handlers are added before the first object.
  void add_index(std::string name, index_function values_of) {
    assert(objects_.empty());
    indices_.try_emplace(std::move(name), index{std::move(values_of), {}});
  }
  void on_change(handler h) {
    assert(objects_.empty());
    handlers_.push_back(std::move(h));
  }

  /// Null where there is none.
  pointer get(object_key const& key) const {
    auto const found = objects_.find(key);
    return found == objects_.end() ? nullptr : found->second.object;
  }
  std::size_t size() const { return objects_.size(); }

  /// Every object, in no order.
  std::vector<pointer> all() const {
    std::vector<pointer> out;
    out.reserve(objects_.size());
    for (auto const& [key, known] : objects_)
      out.push_back(known.object);
    return out;
  }

  /// The objects which the index `name` files under `value`, in no order.
  std::vector<pointer> find(std::string const& name, std::string const& value) const {
    std::vector<pointer> out;
    auto const [begin, end] = indices_.at(name).filed.equal_range(value);
    for (auto at = begin; at != end; ++at)
      out.push_back(at->second->object);
    return out;
  }

  /// Adds the object or replaces the state of it. A state that is there already (same UID and resourceVersion) changes
  /// nothing and calls nobody; another UID under the same name is a deletion and an addition.
  void apply(object_id id, pointer object) {
    auto const found = objects_.find(id.key);
    if (found == objects_.end()) {
      auto const [at, added] = objects_.try_emplace(std::move(id.key));
      set(at, std::move(id.uid), std::move(id.resource_version), std::move(object));
      tell(change<T>{at->first, nullptr, at->second.object});
      return;
    }
    auto& known = found->second;
    bool const is_same_object = known.uid == id.uid;
    if (is_same_object && !id.resource_version.empty() && known.resource_version == id.resource_version) return;
    auto before = known.object;
    unfile(found);
    if (!is_same_object) {
      auto const key = found->first;
      objects_.erase(found);
      tell(change<T>{key, std::move(before), nullptr});
      apply(std::move(id), std::move(object));
      return;
    }
    set(found, std::move(id.uid), std::move(id.resource_version), std::move(object));
    tell(change<T>{found->first, std::move(before), found->second.object});
  }

  /// The object is gone. `last` is its state at the end where the server told it, null otherwise.
  void erase(object_key key, pointer last = nullptr) {
    auto const found = objects_.find(key);
    if (found == objects_.end()) return;
    if (!last) last = found->second.object;
    unfile(found);
    objects_.erase(found);
    tell(change<T>{std::move(key), std::move(last), nullptr});
  }

  /// A whole list of what `ns` holds (empty: every namespace): applies all of it, and erases what is in the store but
  /// neither in the list nor among `unreadable` (objects that exist, though their state could not be decoded; the last
  /// good state of them stays).
  void replace(std::string_view ns, std::vector<std::pair<object_id, pointer>> objects,
               std::vector<object_key> const& unreadable = {}) {
    std::unordered_set<object_key> present(unreadable.begin(), unreadable.end());
    for (auto const& [id, object] : objects)
      present.insert(id.key);
    std::vector<object_key> gone;
    for (auto const& [key, known] : objects_) {
      if ((ns.empty() || key.ns == ns) && !present.contains(key)) gone.push_back(key);
    }
    // Deletions first: nobody is told of a successor while its predecessor still stands in an index.
    for (auto const& key : gone)
      erase(key);
    for (auto& [id, object] : objects)
      apply(std::move(id), std::move(object));
  }

 private:
  struct entry {
    std::string uid;
    std::string resource_version;
    pointer object;
  };
  using entries = std::unordered_map<object_key, entry>;
  struct index {
    index_function values_of;
    /// Entries stay where they are while they are in `objects_`: unordered_map never moves its nodes.
    std::unordered_multimap<std::string, entry const*> filed;
  };

  void set(typename entries::iterator at, std::string uid, std::string resource_version, pointer object) {
    at->second = entry{std::move(uid), std::move(resource_version), std::move(object)};
    for (auto& [name, one] : indices_) {
      for (auto& value : one.values_of(*at->second.object))
        one.filed.emplace(std::move(value), &at->second);
    }
  }
  void unfile(typename entries::iterator at) {
    for (auto& [name, one] : indices_) {
      for (auto const& value : one.values_of(*at->second.object)) {
        auto const [begin, end] = one.filed.equal_range(value);
        auto const mine = std::find_if(begin, end, [&](auto const& filed) { return filed.second == &at->second; });
        if (mine != end) one.filed.erase(mine);
      }
    }
  }
  void tell(change<T> const& what) {
    for (auto const& h : handlers_)
      h(what);
  }

  entries objects_;
  std::unordered_map<std::string, index> indices_;
  std::vector<handler> handlers_;
};

}  // namespace codeexec::runtime
