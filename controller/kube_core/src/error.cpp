#include "codeexec/kube_core/error.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "codeexec/base/encoding.hpp"
#include "codeexec/kube_core/json.hpp"

namespace codeexec::kube {
namespace {

/// A proxy's page is not for a log line in full.
constexpr std::size_t max_foreign_message = 256;
/// An Invalid repeats the value that it refuses.
constexpr std::size_t max_message = 16U * 1024;
constexpr std::size_t max_causes = 100;
/// What is longer is no Status.
constexpr std::size_t max_status = 1024U * 1024;
constexpr std::chrono::seconds longest_wait = std::chrono::hours(1);

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

std::string cut(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  text.resize(most);
  return base::repair_utf8(std::move(text)) + "...";  // the cut may have halved a character
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

/// Whoever wrote a webhook or a policy chose what its refusal says, and may have quoted the object; who refused comes
/// before it. Other messages are the API server's own; of those the first kilobyte is enough for a line.
std::string without_foreign_words(std::string text) {
  constexpr std::size_t enough = 1024;
  for (std::string_view const verdict : {"denied the request", "denied request"}) {
    auto const at = text.find(verdict);
    if (at != std::string::npos) text.resize(at + verdict.size());
  }
  if (text.size() <= enough) return text;
  auto end = enough;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U)
    --end;
  return text.substr(0, end) + " ...";
}

}  // namespace

error error::from_status(int http_status, std::string_view body, std::optional<std::chrono::seconds> retry_after) {
  error e(error_kind::api, "");
  e.http_status_ = http_status;
  e.retry_after_ = retry_after;

  auto const status = body.size() <= max_status ? parse_answer(body) : nlohmann::json();
  bool const is_status = status.is_object() && string_at(status, "kind") == "Status";
  if (is_status) {
    e.reason_ = string_at(status, "reason");
    e.message_ = cut(string_at(status, "message"), max_message);
    auto const details = status.find("details");
    if (details != status.end() && details->is_object()) {
      auto const causes = details->find("causes");
      if (causes != details->end() && causes->is_array()) {
        for (auto const& cause : *causes) {
          if (e.causes_.size() == max_causes) break;
          if (!cause.is_object()) continue;
          e.causes_.push_back(
              {string_at(cause, "reason"), cut(string_at(cause, "message"), max_message), string_at(cause, "field")});
        }
      }
      auto const seconds = details->find("retryAfterSeconds");
      if (!e.retry_after_ && seconds != details->end() && seconds->is_number_integer()) {
        auto const value = seconds->get<std::int64_t>();
        if (value > 0) e.retry_after_ = std::chrono::seconds(std::min<std::int64_t>(value, longest_wait.count()));
      }
    }
  } else {
    e.message_ = one_line(body);
  }
  if (e.reason_.empty()) e.reason_ = reason_for(http_status);
  if (e.message_.empty()) {
    bool const redirect = !is_status && http_status >= 300 && http_status < 400;
    e.message_ =
        redirect ? "the server points elsewhere, and redirects are not followed" : "the server gave no message";
  }
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
      return is_conflict() || is_gone() || is_unauthorized() || http_status_ == 408 || http_status_ == 429 ||
             http_status_ >= 500;
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

std::string error::describe_for_log() const {
  bool const may_quote = kind_ == error_kind::api && (http_status_ == 400 || http_status_ == 422);
  if (!may_quote) return without_foreign_words(describe());
  std::string text = context_.empty() ? "" : context_ + ": ";
  text += std::to_string(http_status_);
  if (!reason_.empty()) text += " " + reason_;
  for (std::size_t i = 0; i < causes_.size() && i < 5; ++i) {
    text += i == 0 ? ": " : ", ";
    text += causes_[i].field + (causes_[i].reason.empty() ? "" : " (" + causes_[i].reason + ")");
  }
  return text;
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view value, base::wall_time now) {
  while (value.starts_with(' '))
    value.remove_prefix(1);
  while (value.ends_with(' '))
    value.remove_suffix(1);
  if (value.empty()) return std::nullopt;
  if (value.find_first_not_of("0123456789") == std::string_view::npos) {
    std::int64_t seconds = 0;
    auto const [end, failed] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (failed != std::errc()) return longest_wait;  // more digits than a number has
    return std::chrono::seconds(std::min<std::int64_t>(seconds, longest_wait.count()));
  }
  auto const date = parse_http_date(value);
  if (!date) return std::nullopt;
  auto const left = std::chrono::ceil<std::chrono::seconds>(*date - now);
  return std::clamp(left, std::chrono::seconds(0), longest_wait);
}

std::optional<base::wall_time> parse_http_date(std::string_view text) {
  static constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  constexpr std::string_view shape = "Sun, 06 Nov 1994 08:49:37 GMT";
  if (text.size() != shape.size() || !text.ends_with(" GMT") || text.substr(3, 2) != ", ") return std::nullopt;
  auto const month = std::find(months.begin(), months.end(), text.substr(8, 3));
  if (month == months.end()) return std::nullopt;
  // The rest is what RFC 3339 says in another order.
  auto const number = 1 + std::distance(months.begin(), month);
  auto const two_digits = (number < 10 ? "0" : "") + std::to_string(number);
  return base::parse_time(std::string(text.substr(12, 4)) + "-" + two_digits + "-" + std::string(text.substr(5, 2)) +
                          "T" + std::string(text.substr(17, 8)) + "Z");
}

void throw_exception_from_error(error const& e, boost::source_location const&) {
  throw std::runtime_error(e.describe());
}

}  // namespace codeexec::kube
