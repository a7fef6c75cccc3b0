#include "static_token.hpp"

#include "bearer.hpp"

namespace codeexec::kube {
namespace {

result<credential> from(std::string const& token) {
  if (token.empty()) return credential();
  auto authorization = bearer(token);
  if (!authorization) {
    return error(error_kind::config, "getting credentials: the token: " + authorization.error().message);
  }
  return credential{std::move(*authorization), nullptr};
}

}  // namespace

static_token::static_token(std::string const& token) : what_(from(token)) {}

task<result<credential>> static_token::current(base::deadline) {
  co_return what_;
}

}  // namespace codeexec::kube
