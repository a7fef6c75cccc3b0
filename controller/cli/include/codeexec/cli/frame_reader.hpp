// The runner's frames (controller/wire/README.md) as they come, for printing at once. The operator's log_capture keeps
// the two ends of each stream; this keeps nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "codeexec/kube_core/line_framer.hpp"

namespace codeexec::cli {

enum class stream_name { out, err };

/// A value: bytes of the log in, calls out. Lines that are no frames (a container runtime's own words) are skipped.
class frame_reader {
 public:
  struct handler {
    /// Bytes of one frame. They may be called for several times per line of output.
    std::function<void(stream_name, std::string_view)> bytes;
    /// So many bytes of the stream were not kept.
    std::function<void(stream_name, std::int64_t)> dropped;
    /// So many bytes of the stream were given, and there are more that do not come while the code runs.
    std::function<void(stream_name, std::int64_t)> full;
  };

  explicit frame_reader(handler to);

  void feed(std::string_view bytes);

  /// A line in the form of the last frame was there. It is taken for "nothing more will come", never for a result: the
  /// code could have forged it, and we do not know the runner's token.
  bool ended() const { return ended_; }

 private:
  void take(std::string_view line);

  handler to_;
  kube::line_framer lines_;
  bool ended_ = false;
};

}  // namespace codeexec::cli
