#include "static_token.hpp"

namespace codeexec::kube {

static_token::static_token(std::string token) : what_{token.empty() ? std::string() : "Bearer " + token, nullptr} {}

task<result<credential>> static_token::current(base::deadline) {
  co_return what_;
}

}  // namespace codeexec::kube
