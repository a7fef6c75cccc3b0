// Reads the log of one container into a log_capture: followed while it runs, or once after its end.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "codeexec/base/log.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/execution/log_frames.hpp"
#include "codeexec/kube_client/client.hpp"

namespace codeexec::reconciler {

struct log_request {
  std::string ns;
  std::string pod;
  bool follow = false;
  std::shared_ptr<execution::log_capture> frames;   ///< filled as the bytes come
  std::chrono::seconds time_limit{};                ///< for all of it
  int number = 0;                                   ///< of the readings of this log
  std::shared_ptr<base::log::context const> about;  ///< for the debug line of the call; may be null
};

/// How a reading ended.
struct log_reading {
  enum class ending {
    complete,  ///< the result frame came, or the log was read to its end
    not_yet,   ///< the container has not started: ask again soon
    broken,    ///< it broke off; what was read until then is in the frames
    refused,   ///< the server does not give it
  };
  ending end = ending::broken;
  std::string problem;
  /// What follows the result frame, to be read or left; null where the server has ended it already.
  std::unique_ptr<kube::byte_stream> rest;
};

/// Ends by itself as soon as the result frame is there. Memory is bounded by the capture's, bytes by a limit that only
/// a log full of garbage reaches. Lifetime: the client outlives it. Cancellable (terminal).
kube::task<log_reading> read_log(kube::client& client, log_request what);

/// Reads to the end what nobody needs, so that the connection can serve again: over TLS a new one for each log costs
/// more than all else that is done for an execution. Gives up on a server that does not end it in a few seconds.
/// Cancellable (terminal).
kube::task<void> read_to_end(std::unique_ptr<kube::byte_stream> rest);

}  // namespace codeexec::reconciler
