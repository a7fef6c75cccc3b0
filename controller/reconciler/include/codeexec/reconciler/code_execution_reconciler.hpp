// Observe, decide, act: carries out what codeexec::execution decides about each CodeExecution.
//
// State lives in the cluster. What this class keeps besides (a record per unfinished execution) bridges the time until
// the watches show our own writes, and holds what was read of logs; a restart loses it and loses nothing by that.
#pragma once

#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/async/task_group.hpp"
#include "codeexec/base/backoff.hpp"
#include "codeexec/base/histogram.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/execution/config.hpp"
#include "codeexec/execution/decide.hpp"
#include "codeexec/kube_client/client.hpp"
#include "codeexec/kube_core/event.hpp"
#include "codeexec/kube_core/job.hpp"
#include "codeexec/kube_core/list.hpp"
#include "codeexec/kube_core/pod.hpp"
#include "codeexec/reconciler/admissions.hpp"
#include "codeexec/reconciler/log_reader.hpp"
#include "codeexec/reconciler/network_policies.hpp"
#include "codeexec/reconciler/runner_store.hpp"
#include "codeexec/runtime/controller.hpp"
#include "codeexec/runtime/store.hpp"

namespace codeexec::reconciler {

/// The three stores that the reconciler reads. add_indices() must have run before the first object.
struct stores {
  runtime::store<api::CodeExecution>& executions;
  runtime::store<kube::Job>& jobs;
  runtime::store<kube::Pod>& pods;

  /// Files Pods and executions under the execution's UID.
  void add_indices();
  /// Calls `enqueue` with the CodeExecution that a change of any of the three is about.
  void on_change(std::function<void(runtime::object_key const&, runtime::priority)> enqueue);
  /// Null where there is none.
  std::shared_ptr<api::CodeExecution const> find_by_uid(std::string const& uid) const;
};

/// What the informers of Jobs and Pods should ask for.
std::string children_selector();

/// Of the steps of an execution, in seconds.
inline constexpr std::array<double, 16> step_bounds{0.01, 0.05, 0.1, 0.25, 0.5, 1,   2.5,  5,
                                                    10,   30,   60,  120,  300, 600, 1800, 3600};
using step_histogram = base::histogram<step_bounds>;

/// From one point of status.timeline to the next; `whole` from the first to the last. Of those whose two points are
/// known.
struct step_times {
  step_histogram queue;
  step_histogram schedule;
  step_histogram start;
  step_histogram run;
  step_histogram capture;
  step_histogram whole;

  void record(api::Timeline const& of);
  static void record_queue(step_histogram& into, api::Timeline const& of);
};

struct counters {
  std::uint64_t started = 0;    ///< Jobs made
  std::uint64_t succeeded = 0;  ///< final statuses written
  std::uint64_t failed = 0;
  std::array<std::uint64_t, api::reasons::final_ones.size()> by_reason{};  ///< the same, in the order of final_ones
  step_times steps;
  std::vector<step_histogram> queue_by_class;  ///< steps.queue, by config.class_of()
  std::uint64_t logs_followed = 0;
  std::uint64_t logs_read = 0;
};

/// Lifetime: everything it is given outlives it; await stop() before it is destroyed. Thread: the client's.
class code_execution_reconciler final : public runtime::reconciler {
 public:
  /// `enqueue`: asks for a pass, soon.
  code_execution_reconciler(boost::asio::any_io_executor const& executor, kube::client& client, stores what,
                            execution::config const& with, std::string_view runner, base::clock const& clock,
                            base::rng random, std::function<void(runtime::object_key const&)> enqueue);
  ~code_execution_reconciler() override;

  /// Called for what is worth an Event, during a pass: it must not block. Set it before the first pass.
  void on_occurrence(std::function<void(kube::occurrence)> tell) { tell_ = std::move(tell); }

  kube::task<runtime::outcome> reconcile(runtime::object_key key, std::string reconcile_id) override;

  /// Ends the log readers. No pass may be under way any more.
  kube::task<void> stop();

  /// What namespaces share; for whoever removes it where nothing needs it any more.
  runner_store& runners() { return runner_; }
  network_policies& policies() { return network_; }

  /// Who runs and who waits, for those who count.
  execution::admission_queue const& queue() const { return admissions_.queue(); }

  counters const& counted() const { return counters_; }
  /// Executions it keeps a record of; for tests of leaks.
  std::size_t records() const { return records_.size(); }
  std::size_t log_readers() const { return log_readers_; }

 private:
  struct record;
  using record_ptr = std::shared_ptr<record>;
  /// Nothing: go on. Otherwise the pass ends with it.
  using step = std::optional<runtime::outcome>;
  using checked_at = std::optional<base::wall_time> execution::memory::*;

  /// What every line about it says; during a pass, its id too.
  static base::log::context about(record const& r);
  kube::task<kube::result<std::string>> send(record const& r, kube::request what, base::deadline by);
  void count_end(std::string const& ns, api::CodeExecutionStatus const& status);

  static bool is_pod_of(record const& r, kube::Pod const& pod);
  void remember_last_state(runtime::change<kube::Pod> const& c);
  static void forget_pod_answers(record& r);
  /// The newest Pod that the watch has shown of it.
  std::shared_ptr<kube::Pod const> watched_pod(record const& r) const;
  /// Brings the record up to date with the stores; false where the object is gone.
  bool observe(record& r);
  execution::observed snapshot(record const& r) const;
  bool is_settled(api::CodeExecution const& e) const;

  kube::task<step> carry_out(record_ptr r, execution::action what);
  kube::task<step> add_finalizer(record_ptr r);
  /// What the namespace must have before code runs there: waits for `ensuring` and keeps when it was last known good.
  kube::task<step> look_after(record_ptr r, kube::task<kube::result<void>> ensuring, checked_at when);
  kube::task<step> read_code_source(record_ptr r, bool only_hash);
  std::string make_token();
  kube::task<step> create_job(record_ptr r, std::shared_ptr<nlohmann::json const> object);
  kube::task<step> create_input(record_ptr r, std::shared_ptr<nlohmann::json const> object, std::string sha256);
  kube::task<step> find_job(record_ptr r);
  kube::task<step> confirm_unfinished(record_ptr r);
  /// Of whatever Job, those that carry the execution's label; what cannot be read is left out.
  kube::task<kube::result<std::vector<kube::Pod>>> list_pods(record_ptr r);
  struct events_told {
    kube::list_page page;
    bool blind = false;  ///< they may not be read
  };
  /// Of whatever Job had the name. limit 0: all.
  kube::task<kube::result<events_told>> list_events_of_job_name(record_ptr r, std::int64_t limit);
  kube::task<step> find_pod(record_ptr r);
  kube::task<step> look_for_another_job(record_ptr r);
  kube::task<step> look_for_traces(record_ptr r);
  kube::task<step> read_job_events(record_ptr r);
  kube::task<step> end_pod(record_ptr r, std::string pod, std::string uid);
  kube::task<step> delete_pod(record_ptr r, execution::delete_pod what);
  kube::task<step> delete_job(record_ptr r, std::string uid);
  kube::task<step> remove_finalizer(record_ptr r);
  kube::task<step> delete_execution(record_ptr r);
  kube::task<step> write_status(record_ptr r, std::shared_ptr<api::CodeExecutionStatus const> status);
  kube::task<step> refresh(record_ptr r);

  void start_log_reader(record_ptr const& r, std::string pod, bool follow);
  void read_later(record& r) const;
  kube::task<void> run_log_reader(record_ptr r, log_request what);
  kube::task<void> read_end(std::unique_ptr<kube::byte_stream> rest);
  /// The API server refused to create a child.
  step refused(record& r, kube::error const& e);
  /// An answer that is the CodeExecution as it is now.
  void take_answer(record& r, std::string const& body);

  kube::client& client_;
  stores stores_;
  execution::config const& config_;
  base::clock const& clock_;
  base::rng random_;
  std::function<void(runtime::object_key const&)> enqueue_;
  std::function<void(kube::occurrence)> tell_ = [](kube::occurrence) {};
  admissions admissions_;
  runner_store runner_;
  network_policies network_;
  async::task_group readers_;
  std::unordered_map<runtime::object_key, record_ptr> records_;
  std::size_t log_readers_ = 0;
  std::size_t ends_being_read_ = 0;
  base::wall_time next_events_turn_{};
  counters counters_;
};

}  // namespace codeexec::reconciler
