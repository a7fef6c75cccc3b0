// Who may do what: role-based access control over the Roles and bindings in the store. Pure but for reading the store.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/local/status_error.hpp"
#include "codeexec/local/store.hpp"

namespace codeexec::local {

inline constexpr char const* rbac_group = "rbac.authorization.k8s.io";
inline constexpr kube::resource service_accounts{"", "v1", "serviceaccounts", "ServiceAccount", true};
inline constexpr kube::resource roles{rbac_group, "v1", "roles", "Role", true};
inline constexpr kube::resource role_bindings{rbac_group, "v1", "rolebindings", "RoleBinding", true};
inline constexpr kube::resource cluster_roles{rbac_group, "v1", "clusterroles", "ClusterRole", false};
inline constexpr kube::resource cluster_role_bindings{rbac_group, "v1", "clusterrolebindings", "ClusterRoleBinding",
                                                      false};

/// The group that may do everything whatever the roles say, as with a real API server.
inline constexpr std::string_view masters_group = "system:masters";

struct user_info {
  std::string name;
  std::string uid;  ///< empty where there is none
  std::vector<std::string> groups;

  bool in_group(std::string_view group) const;

  static user_info anonymous();
  static user_info administrator();
  static user_info service_account(std::string_view ns, std::string_view name, std::string uid);
};

/// What is to be done: to a resource, or (path not empty) a GET of a page that is none.
struct attributes {
  std::string verb;
  std::string group;
  std::string version;
  std::string resource;
  std::string subresource;
  std::string name;
  std::string ns;    ///< empty: the whole cluster
  std::string path;  ///< "/metrics"

  bool is_resource() const { return path.empty(); }
};

/// One of a role's `rules`, as JSON, against one request.
bool rule_allows(nlohmann::json const& rule, attributes const& what);

/// Whether `held` together allow all that `wanted` allows: nobody may grant what they do not have.
/// The first part of `wanted` that nothing in `held` covers, as the API prints it; nothing where all is covered.
std::vector<std::string> not_covered(std::vector<nlohmann::json> const& wanted,
                                     std::vector<nlohmann::json> const& held);

class rbac {
 public:
  /// The store must outlive it.
  explicit rbac(store const& objects) : objects_(objects) {}

  struct decision {
    bool allowed = false;
    /// Which binding allows it, or which role a binding names in vain.
    std::string reason;
  };
  decision decide(user_info const& who, attributes const& what) const;

  /// Every rule that holds for `who` in that namespace; empty: cluster-wide ones alone.
  std::vector<nlohmann::json> rules(user_info const& who, std::string_view ns) const;
  /// Rules of the role that a binding in `ns` (empty: a ClusterRoleBinding) refers to; nothing where there is none.
  std::optional<std::vector<nlohmann::json>> rules_of(nlohmann::json const& role_ref, std::string_view ns) const;

  /// Nothing where allowed; else the 403 that the API answers with.
  std::optional<status_error> refuse(user_info const& who, attributes const& what) const;
  /// Nobody may write a role or binding that grants more than they have, unless a rule gives them `escalate` or `bind`.
  std::optional<status_error> refuse_escalation(user_info const& who, resource_type const& type,
                                                nlohmann::json const& value) const;

 private:
  struct source;
  /// Calls `visit(rules, described)` for every binding of `who` until it returns false; missing roles go to `missing`.
  template <class Visit>
  void each_binding(user_info const& who, std::string_view ns, std::vector<std::string>& missing, Visit visit) const;

  store const& objects_;
};

/// `pods is forbidden: User "x" cannot list resource "pods" in API group "" at the cluster scope`.
status_error forbidden(user_info const& who, attributes const& what, std::string_view reason = {});

/// Roles and bindings that every cluster has: cluster-admin, admin, edit, view, and what everybody may read.
void add_default_roles(store& objects);

/// Keeps the `rules` of ClusterRoles with an aggregationRule: the union of those its selectors choose.
void aggregate_cluster_roles(store& objects);

}  // namespace codeexec::local
