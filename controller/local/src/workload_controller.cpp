#include "codeexec/local/workload_controller.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "codeexec/local/node/cluster_events.hpp"
#include "codeexec/local/workload_plan.hpp"
#include "codeexec/local/workloads.hpp"

#include "node/store_feed.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

// A ReplicaSet whose Pod is refused is tried again after 1 s, doubled up to 1000 s, as its queue does it.
constexpr milliseconds first_refusal_wait{1'000};
constexpr milliseconds longest_refusal_wait{1'000'000};

/// The uid of its controller, where that is of this kind.
std::string controller_of(json const& what, std::string_view kind) {
  auto const& owners = at_path(what, "metadata.ownerReferences");
  for (std::size_t i = 0; owners.is_array() && i < owners.size(); ++i) {
    if (string_at(owners[i], "kind") == kind && at_path(owners[i], "controller") == json(true)) {
      return string_at(owners[i], "uid");
    }
  }
  return {};
}

}  // namespace

struct workload_controller::state : std::enable_shared_from_this<workload_controller::state> {
  state(boost::asio::any_io_executor on, store& all)
      : executor(std::move(on)),
        objects(all),
        deployment_events(all, "deployment-controller", {}),
        set_events(all, "replicaset-controller", {}),
        timer(executor) {}

  struct refusal {
    milliseconds wait{0};
    base::wall_time until;
  };

  boost::asio::any_io_executor executor;
  store& objects;
  cluster_events deployment_events;
  cluster_events set_events;
  boost::asio::steady_timer timer;
  std::vector<std::unique_ptr<store_feed>> feeds;
  std::set<std::string> waiting;               ///< uids of Deployments, ReplicaSets and budgets to look at
  std::map<std::string, base::wall_time> due;  ///< look again then
  std::map<std::string, refusal> refused;      ///< by the ReplicaSet's uid
  bool posted = false;
  bool stopped = false;

  // Several changes of one moment lead to one look.
  void look_at(std::string const& uid) {
    if (uid.empty() || stopped) {
      return;
    }
    waiting.insert(uid);
    if (!posted) {
      posted = true;
      boost::asio::post(executor, [self = shared_from_this()] { self->work(); });
    }
  }

  void pod_changed(object const& pod) {
    look_at(controller_of(*pod, "ReplicaSet"));
    for (auto const& budget : objects.list(disruption_budgets, pod.ns())) {
      if (selects(at_path(*budget, "spec.selector"), *pod)) {
        look_at(budget.uid());
      }
    }
  }
  void set_changed(object const& set) {
    look_at(set.uid());
    look_at(controller_of(*set, "Deployment"));
    for (auto const& budget : objects.list(disruption_budgets, set.ns())) {
      look_at(budget.uid());
    }
  }
  void forget(object const& gone) {
    due.erase(gone.uid());
    refused.erase(gone.uid());
  }

  void work() {
    posted = false;
    auto const now = std::exchange(waiting, {});
    for (auto const& uid : now) {
      if (stopped) {
        return;
      }
      object const what = objects.find_uid(uid);
      if (!what) {
        continue;
      }
      due.erase(uid);
      auto const kind = string_at(*what, "kind");
      if (kind == "Deployment") {
        sync_deployment(what);
      } else if (kind == "ReplicaSet") {
        sync_set(what);
      } else if (kind == "PodDisruptionBudget") {
        sync_budget(what);
      }
    }
    arm();
  }

  /// What it controls of one kind.
  std::vector<object> controlled(object const& owner, std::string_view owner_kind, kube::resource const& type) {
    std::vector<object> out;
    for (auto const& one : objects.dependents(owner.uid())) {
      if (one.type->id() == type && controller_of(*one.what, owner_kind) == owner.uid()) {
        out.push_back(one.what);
      }
    }
    return out;
  }
  static std::vector<json const*> values(std::vector<object> const& all) {
    std::vector<json const*> out;
    for (auto const& one : all) {
      out.push_back(&*one);
    }
    return out;
  }

  void write_status(kube::resource const& type, object const& what, json const& status) {
    (void)objects.mutate(type, what.ns(), what.name(), part::status, [&](json& value) {
      if (value["status"] == status) {
        return false;
      }
      value["status"] = status;
      return true;
    });
  }

  void sync_deployment(object const& deployment) {
    auto const sets = controlled(deployment, "Deployment", replica_sets);
    auto const plan = plan_deployment(*deployment, values(sets), objects.clock().wall_now());
    event_subject const subject{deployment, "apps/v1", "Deployment", {}};
    auto const& ns = deployment.ns();
    auto const scaled = [&](std::string const& set, std::int64_t from, std::int64_t to) {
      deployment_events.record(subject, event_kind::normal, "ScalingReplicaSet",
                               std::string(to > from ? "Scaled up" : "Scaled down") + " replica set " + set + " from " +
                                   std::to_string(from) + " to " + std::to_string(to));
    };
    if (plan.create) {
      auto const made = objects.create(replica_sets, *plan.create);
      if (made) {
        scaled(made->name(), 0, integer_at(**made, "spec.replicas").value_or(0));
      } else if (!made.error().is_already_exists()) {
        deployment_events.record(subject, event_kind::warning, "ReplicaSetCreateError",
                                 "Failed to create new replica set: " + made.error().message);
      }
    }
    if (!plan.revive.empty()) {
      (void)objects.mutate(replica_sets, ns, plan.revive, part::object, [&](json& set) {
        set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = plan.revision;
        return true;
      });
    }
    if (!plan.revision.empty()) {
      (void)objects.mutate(deployments, ns, deployment.name(), part::object, [&](json& value) {
        auto& written = value["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
        bool const changes = written != plan.revision;
        written = plan.revision;
        return changes;
      });
    }
    for (auto const& one : plan.scale) {
      auto const done = objects.mutate(replica_sets, ns, one.set, part::object, [&](json& set) {
        set["spec"]["replicas"] = one.to;
        return true;
      });
      if (done) {
        scaled(one.set, one.from, one.to);
      }
    }
    for (auto const& name : plan.remove) {
      (void)objects.remove(replica_sets, ns, name);
    }
    write_status(deployments, deployment, plan.status);
    if (plan.again) {
      due[deployment.uid()] = *plan.again;
    }
  }

  void sync_set(object const& set) {
    auto const pods = controlled(set, "ReplicaSet", kube::pods);
    auto const now = objects.clock().wall_now();
    auto plan = plan_replica_set(*set, values(pods), now);
    event_subject const subject{set, "apps/v1", "ReplicaSet", {}};
    auto const held = refused.find(set.uid());
    if (held != refused.end() && held->second.until > now) {
      if (plan.create > 0) {
        plan.create = 0;
        plan.again = std::min(plan.again.value_or(held->second.until), held->second.until);
      }
    }
    for (int i = 0; i < plan.create; ++i) {
      auto const made = objects.create(kube::pods, make_replica_pod(*set));
      if (made) {
        refused.erase(set.uid());
        set_events.record(subject, event_kind::normal, "SuccessfulCreate", "Created pod: " + made->name());
        continue;
      }
      set_events.record(subject, event_kind::warning, "FailedCreate", "Error creating: " + made.error().message);
      auto& wait = refused[set.uid()];
      wait.wait = wait.wait.count() == 0 ? first_refusal_wait : std::min(wait.wait * 2, longest_refusal_wait);
      wait.until = now + wait.wait;
      plan.again = std::min(plan.again.value_or(wait.until), wait.until);
      break;
    }
    for (auto const& name : plan.remove) {
      if (objects.remove(kube::pods, set.ns(), name)) {
        set_events.record(subject, event_kind::normal, "SuccessfulDelete", "Deleted pod: " + name);
      }
    }
    write_status(replica_sets, set, plan.status);
    if (plan.again) {
      due[set.uid()] = *plan.again;
    }
  }

  void sync_budget(object const& budget) {
    std::vector<object> pods;
    std::set<std::string> sets;
    std::int64_t expected = 0;
    for (auto const& pod : objects.list(kube::pods, budget.ns())) {
      if (!selects(at_path(*budget, "spec.selector"), *pod)) {
        continue;
      }
      pods.push_back(pod);
      auto const owner = controller_of(*pod, "ReplicaSet");
      if (owner.empty()) {
        ++expected;
      } else if (sets.insert(owner).second) {
        object const set = objects.find_uid(owner);
        // A Deployment's number, not that of its ReplicaSets: during a rollout they have more between them.
        object const deployment = set ? objects.find_uid(controller_of(*set, "Deployment")) : object();
        if (deployment && sets.insert(deployment.uid()).second) {
          expected += integer_at(*deployment, "spec.replicas").value_or(0);
        } else if (set && !deployment) {
          expected += integer_at(*set, "spec.replicas").value_or(0);
        }
      }
    }
    write_status(disruption_budgets, budget,
                 plan_disruption_budget(*budget, values(pods), expected, objects.clock().wall_now()));
  }

  void arm() {
    if (due.empty() || stopped) {
      timer.cancel();
      return;
    }
    auto first = due.begin()->second;
    for (auto const& [uid, when] : due) {
      first = std::min(first, when);
    }
    auto const wait = first - objects.clock().wall_now();
    timer.expires_after(std::max<std::chrono::microseconds>(wait, std::chrono::microseconds(0)));
    timer.async_wait([weak = weak_from_this()](boost::system::error_code error) {
      auto const self = weak.lock();
      if (error || self == nullptr || self->stopped) {
        return;
      }
      auto const now = self->objects.clock().wall_now();
      for (auto const& [uid, when] : self->due) {
        if (when <= now) {
          self->look_at(uid);
        }
      }
      self->arm_later();
    });
  }
  /// Where the clock has not quite come to it.
  void arm_later() {
    if (waiting.empty()) {
      arm();
    }
  }
};

workload_controller::workload_controller(boost::asio::any_io_executor executor, store& objects)
    : state_(std::make_shared<state>(std::move(executor), objects)) {}

workload_controller::~workload_controller() {
  stop();
}

void workload_controller::start() {
  auto* const s = state_.get();
  auto const follow = [s](kube::resource const& type, store_feed::handler changed, store_feed::handler gone) {
    s->feeds.push_back(
        std::make_unique<store_feed>(s->executor, s->objects, type, std::move(changed), std::move(gone)));
  };
  follow(
      deployments, [s](object const& one) { s->look_at(one.uid()); }, [s](object const& one) { s->forget(one); });
  follow(
      replica_sets, [s](object const& one) { s->set_changed(one); },
      [s](object const& one) {
        s->forget(one);
        s->look_at(controller_of(*one, "Deployment"));
      });
  follow(
      kube::pods, [s](object const& one) { s->pod_changed(one); }, [s](object const& one) { s->pod_changed(one); });
  follow(
      disruption_budgets, [s](object const& one) { s->look_at(one.uid()); },
      [s](object const& one) { s->forget(one); });
  for (auto const& one : s->feeds) {
    one->start();
  }
}

void workload_controller::stop() {
  state_->stopped = true;
  state_->timer.cancel();
  state_->feeds.clear();
}

}  // namespace codeexec::local
