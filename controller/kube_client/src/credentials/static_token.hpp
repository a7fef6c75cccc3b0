#pragma once

#include "codeexec/kube_client/credentials.hpp"

namespace codeexec::kube {

/// A value that never changes: a token from the configuration, or none at all.
class static_token final : public credentials {
 public:
  /// Empty: no Authorization header.
  explicit static_token(std::string const& token);

  task<result<credential>> current(base::deadline by) override;
  void rejected(credential const&) override {}

 private:
  result<credential> what_;
};

}  // namespace codeexec::kube
