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

/// One operation, with what the library leaves unsaid: where the parent of a path is no object and no list, it asserts
/// (add) or does nothing (remove). A move is a removal and an addition (RFC 6902, 4.4), each looked at on its own.
void carry_out(json& document, json const& operation) {
  std::string const op = string_at(operation, "op");
  std::string const path = string_at(operation, "path");
  if (op == "move") {
    json value = document.at(json::json_pointer(string_at(operation, "from")));
    carry_out(document, {{"op", "remove"}, {"path", string_at(operation, "from")}});
    carry_out(document, {{"op", "add"}, {"path", path}, {"value", std::move(value)}});
    return;
  }
  bool const changes_parent = op == "add" || op == "remove" || op == "copy";
  if (changes_parent && path.find('/') != std::string::npos) {
    // Throws where there is none.
    json const& parent = document.at(json::json_pointer(path).parent_pointer());
    if (!parent.is_structured()) {
      throw json::other_error::create(502, "the parent is no object and no list", &parent);
    }
  }
  json one = json::array();
  one.push_back(operation);
  document.patch_inplace(one);
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
      carry_out(next, operation);
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

}  // namespace codeexec::local
