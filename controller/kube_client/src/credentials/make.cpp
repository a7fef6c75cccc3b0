#include "codeexec/kube_client/credentials.hpp"

#include "static_token.hpp"
#include "token_file.hpp"

namespace codeexec::kube {

std::unique_ptr<credentials> make_credentials(identity const& who, base::clock const& clock,
                                              config_environment const& environment) {
  if (auto const* const token = std::get_if<token_identity>(&who)) return std::make_unique<static_token>(token->token);
  if (auto const* const file = std::get_if<token_file_identity>(&who)) {
    return std::make_unique<token_file>(file->path, clock, environment);
  }
  return std::make_unique<static_token>("");
}

}  // namespace codeexec::kube
