// Writes Events, beside everything else: the thin part around event_queue.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "codeexec/async/event.hpp"
#include "codeexec/async/task_group.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/kube_client/client.hpp"
#include "codeexec/runtime/event_queue.hpp"

namespace codeexec::runtime {

/// Give it a client of its own, or one with room: one request at a time is under way.
/// Lifetime: client and clock outlive it; await stop() before it is destroyed. Thread: the client's.
class event_recorder {
 public:
  event_recorder(boost::asio::any_io_executor const& executor, kube::client& client, kube::event_reporter who,
                 event_queue_options options, base::clock const& clock);
  event_recorder(event_recorder const&) = delete;
  event_recorder& operator=(event_recorder const&) = delete;

  void start();

  /// Never waits and never fails; what finds no room is dropped and counted.
  void record(kube::occurrence what);

  /// Writes what is waiting, as fast as the server takes it, until `by`; what is not written then is dropped and said
  /// to be. Nothing runs any more when it ends. Idempotent.
  kube::task<void> stop(base::deadline by);

  event_counters const& counters() const { return queue_.counters(); }
  std::size_t waiting() const { return queue_.waiting(); }

 private:
  kube::task<void> run();
  void complain(kube::error const& e);
  event_queue::moment now() const;

  kube::client& client_;
  base::clock const& clock_;
  event_queue queue_;
  async::event wake_;  // something was recorded
  async::event idle_;  // pulsed when a request has ended
  async::task_group tasks_;
  std::string complained_;  // the last failure that was logged as a warning
};

}  // namespace codeexec::runtime
