// The seam between everything above and the wire: two calls. The real one is rest_client; tests script their own.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

#include "codeexec/base/deadline.hpp"
#include "codeexec/kube_core/error.hpp"
#include "codeexec/kube_core/request.hpp"

namespace codeexec::kube {

template <class T>
using task = boost::asio::awaitable<T>;

/// The body of a streamed answer (a watch or a followed log), bytes as they come.
/// Lifetime: owns its connection; destroying it closes the connection. Thread: that of the client's executor.
class byte_stream {
 public:
  byte_stream() = default;
  byte_stream(byte_stream const&) = delete;
  byte_stream& operator=(byte_stream const&) = delete;
  virtual ~byte_stream() = default;

  /// At least one byte as soon as there is one; an empty string when the server ended the body in order. A body that
  /// breaks off is an error of kind `connection`, silence past the deadline one of kind `timeout`.
  /// Cancellable (terminal): ends with `cancelled`.
  virtual task<result<std::string>> read_some(base::deadline by) = 0;
};

/// An API server. Lifetime: must outlive every call and every stream it opened. Thread: calls from one executor only.
/// Both calls are cancellable (terminal) and then end with `cancelled`.
class client {
 public:
  client() = default;
  client(client const&) = delete;
  client& operator=(client const&) = delete;
  virtual ~client() = default;

  /// Sends and returns the body of a 2xx answer. Anything else is an error. Never retries what may have been done, and
  /// sends nothing, not even again, that has an objection to it.
  virtual task<result<std::string>> send(request r, base::deadline by) = 0;

  /// Sends and returns once the headers of a 2xx answer are there; `by` is for that much.
  virtual task<result<std::unique_ptr<byte_stream>>> open_stream(request r, base::deadline by) = 0;
};

}  // namespace codeexec::kube
