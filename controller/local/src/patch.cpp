#include "codeexec/local/patch.hpp"

#include <algorithm>
#include <array>

#include "codeexec/local/object.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

status_error does_not_apply() {
  return status_error(422, "Invalid", "the server rejected our request due to an error in our request", json::object());
}

// JSON patches ------------------------------------------------------------------------------------------------------

/// The real server's bound on what the copies of one patch write together: a copy of a copy of a copy doubles.
constexpr std::size_t most_copied = 3 * 1024 * 1024;
/// As deep as a request's body may be. Copying and printing a value descend by recursion.
constexpr std::size_t most_levels = 500;

/// What a copy or a move takes; null for other operations. Throws as the library does where it is not there.
json const* taken_value(json const& document, json const& operation) {
  std::string const op = string_at(operation, "op");
  return op == "copy" || op == "move" ? &document.at(json::json_pointer(string_at(operation, "from"))) : nullptr;
}

/// Levels of nesting, counted without recursion and no further than `most_levels`.
std::size_t levels_of(json const& value) {
  std::size_t deepest = 0;
  std::vector<std::pair<json const*, std::size_t>> left{{&value, 1}};
  while (!left.empty() && deepest <= most_levels) {
    auto const [here, level] = left.back();
    left.pop_back();
    if (here->is_structured()) {
      deepest = std::max(deepest, level);
      for (json const& inner : *here) {
        left.emplace_back(&inner, level + 1);
      }
    }
  }
  return deepest;
}

/// Would what it writes lie deeper than a body may be? Moving alone can nest without end, a level an operation.
bool nests_too_deeply(json const& document, json const& operation) {
  std::string const path = string_at(operation, "path");
  auto const above = static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
  json const* const taken = taken_value(document, operation);
  return above + levels_of(taken != nullptr ? *taken : at_path(operation, "value")) > most_levels;
}

std::size_t size_of_copy(json const& document, json const& operation) {
  json const* const taken = string_at(operation, "op") == "copy" ? taken_value(document, operation) : nullptr;
  return taken == nullptr ? 0 : taken->dump(-1, ' ', false, json::error_handler_t::replace).size();
}

/// The element of `list` with the same keys, or end.
json::iterator find_by_keys(json& list, json const& like, std::vector<std::string> const& keys) {
  return std::find_if(list.begin(), list.end(), [&](json const& one) {
    return std::all_of(keys.begin(), keys.end(), [&](std::string const& key) {
      return at_path(one, key) == at_path(like, key) && one.is_object() && one.contains(key);
    });
  });
}

void merge_strategically(json& target, json const& patch);

void merge_list(json& target, json const& patch, std::vector<std::string> const& keys) {
  bool const replaced = std::any_of(patch.begin(), patch.end(), [](json const& one) {
    return one.is_object() && one.size() == 1 && string_at(one, "$patch") == "replace";
  });
  if (!target.is_array() || replaced) {
    target = json::array();
  }
  for (json const& one : patch) {
    if (!one.is_object()) {
      target.push_back(one);
      continue;
    }
    std::string const directive = string_at(one, "$patch");
    if (directive == "replace" && one.size() == 1) {
      continue;
    }
    auto const found = find_by_keys(target, one, keys);
    if (directive == "delete") {
      if (found != target.end()) {
        target.erase(found);
      }
    } else if (found == target.end()) {
      json made = json::object();
      merge_strategically(made, one);
      target.push_back(std::move(made));
    } else {
      merge_strategically(*found, one);
    }
  }
}

void merge_strategically(json& target, json const& patch) {
  if (!target.is_object()) {
    target = json::object();
  }
  if (string_at(patch, "$patch") == "replace") {
    target = patch;
    target.erase("$patch");
    return;
  }
  if (auto const retained = patch.find("$retainKeys"); retained != patch.end() && retained->is_array()) {
    for (auto at = target.begin(); at != target.end();) {
      at =
          std::find(retained->begin(), retained->end(), at.key()) == retained->end() ? target.erase(at) : std::next(at);
    }
  }
  constexpr std::string_view remove_values = "$deleteFromPrimitiveList/";
  for (auto const& [key, value] : patch.items()) {
    if (key.starts_with(remove_values)) {
      auto const list = target.find(key.substr(remove_values.size()));
      if (list != target.end() && list->is_array() && value.is_array()) {
        for (json const& gone : value) {
          list->erase(std::remove(list->begin(), list->end(), gone), list->end());
        }
      }
      continue;
    }
    if (key.starts_with("$")) {
      continue;
    }
    if (value.is_null()) {
      target.erase(key);
    } else if (value.is_object()) {
      if (string_at(value, "$patch") == "delete") {
        target.erase(key);
      } else {
        merge_strategically(target[key], value);
      }
    } else if (value.is_array() && key == "finalizers") {
      json& list = target[key];
      if (!list.is_array()) {
        list = json::array();
      }
      for (json const& one : value) {
        if (std::find(list.begin(), list.end(), one) == list.end()) {
          list.push_back(one);
        }
      }
    } else if (value.is_array() && !builtin_list_keys(key).empty()) {
      merge_list(target[key], value, builtin_list_keys(key));
    } else {
      target[key] = value;
    }
  }
}

// Server-side apply -----------------------------------------------------------------------------------------------
//
// A set of fields is written as managedFields writes it (FieldsV1): {"f:spec": {"f:size": {}, "f:items":
// {"k:{\"key\":\"a\"}": {".": {}, "f:key": {}}}}}. A leaf is an empty object.

struct list_shape {
  enum class kind { atomic, set, map };
  kind what = kind::atomic;
  std::vector<std::string> keys;
};

list_shape shape_of(schema_node const* node, std::string_view name, bool builtin) {
  if (node != nullptr) {
    if (node->list_type == "map") {
      return {list_shape::kind::map, node->map_keys};
    }
    return {node->list_type == "set" ? list_shape::kind::set : list_shape::kind::atomic, {}};
  }
  if (name == "finalizers") {
    return {list_shape::kind::set, {}};
  }
  if (name == "ownerReferences") {
    return {list_shape::kind::map, {"uid"}};
  }
  auto keys = builtin ? builtin_list_keys(name) : std::vector<std::string>();
  return keys.empty() ? list_shape{} : list_shape{list_shape::kind::map, std::move(keys)};
}

/// Where two managers disagree. `steps` are names of FieldsV1; only what lies in no list can be taken out of a set.
struct disagreement {
  std::string path;
  std::vector<std::string> steps;
  bool in_list = false;
};

struct walker {
  bool builtin = false;

  schema_node const* child(schema_node const* node, std::string const& name) const {
    if (node == nullptr) {
      return nullptr;
    }
    auto const known = node->properties.find(name);
    return known != node->properties.end() ? known->second.get() : node->additional.get();
  }

  static std::string element_name(json const& element, list_shape const& shape) {
    if (shape.what == list_shape::kind::set) {
      return "v:" + element.dump(-1, ' ', false, json::error_handler_t::replace);
    }
    json key = json::object();
    for (std::string const& one : shape.keys) {
      if (element.is_object() && element.contains(one)) {
        key[one] = element.at(one);
      }
    }
    return "k:" + key.dump(-1, ' ', false, json::error_handler_t::replace);
  }

  json fields(json const& value, schema_node const* node, std::string_view name) const {
    if (value.is_object() && (node == nullptr || !node->atomic_map)) {
      json out = json::object();
      for (auto const& [key, inner] : value.items()) {
        out["f:" + key] = fields(inner, child(node, key), key);
      }
      return out;
    }
    if (value.is_array()) {
      list_shape const shape = shape_of(node, name, builtin);
      if (shape.what == list_shape::kind::atomic) {
        return json::object();
      }
      json out = json::object();
      for (json const& element : value) {
        json inner = json::object();
        if (shape.what == list_shape::kind::map) {
          inner = fields(element, node != nullptr ? node->items.get() : nullptr, "");
          inner["."] = json::object();
        }
        out[element_name(element, shape)] = std::move(inner);
      }
      return out;
    }
    return json::object();
  }

  /// Writes `applied` over `live`.
  void merge(json& live, json const& applied, schema_node const* node, std::string_view name) const {
    if (applied.is_object() && (node == nullptr || !node->atomic_map)) {
      if (!live.is_object()) {
        live = json::object();
      }
      for (auto const& [key, inner] : applied.items()) {
        merge(live[key], inner, child(node, key), key);
      }
      return;
    }
    if (applied.is_array() && live.is_array()) {
      list_shape const shape = shape_of(node, name, builtin);
      if (shape.what != list_shape::kind::atomic) {
        for (json const& element : applied) {
          std::string const wanted = element_name(element, shape);
          auto const found = std::find_if(live.begin(), live.end(),
                                          [&](json const& one) { return element_name(one, shape) == wanted; });
          if (found == live.end()) {
            live.push_back(element);
          } else {
            merge(*found, element, node != nullptr ? node->items.get() : nullptr, "");
          }
        }
        return;
      }
    }
    live = applied;
  }

  /// Paths that `applied` would change and that `owned` (another manager's set) holds.
  void conflicts(json const& live, json const& applied, json const& owned, schema_node const* node,
                 std::string_view name, disagreement const& at, std::vector<disagreement>& out) const {
    if (applied.is_object() && (node == nullptr || !node->atomic_map)) {
      for (auto const& [key, inner] : applied.items()) {
        auto const theirs = owned.find("f:" + key);
        if (theirs != owned.end()) {
          json const& now = live.is_object() && live.contains(key) ? live.at(key) : null_;
          // A key may hold dots itself, as most annotations do.
          disagreement inside = at;
          inside.path += "." + key;
          inside.steps.push_back("f:" + key);
          conflicts(now, inner, *theirs, child(node, key), key, inside, out);
        }
      }
      return;
    }
    list_shape const shape = applied.is_array() ? shape_of(node, name, builtin) : list_shape{};
    if (applied.is_array() && shape.what != list_shape::kind::atomic) {
      for (json const& element : applied) {
        std::string const wanted = element_name(element, shape);
        auto const theirs = owned.find(wanted);
        if (theirs == owned.end() || shape.what == list_shape::kind::set || !live.is_array()) {
          continue;
        }
        auto const now =
            std::find_if(live.begin(), live.end(), [&](json const& one) { return element_name(one, shape) == wanted; });
        std::string label;
        for (std::string const& key : shape.keys) {
          label += (label.empty() ? "" : ",") + key + "=" + at_path(element, key).dump();
        }
        disagreement inside = at;
        inside.path += "[" + label + "]";
        inside.in_list = true;
        conflicts(now == live.end() ? null_ : *now, element, *theirs, node != nullptr ? node->items.get() : nullptr, "",
                  inside, out);
      }
      return;
    }
    if (live != applied) {
      out.push_back(at);
    }
  }

  /// Removes from `live` what is in `gone` (a set), unless `kept` (another set) holds it.
  void remove(json& live, json const& gone, json const& kept, schema_node const* node, std::string_view name) const {
    if (live.is_object()) {
      for (auto const& [key, inner] : gone.items()) {
        if (!key.starts_with("f:")) {
          continue;
        }
        std::string const field = key.substr(2);
        auto const found = live.find(field);
        if (found == live.end()) {
          continue;
        }
        auto const still = kept.find(key);
        if (still == kept.end() && (inner.empty() || !found->is_structured())) {
          live.erase(found);
        } else if (!inner.empty()) {
          remove(*found, inner, still == kept.end() ? empty_ : *still, child(node, field), field);
          if (still == kept.end() && found->is_structured() && found->empty()) {
            live.erase(found);
          }
        }
      }
      return;
    }
    if (!live.is_array()) {
      return;
    }
    list_shape const shape = shape_of(node, name, builtin);
    for (auto at = live.begin(); at != live.end();) {
      std::string const label = element_name(*at, shape);
      auto const mine = gone.find(label);
      auto const still = kept.find(label);
      if (mine == gone.end()) {
        ++at;
      } else if (still == kept.end()) {
        at = live.erase(at);
      } else {
        remove(*at, *mine, *still, node != nullptr ? node->items.get() : nullptr, "");
        ++at;
      }
    }
  }

 private:
  inline static json const null_ = nullptr;
  inline static json const empty_ = json::object();
};

/// What a client wrote as fieldsV1 (managedFields is its to write), as the set of fields that the code here expects.
json as_field_set(json const& given) {
  json out = json::object();
  if (given.is_object()) {
    for (auto const& [key, inner] : given.items()) {
      out[key] = as_field_set(inner);
    }
  }
  return out;
}

void unite(json& into, json const& more) {
  for (auto const& [key, inner] : more.items()) {
    unite(into[key].is_null() ? (into[key] = json::object()) : into[key], inner);
  }
}

}  // namespace

std::vector<std::string> builtin_list_keys(std::string_view list_name) {
  struct merge_key {
    std::string_view list;
    std::string_view key;
  };
  // patchMergeKey of Kubernetes' own types, those that occur in the kinds served here.
  constexpr std::array<merge_key, 14> known = {{{"containers", "name"},
                                                {"initContainers", "name"},
                                                {"ephemeralContainers", "name"},
                                                {"env", "name"},
                                                {"volumes", "name"},
                                                {"volumeMounts", "mountPath"},
                                                {"volumeDevices", "devicePath"},
                                                {"imagePullSecrets", "name"},
                                                {"hostAliases", "ip"},
                                                {"conditions", "type"},
                                                {"ownerReferences", "uid"},
                                                {"resourceClaims", "name"},
                                                {"secrets", "name"},
                                                {"ports", "containerPort"}}};
  for (merge_key const& one : known) {
    if (one.list == list_name) {
      return {std::string(one.key)};
    }
  }
  return {};
}

result<json> apply_merge_patch(json target, json const& patch) {
  if (!patch.is_object()) {
    return status_error::bad_request("json: cannot unmarshal the patch into an object");
  }
  target.merge_patch(patch);
  return result<json>(boost::system::in_place_value, std::move(target));
}

result<json> apply_json_patch(json const& target, json const& patch) {
  if (!patch.is_array()) {
    return status_error::bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch");
  }
  if (patch.size() > 10000) {
    return status_error(413, "RequestEntityTooLarge",
                        "The allowed maximum operations in a JSON patch is 10000, got " + std::to_string(patch.size()));
  }
  try {
    json next = target;
    std::size_t copied = 0;
    for (json const& operation : patch) {
      if (nests_too_deeply(next, operation) || (copied += size_of_copy(next, operation)) > most_copied) {
        return does_not_apply();
      }
      json one = json::array();
      one.push_back(operation);
      next.patch_inplace(one);
    }
    return result<json>(boost::system::in_place_value, std::move(next));
  } catch (json::exception const&) {
    // The library reports by exception; what exactly went wrong is not said by the real server either.
    return does_not_apply();
  }
}

result<json> apply_strategic_patch(json target, json const& patch) {
  if (!patch.is_object()) {
    return status_error::bad_request("json: cannot unmarshal the patch into an object");
  }
  merge_strategically(target, patch);
  return result<json>(boost::system::in_place_value, std::move(target));
}

result<json> apply_server_side(json const& live, json const& applied, schema_node const* schema,
                               apply_request const& request) {
  walker walk;
  walk.builtin = schema == nullptr;
  // What identifies the object is nobody's to own.
  json wanted = applied;
  wanted.erase("apiVersion");
  wanted.erase("kind");
  if (auto const metadata = wanted.find("metadata"); metadata != wanted.end() && metadata->is_object()) {
    for (char const* field : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation",
                              "managedFields", "selfLink", "generateName"}) {
      metadata->erase(field);
    }
    if (metadata->empty()) {
      wanted.erase(metadata);
    }
  }
  json const set = walk.fields(wanted, schema, "");

  json entries = json::array();
  json previous = json::object();
  json others = json::object();
  json causes = json::array();
  std::string first_conflict;
  std::string previous_time;
  for (json const& entry : at_path(live, "metadata.managedFields")) {
    json const theirs = as_field_set(at_path(entry, "fieldsV1"));
    bool const mine = string_at(entry, "manager") == request.manager && string_at(entry, "operation") == "Apply" &&
                      string_at(entry, "subresource") == request.subresource;
    if (mine) {
      previous = theirs;
      previous_time = string_at(entry, "time");
      continue;
    }
    json kept = entry;
    std::vector<disagreement> found;
    walk.conflicts(live, wanted, theirs, schema, "", {}, found);
    for (disagreement const& one : found) {
      std::string const who = "conflict with " + json(string_at(entry, "manager")).dump();
      causes.push_back({{"reason", "FieldManagerConflict"}, {"message", who}, {"field", one.path}});
      first_conflict += (first_conflict.empty() ? "" : ", ") + who + ": " + one.path;
    }
    json set_of_theirs = theirs;
    if (request.force) {
      // Taken over: it is no longer theirs. Paths of map list elements stay shared; their keys name them for both.
      for (disagreement const& one : found) {
        if (one.in_list || one.steps.empty()) {
          continue;
        }
        json* at = &set_of_theirs;
        for (auto step = one.steps.begin(); step != std::prev(one.steps.end()); ++step) {
          at = &(*at)[*step];
        }
        at->erase(one.steps.back());
      }
      if (set_of_theirs != theirs) {
        kept["fieldsV1"] = set_of_theirs;
      }
    }
    unite(others, set_of_theirs);
    entries.push_back(std::move(kept));
  }
  if (!causes.empty() && !request.force) {
    std::size_t const n = causes.size();
    return status_error(
        409, "Conflict",
        "Apply failed with " + std::to_string(n) + (n == 1 ? " conflict: " : " conflicts: ") + first_conflict,
        {{"causes", causes}});
  }

  json next = live.is_null() ? applied : live;
  if (!live.is_null()) {
    json kept = others;
    unite(kept, set);
    walk.remove(next, previous, kept, schema, "");
    walk.merge(next, wanted, schema, "");
  }
  bool const unchanged = !live.is_null() && previous == set && next == live;
  std::string const time = unchanged && !previous_time.empty() ? previous_time : base::format_time(request.now);
  json entry = {{"manager", request.manager},        {"operation", "Apply"},
                {"apiVersion", request.api_version}, {"time", time},
                {"fieldsType", "FieldsV1"},          {"fieldsV1", set}};
  if (!request.subresource.empty()) {
    entry["subresource"] = request.subresource;
  }
  entries.push_back(std::move(entry));
  std::stable_sort(entries.begin(), entries.end(),
                   [](json const& a, json const& b) { return string_at(a, "manager") < string_at(b, "manager"); });
  next["metadata"]["managedFields"] = std::move(entries);
  return result<json>(boost::system::in_place_value, std::move(next));
}

}  // namespace codeexec::local
