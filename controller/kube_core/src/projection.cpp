#include "codeexec/kube_core/projection.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <simdjson.h>
#include <string>

#include "codeexec/kube_core/json.hpp"

namespace codeexec::kube {
namespace {

using nlohmann::json;

projection const* below(kept_field const& field) {
  return field.below.empty() ? nullptr : &field.below;
}

/// nlohmann's SAX events, turned into a document of the kept fields. It never recurses, so that nesting costs no stack.
class pruner {
 public:
  pruner(projection const& keep, std::string_view list, std::function<void(json&&)> const* element)
      : root_keep_(keep.empty() ? nullptr : &keep), list_(list), element_(element) {}

  json take() { return std::move(root_); }

  bool null() { return value(nullptr); }
  bool boolean(bool v) { return value(v); }
  bool number_integer(std::int64_t v) { return value(v); }
  bool number_unsigned(std::uint64_t v) { return value(v); }
  bool number_float(double v, std::string const&) { return value(v); }
  // A copy, because the lexer goes on with the buffer that it lends us.
  bool string(std::string const& v) { return value(v); }
  bool binary(json::binary_t&) { return false; }  // not in JSON

  bool start_object(std::size_t) { return enter(json::value_t::object); }
  bool end_object() { return leave(); }
  bool start_array(std::size_t) { return enter(json::value_t::array); }
  bool end_array() { return leave(); }

  bool key(std::string const& name) {
    if (dropped_depth_ > 0) return true;
    auto const* const wanted = open_.back().keep;
    field_keep_ = nullptr;
    if (wanted != nullptr) {
      auto const found =
          std::find_if(wanted->begin(), wanted->end(), [&](kept_field const& one) { return one.name == name; });
      drop_next_ = found == wanted->end();
      if (drop_next_) return true;
      field_keep_ = below(*found);
    }
    field_ = &(*open_.back().value)[name];
    in_list_ = element_ != nullptr && open_.size() == 1 && name == list_;
    return true;
  }

  bool parse_error(std::size_t, std::string const&, nlohmann::json::exception const&) { return false; }

 private:
  struct level {
    json* value;
    projection const* keep;  ///< of an object's fields, or of the fields of a list's elements; null: everything
    bool handed_over;        ///< a list whose elements are not kept but handed over
  };

  /// Where the value that begins now belongs. A list's elements move when it grows, but only the last is ever open.
  json& place() {
    if (open_.empty()) return root_;
    auto& in = *open_.back().value;
    return in.is_array() ? in.emplace_back(nullptr) : *field_;
  }
  projection const* keep_of_place() const {
    if (open_.empty()) return root_keep_;
    return open_.back().value->is_array() ? open_.back().keep : field_keep_;
  }

  template <class V>
  bool value(V const& v) {
    if (dropped_depth_ > 0) return true;
    if (std::exchange(drop_next_, false)) return true;
    place() = v;
    hand_over();
    return true;
  }

  bool enter(json::value_t type) {
    if (dropped_depth_ > 0 || std::exchange(drop_next_, false)) {
      ++dropped_depth_;
      return true;
    }
    if (open_.size() == deepest_answer) return false;
    auto const* const keep = keep_of_place();
    auto& here = place();
    here = json(type);
    open_.push_back({&here, keep, type == json::value_t::array && std::exchange(in_list_, false)});
    return true;
  }

  bool leave() {
    if (dropped_depth_ > 0) {
      --dropped_depth_;
      return true;
    }
    open_.pop_back();
    hand_over();
    return true;
  }

  /// A value is complete; where it is an element of the list, it is somebody else's now.
  void hand_over() {
    if (open_.empty() || !open_.back().handed_over) return;
    auto& list = open_.back().value->get_ref<json::array_t&>();
    (*element_)(std::move(list.back()));
    list.clear();
  }

  json root_;
  projection const* root_keep_;
  std::string_view list_;
  std::function<void(json&&)> const* element_;
  std::vector<level> open_;
  std::size_t dropped_depth_ = 0;  // how deep we are in something that is not kept
  bool drop_next_ = false;         // the value of the key that was just read is not kept
  json* field_ = nullptr;          // where the value of that key goes otherwise
  projection const* field_keep_ = nullptr;
  bool in_list_ = false;  // and it is the list that is handed over
};

json parse_slowly(std::string_view text, pruner& into) {
  bool const whole = json::sax_parse(text, &into, json::input_format_t::json, true);
  return whole ? into.take() : json(json::value_t::discarded);
}

/// The same from a document that simdjson has read: it checks the whole text and leaves what is not kept where it is,
/// without copying a string of it.
class picker {
 public:
  /// What of a value is kept.
  class kept {
   public:
    kept() = default;  // everything
    explicit kept(projection const& fields) : fields_(fields.empty() ? nullptr : &fields) {}
    explicit kept(kept_field const& field) : fields_(below(field)), field_(&field) {}

    /// Of an object's fields; null: everything.
    projection const* of(simdjson::dom::element object) const {
      auto const* const lighter = field_ == nullptr ? nullptr : field_->lighter.get();
      return lighter != nullptr && is_in(object, *lighter) ? &lighter->keep : fields_;
    }
    bool has_every_type() const { return field_ == nullptr || field_->types.empty(); }
    bool has_type_of(simdjson::dom::element one) const {
      if (has_every_type()) return true;
      std::string_view type;
      return one["type"].get(type) == simdjson::SUCCESS && contains(field_->types, type);
    }

   private:
    static bool contains(std::vector<std::string_view> const& values, std::string_view value) {
      return std::find(values.begin(), values.end(), value) != values.end();
    }
    static bool is_in(simdjson::dom::element object, lighter_state const& state) {
      for (auto const name : state.path) {
        if (object[name].get(object) != simdjson::SUCCESS) return false;
      }
      std::string_view value;
      return object.get(value) == simdjson::SUCCESS && contains(state.values, value);
    }

    projection const* fields_ = nullptr;
    kept_field const* field_ = nullptr;
  };

  picker(std::string_view list, std::function<void(json&&)> const* element) : list_(list), element_(element) {}

  /// False: nested too deeply. `open`: how many objects and lists it is in.
  bool pick(simdjson::dom::element from, kept keep, std::size_t open, json& to) {
    using simdjson::dom::element_type;
    switch (from.type()) {
      case element_type::OBJECT:
        return open < deepest_answer && pick_fields(from.get_object().value_unsafe(), keep.of(from), open, to);
      case element_type::ARRAY:
        return open < deepest_answer && pick_elements(from.get_array().value_unsafe(), keep, open, to);
      case element_type::STRING:
        to = std::string(from.get_string().value_unsafe());
        return true;
      case element_type::INT64: {
        auto const number = from.get_int64().value_unsafe();
        to = number < 0 ? json(number) : json(static_cast<std::uint64_t>(number));
        return true;
      }
      case element_type::UINT64:
        to = from.get_uint64().value_unsafe();
        return true;
      case element_type::DOUBLE:
        to = from.get_double().value_unsafe();
        return true;
      case element_type::BOOL:
        to = from.get_bool().value_unsafe();
        return true;
      case element_type::NULL_VALUE:
        break;
    }
    to = nullptr;
    return true;
  }

 private:
  bool pick_fields(simdjson::dom::object from, projection const* keep, std::size_t open, json& to) {
    to = json::object();
    auto& fields = to.get_ref<json::object_t&>();
    for (auto const field : from) {
      kept keep_of_it;
      if (keep != nullptr) {
        auto const wanted =
            std::find_if(keep->begin(), keep->end(), [&](kept_field const& one) { return one.name == field.key; });
        if (wanted == keep->end()) continue;
        keep_of_it = kept(*wanted);
      }
      auto& here = fields[std::string(field.key)];
      bool const handed_over = element_ != nullptr && open == 0 && field.key == list_ && field.value.is_array();
      bool const picked = handed_over ? hand_over(field.value.get_array().value_unsafe(), keep_of_it, here)
                                      : pick(field.value, keep_of_it, open + 1, here);
      if (!picked) return false;
    }
    return true;
  }

  bool pick_elements(simdjson::dom::array from, kept keep, std::size_t open, json& to) {
    to = json::array();
    auto& elements = to.get_ref<json::array_t&>();
    if (keep.has_every_type()) elements.reserve(from.size());
    for (auto const one : from) {
      if (!keep.has_type_of(one)) continue;
      if (!pick(one, keep, open + 1, elements.emplace_back())) return false;
    }
    return true;
  }

  bool hand_over(simdjson::dom::array from, kept keep, json& to) {
    to = json::array();
    for (auto const one : from) {
      json element;
      if (!pick(one, keep, 2, element)) return false;
      (*element_)(std::move(element));
    }
    return true;
  }

  std::string_view list_;
  std::function<void(json&&)> const* element_;
};

/// A parser's memory is a multiple of the longest text it has read. Watch lines and single objects share one for ever.
/// The pages of a list share another, which is given back with the first short text that is read after them: fresh
/// memory for each would cost as much as the reading.
constexpr std::size_t longest_short_text = 256U * 1024;

struct shared_parser {
  std::optional<simdjson::dom::parser> parser;
  bool in_use = false;  // by a caller of ours: an element may be given to somebody who parses
};

json parse(std::string_view text, projection const& keep, std::string_view list,
           std::function<void(json&&)> const* element) {
  thread_local shared_parser for_short;
  thread_local shared_parser for_long;
  bool const is_short = text.size() <= longest_short_text;
  if (is_short && !for_long.in_use) for_long.parser.reset();
  auto& shared = is_short ? for_short : for_long;
  bool const use_shared = !shared.in_use;
  struct release {
    shared_parser& of;
    bool took;
    ~release() { of.in_use = of.in_use && !took; }
  } const at_end{shared, use_shared};
  if (use_shared) shared.in_use = true;
  std::optional<simdjson::dom::parser> own;
  auto& mine = use_shared ? shared.parser : own;
  if (!mine) mine.emplace();
  auto& parser = *mine;
  simdjson::dom::element document;
  if (parser.parse(text.data(), text.size()).get(document) != simdjson::SUCCESS) {
    // It refuses more than what is no JSON: integers beyond 64 bits, deep nesting in what nobody keeps.
    pruner into(keep, list, element);
    return parse_slowly(text, into);
  }
  json kept;
  bool const shallow = picker(list, element).pick(document, picker::kept(keep), 0, kept);
  return shallow ? kept : json(json::value_t::discarded);
}

/// Two things stand where a watch's object usually does: a bookmark, of which one annotation counts, and a Status. No
/// object of the API has the fields of a Status at its top.
projection with_other_events(projection object) {
  auto const metadata =
      std::find_if(object.begin(), object.end(), [](kept_field const& one) { return one.name == "metadata"; });
  if (metadata != object.end() && !metadata->below.empty()) {
    char const* const mark = "k8s.io/initial-events-end";
    auto const kept = std::find_if(metadata->below.begin(), metadata->below.end(),
                                   [](kept_field const& one) { return one.name == "annotations"; });
    if (kept == metadata->below.end()) {
      metadata->below.push_back({"annotations", {mark}});
    } else if (!kept->below.empty()) {
      kept->below.emplace_back(mark);
    }
  }
  for (auto const* const field : {"kind", "message", "reason", "code", "details"})
    object.emplace_back(field);
  return object;
}

}  // namespace

kept_field kept_metadata() {
  return {"metadata",
          {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
           "labels", "finalizers", "ownerReferences"}};
}

projection list_projection(projection object, std::optional<lighter_state> lighter) {
  if (object.empty()) return {};
  kept_field items("items", std::move(object));
  if (lighter) items.lighter = std::make_shared<lighter_state const>(std::move(*lighter));
  return {{"metadata", {"resourceVersion", "continue", "remainingItemCount"}}, std::move(items)};
}

projection watch_projection(projection object, std::optional<lighter_state> lighter) {
  if (object.empty()) return {};
  kept_field told("object", with_other_events(std::move(object)));
  if (lighter) told.lighter = std::make_shared<lighter_state const>(std::move(*lighter));
  return {"type", std::move(told)};
}

json parse_answer(std::string_view text) {
  return parse_kept(text, {});
}

json parse_kept(std::string_view text, projection const& keep) {
  return parse(text, keep, {}, nullptr);
}

json parse_kept(std::string_view text, projection const& keep, std::string_view list,
                std::function<void(json&&)> const& element) {
  return parse(text, keep, list, &element);
}

}  // namespace codeexec::kube
