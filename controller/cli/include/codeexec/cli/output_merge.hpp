// Joins the two ways in which a stream's bytes arrive, so that each is printed once: live from the pod's log, and in
// the end from the status. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/cli/frame_reader.hpp"

namespace codeexec::cli {

/// One stream of one execution. Count what was printed with live() and skipped(); rest() then says what is still to be
/// printed once the status is there.
class stream_progress {
 public:
  /// These bytes, the next of the stream, were printed.
  void live(std::string_view bytes);
  /// The log said that the next `count` bytes of the stream were not kept.
  void dropped(std::int64_t count);

  /// Bytes of the stream passed so far, dropped ones included.
  std::int64_t position() const { return position_; }
  std::int64_t dropped_bytes() const { return dropped_; }

  struct remainder {
    std::string head;          ///< to print first
    std::int64_t missing = 0;  ///< then so many bytes of the stream are not to be had
    std::string tail;          ///< and these follow the gap

    bool empty() const { return head.empty() && tail.empty() && missing == 0; }
  };

  /// What the status holds of a stream: repaired UTF-8 and, where it was too long, a line in the middle that says how
  /// much was left out (execution::render() writes it).
  struct stored {
    std::string_view name;  ///< "stdout"
    std::string_view text;
    std::int64_t total_bytes = 0;  ///< that the code wrote
    bool truncated = false;
    std::optional<api::OmittedOutput> omitted{};  ///< where that line is

    /// Whether bytes that are no UTF-8 were replaced in the text, as far as the lengths tell: three that are cut from a
    /// character of four are as long as what stands for them.
    bool is_repaired() const;
  };

  /// The part of the stored stream after position(). Whole and never twice, whatever the split point, also where the
  /// live bytes ended within a character.
  remainder rest(stored const& all) const;

 private:
  std::int64_t position_ = 0;
  std::int64_t dropped_ = 0;
  std::int64_t repaired_ = 0;  ///< length of what was passed so far, but for carry_, once repaired
  std::string carry_;          ///< the last bytes printed where they may be the start of a character: at most 3
};

/// Lifetime: the result refers to the status.
stream_progress::stored stored_stream(api::CodeExecutionStatus const& status, stream_name which);

}  // namespace codeexec::cli
