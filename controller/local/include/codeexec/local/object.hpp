// One version of one API object: immutable, shared, serialised at most once.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace codeexec::local {

/// A handle, cheap to copy; null where there is no object. Never changes: a write makes a new one.
/// Thread: one (the text is made on first use, without a lock).
class object {
 public:
  object() = default;
  /// `value` must hold metadata.
  explicit object(nlohmann::json value);

  explicit operator bool() const { return state_ != nullptr; }
  nlohmann::json const& operator*() const { return state_->value; }
  nlohmann::json const* operator->() const { return &state_->value; }
  /// For code that wants to keep the JSON alone alive.
  std::shared_ptr<nlohmann::json const> shared_json() const {
    return std::shared_ptr<nlohmann::json const>(state_, &state_->value);
  }

  /// Compact JSON. Invalid UTF-8 is replaced, so that this never throws.
  std::string const& text() const;

  std::string const& name() const { return state_->name; }
  std::string const& ns() const { return state_->ns; }  ///< empty: cluster-scoped
  std::string const& uid() const { return state_->uid; }
  std::uint64_t resource_version() const { return state_->resource_version; }
  bool being_deleted() const { return state_->being_deleted; }

  friend bool operator==(object const& a, object const& b) { return a.state_ == b.state_; }

 private:
  struct state {
    nlohmann::json value;
    std::string name;
    std::string ns;
    std::string uid;
    std::uint64_t resource_version = 0;
    bool being_deleted = false;
    mutable std::string text;
  };
  std::shared_ptr<state const> state_;
};

/// Reads `value` at "spec.template.spec" without making anything; null JSON where a step is missing or not an object.
nlohmann::json const& at_path(nlohmann::json const& value, std::string_view dotted);
/// The string at that path, or empty.
std::string string_at(nlohmann::json const& value, std::string_view dotted);
/// The integer at that path; none where there is something else or nothing.
std::optional<std::int64_t> integer_at(nlohmann::json const& value, std::string_view dotted);
/// The strings of the list at that path, without what is no string; none where there is no list.
std::vector<std::string> strings_at(nlohmann::json const& value, std::string_view dotted);

}  // namespace codeexec::local
