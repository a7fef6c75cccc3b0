#include "codeexec/local/job_controller.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <set>

#include "codeexec/base/log.hpp"
#include "codeexec/local/node/cluster_events.hpp"
#include "codeexec/local/node/job_plan.hpp"

#include "node/store_feed.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

// The Job controller's own queue: a Job whose Pod is refused is tried again after 1 s, doubled up to 10 min.
constexpr milliseconds first_retry{1'000};
constexpr milliseconds max_retry{600'000};
// A plan leads to the next; more steps than any Job needs mean that we contradict ourselves.
constexpr int most_steps = 20;

std::string owner_job(object const& pod) {
  auto const& owners = at_path(*pod, "metadata.ownerReferences");
  if (owners.is_array()) {
    for (auto const& owner : owners) {
      if (string_at(owner, "kind") == "Job" && owner.value("controller", false)) {
        return string_at(owner, "uid");
      }
    }
  }
  return {};
}

bool tracked(object const& pod) {
  auto const& all = at_path(*pod, "metadata.finalizers");
  return all.is_array() && std::find(all.begin(), all.end(), job_tracking_finalizer) != all.end();
}

}  // namespace

struct job_controller::state : std::enable_shared_from_this<job_controller::state> {
  state(boost::asio::any_io_executor on, store& all)
      : executor(std::move(on)), objects(all), events(all, "job-controller", {}), timer(executor) {}

  struct tracked_job {
    object job;
    std::optional<base::wall_time> due;
    milliseconds retry{0};
  };

  boost::asio::any_io_executor executor;
  store& objects;
  cluster_events events;
  boost::asio::steady_timer timer;
  std::unique_ptr<store_feed> jobs;
  std::unique_ptr<store_feed> pods;
  std::map<std::string, tracked_job> known;              ///< by uid
  std::map<std::string, std::set<std::string>> pods_of;  ///< Job's uid -> "namespace/name" of Pods
  bool stopped = false;

  void job_changed(object const& job) {
    known[job.uid()].job = job;
    sync(job.uid());
  }

  void job_gone(object const& job) {
    known.erase(job.uid());
    auto const orphans = pods_of.find(job.uid());
    if (orphans != pods_of.end()) {
      auto const names = orphans->second;
      for (auto const& name : names) {
        unfinalize(job.ns(), name);
      }
    }
  }

  void pod_changed(object const& pod) {
    auto const owner = owner_job(pod);
    if (owner.empty()) {
      // Orphaned with its Job: nobody counts it any more.
      if (tracked(pod)) {
        unfinalize(pod.ns(), pod.name());
      }
      return;
    }
    pods_of[owner].insert(pod.name());
    if (known.find(owner) != known.end()) {
      sync(owner);
    } else if (tracked(pod) && !objects.find_uid(owner)) {
      unfinalize(pod.ns(), pod.name());
    }
  }

  void pod_gone(object const& pod) {
    auto const owner = owner_job(pod);
    auto const found = pods_of.find(owner);
    if (found != pods_of.end()) {
      found->second.erase(pod.name());
      if (found->second.empty()) {
        pods_of.erase(found);
      }
    }
    if (known.find(owner) != known.end()) {
      sync(owner);
    }
  }

  void unfinalize(std::string const& ns, std::string const& name) {
    objects.mutate(kube::pods, ns, name, part::object, [](json& pod) {
      auto& metadata = pod["metadata"];
      auto const found = metadata.find("finalizers");
      if (found == metadata.end() || !found->is_array()) {
        return false;
      }
      found->erase(std::remove(found->begin(), found->end(), json(job_tracking_finalizer)), found->end());
      if (found->empty()) {
        metadata.erase("finalizers");
      }
      return true;
    });
  }

  void sync(std::string const& uid) {
    for (int step = 0; step < most_steps && !stopped; ++step) {
      auto const found = known.find(uid);
      if (found == known.end()) {
        return;
      }
      auto& entry = found->second;
      entry.job = objects.get(kube::jobs, entry.job.ns(), entry.job.name());
      if (!entry.job || entry.job.uid() != uid) {
        known.erase(found);
        return;
      }
      std::vector<object> kept;
      std::vector<json const*> seen;
      auto const mine = pods_of.find(uid);
      if (mine != pods_of.end()) {
        for (auto const& name : mine->second) {
          if (auto pod = objects.get(kube::pods, entry.job.ns(), name); pod && owner_job(pod) == uid) {
            kept.push_back(std::move(pod));
          }
        }
      }
      for (auto const& pod : kept) {
        seen.push_back(&*pod);
      }
      auto const now = objects.clock().wall_now();
      auto plan = plan_job(*entry.job, seen, now);
      if (entry.due && *entry.due > now && plan.create > 0) {
        plan.create = 0;  // the last one was refused; wait
        plan.again = std::min(plan.again.value_or(*entry.due), *entry.due);
      }
      bool const progressed = carry_out(entry, plan);
      if (known.find(uid) == known.end()) {
        return;
      }
      if (!progressed) {
        if (!entry.due || *entry.due <= now) {
          entry.due = plan.again;
        } else if (plan.again) {
          entry.due = std::min(*entry.due, *plan.again);
        }
        arm();
        return;
      }
    }
  }

  /// False where nothing was left to do.
  bool carry_out(tracked_job& about, job_plan const& plan) {
    auto const job = about.job;
    event_subject const subject{job, "batch/v1", "Job", {}};
    if (plan.delete_job) {
      remove_options how;
      how.policy = kube::propagation::foreground;
      how.uid = job.uid();
      objects.remove(kube::jobs, job.ns(), job.name(), how);
      return false;
    }
    bool progressed = false;
    if (plan.create > 0) {
      for (int i = 0; i < plan.create; ++i) {
        if (!create_pod(about, subject)) {
          break;
        }
        progressed = true;
      }
      if (progressed) {
        return true;  // the counts follow from what is there now
      }
    }
    for (auto const& name : plan.remove) {
      if (objects.remove(kube::pods, job.ns(), name)) {
        events.record(subject, event_kind::normal, "SuccessfulDelete", "Deleted pod: " + name);
      }
    }
    if (plan.status) {
      auto status = *plan.status;
      if (plan.create > 0) {
        status.erase("active");  // the Pod was refused: there is none
      }
      auto const written = objects.mutate(kube::jobs, job.ns(), job.name(), part::status, [&](json& object) {
        if (object["status"] == status) {
          return false;
        }
        object["status"] = status;
        return true;
      });
      if (!written) {
        return false;
      }
      progressed = !(*written == job);
      if (progressed) {
        for (auto const& event : plan.events) {
          events.record(event_subject{*written, "batch/v1", "Job", {}},
                        event.warning ? event_kind::warning : event_kind::normal, event.reason, event.message);
        }
      }
    }
    for (auto const& name : plan.unfinalize) {
      unfinalize(job.ns(), name);
      progressed = true;
    }
    return progressed;
  }

  bool create_pod(tracked_job& about, event_subject const& subject) {
    auto const& job = about.job;
    auto pod = make_job_pod(*job);
    auto const class_name = string_at(pod, "spec.runtimeClassName");
    auto refused = [&]() -> std::optional<std::string> {
      if (!class_name.empty() && !objects.get(kube::runtime_classes, {}, class_name)) {
        return status_error::forbidden("", "pods", string_at(pod, "metadata.generateName"),
                                       "pod rejected: RuntimeClass \"" + class_name + "\" not found")
            .message;
      }
      auto const made = objects.create(kube::pods, std::move(pod));
      if (!made) {
        return made.error().message;
      }
      pods_of[job.uid()].insert(made->name());
      events.record(subject, event_kind::normal, "SuccessfulCreate", "Created pod: " + made->name());
      return std::nullopt;
    }();
    if (refused) {
      events.record(subject, event_kind::warning, "FailedCreate", "Error creating: " + *refused);
      about.retry = about.retry.count() == 0 ? first_retry : std::min(about.retry * 2, max_retry);
      about.due = objects.clock().wall_now() + about.retry;
      return false;
    }
    about.retry = milliseconds(0);
    about.due.reset();
    return true;
  }

  /// One timer for the earliest Job.
  void arm() {
    std::optional<base::wall_time> first;
    for (auto const& [uid, entry] : known) {
      if (entry.due) {
        first = std::min(first.value_or(*entry.due), *entry.due);
      }
    }
    if (!first || stopped) {
      timer.cancel();
      return;
    }
    auto const wait = *first - objects.clock().wall_now();
    timer.expires_after(std::max<std::chrono::microseconds>(wait, std::chrono::microseconds(0)));
    timer.async_wait([weak = weak_from_this()](boost::system::error_code error) {
      auto const self = weak.lock();
      if (!error && self != nullptr && !self->stopped) {
        self->on_timer();
      }
    });
  }

  void on_timer() {
    auto const now = objects.clock().wall_now();
    std::vector<std::string> due;
    for (auto const& [uid, entry] : known) {
      if (entry.due && *entry.due <= now) {
        due.push_back(uid);
      }
    }
    for (auto const& uid : due) {
      sync(uid);
    }
    arm();
  }
};

job_controller::job_controller(boost::asio::any_io_executor executor, store& objects)
    : state_(std::make_shared<state>(std::move(executor), objects)) {}

job_controller::~job_controller() {
  stop();
}

void job_controller::start() {
  auto const& s = state_;
  auto* const raw = s.get();
  s->jobs = std::make_unique<store_feed>(
      s->executor, s->objects, kube::jobs, [raw](object const& job) { raw->job_changed(job); },
      [raw](object const& job) { raw->job_gone(job); });
  s->pods = std::make_unique<store_feed>(
      s->executor, s->objects, kube::pods, [raw](object const& pod) { raw->pod_changed(pod); },
      [raw](object const& pod) { raw->pod_gone(pod); });
  // Pods first: a Job that is looked at before its Pods are known would make them again.
  for (auto const& pod : s->objects.list(kube::pods)) {
    if (auto const owner = owner_job(pod); !owner.empty()) {
      s->pods_of[owner].insert(pod.name());
    }
  }
  s->jobs->start();
  s->pods->start();
}

void job_controller::stop() {
  state_->stopped = true;
  state_->timer.cancel();
  state_->jobs.reset();
  state_->pods.reset();
}

}  // namespace codeexec::local
