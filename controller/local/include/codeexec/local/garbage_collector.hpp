// What follows from a deletion: dependents, orphans, the contents of a namespace, the objects of a definition. And what
// time takes: Events, an hour after they were last written.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "codeexec/base/time.hpp"
#include "codeexec/local/store.hpp"

namespace codeexec::local {

/// Holds a CustomResourceDefinition until its objects are gone.
inline constexpr std::string_view cleanup_finalizer = "customresourcecleanup.apiextensions.k8s.io";

/// Level-based: an event only says which objects to look at; what to do follows from how they stand then.
/// Thread: the store's. Lifetime: the store must outlive it, and it must outlive the last write to the store.
class garbage_collector {
 public:
  /// `post` runs a function soon, on the same thread, never at once.
  garbage_collector(store& objects, std::function<void(std::function<void()>)> post);
  garbage_collector(garbage_collector const&) = delete;
  garbage_collector& operator=(garbage_collector const&) = delete;
  ~garbage_collector();

  /// Looks at everything once: what a killed predecessor had not finished.
  void start();

 private:
  using key = std::tuple<std::string, std::string, std::string, std::string>;  // group, plural, namespace, name

  struct written_event {
    base::wall_time at;
    std::string ns;
    std::string name;
    std::uint64_t resource_version;
  };

  void observe(resource_type const& type, event const& what);
  void outlive(object const& what);
  void forget_events();
  void enqueue(resource_type const& type, object const& what);
  void run();
  void look_at(key const& which);
  bool collect(resource_type const& type, object const& what);
  void orphan_dependents(resource_type const& type, object const& owner);
  void delete_dependents_first(resource_type const& type, object const& owner);
  void empty_namespace(object const& ns);
  void empty_definition(object const& crd);

  store& objects_;
  std::function<void(std::function<void()>)> post_;
  std::deque<key> queue_;
  std::set<key> queued_;
  bool scheduled_ = false;
  std::deque<written_event> events_;  ///< in the order in which they were written
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace codeexec::local
