#include "codeexec/kube_client/credentials.hpp"

#include "static_token.hpp"
#include "token_file.hpp"

namespace codeexec::kube {

std::unique_ptr<credentials> make_credentials(boost::asio::any_io_executor, cluster_config const& config,
                                              base::clock const& clock, config_environment const& environment) {
  auto const& who = config.who;
  if (auto const* const token = std::get_if<token_identity>(&who)) return std::make_unique<static_token>(token->token);
  if (auto const* const file = std::get_if<token_file_identity>(&who)) {
    return std::make_unique<token_file>(file->path, clock, environment);
  }
  return std::make_unique<static_token>("");
}

}  // namespace codeexec::kube
