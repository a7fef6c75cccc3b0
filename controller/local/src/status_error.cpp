#include "codeexec/local/status_error.hpp"

#include <algorithm>
#include <stdexcept>

namespace codeexec::local {
namespace {

using nlohmann::json;

std::string print(json const& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json base_details(std::string_view group, std::string_view plural, std::string_view name) {
  json details = json::object();
  if (!name.empty()) {
    details["name"] = name;
  }
  if (!group.empty()) {
    details["group"] = group;
  }
  details["kind"] = plural;
  return details;
}

std::string go_quoted(std::string_view text) {
  return print(json(text));
}

}  // namespace

std::string qualified(std::string_view name, std::string_view group) {
  std::string out(name);
  if (!group.empty()) {
    out += '.';
    out += group;
  }
  return out;
}

field_error field_error::invalid(std::string field, json const& value, std::string_view detail) {
  return field_error("FieldValueInvalid", "Invalid value: " + print(value) + ": " + std::string(detail),
                     std::move(field));
}

field_error field_error::required(std::string field, std::string_view detail) {
  std::string message = "Required value";
  if (!detail.empty()) {
    message += ": ";
    message += detail;
  }
  return field_error("FieldValueRequired", std::move(message), std::move(field));
}

field_error field_error::forbidden(std::string field, std::string_view detail) {
  return field_error("FieldValueForbidden", "Forbidden: " + std::string(detail), std::move(field));
}

field_error field_error::duplicate(std::string field, json const& value) {
  return field_error("FieldValueDuplicate", "Duplicate value: " + print(value), std::move(field));
}

field_error field_error::too_long(std::string field, std::size_t limit) {
  return field_error("FieldValueTooLong", "Too long: may not be more than " + std::to_string(limit) + " bytes",
                     std::move(field));
}

field_error field_error::unsupported(std::string field, json const& value, std::vector<std::string> const& supported) {
  std::string message = "Unsupported value: " + print(value);
  if (!supported.empty()) {
    message += ": supported values: ";
    for (std::size_t i = 0; i < supported.size(); ++i) {
      message += (i == 0 ? "" : ", ") + go_quoted(supported[i]);
    }
  }
  return field_error("FieldValueNotSupported", std::move(message), std::move(field));
}

json status_error::to_json() const {
  json out = {{"kind", "Status"},    {"apiVersion", "v1"}, {"metadata", json::object()},
              {"status", "Failure"}, {"message", message}, {"code", code}};
  if (!reason.empty()) {
    out["reason"] = reason;
  }
  if (!details.is_null()) {
    out["details"] = details;
  }
  if (retry_after_seconds) {
    out["details"]["retryAfterSeconds"] = *retry_after_seconds;
  }
  return out;
}

status_error status_error::not_found(std::string_view group, std::string_view plural, std::string_view name) {
  return status_error(404, "NotFound", qualified(plural, group) + " " + go_quoted(name) + " not found",
                      base_details(group, plural, name));
}

status_error status_error::already_exists(std::string_view group, std::string_view plural, std::string_view name) {
  return status_error(409, "AlreadyExists", qualified(plural, group) + " " + go_quoted(name) + " already exists",
                      base_details(group, plural, name));
}

status_error status_error::conflict(std::string_view group, std::string_view plural, std::string_view name,
                                    std::string_view why) {
  return status_error(
      409, "Conflict",
      "Operation cannot be fulfilled on " + qualified(plural, group) + " " + go_quoted(name) + ": " + std::string(why),
      base_details(group, plural, name));
}

status_error status_error::forbidden(std::string_view group, std::string_view plural, std::string_view name,
                                     std::string_view why) {
  return status_error(403, "Forbidden",
                      qualified(plural, group) + (name.empty() ? std::string() : " " + go_quoted(name)) +
                          " is forbidden: " + std::string(why),
                      base_details(group, plural, name));
}

status_error status_error::invalid(std::string_view group, std::string_view kind, std::string_view name,
                                   field_errors const& errors) {
  json details = base_details(group, kind, name);
  std::vector<std::string> lines;
  json causes = json::array();
  for (field_error const& e : errors) {
    causes.push_back({{"reason", e.reason}, {"message", e.message}, {"field", e.field}});
    std::string line = e.field + ": " + e.message;
    // Every cause is listed, but the sentence says each thing once (apimachinery's aggregate error).
    if (std::find(lines.begin(), lines.end(), line) == lines.end()) {
      lines.push_back(std::move(line));
    }
  }
  details["causes"] = std::move(causes);
  std::string all;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    all += (i == 0 ? "" : ", ") + lines[i];
  }
  if (lines.size() > 1) {
    all = "[" + all + "]";
  }
  return status_error(422, "Invalid", qualified(kind, group) + " " + go_quoted(name) + " is invalid: " + all,
                      std::move(details));
}

status_error status_error::bad_request(std::string message) {
  return status_error(400, "BadRequest", std::move(message));
}

status_error status_error::expired(std::string message) {
  return status_error(410, "Expired", std::move(message));
}

status_error status_error::method_not_allowed() {
  return status_error(405, "MethodNotAllowed", "the server does not allow this method on the requested resource",
                      json::object());
}

status_error status_error::too_large() {
  return status_error(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728");
}

status_error status_error::internal(std::string message) {
  return status_error(500, "", std::move(message));
}

void throw_exception_from_error(status_error const& e, boost::source_location const&) {
  throw std::runtime_error(e.message);
}

}  // namespace codeexec::local
