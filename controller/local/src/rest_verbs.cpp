#include <algorithm>
#include <cstdio>
#include <functional>

#include "codeexec/base/encoding.hpp"
#include "codeexec/local/builtin_types.hpp"
#include "codeexec/local/managed_fields.hpp"
#include "codeexec/local/patch.hpp"
#include "codeexec/local/table.hpp"
#include "codeexec/local/workloads.hpp"
#include "codeexec/yaml_reader/yaml_writer.hpp"

#include "rest_state.hpp"

namespace codeexec::local {
namespace {

constexpr std::size_t max_snapshots = 64;

/// Who goes from `kubectl apply` to `kubectl apply --server-side` may go back: where the object has the annotation of a
/// client-side apply, it follows what was applied (k8s.io/apimachinery, managedfields' LastAppliedUpdater).
void keep_last_applied(object const& live, json applied, json& merged) {
  constexpr char const* annotation = "kubectl.kubernetes.io/last-applied-configuration";
  json const none = json::object();
  json const& known = live ? at_path(*live, "metadata.annotations") : none;
  if (!known.is_object() || !known.contains(annotation)) {
    return;
  }
  json& metadata = applied["metadata"];
  if (auto const own = metadata.find("annotations"); own != metadata.end() && own->is_object()) {
    own->erase(annotation);
    if (own->empty()) {
      metadata.erase(own);
    }
  }
  merged["metadata"]["annotations"][annotation] = applied.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

/// Who a plain write is noted for: who it says it is, or the first part of its User-Agent, or "unknown".
writer writer_of(target const& t, server_request const& request) {
  writer out{t.options.get("fieldManager"), t.path.subresource};
  if (out.manager.empty()) {
    std::string const agent(request.header("user-agent"));
    out.manager = agent.empty() ? "unknown" : agent.substr(0, std::min<std::size_t>(agent.find('/'), 128));
  }
  return out;
}

}  // namespace

table_options target::table(bool columns) const {
  table_options out;
  out.columns = columns;
  out.events_v1 = modern_event;
  std::string const include = options.get("includeObject");
  out.include = include == "Object" ? row_object::whole : include == "None" ? row_object::none : row_object::metadata;
  return out;
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
                                  objects.clock().wall_now(), t.table()));
    case answer_form::partial_object:
    case answer_form::partial_list:
      return reply::of(status, partial_object(*what));
    case answer_form::yaml:
      return reply(status, "application/yaml", yaml::write_document(shown(t, *what)));
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
  json const converted = t.modern_event ? shown(t, *item) : json();
  std::string out = "{";
  for (auto const& [key, inner] : (t.modern_event ? converted : *item).items()) {
    if (key != "apiVersion" && key != "kind") {
      out += (out.size() == 1 ? "" : ",") + json(key).dump() + ":" + dump(inner);
    }
  }
  return out + "}";
}

reply api_server::state::list_reply(target const& t, std::vector<object> const& items, json list_metadata) const {
  if (t.form == answer_form::table) {
    return reply::of(200, make_table(*t.type, items, std::move(list_metadata), objects.clock().wall_now(), t.table()));
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
    return reply(200, "application/yaml", yaml::write_document(json::parse(body, nullptr, false)));
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
    bool const filtered = !wanted->labels.empty() || !wanted->fields.empty();
    std::function<bool(object const&)> const matches = [&](object const& o) { return wanted->matches(*o); };
    items = objects.list(t.type->id(), t.path.ns, filtered ? matches : nullptr);
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

reply api_server::state::write_reply(target const& t, int status, result<object> const& written, json const* before,
                                     std::vector<std::string>& warned) const {
  reply out = written ? object_reply(t, status, *written) : reply::of(written.error());
  if (written) {
    warn_of(t, **written, before, warned);
  }
  for (auto& one : warnings(warned)) {
    out.headers.push_back(std::move(one));
  }
  return out;
}

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
  if (auto const refusal = escalates(t, *value)) {
    return reply::of(*refusal);
  }
  create_options options;
  options.dry_run = *dry;
  options.by = writer_of(t, request);
  auto const made = objects.create(t.type->id(), std::move(*value), options);
  return write_reply(t, 201, made, nullptr, warned);
}

reply api_server::state::scale(target const& t, server_request const& request) {
  using boost::beast::http::verb;
  auto const current = objects.require(t.type->id(), t.path.ns, t.path.name);
  if (!current) {
    return reply::of(current.error());
  }
  json const before = scale_of(**current);
  if (request.method == verb::get || request.method == verb::head) {
    return reply::of(200, before);
  }
  auto const dry = dry_run(t, "UpdateOptions");
  if (!dry) {
    return reply::of(dry.error());
  }
  if (request.method != verb::put && request.method != verb::patch) {
    return reply::of(status_error::method_not_allowed());
  }
  json wanted = parse_json(request.body);
  if (wanted.is_discarded()) {
    return reply::of(status_error::bad_request("error decoding scale: " + parse_failure(request.body)));
  }
  if (request.method == verb::patch) {
    std::string const type = media_type(request.header("content-type"));
    if (type != "application/merge-patch+json" && type != "application/json-patch+json") {
      return reply::of(unsupported_media("application/json-patch+json, application/merge-patch+json"));
    }
    auto patched =
        type == "application/json-patch+json" ? apply_json_patch(before, wanted) : apply_merge_patch(before, wanted);
    if (!patched) {
      return reply::of(patched.error());
    }
    wanted = std::move(*patched);
  }
  auto const replicas = integer_at(wanted, "spec.replicas").value_or(0);
  if (replicas < 0) {
    return reply::of(
        status_error::invalid("autoscaling", "Scale", t.path.name,
                              {field_error::invalid("spec.replicas", replicas, "must be greater than or equal to 0")}));
  }
  json next = **current;
  next["spec"]["replicas"] = replicas;
  next["metadata"].erase("resourceVersion");
  if (std::string const version = string_at(wanted, "metadata.resourceVersion"); !version.empty()) {
    next["metadata"]["resourceVersion"] = version;
  }
  update_options options;
  options.dry_run = *dry;
  options.by = writer_of(t, request);
  auto const written = objects.update(t.type->id(), std::move(next), part::object, options);
  return written ? reply::of(200, scale_of(**written)) : reply::of(written.error());
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
  if (auto const refusal = escalates(t, value)) {
    return reply::of(*refusal);
  }
  object const before = objects.get(t.type->id(), t.path.ns, t.path.name);
  update_options options;
  options.dry_run = *dry;
  options.by = writer_of(t, request);
  bool const strict =
      t.type->custom || t.type->id() == kube::leases || t.type->id() == kube::custom_resource_definitions;
  options.allow_unconditional = !strict;
  part const which = t.path.subresource == "status"     ? part::status
                     : t.path.subresource == "finalize" ? part::all
                                                        : part::object;
  auto const written = objects.update(t.type->id(), std::move(value), which, options);
  return write_reply(t, 200, written, before ? &*before : nullptr, warned);
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
  if (auto const refusal = escalates(t, value)) {
    return reply::of(*refusal);
  }
  update_options options;
  options.dry_run = *dry;
  options.by = writer_of(t, request);
  auto const written = objects.update(t.type->id(), std::move(value),
                                      t.path.subresource == "status" ? part::status : part::object, options);
  return write_reply(t, 200, written, &**current, warned);
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
  if (manager == "kubectl") {
    keep_last_applied(live, applied, *merged);
  }
  if (std::string const version = string_at(metadata, "resourceVersion"); !version.empty()) {
    (*merged)["metadata"]["resourceVersion"] = version;
  }
  if (auto const refusal = escalates(t, *merged)) {
    return reply::of(*refusal);
  }
  if (!live) {
    create_options options;
    options.dry_run = dry;
    auto const made = objects.create(t.type->id(), std::move(*merged), options);
    return write_reply(t, 201, made, nullptr, warned);
  }
  update_options options;
  options.dry_run = dry;
  auto const written = objects.update(t.type->id(), std::move(*merged),
                                      t.path.subresource == "status" ? part::status : part::object, options);
  return write_reply(t, 200, written, &*live, warned);
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

}  // namespace codeexec::local
