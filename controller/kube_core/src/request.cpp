#include "codeexec/kube_core/request.hpp"

#include <nlohmann/json.hpp>

#include "codeexec/base/encoding.hpp"

namespace codeexec::kube {
namespace {

/// Appends "?name=value" and then "&name=value"; an empty value is left out.
class query {
 public:
  explicit query(std::string& target) : target_(target) {}

  query& add(std::string_view name, std::string_view value) {
    if (value.empty()) return *this;
    target_ += first_ ? '?' : '&';
    first_ = false;
    target_ += name;
    target_ += '=';
    target_ += base::percent_encode(value);
    return *this;
  }
  query& add(std::string_view name, std::optional<std::int64_t> value) {
    return value ? add(name, std::to_string(*value)) : *this;
  }
  query& add_true(std::string_view name, bool value) { return value ? add(name, std::string_view("true")) : *this; }

 private:
  std::string& target_;
  bool first_ = true;
};

request make(verb method, resource const& type, std::string target, std::string_view subresource = {}) {
  request r(method, std::move(target));
  r.resource_name = type.plural;
  r.subresource = subresource;
  r.idempotent = method == verb::get;
  return r;
}

std::string_view content_type_of(patch_type how) {
  switch (how) {
    case patch_type::merge:
      return "application/merge-patch+json";
    case patch_type::json:
      return "application/json-patch+json";
    case patch_type::apply:
      return "application/apply-patch+yaml";
  }
  return "application/merge-patch+json";
}

std::string_view spelling_of(propagation policy) {
  switch (policy) {
    case propagation::background:
      return "Background";
    case propagation::foreground:
      return "Foreground";
    case propagation::orphan:
      return "Orphan";
  }
  return "Background";
}

}  // namespace

request make_get(resource const& type, std::string_view ns, std::string_view name) {
  return make(verb::get, type, type.object_path(ns, name));
}

request make_list(resource const& type, std::string_view ns, list_options const& options) {
  auto r = make(verb::get, type, type.collection_path(ns));
  query(r.target)
      .add("labelSelector", options.label_selector)
      .add("fieldSelector", options.field_selector)
      .add("resourceVersion", options.resource_version)
      .add("resourceVersionMatch", options.resource_version_match)
      .add("limit", options.limit > 0 ? std::optional(options.limit) : std::nullopt)
      .add("continue", options.continue_token);
  return r;
}

request make_watch(resource const& type, std::string_view ns, watch_options const& options) {
  auto r = make(verb::get, type, type.collection_path(ns));
  query(r.target)
      .add_true("watch", true)
      .add_true("allowWatchBookmarks", options.allow_bookmarks)
      .add_true("sendInitialEvents", options.send_initial_events)
      .add("resourceVersionMatch", std::string_view(options.send_initial_events ? "NotOlderThan" : ""))
      .add("labelSelector", options.label_selector)
      .add("fieldSelector", options.field_selector)
      .add("resourceVersion", options.resource_version)
      .add("timeoutSeconds", std::optional<std::int64_t>(options.timeout.count()));
  return r;
}

request make_create(resource const& type, std::string_view ns, std::string body, std::string_view field_manager) {
  auto r = make(verb::post, type, type.collection_path(ns));
  query(r.target).add("fieldManager", field_manager);
  r.content_type = "application/json";
  r.body = std::move(body);
  return r;
}

request make_replace(resource const& type, std::string_view ns, std::string_view name, std::string body,
                     std::string_view field_manager) {
  auto r = make(verb::put, type, type.object_path(ns, name));
  query(r.target).add("fieldManager", field_manager);
  r.content_type = "application/json";
  r.body = std::move(body);
  return r;
}

request make_patch(resource const& type, std::string_view ns, std::string_view name, patch_type how, std::string body,
                   std::string_view field_manager, std::string_view subresource) {
  auto r = make(verb::patch, type, type.object_path(ns, name, subresource), subresource);
  query(r.target).add("fieldManager", field_manager).add_true("force", how == patch_type::apply);
  r.content_type = content_type_of(how);
  r.body = std::move(body);
  return r;
}

request make_delete(resource const& type, std::string_view ns, std::string_view name, delete_options const& options) {
  auto r = make(verb::remove, type, type.object_path(ns, name));
  nlohmann::json body = {
      {"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"propagationPolicy", spelling_of(options.policy)}};
  if (!options.uid.empty()) body["preconditions"]["uid"] = options.uid;
  if (!options.resource_version.empty()) body["preconditions"]["resourceVersion"] = options.resource_version;
  if (options.grace_period_seconds) body["gracePeriodSeconds"] = *options.grace_period_seconds;
  r.content_type = "application/json";
  r.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  // Named by UID, a second delete finds nothing or the object already on its way out. By name alone it might hit a
  // successor.
  r.idempotent = !options.uid.empty();
  return r;
}

request make_pod_log(std::string_view ns, std::string_view pod, log_options const& options) {
  auto r = make(verb::get, pods, pods.object_path(ns, pod, "log"), "log");
  query(r.target)
      .add("container", options.container)
      .add_true("follow", options.follow)
      .add("limitBytes", options.limit_bytes)
      .add("tailLines", options.tail_lines);
  r.accept = "application/json, */*";  // the log is plain text, a refusal is a Status
  return r;
}

}  // namespace codeexec::kube
