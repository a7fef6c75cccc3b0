// An optional that takes the room of a pointer where it is empty. For what few objects have, or only while they run, in
// types of which a hundred thousand are kept.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace codeexec::api {

/// Owns its value; a copy has its own. Empty after it was moved from. Used as std::optional is.
template <class T>
class boxed {
 public:
  boxed() = default;
  /// From whatever makes a T, without being asked: as std::optional does.
  template <class U>
  requires(!std::is_same_v<std::remove_cvref_t<U>, boxed> && std::is_convertible_v<U, T>) boxed(U&& value)
      : value_(std::make_unique<T>(std::forward<U>(value))) {}
  boxed(boxed const& other) : value_(other ? std::make_unique<T>(*other) : nullptr) {}
  boxed(boxed&&) noexcept = default;
  boxed& operator=(boxed const& other) {
    if (this != &other) value_ = other ? std::make_unique<T>(*other) : nullptr;
    return *this;
  }
  boxed& operator=(boxed&&) noexcept = default;
  ~boxed() = default;

  bool has_value() const { return value_ != nullptr; }
  explicit operator bool() const { return has_value(); }
  T& operator*() { return *value_; }
  T const& operator*() const { return *value_; }
  T* operator->() { return value_.get(); }
  T const* operator->() const { return value_.get(); }
  template <class U>
  T value_or(U&& otherwise) const {
    return value_ ? *value_ : static_cast<T>(std::forward<U>(otherwise));
  }

  template <class... Parts>
  T& emplace(Parts&&... parts) {
    value_ = std::make_unique<T>(std::forward<Parts>(parts)...);
    return *value_;
  }
  void reset() { value_.reset(); }

  friend bool operator==(boxed const& a, boxed const& b) { return a.has_value() == b.has_value() && (!a || *a == *b); }
  template <class U>
  requires(!std::is_same_v<U, boxed> && std::is_convertible_v<U const&, T>) friend bool operator==(boxed const& a,
                                                                                                   U const& b) {
    return a && *a == b;
  }

 private:
  std::unique_ptr<T> value_;
};

}  // namespace codeexec::api
