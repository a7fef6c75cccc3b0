// One life of the operator, from its start to its violent end: the real reconciler over the real stores and the real
// work queue, with watches and a client that the simulation plays.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "codeexec/async/task_group.hpp"
#include "codeexec/execution/config.hpp"
#include "codeexec/reconciler/code_execution_reconciler.hpp"
#include "codeexec/runtime/work_queue.hpp"

#include "agenda.hpp"
#include "cluster.hpp"

namespace codeexec::simulation {

/// How the network treats what an operator asks and hears.
struct weather {
  duration request_least = 300us;  ///< one way
  duration request_most = 3ms;
  duration watch_least = 0us;
  duration watch_most = 20ms;
  double watch_stalls = 0;  ///< the chance that a watch event is late by up to `stall_most`, and all after it
  duration stall_most = 0s;
  double watch_cuts = 0;  ///< likewise that the watch breaks there, and is listed anew later
};

/// What becomes of one request.
enum class fault {
  none,
  kill_before,  ///< the operator dies instead of sending it
  kill_after,   ///< the operator dies when it was done, before the answer
  kill_early,   ///< the operator dies when it was sent; it arrives when another operator works already
  refused,      ///< it does not arrive
  lost,         ///< it is done, and the answer does not arrive
  doubled,      ///< it arrives twice; the second one is answered
  late_double,  ///< it arrives once more, seconds later
  too_many,     ///< 429 with Retry-After
  internal,     ///< 500, not done
  timed_out,    ///< the server says 504 though it was done
  silence,      ///< the client gives up after 30 s; it was done
  expired,      ///< 410, not done; of a list a word that means something, of anything else none
  conflict,     ///< 409 without a cause, not done
};
inline constexpr fault last_fault = fault::conflict;
char const* name_of(fault f);

/// A request under way.
struct call {
  explicit call(boost::asio::any_io_executor const& executor) : ready(executor) {}
  async::event ready;
  std::optional<kube::result<std::string>> answer;
  std::optional<kube::result<std::shared_ptr<testing::scripted_stream>>> stream;
};

class operator_life {
 public:
  /// Asked for the fate of each request, and told when one kills the operator.
  struct fate {
    std::function<fault(kube::request const&)> of_request;
    std::function<void(operator_life&)> dies;
    std::function<void(kube::request const&)> doubled_late;
  };
  using make_reconciler = std::function<std::unique_ptr<runtime::reconciler>(
      kube::client&, reconciler::stores, base::rng, std::function<void(runtime::object_key const&)>)>;

  operator_life(std::string name, boost::asio::io_context& io, agenda& time, dice& random, cluster& with,
                execution::config const& config, weather const& outside, fate what_becomes,
                make_reconciler const& other = {});
  operator_life(operator_life const&) = delete;
  operator_life& operator=(operator_life const&) = delete;
  ~operator_life();

  /// From now on nothing it does has an effect. What is left of it goes with its destruction.
  void kill();
  bool is_alive() const { return alive_; }
  /// The process is stopped for a while and goes on as if nothing had been.
  void pause(duration until) { paused_until_ = until; }

  std::string const& name() const { return name_; }
  std::uint64_t passes() const { return passes_made_; }
  std::size_t records() const { return real_ != nullptr ? real_->records() : 0; }
  std::size_t log_readers() const { return real_ != nullptr ? real_->log_readers() : 0; }
  std::function<void(std::string const&)> trace = [](auto const&) {};

 private:
  class client;
  template <class T>
  struct watch {
    history<T>* from = nullptr;
    runtime::store<T>* into = nullptr;
    int listening = 0;
    std::size_t at = 0;
    duration last{};
    int generation = 0;
    bool synced = false;     // listed once: passes may run
    bool connected = false;  // events come
  };

  template <class T>
  void start(watch<T>& w);
  template <class T>
  void relist(watch<T>& w);
  template <class T>
  void deliver_later(watch<T>& w);
  template <class T>
  void deliver(watch<T>& w, int generation);

  std::shared_ptr<call> send(kube::request r, bool stream);
  void answer(std::shared_ptr<call> const& c, kube::request const& r, bool stream, duration travels);
  void carry_out(std::shared_ptr<call> const& c, kube::request const& r, bool stream);
  void tell(std::shared_ptr<call> const& c, duration travels);
  void when_awake(std::function<void()> what);

  void enqueue(runtime::object_key const& key, runtime::priority how_soon);
  void wake(duration delay);
  void pump();
  kube::task<void> pass(runtime::work_queue::item item);

  std::string name_;
  boost::asio::io_context& io_;
  agenda& time_;
  dice& random_;
  cluster& cluster_;
  weather outside_;
  fate fate_;
  // Events of the agenda may come after this life is over.
  std::shared_ptr<int> here_ = std::make_shared<int>();
  bool alive_ = true;
  duration paused_until_{};

  runtime::store<api::CodeExecution> executions_;
  runtime::store<kube::Job> jobs_;
  runtime::store<kube::Pod> pods_;
  watch<api::CodeExecution> watch_executions_;
  watch<kube::Job> watch_jobs_;
  watch<kube::Pod> watch_pods_;
  reconciler::stores stores_;
  runtime::work_queue queue_;
  std::unique_ptr<client> client_;
  std::unique_ptr<runtime::reconciler> reconciler_;
  reconciler::code_execution_reconciler* real_ = nullptr;
  async::task_group passes_;
  std::size_t in_flight_ = 0;
  std::uint64_t passes_made_ = 0;
  std::optional<duration> wakes_at_;
};

}  // namespace codeexec::simulation
