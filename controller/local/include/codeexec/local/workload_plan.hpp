// What the controllers of Deployments, ReplicaSets and PodDisruptionBudgets do next: from objects and the time to
// writes. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "codeexec/base/time.hpp"

namespace codeexec::local {

struct replica_set_plan {
  nlohmann::json status;            ///< written where it differs
  int create = 0;                   ///< Pods to be made
  std::vector<std::string> remove;  ///< Pods (names) to be deleted
  /// Look again then: a Pod will have been ready for minReadySeconds.
  std::optional<base::wall_time> again;
};

/// `pods`: those whose controller owner is the ReplicaSet, in any order.
replica_set_plan plan_replica_set(nlohmann::json const& set, std::vector<nlohmann::json const*> const& pods,
                                  base::wall_time now);

/// The Pod that a ReplicaSet's template describes; its name is made of generateName.
nlohmann::json make_replica_pod(nlohmann::json const& set);

struct deployment_plan {
  struct scaling {
    std::string set;  ///< name
    std::int64_t from = 0;
    std::int64_t to = 0;
  };
  std::optional<nlohmann::json> create;  ///< the ReplicaSet of the present template
  std::string revive;                    ///< an old ReplicaSet whose template is wanted again: it gets `revision`
  std::string revision;                  ///< of the present template; empty: as it is written already
  std::vector<scaling> scale;
  std::vector<std::string> remove;  ///< old ReplicaSets beyond revisionHistoryLimit
  nlohmann::json status;            ///< written where it differs
  std::optional<base::wall_time> again;
};

/// `sets`: those whose controller owner is the Deployment. One step; steps follow each other as the ReplicaSets change.
deployment_plan plan_deployment(nlohmann::json const& deployment, std::vector<nlohmann::json const*> const& sets,
                                base::wall_time now);

/// How many `value` ("25%" or 3) is of `total`.
std::int64_t share_of(nlohmann::json const& value, std::int64_t total, bool round_up);

/// `pods`: those that the budget selects. `expected`: how many their controllers want.
nlohmann::json plan_disruption_budget(nlohmann::json const& budget, std::vector<nlohmann::json const*> const& pods,
                                      std::int64_t expected, base::wall_time now);

}  // namespace codeexec::local
