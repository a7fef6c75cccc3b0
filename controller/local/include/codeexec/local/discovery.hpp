// What clients ask before they ask for anything: version, groups, resources. Built from the store's types.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/local/store.hpp"

namespace codeexec::local {

nlohmann::json version_info();

/// A resource as discovery shows it. An event type appears twice, once for each of its groups.
struct served_resource {
  std::string group;
  std::string version;
  std::shared_ptr<resource_type const> type;  ///< null: a resource that only answers (access reviews)
  std::string plural;
  std::string kind;
  bool namespaced = true;
  std::vector<std::string> verbs;

  std::string singular() const;
};

/// Lifetime: the store must outlive it.
class discovery {
 public:
  explicit discovery(store const& objects) : objects_(objects) {}

  /// All of them, by group; groups in the order of their names.
  std::vector<served_resource> served() const;

  nlohmann::json api_versions(std::string_view server_address) const;                ///< /api
  nlohmann::json group_list() const;                                                 ///< /apis
  nlohmann::json group(std::string_view name) const;                                 ///< /apis/GROUP; null: none such
  nlohmann::json resources(std::string_view group, std::string_view version) const;  ///< null: none such
  /// apidiscovery.k8s.io/v2: everything at once; `core`: the group without a name, as /api answers.
  nlohmann::json aggregated(bool core) const;

 private:
  store const& objects_;
};

}  // namespace codeexec::local
