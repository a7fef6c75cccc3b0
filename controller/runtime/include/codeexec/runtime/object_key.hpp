// The name an object goes by inside the operator: what queues carry and stores look up.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>

namespace codeexec::runtime {

/// A namespace and a name. Says nothing about the kind (each store and queue has one) nor about the UID: a pass looks
/// up whatever has the name now.
struct object_key {
  std::string ns;  ///< empty for cluster-scoped objects
  std::string name;

  object_key() = default;
  object_key(std::string in_namespace, std::string with_name)
      : ns(std::move(in_namespace)), name(std::move(with_name)) {}

  /// "namespace/name", or "name" where there is no namespace. For logs.
  std::string describe() const { return ns.empty() ? name : ns + "/" + name; }

  friend auto operator<=>(object_key const&, object_key const&) = default;
};

}  // namespace codeexec::runtime

template <>
struct std::hash<codeexec::runtime::object_key> {
  std::size_t operator()(codeexec::runtime::object_key const& key) const noexcept {
    auto const h = std::hash<std::string>{};
    auto const first = h(key.ns);
    return first ^ (h(key.name) + 0x9e3779b97f4a7c15ULL + (first << 6U) + (first >> 2U));
  }
};
