// Compressed text, for tests of what takes it apart. Users link ZLIB::ZLIB.
#pragma once

#include <stdexcept>
#include <string>
#include <zlib.h>

namespace codeexec::testing {

inline std::string gzip(std::string const& plain) {
  z_stream stream{};
  constexpr int window_bits_of_gzip = 16 + MAX_WBITS;
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, window_bits_of_gzip, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("no compression");
  }
  std::string out(deflateBound(&stream, plain.size()), '\0');
  auto copy = plain;
  stream.next_in = reinterpret_cast<Bytef*>(copy.data());
  stream.avail_in = static_cast<uInt>(copy.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  auto const outcome = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (outcome != Z_STREAM_END) throw std::runtime_error("compression did not end");
  return out;
}

}  // namespace codeexec::testing
