// Reads fields of a JSON object into variables and remembers the first that has the wrong type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "codeexec/api/json.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/kube_core/projection.hpp"

namespace codeexec::kube {

/// Absent and null leave the variable as it is (the API server writes `"lastProbeTime": null`). After the first error
/// the rest is read on, harmlessly; only that first one is reported.
class field_reader {
 public:
  field_reader(nlohmann::json const& root, std::optional<api::decode_error>& failure)
      : object_(root), failure_(failure) {
    expect_object();
  }

  void read(char const* key, std::string& out) {
    auto const* const value = find(key);
    if (value == nullptr) return;
    if (value->is_string()) {
      out = value->get<std::string>();
    } else {
      fail(path_of(key), "a string", *value);
    }
  }

  void read(char const* key, std::int64_t& out) {
    auto const* const value = find(key);
    if (value == nullptr) return;
    if (value->is_number_integer()) {
      out = value->get<std::int64_t>();
    } else {
      fail(path_of(key), "an integer", *value);
    }
  }

  void read(char const* key, bool& out) {
    auto const* const value = find(key);
    if (value == nullptr) return;
    if (value->is_boolean()) {
      out = value->get<bool>();
    } else {
      fail(path_of(key), "a boolean", *value);
    }
  }

  void read(char const* key, std::optional<base::wall_time>& out) {
    std::string text;
    read(key, text);
    if (text.empty()) return;
    out = base::parse_time(text);
    if (!out) fail(path_of(key), "an RFC 3339 time, got another string");
  }

  template <class T>
  void read(char const* key, std::optional<T>& out) {
    if (find(key) == nullptr) return;
    T value{};
    read(key, value);
    out = std::move(value);
  }

  /// `visit(field_reader&)` for the object at `key`, where there is one.
  template <class Visit>
  void object(char const* key, Visit visit) {
    auto const* const value = find(key);
    if (value == nullptr) return;
    field_reader inner(*value, *this, key, no_index);
    visit(inner);
  }

  /// `visit(field_reader&)` for every element of the array at `key`.
  template <class Visit>
  void each(char const* key, Visit visit) {
    auto const* const value = find(key);
    if (value == nullptr) return;
    if (!value->is_array()) {
      fail(path_of(key), "an array", *value);
      return;
    }
    for (std::size_t i = 0; i < value->size(); ++i) {
      field_reader inner((*value)[i], *this, key, i);
      visit(inner);
    }
  }

  /// The value at `key`, or null where it is absent or null.
  nlohmann::json const* find(char const* key) const {
    if (!object_.is_object()) return nullptr;
    auto const at = object_.find(key);
    return at == object_.end() || at->is_null() ? nullptr : &*at;
  }

 private:
  static constexpr std::size_t no_index = static_cast<std::size_t>(-1);

  field_reader(nlohmann::json const& object, field_reader const& parent, char const* key, std::size_t index)
      : object_(object), parent_(&parent), key_(key), index_(index), failure_(parent.failure_) {
    expect_object();
  }

  void expect_object() {
    if (!object_.is_object()) fail(path(), "an object", object_);
  }

  /// Spelled out only when something is wrong.
  std::string path() const {
    if (parent_ == nullptr) return {};
    auto out = parent_->path_of(key_);
    if (index_ != no_index) out += "[" + std::to_string(index_) + "]";
    return out;
  }
  std::string path_of(char const* key) const {
    auto const here = path();
    return here.empty() ? key : here + "." + key;
  }

  void fail(std::string field, std::string_view expected, nlohmann::json const& got) {
    fail(std::move(field), std::string(expected) + ", got " + std::string(describe_type(got)));
  }
  void fail(std::string field, std::string expected_and_got) {
    if (!failure_) failure_ = api::decode_error{std::move(field), "expected " + std::move(expected_and_got)};
  }
  static std::string_view describe_type(nlohmann::json const& value) {
    switch (value.type()) {
      case nlohmann::json::value_t::object:
        return "an object";
      case nlohmann::json::value_t::array:
        return "an array";
      case nlohmann::json::value_t::string:
        return "a string";
      case nlohmann::json::value_t::boolean:
        return "a boolean";
      case nlohmann::json::value_t::null:
        return "null";
      default:
        return "a number";
    }
  }

  nlohmann::json const& object_;
  field_reader const* parent_ = nullptr;
  char const* key_ = nullptr;
  std::size_t index_ = no_index;
  std::optional<api::decode_error>& failure_;
};

/// metadata is there for every object of the API, and what we key by.
std::variant<api::ObjectMeta, api::decode_error> read_metadata(nlohmann::json const& object);

/// A T from an object: its metadata, then what `read_rest(field_reader&, T&)` reads of the rest.
template <class T, class ReadRest>
std::variant<T, api::decode_error> decode_object(nlohmann::json const& object, ReadRest read_rest) {
  auto metadata = read_metadata(object);
  if (auto* const missing = std::get_if<api::decode_error>(&metadata)) return std::move(*missing);
  T out;
  out.metadata = std::move(std::get<api::ObjectMeta>(metadata));
  std::optional<api::decode_error> failure;
  field_reader root(object, failure);
  read_rest(root, out);
  if (failure) return std::move(*failure);
  return out;
}

void read_conditions(field_reader& status, std::vector<api::Condition>& out);
/// What read_conditions() reads.
kept_field kept_conditions();
api::Condition const* find_condition(std::vector<api::Condition> const& conditions, std::string_view type);

}  // namespace codeexec::kube
