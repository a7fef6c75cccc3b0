#include "codeexec/net/gzip.hpp"

#include <algorithm>
#include <limits>
#include <new>
#include <zlib.h>

namespace codeexec::net {
namespace {

constexpr int gzip_only = 16 + MAX_WBITS;  // what inflateInit2 calls it
constexpr std::size_t first_output = 64U * 1024;

error too_large(std::size_t limit) {
  return error(failure::too_large, "the answer is larger than " + std::to_string(limit) + " bytes");
}

}  // namespace

void gzip_decoder::inflater::operator()(z_stream_s* stream) const {
  inflateEnd(stream);
  delete stream;
}

gzip_decoder::gzip_decoder(std::size_t limit) : limit_(limit) {
  auto stream = std::make_unique<z_stream>();
  if (inflateInit2(stream.get(), gzip_only) != Z_OK) throw std::bad_alloc();
  stream_.reset(stream.release());
}

gzip_decoder::gzip_decoder(gzip_decoder&&) noexcept = default;
gzip_decoder& gzip_decoder::operator=(gzip_decoder&&) noexcept = default;
gzip_decoder::~gzip_decoder() = default;

bool gzip_decoder::make_room() {
  if (used_ < out_.size()) return true;
  // One byte more than the limit: that it gets used is how one sees that there would be more.
  auto const most = limit_ < std::numeric_limits<std::size_t>::max() ? limit_ + 1 : limit_;
  if (out_.size() >= most) return false;
  out_.resize(std::min(most, std::max(first_output, out_.size() * 2)));
  return true;
}

result<void> gzip_decoder::feed(std::string_view bytes) {
  // zlib counts in 32 bits and wants a pointer to what it does not change.
  constexpr std::size_t most = std::numeric_limits<uInt>::max();
  while (!bytes.empty()) {
    if (between_members_) {
      if (inflateReset(stream_.get()) != Z_OK) return error(failure::protocol, "the answer's compression is broken");
      between_members_ = false;
    }
    auto const part = bytes.substr(0, most);
    stream_->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(part.data()));
    stream_->avail_in = static_cast<uInt>(part.size());
    auto outcome = Z_OK;
    bool output_full = true;
    while (outcome == Z_OK && (stream_->avail_in > 0 || output_full)) {
      if (!make_room()) return too_large(limit_);
      auto const room = std::min(out_.size() - used_, most);
      stream_->next_out = reinterpret_cast<Bytef*>(out_.data() + used_);
      stream_->avail_out = static_cast<uInt>(room);
      outcome = inflate(stream_.get(), Z_NO_FLUSH);
      used_ += room - stream_->avail_out;
      output_full = stream_->avail_out == 0;
      if (used_ > limit_) return too_large(limit_);
    }
    if (outcome == Z_STREAM_END) {
      between_members_ = true;
    } else if (outcome != Z_OK && outcome != Z_BUF_ERROR) {  // the latter: it wants more input, which is no error
      return error(failure::protocol, "the answer's compression is broken");
    }
    bytes.remove_prefix(part.size() - stream_->avail_in);
    if (outcome == Z_BUF_ERROR && stream_->avail_in > 0) {
      return error(failure::protocol, "the answer's compression is broken");
    }
  }
  return {};
}

result<std::string> gzip_decoder::finish() {
  if (!between_members_) return error(failure::protocol, "the compressed answer ends early");
  return take_beginning();
}

std::string gzip_decoder::take_beginning() {
  out_.resize(std::min(used_, limit_));
  used_ = 0;
  return std::move(out_);
}

}  // namespace codeexec::net
