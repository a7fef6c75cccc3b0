#include "codeexec/runner/frame_queue.hpp"

namespace codeexec::runner {

bool frame_queue::push(bytes word, char tag, bytes payload) {
  size_t const size = frame_size(word.size, payload.size);
  if (size > capacity - (end_ - begin_)) return false;
  if (size > capacity - end_) {
    memmove(storage_, storage_ + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  char* out = storage_ + end_;
  memcpy(out, word.data, word.size);
  out += word.size;
  *out++ = ' ';
  *out++ = tag;
  *out++ = ' ';
  if (!payload.empty()) memcpy(out, payload.data, payload.size);
  out += payload.size;
  *out = '\n';
  end_ += size;
  return true;
}

void frame_queue::consume(size_t count) {
  begin_ += count;
  if (begin_ == end_) begin_ = end_ = 0;
}

}  // namespace codeexec::runner
