#include <algorithm>
#include <charconv>

#include "codeexec/local/builtin_types.hpp"
#include "codeexec/local/yaml.hpp"

#include "metadata.hpp"
#include "protobuf_body.hpp"
#include "rest_state.hpp"

namespace codeexec::local {
namespace {

std::string excerpt(std::string const& body) {
  return body.size() > 256 ? body.substr(0, 256) : body;
}

/// nlohmann's parser descends by recursion over arrays and objects of any depth only in its destructor and dump, so the
/// depth is bounded before it is asked.
bool too_deep(std::string_view text) {
  constexpr int limit = 500;
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char const c = text[i];
    if (quoted) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > limit) {
        return true;
      }
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

/// The real decoder takes null for absent.
void drop_nulls(json& value) {
  if (value.is_object()) {
    for (auto at = value.begin(); at != value.end();) {
      if (at->is_null()) {
        at = value.erase(at);
      } else {
        drop_nulls(*at);
        ++at;
      }
    }
  } else if (value.is_array()) {
    for (json& inner : value) {
      drop_nulls(inner);
    }
  }
}

bool is_microtime(std::string_view field) {
  return field == "renewTime" || field == "acquireTime" || field == "eventTime" || field == "lastObservedTime";
}

/// The sentence for a time that cannot be read, as Go's decoder has it; the stand-in checks the kinds it gives times
/// in.
std::optional<std::string> bad_time(json const& value) {
  if (!value.is_object()) {
    return std::nullopt;
  }
  for (auto const& [key, inner] : value.items()) {
    bool const time = is_microtime(key) || key == "firstTimestamp" || key == "lastTimestamp";
    if (time && inner.is_string() && !base::parse_time(inner.get_ref<std::string const&>())) {
      std::string const text = inner.dump();
      return "parsing time " + text + " as \"2006-01-02T15:04:05" + (is_microtime(key) ? ".000000" : "") +
             "Z07:00\": cannot parse " + text + " as \"2006\"";
    }
    if (inner.is_object()) {
      if (auto fault = bad_time(inner)) {
        return fault;
      }
    }
  }
  return std::nullopt;
}

}  // namespace

status_error unsupported_media(std::string_view accepted) {
  return status_error(
      415, "UnsupportedMediaType",
      "the body of the request was in an unknown format - accepted media types include: " + std::string(accepted));
}

status_error invalid_options(char const* kind, field_errors const& errors) {
  return status_error::invalid("meta.k8s.io", kind, "", errors);
}

std::optional<std::uint64_t> parse_version(std::string const& text) {
  std::uint64_t out = 0;
  auto const done = std::from_chars(text.data(), text.data() + text.size(), out);
  return done.ec == std::errc() && done.ptr == text.data() + text.size() ? std::optional(out) : std::nullopt;
}

status_error bad_version(std::string const& text) {
  return status_error::internal("resourceVersion: Invalid value: " + json(text).dump() +
                                ": strconv.ParseUint: parsing " + json(text).dump() + ": invalid syntax");
}

json parse_json(std::string const& text) {
  return too_deep(text) ? json(json::value_t::discarded) : json::parse(text, nullptr, false);
}

/// Go's encoding/json says where it stopped; close enough for a person, and exact for the commonest slips.
std::string parse_failure(std::string const& body) {
  auto const first = body.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) {
    return "unexpected end of JSON input";
  }
  auto const quote = [](char c) { return std::string("'") + c + "'"; };
  if (body[first] != '{') {
    return "invalid character " + quote(body[first]) + " looking for beginning of value";
  }
  auto const second = body.find_first_not_of(" \t\r\n", first + 1);
  if (second == std::string::npos) {
    return "unexpected end of JSON input";
  }
  if (body[second] != '"' && body[second] != '}') {
    return "invalid character " + quote(body[second]) + " looking for beginning of object key string";
  }
  return "unexpected end of JSON input";
}

header_list warnings(std::vector<std::string> const& texts) {
  header_list out;
  for (std::string const& text : texts) {
    out.emplace_back("Warning", "299 - " + json(text).dump());
  }
  return out;
}

std::string dump(json const& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

result<json> api_server::state::decode_text(server_request const& request, std::string_view kind) {
  std::string const type = media_type(request.header("content-type"));
  if (type == "application/yaml" || type == "application/apply-patch+yaml") {
    auto parsed = parse_yaml(request.body);
    if (!parsed) {
      return status_error::bad_request(parsed.error().message);
    }
    return result<json>(boost::system::in_place_value, std::move(*parsed));
  }
  json value = parse_json(request.body);
  if (value.is_discarded() || !value.is_object()) {
    return status_error::bad_request("the object provided is unrecognized (must be of type " + std::string(kind) +
                                     "): couldn't get version/kind; json parse error: " + parse_failure(request.body) +
                                     " (" + excerpt(request.body) + ")");
  }
  return result<json>(boost::system::in_place_value, std::move(value));
}

std::optional<status_error> api_server::state::check_fields(target const& t, json& value,
                                                            std::vector<std::string>& warned) {
  std::string const cannot =
      t.type->kind + " in version \"" + t.path.version + "\" cannot be handled as a " + t.type->kind + ": ";
  std::vector<std::string> unknown;
  if (auto const custom = customs.find(t.type->group, t.type->plural)) {
    unknown = custom->schema.prune(value);
  } else {
    drop_nulls(value);
    if (auto const* schema = builtin_schema(t.type->id())) {
      if (auto const fault = schema->wrong_type(value, t.type->kind)) {
        return status_error::bad_request(cannot + *fault);
      }
      if (auto const fault = bad_time(value)) {
        return status_error::bad_request(cannot + *fault);
      }
      unknown = schema->prune(value);
    }
  }
  std::string const mode = t.options.get("fieldValidation");
  if (unknown.empty() || mode == "Ignore") {
    return std::nullopt;
  }
  std::string all;
  for (std::string const& field : unknown) {
    std::string const text = "unknown field " + json(field).dump();
    all += (all.empty() ? "" : ", ") + text;
    warned.push_back(text);
  }
  if (mode == "Strict") {
    return status_error::bad_request(cannot + "strict decoding error: " + all);
  }
  return std::nullopt;
}

/// All that is wrong with it, under the name it would have got.
status_error api_server::state::event_without_time(target const& t, json const& value) {
  json metadata = at_path(value, "metadata");
  field_errors faults;
  if (metadata.is_object() && !check_metadata_types(metadata)) {
    if (std::string const prefix = string_at(metadata, "generateName");
        !prefix.empty() && string_at(metadata, "name").empty()) {
      metadata["name"] = prefix + objects.new_suffix();
    }
    metadata["namespace"] = t.path.ns;
    faults = validate_metadata(metadata, *t.type, strategy());
  }
  faults.push_back(field_error::required("eventTime"));
  return status_error::invalid("", t.type->kind, string_at(metadata, "name"), faults);
}

result<json> api_server::state::decode(target const& t, server_request const& request,
                                       std::vector<std::string>& warned) {
  std::string const type = media_type(request.header("content-type"));
  bool const binary = type == "application/vnd.kubernetes.protobuf";
  if (type != "application/json" && type != "application/yaml" && !type.empty() && !binary) {
    return unsupported_media("application/json, application/yaml, application/vnd.kubernetes.protobuf");
  }
  json value;
  if (binary) {
    auto parsed = parse_protobuf(request.body);
    if (!parsed) {
      return unsupported_media("application/json, application/yaml (protobuf for few kinds only)");
    }
    value = std::move(*parsed);
  } else {
    auto parsed = decode_text(request, t.type->kind);
    if (!parsed) {
      return parsed.error();
    }
    value = std::move(*parsed);
  }
  if (t.modern_event && string_at(value, "apiVersion") == "events.k8s.io/v1") {
    // This group asks for more than core/v1 does.
    if (at_path(value, "eventTime").is_null()) {
      return event_without_time(t, value);
    }
    value = event_as_core_v1(std::move(value));
  }
  std::string const kind = string_at(value, "kind");
  std::string const version = string_at(value, "apiVersion");
  if (kind.empty()) {
    if (t.type->custom || value.contains("kind")) {
      return status_error::bad_request("Object 'Kind' is missing in '" + excerpt(request.body) + "'");
    }
  } else if (kind != t.type->kind) {
    if (t.type->custom) {
      return status_error::invalid(t.type->group, kind, string_at(value, "metadata.name"),
                                   {field_error::invalid("kind", kind, "must be " + t.type->kind)});
    }
    return status_error::bad_request(kind + " in version \"" + version + "\" cannot be handled as a " + t.type->kind +
                                     ": converting (" + kind + ") to (" + t.type->kind + "): unknown conversion");
  }
  if (!version.empty() && version != t.type->api_version()) {
    return status_error::bad_request("the API version in the data (" + version +
                                     ") does not match the expected API version (" + t.type->api_version() + ")");
  }
  json& metadata = value["metadata"];
  if (metadata.is_null()) {
    metadata = json::object();
  }
  if (!metadata.is_object()) {
    return status_error::bad_request("json: cannot unmarshal the metadata into an ObjectMeta");
  }
  if (t.type->namespaced) {
    std::string const given = string_at(metadata, "namespace");
    if (!given.empty() && given != t.path.ns) {
      return status_error::bad_request(
          "the namespace of the provided object does not match the namespace sent on the "
          "request");
    }
    metadata["namespace"] = t.path.ns;
  }
  if (auto refusal = check_fields(t, value, warned)) {
    return *refusal;
  }
  return result<json>(boost::system::in_place_value, std::move(value));
}

result<filter> api_server::state::filter_of(target const& t) const {
  filter out;
  auto labels = label_selector::parse(t.options.get("labelSelector"));
  if (!labels) {
    return labels.error();
  }
  std::string text = t.options.get("fieldSelector");
  auto fields = field_selector::parse(text, *t.type);
  if (!fields) {
    return fields.error();
  }
  out.labels = std::move(*labels);
  out.fields = std::move(*fields);
  return out;
}

result<bool> api_server::state::dry_run(target const& t, char const* kind) const {
  std::string const value = t.options.get("dryRun");
  if (!value.empty() && value != "All") {
    return invalid_options(kind, {field_error::unsupported("dryRun", json::array({value}), {"All"})});
  }
  return value == "All";
}

}  // namespace codeexec::local
