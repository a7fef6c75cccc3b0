// What clients ask before they ask for anything: groups, resources, version, OpenAPI. Built from the store's types.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "codeexec/local/custom_types.hpp"
#include "codeexec/local/store.hpp"

namespace codeexec::local {

nlohmann::json version_info();

class discovery {
 public:
  discovery(store const& objects, custom_types const& customs) : objects_(objects), customs_(customs) {}

  nlohmann::json api_versions(std::string_view server_address) const;                ///< /api
  nlohmann::json group_list() const;                                                 ///< /apis
  nlohmann::json group(std::string_view name) const;                                 ///< /apis/GROUP; null: none such
  nlohmann::json resources(std::string_view group, std::string_view version) const;  ///< null: none such
  /// apidiscovery.k8s.io/v2: everything at once; `core`: the group without a name, as /api answers.
  nlohmann::json aggregated(bool core) const;

  /// /openapi/v3: the documents there are, each with a hash of its content.
  nlohmann::json open_api_index() const;
  /// "api/v1", "apis/batch/v1"; null: none such.
  nlohmann::json open_api(std::string_view group, std::string_view version) const;

 private:
  struct entry;
  std::vector<entry> entries() const;

  store const& objects_;
  custom_types const& customs_;
};

}  // namespace codeexec::local
