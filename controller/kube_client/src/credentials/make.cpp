#include "codeexec/kube_client/credentials.hpp"

#include "exec_plugin.hpp"
#include "static_token.hpp"
#include "token_file.hpp"

namespace codeexec::kube {

std::unique_ptr<credentials> make_credentials(boost::asio::any_io_executor executor, cluster_config const& config,
                                              base::clock const& clock, config_environment const& environment,
                                              program_runner run) {
  auto const& who = config.who;
  if (auto const* const token = std::get_if<token_identity>(&who)) return std::make_unique<static_token>(token->token);
  if (auto const* const file = std::get_if<token_file_identity>(&who)) {
    return std::make_unique<token_file>(file->path, clock, environment);
  }
  if (std::holds_alternative<exec_identity>(who)) {
    return std::make_unique<exec_plugin>(std::move(executor), config, clock, environment, std::move(run));
  }
  return std::make_unique<static_token>("");
}

}  // namespace codeexec::kube
