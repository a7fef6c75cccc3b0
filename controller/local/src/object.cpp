#include "codeexec/local/object.hpp"

#include <charconv>

namespace codeexec::local {

using nlohmann::json;

json const& at_path(json const& value, std::string_view dotted) {
  static json const nothing;
  json const* here = &value;
  while (!dotted.empty()) {
    auto const dot = dotted.find('.');
    auto const step = dotted.substr(0, dot);
    dotted = dot == std::string_view::npos ? std::string_view() : dotted.substr(dot + 1);
    if (!here->is_object()) {
      return nothing;
    }
    auto const found = here->find(step);
    if (found == here->end()) {
      return nothing;
    }
    here = &*found;
  }
  return *here;
}

std::string string_at(json const& value, std::string_view dotted) {
  json const& found = at_path(value, dotted);
  return found.is_string() ? found.get<std::string>() : std::string();
}

std::optional<std::int64_t> integer_at(json const& value, std::string_view dotted) {
  json const& found = at_path(value, dotted);
  return found.is_number_integer() ? std::optional(found.get<std::int64_t>()) : std::nullopt;
}

std::vector<std::string> strings_at(json const& value, std::string_view dotted) {
  std::vector<std::string> out;
  json const& list = at_path(value, dotted);
  if (list.is_array()) {
    for (json const& one : list) {
      if (one.is_string()) {
        out.push_back(one.get<std::string>());
      }
    }
  }
  return out;
}

object::object(json value) {
  auto made = std::make_shared<state>();
  made->value = std::move(value);
  json const& metadata = at_path(made->value, "metadata");
  made->name = string_at(metadata, "name");
  made->ns = string_at(metadata, "namespace");
  made->uid = string_at(metadata, "uid");
  std::string const version = string_at(metadata, "resourceVersion");
  std::from_chars(version.data(), version.data() + version.size(), made->resource_version);
  made->being_deleted = at_path(metadata, "deletionTimestamp").is_string();
  state_ = std::move(made);
}

std::string const& object::text() const {
  if (state_->text.empty()) {
    state_->text = state_->value.dump(-1, ' ', false, json::error_handler_t::replace);
  }
  return state_->text;
}

}  // namespace codeexec::local
