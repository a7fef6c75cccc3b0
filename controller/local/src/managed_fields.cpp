#include "codeexec/local/managed_fields.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "codeexec/local/object.hpp"
#include "codeexec/local/patch.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

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

  /// How the elements of `list` are told apart. As one value, where they cannot be: one names no key, or two the same.
  list_shape shape_for(json const& list, schema_node const* node, std::string_view name) const {
    list_shape shape = shape_of(node, name, builtin);
    if (shape.what == list_shape::kind::atomic) {
      return shape;
    }
    std::set<std::string> seen;
    bool const distinct = std::all_of(list.begin(), list.end(), [&](json const& element) {
      bool const named = shape.what == list_shape::kind::set ||
                         std::any_of(shape.keys.begin(), shape.keys.end(), [&](std::string const& key) {
                           return element.is_object() && element.contains(key);
                         });
      return named && seen.insert(element_name(element, shape)).second;
    });
    return distinct ? shape : list_shape{};
  }

  /// `made`: the writer made the maps themselves too, which a "." tells.
  json fields(json const& value, schema_node const* node, std::string_view name, bool made = false) const {
    if (value.is_object() && (node == nullptr || !node->atomic_map)) {
      json out = json::object();
      if (made && !value.empty() && is_made(name)) {
        out["."] = json::object();
      }
      for (auto const& [key, inner] : value.items()) {
        out["f:" + key] = fields(inner, child(node, key), key, made);
      }
      return out;
    }
    if (value.is_array()) {
      list_shape const shape = shape_for(value, node, name);
      if (shape.what == list_shape::kind::atomic) {
        return json::object();
      }
      json out = json::object();
      for (json const& element : value) {
        json inner = json::object();
        if (shape.what == list_shape::kind::map) {
          inner = fields(element, node != nullptr ? node->items.get() : nullptr, "", made);
          inner["."] = json::object();
        }
        out[element_name(element, shape)] = std::move(inner);
      }
      return out;
    }
    return json::object();
  }

  /// Maps of built-in kinds are mostly structs, which are there without anybody making them.
  bool is_made(std::string_view name) const {
    constexpr std::array<std::string_view, 7> maps = {"labels", "annotations",  "matchLabels", "data",
                                                      "limits", "nodeSelector", "requests"};
    return name == "labels" || name == "annotations" ||
           (builtin ? std::find(maps.begin(), maps.end(), name) != maps.end() : !name.empty() && name != "metadata");
  }

  /// Notes under `key` what a write made of `was` set (anew or differently), and what it took away.
  void differ(json const& was, json const& is, schema_node const* node, std::string_view name, std::string const& key,
              json& set, json& gone) const {
    if (was == is) {
      return;
    }
    json set_inside = json::object();
    json gone_inside = json::object();
    bool const maps = was.is_object() && is.is_object() && (node == nullptr || !node->atomic_map);
    list_shape const shape = was.is_array() && is.is_array() ? shape_for(is, node, name) : list_shape{};
    if (maps) {
      for (auto const& [inner, value] : is.items()) {
        auto const before = was.find(inner);
        if (before == was.end()) {
          set_inside["f:" + inner] = fields(value, child(node, inner), inner, true);
        } else {
          differ(*before, value, child(node, inner), inner, "f:" + inner, set_inside, gone_inside);
        }
      }
      for (auto const& [inner, value] : was.items()) {
        if (!is.contains(inner)) {
          gone_inside["f:" + inner] = fields(value, child(node, inner), inner, true);
        }
      }
    } else if (shape.what != list_shape::kind::atomic) {
      schema_node const* const items = node != nullptr ? node->items.get() : nullptr;
      std::map<std::string, json const*> before;
      for (json const& element : was) {
        before[element_name(element, shape)] = &element;
      }
      for (json const& element : is) {
        std::string const label = element_name(element, shape);
        auto const at = before.find(label);
        if (at == before.end()) {
          set_inside[label] = element_fields(element, items, shape);
        } else {
          differ(*at->second, element, items, "", label, set_inside, gone_inside);
          before.erase(at);
        }
      }
      for (auto const& [label, element] : before) {
        gone_inside[label] = element_fields(*element, items, shape);
      }
    } else {
      set[key] = fields(is, node, name, true);
      if (was.is_structured()) {
        gone[key] = fields(was, node, name, true);
      }
      return;
    }
    if (!set_inside.empty()) {
      set[key] = std::move(set_inside);
    }
    if (!gone_inside.empty()) {
      gone[key] = std::move(gone_inside);
    }
  }

  json element_fields(json const& element, schema_node const* items, list_shape const& shape) const {
    json out = json::object();
    if (shape.what == list_shape::kind::map) {
      out = fields(element, items, "", true);
      out["."] = json::object();
    }
    return out;
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
      list_shape const shape = shape_for(applied, node, name);
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
    list_shape const shape = applied.is_array() ? shape_for(applied, node, name) : list_shape{};
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

/// Takes the fields of `gone` out of `from`, and what holds none any more.
void subtract(json& from, json const& gone) {
  for (auto const& [key, inner] : gone.items()) {
    auto const found = from.find(key);
    if (found == from.end()) {
      continue;
    }
    if (found->empty() ? inner.empty() || inner.contains(".") : !inner.empty()) {
      subtract(*found, inner);
      if (found->empty()) {
        from.erase(found);
      }
    }
  }
}

/// What identifies an object, and what the server keeps of it, is nobody's to own.
json ownable_part(json value) {
  for (char const* field : {"apiVersion", "kind"}) {
    value.erase(field);
  }
  if (auto const metadata = value.find("metadata"); metadata != value.end() && metadata->is_object()) {
    for (char const* field :
         {"name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp",
          "deletionGracePeriodSeconds", "generation", "managedFields", "selfLink", "generateName"}) {
      metadata->erase(field);
    }
    if (metadata->empty()) {
      value.erase(metadata);
    }
  }
  return value;
}

/// As conflicts name the writer of this entry (apimachinery, managedfields/internal/conflict.go).
std::string describe_manager(json const& entry) {
  std::string out = json(string_at(entry, "manager")).dump();
  if (std::string const subresource = string_at(entry, "subresource"); !subresource.empty()) {
    out += " with subresource " + json(subresource).dump();
  }
  if (string_at(entry, "operation") == "Update") {
    out += " using " + string_at(entry, "apiVersion");
    if (std::string const time = string_at(entry, "time"); !time.empty()) {
      out += " at " + time;
    }
  }
  return out;
}

struct contender {
  std::string who;
  std::vector<disagreement> about;
};

status_error apply_conflict(std::vector<contender> against) {
  std::sort(against.begin(), against.end(), [](contender const& a, contender const& b) { return a.who < b.who; });
  json causes = json::array();
  std::string each;
  for (auto const& [who, about] : against) {
    each += (each.empty() ? "" : "\n") + ("conflicts with " + who + ":");
    for (disagreement const& one : about) {
      causes.push_back({{"reason", "FieldManagerConflict"}, {"message", "conflict with " + who}, {"field", one.path}});
      each += "\n- " + one.path;
    }
  }
  if (causes.size() == 1) {
    each = "conflict with " + against.front().who + ": " + against.front().about.front().path;
  }
  return status_error(409, "Conflict",
                      "Apply failed with " + std::to_string(causes.size()) +
                          (causes.size() == 1 ? " conflict: " : " conflicts: ") + each,
                      {{"causes", causes}});
}

/// Appliers first.
void sort_entries(json& entries) {
  std::stable_sort(entries.begin(), entries.end(), [](json const& a, json const& b) {
    return std::pair(string_at(a, "operation"), string_at(a, "manager")) <
           std::pair(string_at(b, "operation"), string_at(b, "manager"));
  });
}

}  // namespace

json managed_fields_after(json const& before, json const& next, schema_node const* schema,
                          update_author const& author) {
  walker walk;
  walk.builtin = schema == nullptr;
  json const& known = at_path(next, "metadata.managedFields");
  json entries = known.is_array() ? known : json::array();
  if (entries.empty() && !before.is_null()) {
    return entries;  // as on a real server: one that was never told of the first writer tells of none
  }
  json set = json::object();
  json gone = json::object();
  // A struct of a built-in kind is there from the beginning.
  json const was = before.is_null() ? json::object() : ownable_part(before);
  walk.differ(was, ownable_part(next), schema, "", "", set, gone);
  set = set.empty() ? json::object() : json(set.at(""));
  gone = gone.empty() ? json::object() : json(gone.at(""));
  if (set.empty() && gone.empty()) {
    return entries;
  }
  std::string const now = base::format_time(author.now);
  bool noted = false;
  json out = json::array();
  for (json& entry : entries) {
    json const held = as_field_set(at_path(entry, "fieldsV1"));
    bool const own = string_at(entry, "manager") == author.manager && string_at(entry, "operation") == "Update" &&
                     string_at(entry, "subresource") == author.subresource &&
                     string_at(entry, "apiVersion") == author.api_version;
    json left = held;
    subtract(left, gone);
    if (own) {
      unite(left, set);
      noted = true;
    } else {
      subtract(left, set);
    }
    if (left.empty()) {
      continue;
    }
    if (left != held) {
      entry["fieldsV1"] = std::move(left);
    }
    if (own) {
      entry["time"] = now;
    }
    out.push_back(std::move(entry));
  }
  if (!noted && !set.empty()) {
    json entry = {{"manager", author.manager},        {"operation", "Update"},
                  {"apiVersion", author.api_version}, {"time", now},
                  {"fieldsType", "FieldsV1"},         {"fieldsV1", std::move(set)}};
    if (!author.subresource.empty()) {
      entry["subresource"] = author.subresource;
    }
    out.push_back(std::move(entry));
  }
  sort_entries(out);
  return out;
}

result<json> apply_server_side(json const& live, json const& applied, schema_node const* schema,
                               apply_request const& request) {
  walker walk;
  walk.builtin = schema == nullptr;
  json const wanted = ownable_part(applied);
  json const set = walk.fields(wanted, schema, "");

  json entries = json::array();
  json previous = json::object();
  json others = json::object();
  std::vector<contender> against;
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
    if (!found.empty()) {
      against.push_back({describe_manager(entry), found});
    }
    json set_of_theirs = theirs;
    if (request.force) {
      // Taken over: it is no longer theirs. Paths of map list elements stay shared; their keys name them for both.
      for (disagreement const& one : found) {
        if (one.in_list) {
          continue;
        }
        json taken = json::object();
        for (auto step = one.steps.rbegin(); step != one.steps.rend(); ++step) {
          taken = json{{*step, std::move(taken)}};
        }
        subtract(set_of_theirs, taken);
      }
      if (set_of_theirs != theirs) {
        if (set_of_theirs.empty()) {
          continue;
        }
        kept["fieldsV1"] = set_of_theirs;
      }
    }
    unite(others, set_of_theirs);
    entries.push_back(std::move(kept));
  }
  if (!against.empty() && !request.force) {
    return apply_conflict(against);
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
  sort_entries(entries);
  next["metadata"]["managedFields"] = std::move(entries);
  return result<json>(boost::system::in_place_value, std::move(next));
}

}  // namespace codeexec::local
