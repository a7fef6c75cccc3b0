#include "codeexec/kube_core/watch_event.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace codeexec::kube {
namespace {

constexpr std::string_view initial_events_end_annotation = "k8s.io/initial-events-end";

std::string string_at(nlohmann::json const& object, std::string_view key) {
  if (!object.is_object()) return {};
  auto const at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

/// Reads object.metadata's name, namespace and resourceVersion up to where the text stops being JSON.
class identity_reader {
 public:
  malformed_event found;

  bool null() { return value(); }
  bool boolean(bool) { return value(); }
  bool number_integer(std::int64_t) { return value(); }
  bool number_unsigned(std::uint64_t) { return value(); }
  bool number_float(double, std::string const&) { return value(); }
  bool binary(nlohmann::json::binary_t&) { return value(); }
  bool string(std::string& text) {
    if (depth_ == 3 && in_metadata()) {
      if (key_ == "name") found.name = text;
      if (key_ == "namespace") found.namespace_ = text;
      if (key_ == "resourceVersion") found.resource_version = text;
    }
    return value();
  }
  bool start_object(std::size_t) { return enter(); }
  bool start_array(std::size_t) { return enter(); }
  bool end_object() { return leave(); }
  bool end_array() { return leave(); }
  bool key(std::string& text) {
    key_ = text;
    return true;
  }
  bool parse_error(std::size_t, std::string const&, nlohmann::json::exception const&) { return false; }

 private:
  bool in_metadata() const { return path_[0] == "object" && path_[1] == "metadata"; }
  bool value() { return true; }
  bool enter() {
    if (depth_ > 0 && depth_ <= path_.size()) path_[depth_ - 1] = key_;
    key_.clear();
    ++depth_;
    return true;
  }
  bool leave() {
    --depth_;
    if (depth_ > 0 && depth_ <= path_.size()) path_[depth_ - 1].clear();
    return true;
  }

  std::size_t depth_ = 0;
  std::array<std::string, 2> path_;
  std::string key_;
};

malformed_event malformed(std::string_view line, std::string message) {
  identity_reader reader;
  nlohmann::json::sax_parse(line, &reader, nlohmann::json::input_format_t::json, false);
  reader.found.message = std::move(message);
  return std::move(reader.found);
}

bool is_initial_events_end(nlohmann::json const& metadata) {
  auto const annotations = metadata.find("annotations");
  return annotations != metadata.end() && string_at(*annotations, initial_events_end_annotation) == "true";
}

error_event decode_error_event(nlohmann::json const& status) {
  auto const code = status.find("code");
  auto const http_status = code != status.end() && code->is_number_integer() ? code->get<std::int64_t>() : 500;
  auto const text = status.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return {error::from_status(static_cast<int>(std::clamp<std::int64_t>(http_status, 0, 999)), text)};
}

}  // namespace

watch_event decode_watch_event(std::string_view line, projection const& keep) {
  auto document = parse_kept(line, keep);
  if (document.is_discarded()) return malformed(line, "not JSON");
  if (!document.is_object()) return malformed(line, "not an object");

  auto const type = string_at(document, "type");
  if (type.empty()) return malformed(line, "type: is missing");
  auto const object = document.find("object");
  if (object == document.end() || !object->is_object()) return malformed(line, "object: expected an object");
  if (type == "ERROR") return decode_error_event(*object);

  auto const metadata = object->find("metadata");
  if (metadata == object->end() || !metadata->is_object())
    return malformed(line, "object.metadata: expected an object");
  auto resource_version = string_at(*metadata, "resourceVersion");
  if (resource_version.empty()) return malformed(line, "object.metadata.resourceVersion: is missing");
  if (type == "BOOKMARK") return bookmark_event{std::move(resource_version), is_initial_events_end(*metadata)};

  if (string_at(*metadata, "name").empty()) return malformed(line, "object.metadata.name: is missing");
  object_event event;
  event.resource_version = std::move(resource_version);
  event.object = std::move(*object);
  if (type == "ADDED") {
    event.type = event_type::added;
  } else if (type == "MODIFIED") {
    event.type = event_type::modified;
  } else if (type == "DELETED") {
    event.type = event_type::deleted;
  } else {
    return malformed(line, "type: unknown");
  }
  return event;
}

}  // namespace codeexec::kube
