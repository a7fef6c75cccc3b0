#include "codeexec/kube_core/error.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "codeexec/base/encoding.hpp"

namespace codeexec::kube {
namespace {

/// A proxy's page is not for a log line in full.
constexpr std::size_t max_foreign_message = 256;

/// StatusReason as the API server would have filled it in for a bare HTTP status.
std::string_view reason_for(int http_status) {
  switch (http_status) {
    case 400:
      return "BadRequest";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "NotFound";
    case 405:
      return "MethodNotAllowed";
    case 406:
      return "NotAcceptable";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "RequestEntityTooLarge";
    case 415:
      return "UnsupportedMediaType";
    case 422:
      return "Invalid";
    case 429:
      return "TooManyRequests";
    case 500:
      return "InternalError";
    case 503:
      return "ServiceUnavailable";
    case 504:
      return "Timeout";
    default:
      return "";
  }
}

std::string_view kind_name(error_kind kind) {
  switch (kind) {
    case error_kind::cancelled:
      return "cancelled";
    case error_kind::timeout:
      return "timeout";
    case error_kind::connect:
      return "cannot connect";
    case error_kind::tls:
      return "TLS";
    case error_kind::connection:
      return "connection lost";
    case error_kind::protocol:
      return "protocol";
    case error_kind::decode:
      return "malformed body";
    case error_kind::config:
      return "configuration";
    case error_kind::api:
      return "API";
  }
  return "error";
}

std::string string_at(nlohmann::json const& object, char const* key) {
  auto const at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

/// Text of unknown origin as one printable line.
std::string one_line(std::string_view text) {
  std::string out;
  bool gap = false;
  for (char const c : base::repair_utf8(std::string(text.substr(0, 4 * max_foreign_message)))) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') {
      gap = !out.empty();
      continue;
    }
    if (out.size() >= max_foreign_message) break;
    if (gap) out += ' ';
    gap = false;
    out += c;
  }
  return base::repair_utf8(std::move(out));  // the cut may have halved a character
}

}  // namespace

error error::from_status(int http_status, std::string_view body, std::optional<std::chrono::seconds> retry_after) {
  error e(error_kind::api, "");
  e.http_status_ = http_status;
  e.retry_after_ = retry_after;

  auto const status = nlohmann::json::parse(body, nullptr, false);
  if (status.is_object() && string_at(status, "kind") == "Status") {
    e.reason_ = string_at(status, "reason");
    e.message_ = string_at(status, "message");
    auto const details = status.find("details");
    if (details != status.end() && details->is_object()) {
      auto const causes = details->find("causes");
      if (causes != details->end() && causes->is_array()) {
        for (auto const& cause : *causes) {
          if (!cause.is_object()) continue;
          e.causes_.push_back({string_at(cause, "reason"), string_at(cause, "message"), string_at(cause, "field")});
        }
      }
      auto const seconds = details->find("retryAfterSeconds");
      if (!e.retry_after_ && seconds != details->end() && seconds->is_number_integer()) {
        auto const value = seconds->get<std::int64_t>();
        if (value > 0) e.retry_after_ = std::chrono::seconds(value);
      }
    }
  } else {
    e.message_ = one_line(body);
  }
  if (e.reason_.empty()) e.reason_ = reason_for(http_status);
  if (e.message_.empty()) e.message_ = "the server gave no message";
  return e;
}

bool error::is_namespace_terminating() const {
  if (!is_forbidden()) return false;
  for (auto const& cause : causes_) {
    if (cause.reason == "NamespaceTerminating") return true;
  }
  return false;
}

bool error::is_retryable() const {
  switch (kind_) {
    case error_kind::cancelled:
    case error_kind::config:
      return false;
    case error_kind::timeout:
    case error_kind::connect:
    case error_kind::tls:
    case error_kind::connection:
    case error_kind::protocol:
    case error_kind::decode:
      return true;
    case error_kind::api:
      return is_conflict() || http_status_ == 429 || http_status_ >= 500;
  }
  return false;
}

std::string error::describe() const {
  std::string text = context_.empty() ? "" : context_ + ": ";
  if (kind_ != error_kind::api) {
    text += kind_name(kind_);
  } else {
    text += std::to_string(http_status_);
    if (!reason_.empty()) text += " " + reason_;
  }
  if (!message_.empty()) text += ": " + message_;
  return text;
}

void throw_exception_from_error(error const& e, boost::source_location const&) {
  throw std::runtime_error(e.describe());
}

}  // namespace codeexec::kube
