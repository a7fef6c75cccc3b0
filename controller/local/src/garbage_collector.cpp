#include "codeexec/local/garbage_collector.hpp"

#include <algorithm>

namespace codeexec::local {
namespace {

/// kube-apiserver's --event-ttl.
constexpr std::chrono::hours event_lifetime{1};

using nlohmann::json;

/// Objects looked at before others get the thread.
constexpr std::size_t batch = 200;

bool has_finalizer(json const& value, std::string_view name) {
  json const& finalizers = at_path(value, "metadata.finalizers");
  return finalizers.is_array() && std::find(finalizers.begin(), finalizers.end(), name) != finalizers.end();
}

void drop_finalizer(store& objects, resource_type const& type, object const& what, std::string_view name) {
  (void)objects.mutate(type.id(), what.ns(), what.name(), part::all, [name](json& value) {
    auto const finalizers = value["metadata"].find("finalizers");
    if (finalizers == value["metadata"].end()) {
      return false;
    }
    finalizers->erase(std::remove(finalizers->begin(), finalizers->end(), name), finalizers->end());
    return true;
  });
}

/// Removes the owner references for which `gone` is true.
void drop_owners(store& objects, resource_type const& type, object const& what,
                 std::function<bool(json const&)> const& gone) {
  (void)objects.mutate(type.id(), what.ns(), what.name(), part::all, [&gone](json& value) {
    auto const owners = value["metadata"].find("ownerReferences");
    if (owners == value["metadata"].end()) {
      return false;
    }
    json kept = json::array();
    for (json const& one : *owners) {
      if (!gone(one)) {
        kept.push_back(one);
      }
    }
    *owners = std::move(kept);
    return true;
  });
}

}  // namespace

garbage_collector::garbage_collector(store& objects, std::function<void(std::function<void()>)> post)
    : objects_(objects), post_(std::move(post)) {
  objects_.add_observer([this, alive = alive_](resource_type const& type, event const& what) {
    if (*alive) {
      observe(type, what);
    }
  });
}

garbage_collector::~garbage_collector() {
  *alive_ = false;
}

void garbage_collector::start() {
  for (auto const& type : objects_.types()) {
    for (object const& one : objects_.list(type->id())) {
      if (one.being_deleted() || at_path(*one, "metadata.ownerReferences").is_array()) {
        enqueue(*type, one);
      }
      if (type->id() == kube::core_events) {
        outlive(one);
      }
    }
  }
}

void garbage_collector::observe(resource_type const& type, event const& what) {
  object const& now = what.current;
  if (what.type != event_type::deleted) {
    if (type.id() == kube::core_events) {
      outlive(now);
    }
    if (now.being_deleted() || at_path(*now, "metadata.ownerReferences").is_array()) {
      enqueue(type, now);
    }
    return;
  }
  for (store::located const& dependent : objects_.dependents(now.uid())) {
    enqueue(*dependent.type, dependent.what);
  }
  // Somebody may have waited for this one.
  for (json const& owner : at_path(*now, "metadata.ownerReferences")) {
    object const waiting = objects_.find_uid(string_at(owner, "uid"));
    if (waiting && waiting.being_deleted()) {
      std::string const version = string_at(owner, "apiVersion");
      auto const slash = version.find('/');
      auto const owner_type = objects_.find_kind(slash == std::string::npos ? std::string() : version.substr(0, slash),
                                                 string_at(owner, "kind"));
      if (owner_type) {
        enqueue(*owner_type, waiting);
      }
    }
  }
  if (!now.ns().empty()) {
    object const home = objects_.get(kube::namespaces, {}, now.ns());
    if (home && home.being_deleted()) {
      enqueue(*objects_.find_type({}, kube::namespaces.plural), home);
    }
  }
  if (type.custom) {
    object const crd = objects_.get(kube::custom_resource_definitions, {}, type.group_resource());
    if (crd && crd.being_deleted()) {
      enqueue(*objects_.find_type(kube::custom_resource_definitions.group, kube::custom_resource_definitions.plural),
              crd);
    }
  }
}

/// Old ones are looked for with each new one: where nothing happens, nothing grows.
void garbage_collector::outlive(object const& what) {
  auto const now = objects_.clock().wall_now();
  events_.push_back({now, what.ns(), what.name(), what.resource_version()});
  if (now - events_.front().at < event_lifetime) {
    return;
  }
  post_([this, alive = alive_] {
    if (*alive) {
      forget_events();
    }
  });
}

void garbage_collector::forget_events() {
  auto const now = objects_.clock().wall_now();
  while (!events_.empty() && now - events_.front().at >= event_lifetime) {
    auto const oldest = std::move(events_.front());
    events_.pop_front();
    object const what = objects_.get(kube::core_events, oldest.ns, oldest.name);
    // One that was written since has another place in the line.
    if (what && what.resource_version() == oldest.resource_version) {
      (void)objects_.remove(kube::core_events, oldest.ns, oldest.name);
    }
  }
}

void garbage_collector::enqueue(resource_type const& type, object const& what) {
  key which{type.group, type.plural, what.ns(), what.name()};
  if (!queued_.insert(which).second) {
    return;
  }
  queue_.push_back(std::move(which));
  if (!scheduled_) {
    scheduled_ = true;
    post_([this, alive = alive_] {
      if (*alive) {
        run();
      }
    });
  }
}

void garbage_collector::run() {
  for (std::size_t i = 0; i < batch && !queue_.empty(); ++i) {
    key const which = std::move(queue_.front());
    queue_.pop_front();
    queued_.erase(which);
    look_at(which);
  }
  scheduled_ = !queue_.empty();
  if (scheduled_) {
    post_([this, alive = alive_] {
      if (*alive) {
        run();
      }
    });
  }
}

void garbage_collector::look_at(key const& which) {
  auto const& [group, plural, ns, name] = which;
  auto const type = objects_.find_type(group, plural);
  if (!type) {
    return;
  }
  object const what = objects_.get(type->id(), ns, name);
  if (!what || collect(*type, what) || !what.being_deleted()) {
    return;
  }
  if (has_finalizer(*what, "orphan")) {
    orphan_dependents(*type, what);
  } else if (has_finalizer(*what, "foregroundDeletion")) {
    delete_dependents_first(*type, what);
  } else if (type->id() == kube::namespaces) {
    empty_namespace(what);
  } else if (type->id() == kube::custom_resource_definitions && has_finalizer(*what, cleanup_finalizer)) {
    empty_definition(what);
  }
}

/// True where the object's owners are gone, so that it was deleted too.
bool garbage_collector::collect(resource_type const& type, object const& what) {
  json const& owners = at_path(*what, "metadata.ownerReferences");
  if (!owners.is_array() || owners.empty()) {
    return false;
  }
  auto const is_gone = [this, &what](json const& reference) {
    object const owner = objects_.find_uid(string_at(reference, "uid"));
    // An owner of another namespace is no owner.
    return !owner || (!owner.ns().empty() && owner.ns() != what.ns());
  };
  auto const gone = std::count_if(owners.begin(), owners.end(), is_gone);
  if (gone == 0) {
    return false;
  }
  if (gone < static_cast<std::ptrdiff_t>(owners.size())) {
    drop_owners(objects_, type, what, is_gone);
    return false;
  }
  if (what.being_deleted()) {
    return false;
  }
  remove_options options;
  options.policy = kube::propagation::background;
  options.uid = what.uid();
  // What already says how it wants its own dependents treated keeps that.
  if (has_finalizer(*what, "orphan")) {
    options.policy = kube::propagation::orphan;
  } else if (has_finalizer(*what, "foregroundDeletion")) {
    options.policy = kube::propagation::foreground;
  }
  (void)objects_.remove(type.id(), what.ns(), what.name(), options);
  return true;
}

void garbage_collector::orphan_dependents(resource_type const& type, object const& owner) {
  for (store::located const& dependent : objects_.dependents(owner.uid())) {
    drop_owners(objects_, *dependent.type, dependent.what,
                [&owner](json const& reference) { return string_at(reference, "uid") == owner.uid(); });
  }
  drop_finalizer(objects_, type, owner, "orphan");
}

void garbage_collector::delete_dependents_first(resource_type const& type, object const& owner) {
  bool waiting = false;
  for (store::located const& dependent : objects_.dependents(owner.uid())) {
    if (!dependent.what.being_deleted()) {
      remove_options options;
      // One that nothing depends on need not wait for anything.
      options.policy = objects_.dependents(dependent.what.uid()).empty() ? kube::propagation::background
                                                                         : kube::propagation::foreground;
      options.uid = dependent.what.uid();
      (void)objects_.remove(dependent.type->id(), dependent.what.ns(), dependent.what.name(), options);
    }
    object const still = objects_.find_uid(dependent.what.uid());
    if (!still) {
      continue;
    }
    for (json const& reference : at_path(*still, "metadata.ownerReferences")) {
      waiting =
          waiting || (string_at(reference, "uid") == owner.uid() && at_path(reference, "blockOwnerDeletion") == true);
    }
  }
  if (!waiting) {
    drop_finalizer(objects_, type, owner, "foregroundDeletion");
  }
}

void garbage_collector::empty_namespace(object const& ns) {
  bool empty = true;
  for (auto const& type : objects_.types()) {
    if (!type->namespaced) {
      continue;
    }
    for (object const& one : objects_.list(type->id(), ns.name())) {
      if (!one.being_deleted()) {
        remove_options options;
        options.policy = kube::propagation::background;
        (void)objects_.remove(type->id(), one.ns(), one.name(), options);
      }
      empty = empty && !objects_.get(type->id(), one.ns(), one.name());
    }
  }
  if (empty) {
    (void)objects_.mutate(kube::namespaces, {}, ns.name(), part::all, [](json& value) {
      value["spec"].erase("finalizers");
      return true;
    });
  }
}

void garbage_collector::empty_definition(object const& crd) {
  std::string const group = string_at(*crd, "spec.group");
  auto const type = objects_.find_type(group, string_at(*crd, "spec.names.plural"));
  if (type) {
    for (object const& one : objects_.list(type->id())) {
      if (!one.being_deleted()) {
        (void)objects_.remove(type->id(), one.ns(), one.name());
      }
    }
    if (objects_.count(type->id()) > 0) {
      return;
    }
  }
  drop_finalizer(objects_,
                 *objects_.find_type(kube::custom_resource_definitions.group, kube::custom_resource_definitions.plural),
                 crd, cleanup_finalizer);
}

}  // namespace codeexec::local
