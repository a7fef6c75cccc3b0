#include "codeexec/local/limit_range.hpp"

#include <string>
#include <vector>

#include "codeexec/api/quantity.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

std::optional<std::int64_t> amount_in(json const& amounts, std::string const& resource) {
  if (!amounts.is_object() || !amounts.contains(resource)) {
    return std::nullopt;
  }
  json const& value = amounts[resource];
  auto const parsed = api::quantity::parse(value.is_string() ? value.get<std::string>() : value.dump());
  return parsed ? parsed->millis() : std::nullopt;
}

std::string written_in(json const& amounts, std::string const& resource) {
  json const& value = amounts.at(resource);
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// What one item's min or max has against a container. `least`: min, which speaks of requests first.
void check_bound(json const& bounds, bool least, json const& container, std::vector<std::string>& found) {
  if (!bounds.is_object()) {
    return;
  }
  json const& requests = at_path(container, "resources.requests");
  json const& limits = at_path(container, "resources.limits");
  for (auto const& [resource, ignored] : bounds.items()) {
    auto const bound = amount_in(bounds, resource);
    if (!bound) {
      continue;
    }
    std::string const rule = std::string(least ? "minimum " : "maximum ") + resource + " usage per Container is " +
                             written_in(bounds, resource);
    auto const request = amount_in(requests, resource);
    auto const limit = amount_in(limits, resource);
    auto const wrong = [&](std::optional<std::int64_t> const& amount) {
      return amount && (least ? *amount < *bound : *amount > *bound);
    };
    if (least && !request) {
      found.push_back(rule + ".  No request is specified");
    } else if (!least && !limit) {
      found.push_back(rule + ".  No limit is specified");
    } else if (least ? wrong(request) : !wrong(limit) && wrong(request)) {
      found.push_back(rule + ", but request is " + written_in(requests, resource));
    } else if (wrong(limit)) {
      found.push_back(rule + ", but limit is " + written_in(limits, resource));
    }
  }
}

}  // namespace

std::optional<status_error> refuse_by_limit_range(store const& objects, resource_type const& type, json const& object) {
  if (type.id() != kube::pods || objects.count(limit_ranges) == 0) {
    return std::nullopt;
  }
  std::vector<std::string> found;
  for (auto const& range : objects.list(limit_ranges, string_at(object, "metadata.namespace"))) {
    json const& items = at_path(*range, "spec.limits");
    for (json const& item : items.is_array() ? items : json::array()) {
      json const& containers = at_path(object, "spec.containers");
      if (string_at(item, "type") != "Container" || !containers.is_array()) {
        continue;
      }
      for (json const& container : containers) {
        check_bound(at_path(item, "min"), true, container, found);
        check_bound(at_path(item, "max"), false, container, found);
      }
    }
  }
  if (found.empty()) {
    return std::nullopt;
  }
  std::string all = found.front();
  for (std::size_t i = 1; i < found.size(); ++i) {
    all += ", " + found[i];
  }
  return status_error::forbidden(type.group, type.plural, string_at(object, "metadata.name"),
                                 found.size() == 1 ? all : "[" + all + "]");
}

}  // namespace codeexec::local
