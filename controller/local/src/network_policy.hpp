// NetworkPolicy as the API server takes it: its defaults and its checks. Nothing here enforces one; pods of the
// stand-in have no network at all.
#pragma once

#include "codeexec/local/strategy.hpp"

namespace codeexec::local {

class network_policy_strategy : public strategy {
 public:
  void prepare_create(nlohmann::json& object, base::wall_time now) const override;
  field_errors validate_create(nlohmann::json const& object) const override;
  void prepare_update(nlohmann::json& next, nlohmann::json const& current, part which) const override;
  field_errors validate_update(nlohmann::json const& next, nlohmann::json const& current, part which) const override;
};

}  // namespace codeexec::local
