// Which fields of a document are worth keeping, and a parser that never stores the rest.
//
// Most of what an API server sends about an object is of no use to us: managedFields alone is often half of it. What is
// not named here is lexed and dropped, so that a page of five hundred Pods costs the memory of the page's text and of
// one pruned Pod.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace codeexec::kube {

struct lighter_state;

/// A field, and what of it is kept: all of it where nothing is named. A list is looked through: what is named counts
/// for each of its elements.
///
///     projection const kept{{"metadata", {"name", "labels"}}, {"status", {{"conditions", {"type", "status"}}}}};
struct kept_field {
  // Not explicit: a projection reads as a list of names.
  kept_field(char const* field_name, std::vector<kept_field> of_it = {}) : name(field_name), below(std::move(of_it)) {}

  std::string_view name;  ///< a literal
  std::vector<kept_field> below;

  // Both save work and are no promise: the parser that takes over from the quick one keeps what they would leave out.
  /// Of a list of objects the elements whose `type` is one of these literals; empty: all.
  std::vector<std::string_view> types;
  /// In place of `below` for objects in a state of which less is needed; null: there is none.
  std::shared_ptr<lighter_state const> lighter;
};

/// Empty: everything is kept.
using projection = std::vector<kept_field>;

/// "Of an object whose field at `path` has one of these texts, `keep` is enough."
struct lighter_state {
  std::vector<std::string_view> path;    ///< literals
  std::vector<std::string_view> values;  ///< literals
  projection keep;
};

/// Of metadata: who the object is, which state of it this is, and what owners, selectors and finalizers need. No
/// managedFields and no annotations: kubectl keeps a copy of the whole object in one.
kept_field kept_metadata();

/// What of a whole list or watch line is needed to read objects of which `object` is kept. Made once, used for every
/// page or line. `object`, and `lighter` where there is one, must keep metadata's name, namespace, uid and
/// resourceVersion; an empty `object` keeps everything.
projection list_projection(projection object, std::optional<lighter_state> lighter = std::nullopt);
projection watch_projection(projection object, std::optional<lighter_state> lighter = std::nullopt);

/// The kept part of `text`; discarded (is_discarded()) where it is not JSON, or where that part is nested deeper than
/// json.hpp allows. Never throws.
nlohmann::json parse_kept(std::string_view text, projection const& keep);

/// The same, but the elements of the list in the field `list` of the outermost object are handed over one by one as
/// they come, and the list stays empty. They may have been handed over although the text turns out to be no JSON.
nlohmann::json parse_kept(std::string_view text, projection const& keep, std::string_view list,
                          std::function<void(nlohmann::json&&)> const& element);

}  // namespace codeexec::kube
