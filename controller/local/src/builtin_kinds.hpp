// The built-in kinds, field by field: what JSON decoding, protobuf decoding and OpenAPI are made from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace codeexec::local {

/// A field of a built-in struct.
struct builtin_field {
  std::string name;
  int number = 0;         ///< in protobuf (generated.proto of k8s.io/api); 0: not read from protobuf
  std::string type;       ///< see builtin_kinds.cpp
  std::string merge_key;  ///< a list that strategic merge patches merge by this field of its elements
  bool required = false;
  std::string description;
};

/// A kind, or a part of one.
struct builtin_struct {
  std::string package;  ///< "core", "batch", "meta"...
  std::string name;
  std::string description;
  std::vector<builtin_field> fields;

  builtin_field const* field(int number) const;
};

/// Null where there is none of this name in the package.
builtin_struct const* find_builtin(std::string_view package, std::string_view name);
/// What "@NAME" means inside `from`: of its own package, else of core, else of meta. Null: nothing.
builtin_struct const* resolve_builtin(builtin_struct const& from, std::string_view name);
/// The package of an API group: "batch" of batch, "coordination" of coordination.k8s.io, "core" of "".
std::string builtin_package(std::string_view group);

}  // namespace codeexec::local
