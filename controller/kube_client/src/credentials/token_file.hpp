#pragma once

#include <optional>

#include "codeexec/kube_client/credentials.hpp"

namespace codeexec::kube {

/// A token that somebody else rotates in a file: kubelet does, well before the old one expires. Read at most once a
/// minute; while the file cannot be read, or holds nothing that can be sent, the token that was read last goes on
/// serving.
class token_file final : public credentials {
 public:
  token_file(std::string path, base::clock const& clock, config_environment const& environment);

  task<result<credential>> current(base::deadline by) override;
  void rejected(credential const& used) override;

 private:
  result<std::string> read() const;
  result<credential> read_if_due();

  std::string path_;
  base::clock const& clock_;
  config_environment environment_;
  std::string authorization_;                 ///< with the token that was read last; empty: none yet
  std::optional<base::steady_time> read_at_;  ///< nothing: read at the next use
};

}  // namespace codeexec::kube
