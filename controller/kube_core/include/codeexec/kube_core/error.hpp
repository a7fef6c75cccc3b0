// What can go wrong with a request to an API server, as one type that callers ask questions of.
#pragma once

#include <boost/system/result.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/base/time.hpp"

namespace codeexec::kube {

enum class error_kind {
  cancelled,   ///< we stopped it: shutdown, or the caller lost interest
  timeout,     ///< the deadline passed
  connect,     ///< no connection: name, route, refusal, proxy. The request was not sent
  tls,         ///< handshake or verification failed. The request was not sent
  connection,  ///< the connection broke after bytes were sent: the server may or may not have done it
  protocol,    ///< not HTTP, or not what the API promises; or larger than we accept
  decode,      ///< a body that is not the JSON it should be
  config,      ///< credentials or configuration that cannot work; retrying will not help
  api,         ///< the server said no: status, reason and message are its own
};

/// One entry of Status.details.causes.
struct status_cause {
  std::string reason;
  std::string message;
  std::string field;
};

/// A failed request. Built by the client (transport) or from_status() (the server's own word).
class error {
 public:
  /// Only because Boost's result::error() wants one for the case that there is no error.
  error() = default;
  error(error_kind kind, std::string message) : kind_(kind), message_(std::move(message)) {}

  /// From a non-2xx answer. `body` is a metav1.Status, or whatever a proxy in between wrote; `retry_after` the header's
  /// value, where there was one. Bounded, whatever the body: message 16 KiB, 100 causes, an hour to wait.
  static error from_status(int http_status, std::string_view body,
                           std::optional<std::chrono::seconds> retry_after = std::nullopt);

  /// The same error, saying what was being done: "POST /apis/batch/v1/namespaces/a/jobs". Never a header or a body.
  error& in(std::string context) {
    context_ = std::move(context);
    return *this;
  }

  /// Says that there is more of the answer than can be had.
  error& mark_oversized() {
    oversized_ = true;
    return *this;
  }

  error_kind kind() const { return kind_; }
  int http_status() const { return http_status_; }         ///< 0 where no answer came
  std::string const& reason() const { return reason_; }    ///< Status.reason: "NotFound", "Conflict", ...
  std::string const& message() const { return message_; }  ///< a sentence for a person
  std::vector<status_cause> const& causes() const { return causes_; }
  /// What the server asked us to wait (Retry-After, else details.retryAfterSeconds).
  std::optional<std::chrono::seconds> retry_after() const { return retry_after_; }

  bool is_cancelled() const { return kind_ == error_kind::cancelled; }
  bool is_timeout() const { return kind_ == error_kind::timeout; }
  /// The answer is longer than we accept, or had begun to come and did not get to its end in time: asked for less, the
  /// server may do. A server that says nothing at all is another matter.
  bool is_oversized() const { return oversized_; }
  bool is_not_found() const { return kind_ == error_kind::api && http_status_ == 404; }
  bool is_already_exists() const { return kind_ == error_kind::api && reason_ == "AlreadyExists"; }
  /// A write against a stale resourceVersion, or a failed precondition (both are 409).
  bool is_conflict() const { return kind_ == error_kind::api && http_status_ == 409 && !is_already_exists(); }
  bool is_gone() const {
    return kind_ == error_kind::api && (http_status_ == 410 || reason_ == "Expired" || reason_ == "Gone");
  }
  bool is_invalid() const { return kind_ == error_kind::api && http_status_ == 422; }
  bool is_forbidden() const { return kind_ == error_kind::api && http_status_ == 403; }
  bool is_unauthorized() const { return kind_ == error_kind::api && http_status_ == 401; }
  /// The namespace is being deleted: nothing can be created in it any more.
  bool is_namespace_terminating() const;
  /// May the same request succeed later without anybody changing anything? (transport, timeouts, a body cut short by
  /// something in between, 401, 408, 409 conflict, 410, 429, 5xx)
  ///
  /// 410 is about a moment of the server's, never about an object. A list or a watch from that very moment has to be
  /// begun anew: ask for is_gone() first. 401 says that the server could not tell who asks, and so nothing of what was
  /// asked for: its authenticating webhook is away, a token has just been rotated, the kubelet does not answer to the
  /// API server.
  bool is_retryable() const;

  /// "POST .../jobs: 403 Forbidden: pods is forbidden: ..." for logs and people.
  std::string describe() const;
  /// For the log alone. What a server says of a body that it does not take (400, 422) may quote from it, that is, code,
  /// environment or output of users: then only the fields are named that it complains of.
  std::string describe_for_log() const;

 private:
  error_kind kind_ = error_kind::protocol;
  int http_status_ = 0;
  bool oversized_ = false;
  std::string context_;
  std::string reason_;
  std::string message_;
  std::vector<status_cause> causes_;
  std::optional<std::chrono::seconds> retry_after_;
};

/// A Retry-After header (RFC 9110, 10.2.3): seconds, or a date, which `now` is taken from. Nothing where it is neither.
/// At most an hour: what is longer is a mistake, and must not stop us for good.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view value, base::wall_time now);

/// "Sun, 06 Nov 1994 08:49:37 GMT", the one form of HTTP's dates that is still written.
std::optional<base::wall_time> parse_http_date(std::string_view text);

[[noreturn]] void throw_exception_from_error(error const& e, boost::source_location const& where);

template <class T>
using result = boost::system::result<T, error>;

}  // namespace codeexec::kube
