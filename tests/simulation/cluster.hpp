// A cluster in simulated time: an API server, the Job controller, the garbage collector, a scheduler and a node. It
// does what the reconciler can see of the real ones, in the order and with the delays in which they do it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/kube_client/client.hpp"
#include "codeexec/kube_core/job.hpp"
#include "codeexec/kube_core/pod.hpp"
#include "codeexec/runtime/store.hpp"
#include "codeexec/testing/scripted_client.hpp"

#include "agenda.hpp"
#include "witness.hpp"

namespace codeexec::simulation {

/// What the code of an execution does, once it runs.
struct program {
  duration runs_for = 400ms;
  int exit_code = 0;
  int signal = 0;             ///< that ends it by itself; 0: none
  bool eats_memory = false;   ///< the kernel ends the whole container, the runner too
  duration reacts_in = 50ms;  ///< to SIGTERM; beyond the grace period it is killed
  std::string out = "hi\n";   ///< written at once
  std::string last_words;     ///< written at its end
};

/// All states of all objects of one kind in the order in which they came about: what watches show.
template <class T>
class history {
 public:
  struct entry {
    runtime::object_id id;
    std::shared_ptr<T const> object;
    bool deleted = false;
  };

  void add(entry e) {
    auto const key = e.id.key;
    entries_.push_back(std::move(e));
    if (entries_.back().deleted) {
      current_.erase(key);
    } else {
      current_[key] = entries_.size() - 1;
    }
    // Whoever listens may leave meanwhile.
    for (auto const& [id, listener] : std::map(listeners_))
      listener();
  }
  std::size_t size() const { return entries_.size(); }
  entry const& at(std::size_t i) const { return entries_[i]; }
  std::vector<std::pair<runtime::object_id, std::shared_ptr<T const>>> list() const {
    std::vector<std::pair<runtime::object_id, std::shared_ptr<T const>>> all;
    for (auto const& [key, i] : current_)
      all.emplace_back(entries_[i].id, entries_[i].object);
    return all;
  }
  int listen(std::function<void()> listener) {
    listeners_.emplace(++count_, std::move(listener));
    return count_;
  }
  void forget(int id) { listeners_.erase(id); }

 private:
  std::vector<entry> entries_;
  std::map<runtime::object_key, std::size_t> current_;
  std::map<int, std::function<void()>> listeners_;
  int count_ = 0;
};

/// What stands in the way of a pod, until it does not. Times since the beginning; max(): for good.
struct obstacles {
  duration image_missing_until{};
  duration node_full_until{};
  duration job_quota_until{};
  duration pod_quota_until{};
  duration log_down_until{};
  bool slow_status = false;  ///< the kubelet reports seconds late
};

class cluster {
 public:
  static constexpr char const* ns = "agents";

  cluster(boost::asio::any_io_executor executor, agenda& time, dice& random, witness& sees)
      : executor_(std::move(executor)), time_(time), random_(random), witness_(sees) {}
  cluster(cluster const&) = delete;
  cluster& operator=(cluster const&) = delete;

  // --- what the operator sees ---
  kube::result<std::string> serve(kube::request const& r);
  kube::result<std::shared_ptr<testing::scripted_stream>> open_log(kube::request const& r);
  history<api::CodeExecution> executions;
  history<kube::Job> jobs;
  history<kube::Pod> pods;

  // --- what people do ---
  void apply(std::string const& name, json spec, program what = {}, json metadata = json::object());
  void put_source(std::string const& name, std::string const& code);
  void edit(std::string const& name, std::function<void(json&)> const& change);
  void remove_execution(std::string const& name);
  void remove_namespace();
  void remove_job_of(std::string const& name);
  void hold_job_of(std::string const& name, duration time);  ///< by a finalizer of somebody's
  void replace_job_of(std::string const& name);              ///< by one that is nobody's business
  void remove_pod_of(std::string const& name);
  void evict_pod_of(std::string const& name);
  void lose_node();
  void cut_logs();
  obstacles in_the_way;

  // --- what is there ---
  json const* find(std::string const& plural, std::string const& name) const;
  std::size_t count(std::string const& plural) const;
  std::vector<std::string> left_of(std::string const& uid) const;
  /// Whether anything that an operator can read tells that there was a Job.
  bool tells_of_job(std::string const& execution_uid) const;
  bool pod_runs(std::string const& execution) const;
  bool pod_ended(std::string const& execution) const;

  std::function<void()> on_commit;  ///< after every change
  std::function<void(std::string const&)> trace = [](auto const&) {};

 private:
  struct job_facts {
    std::string name;
    std::string execution_uid;
    std::string token;
    std::string input;   // name of the ConfigMap
    std::string runner;  // likewise
    std::string input_hash;
    json labels;
    json annotations;
    duration timeout{};
    duration grace{};
    duration deadline{};
    std::optional<duration> ttl;
    duration started{};
    bool pod_made = false;
    bool finished = false;
    int refusals = 0;
  };
  /// The kubelet's own knowledge of a pod. Outlives the object where the node is lost.
  struct sandbox {
    std::string uid;
    std::string name;
    std::string job_uid;
    std::string execution_uid;
    job_facts facts;
    program what;
    bool bound = false;
    bool has_volumes = false;  // they stay, once they were mounted
    int pulls = 0;
    bool started = false;
    bool ended = false;
    bool stopping = false;
    bool done = false;  // nothing of it is left on the node
    bool evicted = false;
    std::string log;
    bool log_gone = false;
    std::string message;  // termination message
    int exit_code = 0;
    std::string why;  // terminated.reason
    duration last_report{};
    std::vector<std::shared_ptr<testing::scripted_stream>> readers;
  };
  using sandbox_ref = std::shared_ptr<sandbox>;

  static std::string key_of(std::string const& plural, std::string const& name) { return plural + "/" + name; }
  static kube::error refuse(int code, std::string const& reason, std::string const& message, json details = nullptr);
  duration soon(duration least, duration most) { return random_.between(least, most); }

  // API server
  kube::result<std::string> create(std::string const& plural, json object);
  kube::result<std::string> patch(std::string const& plural, std::string const& name, bool status,
                                  std::string const& manager, json const& patch);
  void commit(std::string const& key);
  void publish(std::string const& key, bool deleted);
  bool mutate(std::string const& key, std::string const& uid, std::function<void(json&)> const& change);
  void remove(std::string const& key);
  void erase(std::string const& key);
  void collect_garbage();

  // Job controller
  void make_pod(std::string const& job_uid);
  void record_event(std::string const& job_uid, char const* type, char const* reason, std::string const& message);
  void count_pod(std::string const& job_uid, std::string const& pod);
  void finish_job(std::string const& job_uid, char const* type, std::string const& reason);
  void enforce_deadline(std::string const& job_uid);
  void untrack(std::string const& pod, std::string const& uid);

  // Scheduler and kubelet
  void bind(sandbox_ref const& s);
  void try_start(sandbox_ref const& s, int tries);
  void start(sandbox_ref const& s);
  void stop(sandbox_ref const& s);
  void end(sandbox_ref const& s, std::string const& how, int code, std::string const& why);
  void report(sandbox_ref const& s, duration delay, std::function<void(json&)> const& change);
  void clear_away(sandbox_ref const& s);
  void write_log(sandbox_ref const& s, std::string const& bytes);
  sandbox_ref sandbox_of(std::string const& execution_name) const;

  boost::asio::any_io_executor executor_;
  agenda& time_;
  dice& random_;
  witness& witness_;
  std::map<std::string, json> objects_;           // by "jobs/name"
  std::set<std::string> uids_;                    // of what is there
  std::map<std::string, program> programs_;       // by the execution's UID
  std::map<std::string, job_facts> job_facts_;    // by the Job's UID
  std::map<std::string, sandbox_ref> sandboxes_;  // by the Pod's UID
  std::map<std::string, program> next_programs_;
  std::uint64_t version_ = 100;
  bool node_lost_ = false;
  bool terminating_ = false;
};

}  // namespace codeexec::simulation
