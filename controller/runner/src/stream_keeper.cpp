#include "codeexec/runner/stream_keeper.hpp"

namespace codeexec::runner {
namespace {

/// The frame that `data` begins with. `used`: what it takes of data, its newline included.
struct frame_cut {
  bytes payload;
  size_t used;
  char tag;
};

frame_cut cut_frame(bytes data) {
  // One byte more than a payload: a newline right behind a full one still ends its line.
  size_t const window = data.size < wire::max_frame_payload + 1 ? data.size : wire::max_frame_payload + 1;
  if (void const* newline = memchr(data.data, '\n', window); newline != nullptr) {
    auto const length = static_cast<size_t>(static_cast<char const*>(newline) - data.data);
    return {bytes(data.data, length), length + 1, 'F'};
  }
  size_t const length = window < wire::max_frame_payload ? window : wire::max_frame_payload;
  return {bytes(data.data, length), length, 'P'};
}

uint64_t disk_cost(bytes name, frame_cut const& cut) {
  return wire::log_disk_per_frame + frame_queue::frame_size(name.size, cut.payload.size);
}

void reverse(char* begin, char* end) {
  while (begin < end) {
    char const first = *begin;
    *begin++ = *--end;
    *end = first;
  }
}

}  // namespace

stream_keeper::stream_keeper(bytes name, uint32_t limit)
    : name_(name),
      limit_(limit < wire::max_output_limit ? limit : wire::max_output_limit),
      head_left_(limit_),
      tail_capacity_(static_cast<size_t>(limit_ / 2)) {}

size_t stream_keeper::accept(bytes data, frame_queue& queue) {
  size_t taken = 0;
  while (live_ && taken < data.size) {
    bytes rest = data.from(taken);
    if (rest.size > head_left_) rest.size = static_cast<size_t>(head_left_);
    auto const cut = cut_frame(rest);
    uint64_t const cost = disk_cost(name_, cut);
    if (rest.empty() || cost > head_disk_left_) {
      if (push_count(wire::frame_full, sent_, queue)) live_ = false;
      break;
    }
    if (!queue.push(name_, cut.tag, cut.payload)) break;
    head_disk_left_ -= cost;
    head_left_ -= cut.used;
    sent_ += cut.used;
    taken += cut.used;
  }
  if (!live_ && taken < data.size) {
    keep(data.from(taken));
    taken = data.size;
  }

  if (total_ < small_size) {
    size_t const room = small_size - static_cast<size_t>(total_);
    memcpy(small_ + total_, data.data, taken < room ? taken : room);
  }
  total_ += taken;
  return taken;
}

void stream_keeper::keep(bytes data) {
  if (data.size > tail_capacity_) data = data.from(data.size - tail_capacity_);
  while (!data.empty()) {
    size_t const room = tail_capacity_ - tail_next_;
    size_t const count = data.size < room ? data.size : room;
    memcpy(tail_ + tail_next_, data.data, count);
    tail_next_ = (tail_next_ + count) % tail_capacity_;
    tail_size_ = tail_size_ + count < tail_capacity_ ? tail_size_ + count : tail_capacity_;
    data = data.from(count);
  }
}

void stream_keeper::finish() {
  live_ = false;
  if (tail_size_ == tail_capacity_ && tail_next_ != 0) {
    // The ring has gone round: turn it so that it begins at its oldest byte.
    reverse(tail_, tail_ + tail_next_);
    reverse(tail_ + tail_next_, tail_ + tail_size_);
    reverse(tail_, tail_ + tail_size_);
  }

  uint64_t cost = 0;
  for (bytes rest(tail_, tail_size_); !rest.empty();) {
    auto const cut = cut_frame(rest);
    cost += disk_cost(name_, cut);
    rest = rest.from(cut.used);
  }
  while (cost > tail_disk_budget) {
    auto const cut = cut_frame(bytes(tail_, tail_size_).from(tail_begin_));
    cost -= disk_cost(name_, cut);
    tail_begin_ += cut.used;
  }
  dropped_ = total_ - sent_ - (tail_size_ - tail_begin_);
}

bool stream_keeper::push_count(bytes word, uint64_t count, frame_queue& queue) const {
  text_buffer<64> text;
  text.append("{\"stream\":\"");
  text.append(name_);
  text.append("\",\"bytes\":");
  text.append_decimal(count);
  text.append('}');
  return queue.push(word, 'F', text.view());
}

bool stream_keeper::pump(frame_queue& queue) {
  if (dropped_ != 0 && !dropped_sent_) {
    if (!push_count(wire::frame_dropped, dropped_, queue)) return false;
    dropped_sent_ = true;
  }
  while (tail_begin_ < tail_size_) {
    auto const cut = cut_frame(bytes(tail_, tail_size_).from(tail_begin_));
    if (!queue.push(name_, cut.tag, cut.payload)) return false;
    tail_begin_ += cut.used;
  }
  return true;
}

}  // namespace codeexec::runner
