// How an HTTP exchange fails, told apart by what the caller may do about it.
#pragma once

#include <boost/system/result.hpp>
#include <string>
#include <utility>

namespace codeexec::net {

enum class failure {
  cancelled,   ///< the task was cancelled
  timeout,     ///< the deadline passed
  connect,     ///< no connection: name, route, refusal. Nothing was sent
  tls,         ///< the handshake or the verification failed, or the peer refused us over TLS
  connection,  ///< the connection broke after something may have been sent
  protocol,    ///< what came is not HTTP
  too_large,   ///< headers or body beyond our limit
};

struct error {
  failure kind = failure::connection;
  std::string message;        ///< a sentence without the kind; no header, no body
  bool answer_began = false;  ///< its headers had come before it failed

  /// Only because Boost's result::error() wants one for the case that there is no error.
  error() = default;
  error(failure k, std::string text) : kind(k), message(std::move(text)) {}
};

[[noreturn]] void throw_exception_from_error(error const& e, boost::source_location const& where);

template <class T>
using result = boost::system::result<T, error>;

}  // namespace codeexec::net
