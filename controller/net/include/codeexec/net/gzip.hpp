// Content-Encoding: gzip, taken apart as it arrives and never beyond a limit.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "codeexec/net/error.hpp"

struct z_stream_s;

namespace codeexec::net {

/// A value without I/O. A few kilobytes can unfold to gigabytes, so the limit is on what comes out.
class gzip_decoder {
 public:
  /// At most `limit` bytes come out.
  explicit gzip_decoder(std::size_t limit);
  gzip_decoder(gzip_decoder&&) noexcept;
  gzip_decoder& operator=(gzip_decoder&&) noexcept;
  ~gzip_decoder();

  /// Errors: protocol (this is not gzip, or its checksum is wrong), too_large. After an error only destruction makes
  /// sense.
  result<void> feed(std::string_view bytes);

  /// Everything that came out. Error: protocol, where the compressed data ended early.
  result<std::string> finish();

  /// What has come out so far, whole or not.
  std::string take_beginning();

 private:
  struct inflater {
    void operator()(z_stream_s* stream) const;
  };
  bool make_room();

  std::unique_ptr<z_stream_s, inflater> stream_;
  std::string out_;
  std::size_t used_ = 0;  ///< of out_
  std::size_t limit_;
  bool between_members_ = false;  ///< a member has ended: another may begin, or the data may end
};

}  // namespace codeexec::net
