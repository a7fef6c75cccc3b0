// CustomResourceDefinitions: loaded from files or created through the API, served as types of the store.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "codeexec/base/result.hpp"
#include "codeexec/local/schema.hpp"
#include "codeexec/local/store.hpp"

namespace codeexec::local {

/// What a definition says, compiled. Shared by the strategy, by decoding and by OpenAPI.
struct custom_type {
  resource_type type;
  structural_schema schema;
  nlohmann::json open_api;  ///< the openAPIV3Schema as it was written

  /// One served version; no conversion. The errors name the field.
  static std::variant<std::shared_ptr<custom_type const>, field_errors> from_definition(nlohmann::json const& crd);
};

/// Keeps the store's types in step with the definitions in it.
/// Thread: the store's. Lifetime: the store must outlive it.
class custom_types {
 public:
  explicit custom_types(store& objects);
  custom_types(custom_types const&) = delete;
  custom_types& operator=(custom_types const&) = delete;
  ~custom_types();

  /// Serves every definition in the store (those just restored, before their objects are). Then follows changes.
  void start();
  /// Creates or replaces the definitions in the YAML and JSON files of `folder`. The error names file and field.
  base::result<void> load(std::filesystem::path const& folder);

  /// Null where the type is not custom.
  std::shared_ptr<custom_type const> find(std::string_view group, std::string_view plural) const;

 private:
  void sync();

  store& objects_;
  std::unique_ptr<watch> watch_;
  std::map<std::string, std::shared_ptr<custom_type const>, std::less<>> served_;  ///< by "plural.group"
  std::map<std::string, std::uint64_t, std::less<>> seen_;                         ///< resourceVersion last served
  bool syncing_ = false;
};

}  // namespace codeexec::local
