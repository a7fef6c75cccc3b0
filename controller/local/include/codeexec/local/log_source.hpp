// Where `GET .../pods/NAME/log` gets its bytes: the seam between the API server and the node.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "codeexec/base/time.hpp"
#include "codeexec/local/object.hpp"
#include "codeexec/local/status_error.hpp"

namespace codeexec::local {

/// PodLogOptions, already validated (numbers in range; what the API forbids is refused before).
struct pod_log_options {
  std::string container;  ///< empty: the pod's only one
  bool follow = false;
  bool previous = false;
  bool timestamps = false;
  std::optional<std::int64_t> limit_bytes;
  std::optional<std::int64_t> tail_lines;
  std::optional<base::wall_time> since;  ///< sinceTime, or now - sinceSeconds
};

/// One reader's place in one container's log. Holds no bytes of its own. Destroying it ends the reading; it may outlive
/// the pod and must not outlive the log_source.
/// Thread: the source's one.
class log_stream {
 public:
  log_stream() = default;
  log_stream(log_stream const&) = delete;
  log_stream& operator=(log_stream const&) = delete;
  virtual ~log_stream() = default;

  struct chunk {
    std::string bytes;  ///< at most what was asked for; empty: nothing new yet, or the end
    bool end = false;   ///< no more bytes will ever come after these
  };
  /// The next bytes. Without `follow`, the end comes with the last byte the log holds now; with it, after the container
  /// has ended and its last byte was handed out.
  virtual chunk next(std::size_t max_bytes) = 0;
};

class log_source {
 public:
  log_source() = default;
  log_source(log_source const&) = delete;
  log_source& operator=(log_source const&) = delete;
  virtual ~log_source() = default;

  /// Opens the log of a container of `pod` (as the store holds it).
  /// A null stream: the pod is not on a node yet (the API answers 204). A refusal has the real server's words:
  /// container not valid, waiting to start, no previous one. `wake` is called (posted, never from inside next() or
  /// open()) whenever next() may have more; not after the stream's destruction.
  virtual result<std::unique_ptr<log_stream>> open_log(object const& pod, pod_log_options options,
                                                       std::function<void()> wake) = 0;
};

}  // namespace codeexec::local
