// One output stream of the code: the head goes out live, the tail is kept, the middle is counted.
#pragma once

#include "codeexec/runner/frame_queue.hpp"
#include "codeexec/runner/text.hpp"
#include "codeexec/wire/protocol.h"

namespace codeexec::runner {

/// Both streams' shares, the result frame, two full and two dropped frames are together within the node's budget.
inline constexpr uint64_t stream_disk_budget = (wire::log_disk_budget - 16384) / 2;
inline constexpr uint64_t tail_disk_budget = stream_disk_budget / 3;
inline constexpr uint64_t head_disk_budget = stream_disk_budget - tail_disk_budget;

/// Fed by accept() until the stream ends; then finish(), then pump() until it returns true.
class stream_keeper {
 public:
  /// The result object takes the output where it is small: this much of it is remembered from the start.
  static constexpr size_t small_size = wire::max_result_size;

  /// `name`: the stream's word in frames; must outlive this. `limit`: --max-output-bytes.
  stream_keeper(bytes name, uint32_t limit);

  /// Takes bytes from the front of `data`, as many as the queue has room for while the head goes out live, and returns
  /// how many. What is left is the caller's to offer again once the queue has been written.
  size_t accept(bytes data, frame_queue& queue);

  /// From here on nothing goes out live: for a log whose reader has stalled, so that accept() takes all it is given.
  void divert() { live_ = false; }
  /// True where accept() takes everything, whatever the queue's state.
  [[nodiscard]] bool diverted() const { return !live_; }

  /// The stream has ended. Decides what of the tail fits the budget.
  void finish();
  /// Queues the dropped frame and the tail as far as they fit. True once all is queued.
  bool pump(frame_queue& queue);

  [[nodiscard]] uint64_t total() const { return total_; }
  /// The whole stream where it is at most small_size long, and no longer than what is kept of it.
  [[nodiscard]] bytes small() const { return {small_, is_small() ? static_cast<size_t>(total_) : 0}; }
  [[nodiscard]] bool is_small() const { return total_ <= small_size && total_ <= limit_; }

 private:
  void keep(bytes data);
  /// Queues a frame that says how many bytes of the stream something is true of; false where there is no room.
  bool push_count(bytes word, uint64_t count, frame_queue& queue) const;

  bytes name_;
  uint64_t total_ = 0;
  bool live_ = true;
  uint64_t limit_;
  uint64_t head_left_;
  uint64_t head_disk_left_ = head_disk_budget;
  uint64_t sent_ = 0;

  size_t tail_capacity_;
  size_t tail_next_ = 0;   // where the ring takes its next byte
  size_t tail_size_ = 0;   // bytes in the ring
  size_t tail_begin_ = 0;  // after finish(): what pump() sends next; the ring is straight then
  uint64_t dropped_ = 0;
  bool dropped_sent_ = false;

  char small_[small_size];
  char tail_[wire::max_output_limit / 2];
};

}  // namespace codeexec::runner
