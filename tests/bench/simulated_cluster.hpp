// A Kubernetes API server with its Job controller and one node, in memory, for exactly the calls that the operator
// makes: versions, preconditions, lists, streaming lists and watches as the real one has them, and pods that end as
// soon as they have their input. It checks nothing that a real one would check of an object's content.
//
// It is made to cost little, so that an operator can be measured against it on a machine of two cores. Objects are
// texts; what the load is made of never passes a socket.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "codeexec/async/event.hpp"
#include "codeexec/async/task_group.hpp"
#include "codeexec/net/server.hpp"

namespace codeexec::bench {

/// CodeExecutions that somebody creates.
struct workload {
  std::size_t count = 1;
  double rate = 0;             ///< a second; 0: all at once
  std::size_t output = 100;    ///< bytes that each writes to stdout
  std::size_t code = 400;      ///< bytes of its code
  std::size_t namespaces = 4;  ///< they are spread over
  std::chrono::milliseconds runs_for{0};
  std::chrono::seconds patience{240};  ///< then the rest is given up
  bool until_running = false;          ///< done once every pod runs
  /// Of the finished ones so many stay; the oldest beyond that are deleted, as a user would.
  std::size_t keep = std::numeric_limits<std::size_t>::max();
};

/// Thread: the executor's. Lifetime: await stop() before destruction.
class simulated_cluster final : public net::request_handler {
 public:
  /// `streams_lists`: whether a watch may begin with a list (Kubernetes 1.32 and newer).
  simulated_cluster(boost::asio::any_io_executor executor, bool streams_lists);
  ~simulated_cluster() override;

  boost::asio::awaitable<void> handle(net::server_request request, net::exchange& answer) override;

  /// Puts finished CodeExecutions there, as another operator has left them.
  void fill(std::size_t count, std::size_t code, std::size_t output);

  /// Creates them, waits for their results and until nothing else is left of them; what was seen, as JSON.
  boost::asio::awaitable<std::string> run(workload what);

  boost::asio::any_io_executor const& executor() const { return executor_; }

  /// Requests and bytes since the last reset, as JSON.
  std::string traffic() const;
  void reset_traffic();

  boost::asio::awaitable<void> stop();

 private:
  using clock = std::chrono::steady_clock;
  struct stored {
    std::string ns;
    std::string uid;
    std::string execution_uid;  // of its label
    std::uint64_t version = 0;
    std::shared_ptr<std::string const> text;
  };
  struct event {
    std::uint64_t version;
    std::string ns;
    std::shared_ptr<std::string const> line;
  };
  struct collection {
    explicit collection(boost::asio::any_io_executor const& executor) : changed(executor) {}
    std::map<std::string, stored> objects;  // by namespace/name: a list's order
    std::deque<event> history;
    std::uint64_t first = 0;                // number of the history's first event
    std::uint64_t forgotten = 0;            // version of the last event that is not there any more
    std::map<int, std::uint64_t> watchers;  // number of the next event each will send
    async::event changed;
  };
  struct target {
    std::string plural;
    std::string ns;
    std::string name;
    std::string subresource;
    std::map<std::string, std::string> query;
  };
  struct reply {
    int status = 200;
    std::string body;
  };
  struct execution_times {
    clock::time_point created{};
    clock::time_point job{};
    clock::time_point ended{};
    clock::time_point final{};
    bool running = false;
  };
  /// One pod on the node.
  struct sandbox;
  struct call_count {
    std::uint64_t calls = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
  };

  static target parse(std::string_view text);
  static reply refuse(int status, std::string_view reason, std::string_view message);
  collection& of(std::string const& plural);
  bool is_for(target const& t, stored const& o) const;

  void put(std::string const& plural, std::string const& key, stored o, std::string text, char const* event_type);
  void take_away(std::string const& plural, std::string const& key);
  void tell(collection& c, char const* type, stored const& o);

  reply serve(target const& t, net::server_request const& r);
  reply list(target const& t);
  reply create(target const& t, std::string const& body);
  reply patch(target const& t, std::string const& body);
  reply remove(target const& t, std::string const& body);
  boost::asio::awaitable<void> watch(target t, net::exchange& answer);
  boost::asio::awaitable<void> send_log(target t, net::exchange& answer);

  void create_execution(std::size_t number, workload const& what);
  void finished(std::string const& key, stored const& o);
  void make_pod(std::string const& job_key, std::string const& job);
  void start_pod(std::string const& pod_key);
  void end_pod(std::shared_ptr<sandbox> const& s);
  void settle_job(std::shared_ptr<sandbox> const& s);
  void show_pod(sandbox const& s, std::string_view status, char const* type = "MODIFIED");
  void after(std::chrono::milliseconds delay, std::function<void()> then);
  execution_times* times_of(std::string const& uid);
  std::string report(workload const& what, clock::time_point begin) const;

  boost::asio::any_io_executor executor_;
  bool streams_lists_;
  async::task_group group_;
  std::map<std::string, std::unique_ptr<collection>> collections_;
  std::uint64_t version_ = 1000;
  std::uint64_t children_ = 0;  // ever made: for their UIDs
  int watch_number_ = 0;
  std::unordered_map<std::string, std::shared_ptr<sandbox>> sandboxes_;  // by the Job's key
  std::unordered_map<std::string, std::shared_ptr<sandbox>> by_input_;   // by the input's key
  std::map<std::string, call_count> calls_;
  std::uint64_t watch_bytes_ = 0;
  std::uint64_t watch_events_ = 0;

  // The workload that is under way.
  workload load_;
  std::size_t first_number_ = 0;
  std::size_t next_number_ = 0;
  std::vector<execution_times> times_;
  std::size_t final_ = 0;
  std::size_t running_ = 0;
  std::deque<std::string> kept_;
  async::event progress_;
};

}  // namespace codeexec::bench
