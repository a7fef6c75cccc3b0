// Refusals as the API renders them: a metav1.Status with code, reason, message, details and causes.
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace codeexec::local {

/// One fault of one field, as apimachinery's field.Error.
struct field_error {
  std::string reason;   ///< "FieldValueInvalid", "FieldValueRequired", ...
  std::string message;  ///< "Invalid value: 0: spec.size in body should be greater than or equal to 1"
  std::string field;    ///< "spec.size"

  field_error(std::string why, std::string what, std::string where)
      : reason(std::move(why)), message(std::move(what)), field(std::move(where)) {}

  /// `value` is printed as the server prints it: strings quoted, numbers bare.
  static field_error invalid(std::string field, nlohmann::json const& value, std::string_view detail);
  static field_error required(std::string field, std::string_view detail = {});
  static field_error forbidden(std::string field, std::string_view detail);
  static field_error duplicate(std::string field, nlohmann::json const& value);
  static field_error too_long(std::string field, std::size_t limit);
  static field_error unsupported(std::string field, nlohmann::json const& value,
                                 std::vector<std::string> const& supported);
};

using field_errors = std::vector<field_error>;

/// A refusal. Value type; rendered once, where it leaves the process.
struct status_error {
  int code = 500;
  std::string reason;  ///< "NotFound", "Conflict", ...; may be empty, as the real server's is for unknown errors
  std::string message;
  nlohmann::json details;  ///< null where the real Status has none
  std::optional<int> retry_after_seconds;

  status_error() = default;  ///< boost::system::result asks for one
  status_error(int http_status, std::string why, std::string what, nlohmann::json more = nullptr)
      : code(http_status), reason(std::move(why)), message(std::move(what)), details(std::move(more)) {}

  nlohmann::json to_json() const;

  bool is_not_found() const { return code == 404; }
  bool is_already_exists() const { return reason == "AlreadyExists"; }
  bool is_conflict() const { return reason == "Conflict"; }

  // `group_resource`: "widgets.example.dev", "pods". `group` is repeated in the details.
  static status_error not_found(std::string_view group, std::string_view plural, std::string_view name);
  static status_error already_exists(std::string_view group, std::string_view plural, std::string_view name);
  static status_error conflict(std::string_view group, std::string_view plural, std::string_view name,
                               std::string_view why);
  static status_error forbidden(std::string_view group, std::string_view plural, std::string_view name,
                                std::string_view why);
  static status_error invalid(std::string_view group, std::string_view kind, std::string_view name,
                              field_errors const& errors);
  static status_error bad_request(std::string message);
  static status_error expired(std::string message);
  static status_error method_not_allowed();
  static status_error too_large();
  /// What an unexpected error looks like: 500 and a message, without a reason.
  static status_error internal(std::string message);
};

[[noreturn]] void throw_exception_from_error(status_error const& e, boost::source_location const& where);

template <class T>
using result = boost::system::result<T, status_error>;

/// "widgets.example.dev", or "pods" for the core group.
std::string qualified(std::string_view name, std::string_view group);

}  // namespace codeexec::local
