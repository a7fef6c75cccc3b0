#include "codeexec/reconciler/admissions.hpp"

#include <utility>

#include "codeexec/api/names.hpp"
#include "codeexec/execution/build.hpp"

namespace codeexec::reconciler {

using runtime::object_key;

struct admissions::state {
  state(runtime::store<api::CodeExecution>& known, runtime::store<kube::Job>& made, execution::config const& with,
        std::function<void(object_key const&)> woken)
      : executions(known),
        jobs(made),
        config(with),
        wake(std::move(woken)),
        queue(with.max_running_in_all, [&with](std::string const& ns) {
          return execution::admission_queue::terms{with.in(ns).max_running, with.class_of(ns)};
        }) {}

  void on_execution(runtime::change<api::CodeExecution> const& c) {
    if (c.before && (!c.after || c.after->metadata.uid != c.before->metadata.uid)) queue.leave(c.before->metadata.uid);
    if (c.after) enter(*c.after);
    // Whoever has changed is looked at anyway.
    admit(&c.key);
  }

  void on_job(runtime::change<kube::Job> const& c) {
    // A Job that is gone leaves the slot to the execution, which knows that it has run.
    auto const* const owner = c.newest().metadata.controller_owner();
    if (c.is_deleted() || owner == nullptr || owner->kind != api::kind) return;
    auto const execution = executions.get(object_key(c.key.ns, owner->name));
    if (!execution) return;
    enter(*execution);
    admit(nullptr);
  }

  bool was_started(api::CodeExecution const& e) const {
    if (!e.status.jobName.empty()) return true;
    auto const job = jobs.get(object_key(e.metadata.namespace_, execution::child_name(e.metadata)));
    auto const* const owner = job ? job->metadata.controller_owner() : nullptr;
    return owner != nullptr && owner->uid == e.metadata.uid;
  }

  void enter(api::CodeExecution const& e) {
    if (!config.serves(e.metadata.namespace_)) return;
    execution::admission_queue::ticket const who{e.metadata.uid, e.metadata.namespace_, e.metadata.name,
                                                 e.metadata.creationTimestamp};
    if (e.status.is_final()) {
      queue.leave(who.uid);
    } else if (was_started(e)) {
      queue.hold(who);
    } else if (queue.holds(who.uid)) {
      // Its Job is being made, or was and is gone.
    } else if (e.metadata.being_deleted() || e.spec.cancel || e.spec.suspend) {
      queue.leave(who.uid);
    } else {
      queue.wait(who);
    }
  }

  void admit(object_key const* awake) {
    if (!is_open) return;
    for (auto const& who : queue.admit()) {
      object_key const key(who.ns, who.name);
      if (awake == nullptr || key != *awake) wake(key);
    }
  }

  runtime::store<api::CodeExecution>& executions;
  runtime::store<kube::Job>& jobs;
  execution::config const& config;
  std::function<void(object_key const&)> wake;
  execution::admission_queue queue;
  bool is_open = false;
};

admissions::admissions(runtime::store<api::CodeExecution>& executions, runtime::store<kube::Job>& jobs,
                       execution::config const& with, std::function<void(object_key const&)> wake)
    : state_(std::make_shared<state>(executions, jobs, with, std::move(wake))) {
  executions.on_change([kept = std::weak_ptr<state>(state_)](runtime::change<api::CodeExecution> const& c) {
    if (auto const here = kept.lock()) here->on_execution(c);
  });
  jobs.on_change([kept = std::weak_ptr<state>(state_)](runtime::change<kube::Job> const& c) {
    if (auto const here = kept.lock()) here->on_job(c);
  });
}

admissions::~admissions() = default;

void admissions::open() {
  if (state_->is_open) return;
  state_->is_open = true;
  // All that is in the stores has been added to them, and is looked at for that.
  (void)state_->queue.admit();
}

execution::admission admissions::look(std::string const& uid) const {
  return state_->queue.look(uid);
}

execution::admission_queue const& admissions::queue() const {
  return state_->queue;
}

}  // namespace codeexec::reconciler
