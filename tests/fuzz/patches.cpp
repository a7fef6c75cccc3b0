// The stand-in's patches: the kind, the object and the patch, a line each.
//
// Holds: nothing throws; the result can be written; a merge patch or an apply that was done once changes nothing when
// it is done again; the difference that a JSON patch made is a JSON patch; a strategic patch that names no list is a
// merge patch; a small patch does not make a large object.
#include "codeexec/local/managed_fields.hpp"
#include "codeexec/local/object.hpp"
#include "codeexec/local/patch.hpp"

#include "property.hpp"

namespace codeexec::fuzz {
namespace {

using local::schema_node;
using nlohmann::json;

/// spec.items is a list with the key "key", spec.tags a set, spec.whole a map that is one value; the rest is as it
/// comes.
schema_node const* custom_schema() {
  static auto const root = [] {
    auto items = std::make_shared<schema_node>();
    items->list_type = "map";
    items->map_keys = {"key"};
    auto tags = std::make_shared<schema_node>();
    tags->list_type = "set";
    auto whole = std::make_shared<schema_node>();
    whole->atomic_map = true;
    auto spec = std::make_shared<schema_node>();
    spec->properties = {{"items", items}, {"tags", tags}, {"whole", whole}};
    auto out = std::make_shared<schema_node>();
    out->properties = {{"spec", spec}};
    return out;
  }();
  return root.get();
}

void check_size(json const& made, std::size_t given) {
  auto const text = made.dump();
  hold(text.size() <= 8U * 1024 * 1024 + given, "a small patch does not make a large object");
}

void check_merge(json const& target, json const& patch, std::size_t given) {
  auto const once = local::apply_merge_patch(target, patch);
  if (!once) return;
  check_size(*once, given);
  auto const twice = local::apply_merge_patch(*once, patch);
  hold(twice && *twice == *once, "a merge patch done twice is done once");
}

void check_json_patch(json const& target, json const& patch, std::size_t given) {
  auto const made = local::apply_json_patch(target, patch);
  if (!made) return;
  check_size(*made, given);
  auto const difference = json::diff(target, *made);
  auto const again = local::apply_json_patch(target, difference);
  hold(again && *again == *made, "the difference that a JSON patch made is a JSON patch");
}

void check_strategic(json const& target, json const& patch, std::string_view patch_text, std::size_t given) {
  auto const made = local::apply_strategic_patch(target, patch);
  if (!made) return;
  check_size(*made, given);
  auto const untouched = local::apply_strategic_patch(*made, json::object());
  hold(!made->is_object() || (untouched && *untouched == *made), "an empty patch changes nothing");
  if (patch_text.find_first_of("[$\\") != std::string_view::npos) return;
  auto const merged = local::apply_merge_patch(target, patch);
  hold(merged && *merged == *made, "a strategic patch without lists is a merge patch");
}

void check_apply(json const& live, json applied, bool force, std::size_t given) {
  // What the server has seen to before it merges.
  if (!applied.is_object() || !(live.is_null() || (live.is_object() && local::at_path(live, "metadata").is_object())))
    return;
  if (!applied["metadata"].is_object()) applied["metadata"] = json::object();
  applied["metadata"].erase("managedFields");
  applied["metadata"]["name"] = "a";

  local::apply_request how;
  how.manager = "one";
  how.api_version = "example.dev/v1";
  how.force = force;
  for (auto const* schema : {custom_schema(), static_cast<schema_node const*>(nullptr)}) {
    auto const once = local::apply_server_side(live, applied, schema, how);
    if (!once) {
      hold(!force, "force ends every conflict");
      continue;
    }
    check_size(*once, given);
    auto const twice = local::apply_server_side(*once, applied, schema, how);
    hold(twice.has_value(), "who has applied can apply the same again");
    hold(*twice == *once, "applying the same again changes nothing");
  }
}

void check(std::string_view input) {
  auto const first = input.find('\n');
  if (first == std::string_view::npos) return;
  auto const second = input.find('\n', first + 1);
  if (second == std::string_view::npos || deeper_than(input, 200)) return;
  auto const kind = input.substr(0, first);
  auto const target_text = input.substr(first + 1, second - first - 1);
  auto const patch_text = input.substr(second + 1);
  auto const target = json::parse(target_text, nullptr, false);
  auto const patch = json::parse(patch_text, nullptr, false);
  if (target.is_discarded() || patch.is_discarded()) return;

  if (kind == "merge") check_merge(target, patch, input.size());
  if (kind == "json") check_json_patch(target, patch, input.size());
  if (kind == "strategic") check_strategic(target, patch, patch_text, input.size());
  if (kind == "apply" || kind == "force") check_apply(target, patch, kind == "force", input.size());
}

}  // namespace
}  // namespace codeexec::fuzz

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  codeexec::fuzz::check(codeexec::fuzz::as_text(data, size));
  return 0;
}
