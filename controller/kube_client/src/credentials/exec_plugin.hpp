#pragma once

#include <memory>
#include <optional>

#include "codeexec/async/event.hpp"
#include "codeexec/kube_client/credentials.hpp"
#include "codeexec/kube_client/program.hpp"

#include "exec_credential.hpp"

namespace codeexec::kube {

/// A credential that a program gives. What it gave serves until a minute before it expires (half of its life, where
/// that is shorter than two minutes); the next call then starts the program, and the old credential goes on serving
/// while it is valid. Without a valid one, calls wait, each until its own deadline. Never two runs at once; a run is
/// bound by its own limit, not by the deadline of the call that began it: a person who has to log in may take longer.
class exec_plugin final : public credentials {
 public:
  exec_plugin(boost::asio::any_io_executor executor, cluster_config const& config, base::clock const& clock,
              config_environment environment, program_runner run);

  task<result<credential>> current(base::deadline by) override;
  void rejected(credential const& used) override;

 private:
  void start();
  void ended(program_end end);
  result<exec_credential> understand(program_end const& end) const;
  void remember(exec_credential given);
  bool is_valid() const;
  bool is_fresh() const;

  boost::asio::any_io_executor executor_;
  cluster_config config_;
  exec_identity plugin_;
  base::clock const& clock_;
  config_environment environment_;
  program_runner run_;

  std::optional<credential> given_;
  std::optional<base::wall_time> expires_;
  std::optional<base::wall_time> refresh_at_;
  bool refused_ = false;                              ///< the server does not take `given_`
  std::optional<base::steady_time> not_again_until_;  ///< running it once more so soon would change nothing
  error last_failure_;
  bool last_run_failed_ = false;
  async::event run_ended_;
  std::unique_ptr<running_program> running_;  ///< last: destroyed first, and with it what calls back into us
};

}  // namespace codeexec::kube
