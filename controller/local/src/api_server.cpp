#include "codeexec/local/api_server.hpp"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <deque>
#include <random>

#include "codeexec/async/cancellation.hpp"
#include "codeexec/async/event.hpp"
#include "codeexec/base/encoding.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/local/builtin_types.hpp"
#include "codeexec/local/discovery.hpp"
#include "codeexec/local/patch.hpp"
#include "codeexec/local/selector.hpp"
#include "codeexec/local/table.hpp"
#include "codeexec/local/yaml.hpp"

#include "rest_request.hpp"

namespace codeexec::local {
namespace {

namespace asio = boost::asio;
using boost::beast::http::verb;
using net::exchange;
using net::header_list;
using net::server_request;
using nlohmann::json;

constexpr std::chrono::seconds bookmark_interval{60};
constexpr std::size_t max_snapshots = 64;

std::string dump(json const& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// A whole answer.
struct reply {
  int status = 200;
  header_list headers;
  std::string body;

  reply() = default;
  reply(int code, std::string content_type, std::string text) : status(code), body(std::move(text)) {
    headers.emplace_back("Content-Type", std::move(content_type));
  }
  static reply of(int code, json const& value) { return reply(code, "application/json", dump(value)); }
  static reply of(status_error const& refusal) {
    reply out = of(refusal.code, refusal.to_json());
    if (refusal.retry_after_seconds) {
      out.headers.emplace_back("Retry-After", std::to_string(*refusal.retry_after_seconds));
    }
    return out;
  }
  /// What the real server's router says about a path it does not know.
  static reply no_such_page() { return reply(404, "text/plain; charset=utf-8", "404 page not found\n"); }
};

status_error not_acceptable() {
  return status_error(406, "NotAcceptable",
                      "only the following media types are accepted: application/json, application/yaml, "
                      "application/vnd.kubernetes.protobuf");
}

status_error unsupported_media(std::string_view accepted) {
  return status_error(
      415, "UnsupportedMediaType",
      "the body of the request was in an unknown format - accepted media types include: " + std::string(accepted));
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

json parse_json(std::string const& text) {
  return too_deep(text) ? json(json::value_t::discarded) : json::parse(text, nullptr, false);
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

std::optional<std::uint64_t> parse_version(std::string const& text) {
  std::uint64_t out = 0;
  auto const done = std::from_chars(text.data(), text.data() + text.size(), out);
  return done.ec == std::errc() && done.ptr == text.data() + text.size() ? std::optional(out) : std::nullopt;
}

status_error bad_version(std::string const& text) {
  return status_error::internal("resourceVersion: Invalid value: " + json(text).dump() +
                                ": strconv.ParseUint: parsing " + json(text).dump() + ": invalid syntax");
}

status_error invalid_options(char const* kind, field_errors const& errors) {
  return status_error::invalid("meta.k8s.io", kind, "", errors);
}

header_list warnings(std::vector<std::string> const& texts) {
  header_list out;
  for (std::string const& text : texts) {
    out.emplace_back("Warning", "299 - " + json(text).dump());
  }
  return out;
}

}  // namespace

/// One resource request on its way: what it names, and how the answer should look.
struct target {
  resource_path path;
  query options;
  std::shared_ptr<resource_type const> type;
  bool modern_event = false;  ///< asked as events.k8s.io/v1
  answer_form form = answer_form::json;

  std::string api_version() const { return modern_event ? "events.k8s.io/v1" : type->api_version(); }
};

/// An open filter over a type.
struct filter {
  label_selector labels;
  field_selector fields;

  bool matches(json const& value) const { return labels.matches(value) && fields.matches(value); }
};

struct api_server::state {
  state(asio::any_io_executor ex, store& o, custom_types& c)
      : executor(std::move(ex)), objects(o), customs(c), discover(o, c), random(std::random_device()()) {}

  // Decoding
  result<json> decode(target const& t, server_request const& request, std::vector<std::string>& warned);
  result<json> decode_text(server_request const& request, std::string_view kind);
  std::optional<status_error> check_fields(target const& t, json& value, std::vector<std::string>& warned);
  result<filter> filter_of(target const& t) const;
  result<bool> dry_run(target const& t, char const* kind) const;

  // Answers
  json shown(target const& t, json value) const;
  reply object_reply(target const& t, int status, object const& what) const;
  reply list_reply(target const& t, std::vector<object> const& items, json list_metadata) const;
  std::string list_item(target const& t, object const& item) const;

  // Verbs
  reply get(target const& t);
  reply list(target const& t);
  reply create(target const& t, server_request const& request);
  reply replace(target const& t, server_request const& request);
  reply patch(target const& t, server_request const& request);
  reply apply(target const& t, server_request const& request, bool dry);
  reply remove(target const& t, server_request const& request);
  reply remove_collection(target const& t, server_request const& request);
  result<remove_options> removal_options(target const& t, server_request const& request);
  asio::awaitable<void> stream_watch(target t, exchange& answer);
  asio::awaitable<void> stream_log(target t, exchange& answer);
  reply access_review(server_request const& request, std::string const& plural);

  reply static_page(std::string_view path, server_request const& request);
  static asio::awaitable<void> send(exchange& answer, reply what);

  /// A list being read page by page: the objects as they stood when it began.
  struct snapshot {
    std::uint64_t id;
    std::uint64_t version;
    std::vector<object> items;
  };

  asio::any_io_executor executor;
  store& objects;
  custom_types& customs;
  discovery discover;
  log_source* logs = nullptr;
  std::string address = "127.0.0.1";
  std::mt19937_64 random;
  std::deque<snapshot> snapshots;
  std::uint64_t next_snapshot = 1;
};

// Decoding --------------------------------------------------------------------------------------------------------

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

result<json> api_server::state::decode(target const& t, server_request const& request,
                                       std::vector<std::string>& warned) {
  std::string const type = media_type(request.header("content-type"));
  if (type != "application/json" && type != "application/yaml" && !type.empty()) {
    return unsupported_media("application/json, application/yaml, application/vnd.kubernetes.protobuf");
  }
  auto parsed = decode_text(request, t.type->kind);
  if (!parsed) {
    return parsed.error();
  }
  json value = std::move(*parsed);
  if (t.modern_event && string_at(value, "apiVersion") == "events.k8s.io/v1") {
    // This group asks for more than core/v1 does.
    if (at_path(value, "eventTime").is_null()) {
      return status_error::invalid("", t.type->kind, string_at(value, "metadata.name"),
                                   {field_error::required("eventTime")});
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

// Answers ---------------------------------------------------------------------------------------------------------

json api_server::state::shown(target const& t, json value) const {
  return t.modern_event ? event_as_events_v1(std::move(value)) : value;
}

reply api_server::state::object_reply(target const& t, int status, object const& what) const {
  switch (t.form) {
    case answer_form::table:
      return reply::of(status,
                       make_table(*t.type, {what}, {{"resourceVersion", string_at(*what, "metadata.resourceVersion")}},
                                  objects.clock().wall_now()));
    case answer_form::partial_object:
    case answer_form::partial_list:
      return reply::of(status, partial_object(*what));
    case answer_form::yaml:
      return reply(status, "application/yaml", emit_yaml(shown(t, *what)));
    case answer_form::json:
    case answer_form::discovery:
      break;
  }
  return t.modern_event ? reply::of(status, shown(t, *what)) : reply(status, "application/json", what.text());
}

std::string api_server::state::list_item(target const& t, object const& item) const {
  if (t.type->custom) {
    return item.text();
  }
  // Lists of built-in kinds say kind and version once, in the list.
  json const value = shown(t, *item);
  std::string out = "{";
  for (auto const& [key, inner] : value.items()) {
    if (key != "apiVersion" && key != "kind") {
      out += (out.size() == 1 ? "" : ",") + json(key).dump() + ":" + dump(inner);
    }
  }
  return out + "}";
}

reply api_server::state::list_reply(target const& t, std::vector<object> const& items, json list_metadata) const {
  if (t.form == answer_form::table) {
    return reply::of(200, make_table(*t.type, items, std::move(list_metadata), objects.clock().wall_now()));
  }
  if (t.form == answer_form::partial_list || t.form == answer_form::partial_object) {
    json out = {{"kind", "PartialObjectMetadataList"},
                {"apiVersion", "meta.k8s.io/v1"},
                {"metadata", std::move(list_metadata)},
                {"items", json::array()}};
    for (object const& one : items) {
      out["items"].push_back(partial_object(*one));
    }
    return reply::of(200, out);
  }
  if (t.type->custom && !list_metadata.contains("continue")) {
    list_metadata["continue"] = "";
  }
  std::string body = "{\"apiVersion\":" + json(t.api_version()).dump() + ",\"items\":[";
  bool first = true;
  for (object const& one : items) {
    body += first ? "" : ",";
    body += list_item(t, one);
    first = false;
  }
  body += "],\"kind\":" + json(t.type->list_kind).dump() + ",\"metadata\":" + dump(list_metadata) + "}";
  if (t.form == answer_form::yaml) {
    return reply(200, "application/yaml", emit_yaml(json::parse(body, nullptr, false)));
  }
  return reply(200, "application/json", std::move(body));
}

// Reading ---------------------------------------------------------------------------------------------------------

reply api_server::state::get(target const& t) {
  auto const found = objects.require(t.type->id(), t.path.ns, t.path.name);
  return found ? object_reply(t, 200, *found) : reply::of(found.error());
}

reply api_server::state::list(target const& t) {
  auto const wanted = filter_of(t);
  if (!wanted) {
    return reply::of(wanted.error());
  }
  std::string const version_text = t.options.get("resourceVersion");
  std::string const match = t.options.get("resourceVersionMatch");
  std::uint64_t const newest = objects.resource_version();
  if (!match.empty() && version_text.empty()) {
    return reply::of(invalid_options(
        "ListOptions",
        {field_error::forbidden("resourceVersionMatch",
                                "resourceVersionMatch is forbidden unless resourceVersion is provided")}));
  }
  if (!match.empty() && match != "Exact" && match != "NotOlderThan") {
    return reply::of(invalid_options(
        "ListOptions", {field_error::unsupported("resourceVersionMatch", match, {"Exact", "NotOlderThan", ""})}));
  }
  if (!version_text.empty()) {
    auto const version = parse_version(version_text);
    if (!version) {
      return reply::of(bad_version(version_text));
    }
    if (match == "Exact" && *version != newest) {
      // The past is not kept; what an old watch could still be told about is not enough for a list.
      return reply::of(status_error::expired("The resourceVersion for the provided list is too old."));
    }
    if (*version > newest) {
      status_error late(
          504, "Timeout", "Too large resource version: " + version_text + ", current: " + std::to_string(newest),
          {{"causes",
            json::array({{{"reason", "ResourceVersionTooLarge"}, {"message", "Too large resource version"}}})}});
      late.retry_after_seconds = 1;
      return reply::of(late);
    }
  }

  auto const limit_number = t.options.number("limit").value_or(0);
  std::size_t const limit = limit_number > 0 ? static_cast<std::size_t>(limit_number) : 0;
  std::string const token = t.options.get("continue");
  std::vector<object> items;
  std::uint64_t version = newest;
  std::size_t from = 0;
  std::uint64_t id = 0;
  if (!token.empty()) {
    // Only whole groups of four: of a token that is not ours, the first byte is enough to say so.
    std::string const decoded = base::base64_decode(token.substr(0, token.size() / 4 * 4)).value_or("");
    json const place = json::parse(decoded, nullptr, false);
    if (!place.is_object() || !at_path(place, "id").is_number_unsigned() ||
        !at_path(place, "at").is_number_unsigned()) {
      std::string shown_character = "unexpected end of JSON input";
      if (!decoded.empty()) {
        char buffer[16];
        auto const c = static_cast<unsigned char>(decoded[0]);
        std::snprintf(buffer, sizeof buffer, c < 0x80 ? "'%c'" : "'\\u%04x'", c);
        shown_character = std::string("invalid character ") + buffer + " looking for beginning of value";
      }
      return reply::of(
          status_error::bad_request("invalid continue token: continue key is not valid: " + shown_character));
    }
    id = place.at("id").get<std::uint64_t>();
    auto const found = std::find_if(snapshots.begin(), snapshots.end(), [id](snapshot const& s) { return s.id == id; });
    if (found == snapshots.end()) {
      return reply::of(status_error::expired(
          "The provided continue parameter is too old to display a consistent list result. You can start a new list "
          "without the continue parameter."));
    }
    from = std::min(place.at("at").get<std::size_t>(), found->items.size());
    version = found->version;
    items = found->items;
  } else {
    items = objects.list(t.type->id(), t.path.ns);
    if (!wanted->labels.empty() || !wanted->fields.empty()) {
      items.erase(std::remove_if(items.begin(), items.end(), [&](object const& o) { return !wanted->matches(*o); }),
                  items.end());
    }
  }
  json metadata = {{"resourceVersion", std::to_string(version)}};
  std::size_t const to = limit == 0 ? items.size() : std::min(items.size(), from + limit);
  if (to < items.size()) {
    if (id == 0) {
      id = next_snapshot++;
      snapshots.push_back(snapshot{id, version, items});
      if (snapshots.size() > max_snapshots) {
        snapshots.pop_front();
      }
    }
    metadata["continue"] =
        base::base64_encode(dump({{"v", "meta.k8s.io/v1"}, {"rv", version}, {"id", id}, {"at", to}}));
    // The real server does not count what a selector would have to be run on.
    if (wanted->labels.empty() && wanted->fields.empty()) {
      metadata["remainingItemCount"] = items.size() - to;
    }
  }
  items = std::vector<object>(items.begin() + static_cast<std::ptrdiff_t>(from),
                              items.begin() + static_cast<std::ptrdiff_t>(to));
  return list_reply(t, items, std::move(metadata));
}

// Writing ---------------------------------------------------------------------------------------------------------

reply api_server::state::create(target const& t, server_request const& request) {
  auto const dry = dry_run(t, "CreateOptions");
  if (!dry) {
    return reply::of(dry.error());
  }
  std::vector<std::string> warned;
  auto value = decode(t, request, warned);
  if (!value) {
    return reply::of(value.error());
  }
  create_options options;
  options.dry_run = *dry;
  auto const made = objects.create(t.type->id(), std::move(*value), options);
  reply out = made ? object_reply(t, 201, *made) : reply::of(made.error());
  for (auto& one : warnings(warned)) {
    out.headers.push_back(std::move(one));
  }
  return out;
}

reply api_server::state::replace(target const& t, server_request const& request) {
  auto const dry = dry_run(t, "UpdateOptions");
  if (!dry) {
    return reply::of(dry.error());
  }
  std::vector<std::string> warned;
  auto decoded = decode(t, request, warned);
  if (!decoded) {
    return reply::of(decoded.error());
  }
  json value = std::move(*decoded);
  std::string const name = string_at(value, "metadata.name");
  if (!name.empty() && name != t.path.name) {
    return reply::of(status_error::bad_request("the name of the object (" + name +
                                               ") does not match the name on the URL (" + t.path.name + ")"));
  }
  value["metadata"]["name"] = t.path.name;
  update_options options;
  options.dry_run = *dry;
  bool const strict =
      t.type->custom || t.type->id() == kube::leases || t.type->id() == kube::custom_resource_definitions;
  options.allow_unconditional = !strict;
  part const which = t.path.subresource == "status"     ? part::status
                     : t.path.subresource == "finalize" ? part::all
                                                        : part::object;
  auto const written = objects.update(t.type->id(), std::move(value), which, options);
  reply out = written ? object_reply(t, 200, *written) : reply::of(written.error());
  for (auto& one : warnings(warned)) {
    out.headers.push_back(std::move(one));
  }
  return out;
}

reply api_server::state::patch(target const& t, server_request const& request) {
  auto const dry = dry_run(t, "PatchOptions");
  if (!dry) {
    return reply::of(dry.error());
  }
  std::string const type = media_type(request.header("content-type"));
  if (type == "application/apply-patch+yaml") {
    return apply(t, request, *dry);
  }
  bool const strategic = type == "application/strategic-merge-patch+json" && !t.type->custom;
  if (type != "application/merge-patch+json" && type != "application/json-patch+json" && !strategic) {
    return reply::of(unsupported_media(t.type->custom
                                           ? "application/json-patch+json, application/merge-patch+json, "
                                             "application/apply-patch+yaml"
                                           : "application/json-patch+json, application/merge-patch+json, "
                                             "application/strategic-merge-patch+json, application/apply-patch+yaml"));
  }
  auto const current = objects.require(t.type->id(), t.path.ns, t.path.name);
  if (!current) {
    return reply::of(current.error());
  }
  json const document = parse_json(request.body);
  if (document.is_discarded()) {
    return reply::of(status_error::bad_request("error decoding patch: " + parse_failure(request.body)));
  }
  json const base = shown(t, **current);
  auto patched = type == "application/json-patch+json"    ? apply_json_patch(base, document)
                 : type == "application/merge-patch+json" ? apply_merge_patch(base, document)
                                                          : apply_strategic_patch(base, document);
  if (!patched) {
    return reply::of(patched.error());
  }
  json value = t.modern_event ? event_as_core_v1(std::move(*patched)) : std::move(*patched);
  if (!value.is_object() || !at_path(value, "metadata").is_object()) {
    return reply::of(status_error::bad_request("the patched object is no object with metadata"));
  }
  if (string_at(value, "metadata.name") != t.path.name) {
    return reply::of(status_error::bad_request("the name of the object (" + string_at(value, "metadata.name") +
                                               ") does not match the name on the URL (" + t.path.name + ")"));
  }
  std::vector<std::string> warned;
  if (auto refusal = check_fields(t, value, warned)) {
    return reply::of(*refusal);
  }
  update_options options;
  options.dry_run = *dry;
  auto const written = objects.update(t.type->id(), std::move(value),
                                      t.path.subresource == "status" ? part::status : part::object, options);
  reply out = written ? object_reply(t, 200, *written) : reply::of(written.error());
  for (auto& one : warnings(warned)) {
    out.headers.push_back(std::move(one));
  }
  return out;
}

reply api_server::state::apply(target const& t, server_request const& request, bool dry) {
  std::string const manager = t.options.get("fieldManager");
  if (manager.empty()) {
    return reply::of(
        invalid_options("PatchOptions", {field_error::required("fieldManager", "is required for apply patch")}));
  }
  auto decoded = decode_text(request, t.type->kind);
  if (!decoded) {
    return reply::of(decoded.error());
  }
  json applied = std::move(*decoded);
  if (!applied.is_object() || string_at(applied, "kind") != t.type->kind ||
      string_at(applied, "apiVersion") != t.type->api_version()) {
    return reply::of(
        status_error::bad_request("the applied object must be a " + t.type->kind + " of " + t.type->api_version()));
  }
  json& metadata = applied["metadata"];
  if (!metadata.is_object()) {
    metadata = json::object();
  }
  if (metadata.contains("managedFields")) {
    return reply::of(status_error::bad_request("metadata.managedFields must be nil"));
  }
  std::string const name = string_at(metadata, "name");
  if (!name.empty() && name != t.path.name) {
    return reply::of(status_error::bad_request("the name of the object (" + name +
                                               ") does not match the name on the URL (" + t.path.name + ")"));
  }
  metadata["name"] = t.path.name;
  if (t.type->namespaced) {
    metadata["namespace"] = t.path.ns;
  }
  std::vector<std::string> warned;
  if (auto refusal = check_fields(t, applied, warned)) {
    return reply::of(*refusal);
  }
  object const live = objects.get(t.type->id(), t.path.ns, t.path.name);
  if (!live && !t.path.subresource.empty()) {
    return reply::of(status_error::not_found(t.type->group, t.type->plural, t.path.name));
  }
  auto const custom = customs.find(t.type->group, t.type->plural);
  apply_request how;
  how.manager = manager;
  how.force = t.options.flag("force");
  how.subresource = t.path.subresource;
  how.api_version = t.type->api_version();
  how.now = objects.clock().wall_now();
  auto merged =
      apply_server_side(live ? *live : json(nullptr), applied, custom ? &custom->schema.root() : nullptr, how);
  if (!merged) {
    return reply::of(merged.error());
  }
  if (std::string const version = string_at(metadata, "resourceVersion"); !version.empty()) {
    (*merged)["metadata"]["resourceVersion"] = version;
  }
  reply out;
  if (!live) {
    create_options options;
    options.dry_run = dry;
    auto const made = objects.create(t.type->id(), std::move(*merged), options);
    out = made ? object_reply(t, 201, *made) : reply::of(made.error());
  } else {
    update_options options;
    options.dry_run = dry;
    auto const written = objects.update(t.type->id(), std::move(*merged),
                                        t.path.subresource == "status" ? part::status : part::object, options);
    out = written ? object_reply(t, 200, *written) : reply::of(written.error());
  }
  for (auto& one : warnings(warned)) {
    out.headers.push_back(std::move(one));
  }
  return out;
}

// Deleting --------------------------------------------------------------------------------------------------------

result<remove_options> api_server::state::removal_options(target const& t, server_request const& request) {
  remove_options out;
  json body = json::object();
  if (!request.body.empty()) {
    auto parsed = decode_text(request, "DeleteOptions");
    if (!parsed) {
      return parsed.error();
    }
    body = std::move(*parsed);
  }
  auto const dry = dry_run(t, "DeleteOptions");
  if (!dry) {
    return dry.error();
  }
  json const& dry_list = at_path(body, "dryRun");
  out.dry_run = *dry || (dry_list.is_array() && std::find(dry_list.begin(), dry_list.end(), "All") != dry_list.end());
  out.uid = string_at(body, "preconditions.uid");
  out.resource_version = string_at(body, "preconditions.resourceVersion");
  json const& grace = at_path(body, "gracePeriodSeconds");
  out.grace_period_seconds =
      grace.is_number_integer() ? std::optional(grace.get<std::int64_t>()) : t.options.number("gracePeriodSeconds");
  std::string policy = string_at(body, "propagationPolicy");
  if (policy.empty()) {
    policy = t.options.get("propagationPolicy");
  }
  json const& orphan = at_path(body, "orphanDependents");
  if (policy.empty() && (orphan.is_boolean() || t.options.has("orphanDependents"))) {
    policy = orphan == true || t.options.flag("orphanDependents") ? "Orphan" : "Background";
  }
  if (policy == "Background") {
    out.policy = kube::propagation::background;
  } else if (policy == "Foreground") {
    out.policy = kube::propagation::foreground;
  } else if (policy == "Orphan") {
    out.policy = kube::propagation::orphan;
  } else if (!policy.empty()) {
    return invalid_options("DeleteOptions", {field_error::unsupported("propagationPolicy", policy,
                                                                      {"Foreground", "Background", "Orphan", "nil"})});
  }
  return out;
}

reply api_server::state::remove(target const& t, server_request const& request) {
  auto const options = removal_options(t, request);
  if (!options) {
    return reply::of(options.error());
  }
  auto const done = objects.remove(t.type->id(), t.path.ns, t.path.name, *options);
  if (!done) {
    return reply::of(done.error());
  }
  reply out;
  if (!done->gone || t.type->returns_deleted) {
    out = object_reply(t, 200, done->last);
  } else {
    json details = {{"name", t.path.name}, {"kind", t.type->plural}, {"uid", done->last.uid()}};
    if (!t.type->group.empty()) {
      details["group"] = t.type->group;
    }
    out = reply::of(200, {{"kind", "Status"},
                          {"apiVersion", "v1"},
                          {"metadata", json::object()},
                          {"status", "Success"},
                          {"details", std::move(details)}});
  }
  if (t.type->id() == kube::jobs && !options->policy) {
    out.headers.push_back(warnings({"child pods are preserved by default when jobs are deleted; set "
                                    "propagationPolicy=Background to remove them or set propagationPolicy=Orphan to "
                                    "suppress this warning"})
                              .front());
  }
  return out;
}

reply api_server::state::remove_collection(target const& t, server_request const& request) {
  if (std::find(t.type->verbs.begin(), t.type->verbs.end(), "deletecollection") == t.type->verbs.end()) {
    return reply::of(status_error::method_not_allowed());
  }
  auto const options = removal_options(t, request);
  if (!options) {
    return reply::of(options.error());
  }
  auto const wanted = filter_of(t);
  if (!wanted) {
    return reply::of(wanted.error());
  }
  std::vector<object> gone;
  for (object const& one : objects.list(t.type->id(), t.path.ns)) {
    if (wanted->matches(*one)) {
      auto const done = objects.remove(t.type->id(), one.ns(), one.name(), *options);
      if (done) {
        gone.push_back(done->last);
      } else if (!done.error().is_not_found()) {
        return reply::of(done.error());
      }
    }
  }
  return list_reply(t, gone, {{"resourceVersion", std::to_string(objects.resource_version())}});
}

// Streams ---------------------------------------------------------------------------------------------------------

namespace {

/// One event of a watch as a line.
std::string event_line(char const* type, std::string const& what) {
  std::string out;
  out.reserve(what.size() + 40);
  out += "{\"type\":\"";
  out += type;
  out += "\",\"object\":";
  out += what;
  out += "}\n";
  return out;
}

}  // namespace

/// A watch's view of events: selectors turn a change of membership into ADDED and DELETED.
class event_writer {
 public:
  event_writer(target const& t, filter wanted, base::clock const& clock)
      : target_(t), wanted_(std::move(wanted)), clock_(clock), all_(wanted_.labels.empty() && wanted_.fields.empty()) {}

  std::string initial(object const& what) { return wanted_.matches(*what) ? line("ADDED", what) : std::string(); }

  /// Empty: nothing that this watch is to see.
  std::string of(event const& e) {
    if (e.type == event_type::deleted) {
      return all_ || wanted_.matches(*e.previous) ? line("DELETED", e.current) : std::string();
    }
    bool const now = all_ || wanted_.matches(*e.current);
    bool const before = e.previous && (all_ || wanted_.matches(*e.previous));
    if (now) {
      return line(before ? "MODIFIED" : "ADDED", e.current);
    }
    if (!before) {
      return {};
    }
    // It left the selection: the last state that was in it, with the version of the write that took it out.
    json last = *e.previous;
    last["metadata"]["resourceVersion"] = std::to_string(e.resource_version);
    return line("DELETED", object(std::move(last)));
  }

  std::string bookmark(std::uint64_t version, bool ends_initial_events) {
    json metadata = {{"resourceVersion", std::to_string(version)}};
    if (ends_initial_events) {
      metadata["annotations"] = {{"k8s.io/initial-events-end", "true"}};
    }
    if (target_.form == answer_form::table) {
      json table = make_table(*target_.type, {}, std::move(metadata), clock_.wall_now(), false);
      return event_line("BOOKMARK", dump(table));
    }
    return event_line(
        "BOOKMARK",
        dump({{"kind", target_.type->kind}, {"apiVersion", target_.api_version()}, {"metadata", std::move(metadata)}}));
  }

  static std::string refusal(status_error const& e) { return event_line("ERROR", dump(e.to_json())); }

 private:
  std::string line(char const* type, object const& what) {
    switch (target_.form) {
      case answer_form::table: {
        json table =
            make_table(*target_.type, {what}, {{"resourceVersion", string_at(*what, "metadata.resourceVersion")}},
                       clock_.wall_now(), first_);
        first_ = false;
        return event_line(type, dump(table));
      }
      case answer_form::partial_object:
      case answer_form::partial_list:
        return event_line(type, dump(partial_object(*what)));
      default:
        // Made once for all watches of this object's version.
        return target_.modern_event ? event_line(type, dump(event_as_events_v1(*what))) : event_line(type, what.text());
    }
  }

  target const& target_;
  filter wanted_;
  base::clock const& clock_;
  bool all_;
  bool first_ = true;
};

asio::awaitable<void> api_server::state::stream_watch(target t, exchange& answer) {
  auto wanted = filter_of(t);
  if (!wanted) {
    reply refusal = reply::of(wanted.error());
    co_await send(answer, std::move(refusal));
    co_return;
  }
  std::string const version_text = t.options.get("resourceVersion");
  auto const version = version_text.empty() ? std::optional<std::uint64_t>(0) : parse_version(version_text);
  if (!version) {
    reply refusal = reply::of(bad_version(version_text));
    co_await send(answer, std::move(refusal));
    co_return;
  }
  bool const bookmarks = t.options.flag("allowWatchBookmarks");
  bool const initial_events = t.options.flag("sendInitialEvents");
  if (initial_events && t.options.get("resourceVersionMatch") != "NotOlderThan") {
    field_errors const fault{field_error::forbidden(
        "resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")};
    reply refusal = reply::of(invalid_options("ListOptions", fault));
    co_await send(answer, std::move(refusal));
    co_return;
  }
  bool const from_now = *version == 0 || initial_events;
  std::uint64_t const newest = objects.resource_version();

  event_writer writer(t, std::move(*wanted), objects.clock());
  async::event changed(executor);
  bool gone = false;
  auto const wake = [&changed] { changed.set(); };
  auto opened = *version > newest
                    ? result<std::unique_ptr<watch>>(status_error::expired(
                          // A version from before a restart without --data. A real server would wait for it for ever.
                          "too old resource version: " + version_text + " (" + std::to_string(newest) + ")"))
                    : objects.open_watch(t.type->id(), t.path.ns, from_now ? newest : *version, wake);

  header_list headers{{"Content-Type", "application/json"}};
  std::function<void()> on_gone = [&gone, &changed] {
    gone = true;
    changed.set();
  };
  bool up = co_await answer.begin_stream(200, std::move(headers), std::move(on_gone));
  if (!opened) {
    std::string const line = event_writer::refusal(opened.error());
    up = co_await answer.write(line);
    co_return;
  }
  if (from_now) {
    std::vector<object> const now = objects.list(t.type->id(), t.path.ns);
    std::string out;
    for (object const& one : now) {
      out += writer.initial(one);
      if (out.size() > 256 * 1024 && up) {
        up = co_await answer.write(std::move(out));
        out.clear();
      }
    }
    if (initial_events && bookmarks) {
      out += writer.bookmark(newest, true);
    }
    if (up) {
      up = co_await answer.write(std::move(out));
    }
  }

  auto const asked = t.options.number("timeoutSeconds").value_or(0);
  // As the real server: half an hour to an hour, so that watches do not all end at once.
  std::chrono::seconds const length = asked > 0
                                          ? std::chrono::seconds(std::min<std::int64_t>(asked, 24 * 3600))
                                          : std::chrono::seconds(1800 + static_cast<std::int64_t>(random() % 1800));
  auto const started = std::chrono::steady_clock::now();
  auto const end = started + length;
  // One more shortly before the end, so that the next watch starts where this one stopped.
  auto last_bookmark = end - std::chrono::seconds(2);
  auto next_bookmark = std::min(started + bookmark_interval, last_bookmark);
  while (up && !gone) {
    changed.reset();
    std::string out;
    watch::step step = (*opened)->next();
    while (step.what == watch::state::event) {
      out += writer.of(*step.next);
      if (out.size() > 256 * 1024) {
        break;
      }
      step = (*opened)->next();
    }
    bool const more = step.what == watch::state::event;
    if (step.what == watch::state::expired) {
      // It took nothing for so long that its place is no longer kept. Let it list again.
      std::string const text = "too old resource version: " + std::to_string((*opened)->position()) + " (" +
                               std::to_string(objects.resource_version()) + ")";
      out += event_writer::refusal(status_error::expired(text));
      up = co_await answer.write(std::move(out));
      break;
    }
    auto const now = std::chrono::steady_clock::now();
    if (!more && bookmarks && now >= next_bookmark) {
      out += writer.bookmark((*opened)->position(), false);
      next_bookmark = now < last_bookmark ? std::min(now + bookmark_interval, last_bookmark) : end + bookmark_interval;
    }
    if (!out.empty()) {
      up = co_await answer.write(std::move(out));
    }
    if (step.what == watch::state::type_gone || now >= end) {
      break;
    }
    if (more || !up) {
      continue;
    }
    base::deadline const until(bookmarks ? std::min(end, next_bookmark) : end);
    (void)co_await changed.wait_until(until);
    asio::cancellation_state const stopping = co_await asio::this_coro::cancellation_state;
    if (async::is_cancelled(stopping)) {
      break;
    }
  }
}

asio::awaitable<void> api_server::state::stream_log(target t, exchange& answer) {
  auto const pod = objects.require(kube::pods, t.path.ns, t.path.name);
  if (!pod) {
    reply refusal = reply::of(pod.error());
    co_await send(answer, std::move(refusal));
    co_return;
  }
  pod_log_options options;
  options.container = t.options.get("container");
  options.follow = t.options.flag("follow");
  options.previous = t.options.flag("previous");
  options.timestamps = t.options.flag("timestamps");
  options.limit_bytes = t.options.number("limitBytes");
  options.tail_lines = t.options.number("tailLines");
  field_errors faults;
  if (t.options.has("stream")) {
    faults.push_back(field_error::forbidden("stream", "may not be specified"));
  }
  if (options.tail_lines && *options.tail_lines < 0) {
    faults.push_back(field_error::invalid("tailLines", *options.tail_lines, "must be greater than or equal to 0"));
  }
  if (options.limit_bytes && *options.limit_bytes < 1) {
    faults.push_back(field_error::invalid("limitBytes", *options.limit_bytes, "must be greater than 0"));
  }
  if (auto const seconds = t.options.number("sinceSeconds")) {
    if (*seconds < 1) {
      faults.push_back(field_error::invalid("sinceSeconds", *seconds, "must be greater than 0"));
    } else {
      options.since = objects.clock().wall_now() - std::chrono::seconds(*seconds);
    }
  } else if (t.options.has("sinceTime")) {
    options.since = base::parse_time(t.options.get("sinceTime"));
  }
  if (!faults.empty()) {
    reply refusal = reply::of(status_error::invalid("", "PodLogOptions", t.path.name, faults));
    co_await send(answer, std::move(refusal));
    co_return;
  }
  if (logs == nullptr) {
    reply refusal = reply::of(status_error::bad_request("no node: there are no logs"));
    co_await send(answer, std::move(refusal));
    co_return;
  }
  async::event changed(executor);
  bool gone = false;
  std::function<void()> wake = [&changed] { changed.set(); };
  bool const follow = options.follow;
  auto opened = logs->open_log(*pod, std::move(options), std::move(wake));
  if (!opened) {
    reply refusal = reply::of(opened.error());
    co_await send(answer, std::move(refusal));
    co_return;
  }
  if (*opened == nullptr) {
    reply nothing;
    nothing.status = 204;
    co_await send(answer, std::move(nothing));
    co_return;
  }
  header_list headers{{"Content-Type", "text/plain"}};
  std::function<void()> on_gone = [&gone, &changed] {
    gone = true;
    changed.set();
  };
  bool up = co_await answer.begin_stream(200, std::move(headers), std::move(on_gone));
  while (up && !gone) {
    changed.reset();
    log_stream::chunk piece = (*opened)->next(64 * 1024);
    bool const end = piece.end;
    bool const nothing_new = piece.bytes.empty();
    if (!nothing_new) {
      up = co_await answer.write(std::move(piece.bytes));
    }
    if (end) {
      break;
    }
    if (nothing_new) {
      if (!follow) {
        break;
      }
      bool const woken = co_await changed.wait();
      if (!woken) {
        break;
      }
    }
  }
}

// What is no resource ---------------------------------------------------------------------------------------------

reply api_server::state::access_review(server_request const& request, std::string const& plural) {
  // kubectl sends this in protobuf. Everybody may do everything here, so only the answer's form matters.
  json spec = json::object();
  if (media_type(request.header("content-type")) != "application/vnd.kubernetes.protobuf") {
    json const body = parse_json(request.body);
    if (!body.is_object()) {
      return reply::of(
          status_error::bad_request("couldn't get version/kind; json parse error: " + parse_failure(request.body)));
    }
    spec = at_path(body, "spec").is_object() ? at_path(body, "spec") : json::object();
  }
  json status = {{"allowed", true}, {"reason", "codeexec-local has no access control"}};
  std::string kind = "SelfSubjectAccessReview";
  if (plural == "selfsubjectrulesreviews") {
    kind = "SelfSubjectRulesReview";
    status = {{"incomplete", false},
              {"nonResourceRules", json::array({{{"verbs", {"*"}}, {"nonResourceURLs", {"*"}}}})},
              {"resourceRules", json::array({{{"verbs", {"*"}}, {"apiGroups", {"*"}}, {"resources", {"*"}}}})}};
  }
  return reply::of(201, {{"kind", kind},
                         {"apiVersion", "authorization.k8s.io/v1"},
                         {"metadata", json::object()},
                         {"spec", std::move(spec)},
                         {"status", std::move(status)}});
}

reply api_server::state::static_page(std::string_view path, server_request const& request) {
  auto const parts = split_path(path);
  if (!parts) {
    return reply::of(status_error::bad_request("invalid URL escape"));
  }
  if (request.method == verb::post && parts->size() == 4 && (*parts)[1] == "authorization.k8s.io" &&
      (*parts)[3].starts_with("selfsubject")) {
    return access_review(request, (*parts)[3]);
  }
  if (request.method != verb::get && request.method != verb::head) {
    return reply::no_such_page();
  }
  auto const form = negotiate(request.header("accept"));
  auto const answer = [](json const& value) { return value.is_null() ? reply::no_such_page() : reply::of(200, value); };
  auto const aggregated = [this](bool core) {
    return reply(200, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
                 dump(discover.aggregated(core)));
  };
  std::string const first = parts->empty() ? std::string() : parts->front();
  if (first == "healthz" || first == "livez" || first == "readyz") {
    return reply(200, "text/plain; charset=utf-8", "ok");
  }
  if (first == "version" && parts->size() == 1) {
    return answer(version_info());
  }
  if (first == "api") {
    if (parts->size() == 1) {
      return form == answer_form::discovery ? aggregated(true) : answer(discover.api_versions(address));
    }
    return parts->size() == 2 ? answer(discover.resources("", (*parts)[1])) : reply::no_such_page();
  }
  if (first == "apis") {
    switch (parts->size()) {
      case 1:
        return form == answer_form::discovery ? aggregated(false) : answer(discover.group_list());
      case 2:
        return answer(discover.group((*parts)[1]));
      case 3:
        return answer(discover.resources((*parts)[1], (*parts)[2]));
      default:
        return reply::no_such_page();
    }
  }
  if (first == "openapi" && parts->size() >= 2) {
    if ((*parts)[1] == "v3") {
      if (parts->size() == 2) {
        return answer(discover.open_api_index());
      }
      if (parts->size() == 4 && (*parts)[2] == "api") {
        return answer(discover.open_api("", (*parts)[3]));
      }
      if (parts->size() == 5 && (*parts)[2] == "apis") {
        return answer(discover.open_api((*parts)[3], (*parts)[4]));
      }
    }
    if ((*parts)[1] == "v2" && parts->size() == 2) {
      // Superseded by v3, and asked for in protobuf by clients that then do without. An empty document, in either form.
      if (request.header("accept").find("protobuf") != std::string::npos) {
        std::string const empty(
            "\x0a\x03"
            "2.0"
            "\x12\x15\x0a\x0e"
            "codeexec-local"
            "\x12\x03"
            "0.1",
            28);
        return reply(200, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf", empty);
      }
      return answer({{"swagger", "2.0"},
                     {"info", {{"title", "codeexec-local"}, {"version", "0.1"}}},
                     {"paths", json::object()},
                     {"definitions", json::object()}});
    }
  }
  if (parts->empty()) {
    json paths = json::array({"/api", "/api/v1", "/apis"});
    json const groups = discover.group_list();
    for (json const& group : groups.at("groups")) {
      paths.push_back("/apis/" + string_at(group, "name"));
      paths.push_back("/apis/" + string_at(group, "preferredVersion.groupVersion"));
    }
    for (char const* other : {"/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"}) {
      paths.push_back(other);
    }
    return answer({{"paths", std::move(paths)}});
  }
  return reply::no_such_page();
}

asio::awaitable<void> api_server::state::send(exchange& answer, reply what) {
  (void)co_await answer.respond(what.status, std::move(what.headers), std::move(what.body));
}

// The server ------------------------------------------------------------------------------------------------------

api_server::api_server(asio::any_io_executor executor, store& objects, custom_types& customs)
    : state_(std::make_unique<state>(std::move(executor), objects, customs)) {}

api_server::~api_server() = default;

void api_server::set_log_source(log_source* logs) {
  state_->logs = logs;
}

void api_server::set_address(std::string address) {
  state_->address = std::move(address);
}

asio::awaitable<void> api_server::handle(server_request request, exchange& answer) {
  state& s = *state_;
  if (request.body_too_large) {
    reply refusal = reply::of(status_error::too_large());
    co_await state::send(answer, std::move(refusal));
    co_return;
  }
  auto const question = request.target.find('?');
  std::string const path = request.target.substr(0, question);
  target t;
  t.options = query::parse(question == std::string::npos ? std::string() : request.target.substr(question + 1));
  auto parsed = parse_resource_path(path);
  if (parsed) {
    t.path = std::move(*parsed);
    t.modern_event = t.path.group == kube::events.group && t.path.plural == kube::events.plural;
    t.type = s.objects.find_type(t.modern_event ? std::string_view() : std::string_view(t.path.group), t.path.plural);
    if (t.type && (t.modern_event ? std::string("v1") : t.type->version) != t.path.version) {
      t.type = nullptr;
    }
  }
  if (!t.type) {
    reply page = s.static_page(path, request);
    co_await state::send(answer, std::move(page));
    co_return;
  }
  std::string const& sub = t.path.subresource;
  bool const is_pod = t.type->id() == kube::pods;
  bool const is_namespace = t.type->id() == kube::namespaces;
  bool const known_sub = sub.empty() || (sub == "status" && t.type->has_status) || (sub == "log" && is_pod) ||
                         (sub == "finalize" && is_namespace);
  // A cluster-scoped type has no path under a namespace.
  if (!known_sub || (!t.type->namespaced && !t.path.ns.empty()) ||
      (t.type->namespaced && !t.path.name.empty() && t.path.ns.empty())) {
    reply page = reply::no_such_page();
    co_await state::send(answer, std::move(page));
    co_return;
  }
  auto const form = negotiate(request.header("accept"));
  if (!form && sub != "log") {
    reply refusal = reply::of(not_acceptable());
    co_await state::send(answer, std::move(refusal));
    co_return;
  }
  t.form = form.value_or(answer_form::json);

  bool const collection = t.path.name.empty();
  if (request.method == verb::get && sub == "log") {
    co_await s.stream_log(std::move(t), answer);
    co_return;
  }
  if (request.method == verb::get && collection && t.options.flag("watch")) {
    co_await s.stream_watch(std::move(t), answer);
    co_return;
  }
  reply out = reply::of(status_error::method_not_allowed());
  if (request.method == verb::get || request.method == verb::head) {
    out = collection ? s.list(t) : s.get(t);
  } else if (request.method == verb::post && collection && (!t.type->namespaced || !t.path.ns.empty())) {
    out = s.create(t, request);
  } else if (request.method == verb::put && !collection) {
    out = s.replace(t, request);
  } else if (request.method == verb::patch && !collection && sub != "finalize") {
    out = s.patch(t, request);
  } else if (request.method == verb::delete_ && sub.empty()) {
    out = collection ? s.remove_collection(t, request) : s.remove(t, request);
  }
  co_await state::send(answer, std::move(out));
}

}  // namespace codeexec::local
