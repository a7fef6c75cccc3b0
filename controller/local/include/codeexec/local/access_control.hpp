// Authentication and authorization of one server: whose token it is, and what the roles let them do.
#pragma once

#include <memory>

#include "codeexec/local/access.hpp"
#include "codeexec/local/audit_log.hpp"
#include "codeexec/local/tokens.hpp"

namespace codeexec::local {

struct access_control {
  /// The store must outlive it.
  access_control(store const& objects, token_authority::secrets keys)
      : tokens(objects, std::move(keys)), roles(objects) {}

  token_authority tokens;
  rbac roles;
  std::shared_ptr<audit_log> audit;  ///< null: nothing is written down
};

}  // namespace codeexec::local
